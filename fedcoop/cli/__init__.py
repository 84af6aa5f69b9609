"""The command line: one file per verb. `main` is the program; nothing heavy is imported before a verb runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run `fedcoop` with these arguments (those of the process by default) and exit with 0, 1 or 2."""
    import sys

    from fedcoop.cli.program import run

    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))
