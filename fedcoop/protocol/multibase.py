"""base58btc with the multibase letter `z`, and nothing else: one spelling for one value.

>>> encode(bytes.fromhex("ed01"))
'zK36'
>>> decode("zK36").hex()
'ed01'
"""

from __future__ import annotations

import re
from typing import Final

import base58

from fedcoop.errors import Malformed
from fedcoop.protocol.limits import MAX_MULTIBASE

_BASE58BTC: Final = re.compile(r"z[1-9A-HJ-NP-Za-km-z]+", re.ASCII)


def encode(value: bytes) -> str:
    """Return `value` as multibase base58btc."""
    return "z" + base58.b58encode(value).decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes behind a multibase base58btc string.

    Raises:
        Malformed: another base, a character outside the alphabet, or longer than any key or signature
            (`malformed-request`).
    """
    # Length before work: decoding is quadratic.
    if len(text) > MAX_MULTIBASE:
        raise Malformed(
            "malformed-request",
            "A multibase value is too long.",
            expected=f"at most {MAX_MULTIBASE} characters",
            received=str(len(text)),
        )
    # base58 itself drops blanks at the end; two spellings of one signature are one too many.
    if _BASE58BTC.fullmatch(text) is None:
        raise Malformed("malformed-request", "A multibase value is not base58btc.", expected="z and base58")
    return base58.b58decode(text[1:])
