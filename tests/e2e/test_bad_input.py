"""Bad input to a real server: the status of D3, a problem that says why, nothing stored, nothing fetched.

Every row spoils one thing of a message. The spoilt one is refused and leaves no trace; then the same message, unspoilt
and under the same id, is taken in: so it was that one thing.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.foreign import (
    AS2,
    DATA_INTEGRITY,
    PUBLIC,
    Foreign,
    Letter,
    ago,
    chain_digest,
    exchange,
    now,
    stamp,
)
from tests.e2e.neighbourhood import Neighbourhood

pytestmark = pytest.mark.xdist_group("neighbourhood")

MIB: Final = 1024 * 1024

Spoil = Callable[[Letter, Neighbourhood], Letter]


@dataclass(frozen=True)
class Row:
    """One thing that is wrong, and what is answered to it."""

    name: str
    spoil: Spoil
    status: int
    code: str
    says: tuple[str, ...] = ()
    """Members that the problem has besides type, title, status and detail."""


# -- what is spoilt -------------------------------------------------------------------------------------------------


def pointing(n: Neighbourhood) -> dict[str, Any]:
    """Return a note that points at a stranger all over: whoever follows one of these is seen there."""
    there = n.stranger.base
    return n.admitted.note(
        url=f"{there}/page",
        inReplyTo=f"{there}/notes/1",
        attachment=[{"type": "Image", "url": f"{there}/image.png"}],
        tag=[{"type": "Mention", "href": f"{there}/users/mallory"}],
        replies=f"{there}/replies",
    )


def good(n: Neighbourhood) -> Letter:
    """Return a message that is taken in."""
    document = n.admitted.create(pointing(n))
    context = [AS2, f"{n.stranger.base}/context"]
    return n.admitted.letter({**document, "@context": context}, n.inbox)


def document(letter: Letter) -> dict[str, Any]:
    """Return what a letter says."""
    read: dict[str, Any] = json.loads(letter.body)
    return read


def said(**changes: Any) -> Spoil:
    """Return what changes members of the activity and signs it anew; None takes one out."""

    def spoil(letter: Letter, n: Neighbourhood) -> Letter:
        whole = {**document(letter), **changes}
        return letter.saying({name: value for name, value in whole.items() if value is not None})

    return spoil


def of_object(**changes: Any) -> Spoil:
    """Return what changes members of the object; a function is given the neighbourhood."""

    def spoil(letter: Letter, n: Neighbourhood) -> Letter:
        given = {name: value(n) if callable(value) else value for name, value in changes.items()}
        return letter.saying({**document(letter), "object": {**document(letter)["object"], **given}})

    return spoil


def sent(**changes: Any) -> Spoil:
    """Return what changes how it is signed and sent."""

    def spoil(letter: Letter, n: Neighbourhood) -> Letter:
        return replace(letter, **{k: v(n, letter) if callable(v) else v for k, v in changes.items()})

    return spoil


def body(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the bytes and signs them."""
    return lambda letter, n: letter.saying(change(letter.body))


def within(text: bytes) -> Spoil:
    """Return what puts one more member, written so, at the beginning of the body."""
    return body(lambda whole: b"{" + text + b"," + whole[1:])


def without_digest(letter: Letter, n: Neighbourhood) -> Letter:
    return replace(letter, covered=("(request-target)", "host", "date"), without=frozenset({"digest"}))


