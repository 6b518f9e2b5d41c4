"""The machine a figure was measured on, without names and places of it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("lancedb", "pyarrow", "onnxruntime-gpu", "onnxruntime", "numpy")
CRATES = ("tantivy", "tree-sitter", "blake3")


def describe() -> dict[str, Any]:
    """Cores, processor, memory, kernel and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Without what whoever built it appended.
    release = re.match(r"[\d.]+", platform.release())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": processor(),
        "memory_gib": round(memory / (1 << 30)),
        "system": f"{platform.system()} {release[0] if release else ''} {platform.machine()}",
        "versions": versions(),
    }


def processor() -> str:
    """What the processor calls itself."""
    text = Path("/proc/cpuinfo").read_text("utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def versions() -> dict[str, str]:
    """Python and what does the work, as far as it is installed."""
    known = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    lock = (ROOT / "Cargo.lock").read_text("utf-8")
    for name in CRATES:
        found = re.search(rf'^name = "{name}"\nversion = "(.+)"$', lock, re.MULTILINE)
        if found:
            known[name] = found[1]
    for name in ("rustc", "git", "b3sum"):
        if shutil.which(name):
            said = _said(name, "--version").split()
            known[name] = next(word for word in said if word[0].isdigit())
    return known


def commit() -> str | None:
    """The commit of the working tree, with a plus where it has changes; None outside git."""
    if not (ROOT / ".git").exists():
        return None
    changed = _said("git", "status", "--porcelain", "--untracked-files=no", "--", "python", "rust")
    return _said("git", "rev-parse", "--short", "HEAD").strip() + ("+" if changed.strip() else "")


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout
