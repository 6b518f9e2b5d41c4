"""Builds what is published, into dist/: a wheel for each architecture, and the sdist.

    python3 tasks.py wheels                  # x86_64, aarch64 and the sdist
    python3 tasks.py wheels aarch64 sdist    # some of them

zig compiles the grammars and links, so that one machine builds for every architecture against the
C library of the level below; Rust's own library for the other architecture has to be there
(`rustup target add ...`). Each file is looked into before it counts as built (`inspected`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"

# That of LanceDB, PyArrow and ONNX Runtime: an older system could not install those anyway.
LEVEL = "manylinux_2_28"
TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}
SDIST = "sdist"

MODULE = "hybridx/_core.abi3.so"
IN_EVERY_WHEEL = (
    MODULE,
    "hybridx/_core.pyi",
    "hybridx/py.typed",
    "hybridx/embed/bundled/LICENSE",
    "hybridx/embed/bundled/model.onnx",
    "hybridx/embed/bundled/terms.txt",
    "hybridx/embed/graphs/mean-float32.onnx",
)
IN_EVERY_SDIST = (
    "Cargo.lock",
    "Cargo.toml",
    "pyproject.toml",
    "README.md",
    "rust/core/rules/betterleaks.rules",
    "rust/core/rules/own.rules",
    "python/hybridx/embed/bundled/model.onnx",
    "python/hybridx/py.typed",
)
LICENCES = (
    "LICENSE",
    "THIRD_PARTY_LICENSES",
    "python/hybridx/embed/bundled/LICENSE",
    "rust/core/rules/LICENSE.betterleaks",
)
# Folders and endings that no reader of a wheel or an sdist needs.
JUNK = re.compile(
    r"(^|/)(__pycache__|\.venv|target|dist|\.git|\.hybridx|\.hypothesis)(/|$)|\.(pyc|orig|rej|tmp)$"
)


class ReleaseError(Exception):
    """Something is missing or wrong; the message is one line for the user."""


class Built(NamedTuple):
    """A file in dist/ that was looked into."""

    path: Path
    remarks: str


def main(arguments: list[str]) -> None:
    """Builds what is named, or everything."""
    wanted = arguments or [*TARGETS, SDIST]
    if unknown := [name for name in wanted if name not in {*TARGETS, SDIST}]:
        sys.exit(f"unknown: {', '.join(unknown)} (there are {', '.join([*TARGETS, SDIST])})")
    try:
        for name in wanted:
            if name in TARGETS:
                demand_target(TARGETS[name])
        built = [sdist() if name == SDIST else wheel(name) for name in wanted]
    except ReleaseError as error:
        sys.exit(f"wheels: {error}")
    for file in built:
        size = file.path.stat().st_size / 1e6
        print(f"{file.path.relative_to(ROOT)}  {size:.1f} MB  {file.remarks}")


def demand_target(target: str) -> None:
    """Raises ReleaseError if the Rust toolchain has no standard library for `target`."""
    command = ["rustc", "--print", "target-libdir", "--target", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not any(Path(done.stdout.strip()).glob("libstd-*")):
        raise ReleaseError(f"Rust cannot build for {target} here: run `rustup target add {target}`")


def wheel(architecture: str) -> Built:
    """Builds and checks the wheel for one architecture."""
    target = TARGETS[architecture]
    path = maturin(
        "build", "--profile", "dist", "--locked", "--zig", "--target", target,
        "--compatibility", LEVEL, "--auditwheel", "check",
        suffix=f"{LEVEL}_{architecture}.whl",
    )  # fmt: skip
    return Built(path, inspected_wheel(path))


def sdist() -> Built:
    """Builds and checks the source distribution."""
    path = maturin("sdist", suffix=".tar.gz")
    return Built(path, inspected_sdist(path))


def maturin(command: str, *options: str, suffix: str) -> Path:
    """Runs maturin and returns the file of dist/ it made, which ends with `suffix`."""
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob(f"hybridx-*{suffix}"):
        old.unlink()
    line = [sys.executable, "-m", "maturin", command, *options, "--out", str(DIST)]
    print("+", *line[1:], file=sys.stderr, flush=True)
    if code := subprocess.run(line, cwd=ROOT, env=environment(), check=False).returncode:
        raise ReleaseError(f"maturin {command} ended with {code}")
    made = list(DIST.glob(f"hybridx-*{suffix}"))
    if len(made) != 1:
        raise ReleaseError(f"maturin {command} left {len(made)} files *{suffix} in {DIST}")
    return made[0]


def places() -> dict[str, str]:
    """The folders a compiler reads from, and what they are called in what it makes."""
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    return {str(cargo / "registry/src"): "/crates", str(ROOT): "/hybridx"}


def environment() -> dict[str, str]:
    """The variables of a build: no path of this machine gets into what is compiled."""
    rust = [f"--remap-path-prefix={old}={new}" for old, new in places().items()]
    c = [f"-ffile-prefix-map={old}={new}" for old, new in places().items()]
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(rust),
        "CFLAGS": " ".join([os.environ.get("CFLAGS", ""), *c]).strip(),
    }


def inspected_wheel(path: Path) -> str:
    """What is worth telling of a wheel; raises ReleaseError if it must not be published.

    maturin has already looked at the libraries and symbols that the extension asks for.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        demand(path, names, IN_EVERY_WHEEL)
        info = next(name for name in names if name.endswith(".dist-info/WHEEL")).removesuffix(
            "WHEEL"
        )
        demand(path, names, [f"{info}licenses/{licence}" for licence in LICENCES])
        for name in names:
            content = archive.read(name)
            if found := [place for place in places() if place.encode() in content]:
                raise ReleaseError(f"{path.name}: {name} names {found[0]} of this machine")
        tags = re.findall(r"^Tag: (.+)$", archive.read(f"{info}WHEEL").decode(), re.MULTILINE)
        wanted = path.name.removesuffix(".whl").split("-", 2)[2]
        if tags != [wanted]:
            raise ReleaseError(f"{path.name}: its tags are {', '.join(tags)}")
        unpacked = sum(each.file_size for each in archive.infolist()) / 1e6
    return f"{unpacked:.0f} MB unpacked, {len(names)} files"


def inspected_sdist(path: Path) -> str:
    """What is worth telling of a source distribution; raises ReleaseError if something is amiss."""
    with tarfile.open(path) as archive:
        names = ["/".join(PurePosixPath(name).parts[1:]) for name in archive.getnames()]
    demand(path, names, [*IN_EVERY_SDIST, *LICENCES])
    return f"{len(names)} files"


def demand(path: Path, names: Iterable[str], needed: Iterable[str]) -> None:
    """Raises ReleaseError unless an archive holds what is needed, and no junk."""
    there = set(names)
    if missing := [name for name in needed if name not in there]:
        raise ReleaseError(f"{path.name} lacks {', '.join(missing)}")
    if junk := [name for name in there if JUNK.search(name)]:
        raise ReleaseError(f"{path.name} holds {', '.join(sorted(junk)[:5])}")


if __name__ == "__main__":
    main(sys.argv[1:])
