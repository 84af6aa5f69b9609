"""Profile `signature`: HTTP Message Signatures (RFC 9421) and object integrity proofs (FEP-8b32), in and out.

Most of these send one faulty message and its valid twin, which differs in one thing. What a message does is seen on the
wire: it is a `Probe`, or where the server answers none a `Follow`, and a taken one is answered at our own peer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fedcoop_conformance.case import Case, Failed
from fedcoop_conformance.cases import implements
from fedcoop_conformance.crypto import cavage, digests, eddsa_jcs, httpsig, multikey
from fedcoop_conformance.peer.actors import (
    SIGNED,
    Document,
    Outgoing,
    PeerActor,
    fresh_key,
    instant,
    rsa_key,
)
from fedcoop_conformance.peer.server import Answer, Received

HOUR: Final = 3600
STRAY: Final = 99
"""The generation of an RSA key that no actor has."""
ALGORITHMS: Final = {
    "ed25519": ("ed25519", "rsa-v1_5-sha256"),
    "rsa": ("rsa-v1_5-sha256", "ed25519"),
}
"""For each kind of key the algorithm that is its own, and one that is not."""


# -- requests that come in --------------------------------------------------------------------------------------------


@implements("FC-SIG-001")
async def a_right_signature_is_taken(t: Case) -> None:
    peer = t.peer()
    activity = t.stimulus(peer)
    with t.step("a message signed by RFC 9421 is taken and answered"):
        await t.accepted(peer, activity, t.honest(peer, activity))


@implements("FC-SIG-036")
async def a_signature_by_ed25519_is_taken(t: Case) -> None:
    peer = t.peer()
    activity = t.stimulus(peer)
    with t.step("a message signed with the Ed25519 key is taken and answered, whatever the server announces"):
        await t.accepted(
            peer, activity, peer.request(t.local.inbox, activity, key=peer.key, keyid=peer.key_id)
        )


@implements("FC-SIG-002")
async def an_unsigned_message_is_refused(t: Case) -> None:
    await t.refused_beside(
        lambda peer, activity: (
            t.honest(peer, activity).header("Signature", None).header("Signature-Input", None)
        ),
        problem="signature-missing",
    )


@implements("FC-SIG-003")
async def a_signature_by_another_key_is_refused(t: Case) -> None:
    other = another_key(t.peer(publish=False))
    await t.refused_beside(
        lambda peer, activity: peer.request(t.local.inbox, activity, key=other), problem="signature-invalid"
    )


@implements("FC-SIG-004")
async def the_digest_of_another_body_is_refused(t: Case) -> None:
    await t.refused_beside(
        lambda peer, activity: peer.request(t.local.inbox, activity, digest_of=b"another body"),
        problem="digest-mismatch",
    )


@implements("FC-SIG-005")
async def a_digest_that_is_not_signed_is_refused(t: Case) -> None:
    # Whoever changes the body on the way would simply write its digest anew.
    await t.refused_beside(
        lambda peer, activity: peer.request(t.local.inbox, activity, components=("@method", "@target-uri")),
        problem="coverage-insufficient",
    )


@implements("FC-SIG-006")
async def a_method_that_is_not_signed_is_refused(t: Case) -> None:
    await t.refused_beside(
        lambda peer, activity: peer.request(
            t.local.inbox, activity, components=("@target-uri", "content-digest")
        ),
        problem="coverage-insufficient",
    )


@implements("FC-SIG-007")
async def a_target_that_is_not_signed_is_refused(t: Case) -> None:
    await t.refused_beside(
        lambda peer, activity: peer.request(
            t.local.inbox, activity, components=("@method", "content-digest")
        ),
        problem="coverage-insufficient",
    )


@implements("FC-SIG-008")
async def a_signature_that_is_too_old_is_refused(t: Case) -> None:
    await t.refused_beside(
        lambda peer, activity: peer.request(t.local.inbox, activity, created=int(time.time()) - 13 * HOUR),
        problem="clock-skew",
    )


@implements("FC-SIG-009")
async def a_signature_from_the_future_is_refused(t: Case) -> None:
    await t.refused_beside(
        lambda peer, activity: peer.request(t.local.inbox, activity, created=int(time.time()) + HOUR),
        problem="clock-skew",
    )


@implements("FC-SIG-010")
async def a_signature_past_its_own_end_is_refused(t: Case) -> None:
    def ending(in_seconds: int) -> Any:
        return lambda peer, activity: peer.request(
            t.local.inbox, activity, parameters={"expires": int(time.time()) + in_seconds}
        )

    await t.refused_beside(ending(-60), twin=ending(60), problem="signature-expired")


@implements("FC-SIG-011")
async def a_message_that_is_sent_twice_has_one_effect(t: Case) -> None:
    peer = t.peer()
    activity = t.stimulus(peer)
    message = t.honest(peer, activity)
    async with t.control("the message is taken and answered"):
        await t.accepted(peer, activity, message)
    with t.step("the same bytes again are taken (2xx), and not answered again"):
        await t.taken(message)
        sentinel = t.stimulus(peer)
        async with t.control("a later message is taken and answered"):
            await t.accepted(peer, sentinel, t.honest(peer, sentinel))
        came = await t.replies_in_all(peer, activity)
        t.check(came == 1, "REPLAYED", expected="one answer", received=f"{came} answers")


@implements("FC-SIG-012")
async def a_key_of_somebody_else_is_refused(t: Case) -> None:
    other = t.peer()
    await t.refused_beside(
        lambda peer, activity: other.request(t.local.inbox, activity), problem="key-owner-mismatch"
    )


@implements("FC-SIG-013")
async def a_key_that_its_owner_does_not_list_is_refused(t: Case) -> None:
    peer = t.peer(publish=False)
    stray = another_key(peer)

    def with_stray_key(peer: PeerActor, activity: Document) -> Outgoing:
        return peer.request(t.local.inbox, activity, key=stray, keyid=f"{peer.id}#stray")

    document, nobody = peer.document(), f"{peer.origin.base}/actors/nobody"
    if isinstance(stray, Ed25519PrivateKey):
        document["assertionMethod"].append({**stray_method(peer, stray), "controller": nobody})
    else:
        listed = peer.listed(f"{peer.id}#stray", stray)
        document["publicKey"] = [document["publicKey"], {**listed, "owner": nobody}]
    peer.publish(document)
    await t.refused_beside(with_stray_key, actor=peer)


def stray_method(peer: PeerActor, key: Ed25519PrivateKey) -> Document:
    return {
        "id": f"{peer.id}#stray",
        "type": "Multikey",
        "controller": peer.id,
        "publicKeyMultibase": multikey.encode(key.public_key()),
    }


def another_key(peer: PeerActor) -> Ed25519PrivateKey | RSAPrivateKey:
    """Return a key that no actor lists, of the kind with which this one signs its requests."""
    return fresh_key(peer.rng) if peer.signs == "ed25519" else rsa_key(STRAY)


@implements("FC-SIG-014")
async def a_key_on_another_origin_is_refused(t: Case) -> None:
    elsewhere = t.peer("second")
    await t.refused_beside(
        lambda peer, activity: peer.request(
            t.local.inbox, activity, key=elsewhere.request_key, keyid=elsewhere.request_key_id
        ),
        problem="key-owner-mismatch",
    )


@implements("FC-SIG-015")
async def an_algorithm_that_does_not_fit_the_key_is_refused(t: Case) -> None:
    def named(alg: str) -> Any:
        return lambda peer, activity: peer.request(t.local.inbox, activity, parameters={"alg": alg})

    right, other = ALGORITHMS[t.stage.signs]
    for alg in ("hmac-sha256", other, "none-such"):
        await t.refused_beside(named(alg), twin=named(right), problem="algorithm-not-allowed")


@implements("FC-SIG-016")
async def two_signatures_on_a_message_are_refused(t: Case) -> None:
    # Of two, we would check one and somebody else would believe the other (decision D5).
    def twice(peer: PeerActor, activity: Document) -> Outgoing:
        once = t.honest(peer, activity)
        again = peer.request(t.local.inbox, activity, key=another_key(peer), label="sig2")
        values = dict(again.headers)
        return once.header(
            "Signature-Input", f"{dict(once.headers)['Signature-Input']}, {values['Signature-Input']}"
        ).header("Signature", f"{dict(once.headers)['Signature']}, {values['Signature']}")

    await t.refused_beside(twice, problem="signature-malformed")


@implements("FC-SIG-017")
async def a_new_key_is_found(t: Case) -> None:
    peer = t.peer()
    first = t.stimulus(peer)
    async with t.control("a message under the first key is taken"):
        await t.accepted(peer, first, t.honest(peer, first))
    rotated = rotate(t, peer)
    second = t.stimulus(rotated)
    with t.step("a message under the new key is taken, after one more look at the actor"):
        await t.accepted(rotated, second, t.honest(rotated, second))


def rotate(t: Case, peer: PeerActor, *, keep: bool = False) -> PeerActor:
    """Publish a new key of an actor in place of the old one, or beside it as retired."""
    rotated = PeerActor(
        peer.origin,
        peer.name,
        fresh_key(t.rng),
        peer.kind,
        peer.rng,
        peer.more,
        peer.generation + 1,
        peer.signs,
    )
    document = rotated.document()
    if keep:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        document["assertionMethod"].append({**peer.method(), "revoked": now})
    rotated.publish(document)
    return rotated


@implements("FC-SIG-018")
async def a_removed_key_is_refused(t: Case) -> None:
    peer = t.peer()
    first = t.stimulus(peer)
    async with t.control("a message under the first key is taken"):
        await t.accepted(peer, first, t.honest(peer, first))
    rotated = rotate(t, peer, keep=True)
    second = t.stimulus(rotated)
    async with t.control("a message under the new key is taken"):
        await t.accepted(rotated, second, t.honest(rotated, second))
    third = t.stimulus(peer)
    with t.step("a message under the old key is refused, once the new one is known"):
        await t.turned_away(t.honest(peer, third))
        await t.no_effect(peer, third)


@implements("FC-SIG-019")
async def the_key_of_an_actor_that_is_gone_is_refused(t: Case) -> None:
    peer = t.peer()
    peer.publish()
    # Not beside the honest: a server may take a refusal for one of the dialect, and remember it for the whole origin.
    gone = t.peer("malicious", publish=False)
    gone.origin.put(f"/actors/{gone.name}", Answer(410))
    activity = t.stimulus(gone)
    with t.step("a message of an actor that answers 410 is refused"):
        await t.turned_away(t.honest(gone, activity))
    async with t.control("the same of an actor that is there is taken"):
        right = t.stimulus(peer)
        await t.accepted(peer, right, t.honest(peer, right))
    await t.no_effect(gone, activity)


@implements("FC-SIG-020")
async def bad_signatures_do_not_make_it_fetch(t: Case) -> None:
    peer = t.peer()
    first = t.stimulus(peer)
    async with t.control("a message is taken"):
        await t.accepted(peer, first, t.honest(peer, first))
    before = fetches(peer)
    with t.step("fifty bad signatures that name one key"):
        wrong = another_key(peer)
        for _ in range(50):
            await t.turned_away(peer.request(t.local.inbox, t.stimulus(peer), key=wrong), {401, 429})
    more = fetches(peer) - before
    t.check(more <= 5, "TOO_MANY_FETCHES", expected="at most 5 looks at the actor", received=f"{more}")


def fetches(peer: PeerActor) -> int:
    """Return how often an actor's document was asked for."""
    path = f"/actors/{peer.name}"
    return len(peer.origin.seen(lambda one: one.method == "GET" and one.path == path))


