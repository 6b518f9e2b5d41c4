"""Settings that go together, by how large a repository is.

A preset changes how an index is made and never what is in it: neither results nor the fingerprint
depend on it, so it can be changed at any time and no index is built anew for it.
"""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["small", "medium", "large"]

PRESETS: dict[Preset, dict[str, Any]] = {
    # Up to some thousand files, in editors and hooks beside other programs: less memory counts
    # more than the last tenth of speed, and whoever else writes is done within seconds.
    "small": {"memory_limit_mb": 400, "commit_files": 1000, "lock_timeout": 5.0},
    # The defaults; the memory limit follows the machine.
    "medium": {"commit_files": 5000, "lock_timeout": 10.0},
    # A hundred thousand files and more. Twelve commits instead of one made a build of 1,500 files
    # of C (34 MB) take a quarter longer, about 0.6 s each; and each writes the whole snapshot, so
    # their cost grows with the square of the tree. One a minute is made anyway. What the tree
    # itself takes in memory is the run's own, and close to its limit a run commits for every few
    # files. Another writer may be at it for long.
    "large": {"memory_limit_mb": 2048, "commit_files": 50_000, "lock_timeout": 60.0},
}
