"""Index a folder and search it.

python examples/search.py FOLDER "where are retries configured"
"""

import sys

import hybridx


def main(folder: str, query: str) -> None:
    """Brings the index up to date, which takes milliseconds when nothing changed, and asks it."""
    with hybridx.Index.open(folder) as index:
        report = index.update()
        print(f"{report.chunks.total} chunks, {report.files.added} files new")
        for hit in index.search(query, k=3):
            print(f"{hit.path}:{hit.start_line}-{hit.end_line}  {hit.symbol}  {hit.score:.2f}")
        # Filters hold for every hit: only functions, only Python, only below `src`.
        found = index.search(query, languages=["python"], kinds=["function"], paths=["src/"])
        print(f"{len(found)} functions in {found.took_ms:.0f} ms")


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except (hybridx.HybridxError, OSError) as error:
        sys.exit(f"search: {error}")