# -- requests that go out ---------------------------------------------------------------------------------------------


async def delivered(t: Case) -> tuple[PeerActor, Any]:
    """Return a peer, and a request with which the server wrote to it."""
    peer = t.peer()
    activity = t.stimulus(peer)
    async with t.control("a message is taken and answered"):
        await t.accepted(peer, activity, t.honest(peer, activity))
    return peer, (await t.replies(peer, activity, within=t.times.signal))[0]


def as_request(came: Received) -> httpsig.Request:
    """Return what arrived in the form in which signatures are checked."""
    return httpsig.Request(came.method, came.origin + came.target, came.headers)


async def published_keys(t: Case, method: object, code: str) -> dict[str, Any]:
    """Return the keys of the actor that a key id names, read without a signature; the id is one of them.

    Raises:
        Failed: with `code`.
    """
    name = str(method)
    document, _ = await t.document(name.partition("#")[0], code)
    found: dict[str, Any] = {}
    for one in document.get("assertionMethod", []):
        if isinstance(one, Mapping) and one.get("controller") == document["id"]:
            found[str(one.get("id"))] = multikey.decode(str(one.get("publicKeyMultibase")))
    listed = document.get("publicKey")
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, Mapping) and one.get("owner") == document["id"]:
            found[str(one.get("id"))] = load_pem_public_key(str(one.get("publicKeyPem")).encode())
    t.check(name in found, code, expected=f"{name} is listed by its owner", received=sorted(found))
    return found


