"""Search quality: the scripts that measure it, and a floor below which it must not fall."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cross_encoders import make_cross_encoder, node, overlap

ROOT = Path(__file__).resolve().parent.parent
SETS = ROOT.parent / "shared" / "eval"

FILES = {
    "one/src/pool.py": '"""Connection pools."""\n\n\ndef take_line(pool):\n    return pool.pop()\n',
    "one/src/parse.py": "def parse_date(text):\n    return text.split('-')\n",
    "two/web/login.js": "function checkPassword(user) {\n  return user.hash;\n}\n",
    "two/web/cart.js": "function addToCart(item) {\n  cart.push(item);\n}\n",
}
QUERIES = [
    ("q1", "one", "take_line", "one/src/pool.py"),
    ("q2", "one", "where is a date parsed", "one/src/parse.py"),
    ("q3", "two", "checkPassword", "two/web/login.js"),
    ("q4", "two", "put an item into the cart", "two/web/cart.js"),
]


def measured(*arguments: str | Path) -> str:
    """What the script prints."""
    script = ROOT / "benches" / "quality.py"
    if not script.exists():
        pytest.skip("the benches are not here")
    done = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def row(printed: str, name: str) -> list[float]:
    """The figures of one line: over all queries, then as the mean of packages."""
    [line] = [line for line in printed.splitlines() if line.startswith(name + " ")]
    return [float(value) for value in re.findall(r"\d+\.\d+", line)]


def test_a_set_is_measured_in_every_mode(tmp_path: Path) -> None:
    for path, text in FILES.items():
        file = tmp_path / "corpus" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    rows = [{"id": q, "package": package, "text": text} for q, package, text, _ in QUERIES]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    qrels = ["qid\tdocid\trel", *(f"{q}\t{document}\t1" for q, _, _, document in QUERIES)]
    (tmp_path / "qrels.tsv").write_text("\n".join(qrels))
    # It likes least what has most in common with the query.
    dislike = [*overlap(), node("Neg", ["count"], "logits")]
    printed = measured(
        *(tmp_path / name for name in ("queries.jsonl", "qrels.tsv", "corpus")),
        *("--floor", "--ablate", "--runs", tmp_path / "runs"),
        *("--rerank", make_cross_encoder(tmp_path / "judge", dislike)),
    )
    assert printed.startswith("4 queries")
    for mode in ("lexical", "hybrid", "floor"):
        assert row(printed, mode) == [1.0] * 8, printed
    assert 0.5 < row(printed, "semantic")[0] <= 1.0
    assert "  body " in printed
    assert row(printed, "reranked")[0] < 0.9
    assert "  reranked - hybrid -0." in printed
    run = (tmp_path / "runs" / "hybrid.tsv").read_text().splitlines()
    assert run[0].split("\t")[:3] == ["q1", "one/src/pool.py", "1"]


@pytest.mark.slow
def test_titles_and_texts_of_issues_find_the_file_of_their_fix(tmp_path: Path) -> None:
    """Needs the tuning set beside the project, and PyPI for its packages."""
    folder = SETS / "swe_lite"
    if not folder.exists():
        pytest.skip(f"{folder} is not here")
    corpus = tmp_path / "corpus"
    subprocess.run([sys.executable, folder / "fetch_corpus.py", corpus], check=True)
    files: list[str | Path] = [folder / "queries.jsonl", folder / "qrels.tsv", corpus]
    kept: list[str | Path] = ["--indexes", tmp_path / "indexes"]
    titles = measured(*files, "--field", "text_title", *kept)
    texts = measured(*files, *kept)
    print(titles, texts)
    assert row(titles, "hybrid")[0] > 0.66
    assert row(titles, "hybrid")[0] > max(row(titles, mode)[0] for mode in ("lexical", "semantic"))
    assert row(texts, "hybrid")[0] >= row(titles, "hybrid")[0]
