"""What the pure code of the suite says no with: one word from a closed list, and a sentence."""

from __future__ import annotations


class Refused(ValueError):
    """An input is not what it has to be. `reason` is one word, in capitals, that a vector file can name."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
