"""Make the context of a question to a language model, within a budget of tokens.

python examples/context.py FOLDER "how are connections closed" [TOKENS]
"""

import sys

import hybridx


def context(index: hybridx.Index, question: str, tokens: int) -> str:
    """Numbered sources with path and lines, so that an answer can cite them."""
    found = index.search(question, k=50, max_tokens=tokens, check=True)
    parts = []
    for hit in found:
        cut = " (cut)" if hit.truncated else ""
        lines = f"{hit.start_line}-{hit.end_line}"
        parts.append(
            f"[{hit.rank}] {hit.path}:{lines}{cut}\n```{hit.language}\n{hit.text.rstrip()}\n```"
        )
    if found.stale_files:
        parts.append(f"({found.stale_files} files changed since they were indexed)")
    return "\n\n".join(parts)


def main(folder: str, question: str, tokens: int) -> None:
    """Prints a whole prompt."""
    with hybridx.Index.open(folder) as index:
        index.update()
        print("Answer from these sources alone, and cite them by number.\n")
        print(context(index, question, tokens))
        print(f"\nQuestion: {question}")


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else 2000)
    except (hybridx.HybridxError, OSError) as error:
        sys.exit(f"context: {error}")
