import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import FedcoopError, Malformed, TooLarge
from fedcoop.protocol import strict_json
from fedcoop.protocol.limits import (
    MAX_BODY,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_KEYS,
    MAX_NUMBER_LITERAL,
    MAX_SAFE_INTEGER,
    MAX_STRING,
)

REFUSED = {
    "nothing": (b"", "malformed-json"),
    "garbage": (b"\x00\x01", "malformed-json"),
    "half an object": (b'{"a":', "malformed-json"),
    "text after the end": (b"{} x", "malformed-json"),
    "two objects": (b"{}{}", "malformed-json"),
    "an array": (b"[]", "malformed-json"),
    "a string": (b'"a"', "malformed-json"),
    "null": (b"null", "malformed-json"),
    "a trailing comma": (b'{"a":1,}', "malformed-json"),
    "single quotes": (b"{'a':1}", "malformed-json"),
    "a raw line break in a string": (b'{"a":"\n"}', "malformed-json"),
    "a duplicate key": (b'{"a":1,"a":1}', "duplicate-key"),
    "a duplicate key further down": (b'{"x":[{"actor":"a","b":1,"actor":"c"}]}', "duplicate-key"),
    "a duplicate key in another spelling": (b'{"a":1,"\\u0061":2}', "duplicate-key"),
    "NaN": (b'{"a":NaN}', "number-not-allowed"),
    "Infinity": (b'{"a":Infinity}', "number-not-allowed"),
    "minus Infinity": (b'{"a":[-Infinity]}', "number-not-allowed"),
    "1e400": (b'{"a":1e400}', "number-not-allowed"),
    "minus 1e400": (b'{"a":-1e400}', "number-not-allowed"),
    "an integer beyond 2^53": (b'{"a":9007199254740992}', "number-not-allowed"),
    "an integer below -2^53": (b'{"a":-9007199254740992}', "number-not-allowed"),
    "an integer of a million digits": (b'{"a":' + b"9" * 900_000 + b"}", "number-not-allowed"),
    "zero in very many digits": (b'{"a":0.' + b"0" * 900_000 + b"}", "number-not-allowed"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "bad-encoding"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "bad-encoding"),
    "Latin-1": ('{"a":"é"}'.encode("latin-1"), "bad-encoding"),
    "an overlong slash": (b'{"a":"\xc0\xaf"}', "bad-encoding"),
    "a surrogate in bytes": (b'{"a":"\xed\xa0\x80"}', "bad-encoding"),
    "a lone surrogate": (b'{"a":"\\ud800"}', "bad-encoding"),
    "a lone surrogate the other way": (b'{"a":"x\\udfffy"}', "bad-encoding"),
    "a lone surrogate in a key": (b'{"\\ud800":1}', "bad-encoding"),
    "a lone surrogate in an array": (b'{"a":[["\\ud800"]]}', "bad-encoding"),
    "NUL": (b'{"a":"\\u0000"}', "bad-encoding"),
    "NUL in a key": (b'{"a\\u0000":1}', "bad-encoding"),
    "33 levels": (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "too-deep"),
    "33 levels of objects": (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "too-deep"),
    "400 levels": (b'{"a":' + b"[" * 400 + b"]" * 400 + b"}", "too-deep"),
    "100 000 levels": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep"),
    "100 000 levels without an end": (b'{"a":' + b"[" * 100_000, "too-deep"),
    "too many bytes": (b'{"a":"' + b"x" * MAX_BODY + b'"}', "too-large"),
    "too many bytes of white space": (b"{}" + b" " * MAX_BODY, "too-large"),
    "too many members": (json.dumps({str(i): i for i in range(MAX_KEYS + 1)}).encode(), "too-large"),
    "too many items": (json.dumps({"a": [0] * (MAX_ITEMS + 1)}).encode(), "too-large"),
    "a string that is too long": (json.dumps({"a": "x" * (MAX_STRING + 1)}).encode(), "too-large"),
    "a key that is too long": (json.dumps({"x" * (MAX_STRING + 1): 1}).encode(), "too-large"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_two_parsers_could_read_differently_is_refused(what: str):
    data, code = REFUSED[what]
    began = time.perf_counter()
    with pytest.raises((Malformed, TooLarge)) as refusal:
        strict_json.loads(data)
    assert refusal.value.code == code
    assert isinstance(refusal.value, TooLarge) is (code == "too-large")
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", {}),
        (
            b' {"a" : [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00"]} \n',
            {"a": [1, -2500.0, True, None, "é😀"]},
        ),
        ('{"é":"vélo"}'.encode(), {"é": "vélo"}),
        (b'{"a":9007199254740991}', {"a": MAX_SAFE_INTEGER}),
        (b'{"a":-9007199254740991}', {"a": -MAX_SAFE_INTEGER}),
        (b'{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
        (b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, None),
        (b'{"__proto__":1,"":2}', {"__proto__": 1, "": 2}),
        (json.dumps({"a": [0] * MAX_ITEMS}).encode(), None),
        (json.dumps({str(i): i for i in range(MAX_KEYS)}).encode(), None),
        (json.dumps({"a": "é" * MAX_STRING}, ensure_ascii=False).encode(), None),
    ],
)
def test_json_within_the_limits_is_read_as_it_stands(data: bytes, expected: Any):
    assert strict_json.loads(data) == (json.loads(data) if expected is None else expected)


def test_a_number_may_be_as_long_as_the_limit():
    longest = "0." + "1" * (MAX_NUMBER_LITERAL - 2)
    assert strict_json.loads(f'{{"a":{longest}}}'.encode()) == {"a": float(longest)}
    with pytest.raises(Malformed):
        strict_json.loads(f'{{"a":{longest}1}}'.encode())


def test_a_refusal_names_the_key_that_occurs_twice_and_nothing_else():
    with pytest.raises(Malformed) as refusal:
        strict_json.loads(b'{"secret":"s3cr3t","actor":"a","actor":"b"}')
    assert refusal.value.received == "'actor'"


def test_a_body_of_exactly_the_limit_is_read():
    data = b'{"a":[' + b",".join([b'"' + b"x" * 1000 + b'"'] * 1000) + b"]}"
    data = data[:-1] + b" " * (MAX_BODY - len(data)) + b"}"
    assert len(data) == MAX_BODY
    assert len(strict_json.loads(data)["a"]) == 1000


def documents() -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.floats(
        allow_nan=False, allow_infinity=False
    )
    text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
    values = st.recursive(
        st.none() | st.booleans() | numbers | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(text, values, max_size=6)


@given(documents())
def test_what_was_written_is_read_again_unknown_members_and_all(document: dict[str, Any]):
    assert strict_json.loads(strict_json.dumps(document)) == document


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda s: s.encode("utf-8", "surrogatepass")))
def test_no_bytes_bring_anything_but_our_own_errors(data: bytes):
    try:
        found = strict_json.loads(data)
    except FedcoopError:
        return
    assert isinstance(found, dict)
    assert found == json.loads(data)


def test_what_we_write_is_compact_and_keeps_its_letters():
    assert (
        strict_json.dumps({"b": "vélo", "a": [1, {"c": None}]}) == '{"b":"vélo","a":[1,{"c":null}]}'.encode()
    )


def test_any_mapping_can_be_written():
    from types import MappingProxyType

    inner = MappingProxyType({"b": 1})
    assert strict_json.dumps(MappingProxyType({"a": inner})) == b'{"a":{"b":1}}'


@pytest.mark.parametrize(
    ("value", "code"),
    [(math.nan, "number-not-allowed"), (math.inf, "number-not-allowed"), ("\ud800", "bad-encoding")],
)
def test_what_json_cannot_say_is_not_written(value: Any, code: str):
    with pytest.raises(Malformed) as refusal:
        strict_json.dumps({"a": value})
    assert refusal.value.code == code


def test_what_is_no_json_at_all_is_a_mistake_of_ours():
    with pytest.raises(TypeError):
        strict_json.dumps({"a": {1, 2}})


def test_every_example_of_the_vocabulary_can_be_read(shared: Path):
    for example in sorted((shared / "vocab-draft" / "examples").glob("*.json")):
        assert strict_json.loads(example.read_bytes()) == json.loads(example.read_bytes())
