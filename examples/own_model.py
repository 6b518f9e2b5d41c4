"""Index with an embedding model of your own, beside an index with the bundled one.

A model is a folder with `model.onnx`, `tokenizer.json` and `config.json`, as sentence-transformers
exports it.

python examples/own_model.py FOLDER MODEL QUERY
"""

import sys
import tempfile
from pathlib import Path

from hybridx import HybridxError, Index, Settings


def main(folder: str, model: str, query: str) -> None:
    """Compares what two models find by meaning alone; the folder itself stays as it is."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("bundled", model):
            # Settings are read as the program does, and then overruled.
            settings = Settings.load(
                folder, {"model": name, "index_dir": Path(place, str(name == model))}
            )
            with Index.open(folder, settings=settings) as index:
                index.update()
                info = index.status(check=False).model
                print(f"{info.name}: {info.dimension} dimensions, from {settings.origin('model')}")
                for hit in index.search(query, k=3, mode="semantic"):
                    print(f"  {hit.scores['vector']:+.3f} {hit.path}:{hit.start_line}")


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3])
    except (HybridxError, OSError) as error:
        sys.exit(f"own_model: {error}")
