"""Follow an update file by file: what a program does that keeps something beside the index.

python examples/follow.py FOLDER
"""

import sys
from collections import Counter

import hybridx


def main(folder: str) -> None:
    """Says what became of each file that changed since the last run."""
    counts: Counter[str] = Counter()
    with hybridx.Index.open(folder) as index:
        # Whoever leaves the block early cancels the rest, and keeps what was committed.
        with index.updates() as results:
            for done in results:
                counts[done.change] += 1
                origin = f" (was {done.moved_from})" if done.moved_from else ""
                why = f": {done.stage}: {done.error}" if done.error else ""
                print(f"{done.change} {done.path}{origin}, {done.chunks} chunks{why}")
        report = results.report
    if report is not None:
        print(f"generation {report.generation}:", dict(sorted(counts.items())))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (hybridx.HybridxError, OSError) as error:
        sys.exit(f"follow: {error}")
