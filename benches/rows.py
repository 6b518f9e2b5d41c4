"""The rows of the table: what each is, against what, what is wanted, and what bounds it."""

from __future__ import annotations

from target import Row, Target

PARSING = (
    "parsing all of the text, by a bare tree-sitter on all cores; of C less than half is parsed"
)

ROWS: tuple[Row, ...] = (
    Row(
        "cold", "cold index, 90 MB of C", "semble 0.7.0", "s", "≥ 7 times as fast",
        (Target("ratio", at_least=7),), PARSING, "reference / figure",
    ),
    Row(
        "cold-memory", "the same, peak memory of all processes", "semble 0.7.0", "MB",
        "≤ a quarter", (Target("ratio", at_most=0.25),),
        "the code mapped (170 MB), syntax trees and blocks under way",
    ),
    Row(
        "whole", "cold index, 1.3 GB of C, a GB", "90 MB of it, a GB", "s",
        "≤ 1.2 times as long", (Target("ratio", at_most=1.2),), PARSING,
    ),
    Row(
        "whole-memory", "the same, peak memory", "90 MB of it", "MB", "≤ 1 GB",
        (Target("figure", at_most=1000),),
        "as of 90 MB, and what is kept of each file until the commit",
    ),
    Row(
        "scan", "walk and digests of 78,000 files, 1.3 GB, whole process", "`b3sum`", "s",
        "≤ 1.25 times its time", (Target("ratio", at_most=1.25),),
        "`b3sum` over the same files, which it is told",
    ),
    Row(
        "no-op", "`hybridx index`, none of 78,000 files changed", "`git status`", "s",
        "≤ its time and .15 s", (Target("difference", at_most=0.15),),
        "one stat a file, as git has it, and Python's start",
    ),
    Row(
        "one-changed", "`hybridx index`, one of 78,000 files changed",
        "`import lancedb`", "s", "≤ its time and .3 s",
        (Target("difference", at_most=0.3),),
        "the no-op, loading LanceDB's native library, two commits",
    ),
    Row(
        "one-changed-inside", "an update of that path, as a process that stays makes it", "", "s",
        "≤ .06 s", (Target("figure", at_most=0.06),), "the disk's `fsync`, twice",
    ),
    Row(
        "search-cold", "`hybridx search`, cold, over 1.3 GB", "`import lancedb`", "s",
        "≤ its time and .2 s", (Target("difference", at_most=0.2),),
        "loading LanceDB's native library and the model's runtime",
    ),
    Row(
        "search-cold-lexical", "the same, `--mode lexical`", "", "s", "≤ .15 s",
        (Target("figure", at_most=0.15),), "Python's start",
    ),
    Row(
        "import", "`import hybridx` with `hybridx.Index` touched", "Python alone", "s",
        "≤ .05 s more", (Target("difference", at_most=0.05),), "Python's start",
    ),
    Row(
        "query-100k", "query, warm, hybrid, p50, 90 MB of C (138,000 chunks)", "", "ms",
        "≤ 5 ms at recall@10 ≥ .95",
        (Target("figure", at_most=5), Target("recall_at_10", at_least=0.95)),
        "the vectors that are looked at, and their distance in memory",
    ),
    Row(
        "query-1.3M", "the same, 1.3 GB of C (1.3 million chunks)", "", "ms",
        "≤ 15 ms at recall@10 ≥ .95",
        (Target("figure", at_most=15), Target("recall_at_10", at_least=0.95)),
        "as above",
    ),
    Row(
        "sequential", "cold index, 90 MB of C", "the same `--sequential`", "s",
        "≥ 1.7 times as fast, the same chunks",
        (Target("ratio", at_least=1.7), Target("same_chunks", at_least=1)),
        "the sequential time by the number of cores", "reference / figure",
    ),
    Row(
        "bm25-write", "BM25 write, two threads", "Tantivy alone on ready text", "MB/s",
        "≥ .9 of its rate", (Target("ratio", at_least=0.9),), "Tantivy's own rate",
    ),
    Row(
        "vector-write", "vector write, 200,000 × 256", "LanceDB alone on ready arrays",
        "k rows/s", "≥ .9 of its rate", (Target("ratio", at_least=0.9),),
        "LanceDB's own rate",
    ),
    Row(
        "chunking", "chunking and analysis, one thread", "tree-sitter's parse alone",
        "CPU s", "≤ 1.5 times its time", (Target("ratio", at_most=1.5),),
        "a bare parse of all of the text; of C less than half is parsed",
    ),
)  # fmt: skip
"""In the order of the table."""
