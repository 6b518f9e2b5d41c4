"""Fetch the source trees that the bundled model is trained on.

Reads corpus.txt and uses the registries' own clients: pip (wheels only, so nothing of a package
is run), cargo vendor, and apt-get with dpkg-deb. Every package ends up unpacked in its own
folder of OUT; a folder that exists is kept. Other modules read the trees through `source_files`.

    python models/corpus.py OUT
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

LIST = Path(__file__).with_name("corpus.txt")

#: The evaluation's packages; copies that others bundle are skipped by folder name too.
EXCLUDED = frozenset(
    [
        "django",
        "sympy",
        "matplotlib",
        "mpl_toolkits",
        "pytest",
        "_pytest",
        "sphinx",
        "scikit-learn",
        "sklearn",
        "requests",
        "xarray",
        "astropy",
        "pylint",
        "seaborn",
        "flask",
    ]
)

LANGUAGES = {
    ".py": "python", ".rs": "rust", ".go": "go", ".java": "java", ".js": "javascript",
    ".mjs": "javascript", ".ts": "javascript", ".c": "c", ".h": "c", ".cc": "c", ".cpp": "c",
    ".hpp": "c", ".rb": "ruby", ".php": "php",
}  # fmt: skip

MAX_FILE_BYTES = 400_000  # larger sources are generated


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a client quietly; its error ends the program."""
    subprocess.run(command, check=True, cwd=cwd, stdout=subprocess.DEVNULL)


def fetch_wheels(pins: list[str], out: Path) -> None:
    """Download wheels and unpack each to OUT/pip-NAME."""
    missing = [pin for pin in pins if not (out / f"pip-{pin.split('==')[0]}").exists()]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary=:all:", "--python-version=3.11", "-q"]
        run(sys.executable, "-m", "pip", "download", *options, "-d", folder, *missing)
        for wheel in sorted(Path(folder).glob("*.whl")):
            name = wheel.name.split("-")[0]
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(out / f"pip-{name}")


def fetch_crates(pins: list[tuple[str, str]], out: Path) -> None:
    """Vendor the crates and move the named ones to OUT/crate-NAME."""
    if all((out / f"crate-{name}").exists() for name, _ in pins):
        return
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder)
        (package / "lib.rs").touch()
        lines = [
            "[package]",
            'name = "corpus"',
            'version = "0.0.0"',
            'edition = "2021"',
        ]
        lines += ["[lib]", 'path = "lib.rs"', "[dependencies]"]
        lines += [f'{name} = "={version}"' for name, version in pins]
        (package / "Cargo.toml").write_text("\n".join(lines), encoding="utf-8")
        run("cargo", "vendor", "-q", "--versioned-dirs", "vendor", cwd=package)
        for name, version in pins:
            found = sorted((package / "vendor").glob(f"{name}-{version}*"))
            if found and not (out / f"crate-{name}").exists():
                shutil.move(str(found[0]), str(out / f"crate-{name}"))


def fetch_deb(name: str, folders: list[str], out: Path) -> None:
    """Download one Debian package, unpack it and the source archives inside to OUT/deb-NAME."""
    target = out / f"deb-{name}"
    if target.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        run("apt-get", "download", "-q", name, cwd=Path(folder))
        unpacked = Path(folder) / "unpacked"
        (deb,) = Path(folder).glob("*.deb")
        run("dpkg-deb", "-x", str(deb), str(unpacked))
        for archive in sorted(unpacked.rglob("src.zip")):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(unpacked)
        for archive in sorted(unpacked.rglob("*.tar.xz")):
            with tarfile.open(archive) as opened:
                top = archive.name.removesuffix(".tar.xz")
                wanted = tuple(f"{top}/{each}/" for each in folders)
                members = (m for m in opened if m.isfile() and m.name.startswith(wanted))
                opened.extractall(unpacked, members=members, filter="data")
        shutil.move(str(unpacked), str(target))


def fetch(out: Path) -> None:
    """Fetch everything that corpus.txt names."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row and not row[0].startswith("#")]
    fetch_wheels([row[1] for row in rows if row[0] == "pip"], out)
    fetch_crates([(row[1], row[2]) for row in rows if row[0] == "crate"], out)
    for row in rows:
        if row[0] == "deb":
            fetch_deb(row[1], row[2:], out)
    library = out / "python-library"
    if not library.exists():
        ignore = shutil.ignore_patterns("site-packages", "__pycache__", "*.so")
        shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignore)


def source_files(folders: list[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield (path, language, text) of every usable source file, in a fixed order."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            language = LANGUAGES.get(path.suffix)
            parts = path.relative_to(folder).parts
            if language is None or not EXCLUDED.isdisjoint(part.lower() for part in parts):
                continue
            if path.name.endswith(".min.js") or path.is_symlink() or not path.is_file():
                continue
            if path.stat().st_size > MAX_FILE_BYTES:
                continue
            text = path.read_text(encoding="utf-8", errors="ignore")
            if len(text) < 200 * (text.count("\n") + 1):  # longer lines on average: minified
                yield "/".join(parts), language, text


def main() -> None:
    """Fetch into the folder named on the command line and say how much there is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    fetch(out)
    counts: dict[str, list[int]] = {}
    for _, language, text in source_files([out]):
        count = counts.setdefault(language, [0, 0])
        count[0] += 1
        count[1] += len(text)
    for language, (files, size) in sorted(counts.items()):
        print(f"{language:12} {files:7} files {size / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
