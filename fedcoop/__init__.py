"""fedcoop: a federation server for worker co-operatives. README.md lists its rooms, top to bottom."""

__version__ = "0.1.0"
