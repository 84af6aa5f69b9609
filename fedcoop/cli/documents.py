"""Reading a JSON document that somebody hands us as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedcoop.cli.answer import Failed
from fedcoop.cli.speech import say


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object in the file, read as strictly as what arrives from peers. Raises Failed."""
    from fedcoop.errors import FedcoopError
    from fedcoop.protocol import strict_json

    try:
        body = file.read_bytes()
    except OSError as error:
        raise Failed(
            "unreadable-file",
            say(f"{file} cannot be read: {error.strerror}.", f"{file} est illisible : {error.strerror}."),
        ) from error
    try:
        document = strict_json.loads(body)
    except FedcoopError as error:
        raise Failed("invalid-file", f"{file}: {error.detail}") from error
    if not isinstance(document, dict):
        raise Failed("invalid-file", say(f"{file} is not a JSON object.", f"{file} n’est pas un objet JSON."))
    return document