@implements("FC-SIG-021")
async def what_it_sends_is_signed(t: Case) -> None:
    _, came = await delivered(t)
    request = as_request(came)
    with t.step("the request has a signature of RFC 9421 that covers enough"):
        try:
            claim = httpsig.claimed(request)
        except httpsig.SignatureInvalid as fault:
            raise Failed("UNSIGNED", expected="Signature-Input and Signature", received=str(fault)) from fault
        covered = set(claim.names)
        t.check(
            covered >= {"@method", "@target-uri", "content-digest"}
            and isinstance(claim.parameters.get("created"), int),
            "COVERAGE",
            expected="@method, @target-uri and content-digest are covered, and created is there",
            received=f"{sorted(covered)}, {claim.parameters}",
        )
    with t.step("it verifies under the key that it names"):
        keys = await published_keys(t, claim.keyid, "KEY_DEAD")
        try:
            httpsig.verify(request, keys)
        except httpsig.SignatureInvalid as fault:
            raise Failed("SIGNATURE", expected="a signature that verifies", received=str(fault)) from fault


@implements("FC-SIG-022")
async def its_digest_is_of_what_it_sends(t: Case) -> None:
    _, came = await delivered(t)
    with t.step("Content-Digest is that of the bytes that came"):
        try:
            digests.check_content_digest(came.header("Content-Digest"), came.body)
        except digests.DigestInvalid as fault:
            raise Failed("DIGEST", expected=digests.content_digest(came.body), received=str(fault)) from fault


