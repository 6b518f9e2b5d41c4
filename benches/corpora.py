"""Fetches the trees that the benches work on, by the ordinary clients of their registries.

python benches/corpora.py CACHE [--kernel-whole] [--packages DIR]

Writes, and reuses what is there:

    CACHE/kernel     `kernel`, `mm`, `fs` and `net` of Debian's package linux-source-6.1: about
                     4,700 files, 92 MB of C (with `--kernel-whole` all of it: 78,000 files, 1.3 GB)
    CACHE/stdlib     the Python standard library of this interpreter

Prints one JSON document with the files and bytes of each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

PACKAGE = "linux-source-6.1"
PARTS = ("kernel", "mm", "fs", "net")


def kernel(folder: Path, *, whole: bool, packages: Path | None = None) -> None:
    """Unpacks the kernel's sources into `folder`, or only the four folders and `.gitignore`."""
    if folder.exists():
        return
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        work = Path(name)
        found = sorted((packages or work).glob(f"{PACKAGE}_*.deb"))
        if not found:
            _run("apt-get", "download", "-q", PACKAGE, folder=work)
            found = sorted(work.glob(f"{PACKAGE}_*.deb"))
        _run("dpkg-deb", "-x", str(found[-1].resolve()), "package", folder=work)
        (archive,) = work.glob("package/usr/src/*.tar.xz")
        top = archive.name.removesuffix(".tar.xz")
        wanted = [top] if whole else [f"{top}/{part}" for part in (*PARTS, ".gitignore")]
        _run("tar", "-xJf", str(archive), *wanted, folder=work)
        drop_ignore_all(work / top / ".gitignore")
        (work / top).rename(folder)


def drop_ignore_all(path: Path) -> None:
    """Drops Debian's last rule, which ignores everything, and the comment before it."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if "/*\n" in lines:
        at = lines.index("/*\n")
        start = at - 1 if at and lines[at - 1].startswith("#") else at
        del lines[start : at + 1]
        path.write_text("".join(lines), encoding="utf-8")


def stdlib(folder: Path) -> None:
    """Copies the standard library without what is installed or compiled beside it."""
    if folder.exists():
        return
    installed = ("site-packages", "dist-packages")
    left_out = shutil.ignore_patterns(*installed, "__pycache__", "config-*", "*.so")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(sysconfig.get_path("stdlib"), partial, ignore=left_out)
    partial.rename(folder)


def size(folder: Path) -> dict[str, int]:
    """Number and bytes of the regular files below `folder`, `.git` and `.hybridx` left out."""
    files = total = 0
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in {".git", ".hybridx"}]
        paths = [Path(at, name) for name in names]
        sizes = [path.stat().st_size for path in paths if path.is_file() and not path.is_symlink()]
        files += len(sizes)
        total += sum(sizes)
    return {"files": files, "bytes": total}


def _run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Fetches what is missing and prints what there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--kernel-whole", action="store_true")
    parser.add_argument("--packages", type=Path, metavar="DIR", help="where .deb files already are")
    asked = parser.parse_args()
    cache: Path = asked.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    kernel_folder = cache / ("kernel-whole" if asked.kernel_whole else "kernel")
    kernel(kernel_folder, whole=asked.kernel_whole, packages=asked.packages)
    stdlib(cache / "stdlib")
    trees = (kernel_folder, cache / "stdlib")
    print(json.dumps({tree.name: {"path": str(tree), **size(tree)} for tree in trees}, indent=2))


if __name__ == "__main__":
    main()
