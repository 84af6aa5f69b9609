"""`python -m fedcoop_conformance`."""

from fedcoop_conformance.cli import main

main()
