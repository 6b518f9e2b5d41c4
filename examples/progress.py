"""Index a folder in an event loop, with progress, a time limit, and searches meanwhile.

python examples/progress.py FOLDER [SECONDS]
"""

import asyncio
import sys

from hybridx import AsyncIndex, HybridxError, Progress
from hybridx.errors import NotIndexedError


def show(now: Progress) -> None:
    """Called from a thread of the update, some ten times a second."""
    left = "?" if now.eta_seconds is None else f"{now.eta_seconds:.0f} s"
    print(
        f"{now.stage}: {now.files_done}/{now.files_total} files, {now.chunks_embedded} embedded, "
        f"{now.chunks_reused} reused, {now.bytes_per_second / 1e6:.1f} MB/s, {left} left"
    )


async def main(folder: str, seconds: float) -> None:
    """Gives up after some seconds; what was committed by then stays and is not done again."""
    index = await AsyncIndex.open(folder)
    running = asyncio.create_task(index.update(progress=show))
    try:
        async with asyncio.timeout(seconds):
            while not running.done():
                try:
                    # A first build can be searched from its first commit on.
                    print(f"{len(await index.search('main'))} hits so far")
                except NotIndexedError:
                    print("nothing to search yet")
                await asyncio.wait([running], timeout=1)
            report = await running
    except TimeoutError:
        running.cancel()
        await asyncio.wait([running])
        print(f"not done in {seconds} seconds; the next run goes on from here")
    else:
        print(f"generation {report.generation}: {report.files.added} files added")
    finally:
        index.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1], float(sys.argv[2]) if sys.argv[2:] else 60.0))
    except (HybridxError, OSError) as error:
        sys.exit(f"progress: {error}")
