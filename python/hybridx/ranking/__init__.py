"""How hits are ordered: what a query asks for, what speaks for each candidate, what that is worth.

`question` reads a query, `candidates` holds what is known of a chunk, `signals` says what speaks
for and against it, `weights` what that counts, `order` adds it up and spreads it over files.
"""

from __future__ import annotations

from hybridx.ranking.candidates import Candidate, File, candidates_of
from hybridx.ranking.order import Ranked, effects, rank, rerank
from hybridx.ranking.question import NOTHING, Question, ask
from hybridx.ranking.weights import BASE, LEXICAL, Weights, weights_for

__all__ = [
    "BASE",
    "LEXICAL",
    "NOTHING",
    "Candidate",
    "File",
    "Question",
    "Ranked",
    "Weights",
    "ask",
    "candidates_of",
    "effects",
    "rank",
    "rerank",
    "weights_for",
]
