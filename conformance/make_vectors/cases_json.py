"""Canonical JSON (RFC 8785) and I-JSON (RFC 7493)."""

# ruff: noqa: E501 -- tables: one vector, one line

from __future__ import annotations

import struct
from typing import Final

from cases import Case, File, b64

_SAMPLE: Final = "RFC 8785 §3.2.2"
# RFC 8785 Appendix B: the bits of a double, and how it is written.
_APPENDIX_B: Final = (
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
)


def _jcs(
    number: int, test: str, comment: str, given: str, canonical: str, flag: str, source: str | None = None
) -> Case:
    flags = (flag, "PUBLISHED") if source else (flag,)
    return Case(
        f"FV-JCS-{number:03}", f"FC-VEC-{test}", comment, {"json": b64(given)},
        output={"canonical": b64(canonical)}, flags=flags, source=source,
    )  # fmt: skip


def _no(
    prefix: str,
    number: int,
    test: str,
    comment: str,
    given: str | bytes,
    reason: str,
    twin: int,
    flag: str,
    also: tuple[str, ...] = (),
) -> Case:
    return Case(
        f"FV-{prefix}-{number:03}", f"FC-VEC-{test}", comment, {"json": b64(given)},
        reason=reason, twin=f"FV-{prefix}-{twin:03}", flags=(flag,), also=also,
    )  # fmt: skip


def _yes(number: int, test: str, comment: str, given: str, flag: str) -> Case:
    return Case(f"FV-IJS-{number:03}", f"FC-VEC-{test}", comment, {"json": b64(given)}, flags=(flag,))


_KEYS: Final = (
    _jcs(1, "001", "U+10000 sorts before U+E000: its first code unit is D800", '{"\\ue000":1,"\\ud800\\udc00":2}', '{"\U00010000":2,"\ue000":1}', "KEY_ORDER"),
    _jcs(2, "001", "the same, written as UTF-8 and already in code point order", '{"\ue000":1,"\U00010000":2}', '{"\U00010000":2,"\ue000":1}', "KEY_ORDER"),
    _jcs(3, "001", "names of several scripts", '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}', '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign","\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}', "KEY_ORDER", "RFC 8785 §3.2.3"),
    _jcs(4, "001", "a name that begins another comes first; case counts; the empty name is first", '{"ab":1,"a":2,"B":3,"":4,"aa":5}', '{"":4,"B":3,"a":2,"aa":5,"ab":1}', "KEY_ORDER"),
    _jcs(5, "001", "numbers as names are sorted as text, also inside arrays", '[56,{"d":true,"10":null,"1":[ ]}]', '[56,{"1":[],"10":null,"d":true}]', "KEY_ORDER"),
    _jcs(6, "001", "no locale has a say", '{"peach":1,"p\u00e9ch\u00e9":2,"p\u00eache":3,"sin":4}', '{"peach":1,"p\u00e9ch\u00e9":2,"p\u00eache":3,"sin":4}', "KEY_ORDER"),
    _jcs(7, "001", "names are not normalised: two spellings of \u00c5 are two names", '{"\u00c5":1,"A\u030a":2}', '{"A\u030a":2,"\u00c5":1}', "KEY_ORDER"),
    _jcs(8, "001", "white space goes, order of arrays stays", '\n{ "b" : [ 3 , 1 , 2 ] ,\t"a" : { } }\r\n', '{"a":{},"b":[3,1,2]}', "KEY_ORDER"),
)  # fmt: skip

_NUMBERS: Final = (
    _jcs(20, "002", "a whole number written with a fraction", "1.0", "1", "NUMBER"),
    _jcs(21, "002", "minus zero", "-0", "0", "NUMBER"),
    _jcs(22, "002", "minus zero with a fraction", "-0.0", "0", "NUMBER"),
    _jcs(23, "002", "the first small number with an exponent", "1e-7", "1e-7", "NUMBER"),
    _jcs(24, "002", "the last small number without", "0.000001", "0.000001", "NUMBER"),
    _jcs(25, "002", "the first large number with an exponent", "1e21", "1e+21", "NUMBER"),
    _jcs(26, "002", "the last large number without", "1e20", "100000000000000000000", "NUMBER"),
    _jcs(27, "002", "one digit more than a double holds", "333333333.33333329", "333333333.3333333", "NUMBER"),
    _jcs(28, "002", "an exponent in capitals, zeros at the end, a fraction that vanishes", "[1E30,4.50,2e-3,100e-2]", "[1e+30,4.5,0.002,1]", "NUMBER"),
    _jcs(29, "002", "the sample of the specification", '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}', '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}', "NUMBER", _SAMPLE),
    *(
        _jcs(40 + place, "002", f"the double {bits}", repr(struct.unpack(">d", bytes.fromhex(bits))[0]), shown, "NUMBER", "RFC 8785 Appendix B")
        for place, (bits, shown) in enumerate(_APPENDIX_B)
    ),
)  # fmt: skip

