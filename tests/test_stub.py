"""The stub says of the compiled module what is so."""

from __future__ import annotations

import subprocess
import sys


def test_the_stub_agrees_with_the_compiled_module() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "hybridx._core"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no issues found" in result.stdout, result.stdout
