"""Profile `c2s`: a client speaks for its owner (ActivityPub §6), and a program asks for leave to (OAuth 2 with PKCE).

Everything is sent as a client sends it, with the tokens that `sut.toml` or the driver names. Where a person has to say
yes, the driver does (`oauth.consent`): it is told an address, and tells where the browser was sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from fedcoop_conformance.case import Case, Failed, Untested
from fedcoop_conformance.cases import implements
from fedcoop_conformance.cases.core import LD_JSON, PUBLIC, document_of, names, pages, read
from fedcoop_conformance.cases.signature import note_of
from fedcoop_conformance.driver.base import Declined
from fedcoop_conformance.peer.actors import AS2, Document, Outgoing, PeerActor
from fedcoop_conformance.peer.server import Answer
from fedcoop_conformance.sut import SutActor
from fedcoop_conformance.wire import Reply

FOREIGN: Final = frozenset({400, 401, 403, 422})
"""What may be said to a client that speaks for somebody else."""
UNREAD: Final = frozenset({401, 403, 404})
"""What may be said to whoever reads the inbox of another."""


# -- speaking ---------------------------------------------------------------------------------------------------------


def token_of(actor: SutActor) -> str:
    """Return the token with which a client speaks for an actor.

    Raises:
        Untested: nobody named one.
    """
    if not actor.token:
        raise Untested(f"there is no token of {actor.id}")
    return actor.token


async def post(t: Case, document: Mapping[str, Any], *, token: str | None) -> Reply:
    """POST to the member's outbox as a client does, with that token or without one."""
    headers = {"Content-Type": LD_JSON} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await sent(t, t.local.outbox, headers, json.dumps(document).encode())


