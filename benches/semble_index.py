"""Indexes a folder with semble and prints what came of it; run by semble's interpreter.

PYTHON_WITH_SEMBLE benches/semble_index.py FOLDER

The steps of its command line's `search` but for the search: `SembleIndex.from_path` for code,
with the number of worker processes that the command line takes, then `save_index_to_cache`.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Builds the index of the folder given and saves it."""
    os.environ.setdefault("SEMBLE_INDEX_WORKERS", "4")
    from semble.cache import save_index_to_cache  # type: ignore[import-not-found]
    from semble.index import SembleIndex  # type: ignore[import-not-found]
    from semble.version import __version__  # type: ignore[import-not-found]

    folder = sys.argv[1]
    index = SembleIndex.from_path(folder)
    save_index_to_cache(index, folder)
    stats = index.stats
    print(
        json.dumps(
            {
                "version": __version__,
                "files": stats.indexed_files,
                "chunks": stats.total_chunks,
                "languages": stats.languages,
                "loaded": index.loaded_from_disk,
            }
        )
    )


if __name__ == "__main__":
    main()
