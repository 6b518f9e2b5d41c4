"""The table of promises in ARCHITECTURE.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TITLE = "## Which test holds which promise?"
NAMED = re.compile(r"`(?:(\w+)\.(?:py|rs))?(?:::)?(\w+)?`")


def promises() -> list[tuple[str, list[tuple[str, str]]]]:
    """Each promise with its tests, as `(module, name)`; a module alone has an empty name."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition(TITLE)[2].partition("\n## ")[0]
    found = []
    for line in section.splitlines():
        if not line.startswith("| ") or line.startswith(("| promise", "|--")):
            continue
        promise, tests = (cell.strip() for cell in line.strip("|").split("|"))
        module, named = "", []
        for each in NAMED.finditer(tests):
            # A test without a module is of the module named before it.
            module = each.group(1) or module
            named.append((module, each.group(2) or ""))
        found.append((promise, named))
    return found


PROMISES = promises()


def test_the_table_is_read() -> None:
    assert len(PROMISES) >= 20


@pytest.mark.parametrize(("promise", "tests"), PROMISES, ids=[each[0][:40] for each in PROMISES])
def test_every_promise_has_a_test(promise: str, tests: list[tuple[str, str]]) -> None:
    assert tests, f"nothing holds: {promise}"
    for module, name in tests:
        paths = [*ROOT.glob(f"tests/{module}.py"), *ROOT.glob(f"rust/core/**/{module}.rs")]
        assert paths, f"there is no test module {module}"
        assert name, f"{module} alone is no test"
        text = "".join(path.read_text(encoding="utf-8") for path in paths)
        assert re.search(rf"(def|fn) {name}\b", text), f"{module} has no {name}"
