"""JSON that everybody reads alike (RFC 7493, I-JSON), and its one canonical form (RFC 8785, JCS)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import rfc8785

from fedcoop_conformance.crypto.refusals import Refused

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that a double holds exactly, with all smaller ones (RFC 7493 §2.2)."""


class NotIJson(Refused):
    """Two readers could take this JSON for two different things.

    Reasons: `SYNTAX`, `ENCODING`, `DUPLICATE_NAME`, `NUMBER_RANGE`, `NUMBER_NOT_FINITE`, `LONE_SURROGATE`,
    `TOO_DEEP`, and for values that no JSON text stands for, `NOT_JSON`.
    """


def parse(data: bytes) -> Any:
    """Return the value that the JSON text `data` stands for, when there is only one.

    An integer is a number written without fraction and exponent (RFC 8785 §3.2.2.3 reads it as one); `1e21`
    is not, and has a canonical form.

    Raises:
        NotIJson: it is no JSON, or no I-JSON.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        raise NotIJson("ENCODING", "a byte order mark")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise NotIJson("ENCODING", f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotIJson("SYNTAX", f"{error.msg}, at character {error.pos}") from None
    except RecursionError:
        raise NotIJson("TOO_DEEP") from None
    _no_half_characters(value)
    return value


def canonical(value: Any) -> bytes:
    """Return the canonical form of `value` (RFC 8785 §3.2).

    Raises:
        NotIJson: it has none.
    """
    _no_half_characters(value)
    try:
        return rfc8785.dumps(value)
    except rfc8785.IntegerDomainError as error:
        raise NotIJson("NUMBER_RANGE", str(error)) from None
    except rfc8785.FloatDomainError as error:
        raise NotIJson("NUMBER_NOT_FINITE", str(error)) from None
    except rfc8785.CanonicalizationError as error:
        raise NotIJson("NOT_JSON", str(error)) from None
    except RecursionError:
        raise NotIJson("TOO_DEEP") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotIJson("DUPLICATE_NAME", "a member name occurs twice in one object")
    return members


def _constant(literal: str) -> NoReturn:
    raise NotIJson("NUMBER_NOT_FINITE", literal)


def _integer(literal: str) -> int:
    # By length first: reading a million digits takes its time.
    if len(literal) > 17 or abs(int(literal)) > MAX_SAFE_INTEGER:
        raise NotIJson("NUMBER_RANGE", literal[:40])
    return int(literal)


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise NotIJson("NUMBER_NOT_FINITE", literal[:40])
    return value


def _no_half_characters(value: Any) -> None:
    """Walk without recursion: a hostile document is deeper than the stack."""
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            _whole(one)
        elif isinstance(one, Mapping):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one


def _whole(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise NotIJson("LONE_SURROGATE", ascii(text)[:80]) from None