ROWS: Final = (
    Row("unsigned", sent(without=frozenset({"signature"})), 401, "signature-missing", ("expected",)),
    Row(
        "signed by somebody else's key",
        sent(key=lambda n, _: n.admitted.keys("mallory").http),
        401,
        "signature-invalid",
        ("expected",),
    ),
    Row("the digest of another body", sent(digest_of=b"{}"), 401, "digest-mismatch"),
    Row("no digest", without_digest, 401, "coverage-insufficient", ("expected", "received")),
    Row(
        "a digest that is not signed",
        sent(covered=("(request-target)", "host", "date")),
        401,
        "coverage-insufficient",
        ("expected", "received"),
    ),
    Row(
        "no time is signed",
        sent(covered=("(request-target)", "host", "digest")),
        401,
        "coverage-insufficient",
        ("expected",),
    ),
    Row(
        "an hour and five minutes old",
        sent(signed_at=lambda n, _: ago(minutes=65)),
        401,
        "clock-skew",
        ("expected", "received", "difference"),
    ),
    Row(
        "ten minutes in the future",
        sent(signed_at=lambda n, _: ago(minutes=-10)),
        401,
        "clock-skew",
        ("expected", "received", "difference"),
    ),
    Row(
        "sent to another host",
        sent(sent_host="elsewhere.example"),
        401,
        "host-mismatch",
        ("expected", "received"),
    ),
    Row("signed for another host", sent(signed_host="elsewhere.example"), 401, "signature-invalid"),
    Row("signed for another path", sent(signed_target="/actors/coop/inbox"), 401, "signature-invalid"),
    Row(
        "a key of another server",
        sent(key_id=lambda n, _: f"{n.stranger.base}/users/alice#main-key"),
        401,
        "key-owner-mismatch",
        ("expected", "received"),
    ),
    Row(
        "a key of another actor",
        sent(key_id=lambda n, _: n.admitted.actor("bob") + "#main-key"),
        401,
        "key-owner-mismatch",
    ),
    Row(
        "an algorithm that is none",
        sent(algorithm="hmac-sha256"),
        401,
        "algorithm-not-allowed",
        ("expected", "received"),
    ),
    Row(
        "an id on another origin",
        lambda x, n: x.saying({**document(x), "id": f"{n.stranger.base}/activities/1"}),
        403,
        "foreign-origin",
        ("expected", "received"),
    ),
    Row(
        "an object on another origin",
        of_object(id=lambda n: f"{n.stranger.base}/notes/1"),
        403,
        "foreign-origin",
        ("expected", "received"),
    ),
    Row(
        "an object of ours",
        of_object(id=lambda n: f"{n.ours.base}/missions/1"),
        403,
        "foreign-origin",
        ("expected", "received"),
    ),
    Row(
        "an object attributed to another",
        of_object(attributedTo=lambda n: n.admitted.actor("bob")),
        403,
        "not-owner",
        ("expected", "received"),
    ),
    Row(
        "said by one of ours",
        lambda x, n: x.saying({**document(x), "actor": n.awa.id}),
        403,
        "local-id",
        ("received",),
    ),
    Row(
        "said by a stranger",
        lambda x, n: n.stranger.letter(n.stranger.create(n.stranger.note()), x.url),
        403,
        "not-in-allow-list",
        ("received", "contact"),
    ),
    Row(
        "said by somebody blocked",
        lambda x, n: n.blocked.letter(n.blocked.create(n.blocked.note()), x.url),
        403,
        "blocked",
        ("received", "contact"),
    ),
    Row(
        "to nobody's inbox",
        lambda x, n: replace(x, url=f"{n.ours.base}/actors/nobody/inbox"),
        404,
        "not-found",
    ),
    Row("no id", said(id=None), 400, "malformed-activity", ("expected", "received")),
    Row("no actor", said(actor=None), 400, "malformed-activity", ("expected",)),
    Row("two types", said(type=["Create", "Offer"]), 400, "malformed-activity", ("expected", "received")),
    Row("no object", said(object=None), 400, "malformed-activity", ("expected",)),
    Row("something hidden in @graph", said(**{"@graph": []}), 400, "malformed-activity"),
    Row("an id that is no URL", said(id="urn:uuid:1"), 400, "bad-id", ("received",)),
    Row("not JSON", body(lambda whole: whole[:-1]), 400, "malformed-json"),
    Row("an array", body(lambda whole: b"[" + whole + b"]"), 400, "malformed-json", ("expected", "received")),
    Row("nothing", body(lambda whole: b""), 400, "malformed-json"),
    Row("nested too deep", within(b'"x":' + b"[" * 40 + b"]" * 40), 400, "too-deep", ("expected",)),
    Row(
        "nested endlessly", within(b'"x":' + b"[" * 100_000 + b"]" * 100_000), 400, "too-deep", ("expected",)
    ),
    Row("a key twice", within(b'"type":"Delete"'), 400, "duplicate-key", ("received",)),
    Row("NaN", within(b'"x":NaN'), 400, "number-not-allowed", ("received",)),
    Row("an endless number", within(b'"x":1e999'), 400, "number-not-allowed", ("received",)),
    Row("malformed UTF-8", within(b'"x":"\xff"'), 400, "bad-encoding", ("received",)),
    Row("half a character", within(b'"x":"\\ud800"'), 400, "bad-encoding"),
    Row("NUL", within(b'"x":"\\u0000"'), 400, "bad-encoding"),
    Row("a byte order mark", body(lambda whole: b"\xef\xbb\xbf" + whole), 400, "bad-encoding", ("expected",)),
    Row(
        "too long, as announced",
        within(b'"x":"' + b"a" * MIB + b'"'),
        413,
        "too-large",
        ("expected", "received"),
    ),
    Row(
        "too long, unannounced",
        lambda x, n: replace(within(b'"x":"' + b"a" * MIB + b'"')(x, n), chunked=True),
        413,
        "too-large",
        ("expected", "received"),
    ),
    Row(
        "too many recipients",
        said(to=[f"https://x.example/{i}" for i in range(501)]),
        413,
        "too-large",
        ("expected", "received"),
    ),
    Row(
        "text/plain", sent(content_type="text/plain"), 415, "unsupported-media-type", ("expected", "received")
    ),
    Row(
        "plain JSON",
        sent(content_type="application/json"),
        415,
        "unsupported-media-type",
        ("expected", "received"),
    ),
    Row(
        "compressed",
        lambda x, n: replace(x.saying(gzip.compress(x.body)), extra=(("Content-Encoding", "gzip"),)),
        415,
        "content-encoding",
        ("expected", "received"),
    ),
    Row("an Announce", said(type="Announce"), 501, "not-implemented"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_spoilt_is_refused_and_leaves_no_trace(neighbourhood: Neighbourhood, row: Row) -> None:
    letter = good(neighbourhood)
    refused(neighbourhood, row.spoil(letter, neighbourhood), row.status, row.code, row.says)
    answer = letter.send()
    assert (answer.status, answer.outcome) == (202, "accepted"), answer.body


def refused(
    n: Neighbourhood, letter: Letter, status: int, code: str, says: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """Send what is refused and hold the whole of D3: status, problem document, no row changed, nothing fetched."""
    settle(n)
    before = n.tables()
    answer = letter.send()
    assert (answer.status, answer.code) == (status, code), answer.body
    assert n.tables() == before
    fetched = n.fetched()
    # Only the sender's own key, and that only of somebody who is admitted.
    assert fetched.keys() <= {"admitted"}
    assert set(fetched.get("admitted", ())) <= {letter.key_id.removeprefix(n.admitted.base).partition("#")[0]}
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"{n.ours.base}/problems/{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert set(says) <= problem.keys(), problem
    return problem


def settle(n: Neighbourhood) -> None:
    """Make the peers known, so that what follows fetches no key of theirs for the first time; then count from zero."""
    for name in ("alice", "bob", "mallory"):
        if n.stored(n.admitted.actor(name)) is None:
            note = n.admitted.create(n.admitted.note(by=name), by=name)
            assert n.admitted.letter(note, n.inbox, by=name).send().ok
    n.stranger.actor()
    n.blocked.actor()
    n.forget_requests()


# -- the same again -------------------------------------------------------------------------------------------------


def test_a_replayed_message_has_no_second_effect(neighbourhood: Neighbourhood) -> None:
    letter = good(neighbourhood)
    assert letter.send().outcome == "accepted"
    before = neighbourhood.tables()
    again = letter.send()
    assert (again.status, again.outcome) == (202, "duplicate")
    assert neighbourhood.tables() == before


def test_a_signature_does_not_fit_another_body(neighbourhood: Neighbourhood) -> None:
    letter = good(neighbourhood)
    other = letter.saying({**document(letter), "id": neighbourhood.admitted.fresh()})
    refused(neighbourhood, replace(other, digest_of=letter.body), 401, "digest-mismatch")


def test_an_id_used_again_for_another_body_is_kept_as_evidence_alone(neighbourhood: Neighbourhood) -> None:
    letter = good(neighbourhood)
    assert letter.send().ok
    before = neighbourhood.tables()
    answer = letter.saying({**document(letter), "summary": "other"}).send()
    assert (answer.status, answer.code) == (409, "id-reused")
    after = neighbourhood.tables()
    assert {name for name in after if after[name] != before[name]} == {"evidence"}
    assert after["evidence"][0] == before["evidence"][0] + 1


# -- what is another's ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_anothers_object_stays_as_it_is(neighbourhood: Neighbourhood, kind: str) -> None:
    peer = neighbourhood.admitted
    note = peer.note()
    assert peer.letter(peer.create(note), neighbourhood.inbox).send().ok
    assert peer.letter(peer.create(peer.note(by="bob"), by="bob"), neighbourhood.inbox, by="bob").send().ok
    obj = {**note, "attributedTo": peer.actor("bob"), "content": "Non"} if kind == "Update" else note["id"]
    change = {"@context": AS2, "id": peer.fresh(), "type": kind, "to": [PUBLIC]}
    theirs = {**change, "actor": peer.actor("bob"), "object": obj}
    refused(
        neighbourhood, peer.letter(theirs, neighbourhood.inbox, by="bob"), 403, "not-owner", ("received",)
    )
    own = {
        **change,
        "actor": peer.actor(),
        "object": {**note, "content": "Oui"} if kind == "Update" else note["id"],
    }
    assert peer.letter(own, neighbourhood.inbox).send().outcome == "accepted"


def test_an_unknown_type_of_activity_is_accepted_without_effect(neighbourhood: Neighbourhood) -> None:
    letter = good(neighbourhood)
    before = neighbourhood.tables()
    answer = letter.saying({**document(letter), "type": "Ponder"}).send()
    assert (answer.status, answer.outcome) == (202, "ignored")
    assert neighbourhood.tables() == before
    assert letter.send().outcome == "accepted"


# -- contracts ------------------------------------------------------------------------------------------------------


def a_need(peer: Foreign, by: str = "alice") -> dict[str, Any]:
    """Return the first step of a chain of the peer's own: a Need, published, with its proof."""
    iri = peer.fresh("needs")
    need = {
        "id": iri,
        "type": "Note",
        "fedcoopType": ["Proposal", "Need"],
        "attributedTo": peer.actor(by),
        "name": "Vélos à réparer",
        "content": "<p>Vélos à réparer</p>",
        "published": stamp(now()),
        "purpose": "request",
        "unitBased": False,
        "publishes": {
            "type": "Intent",
            "id": f"{iri}#primary",
            "action": "deliverService",
            "resourceQuantity": {"hasUnit": "hour", "hasNumericalValue": "3"},
        },
        "relayScope": "public",
        "to": [PUBLIC],
    }
    context = [AS2, DATA_INTEGRITY, f"{peer.base}/contexts/fedcoop/v1"]
    return {**peer.create(need, by=by), "@context": context, "stateVersion": 1}


def step(peer: Foreign, before: Mapping[str, Any], kind: str = "Update", **changes: Any) -> dict[str, Any]:
    """Return the step after `before`."""
    obj = {**before["object"], "name": "Vélos à régler"} if kind == "Update" else before["object"]["id"]
    chained = {"stateVersion": before["stateVersion"] + 1, "previousDigest": chain_digest(before)}
    whole = {**before, "id": peer.fresh(), "type": kind, "published": stamp(now()), "object": obj}
    return {**whole, **chained, **changes}


def posted(n: Neighbourhood, activity: Mapping[str, Any]) -> Letter:
    return n.admitted.letter(n.admitted.prove(activity), n.inbox)


def test_a_contract_step_without_a_proof_is_refused(neighbourhood: Neighbourhood) -> None:
    need = a_need(neighbourhood.admitted)
    bare = neighbourhood.admitted.letter(need, neighbourhood.inbox)
    refused(neighbourhood, bare, 401, "proof-missing", ("expected", "received"))
    assert posted(neighbourhood, need).send().ok


def test_a_changed_proof_is_refused(neighbourhood: Neighbourhood) -> None:
    proved = neighbourhood.admitted.prove(a_need(neighbourhood.admitted))
    changed = neighbourhood.admitted.letter({**proved, "summary": "x"}, neighbourhood.inbox)
    refused(neighbourhood, changed, 401, "proof-invalid")
    assert neighbourhood.admitted.letter(proved, neighbourhood.inbox).send().ok


def test_anothers_proof_is_refused(neighbourhood: Neighbourhood) -> None:
    need = a_need(neighbourhood.admitted)
    forged = neighbourhood.admitted.prove(need, by="mallory")
    refused(neighbourhood, neighbourhood.admitted.letter(forged, neighbourhood.inbox), 401, "proof-key")
    assert posted(neighbourhood, need).send().ok


def test_a_known_type_keeps_to_its_schema(neighbourhood: Neighbourhood) -> None:
    need = a_need(neighbourhood.admitted)
    wrong = {**need, "object": {**need["object"], "relayScope": 7}}
    refused(neighbourhood, posted(neighbourhood, wrong), 422, "schema-invalid", ("expected", "errors"))
    assert posted(neighbourhood, need).send().ok


def test_what_the_state_does_not_allow_is_refused(neighbourhood: Neighbourhood) -> None:
    peer, need = neighbourhood.admitted, a_need(neighbourhood.admitted)
    withdrawal = step(peer, need, "Delete")
    assert posted(neighbourhood, need).send().ok
    assert posted(neighbourhood, withdrawal).send().ok
    late = step(peer, {**withdrawal, "object": need["object"]}, previousDigest=chain_digest(withdrawal))
    says = ("expected", "received")
    refused(neighbourhood, posted(neighbourhood, late), 409, "illegal-transition", says)


def test_a_version_is_given_once(neighbourhood: Neighbourhood) -> None:
    peer, need = neighbourhood.admitted, a_need(neighbourhood.admitted)
    assert posted(neighbourhood, need).send().ok
    assert posted(neighbourhood, step(peer, need)).send().ok
    says = ("expected", "received", "head")
    refused(neighbourhood, posted(neighbourhood, step(peer, need)), 409, "stale", says)


def test_what_follows_something_unknown_is_told_to_come_again(neighbourhood: Neighbourhood) -> None:
    peer, need = neighbourhood.admitted, a_need(neighbourhood.admitted)
    change = step(peer, need)
    refused(
        neighbourhood, posted(neighbourhood, change), 503, "predecessor-unknown", ("expected", "received")
    )
    assert int(posted(neighbourhood, change).send().headers["retry-after"]) > 0
    assert posted(neighbourhood, need).send().ok
    assert posted(neighbourhood, change).send().ok


# -- reading, and members' own clients ------------------------------------------------------------------------------


def asked(n: Neighbourhood, method: str, path: str, payload: bytes = b"", **headers: str) -> tuple[int, str]:
    named = [
        ("Host", n.ours.base.removeprefix("http://")),
        *((k.replace("_", "-"), v) for k, v in headers.items()),
    ]
    before = n.tables()
    answer = exchange(method, n.ours.base + path, named, payload)
    if not answer.ok:
        assert n.tables() == before
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.status, answer.code


def test_a_reader_is_told_what_there_is(neighbourhood: Neighbourhood) -> None:
    assert asked(neighbourhood, "GET", "/actors/coop", Accept="image/png") == (406, "not-acceptable")
    assert asked(neighbourhood, "GET", "/actors/coop", Accept="application/activity+json") == (200, "")
    assert asked(neighbourhood, "PUT", "/inbox") == (405, "method-not-allowed")
    assert asked(neighbourhood, "GET", "/inbox") == (405, "method-not-allowed")
    assert asked(neighbourhood, "GET", "/nowhere") == (404, "not-found")


SPOILT_SUBMISSIONS: Final = (
    ("no token", {"Authorization": None}, None, (401, "token-missing")),
    ("a wrong token", {"Authorization": "Bearer wrong"}, None, (401, "token-invalid")),
    ("another's token", {"Authorization": "coop"}, None, (403, "not-owner")),
    ("not JSON", {}, b"{", (400, "malformed-json")),
    ("a key twice", {}, b'{"type":"Note","type":"Note"}', (400, "duplicate-key")),
    ("malformed UTF-8", {}, b'{"content":"\xff"}', (400, "bad-encoding")),
    ("nothing", {}, b"{}", (400, "malformed-activity")),
    ("too long", {}, b'{"content":"' + b"a" * MIB + b'"}', (413, "too-large")),
    ("text/plain", {"Content-Type": "text/plain"}, None, (415, "unsupported-media-type")),
    ("compressed", {"Content-Encoding": "gzip"}, None, (415, "content-encoding")),
)


@pytest.mark.parametrize(
    ("changes", "payload", "expected"),
    [row[1:] for row in SPOILT_SUBMISSIONS],
    ids=[r[0] for r in SPOILT_SUBMISSIONS],
)
def test_a_client_is_refused_as_exactly(
    neighbourhood: Neighbourhood,
    changes: dict[str, str | None],
    payload: bytes | None,
    expected: tuple[int, str],
) -> None:
    n = neighbourhood
    path = n.awa.outbox.removeprefix(n.ours.base)
    right = json.dumps({"type": "Note", "content": "Bonjour", "to": [n.ours.coop]}).encode()
    headers = {"Authorization": f"Bearer {n.awa.token}", "Content-Type": "application/activity+json"}
    if changes.get("Authorization") == "coop":
        changes = {"Authorization": f"Bearer {n.ours.token}"}
    spoilt = {name: value for name, value in {**headers, **changes}.items() if value is not None}
    assert asked(n, "POST", path, right if payload is None else payload, **spoilt) == expected
    assert asked(n, "POST", path, right, **headers) == (201, "")


# -- anything -------------------------------------------------------------------------------------------------------

ANYTHING: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
    | st.sampled_from(["https://x.example/", PUBLIC, "2026-01-01T00:00:00Z", "P1D", "1.00", "Mission", "Agreement"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["id", "type", "object", "stipulates", "publishes", "purpose", "resourceQuantity", "hasUnit", "name"]
    ) | st.text("abc", max_size=3), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
MEMBERS: Final = (
    "type", "object", "to", "cc", "published", "result", "inReplyTo", "stateVersion", "previousDigest", "proof",
    "@context", "target", "audience", "reasonCode", "updated", "attachment", "name",
)  # fmt: skip
KINDS: Final = (
    "Create", "Update", "Delete", "Follow", "Accept", "Reject", "Undo", "Offer", "TentativeAccept", "TentativeReject",
    "Probe", "Announce", "Flag", "Move", "Add", "Block", "Ponder",
)  # fmt: skip


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(KINDS),
    changes=st.dictionaries(st.sampled_from(MEMBERS), ANYTHING, max_size=3),
    inside=st.dictionaries(
        st.sampled_from(
            ["type", "fedcoopType", "attributedTo", "publishes", "name", "purpose", "to", "relayScope"]
        ),
        ANYTHING,
        max_size=3,
    ),
    proved=st.booleans(),
)
def test_whatever_a_peer_signs_is_answered(
    neighbourhood: Neighbourhood,
    kind: str,
    changes: dict[str, Any],
    inside: dict[str, Any],
    proved: bool,
) -> None:
    peer, need = neighbourhood.admitted, a_need(neighbourhood.admitted)
    whole = {**need, "type": kind, "object": {**need["object"], **inside}, **changes}
    answer = peer.letter(peer.prove(whole) if proved else whole, neighbourhood.inbox).send()
    assert answer.status < 500 or answer.code in ("not-implemented", "predecessor-unknown"), (
        whole,
        answer.body,
    )
    assert answer.ok or answer.code, answer.body