_STRINGS: Final = (
    _jcs(80, "003", "controls with a letter of their own", '"\\u0008\\u0009\\u000a\\u000c\\u000d"', '"\\b\\t\\n\\f\\r"', "ESCAPE"),
    _jcs(81, "003", "controls without one: lower case, four digits", '"\\u0001\\u001F\\u000B"', '"\\u0001\\u001f\\u000b"', "ESCAPE"),
    Case("FV-JCS-090", "FC-VEC-003", "U+0000: RFC 8785 writes it, and many refuse it before", {"json": b64('"\\u0000"')}, flags=("LENIENT",), acceptable=True),
    _jcs(82, "003", "U+007F and U+0080 are no controls to JSON", '"\\u007f\\u0080"', '"\x7f\u0080"', "ESCAPE"),
    _jcs(83, "003", "U+2028 and U+2029 are written as they are", '"\\u2028\\u2029"', '"\u2028\u2029"', "ESCAPE"),
    _jcs(84, "003", "a letter with an accent", '"\\u00e9"', '"\u00e9"', "ESCAPE"),
    _jcs(85, "003", "a pair of surrogates is one character", '"\\ud83d\\ude02"', '"\U0001f602"', "ESCAPE"),
    _jcs(86, "003", "quotes and backslashes are escaped, slashes are not", '"\\u0022\\u005c\\/</script>"', '"\\"\\\\/</script>"', "ESCAPE"),
    _jcs(87, "003", "text is not normalised", '"A\\u030a \\u00c5"', '"A\u030a \u00c5"', "ESCAPE"),
    _jcs(88, "003", "member names are escaped like strings", '{"\\u000a\\"":1}', '{"\\n\\"":1}', "ESCAPE"),
    _jcs(89, "003", "U+FEFF inside a text is a character", '"\\ufeff"', '"\ufeff"', "ESCAPE"),
)  # fmt: skip

_LIMITS: Final = (
    _jcs(100, "005", "2^53 - 1, the largest integer that every reader holds", "9007199254740991", "9007199254740991", "RANGE"),
    _no("JCS", 101, "005", "2^53", "9007199254740992", "NUMBER_RANGE", 100, "RANGE"),
    _no("JCS", 102, "005", "2^53 + 1, which a double turns into 2^53", "9007199254740993", "NUMBER_RANGE", 100, "RANGE"),
    _jcs(103, "005", "-(2^53 - 1)", "-9007199254740991", "-9007199254740991", "RANGE"),
    _no("JCS", 104, "005", "-2^53", "-9007199254740992", "NUMBER_RANGE", 103, "RANGE"),
    _no("JCS", 105, "005", "64 bits", "18446744073709551615", "NUMBER_RANGE", 100, "RANGE"),
    _jcs(106, "005", "an integer deep inside", '{"a":[{"b":9007199254740991}]}', '{"a":[{"b":9007199254740991}]}', "RANGE"),
    _no("JCS", 107, "005", "an integer of 2^53 deep inside", '{"a":[{"b":9007199254740992}]}', "NUMBER_RANGE", 106, "RANGE"),
    _jcs(110, "006", "a pair of surrogates", '"\\ud83d\\ude02"', '"\U0001f602"', "HALF_CHARACTER"),
    _no("JCS", 111, "006", "the first half alone", '"\\ud83d"', "LONE_SURROGATE", 110, "HALF_CHARACTER"),
    _no("JCS", 112, "006", "the second half alone", '"\\ude02"', "LONE_SURROGATE", 110, "HALF_CHARACTER"),
    _no("JCS", 113, "006", "the halves in the wrong order", '"\\ude02\\ud83d"', "LONE_SURROGATE", 110, "HALF_CHARACTER"),
    _jcs(114, "006", "a pair as a member name", '{"\\ud83d\\ude02":1}', '{"\U0001f602":1}', "HALF_CHARACTER"),
    _no("JCS", 115, "006", "half a character as a member name", '{"\\ud83d":1}', "LONE_SURROGATE", 114, "HALF_CHARACTER"),
)  # fmt: skip

