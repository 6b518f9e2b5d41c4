"""A GPU that is asked for and not to be had: said in one line, an error if it is required.

What a GPU computes is measured, not tested: these run where there is none. A library that is no
driver stands for a machine with a driver and without CUDA's libraries.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support import Tree, json_of, run_cli
from test_models import make_transformer

if TYPE_CHECKING:
    from pathlib import Path

ABSENT = "there is no NVIDIA driver"
UNUSABLE = "ONNX Runtime cannot load its CUDA provider"


@pytest.fixture(scope="module", autouse=True)
def _no_gpu() -> None:
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("needs Linux and a C compiler")
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    pytest.skip("this machine has an NVIDIA driver")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine with a driver that finds no device."""
    folder: Path = tmp_path_factory.mktemp("driver")
    (folder / "cuda.c").write_text("int cuInit(unsigned flags) { return 100 + 0 * flags; }\n")
    library = folder / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "cuda.c"], check=True)
    known = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": f"{folder}:{known}" if known else str(folder)}


@pytest.fixture
def project(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree", {"a.py": "def read_file():\n    pass\n"})


def test_without_a_driver_auto_is_silent_and_cuda_is_answered_in_a_line(project: Tree) -> None:
    silent = run_cli("index", project.root, "--json", "--quiet")
    assert (silent.returncode, silent.stderr) == (0, b"")
    told = run_cli("index", project.root, "--full", "--json", "--quiet", "--device", "cuda",
                   env={"HYBRIDX_CACHE_MB": "0"})  # fmt: skip
    assert told.returncode == 0
    (line,) = told.stderr.decode().splitlines()
    assert ABSENT in line
    assert json_of(told)["device"] == "cpu"


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_driver_without_cuda_is_one_line(
    project: Tree, tmp_path: Path, driver: dict[str, str], device: str
) -> None:
    """For a transformer: `auto` does not look for a GPU for the bundled model."""
    make_transformer(tmp_path / "m")
    quiet = ("index", project.root, "--json", "--quiet", "--device", device)
    if device == "auto":
        assert run_cli(*quiet, env=driver).stderr == b""
    told = run_cli(*quiet, "--full", "--model", tmp_path / "m", env=driver)
    assert told.returncode == 0, told.stderr
    (line,) = told.stderr.decode().splitlines()
    assert UNUSABLE in line
    assert json_of(told)["device"] == "cpu"


def test_a_gpu_that_is_required_is_an_error_also_where_every_vector_is_known(
    project: Tree, driver: dict[str, str]
) -> None:
    for env, reason in (({}, ABSENT), (driver, UNUSABLE)):
        refused = run_cli("index", project.root, "--require-gpu", env=env)
        assert refused.returncode == 2
        lines = refused.stderr.decode().splitlines()
        assert len(lines) <= 2, lines
        assert "a GPU is required" in lines[0]
        assert reason in lines[0]
    assert run_cli("index", project.root).returncode == 0
    refused = run_cli("index", project.root, "--full", "--require-gpu")
    assert refused.returncode == 2, "the cache had the vectors, and nobody asked for the GPU"
