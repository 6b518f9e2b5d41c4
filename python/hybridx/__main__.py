"""`python -m hybridx` is the program `hybridx`."""

from __future__ import annotations

from hybridx.cli import main

if __name__ == "__main__":
    main()
