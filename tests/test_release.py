"""What is published: the licences that go with it, its notes, and what is looked for in it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


def tool(name: str) -> ModuleType:
    """A script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


licences = tool("licences")
notes = tool("notes")
wheels = tool("wheels")

MIT = f"Copyright (c) 2024 Somebody\n\n{licences.TELLING['MIT']} of this software"
APACHE = "Apache License\n    Version 2.0, January 2004"


def crate(name: str, offered: str, *texts: str) -> Any:
    return licences.Crate(name, "1.0.0", offered, "", texts)


@pytest.mark.parametrize(
    ("expression", "sets"),
    [
        ("MIT", [{"MIT"}]),
        ("MIT/Apache-2.0", [{"MIT"}, {"Apache-2.0"}]),
        ("Apache-2.0 AND MIT", [{"Apache-2.0", "MIT"}]),
        ("(A OR B) AND C", [{"A", "C"}, {"B", "C"}]),
        ("A OR B AND C", [{"A"}, {"B", "C"}]),
        ("A WITH B-exception OR C", [{"A WITH B-exception"}, {"C"}]),
    ],
)
def test_an_expression_offers_sets_of_licences(expression: str, sets: list[set[str]]) -> None:
    assert [set(each) for each in licences.alternatives(expression)] == sets


def test_of_several_licences_the_text_of_the_one_that_is_taken_stays() -> None:
    assert licences.taken(crate("a", "Apache-2.0 OR MIT"), (APACHE, MIT)) == ("MIT", [MIT])
    # What it offers without a text does not count as long as there is another.
    assert licences.taken(crate("a", "MIT OR Apache-2.0"), (APACHE,)) == ("Apache-2.0", [APACHE])
    assert licences.taken(crate("a", "MIT OR GPL-3.0"), (MIT, "GPL")) == ("MIT", [MIT, "GPL"])


@pytest.mark.parametrize("offered", ["GPL-3.0-only", "MIT AND AGPL-3.0", ""])
def test_a_licence_that_is_not_allowed_is_an_error(offered: str) -> None:
    with pytest.raises(licences.LicenceError, match="bad"):
        licences.taken(crate("bad", offered), (MIT,))


def test_a_crate_without_a_text_is_an_error_unless_it_is_named_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = [crate("has", "MIT", MIT), crate("apache", "Apache-2.0", APACHE)]
    bare = crate("bare", "MIT")
    monkeypatch.setattr(licences, "WITHOUT_TEXT", {})
    with pytest.raises(licences.LicenceError, match=r"bare 1\.0\.0 ships no licence text"):
        licences.collection([*whole, bare])
    monkeypatch.setattr(licences, "WITHOUT_TEXT", {"bare": licences.Without("2020 Its Author")})
    text = licences.collection([*whole, bare])
    assert "Copyright (c) 2020 Its Author\n\nPermission is hereby granted" in text
    assert "Copyright (c) 2024 Somebody" in text
    # Reasons do not outlive what they were given for.
    with pytest.raises(licences.LicenceError, match="not linked: bare"):
        licences.collection(whole)


def test_copies_of_a_text_that_break_lines_elsewhere_are_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(licences, "WITHOUT_TEXT", {})
    copy = " ".join(APACHE.split())
    text = licences.collection(
        [crate("a", "MIT", MIT), crate("b", "Apache-2.0", APACHE), crate("c", "Apache-2.0", copy)]
    )
    assert text.count("Apache License") == 1
    assert "\nb, c\n" in text


def test_every_crate_that_ships_no_text_is_in_the_collection() -> None:
    text = (ROOT / "THIRD_PARTY_LICENSES").read_text(encoding="utf-8")
    for name, without in licences.WITHOUT_TEXT.items():
        assert f"\n{name} " in text
        assert without.holder is None or f"Copyright (c) {without.holder}\n" in text


CHANGELOG = """\
# Changelog

## Unreleased

## [0.2.0] - 2024-03-01

### Added

- Two.

## 0.1.0

- One.
"""


def test_notes_are_the_section_of_a_version() -> None:
    found = notes.sections(CHANGELOG)
    assert list(found) == ["Unreleased", "0.2.0", "0.1.0"]
    assert found["0.2.0"] == ("2024-03-01", "### Added\n\n- Two.")
    assert found["0.1.0"] == (None, "- One.")


def test_a_version_goes_out_with_a_dated_section_alone() -> None:
    found = notes.sections(CHANGELOG)
    assert notes.obstacles(found, "0.2.0") == []
    assert "no date" in notes.obstacles(found, "0.1.0")[0]
    assert "no section 0.3.0" in notes.obstacles(found, "0.3.0")[0]
    pending = notes.sections(CHANGELOG.replace("## Unreleased\n", "## Unreleased\n\n- Three.\n"))
    assert "Unreleased" in notes.obstacles(pending, "0.2.0")[0]


def test_the_changelog_of_this_version_is_read() -> None:
    found = notes.sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert found.keys() & {notes.UNRELEASED, notes.current_version()}
    assert any(text for _, text in found.values())


TAG = f"cp311-abi3-{wheels.LEVEL}_x86_64"


def made(folder: Path, **changed: bytes | None) -> Path:
    """A wheel with all that is demanded; `changed` replaces or leaves out files by their stem."""
    path = folder / f"hybridx-0.1.0-{TAG}.whl"
    info = "hybridx-0.1.0.dist-info/"
    contents = dict.fromkeys(wheels.IN_EVERY_WHEEL, b"content")
    contents |= {f"{info}licenses/{name}": b"terms" for name in wheels.LICENCES}
    contents |= {f"{info}WHEEL": f"Wheel-Version: 1.0\nTag: {TAG}\n".encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            wanted = changed.get(Path(name).name.replace(".", "_"), content)
            if wanted is not None:
                archive.writestr(name, wanted)
        if (junk := changed.get("junk")) is not None:
            archive.writestr("hybridx/__pycache__/api.pyc", junk)
    return path


def test_a_wheel_is_looked_into(tmp_path: Path) -> None:
    assert "files" in wheels.inspected_wheel(made(tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"py_typed": None}, "lacks hybridx/py.typed"),
        ({"THIRD_PARTY_LICENSES": None}, "lacks .*THIRD_PARTY_LICENSES"),
        ({"junk": b"compiled"}, "holds hybridx/__pycache__"),
        ({"_core_abi3_so": f"panicked at {ROOT}/rust/core".encode()}, "of this machine"),
        ({"WHEEL": b"Tag: cp311-abi3-linux_x86_64\n"}, "its tags are"),
    ],
)
def test_a_wheel_that_must_not_go_out_is_refused(
    tmp_path: Path, changed: dict[str, bytes | None], message: str
) -> None:
    with pytest.raises(wheels.ReleaseError, match=message):
        wheels.inspected_wheel(made(tmp_path, **changed))


def test_without_the_other_architecture_one_is_told_what_to_do() -> None:
    with pytest.raises(wheels.ReleaseError, match="rustup target add riscv64gc-unknown-none-elf"):
        wheels.demand_target("riscv64gc-unknown-none-elf")


def test_every_command_has_a_door() -> None:
    command = [sys.executable, str(ROOT / "tools/doors.py"), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    doors = {line.split()[0] for line in done.stdout.splitlines()}
    commands = {path.stem for path in (ROOT / "python/hybridx/cli").glob("[!_]*.py")}
    tried_with_others = {"why"}
    assert commands - tried_with_others <= doors, "a command without a door"