_NAMES: Final = (
    _yes(1, "004", "two members", '{"a":1,"b":2}', "DUPLICATE"),
    _no("IJS", 2, "004", "one name twice, with two values", '{"a":1,"a":2}', "DUPLICATE_NAME", 1, "DUPLICATE"),
    _no("IJS", 3, "004", "one name twice, with one value", '{"a":1,"a":1}', "DUPLICATE_NAME", 1, "DUPLICATE"),
    _no("IJS", 4, "004", "one name in two spellings", '{"a":1,"\\u0061":2}', "DUPLICATE_NAME", 1, "DUPLICATE"),
    _yes(5, "004", "one name in two objects", '{"object":{"id":"x"},"id":"y"}', "DUPLICATE"),
    _no("IJS", 6, "004", "a name twice, deep inside", '{"object":{"id":"x","id":"z"},"id":"y"}', "DUPLICATE_NAME", 5, "DUPLICATE"),
    _yes(7, "004", "two actors with two names", '{"actor":"https://a.example","actor2":"https://b.example"}', "DUPLICATE"),
    _no("IJS", 8, "004", "two actors with one name", '{"actor":"https://a.example","actor":"https://b.example"}', "DUPLICATE_NAME", 7, "DUPLICATE"),
    _yes(9, "004", "two spellings of \u00c5 are two names", '{"\\u00c5":1,"A\\u030a":2}', "DUPLICATE"),
    _no("IJS", 10, "004", "an empty name twice", '{"":1,"":2}', "DUPLICATE_NAME", 1, "DUPLICATE"),
    _yes(11, "004", "`__proto__` is a name like another", '{"__proto__":1,"b":2}', "DUPLICATE"),
    _no("IJS", 12, "004", "`__proto__` twice", '{"__proto__":1,"__proto__":2}', "DUPLICATE_NAME", 11, "DUPLICATE"),
)  # fmt: skip

_IJSON_NUMBERS: Final = (
    _yes(20, "005", "2^53 - 1", "[9007199254740991]", "RANGE"),
    _no("IJS", 21, "005", "2^53", "[9007199254740992]", "NUMBER_RANGE", 20, "RANGE"),
    _no("IJS", 22, "005", "forty digits", "[1234567890123456789012345678901234567890]", "NUMBER_RANGE", 20, "RANGE"),
    _yes(23, "005", "the largest double", "[1.7976931348623157e308]", "RANGE"),
    _no("IJS", 24, "005", "larger than any double", "[1.7976931348623157e309]", "NUMBER_NOT_FINITE", 23, "RANGE", ("NUMBER_RANGE",)),
    _no("IJS", 25, "005", "NaN, which is not JSON", "[NaN]", "NUMBER_NOT_FINITE", 20, "RANGE", ("SYNTAX",)),
    _no("IJS", 26, "005", "Infinity, which is not JSON", "[Infinity]", "NUMBER_NOT_FINITE", 20, "RANGE", ("SYNTAX",)),
    _no("IJS", 27, "005", "-Infinity, which is not JSON", "[-Infinity]", "NUMBER_NOT_FINITE", 20, "RANGE", ("SYNTAX",)),
    _no("IJS", 28, "005", "a number with a zero in front", "[09]", "SYNTAX", 20, "RANGE"),
)  # fmt: skip

_TEXT: Final = (
    _yes(40, "006", "a pair of surrogates", '["\\ud83d\\ude02"]', "HALF_CHARACTER"),
    _no("IJS", 41, "006", "the first half alone", '["\\ud83d"]', "LONE_SURROGATE", 40, "HALF_CHARACTER"),
    _no("IJS", 42, "006", "the first half, then a letter", '["\\ud83dx"]', "LONE_SURROGATE", 40, "HALF_CHARACTER"),
    _no("IJS", 43, "006", "the second half alone", '["\\ude02"]', "LONE_SURROGATE", 40, "HALF_CHARACTER"),
    _no("IJS", 44, "006", "half a character as a member name", '{"\\ud83d":1}', "LONE_SURROGATE", 47, "HALF_CHARACTER"),
    _no("IJS", 45, "006", "half a character written in UTF-8 (CESU)", b'["\xed\xa0\xbd"]', "ENCODING", 40, "ENCODING", ("LONE_SURROGATE",)),
    _no("IJS", 46, "006", "a byte that is not UTF-8", b'["\xff"]', "ENCODING", 40, "ENCODING"),
    _yes(47, "006", "a pair as a member name", '{"\\ud83d\\ude02":1}', "HALF_CHARACTER"),
    _no("IJS", 48, "006", "a byte order mark in front", b'\xef\xbb\xbf["\\ud83d\\ude02"]', "ENCODING", 40, "ENCODING", ("SYNTAX",)),
    _no("IJS", 49, "006", "an overlong slash", b'["\xc0\xaf"]', "ENCODING", 40, "ENCODING"),
    _no("IJS", 50, "006", "something after the end", '["\\ud83d\\ude02"] x', "SYNTAX", 40, "ENCODING"),
)  # fmt: skip

FILES: Final = (
    File("jcs/keys.json", "jcs", ("RFC 8785 §3.2.3",), _KEYS),
    File("jcs/numbers.json", "jcs", ("RFC 8785 §3.2.2.3",), _NUMBERS),
    File("jcs/strings.json", "jcs", ("RFC 8785 §3.2.2.2",), _STRINGS),
    File("jcs/limits.json", "jcs", ("RFC 7493 §2.1", "RFC 7493 §2.2", "RFC 8785 §3.2.2.3"), _LIMITS),
    File("ijson/names.json", "ijson", ("RFC 7493 §2.3",), _NAMES),
    File("ijson/numbers.json", "ijson", ("RFC 7493 §2.2",), _IJSON_NUMBERS),
    File("ijson/text.json", "ijson", ("RFC 7493 §2.1",), _TEXT),
)