@implements("FC-SIG-023")
async def its_key_can_be_read(t: Case) -> None:
    _, came = await delivered(t)
    with t.step("the key that it names is read without a signature, and its owner lists it"):
        try:
            keyid = httpsig.claimed(as_request(came)).keyid
        except httpsig.SignatureInvalid as fault:
            raise Failed("KEY_DEAD", expected="a keyid", received=str(fault)) from fault
        await published_keys(t, keyid, "KEY_DEAD")


@implements("FC-SIG-024")
async def it_signs_its_reads_where_that_is_asked(t: Case) -> None:
    peer = t.peer(publish=False)
    path = f"/actors/{peer.name}"
    document = Answer.of(peer.document())

    def guarded(request: web.Request) -> Answer:
        return document if {"Signature", "Signature-Input"} & set(request.headers) else Answer(401)

    peer.origin.put(path, Answer(choose=guarded))
    activity = t.stimulus(peer)
    with t.step("an actor that is shown to signed reads alone is found"):
        reply = await t.send(t.honest(peer, activity))
        came = await t.replies(peer, activity, within=t.times.signal) if reply.ok else []
    asked = peer.origin.seen(lambda one: one.method == "GET" and one.path == path)
    t.check(
        bool(came) and any(one.header("Signature") for one in asked),
        "UNSIGNED_FETCH",
        expected="a signed GET of the actor, and an answer to the message",
        received=f"{reply.told()}; GETs signed: {[one.header('Signature') is not None for one in asked]}",
    )


@implements("FC-SIG-025")
async def it_knocks_twice_and_remembers(t: Case) -> None:
    await t.feature("cavage")
    peer = t.peer("faulty")

    def only_cavage(request: web.Request) -> Answer:
        return Answer(401 if "Signature-Input" in request.headers else 202)

    peer.origin.put(peer.inbox.removeprefix(peer.origin.base), Answer(choose=only_cavage), method="POST")
    with t.step("after a 401 it sends the same activity by draft-cavage"):
        came = await attempts(t, peer, count=2)
        last = came[-1] if came else None
        t.check(
            last is not None
            and last.header("Signature") is not None
            and last.header("Signature-Input") is None,
            "NO_SECOND_KNOCK",
            expected="after 401 the same activity, signed by draft-cavage",
            received=f"{len(came)} attempts",
        )
        request = as_request(came[-1])
        try:
            keys = await published_keys(t, cavage.claimed(request).keyid, "SIGNATURE")
            cavage.verify(request, keys)
        except httpsig.SignatureInvalid as fault:
            raise Failed("SIGNATURE", expected="a signature that verifies", received=str(fault)) from fault
    with t.step("the next delivery is one attempt"):
        came = await attempts(t, peer, count=1)
        t.check(
            len(came) == 1 and came[0].header("Signature-Input") is None,
            "NOT_REMEMBERED",
            expected="one attempt, by draft-cavage",
            received=", ".join(
                "RFC 9421" if one.header("Signature-Input") else "draft-cavage" for one in came
            ),
        )


