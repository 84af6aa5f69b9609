"""`python -m fedcoop` is the `fedcoop` command."""

from __future__ import annotations

from fedcoop.cli import main

if __name__ == "__main__":
    main()
