"""Peak memory against the size of the tree.

python benches/memory.py TREE [--megabytes 100 1000] [--memory-limit MB]

Makes trees of the given sizes of copies of TREE's files, each file made distinct by a line of its
own, and indexes each in a fresh process. Prints one JSON document with the highest anonymous
memory (RssAnon: what the run itself allocated, without files that are mapped) of each, and how
far the largest tree's is from the smallest one's: wanted are at most 20 % plus 300 bytes a file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MEGA = 1_000_000
PER_FILE = 300
SHARE = 0.2


def main() -> None:
    """Runs the bench."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--memory-limit", type=int, metavar="MB")
    options = parser.parse_args()
    more = [] if options.memory_limit is None else ["--memory-limit", str(options.memory_limit)]
    runs = []
    for megabytes in sorted(options.megabytes):
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "tree"
            make_tree(options.tree, root, megabytes * MEGA)
            runs.append({"megabytes": megabytes, **index(root, more)})
            print(runs[-1], file=sys.stderr, flush=True)
    small, large = runs[0], runs[-1]
    allowed = small["anonymous_bytes"] * (1 + SHARE)
    allowed += PER_FILE * (large["files"] - small["files"])
    document = {
        "runs": runs,
        "ratio": round(large["anonymous_bytes"] / small["anonymous_bytes"], 3),
        "allowed_bytes": int(allowed),
        "met": large["anonymous_bytes"] <= allowed,
    }
    print(json.dumps(document, indent=2))


def make_tree(source: Path, root: Path, size: int) -> None:
    """Copies the files of `source`, again and again, until `size` bytes are there."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    files = [path for path in files if ".hybridx" not in path.parts]
    written = number = 0
    while written < size:
        top = root / f"copy{number}"
        for path in files:
            target = top / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes()
            mark = b"/* copy %d of %s */\n" % (number, path.name.encode(errors="replace"))
            # At both ends and in the middle, so that most chunks differ too.
            half = content.find(b"\n", len(content) // 2) + 1
            target.write_bytes(mark + content[:half] + mark + content[half:] + mark)
            written += len(content) + 3 * len(mark)
            if written >= size:
                return
        number += 1


def index(root: Path, more: list[str]) -> dict[str, Any]:
    """Indexes `root` in a fresh process and watches its memory."""
    shutil.rmtree(root / ".hybridx", ignore_errors=True)
    command = [sys.executable, "-m", "hybridx", "index", "--json", "--quiet", *more, str(root)]
    with (
        tempfile.TemporaryDirectory() as cache,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "HYBRIDX_CACHE_DIR": cache}
        ) as process,
    ):
        anonymous = 0
        while process.poll() is None:
            anonymous = max(anonymous, rss_anon(process.pid))
            time.sleep(0.02)
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
    return {
        "files": report["files"]["seen"],
        "chunks": report["chunks"]["total"],
        "anonymous_bytes": anonymous,
        "peak_rss_bytes": report["peak_rss_bytes"],
        "seconds": report["seconds"]["total"],
    }


def rss_anon(pid: int) -> int:
    """Anonymous memory of a process in bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("RssAnon:")]
    return int(found[0]) * 1024 if found else 0


if __name__ == "__main__":
    main()
