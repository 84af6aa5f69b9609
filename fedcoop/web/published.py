"""The vocabulary as this instance serves it: files read by `app.py`, found here by what they are about."""

from __future__ import annotations

from collections.abc import Mapping


class Published:
    """The files of `vocab/`, by their path inside it (such as `contexts/fedcoop/v1.jsonld`), as bytes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)

    def file(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None when the vocabulary has none of that path."""
        return self._files.get(path)
