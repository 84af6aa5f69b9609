"""JSON as everybody reads it: what two parsers could read differently is refused (RFC 7493, I-JSON).

Python's own parser takes NaN, keeps the last of two equal keys and lets half characters through. Each has
been somebody's way past a signature: the signature was checked on one reading, the effect made from another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from fedcoop.errors import Malformed, TooLarge
from fedcoop.protocol.limits import (
    MAX_BODY,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_KEYS,
    MAX_NUMBER_LITERAL,
    MAX_SAFE_INTEGER,
    MAX_STRING,
)

_CONTAINERS: Final = (dict, list)
_BOM: Final = b"\xef\xbb\xbf"


def loads(data: bytes) -> dict[str, Any]:
    """Return the JSON object that `data` is, read in the only possible way.

    Raises:
        TooLarge: too many bytes, members, items of an array, or characters of a string (`too-large`).
        Malformed: `bad-encoding` (not UTF-8, a byte order mark, half a character, NUL), `malformed-json`,
            `duplicate-key`, `number-not-allowed` (NaN, infinite, or an integer beyond 2^53), `too-deep`.
    """
    if len(data) > MAX_BODY:
        raise _over_limit("The body has too many bytes.", MAX_BODY, len(data))
    if data.startswith(_BOM):
        raise Malformed(
            "bad-encoding", "The body begins with a byte order mark.", expected="UTF-8 without it"
        )
    try:
        text = data.decode("utf-8")
        parsed = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_int=_safe_integer,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise Malformed(
            "bad-encoding", "The body is not UTF-8.", received=f"byte {error.start} of {len(data)}"
        ) from None
    except json.JSONDecodeError as error:
        raise Malformed(
            "malformed-json", f"The body is not JSON: {error.msg}, at character {error.pos}."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(parsed, dict):
        received = type(parsed).__name__
        raise Malformed(
            "malformed-json", "The body is not a JSON object.", expected="object", received=received
        )
    # Half a character or NUL can only come out of an escape, and no string is longer than the whole.
    _check(parsed, strings="\\u" in text or len(text) > MAX_STRING)
    return parsed


def dumps(document: Mapping[str, Any]) -> bytes:
    """Return `document` as compact UTF-8, members in the order they have.

    Raises:
        Malformed: it holds what JSON cannot say (`number-not-allowed`, `bad-encoding`).
    """
    try:
        text = json.dumps(
            document, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_as_dict
        )
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("bad-encoding", "A string of the document has half a character in it.") from None
    except ValueError:
        raise Malformed("number-not-allowed", "A number of the document is not finite.") from None


def _as_dict(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise _over_limit("An object has too many members.", MAX_KEYS, len(pairs))
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(
            "duplicate-key", "A member name occurs twice in one object.", received=ascii(twice[:100])
        )
    return members


def _no_constant(literal: str) -> NoReturn:
    raise Malformed("number-not-allowed", "JSON has no such number.", received=literal)


def _safe_integer(literal: str) -> int:
    # Length first: turning a million digits into a number takes its time.
    if len(literal) <= MAX_NUMBER_LITERAL:
        value = int(literal)
        if abs(value) <= MAX_SAFE_INTEGER:
            return value
    raise Malformed(
        "number-not-allowed",
        "An integer is too large to be read alike by everybody.",
        expected=f"at most {MAX_SAFE_INTEGER}",
        received=literal[:MAX_NUMBER_LITERAL],
    )


def _finite(literal: str) -> float:
    if len(literal) <= MAX_NUMBER_LITERAL:
        value = float(literal)
        if math.isfinite(value):
            return value
    raise Malformed(
        "number-not-allowed",
        "A number is beyond what a double can hold.",
        received=literal[:MAX_NUMBER_LITERAL],
    )


def _check(parsed: dict[str, Any], *, strings: bool) -> None:
    """Walk the document once, without recursion: depth, lengths, and where needed characters."""
    level: list[Any] = [parsed]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, list) and len(value) > MAX_ITEMS:
                raise _over_limit("An array has too many items.", MAX_ITEMS, len(value))
            inside = value.values() if isinstance(value, dict) else value
            below += [item for item in inside if isinstance(item, _CONTAINERS)]
            if strings:
                _check_strings(value)
                _check_strings(inside)
        if not below:
            return
        level = below
    raise _too_deep()


def _check_strings(values: Iterable[Any]) -> None:
    for value in values:
        if isinstance(value, str):
            _check_string(value)


def _check_string(value: str) -> None:
    if len(value) > MAX_STRING:
        raise _over_limit("A string is too long.", MAX_STRING, len(value))
    if "\x00" in value:
        raise Malformed("bad-encoding", "A string has the character NUL in it.")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Malformed(
                "bad-encoding", "A string has half a character (a lone surrogate) in it."
            ) from None


def _too_deep() -> Malformed:
    return Malformed(
        "too-deep", "Objects and arrays are nested too deep.", expected=f"at most {MAX_DEPTH} levels"
    )


def _over_limit(detail: str, limit: int, received: int) -> TooLarge:
    return TooLarge("too-large", detail, expected=f"at most {limit}", received=str(received))
