"""HTTP Message Signatures (RFC 9421), Content-Digest (RFC 9530) and structured fields (RFC 9651)."""

# ruff: noqa: E501 -- tables: one vector, one line

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

from cases import Case, File, Json, b64
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from fedcoop_conformance.crypto import httpsig, multikey

_RFC: Final = "RFC 9421 Appendix B.2"

# -- the request of RFC 9421 Appendix B.2 ----------------------------------------------------------------

_URL: Final = "https://example.com/foo?param=Value&Pet=dog"
_DIGEST: Final = (
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
)
_HEADERS: Final = (
    ("Host", "example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    ("Content-Digest", _DIGEST),
    ("Content-Length", "18"),
)


def _request(method: str = "POST", url: str = _URL, headers: Sequence[tuple[str, str]] = _HEADERS) -> Json:
    return {"method": method, "url": url, "headers": [list(line) for line in headers]}


def _get(url: str, *headers: tuple[str, str]) -> Json:
    return _request("GET", url, headers)


# -- bases -----------------------------------------------------------------------------------------------


def _base(
    number: int,
    comment: str,
    request: Json,
    covered: str,
    lines: Sequence[str] | None,
    *,
    reason: str | None = None,
    twin: int = 1,
    source: str | None = None,
    acceptable: bool = False,
) -> Case:
    output = None if lines is None else {"base": "\n".join([*lines, f'"@signature-params": {covered}'])}
    flags = ("PUBLISHED",) if source else ("LENIENT",) if acceptable else ("COVERAGE",)
    return Case(
        f"FV-BAS-{number:03}", "FC-VEC-014", comment,
        {"request": request, "signatureInput": f"sig1={covered}", "label": "sig1"},
        output=output, reason=reason, twin=f"FV-BAS-{twin:03}" if reason else None,
        flags=flags, source=source, acceptable=acceptable,
    )  # fmt: skip


_CREATED: Final = ";created=1618884473"
_DATE: Final = '"date": Tue, 20 Apr 2021 02:07:55 GMT'
_SENT: Final = (
    ("Host", "www.example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:56 GMT"),
    ("X-OWS-Header", "   Leading and trailing whitespace.   "),
    ("Cache-Control", "max-age=60"),
    ("Cache-Control", "    must-revalidate"),
    ("Example-Dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
    ("X-Empty-Header", ""),
)
_INBOX: Final = _request(
    "POST",
    "https://coop-b.example/inbox",
    (
        ("Host", "coop-b.example"),
        ("Date", "Sun, 22 Nov 2026 09:00:00 GMT"),
        ("Content-Type", 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'),
        ("Content-Digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
    ),
)

_BASES: Final = (
    _base(1, "no component", _request(), '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"', [], source=f"{_RFC}.1"),
    _base(2, "some components, one of the query", _request(), '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"', ['"@authority": example.com', f'"content-digest": {_DIGEST}', '"@query-param";name="Pet": dog'], source=f"{_RFC}.2"),
    _base(3, "all components", _request(), '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"', [_DATE, '"@method": POST', '"@path": /foo', '"@query": ?param=Value&Pet=dog', '"@authority": example.com', '"content-type": application/json', f'"content-digest": {_DIGEST}', '"content-length": 18'], source=f"{_RFC}.3"),
    _base(4, "three components", _request(), '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"', [_DATE, '"@authority": example.com', '"content-type": application/json'], source=f"{_RFC}.5"),
    _base(5, "six components", _request(), '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"', [_DATE, '"@method": POST', '"@path": /foo', '"@authority": example.com', '"content-type": application/json', '"content-length": 18'], source=f"{_RFC}.6"),
    _base(6, "white space goes, lines of one name are joined, the rest stays", _get("https://www.example.com/", *_SENT), '("host" "date" "x-ows-header" "cache-control" "example-dict")', ['"host": www.example.com', '"date": Tue, 20 Apr 2021 02:07:56 GMT', '"x-ows-header": Leading and trailing whitespace.', '"cache-control": max-age=60, must-revalidate', '"example-dict": a=1,    b=2;x=1;y=2,   c=(a   b   c)'], source="RFC 9421 §2.1"),
    _base(7, "an empty header: a colon and a space", _get("https://www.example.com/", *_SENT), '("x-empty-header");keyid="k"', ['"x-empty-header": '], source="RFC 9421 §2.1"),
    _base(8, "what a delivery covers", _INBOX, '("@method" "@target-uri" "content-digest");created=1795338000;keyid="https://coop-a.example/actors/coop#ed25519"', ['"@method": POST', '"@target-uri": https://coop-b.example/inbox', '"content-digest": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:']),
    _base(9, "an empty path is /, an absent query is ?", _get("https://coop-b.example"), '("@path" "@query" "@request-target")', ['"@path": /', '"@query": ?', '"@request-target": /']),
    _base(10, "the authority in lower case, without the default port", _get("https://WWW.Example.COM:443/a"), '("@authority" "@scheme")', ['"@authority": www.example.com', '"@scheme": https']),
    _base(11, "the authority with another port", _get("https://coop-b.example:8443/a?b=c"), '("@authority" "@request-target")', ['"@authority": coop-b.example:8443', '"@request-target": /a?b=c']),
    _base(12, "the query as it is written, not decoded", _get("https://coop-b.example/a%2Fb?c=%C3%A9&d"), '("@path" "@query")', ['"@path": /a%2Fb', '"@query": ?c=%C3%A9&d']),
    _base(13, "parameters in the order that they have, unknown ones too", _request(), '("@method");keyid="k";alg="ed25519";created=5;expires=9;x-more;tag="t"', ['"@method": POST']),
    _base(14, "the order of the components is the order of the lines", _request(), '("content-length" "@method" "date")', ['"content-length": 18', '"@method": POST', _DATE]),
    _base(15, "one member of a dictionary", _get("https://www.example.com/", *_SENT), '("example-dict";key="a" "example-dict";key="b")', None, acceptable=True),
    _base(16, "each line as bytes", _get("https://www.example.com/", ("Example-Header", "value, with, lots"), ("Example-Header", "of, commas")), '("example-header";bs)', None, acceptable=True),
    _base(30, "a header that is not there", _request(headers=_HEADERS[:1]), f'("date"){_CREATED}', None, reason="MISSING_COMPONENT", twin=31),
    _base(31, "a header that is there", _request(headers=_HEADERS[:2]), f'("date"){_CREATED}', [_DATE]),
    _base(32, "one header twice", _request(headers=_HEADERS[:2]), f'("date" "date"){_CREATED}', None, reason="DUPLICATE_COMPONENT", twin=31),
    _base(33, "a derived component that does not exist", _request(headers=_HEADERS[:2]), f'("@date"){_CREATED}', None, reason="UNKNOWN_COMPONENT", twin=31),
    _base(34, "a component of answers in a request", _request(headers=_HEADERS[:2]), f'("@status"){_CREATED}', None, reason="UNKNOWN_COMPONENT", twin=31),
    _base(35, "a parameter of the query that is not there", _request(), '("@query-param";name="pet")', None, reason="MISSING_COMPONENT", twin=36),
    _base(36, "a parameter of the query that is there", _request(), '("@query-param";name="Pet")', ['"@query-param";name="Pet": dog']),
)  # fmt: skip

# -- whole signatures ------------------------------------------------------------------------------------

_RFC_KEYID: Final = "test-key-ed25519"
_RFC_PUBLIC: Final = base64.b64decode("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")  # RFC 9421 B.1.4
_RFC_PRIVATE: Final = base64.b64decode("n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=")  # RFC 9421 B.1.4
_RFC_TEXT: Final = multikey.to_multibase(multikey.ED25519 + _RFC_PUBLIC)
_ED25519: Final = Ed25519PrivateKey.from_private_bytes(_RFC_PRIVATE)
# RFC 9421 B.1.1, "test-key-rsa", published for tests: never a key of anything else.
_RSA_DER: Final = (
    "MIIEqAIBAAKCAQEAhAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrwWEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt"
    "8uA5txSKobBpKDeBLOsdJKFqMGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd/QBwVW9OwNFhekro3RtlinV0a75jfZgkne/YiktSvLG34lw2zqX"
    "BDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0PuKxI4T+HIaFpv8+rdV6eUgOrB2xeI1dSFFn/nnv5OoZJEIB+VmuKn3DCUcCZSFlQ"
    "PSXSfBDiUGhwOw76WuSSsf1D4b/vLoJ10wIDAQABAoIBAG/JZuSWdoVHbi56vjgCgkjg3lkO1KrO3nrdm6nrgA9P9qaPjxuKoWaKO1cBQlE1"
    "pSWp/cKncYgD5WxECpAnRUXG2pG4zdkzCYzAh1i+c34L6oZoHsirK6oNcEnHveydfzJL5934egm6p8DW+m1RQ70yUt4uRc0YSor+q1LGJvGQ"
    "HReF0WmJBZHrhz5e63Pq7lE0gIwuBqL8SMaAyRXtK+JGxZpImTq+NHvEWWCu09SCq0r838ceQI55SvzmTkwqtC+8AT2zFviMZkKRQo6SPsrq"
    "ItxZWRty2izawTF0Bf5S2VAx7O+6t3wBsQ1sLptoSgX3QblELY5asI0JYFz7LJECgYkAsqeUJmqXE3LP8tYoIjMIAKiTm9o6psPlc8CrLI9C"
    "H0UbuaA2JCOMcCNq8SyYbTqgnWlB9ZfcAm/cFpA8tYci9m5vYK8HNxQr+8FS3Qo8N9RJ8d0U5CswDzMYfRghAfUGwmlWj5hp1pQzAuhwbOXF"
    "txKHVsMPhz1IBtF9Y8jvgqgYHLbmyiu1mwJ5AL0pYF0G7x81prlARURwHo0Yf52kEw1dxpx+JXER7hQRWQki5/NsUEtv+8RTqn2m6qte5DXL"
    "yn83b1qRscSdnCCwKtKWUug5q2ZbwVOCJCtmRwmnP131lWRYfj67B/xJ1ZA6X3GEf4sNReNAtaucPEelgR2nsN0gKQKBiGoqHWbK1qYvBxX2"
    "X3kbPDkv9C+celgZd2PW7aGYLCHq7nPbmfDV0yHcWjOhXZ8jRMjmANVR/eLQ2EfsRLdW69bnf3ZD7JS1fwGnO3exGmHO3HZG+6AvberKYVYN"
    "HahNFEw5TsAcQWDLRpkGybBcxqZo81YCqlqidwfeO5YtlO7etx1xLyqa2NsCeG9A86UjG+aeNnXEIDk1PDK+EuiThIUa/2IxKzJKWl1BKr2d"
    "4xAfR0ZnEYuRrbeDQYgTImOlfW6/GuYIxKYgEKCFHFqJATAGIxHrq1PDOiSwXd2GmVVYyEmhZnbcp8CxaEMQoevxAta0ssMK3w6UsDtvUvYv"
    "F22mqQKBiD5GwESzsFPy3Ga0MvZpn3D6EJQLgsnrtUPZx+z2Ep2x0xc5orneB5fGyF1PWtP+fG5Q6Dpdz3LRfm+KwBCWFKQjg7uTxcjerhBW"
    "EYPmEMKYwTJF5PBG9/ddvHLQEQeNC8fHGg4UXU8mhHnSBt3EA10qQJfRDs15M38eG2cYwB1PZpDHScDnDA0="
)
_RSA: Final = serialization.load_der_private_key(base64.b64decode(_RSA_DER), None)
_ALICE: Final = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
_INPUT: Final = 'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"'
_SIGNATURE: Final = (
    "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
)


def _verify(
    number: int,
    comment: str,
    request: Json,
    reason: str | None = None,
    *,
    twin: int = 1,
    flag: str = "TAMPER",
    also: tuple[str, ...] = (),
    source: str | None = None,
    keys: Json | None = None,
) -> Case:
    return Case(
        f"FV-HSV-{number:03}", "FC-VEC-015", comment,
        {"request": request, "keys": keys or {_RFC_KEYID: _RFC_TEXT}},
        reason=reason, twin=f"FV-HSV-{twin:03}" if reason else None,
        flags=("PUBLISHED",) if source else (flag,), also=also, source=source,
    )  # fmt: skip


def _b26(
    *,
    method: str = "POST",
    url: str = _URL,
    given: str = _INPUT,
    value: str = _SIGNATURE,
    without: str = "",
    **changed: str,
) -> Json:
    headers = [*_HEADERS, ("Signature-Input", given), ("Signature", value)]
    kept = [(name, changed.get(name.replace("-", "_"), text)) for name, text in headers if name != without]
    return _request(method, url, kept)


_FLIPPED: Final = _SIGNATURE.replace(":wqcA", ":xqcA")


def _signed(
    private: httpsig.PrivateKey, covered: Sequence[str], changes: Json | None = None, **parameters: Any
) -> Json:
    """Return a delivery, signed, and then changed."""
    request = httpsig.Request(_INBOX["method"], _INBOX["url"], tuple(map(tuple, _INBOX["headers"])))
    lines = httpsig.sign(
        request, private, keyid="k", created=1795338000, components=covered, parameters=parameters
    )
    return {**_INBOX, "headers": [*_INBOX["headers"], *map(list, lines.items())], **(changes or {})}


def _rsa_text() -> str:
    if not isinstance(_RSA, RSAPrivateKey):
        raise TypeError("test-key-rsa is no RSA key")
    return multikey.encode(_RSA.public_key())


def _delivery(
    *,
    rsa: bool = False,
    covered: Sequence[str] = httpsig.DEFAULT_COMPONENTS,
    changes: Json | None = None,
    **parameters: Any,
) -> Json:
    private = _RSA if rsa else _ED25519
    if not isinstance(private, (RSAPrivateKey, Ed25519PrivateKey)):
        raise TypeError("no key of ours")
    return _signed(private, covered, changes, **parameters)


def _verify_cases() -> tuple[Case, ...]:
    ed, rsa = {"k": _RFC_TEXT}, {"k": _rsa_text()}
    return (
        _verify(1, "the worked example", _b26(), source=f"{_RFC}.6"),
        _verify(2, "a header that is not covered may change", _b26(Content_Digest="sha-256=:AAAA:")),
        _verify(3, "two keys to choose from", _b26(), keys={_RFC_KEYID: _RFC_TEXT, "other": _RFC_TEXT}),
        _verify(10, "the date changed", _b26(Date="Tue, 20 Apr 2021 02:07:56 GMT"), "SIGNATURE"),
        _verify(11, "the method changed", _b26(method="PUT"), "SIGNATURE"),
        _verify(12, "the path changed", _b26(url="https://example.com/bar?param=Value&Pet=dog"), "SIGNATURE"),
        _verify(13, "the authority changed", _b26(url="https://example.org/foo?param=Value&Pet=dog"), "SIGNATURE"),
        _verify(14, "a covered header changed", _b26(Content_Type="application/ld+json"), "SIGNATURE"),
        _verify(15, "`created` changed", _b26(given=_INPUT.replace("1618884473", "1618884474")), "SIGNATURE"),
        _verify(16, "one bit of the signature", _b26(value=_FLIPPED), "SIGNATURE"),
        _verify(17, "another key under the name", _b26(), "SIGNATURE", keys={_RFC_KEYID: _ALICE}),
        _verify(18, "a component taken off the list", _b26(given=_INPUT.replace(' "content-length"', "")), "SIGNATURE"),
        _verify(19, "two components in another order", _b26(given=_INPUT.replace('"date" "@method"', '"@method" "date"')), "SIGNATURE"),
        _verify(20, "a parameter added", _b26(given=f'{_INPUT};tag="x"'), "SIGNATURE"),
        _verify(21, "a key that nobody knows", _b26(), "UNKNOWN_KEY", twin=3, keys={"other": _RFC_TEXT}, also=("SIGNATURE",), flag="COVERAGE"),
        _verify(22, "no signature", _b26(without="Signature"), "NO_SIGNATURE", also=("LABEL",), flag="COVERAGE"),
        _verify(23, "no Signature-Input", _b26(without="Signature-Input"), "NO_SIGNATURE", also=("LABEL",), flag="COVERAGE"),
        _verify(24, "another label in each of the two", _b26(value=_SIGNATURE.replace("sig-b26", "sig-b27")), "LABEL", also=("NO_SIGNATURE",), flag="COVERAGE"),
        _verify(25, "a covered header is not there", _b26(without="Date"), "MISSING_COMPONENT", also=("SIGNATURE",), flag="COVERAGE"),
        _verify(26, "a signature that is no byte sequence", _b26(value="sig-b26=wqcA"), "SYNTAX", also=("SIGNATURE", "NO_SIGNATURE"), flag="FIELD"),
        _verify(27, "a Signature-Input that is no inner list", _b26(given='sig-b26="date"'), "SYNTAX", also=("SIGNATURE", "NO_SIGNATURE"), flag="FIELD"),
        # -- a delivery, by both algorithms
        _verify(40, "a delivery, Ed25519", _delivery(), keys=ed),
        _verify(41, "a delivery, RSA", _delivery(rsa=True), keys=rsa),
        _verify(42, "the target changed, RSA", _delivery(rsa=True, changes={"url": "https://coop-c.example/inbox"}), "SIGNATURE", twin=41, keys=rsa),
        _verify(43, "the query changed", _delivery(changes={"url": "https://coop-b.example/inbox?x"}), "SIGNATURE", twin=40, keys=ed),
        _verify(44, "`alg` says what the key is", _delivery(alg="ed25519"), keys=ed, flag="ALGORITHM"),
        _verify(45, "`alg` says something else, and is signed", _delivery(alg="rsa-v1_5-sha256"), "ALGORITHM", twin=44, keys=ed, flag="ALGORITHM", also=("SIGNATURE",)),
        _verify(46, "`alg` says what would need no key", _delivery(alg="hmac-sha256"), "ALGORITHM", twin=44, keys=ed, flag="ALGORITHM", also=("SIGNATURE",)),
    )  # fmt: skip


# -- digests ---------------------------------------------------------------------------------------------

_BODY: Final = '{"hello": "world"}'
_SHA256: Final = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
_SHA256_LF: Final = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
_SHA512_LF: Final = (
    "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
)
_WRONG: Final = "=:" + "A" * 43 + "=:"


def _digest(
    number: int,
    comment: str,
    value: str,
    reason: str | None = None,
    *,
    body: str = _BODY,
    twin: int = 1,
    also: tuple[str, ...] = (),
    source: str | None = None,
) -> Case:
    return Case(
        f"FV-DIG-{number:03}", "FC-VEC-016", comment, {"contentDigest": value, "body": b64(body)},
        reason=reason, twin=f"FV-DIG-{twin:03}" if reason else None,
        flags=("DIGEST", "PUBLISHED") if source else ("DIGEST",), also=also, source=source,
    )  # fmt: skip


_DIGESTS: Final = (
    _digest(1, "SHA-256", _SHA256, source="RFC 9421 Appendix B (draft-cavage Appendix C)"),
    _digest(2, "SHA-512", _DIGEST, source=_RFC),
    _digest(3, "SHA-256 of the body with a line feed", _SHA256_LF, body=_BODY + "\n", source="RFC 9530 Appendix B"),
    _digest(4, "SHA-512 of the body with a line feed", _SHA512_LF, body=_BODY + "\n", source="RFC 9530 Appendix B"),
    _digest(5, "two known algorithms, both right", f"{_SHA256}, {_DIGEST}"),
    _digest(6, "the same in the other order", f"{_DIGEST},{_SHA256}"),
    _digest(7, "a right one, after one that nobody knows", f"x-new=:AAAA:, {_SHA256}"),
    _digest(8, "a right one, before one that is out of use and wrong", f"{_SHA256}, md5=:AAAA:"),
    _digest(9, "an unknown one that is no byte sequence", f"x-new=1, {_SHA256}"),
    _digest(20, "another body", _SHA256, "MISMATCH", body=_BODY + " "),
    _digest(21, "the first right, the second wrong", f"{_SHA256}, sha-512{_WRONG}", "MISMATCH", twin=5),
    _digest(22, "the first wrong, the second right", f"sha-512{_WRONG}, {_SHA256}", "MISMATCH", twin=6),
    _digest(23, "an unknown one, then a wrong one", f"x-new=:AAAA:, sha-256{_WRONG}", "MISMATCH", twin=7),
    _digest(24, "cut short", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBA==:", "MISMATCH"),
    _digest(25, "nothing that anybody knows", "x-new=:AAAA:", "UNKNOWN_ALGORITHM", twin=7),
    _digest(26, "only one that is out of use", "md5=:Sd/dVLAcvNLSq16eXua5uQ==:", "UNKNOWN_ALGORITHM"),
    _digest(27, "no byte sequence: the colons are missing", _SHA256.replace(":", ""), "SYNTAX", also=("MISMATCH",)),
    _digest(28, "as the older Digest writes it", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", "SYNTAX", also=("MISMATCH", "UNKNOWN_ALGORITHM")),
    _digest(29, "nothing", "", "UNKNOWN_ALGORITHM", also=("SYNTAX", "NO_DIGEST")),
    _digest(30, "hexadecimal", "sha-256=:5f8f04f6a3a892aaabbddb6cf273894493773960d4a325b105fee46eef4304f1:", "MISMATCH", also=("SYNTAX",)),
)  # fmt: skip

# -- structured fields -----------------------------------------------------------------------------------


def _item(value: Any, *parameters: tuple[str, Any]) -> Json:
    return {"item": value, "parameters": [list(pair) for pair in parameters]}


def _inner(items: Sequence[Json], *parameters: tuple[str, Any]) -> Json:
    return {"innerList": list(items), "parameters": [list(pair) for pair in parameters]}


def _token(text: str) -> Json:
    return {"token": text}


def _binary(data: bytes | str) -> Json:
    return {"binary": b64(data)}


def _parse(
    number: int,
    comment: str,
    given: str,
    structure: Any = None,
    *,
    shape: str = "dictionary",
    reason: str | None = None,
    twin: int = 1,
    source: str | None = None,
    acceptable: bool = False,
) -> Case:
    return Case(
        f"FV-SFV-{number:03}", "FC-VEC-017", comment, {"field": given, "shape": shape},
        output=None if reason or acceptable else {"structure": structure},
        reason=reason, twin=f"FV-SFV-{twin:03}" if reason else None,
        flags=("PUBLISHED",) if source else ("LENIENT",) if acceptable else ("FIELD",), source=source, acceptable=acceptable,
    )  # fmt: skip


_ONE: Final = ["sig1", _inner([_item("@method"), _item("date")], ("created", 5), ("keyid", "k"))]
_TWO: Final = ["sig2", _inner([_item("@authority")], ("keyid", "l"))]
_BYTES: Final = ["sig1", _item(_binary(b"\x00\x01\xfe\xff"))]

_FIELDS: Final = (
    _parse(1, "one label", 'sig1=("@method" "date");created=5;keyid="k"', [_ONE]),
    _parse(2, "two labels", 'sig1=("@method" "date");created=5;keyid="k", sig2=("@authority");keyid="l"', [_ONE, _TWO]),
    _parse(3, "odd spaces, where they are allowed", '  sig1=(  "@method"   "date" ); created=5;  keyid="k"\t,\t sig2=("@authority");keyid="l"  ', [_ONE, _TWO]),
    _parse(4, "a component with a parameter", 'sig1=("@query-param";name="Pet" "d";key="a");created=5', [["sig1", _inner([_item("@query-param", ("name", "Pet")), _item("d", ("key", "a"))], ("created", 5))]]),
    _parse(5, "brackets, commas and quotes inside strings", 'sig1=("a");keyid="x,y\\"(z)=:\\\\;", sig2=();keyid="l"', [["sig1", _inner([_item("a")], ("keyid", 'x,y"(z)=:\\;'))], ["sig2", _inner([], ("keyid", "l"))]]),
    _parse(6, "a byte sequence", "sig1=:AAH+/w==:", [_BYTES]),
    _parse(7, "a byte sequence without its padding", "sig1=:AAH+/w:", [_BYTES], acceptable=True),
    _parse(8, "an empty byte sequence, an empty inner list", "sig1=::, sig2=()", [["sig1", _item(_binary(b""))], ["sig2", _inner([])]]),
    _parse(9, "a name twice: the last one stays", "a=1, b=2, a=3", [["a", _item(3)], ["b", _item(2)]]),
    _parse(10, "a parameter twice: the last one stays", "a=1;x=1;y=2;x=3", [["a", _item(1, ("x", 3), ("y", 2))]]),
    _parse(11, "names of every allowed kind", "*a.b_c-1=1", [["*a.b_c-1", _item(1)]]),
    _parse(12, "true needs no value", "a, b;x;y=?0, c=?0", [["a", _item(True)], ["b", _item(True, ("x", True), ("y", False))], ["c", _item(False)]]),
    _parse(13, "nothing", "", []),
    _parse(20, "a dictionary of strings and bytes", 'en="Applepie", da=:w4ZibGV0w6ZydGU=:', [["en", _item("Applepie")], ["da", _item(_binary("\u00c6blet\u00e6rte"))]], source="RFC 9651 §3.2"),
    _parse(21, "booleans", "a=?0, b, c; foo=bar", [["a", _item(False)], ["b", _item(True)], ["c", _item(True, ("foo", _token("bar")))]], source="RFC 9651 §3.2"),
    _parse(22, "a decimal and an inner list", "rating=1.5, feelings=(joy sadness)", [["rating", _item({"decimal": "1.5"})], ["feelings", _inner([_item(_token("joy")), _item(_token("sadness"))])]], source="RFC 9651 §3.2"),
    _parse(23, "items and inner lists with parameters", "a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid", [["a", _inner([_item(1), _item(2)])], ["b", _item(3)], ["c", _item(4, ("aa", _token("bb")))], ["d", _inner([_item(5), _item(6)], ("valid", True))]], source="RFC 9651 §3.2"),
    _parse(24, "a list of tokens", "sugar, tea, rum", [_item(_token("sugar")), _item(_token("tea")), _item(_token("rum"))], shape="list", source="RFC 9651 §3.1"),
    _parse(25, "a list of inner lists", '("foo" "bar"), ("baz"), ("bat" "one"), ()', [_inner([_item("foo"), _item("bar")]), _inner([_item("baz")]), _inner([_item("bat"), _item("one")]), _inner([])], shape="list", source="RFC 9651 §3.1.1"),
    _parse(26, "parameters on both levels", '("foo"; a=1;b=2);lvl=5, ("bar" "baz");lvl=1', [_inner([_item("foo", ("a", 1), ("b", 2))], ("lvl", 5)), _inner([_item("bar"), _item("baz")], ("lvl", 1))], shape="list", source="RFC 9651 §3.1.1"),
    _parse(27, "an item with a parameter", "5; foo=bar", _item(5, ("foo", _token("bar"))), shape="item", source="RFC 9651 §3.3"),
    _parse(28, "bytes", ":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:", _item(_binary("pretend this is binary content.")), shape="item", source="RFC 9651 §3.3.5"),
    _parse(29, "a time: newer than RFC 8941", "@1659578233", shape="item", acceptable=True),
    _parse(40, "an inner list that does not end", 'sig1=("@method" "date";created=5;keyid="k"', reason="SYNTAX"),
    _parse(41, "two strings without a space between them", 'sig1=("@method""date");created=5;keyid="k"', reason="SYNTAX"),
    _parse(42, "commas inside an inner list", 'sig1=("@method","date");created=5;keyid="k"', reason="SYNTAX"),
    _parse(43, "components without quotes that are no tokens", 'sig1=(@method "date");created=5;keyid="k"', reason="SYNTAX"),
    _parse(44, "a comma at the end", 'sig1=("@method" "date");created=5;keyid="k",', reason="SYNTAX"),
    _parse(45, "no comma between two labels", 'sig1=("@method" "date");created=5;keyid="k" sig2=("@authority");keyid="l"', reason="SYNTAX", twin=2),
    _parse(46, "a label in capitals", 'Sig1=("@method" "date");created=5;keyid="k"', reason="SYNTAX"),
    _parse(47, "single quotes", "sig1=('@method' \"date\");created=5;keyid=\"k\"", reason="SYNTAX"),
    _parse(48, "a string that does not end", 'sig1=("@method" "date");created=5;keyid="k', reason="SYNTAX"),
    _parse(49, "an escape that does not exist", 'sig1=("@method" "date");created=5;keyid="\\k"', reason="SYNTAX"),
    _parse(50, "a letter with an accent in a string", 'sig1=("@method" "date");created=5;keyid="\u00e9"', reason="SYNTAX"),
    _parse(51, "a space around the equals sign", 'sig1 = ("@method" "date");created=5;keyid="k"', reason="SYNTAX"),
    _parse(52, "no value after the equals sign", 'sig1=("@method" "date");created=;keyid="k"', reason="SYNTAX"),
    _parse(53, "sixteen digits", 'sig1=("@method" "date");created=1234567890123456;keyid="k"', reason="SYNTAX"),
    _parse(54, "bytes in base64url", "sig1=:AAH-_w==:", reason="SYNTAX", twin=6),
    _parse(55, "bytes with a space in them", "sig1=:AAH+ /w==:", reason="SYNTAX", twin=6),
    _parse(56, "bytes that do not end", "sig1=:AAH+/w==", reason="SYNTAX", twin=6),
    _parse(57, "two items where one should be", "5 6", reason="SYNTAX", shape="item", twin=27),
)  # fmt: skip

FILES: Final = (
    File("httpsig/base.json", "httpsig-base", ("RFC 9421 §2.5",), _BASES),
    File(
        "httpsig/verify.json",
        "httpsig-verify",
        ("RFC 9421 §3.2", "RFC 9421 Appendix B.2.6"),
        _verify_cases(),
        {_RFC_KEYID: _RFC_TEXT, "test-key-rsa": _rsa_text(), "alice": _ALICE},
    ),
    File("digest/content-digest.json", "content-digest", ("RFC 9530 §2", "RFC 9530 §5"), _DIGESTS),
    File("sfv/fields.json", "sfv", ("RFC 9651 §4.2", "RFC 9421 §4.1"), _FIELDS),
)