async def attempts(t: Case, peer: PeerActor, *, count: int) -> list[Received]:
    """Send a message, and return the attempts to deliver its answer once there are `count`."""
    activity = t.stimulus(peer)
    await t.taken(t.honest(peer, activity))
    return await peer.origin.wait(peer.arrived(t.answers(activity)), within=t.times.signal, count=count)


# -- proofs that come in ----------------------------------------------------------------------------------------------

UNPROVEN: Final = frozenset({202, 401, 403})
"""What may be said to something that somebody brings in another's name and that proves nothing (decision D3)."""

Bring = Callable[[PeerActor, Document], Outgoing]


def note_of(t: Case, author: PeerActor) -> Document:
    """Return a `Create` of a note that everybody may read, with its note proven and served at its id."""
    to = ["https://www.w3.org/ns/activitystreams#Public", t.local.id]
    note = {
        "@context": list(SIGNED),
        "id": author.new_id("objects"),
        "type": "Note",
        "attributedTo": author.id,
        "content": "<p>Bonjour</p>",
        "published": instant(datetime.now(UTC)),
        "to": to,
    }
    return author.activity("Create", object=note, to=to, published=note["published"])


def carried(t: Case, courier: PeerActor, **how: Any) -> Bring:
    """Return what has a courier bring an activity with its author's proof; `how` makes the proof otherwise."""
    return lambda author, activity: courier.request(t.local.inbox, author.proven(activity, **how))


async def kept_out(t: Case, fault: Bring, twin: Bring, *, statuses: frozenset[int] = UNPROVEN) -> None:
    """Send something that proves nothing and its twin that does: the first is not stored, the second is."""
    author = t.peer()
    wrong, right = note_of(t, author), note_of(t, author)
    with t.step("what proves nothing is not taken"):
        reply = await t.send(fault(author, wrong))
        t.check(reply.status < 500, "SERVER_ERROR", expected=str(sorted(statuses)), received=reply.told())
        t.check(
            reply.status in statuses, "WRONG_STATUS", expected=str(sorted(statuses)), received=reply.told()
        )
    async with t.control("its valid twin is taken and stored"):
        await t.taken(twin(author, right))
        await t.kept(right["object"]["id"])
    with t.step("what proves nothing is not stored"):
        await t.not_kept(wrong["object"]["id"])


@implements("FC-SIG-026")
async def what_its_author_has_proven_is_taken_from_anybody(t: Case) -> None:
    author, courier = t.peer(), t.peer("second")
    activity = note_of(t, author)
    with t.step("an activity with its author's proof, which somebody else brings, is taken and stored"):
        await t.taken(carried(t, courier)(author, activity))
        await t.kept(activity["object"]["id"])


@implements("FC-SIG-027")
async def what_was_changed_after_its_proof_is_not_taken(t: Case) -> None:
    courier = t.peer("second")

    def changed(author: PeerActor, activity: Document) -> Outgoing:
        proven = author.proven(activity)
        return courier.request(
            t.local.inbox, {**proven, "object": {**proven["object"], "content": "<p>Changed</p>"}}
        )

    await kept_out(t, changed, carried(t, courier))


@implements("FC-SIG-028")
async def a_proof_by_a_key_of_somebody_else_is_not_taken(t: Case) -> None:
    courier = t.peer("second")
    await kept_out(
        t,
        lambda author, activity: courier.request(t.local.inbox, courier.proven(activity)),
        carried(t, courier),
    )


@implements("FC-SIG-029")
async def a_false_proof_is_refused_whoever_signed_the_request(t: Case) -> None:
    def spoilt(author: PeerActor, activity: Document) -> Outgoing:
        return author.request(t.local.inbox, {**author.proven(activity), "summary": "changed"})

    await t.refused_beside(
        spoilt,
        twin=lambda author, activity: author.request(t.local.inbox, author.proven(activity)),
        problem="proof-invalid",
    )


@implements("FC-SIG-030")
async def a_context_that_was_appended_is_refused(t: Case) -> None:
    # By the cryptosuite's own rule (a prefix is enough) this proof would still hold (decision D2).
    def appended(author: PeerActor, activity: Document) -> Outgoing:
        proven = author.proven(activity)
        more = {"content": "https://example.org/another-meaning"}
        return author.request(t.local.inbox, {**proven, "@context": [*proven["@context"], more]})

    await t.refused_beside(
        appended,
        twin=lambda author, activity: author.request(t.local.inbox, author.proven(activity)),
        problem="proof-context",
    )


