"""Compare two folders by their Merkle trees, without any index.

python examples/merkle.py OLD NEW
"""

import sys

from hybridx import HybridxError, MerkleTree


def main(old_folder: str, new_folder: str) -> None:
    """Ignored files and files that are no text are in neither tree."""
    old, new = MerkleTree.from_path(old_folder), MerkleTree.from_path(new_folder)
    print(f"{old.root[:16]} -> {new.root[:16]}: {len(old)} and {len(new)} files")
    if old == new:
        print("equal")
        return
    changes = new.diff(old)
    for sign, paths in (("+", changes.added), ("~", changes.modified), ("-", changes.removed)):
        for path in paths:
            print(sign, path)
    for before, after in changes.moved:
        print(">", before, after)
    # Equal digests mean equal folders: whole parts of a tree are compared at once.
    folders = {path.split("/", 1)[0] for path in new.paths() if "/" in path}
    same = sorted(each for each in folders if old.digest(each) == new.digest(each))
    print("unchanged folders:", ", ".join(same) or "none")


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except (HybridxError, OSError) as error:
        sys.exit(f"merkle: {error}")
