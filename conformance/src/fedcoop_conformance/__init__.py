"""Tests any server of the fedcoop protocol from outside. It shares no code with the server (decision 0002)."""

__version__ = "0.1.0"