async def sent(t: Case, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """POST to the server; a fault of it fails the test.

    Raises:
        Failed: `SERVER_ERROR`.
    """
    reply = await t.send(Outgoing(url, tuple(headers.items()), body))
    t.check(reply.status < 500, "SERVER_ERROR", expected="no fault of the server", received=reply.told())
    return reply


async def named(t: Case, document: Mapping[str, Any]) -> str:
    """Post to the member's outbox with its token; return the id of what was said.

    Raises:
        Failed: `NOT_ACCEPTED`, `WRONG_STATUS` or `NO_LOCATION`.
    """
    reply = await post(t, document, token=token_of(t.local))
    t.check(reply.ok, "NOT_ACCEPTED", expected="201", received=reply.told())
    t.check(reply.status == 201, "WRONG_STATUS", expected="201", received=reply.told())
    name = reply.headers.get("Location")
    if not name:
        raise Failed("NO_LOCATION", expected="Location", received=str(dict(reply.headers)))
    return name


async def said(t: Case, name: str) -> Document:
    """Return an activity of the member, as it reads it itself.

    Raises:
        Failed: `NOT_THERE`.
    """
    reply = await t.get(name, accept=LD_JSON, Authorization=f"Bearer {token_of(t.local)}")
    found = document_of(t, reply, "NOT_THERE")
    t.check(found.get("id") == name, "NOT_THERE", expected=f"the activity {name}", received=found.get("id"))
    return found


def note(t: Case, **members: Any) -> Document:
    """Return a note without an id, as a client writes one."""
    return {"type": "Note", "content": f"<p>{t.rng.getrandbits(64):016x}</p>", **members}


def creation(t: Case, *to: str, **members: Any) -> Document:
    """Return a Create of a note, as a client writes one."""
    return {"@context": AS2, "type": "Create", "object": note(t, to=list(to)), "to": list(to), **members}


@implements("FC-C2S-003")
async def what_is_posted_has_an_id(t: Case) -> None:
    posted = creation(t, PUBLIC)
    with t.step("a Create is answered by 201, and served at its Location"):
        found = await said(t, await named(t, posted))
    with t.step("it is the owner's, and what was posted"):
        thing = found.get("object")
        content = thing.get("content") if isinstance(thing, Mapping) else None
        right = names(found.get("actor")) == [t.local.id] and content == posted["object"]["content"]
        t.check(right, "NOT_THERE", expected=f"{posted} by {t.local.id}", received=found)


@implements("FC-C2S-004")
async def a_bare_object_is_wrapped(t: Case) -> None:
    to, cc = [t.peer().id], [t.peer("second").id]
    bare = note(t, to=to, cc=cc)
    with t.step("a note is taken, and becomes a Create by its author"):
        found = await said(t, await named(t, {"@context": AS2, **bare}))
        thing = found.get("object")
        inside = thing.get("content") if isinstance(thing, Mapping) else None
        right = found.get("type") == "Create" and inside == bare["content"]
        t.check(right, "NOT_WRAPPED", expected="a Create of the note", received=found)
        author = names(found.get("actor"))
        t.check(author == [t.local.id], "NOT_WRAPPED", expected=t.local.id, received=author)
    with t.step("the Create is for whom the note is for"):
        told = {name: names(found.get(name)) for name in ("to", "cc")}
        t.check(told == {"to": to, "cc": cc}, "AUDIENCE", expected=f"to {to} cc {cc}", received=told)


@implements("FC-C2S-005")
async def a_client_does_not_name_what_it_says(t: Case) -> None:
    own = urlsplit(t.stage.ready.base)
    for origin in (t.stage.peers["honest"].base, f"{own.scheme}://{own.netloc}"):
        mine = f"{origin}/activities/{t.rng.getrandbits(64):016x}"
        with t.step(f"an activity that a client calls {mine} is taken, under another id"):
            name = await named(t, creation(t, PUBLIC, id=mine))
            t.check(name != mine, "TRUSTED_ID", expected="another id", received=name)
            await said(t, name)


async def refused_and_silent(
    t: Case,
    wrong: Callable[[PeerActor], Any],
    right: Callable[[PeerActor], Mapping[str, Any]],
) -> None:
    """Send what may not be said, then what may: the first is refused, and the second alone arrives at a peer.

    `wrong` returns pairs of what is sent, with which token, and the statuses that refuse it.

    Raises:
        Failed: `NOT_REFUSED`, `WRONG_STATUS`, `SIDE_EFFECT`, or `CONTROL` for the second.
    """
    peer = t.peer()
    faults = wrong(peer)
    for what, document, token, statuses in faults:
        with t.step(f"{what} is refused"):
            wanted = " or ".join(str(one) for one in sorted(statuses))
            reply = await post(t, document, token=token)
            t.check(not reply.ok, "NOT_REFUSED", expected=wanted, received=reply.told())
            t.check(reply.status in statuses, "WRONG_STATUS", expected=wanted, received=reply.told())
    good = right(peer)
    async with t.control("what its owner says is taken, and arrives"):
        reply = await post(t, good, token=token_of(t.local))
        t.check(reply.status == 201, "CONTROL", expected="201", received=reply.told())
        came = await peer.origin.wait(peer.arrived(brings(good)), within=t.times.signal)
        t.check(bool(came), "CONTROL", expected=f"it arrives at {peer.id}", received="it does not")
    with t.step("what was refused does not arrive"):
        for what, document, _, _ in faults:
            came = await peer.origin.wait(peer.arrived(brings(document)), within=t.times.grace)
            t.check(not came, "SIDE_EFFECT", expected=f"nothing of {what}", received=came)


def brings(document: Mapping[str, Any]) -> Callable[[Document], bool]:
    """Return what says of an activity whether it brings the note of that one."""
    content = document["object"]["content"]

    def check(one: Document) -> bool:
        thing = one.get("object")
        return isinstance(thing, Mapping) and thing.get("content") == content

    return check


@implements("FC-C2S-006")
async def only_its_owner_writes_to_an_outbox(t: Case) -> None:
    other = token_of(t.role("coop"))
    await refused_and_silent(
        t,
        lambda peer: [
            ("a POST without a token", creation(t, peer.id), None, {401}),
            ("a POST with another actor's token", creation(t, peer.id), other, {403}),
        ],
        lambda peer: creation(t, peer.id),
    )


@implements("FC-C2S-007")
async def a_client_speaks_for_nobody_else(t: Case) -> None:
    other, token = t.role("coop").id, token_of(t.local)
    await refused_and_silent(
        t,
        lambda peer: [
            ("an activity of another actor", creation(t, peer.id, actor=other), token, FOREIGN),
        ],
        lambda peer: creation(t, peer.id, actor=t.local.id),
    )


# -- the inbox --------------------------------------------------------------------------------------------------------


@implements("FC-C2S-008")
async def an_inbox_is_for_its_owner_newest_first(t: Case) -> None:
    peer, own, other = t.peer(), token_of(t.local), token_of(t.role("coop"))
    older, newer = note_of(t, peer), note_of(t, peer)
    async with t.control("two notes are taken, one after the other"):
        for activity in (older, newer):
            await t.taken(t.honest(peer, activity))
    with t.step("nobody else reads the inbox"):
        for reply in (
            await t.get(t.local.inbox),
            await t.get(t.local.inbox, Authorization=f"Bearer {other}"),
            await t.send(peer.get(t.local.inbox)),
        ):
            t.check(reply.status < 500, "SERVER_ERROR", expected="401, 403 or 404", received=reply.told())
            t.check(not reply.ok, "LEAKED", expected="401, 403 or 404", received=reply.told())
            t.check(reply.status in UNREAD, "WRONG_STATUS", expected="401, 403 or 404", received=reply.told())
    with t.step("its owner reads both, the newer one first"):
        seen: list[str] = []
        wanted = {older["id"], newer["id"]}
        async for items in pages(t, t.local.inbox, {"Authorization": f"Bearer {own}"}):
            seen += names(items)
            if wanted <= set(seen):
                break
        t.check(wanted <= set(seen), "NOT_SHOWN", expected=str(sorted(wanted)), received=seen[:50])
        right = seen.index(newer["id"]) < seen.index(older["id"])
        t.check(right, "ORDER", expected=f"{newer['id']} before {older['id']}", received=seen[:50])


# -- programs ---------------------------------------------------------------------------------------------------------


@implements("FC-C2S-001")
async def actors_say_where_a_program_asks_for_leave(t: Case) -> None:
    t.role("member")
    for actor in t.stage.ready.actors:
        if actor.role == "member":
            with t.step("a member names both addresses"):
                await endpoints(t, actor)


async def endpoints(t: Case, actor: SutActor) -> tuple[str, str]:
    """Return where a program asks for leave, and where it takes its token (FEP-d8c2).

    Raises:
        Failed: `NO_ENDPOINTS`.
    """
    ends = (await read(t, actor.id)).get("endpoints")
    told = ends if isinstance(ends, Mapping) else {}
    found = [str(told.get(f"oauth{name}Endpoint")) for name in ("Authorization", "Token")]
    right = all(urlsplit(one).scheme in {"http", "https"} and urlsplit(one).netloc for one in found)
    t.check(right, "NO_ENDPOINTS", expected="two URLs", received=ends)
    return found[0], found[1]


@dataclass(frozen=True)
class Program:
    """A program that asks for leave: its document is on a server of ours, and so is the address it is answered at."""

    id: str
    redirect: str
    verifier: str
    state: str
    authorize: str
    token: str

    def asked(self, **changed: str | None) -> str:
        """Return the address that a member is led to; None takes a parameter away."""
        made = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect,
            "scope": "read write",
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(made).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changed,
        }
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"{self.authorize}{'&' if '?' in self.authorize else '?'}{query}"


