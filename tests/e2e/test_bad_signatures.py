"""Bad signatures in both dialects: each row spoils one thing, is refused exactly, and leaves no trace; its twin is 202.

The twin is the same message under the same id, unspoilt. What is wrong with the rest of a message is in
`test_bad_input.py`, whose `refused` holds status, code, problem document, no row changed and nothing fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.e2e.foreign import COMPONENTS, Letter, Message, ago, now
from tests.e2e.neighbourhood import Neighbourhood
from tests.e2e.test_bad_input import Row, good, refused, sent

pytestmark = pytest.mark.xdist_group("neighbourhood")


def message(n: Neighbourhood) -> Message:
    """Return the same message in RFC 9421."""
    letter = good(n)
    return n.admitted.message(letter.body, letter.url)


def altered(name: str, change: Callable[[str], str]) -> Callable[[Letter, Neighbourhood], Letter]:
    """Return what changes the value of a header after it was signed."""
    return lambda letter, n: replace(letter, altered={name: change})


def twice(name: str) -> Callable[[Letter, Neighbourhood], Letter]:
    """Return what sends a header a second time, with the same value."""

    def spoil(letter: Letter, n: Neighbourhood) -> Letter:
        (value,) = [value for sent, value in letter.headers() if sent.lower() == name]
        return replace(letter, extra=((name.title(), value),))

    return spoil


def later(minutes: float) -> Callable[[Letter, Neighbourhood], Letter]:
    return lambda letter, n: replace(letter, signed_at=ago(minutes=-minutes))


def with_parameters(text: Callable[[], str] | str) -> Callable[[Letter, Neighbourhood], Letter]:
    return lambda letter, n: replace(letter, parameters=text if isinstance(text, str) else text())


def flipped(value: str) -> str:
    """Return a signature or a digest of which one character is another."""
    at = value.rindex("=") - 40 if value.endswith('="') else len(value) - 40
    return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]


def seconds(delta: int) -> int:
    return int(now().timestamp()) + delta


# -- rows of both ---------------------------------------------------------------------------------------------------

EITHER: Final = (
    Row("unsigned", sent(without=frozenset({"signature", "signature-input"})), 401, "signature-missing", ("expected",)),
    Row("signed by another's key", sent(key=lambda n, _: n.admitted.keys("mallory").http), 401, "signature-invalid",
        ("expected", "signatureBase")),
    Row("a signature that was changed", altered("signature", flipped), 401, "signature-invalid", ("signatureBase",)),
    Row("two signatures", twice("signature"), 401, "signature-malformed", ("received",)),
    Row("two hosts in one header", altered("host", lambda v: f"{v}, {v}"), 401, "host-mismatch"),
    Row("two dates", twice("date"), 401, "signature-malformed", ("received",)),
    Row("an endless signature", altered("signature", lambda v: v + "A" * 4096), 401, "signature-malformed",
        ("expected",)),
    Row("the digest of another body", sent(digest_of=b"{}"), 401, "digest-mismatch", ("expected", "received")),
    Row("an hour and a minute old", later(-61), 401, "clock-skew", ("expected", "received", "difference")),
    Row("two days old", later(-2880), 401, "clock-skew", ("difference",)),
    Row("six minutes ahead", later(6), 401, "clock-skew", ("expected", "received", "difference")),
    Row("a day ahead", later(1440), 401, "clock-skew", ("difference",)),
    Row("a key of another server", sent(key_id=lambda n, _: f"{n.stranger.base}/users/alice#main-key"), 401,
        "key-owner-mismatch", ("expected", "received")),
    Row("a key of another actor", sent(key_id=lambda n, _: n.admitted.actor("bob") + "#main-key"), 401,
        "key-owner-mismatch"),
    Row("a key that the actor does not list", sent(key_id=lambda n, _: n.admitted.actor() + "#other"), 401,
        "key-owner-mismatch"),
    Row("a key with a handle for an id", sent(key_id="acct:alice@elsewhere.example"), 401, "key-unknown"),
    Row("a key in a private place", sent(key_id="http://127.0.0.1:9/users/alice#main-key"), 401, "key-unknown"),
    Row("a key of no server", sent(key_id="alice"), 401, "key-unknown"),
)  # fmt: skip

# -- draft-cavage ---------------------------------------------------------------------------------------------------

TARGET: Final = "(request-target)"


def in_quotes(name: str, value: str) -> Callable[[str], str]:
    """Return what gives a parameter of the Signature header another value."""
    return lambda header: ",".join(
        f'{name}="{value}"' if part.startswith(f"{name}=") else part for part in header.split(",")
    )


def taken_out(name: str) -> Callable[[str], str]:
    return lambda header: ",".join(part for part in header.split(",") if not part.startswith(f"{name}="))


CAVAGE: Final = (
    Row("no request target", sent(covered=("host", "date", "digest")), 401, "coverage-insufficient", ("expected",)),
    Row("no host", sent(covered=(TARGET, "date", "digest")), 401, "coverage-insufficient", ("expected", "received")),
    Row("no digest", sent(covered=(TARGET, "host", "date")), 401, "coverage-insufficient", ("expected", "received")),
    Row("no time", sent(covered=(TARGET, "host", "digest")), 401, "coverage-insufficient", ("expected",)),
    Row("nothing listed", sent(covered=()), 401, "coverage-insufficient"),
    Row("something listed twice", sent(covered=(TARGET, "host", "date", "digest", "date")), 401, "signature-malformed"),
    Row("something listed that is not there", sent(covered=(TARGET, "host", "date", "digest", "x-not")), 401,
        "signature-malformed", ("expected",)),
    Row("a created that rsa-sha256 has not", sent(covered=(TARGET, "host", "date", "digest", "(created)")), 401,
        "algorithm-not-allowed"),
    Row("HMAC with the public key", sent(algorithm="hmac-sha256"), 401, "algorithm-not-allowed", ("expected",)),
    Row("SHA-1", sent(algorithm="rsa-sha1"), 401, "algorithm-not-allowed", ("expected", "received")),
    Row("an algorithm that is not the key's", sent(algorithm="ed25519"), 401, "algorithm-not-allowed", ("expected",)),
    Row("no key id", altered("signature", taken_out("keyId")), 401, "signature-malformed", ("expected",)),
    Row("no signature in it", altered("signature", taken_out("signature")), 401, "signature-malformed", ("expected",)),
    Row("a key id twice", altered("signature", lambda v: 'keyId="https://x.example/k",' + v), 401,
        "signature-malformed", ("received",)),
    Row("base64 with a blank", altered("signature", in_quotes("signature", "AA AA")), 401, "signature-malformed"),
    Row("base64 with trailing bits", altered("signature", in_quotes("signature", "AB==")), 401, "signature-malformed"),
    Row("no parameters at all", altered("signature", lambda v: "Bearer 1"), 401, "signature-malformed"),
    Row("a Date that is none", sent(date="yesterday"), 401, "signature-malformed", ("expected", "received")),
    Row("run out", with_parameters(lambda: f",expires={seconds(-5)}"), 401, "signature-expired",
        ("expected", "received")),
    Row("an end that is no number", with_parameters(',expires="soon"'), 401, "signature-malformed"),
    Row("a digest of another kind", altered("digest", lambda v: "MD5=abc"), 401, "digest-missing", ("expected",)),
    Row("a second digest that is wrong", altered("digest", lambda v: v + ",SHA-256=AAAA"), 401, "digest-mismatch"),
    Row("signed for another host", sent(signed_host="elsewhere.example"), 401, "signature-invalid"),
    Row("sent to another host", sent(sent_host="elsewhere.example"), 401, "host-mismatch", ("expected", "received")),
    Row("signed for another path", sent(signed_target="/actors/coop/inbox"), 401, "signature-invalid"),
    Row("the key of proofs", sent(key_id=lambda n, _: n.admitted.actor() + "#ed25519-key",
                                  key=lambda n, _: n.admitted.keys().proof, algorithm="hs2019"), 401, "key-unknown"),
    Row("marked as RFC 9421", sent(extra=(("Signature-Input", "sig1=()"),)), 401, "signature-malformed"),
)  # fmt: skip


# -- RFC 9421 -------------------------------------------------------------------------------------------------------


def described(text: str, covered: tuple[str, ...] = COMPONENTS) -> Callable[[Letter, Neighbourhood], Letter]:
    """Return what signs other parameters: {list}, {at} and {key} stand for what they should be."""

    def spoil(letter: Letter, n: Neighbourhood) -> Letter:
        listed = "(" + " ".join(name if name.startswith('"') else f'"{name}"' for name in covered) + ")"
        whole = (
            text.replace("{list}", listed).replace("{at}", str(seconds(0))).replace("{key}", letter.key_id)
        )
        return replace(letter, described=whole, covered=covered)  # type: ignore[call-arg]

    return spoil


def digest_with(algorithm: str) -> Callable[[Neighbourhood, Letter], str]:
    def value(n: Neighbourhood, letter: Letter) -> str:
        made = hashlib.new(algorithm.replace("-", ""), letter.body).digest()
        return f"{algorithm}=:{base64.b64encode(made).decode()}:"

    return value


WHOLE: Final = '{list};created={at};keyid="{key}"'

MESSAGES: Final = (
    Row("no method", sent(covered=("@target-uri", "content-digest")), 401, "coverage-insufficient", ("expected",)),
    Row("no target", sent(covered=("@method", "content-digest")), 401, "coverage-insufficient", ("expected",)),
    Row("no digest", sent(covered=("@method", "@target-uri")), 401, "coverage-insufficient", ("expected", "received")),
    Row("the path for the target", sent(covered=("@method", "@path", "@authority", "content-digest")), 401,
        "coverage-insufficient"),
    Row("a part of the digest", described(WHOLE, ("@method", "@target-uri", '"content-digest";key="sha-256"')), 401,
        "coverage-insufficient", ("expected", "received")),
    Row("nothing", described(WHOLE, ()), 401, "coverage-insufficient"),
    Row("something twice", described(WHOLE, (*COMPONENTS, "@method")), 401, "signature-malformed"),
    Row("something that is not there", described(WHOLE, (*COMPONENTS, "x-not")), 401, "signature-malformed"),
    Row("something of an answer", described(WHOLE, (*COMPONENTS, "@status")), 401, "signature-malformed"),
    Row("something of another request", described(WHOLE, (*COMPONENTS, '"@method";req')), 401, "signature-malformed"),
    Row("no created", described('{list};keyid="{key}"'), 401, "signature-malformed", ("expected",)),
    Row("no keyid", described("{list};created={at}"), 401, "signature-malformed", ("expected",)),
    Row("a created that is text", described('{list};created="{at}";keyid="{key}"'), 401, "signature-malformed"),
    Row("a created with a fraction", described('{list};created={at}.5;keyid="{key}"'), 401, "signature-malformed"),
    Row("a created twice", described('{list};created=1;created={at};keyid="{key}"'), 401, "signature-malformed"),
    Row("a keyid twice", described('{list};created={at};keyid="x";keyid="{key}"'), 401, "signature-malformed"),
    Row("a created beyond the calendar", described('{list};created=999999999999999;keyid="{key}"'), 401,
        "signature-malformed"),
    Row("run out", with_parameters(lambda: f";expires={seconds(-5)}"), 401, "signature-expired",
        ("expected", "received")),
    Row("an end that is text", with_parameters(';expires="soon"'), 401, "signature-malformed"),
    Row("HMAC with the public key", with_parameters(';alg="hmac-sha256"'), 401, "algorithm-not-allowed", ("expected",)),
    Row("RSA-PSS", with_parameters(';alg="rsa-pss-sha512"'), 401, "algorithm-not-allowed", ("expected", "received")),
    Row("an algorithm that is not the key's", with_parameters(';alg="ed25519"'), 401, "algorithm-not-allowed"),
    Row("an algorithm of no name", with_parameters(';alg=""'), 401, "signature-malformed"),
    Row("another spelling", described('{list}; created={at};keyid="{key}"'), 401, "signature-malformed",
        ("expected", "received")),
    Row("two inputs", twice("signature-input"), 401, "signature-malformed", ("received",)),
    Row("two labels", altered("signature-input", lambda v: v + ", " + v.replace("sig1", "sig2")), 401,
        "signature-malformed", ("expected", "received")),
    Row("one label twice", altered("signature-input", lambda v: v + ", " + v), 401, "signature-malformed"),
    Row("another label", altered("signature", lambda v: v.replace("sig1", "sig2")), 401, "signature-malformed",
        ("expected", "received")),
    Row("an input without a signature", sent(without=frozenset({"signature"})), 401, "signature-malformed"),
    Row("a signature without an input", sent(without=frozenset({"signature-input"})), 401, "signature-malformed"),
    Row("a signature that is text", altered("signature", lambda v: 'sig1="AA=="'), 401, "signature-malformed"),
    Row("base64 with trailing bits", altered("signature", lambda v: "sig1=:AB==:"), 401, "signature-malformed"),
    Row("an input that is not one", altered("signature-input", lambda v: "sig1=1"), 401, "signature-malformed"),
    Row("an endless input", altered("signature-input", lambda v: v + ";x" * 2100), 401, "signature-malformed",
        ("expected",)),
    Row("a label added to what was signed", altered("signature-input", lambda v: v + ';tag="x"'), 401,
        "signature-invalid"),
    Row("a signed Date that is another", sent(covered=(*COMPONENTS, "date"), date="Sat, 21 Nov 2015 12:00:00 GMT"),
        401, "clock-skew"),
    Row("a digest of another kind", sent(content_digest=digest_with("md5")), 401, "digest-missing", ("expected",)),
    Row("a second digest that is wrong", sent(content_digest=lambda n, x: digest_with("sha-256")(n, x) +
        ", sha-512=:AAAA:"), 401, "digest-mismatch", ("expected", "received")),
    Row("a digest that is no dictionary", sent(content_digest="sha-256=AA=="), 400, "malformed-request", ("expected",)),
    Row("the digest of the other dialect", sent(content_digest="SHA-256=AA=="), 400, "malformed-request"),
    Row("no digest header", sent(without=frozenset({"content-digest"})), 401, "signature-malformed"),
    Row("signed for another server", sent(signed_url="http://elsewhere.example/inbox"), 401, "signature-invalid",
        ("signatureBase",)),
    Row("signed for https", lambda x, n: replace(x, signed_url=x.url.replace("http:", "https:")),  # type: ignore[call-arg]
        401, "signature-invalid"),
    Row("signed for another inbox", lambda x, n: replace(x, signed_url=f"{n.ours.coop}/inbox"),  # type: ignore[call-arg]
        401, "signature-invalid"),
    Row("the key of proofs under the name of the other", sent(key=lambda n, _: n.admitted.keys().proof), 401,
        "signature-invalid"),
)  # fmt: skip


@pytest.mark.parametrize("row", [*EITHER, *CAVAGE], ids=lambda row: row.name)
def test_a_bad_draft_cavage_signature_is_refused_and_leaves_no_trace(
    neighbourhood: Neighbourhood, row: Row
) -> None:
    spoilt_then_good(neighbourhood, good(neighbourhood), row)


@pytest.mark.parametrize(
    "row",
    [*(row for row in EITHER if not row.name.startswith("two hosts")), *MESSAGES],
    ids=lambda row: row.name,
)
def test_a_bad_message_signature_is_refused_and_leaves_no_trace(
    neighbourhood: Neighbourhood, row: Row
) -> None:
    spoilt_then_good(neighbourhood, message(neighbourhood), row)


def spoilt_then_good(n: Neighbourhood, letter: Letter, row: Row) -> None:
    refused(n, row.spoil(letter, n), row.status, row.code, row.says)
    answer = letter.send()
    assert (answer.status, answer.outcome) == (202, "accepted"), answer.body


ACCEPTED: Final[dict[str, dict[str, Any]]] = {
    "as Mastodon sends it": {},
    "with more signed": {"covered": (*COMPONENTS, "@authority", "@path", "host", "date", "content-type")},
    "in another order": {"covered": tuple(reversed(COMPONENTS))},
    "with its algorithm": {"parameters": ';alg="rsa-v1_5-sha256"'},
    "with parameters that nobody knows": {"parameters": ';nonce="n";tag="t";x=?0'},
    "through a proxy that changes the host": {"sent_host": "backend.internal:8080"},
    "an hour old, nearly": {"minutes": -59},
    "four minutes ahead": {"minutes": 4},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_message_is_accepted(neighbourhood: Neighbourhood, name: str) -> None:
    changes = dict(ACCEPTED[name])
    minutes = changes.pop("minutes", 0)
    spoilt = replace(message(neighbourhood), **changes, signed_at=ago(minutes=-minutes))
    answer = spoilt.send()
    assert (answer.status, answer.outcome) == (202, "accepted"), answer.body


def test_a_message_signed_with_the_key_of_proofs_is_accepted(neighbourhood: Neighbourhood) -> None:
    peer = neighbourhood.admitted
    for parameters in ("", ';alg="ed25519"'):
        key = {"key_id": f"{peer.actor()}#ed25519-key", "key": peer.keys().proof}
        answer = replace(message(neighbourhood), parameters=parameters, **key).send()  # type: ignore[arg-type]
        assert (answer.status, answer.outcome) == (202, "accepted"), answer.body


def test_a_message_with_sha_512_is_accepted(neighbourhood: Neighbourhood) -> None:
    letter = message(neighbourhood)
    answer = replace(letter, content_digest=digest_with("sha-512")(neighbourhood, letter)).send()
    assert (answer.status, answer.outcome) == (202, "accepted"), answer.body


def test_a_replay_in_the_other_dialect_is_the_same_activity_again(neighbourhood: Neighbourhood) -> None:
    letter = good(neighbourhood)
    assert letter.send().outcome == "accepted"
    before = neighbourhood.tables()
    again = neighbourhood.admitted.message(letter.body, letter.url)
    for one in (again, letter, again):
        answer = one.send()
        assert (answer.status, answer.outcome) == (202, "duplicate")
    assert neighbourhood.tables() == before


def test_a_401_says_what_to_sign(neighbourhood: Neighbourhood) -> None:
    answer = replace(message(neighbourhood), without=frozenset({"signature", "signature-input"})).send()
    assert answer.status == 401
    assert answer.headers["accept-signature"] == 'sig1=("@method" "@target-uri" "content-digest");created'
    wrong = replace(message(neighbourhood), key=neighbourhood.admitted.keys("mallory").http).send()
    problem: dict[str, Any] = json.loads(wrong.body)
    assert problem["signatureBase"].startswith(f'"@method": POST\n"@target-uri": {neighbourhood.inbox}\n')
