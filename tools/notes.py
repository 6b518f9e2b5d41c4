"""Release notes: what CHANGELOG.md says of a version.

    python3 tools/notes.py [VERSION]    # prints its section; "Unreleased" is one
    python3 tools/notes.py --check      # ends with 1 unless the version in Cargo.toml can go out

The version stands in one place, `[workspace.package]` of Cargo.toml.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNRELEASED = "Unreleased"
HEADING = re.compile(r"^## \[?(?P<name>[^\]\s]+)\]?(?: - (?P<date>\d{4}-\d\d-\d\d))?\s*$")


def main() -> None:
    """Prints a section, or checks that there is one."""
    parser = argparse.ArgumentParser(description="Release notes from CHANGELOG.md.")
    parser.add_argument("version", nargs="?", help="by default that of Cargo.toml")
    parser.add_argument("--check", action="store_true", help="may this version go out?")
    arguments = parser.parse_args()
    found = sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    version = arguments.version or current_version()
    if arguments.check:
        if wrong := obstacles(found, version):
            sys.exit("\n".join(f"notes: {line}" for line in wrong))
    elif version not in found:
        sys.exit(f"notes: CHANGELOG.md has no section {version} (there are {', '.join(found)})")
    else:
        print(found[version][1])


def current_version() -> str:
    """The version of the workspace, and so of the package."""
    with (ROOT / "Cargo.toml").open("rb") as file:
        return str(tomllib.load(file)["workspace"]["package"]["version"])


def sections(changelog: str) -> dict[str, tuple[str | None, str]]:
    """Date and text of each version's section, newest first; the texts are without heading."""
    found: dict[str, tuple[str | None, list[str]]] = {}
    lines: list[str] = []
    for line in changelog.splitlines():
        if heading := HEADING.match(line):
            lines = []
            found[heading["name"]] = (heading["date"], lines)
        else:
            lines.append(line)
    return {name: (date, "\n".join(lines).strip()) for name, (date, lines) in found.items()}


def obstacles(found: dict[str, tuple[str | None, str]], version: str) -> list[str]:
    """Why `version` cannot go out yet."""
    wrong = []
    if version not in found:
        wrong.append(f"CHANGELOG.md has no section {version}: rename {UNRELEASED} to it")
    else:
        date, text = found[version]
        if date is None:
            wrong.append(
                f"section {version} of CHANGELOG.md has no date (`## {version} - 2024-02-29`)"
            )
        if not text:
            wrong.append(f"section {version} of CHANGELOG.md is empty")
        if found.get(UNRELEASED, (None, ""))[1]:
            wrong.append(f"something is still under {UNRELEASED}")
    return wrong


if __name__ == "__main__":
    main()