async def program(t: Case) -> Program:
    """Return a program that nobody knows yet, with its document served at its `client_id`."""
    authorize, token = await endpoints(t, t.local)
    origin, name = t.stage.peers["honest"], f"{t.rng.getrandbits(64):016x}"
    made = Program(
        f"{origin.base}/programs/{name}.json",
        f"{origin.base}/programs/{name}/answer",
        f"{t.rng.getrandbits(256):064x}",
        f"{t.rng.getrandbits(64):016x}",
        authorize,
        token,
    )
    document = {"client_id": made.id, "client_name": "Conformance", "redirect_uris": [made.redirect]}
    origin.put(f"/programs/{name}.json", Answer.of(document, media="application/json"))
    return made


async def answered(t: Case, url: str) -> Mapping[str, str]:
    """Have the member say yes to what is asked at a URL; return what the browser brings the program.

    Raises:
        Declined: the server refused it to the member.
    """
    told = await t.ask("oauth.consent", url=url, actor=t.local.id)
    return dict(parse_qsl(urlsplit(str(told.get("redirect", ""))).query))


async def given(t: Case, one: Program) -> str:
    """Return a code for a program, which the member allows.

    Raises:
        Failed: `NO_CODE` or `WRONG_STATE`.
    """
    try:
        told = await answered(t, one.asked())
    except Declined as refusal:
        raise Failed("NO_CODE", expected="a code", received=str(refusal)) from refusal
    t.check("code" in told, "NO_CODE", expected="a code", received=told)
    t.check(told.get("state") == one.state, "WRONG_STATE", expected=one.state, received=told.get("state"))
    return told["code"]


async def exchanged(t: Case, one: Program, code: str, verifier: str) -> Reply:
    """Return the answer to a program that brings its code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": one.redirect,
        "client_id": one.id,
        "code_verifier": verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return await sent(t, one.token, headers, urlencode(form).encode())


@implements("FC-C2S-002")
async def a_program_gets_a_token_by_its_code_and_proof(t: Case) -> None:
    first, second = await program(t), await program(t)
    with t.step("a code that is brought with another verifier gives no token"):
        reply = await exchanged(t, first, await given(t, first), second.verifier)
        t.check(not reply.ok, "ANY_VERIFIER", expected="400", received=reply.told())
    with t.step("a code that is brought with its verifier gives a token"):
        reply = await exchanged(t, second, await given(t, second), second.verifier)
        token = document_of(t, reply, "NO_TOKEN").get("access_token")
        if not isinstance(token, str):
            raise Failed("NO_TOKEN", expected="access_token", received=str(reply.json))
    with t.step("the token opens what is the member's"):
        reply = await t.get(t.local.inbox, Authorization=f"Bearer {token}")
        document_of(t, reply, "DEAD_TOKEN")
    plain: dict[str, str | None] = {"code_challenge": second.verifier, "code_challenge_method": "plain"}
    none: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    for what, changed in (("without a challenge", none), ("with a plain challenge", plain)):
        with t.step(f"a request {what} gets no code"):
            asking = await program(t)
            try:
                told = await answered(t, asking.asked(**changed))
            except Declined as refusal:
                refused = refusal.status is None or 400 <= refusal.status < 500
                t.check(refused, "SERVER_ERROR", expected="4xx", received=str(refusal))
                continue
            t.check("code" not in told, "NOT_REFUSED", expected="no code", received=told)
