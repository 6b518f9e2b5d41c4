"""What is heavy is loaded by what needs it, and by nothing else."""

from __future__ import annotations

import pytest

from support import Tree, open_index, script, updated

HEAVY = ("lancedb", "lance", "onnxruntime", "pyarrow", "huggingface_hub", "mcp", "pydantic")

CASES = {
    "import": "import hybridx",
    "names": "import hybridx; hybridx.Index; hybridx.AsyncIndex; hybridx.Settings",
    "merkle": "import hybridx; hybridx.MerkleTree.from_path(sys.argv[1])",
    "help": "command('--help')",
    "help of a command": "command('index', '--help')",
    "completion": "command('completion', 'bash')",
    "names of the doctor": "import hybridx.doctor",
    "help of mcp": "command('mcp', '--help')",
    "configuration of mcp": "command('mcp', '--print-config', sys.argv[1])",
    "outline": "import hybridx; hybridx.Index.open(sys.argv[1]).outline('src')",
    "update without changes": "command('index', '--quiet', sys.argv[1])",
    "diff": "command('diff', sys.argv[1])",
    "status": "command('status', sys.argv[1])",
    "why": "command('why', sys.argv[1] + '/src/retry.py')",
    "models list": "command('models', 'list')",
    "lexical search": "command('search', 'retry', sys.argv[1], '--mode', 'lexical')",
}

RUN = """
import sys
def command(*args):
    from hybridx.cli import cli
    cli.main(list(args), prog_name="hybridx", standalone_mode=False)
{code}
print()
print("loaded:", *(name for name in {heavy} if name in sys.modules))
"""


@pytest.mark.parametrize("case", CASES)
def test_nothing_heavy_is_loaded(project: Tree, case: str) -> None:
    updated(open_index(project))
    code = RUN.format(code=CASES[case], heavy=HEAVY)
    result = script(code, str(project.root))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "loaded:", f"{case}: {result.stdout}"


def test_a_semantic_search_does_load_them(project: Tree) -> None:
    """Else the test above would hold by a misspelled name."""
    updated(open_index(project))
    code = RUN.format(code="command('search', 'retry', sys.argv[1])", heavy=HEAVY)
    last = script(code, str(project.root)).stdout.splitlines()[-1]
    assert {"lancedb", "onnxruntime", "pyarrow"} <= set(last.split())