@implements("FC-SIG-031")
async def a_proof_past_its_end_is_not_taken(t: Case) -> None:
    courier, now = t.peer("second"), datetime.now(UTC)
    begun = {"created": now - timedelta(hours=2)}
    await kept_out(
        t,
        carried(t, courier, expires=instant(now - timedelta(hours=1)), **begun),
        carried(t, courier, expires=instant(now + timedelta(hours=1)), **begun),
    )


@implements("FC-SIG-032")
async def a_proof_of_an_unknown_suite_proves_nothing(t: Case) -> None:
    courier = t.peer("second")
    await kept_out(t, carried(t, courier, cryptosuite="eddsa-none-2031"), carried(t, courier))


# -- proofs that go out -----------------------------------------------------------------------------------------------


@implements("FC-SIG-033")
async def what_it_says_is_proven(t: Case) -> None:
    _, came = await delivered(t)
    said = came.json
    proof = said.get("proof") if isinstance(said, dict) else None
    with t.step("the activity has a proof under a key that its actor lists"):
        if not isinstance(proof, dict):
            raise Failed("NO_PROOF", expected="a proof", received=str(said))
        keys = await published_keys(t, proof.get("verificationMethod"), "KEY_DEAD")
        method = str(proof.get("verificationMethod"))
        t.check(
            method.partition("#")[0] == said.get("actor"),
            "KEY_DEAD",
            expected=said.get("actor"),
            received=method,
        )
    with t.step("it verifies"):
        try:
            eddsa_jcs.verify(said, keys[method])
        except eddsa_jcs.ProofInvalid as fault:
            raise Failed("PROOF", expected="a proof that verifies", received=str(fault)) from fault


@implements("FC-SIG-034")
async def its_proof_names_context_and_time(t: Case) -> None:
    _, came = await delivered(t)
    said = came.json
    proof = said.get("proof", {}) if isinstance(said, dict) else {}
    with t.step("the proof has the document's @context and a time"):
        t.check(
            proof.get("@context") == said.get("@context"),
            "NO_CONTEXT",
            expected=json.dumps(said.get("@context")),
            received=json.dumps(proof.get("@context")),
        )
        made = proof.get("created")
        t.check(is_time(made), "NO_TIME", expected="created, an XSD dateTime with its offset", received=made)


def is_time(text: object) -> bool:
    """Tell whether this is an XSD dateTime with an offset."""
    try:
        return isinstance(text, str) and "T" in text and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def signed_by(came: Received) -> str | None:
    """Return the id of the key that a request names.

    Raises:
        Failed: `SIGNATURE`.
    """
    try:
        return httpsig.claimed(as_request(came)).keyid
    except httpsig.SignatureInvalid as fault:
        raise Failed("SIGNATURE", expected="a signature of RFC 9421", received=str(fault)) from fault


@implements("FC-SIG-035")
async def its_new_key_takes_over(t: Case) -> None:
    peer, before = await delivered(t)
    old = signed_by(before)
    with t.step("the server gives the actor a new key"):
        await t.ask("key.rotate", actor=t.local.id)
    activity = t.stimulus(peer)
    await t.accepted(peer, activity, t.honest(peer, activity))
    came = (await t.replies(peer, activity, within=t.times.signal))[0]
    with t.step("what it says now is signed and proven by the new one"):
        keyid = signed_by(came)
        t.check(keyid != old, "OLD_KEY", expected="another keyid", received=keyid)
        keys = await published_keys(t, keyid, "KEY_DEAD")
        try:
            httpsig.verify(as_request(came), keys)
            eddsa_jcs.verify(came.json, keys[str(came.json["proof"]["verificationMethod"])])
        except (httpsig.SignatureInvalid, eddsa_jcs.ProofInvalid, KeyError, TypeError) as fault:
            raise Failed(
                "SIGNATURE", expected="both verify under the new key", received=str(fault)
            ) from fault
    with t.step("the old key is in force no more"):
        document, _ = await t.document(str(old).partition("#")[0], "KEY_DEAD")
        alive = [
            one.get("id")
            for one in document.get("assertionMethod", [])
            if isinstance(one, Mapping) and not {"expires", "revoked"} & set(one)
        ]
        t.check(old not in alive, "OLD_KEY_LISTED", expected=f"{old} is retired or gone", received=alive)
