"""The program's entry, also of `python -m hybridx`.

Until it is loaded, which takes a tenth of a second, nothing was begun: a Ctrl-C then ends the
process at once, in one line. Neither may anything else stand here that takes long to import.
"""

from __future__ import annotations

import os
import signal
import sys

_INTERRUPTED = 130


def main() -> None:
    """Runs the program with the arguments of the process, and ends the process."""
    # Whoever started it in the background may have chosen that it does not hear of Ctrl-C.
    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if listens:
        signal.signal(signal.SIGINT, _leave)
    from hybridx.cli import load
    from hybridx.cli import main as run

    load(sys.argv[1:])
    try:
        if listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        _leave()


def _leave(*_: object) -> None:
    """Ends the process. Not by an exception: in the middle of an import it could get lost."""
    if sys.stderr is not None:
        os.write(2, b"hybridx: interrupted\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
