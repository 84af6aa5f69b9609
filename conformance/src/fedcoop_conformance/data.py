"""Where the data is: catalogue, schemas, vectors and vocabulary.

An installed suite has them inside itself; in a checkout they lie beside the code, where people edit them.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

Kind = Literal["catalogue", "schemas", "vectors", "vocab"]

_INSTALLED: Final = Path(__file__).parent / "data"
_CHECKOUT: Final = Path(__file__).parents[2]
_ELSEWHERE: Final = {"vocab": _CHECKOUT.parent / "vocab"}


def folder(kind: Kind) -> Path:
    """Return the folder of one kind of data.

    Raises:
        FileNotFoundError: the installation is not whole.
    """
    installed = _INSTALLED / kind
    found = installed if installed.is_dir() else _ELSEWHERE.get(kind, _CHECKOUT / kind)
    if not found.is_dir():
        raise FileNotFoundError(
            f"{found} is missing: install fedcoop-conformance again, with vocab/ beside it."
        )
    return found


@cache
def read(kind: Kind, name: str) -> Any:
    """Return what a JSON file of the data says; it is read once and not to be changed.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return json.loads((folder(kind) / name).read_bytes())
