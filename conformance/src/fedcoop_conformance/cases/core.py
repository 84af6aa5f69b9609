"""Profile `core`: how a server is found, what its actors are, and what it shows to whom.

Documents are read without a signature; where the server answers 401 to that, as it may demand one of every reader, by
an admitted actor's signed GET. What must be open to everybody (FC-COR-020) is read without one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import jsonschema
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedcoop_conformance import data
from fedcoop_conformance.case import CannotTell, Case, Failed
from fedcoop_conformance.cases import implements
from fedcoop_conformance.crypto import multikey
from fedcoop_conformance.peer.actors import AS2, IMPLEMENTS, Document, Outgoing, PeerActor
from fedcoop_conformance.sut import SutActor
from fedcoop_conformance.wire import Reply

PUBLIC: Final = f"{AS2}#Public"
ACTIVITY_JSON: Final = "application/activity+json"
LD_JSON: Final = f'application/ld+json; profile="{AS2}"'
AS2_MEDIA: Final = re.compile(
    rf'application/(activity\+json|ld\+json\s*;(.*;)?\s*profile="([^"]*\s)?{re.escape(AS2)}(\s[^"]*)?")', re.I
)
NODEINFO: Final = "http://nodeinfo.diaspora.software/ns/schema/2.1"
GONE: Final = frozenset({404, 410})
UNSEEN: Final = frozenset({403, 404})
PROFILE: Final = re.compile(r"[a-z0-9][a-z0-9-]*@\d+\.\d+")


# -- reading ----------------------------------------------------------------------------------------------------------


async def look(t: Case, url: str, *, accept: str = ACTIVITY_JSON, tag: str | None = None) -> Reply:
    """Return the answer to a GET, with `If-None-Match` where there is a tag; a signed one where that is demanded."""
    told = {"If_None_Match": tag} if tag else {}
    reply = await t.get(url, accept=accept, **told)
    if reply.status != 401:
        return reply
    return await t.send(t.reader.get(url, accept=accept).header("If-None-Match", tag))


async def read(t: Case, url: str, *, accept: str = ACTIVITY_JSON, code: str = "NOT_SERVED") -> Document:
    """Return the ActivityStreams document at a URL.

    Raises:
        Failed: `code`, it is not served; `SERVER_ERROR`.
    """
    return document_of(t, await look(t, url, accept=accept), code)


def document_of(t: Case, reply: Reply, code: str) -> Document:
    """Return the object that an answer holds.

    Raises:
        Failed: `code`, it holds none, or is no 200; `SERVER_ERROR`.
    """
    wanted = f"{reply.url}: 200 and a JSON object"
    t.check(reply.status < 500, "SERVER_ERROR", expected=wanted, received=reply.told())
    found = reply.json
    if reply.status != 200 or not isinstance(found, dict):
        raise Failed(code, expected=wanted, received=reply.told())
    return found


async def found_by(t: Case, resource: str | None) -> Reply:
    """Return the answer to a WebFinger query for a resource, or without one."""
    query = "" if resource is None else f"?resource={quote(resource, safe='')}"
    reply = await t.get(f"{t.stage.ready.base}/.well-known/webfinger{query}", accept="*/*")
    t.check(reply.status < 500, "SERVER_ERROR", expected="no fault of the server", received=reply.told())
    return reply


async def account(t: Case, actor: SutActor) -> str:
    """Return an actor's account, `acct:name@host`, by its own name and the server's host."""
    document = await read(t, actor.id)
    return f"acct:{document.get('preferredUsername')}@{urlsplit(t.stage.ready.base).netloc}"


async def link_of(t: Case, reply: Reply, rel: str, code: str) -> str:
    """Return the address of the one link of that relation.

    Raises:
        Failed: `code`, there is none, or there are several.
    """
    links = document_of(t, reply, code).get("links")
    found = [one for one in links if isinstance(one, Mapping)] if isinstance(links, list) else []
    chosen = [one.get("href") for one in found if one.get("rel") == rel]
    t.check(
        len(chosen) == 1 and isinstance(chosen[0], str),
        code,
        expected=f"{reply.url}: one link with the relation {rel}",
        received=links,
    )
    return str(chosen[0])


def people(t: Case) -> list[SutActor]:
    """Return the co-operatives and members that the server hosts."""
    return [one for one in t.stage.ready.actors if one.role in {"coop", "member"}]


def texts(value: object) -> list[str]:
    """Return the strings of a member that holds one or several."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def names(value: object) -> list[str]:
    """Return the ids of a member that holds ids or objects with ids."""
    found = [one.get("id") if isinstance(one, Mapping) else one for one in listed(value)]
    return [one for one in found if isinstance(one, str)]


# -- discovery --------------------------------------------------------------------------------------------------------


@implements("FC-COR-001")
async def actors_are_found_by_webfinger(t: Case) -> None:
    for actor in t.stage.ready.actors:
        # The name of the server's own actor is its host, which with a port is no account (RFC 7565 §7).
        by_name = [await account(t, actor)] if actor.role != "instance" else []
        for resource in (*by_name, actor.id):
            with t.step(f"{resource} is found, with one link to the actor"):
                reply = await found_by(t, resource)
                t.check(
                    await link_of(t, reply, "self", "NO_SELF") == actor.id,
                    "OTHER_SELF",
                    expected=actor.id,
                    received=reply.body.decode(errors="replace"),
                )
                media = self_media(reply)
                t.check(bool(AS2_MEDIA.match(media)), "LINK_TYPE", expected=ACTIVITY_JSON, received=media)


def self_media(reply: Reply) -> str:
    """Return the media type of the `self` link of a WebFinger answer."""
    return next((str(one.get("type")) for one in reply.json["links"] if one.get("rel") == "self"), "")


@implements("FC-COR-002")
async def unknown_accounts_and_bad_queries_are_told_apart(t: Case) -> None:
    host = urlsplit(t.stage.ready.base).netloc
    nobody = f"acct:nobody{t.rng.randrange(16**8):08x}@{host}"
    for resource, status in ((nobody, 404), (None, 400), ("nonsense", 400)):
        with t.step(f"{'no resource' if resource is None else resource} is answered by {status}"):
            reply = await found_by(t, resource)
            t.check(not reply.ok, "NOT_REFUSED", expected=str(status), received=reply.told())
            t.check(reply.status == status, "WRONG_STATUS", expected=str(status), received=reply.told())
    async with t.control("an account that is there is found"):
        await link_of(t, await found_by(t, await account(t, t.local)), "self", "CONTROL")


@implements("FC-COR-003")
async def pages_of_any_site_may_ask_webfinger(t: Case) -> None:
    host = urlsplit(t.stage.ready.base).netloc
    async with t.control("an account that is there is found"):
        await link_of(t, await found_by(t, t.local.id), "self", "CONTROL")
    for resource in (t.local.id, f"acct:nobody{t.rng.randrange(16**8):08x}@{host}", None):
        with t.step(f"the answer to {'no resource' if resource is None else resource} is for any page"):
            reply = await found_by(t, resource)
            allowed = reply.headers.get("Access-Control-Allow-Origin")
            told = f"{reply.status} with Access-Control-Allow-Origin: {allowed}"
            t.check(allowed == "*", "NO_CORS", expected="Access-Control-Allow-Origin: *", received=told)


@implements("FC-COR-004")
async def webfinger_says_that_it_is_a_jrd(t: Case) -> None:
    reply = await found_by(t, t.local.id)
    async with t.control("the account is found"):
        await link_of(t, reply, "self", "CONTROL")
    with t.step("the answer is labelled as a JRD"):
        t.check(
            reply.media == "application/jrd+json",
            "WRONG_TYPE",
            expected="application/jrd+json",
            received=reply.media,
        )


async def nodeinfo(t: Case) -> Document:
    """Return the NodeInfo 2.1 document that the server links."""
    links = await t.get(f"{t.stage.ready.base}/.well-known/nodeinfo", accept="application/json")
    url = await link_of(t, links, NODEINFO, "NO_NODEINFO")
    return document_of(t, await t.get(url, accept="application/json"), "NO_NODEINFO")


@implements("FC-COR-005")
async def nodeinfo_is_valid_and_true(t: Case) -> None:
    with t.step("NodeInfo 2.1 is linked and served"):
        document = await nodeinfo(t)
    with t.step("it is valid by its schema"):
        validator = jsonschema.Draft202012Validator(data.read("schemas", "nodeinfo-2.1.json"))
        faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(document)]
        t.check(
            not faults, "INVALID", expected="a document valid by NodeInfo 2.1", received="; ".join(faults)
        )
    with t.step("it names the software that sut.toml names"):
        wanted = {name: t.stage.sut.software[name] for name in ("name", "version")}
        told = {name: document["software"].get(name) for name in wanted}
        t.check(told == wanted, "OTHER_SOFTWARE", expected=str(wanted), received=told)


@implements("FC-COR-006")
async def protocol_profiles_and_capabilities_are_announced(t: Case) -> None:
    with t.step("NodeInfo says the version of the protocol, and the profiles"):
        metadata = (await nodeinfo(t)).get("metadata")
        said = metadata.get("fedcoop") if isinstance(metadata, Mapping) else None
        told = said if isinstance(said, Mapping) else {}
        t.check(
            told.get("version") == "1",
            "NO_VERSION",
            expected='fedcoop.version "1"',
            received=told.get("version"),
        )
        profiles = told.get("profiles")
        right = isinstance(profiles, list) and all(
            isinstance(one, str) and PROFILE.fullmatch(one) for one in profiles
        )
        t.check(right, "NO_PROFILES", expected="names of profiles, as core@1.0", received=profiles)
    for actor in t.stage.ready.actors:
        with t.step(f"{actor.role} announces fedcoop and RFC 9421 with Ed25519"):
            generator = (await read(t, actor.id)).get("generator")
            said = generator.get("implements") if isinstance(generator, Mapping) else None
            hrefs = [one.get("href") if isinstance(one, Mapping) else one for one in listed(said)]
            missing = [one for one in IMPLEMENTS if one not in hrefs]
            t.check(
                not missing, "NO_CAPABILITY", expected=f"{missing} in generator.implements", received=hrefs
            )


def listed(value: object) -> list[Any]:
    """Return what a member holds, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


# -- actors -----------------------------------------------------------------------------------------------------------

MEMBERS: Final = ("inbox", "outbox", "followers", "following", "preferredUsername")
KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    "coop": ("Organization", "Cooperative"),
    "member": ("Person", "Member"),
    "instance": ("Application", None),
}
"""By role: the type, and what is in `fedcoopType` (vocab/classes.json)."""


@implements("FC-COR-007")
async def actors_have_their_members_and_kinds(t: Case) -> None:
    t.role("coop")
    t.role("member")
    for actor in t.stage.ready.actors:
        document = await read(t, actor.id)
        with t.step(f"{actor.role} has the members of an actor"):
            ends = document.get("endpoints")
            shared = ends.get("sharedInbox") if isinstance(ends, Mapping) else None
            have = {name: document.get(name) for name in ("id", *MEMBERS)} | {"endpoints.sharedInbox": shared}
            missing = [name for name, value in have.items() if not isinstance(value, str) or not value]
            t.check(not missing, "MISSING", expected="each a string", received=f"without {missing}")
        with t.step(f"{actor.role} is of its kind"):
            kind, also = KINDS[actor.role]
            t.check(document.get("type") == kind, "WRONG_KIND", expected=kind, received=document.get("type"))
            among = texts(document.get("fedcoopType"))
            t.check(
                also is None or also in among, "WRONG_KIND", expected=f"{also} in fedcoopType", received=among
            )
        if actor.role == "member":
            with t.step("the member's home is a co-operative"):
                await at_home(t, document)


async def at_home(t: Case, member: Document) -> None:
    """Hold that `homeCooperative` is the id of a co-operative, which can be read."""
    home = member.get("homeCooperative")
    if not isinstance(home, str):
        raise Failed("NO_HOME", expected="homeCooperative, an id", received=str(home))
    document = await read(t, home, code="NO_HOME")
    is_one = document.get("id") == home and "Cooperative" in texts(document.get("fedcoopType"))
    t.check(is_one, "NO_HOME", expected=f"{home} is a co-operative", received=document.get("fedcoopType"))


@implements("FC-COR-008")
async def actors_are_served_as_json_ld(t: Case) -> None:
    for actor in t.stage.ready.actors:
        with t.step(
            f"{actor.role} is served for the media type of ActivityPub, and labelled as ActivityStreams"
        ):
            reply = await look(t, actor.id, accept=LD_JSON)
            labelled(t, reply)
            document_of(t, reply, "NOT_SERVED")
    open_to_all = (await t.get(t.local.id)).status == 200
    if open_to_all:
        with t.step("a reader of a server that is not admitted sees what is public as well"):
            reply = await t.send(t.peer("stranger").get(t.local.id, accept=LD_JSON))
            document_of(t, reply, "STRANGER_REFUSED")


def labelled(t: Case, reply: Reply) -> None:
    """Hold that an answer is labelled as ActivityStreams, where it is one at all."""
    media = reply.headers.get("Content-Type", "")
    t.check(
        reply.status != 200 or bool(AS2_MEDIA.match(media)),
        "WRONG_TYPE",
        expected=f"{ACTIVITY_JSON}, or {LD_JSON}",
        received=media,
    )


@implements("FC-COR-009")
async def both_media_types_give_the_same_document(t: Case) -> None:
    for actor in t.stage.ready.actors:
        with t.step(f"{actor.role} is the same document by both names of the media type"):
            reply = await look(t, actor.id, accept=ACTIVITY_JSON)
            labelled(t, reply)
            one = document_of(t, reply, "NOT_SERVED")
            other = await read(t, actor.id, accept=LD_JSON)
            t.check(one == other, "DIFFERENT", expected=str(other), received=one)


@implements("FC-COR-010")
async def documents_are_served_at_their_ids(t: Case) -> None:
    for actor in t.stage.ready.actors:
        document = await read(t, actor.id)
        with t.step(f"{actor.role} has the id by which it was read"):
            same_id(t, document, actor.id)
    for name in ("outbox", "followers", "following"):
        url = (await read(t, t.local.id)).get(name)
        with t.step(f"{name} has the id by which it was read"):
            same_id(t, await read(t, str(url)), str(url))


def same_id(t: Case, document: Document, url: str) -> None:
    """Hold that a document has the URL as its id that it was read from, byte for byte."""
    t.check(document.get("id") == url, "OTHER_ID", expected=url, received=document.get("id"))


@implements("FC-COR-011")
async def actors_list_one_key_for_proofs(t: Case) -> None:
    for actor in t.stage.ready.actors:
        methods = (await read(t, actor.id)).get("assertionMethod")
        alive = [one for one in listed(methods) if isinstance(one, Mapping) and in_force(one)]
        with t.step(f"{actor.role} lists one Ed25519 key that is in force, as its own"):
            t.check(bool(alive), "NO_KEY", expected="an Ed25519 Multikey", received=methods)
            t.check(len(alive) == 1, "SEVERAL_KEYS", expected="exactly one in force", received=alive)
            owner = alive[0].get("controller")
            t.check(owner == actor.id, "CONTROLLER", expected=f"controller {actor.id}", received=owner)


def in_force(method: Mapping[str, Any]) -> bool:
    """Tell whether this is an Ed25519 Multikey without an end."""
    if method.get("type") != "Multikey" or {"expires", "revoked"} & set(method):
        return False
    try:
        key = multikey.decode(str(method.get("publicKeyMultibase")))
    except ValueError:
        return False
    return isinstance(key, Ed25519PublicKey)


# -- collections ------------------------------------------------------------------------------------------------------


@implements("FC-COR-012")
async def collections_end(t: Case) -> None:
    for actor in t.stage.ready.actors:
        with t.step(f"the outbox of {actor.role} is read to its end"):
            async for _ in pages(t, actor.outbox, {}):
                pass
    for actor in people(t):
        if actor.token:
            with t.step(f"the inbox of {actor.role} is read to its end by its owner"):
                async for _ in pages(t, actor.inbox, {"Authorization": f"Bearer {actor.token}"}):
                    pass


async def pages(t: Case, url: str, headers: Mapping[str, str]) -> AsyncIterator[list[Any]]:
    """Yield the items of each page of a collection, and hold the form of what is read.

    Raises:
        Failed: `NOT_SERVED`, `NOT_A_COLLECTION`, `NO_TOTAL`, `NOT_A_PAGE`, `ENDLESS` or `SERVER_ERROR`.
    """

    async def at(where: str) -> Document:
        reply = await t.get(where, **headers) if headers else await look(t, where)
        return document_of(t, reply, "NOT_SERVED")

    whole = await at(url)
    kind, total = whole.get("type"), whole.get("totalItems")
    t.check(
        kind == "OrderedCollection", "NOT_A_COLLECTION", expected=f"{url}: OrderedCollection", received=kind
    )
    if not isinstance(total, int) or isinstance(total, bool):
        raise Failed("NO_TOTAL", expected=f"{url}: totalItems, an integer", received=repr(total))
    following, seen = whole.get("first"), 0
    t.check(following is not None, "NOT_A_PAGE", expected=f"{url}: first", received=whole)
    while following is not None:
        page = following if isinstance(following, Mapping) else await at(str(following))
        items = page.get("orderedItems")
        if page.get("type") != "OrderedCollectionPage" or not isinstance(items, list):
            raise Failed(
                "NOT_A_PAGE", expected="OrderedCollectionPage with orderedItems", received=str(page)[:500]
            )
        yield items
        seen += 1
        following = page.get("next")
        # Some may be added while we read: what ends at all has ended by then.
        most = 2 * total + 20
        t.check(seen <= most, "ENDLESS", expected=f"an end within {most} pages", received=f"{seen} pages")


POSTS: Final = 120


@implements("FC-COR-013")
async def nothing_is_lost_or_repeated_between_pages(t: Case) -> None:
    mine = await more_than_a_page(t)
    reading = pages(t, t.local.outbox, {})
    seen = names(await anext(reading))
    with t.step("something is added after the first page was read"):
        await say(t, to=[PUBLIC])
    async for items in reading:
        seen += names(items)
        if not set(mine) - set(seen):
            break
    with t.step("no item is repeated or lost in the pages after it"):
        again = sorted({one for one in seen if seen.count(one) > 1})
        t.check(not again, "REPEATED", expected="each item once", received=again)
        lost = sorted(set(mine) - set(seen))
        t.check(not lost, "LOST", expected="every item that was there", received=lost)


async def more_than_a_page(t: Case) -> list[str]:
    """Have the local actor say so much that the first page of its outbox has nothing else, and there is a second.

    Raises:
        CannotTell: the first page is too long for that.
    """
    mine: list[str] = []
    while len(mine) < POSTS:
        mine += [await say(t, to=[PUBLIC]) for _ in range(10)]
        first = await anext(pages(t, t.local.outbox, {}))
        if len(first) < len(mine):
            return mine
    raise CannotTell(f"a page of the outbox has more than {POSTS} items")


async def say(t: Case, *, to: list[str]) -> str:
    """Have the local actor publish a note; returns the id of its Create."""
    note = {"type": "Note", "content": f"<p>{t.rng.getrandbits(64):016x}</p>", "to": to}
    return await t.publish({"@context": AS2, "type": "Create", "object": note, "to": to})


# -- what is not there, or not for everybody --------------------------------------------------------------------------


@implements("FC-COR-014")
async def what_never_existed_is_not_found(t: Case) -> None:
    never = f"{t.rng.getrandbits(64):016x}"
    for url in (f"{t.local.id}-{never}", f"{t.stage.ready.base}/{never}"):
        with t.step(f"{url} is not found"):
            reply = await look(t, url)
            t.check(reply.status < 500, "SERVER_ERROR", expected="404", received=reply.told())
            t.check(not reply.ok, "FOUND", expected="404", received=reply.told())
            t.check(reply.status == 404, "WRONG_STATUS", expected="404", received=reply.told())
    async with t.control("the actor beside it is there"):
        await read(t, t.local.id)


@implements("FC-COR-015")
async def what_was_deleted_is_gone_for_everybody_alike(t: Case) -> None:
    async with t.control("a public note is published and served"):
        activity = await read(t, await say(t, to=[PUBLIC]))
        [note] = names(activity.get("object")) or [""]
        await read(t, note)
    with t.step("its author deletes it"):
        await t.publish({"@context": AS2, "type": "Delete", "object": note, "to": [PUBLIC]})
    peer = t.peer()
    replies = [
        await look(t, note),
        await look(t, note, accept=LD_JSON),
        await t.send(peer.get(note)),
        await look(t, note),
    ]
    with t.step("it is gone"):
        for reply in replies:
            t.check(reply.status < 500, "SERVER_ERROR", expected="410 or 404", received=reply.told())
            t.check(not reply.ok, "STILL_SERVED", expected="410 or 404", received=reply.told())
            t.check(reply.status in GONE, "WRONG_STATUS", expected="410 or 404", received=reply.told())
    with t.step("every reader and reading is told the same"):
        told = [reply.status for reply in replies]
        t.check(len(set(told)) == 1, "VARIES", expected="one status", received=told)
    with t.step("what is 410 is a Tombstone"):
        for reply in replies:
            found = reply.json if isinstance(reply.json, dict) else {}
            right = reply.status != 410 or (found.get("type") == "Tombstone" and found.get("id") == note)
            t.check(right, "NO_TOMBSTONE", expected=f"a Tombstone of {note}", received=found)


async def sent_to(t: Case, peer: PeerActor) -> str:
    """Have the local actor write a note to a peer alone; returns the note's id, from what arrived there."""
    name = await say(t, to=[peer.id])
    arrived = peer.arrived(lambda said: said.get("id") == name)
    came = await peer.origin.wait(arrived, within=t.times.signal)
    t.check(bool(came), "CONTROL", expected=f"{name} arrives at {peer.id}", received="it does not")
    t.exchanges += [one.exchange for one in came]
    [note] = names(came[0].json.get("object")) or [""]
    t.check(bool(note), "CONTROL", expected="a note with an id", received=came[0].json)
    return note


@implements("FC-COR-016")
async def what_is_not_public_is_for_its_readers(t: Case) -> None:
    addressee, other = t.peer(), t.peer("second")
    async with t.control("a note to one actor arrives there"):
        note = await sent_to(t, addressee)
    with t.step("nobody else sees it"):
        open_to_all = (await t.get(t.local.id)).status == 200
        for reply in [await t.get(note)] * open_to_all + [await t.send(other.get(note))]:
            t.check(reply.status < 500, "SERVER_ERROR", expected="403 or 404", received=reply.told())
            t.check(not reply.ok, "LEAKED", expected="403 or 404", received=reply.told())
            t.check(reply.status in UNSEEN, "WRONG_STATUS", expected="403 or 404", received=reply.told())
    with t.step("its addressee sees it"):
        reply = await t.send(addressee.get(note))
        found = document_of(t, reply, "NEVER_SHOWN")
        t.check(found.get("id") == note, "NEVER_SHOWN", expected=note, received=found.get("id"))
    with t.step("what was shown because of a signature is kept by no shared cache"):
        cache = reply.headers.get("Cache-Control", "")
        told = {one.strip().lower() for one in cache.split(",")}
        t.check(
            bool(told & {"private", "no-store"}), "CACHEABLE", expected="private or no-store", received=cache
        )


@implements("FC-COR-017")
async def what_may_not_be_seen_is_as_what_never_existed(t: Case) -> None:
    addressee = t.peer()
    async with t.control("a note to one actor arrives there, and is served to it"):
        note = await sent_to(t, addressee)
        document_of(t, await t.send(addressee.get(note)), "CONTROL")
    head, _, tail = note.rpartition("/")
    never = f"{head}/{''.join(altered(t, one) for one in tail)}"
    with t.step("an answer for it, and one for an id like it that never was, are alike"):
        one, other = shape(await look(t, note), note), shape(await look(t, never), never)
        t.check(one == other, "TOLD_APART", expected=str(other), received=one)


def altered(t: Case, sign: str) -> str:
    """Return another sign of the same sort, so that an id keeps its form."""
    for sort in ("0123456789", "abcdefghjkmnpqrstvwxyz"):
        if sign in sort:
            return t.rng.choice(sort)
    return sign


VOLATILE: Final = frozenset({"date", "x-request-id", "content-length", "etag", "age"})


def shape(reply: Reply, url: str) -> tuple[int, list[str], str | None, Any]:
    """Return what a reader could tell answers apart by: status, header names, problem, and what the body says."""
    headers = sorted({name.lower() for name in reply.headers} - VOLATILE)
    found = reply.json
    said = sorted(found.items()) if isinstance(found, dict) else len(reply.body)
    if isinstance(said, list):
        said = [(name, str(value).replace(url, "<id>") if name != "instance" else "") for name, value in said]
    return reply.status, headers, reply.problem, said


# -- HTTP -------------------------------------------------------------------------------------------------------------


@implements("FC-COR-018")
async def who_has_an_actor_is_not_sent_it_again(t: Case) -> None:
    first = await look(t, t.local.id)
    document_of(t, first, "NOT_SERVED")
    tag = first.headers.get("ETag")
    with t.step("the actor has an ETag"):
        if not tag:
            raise Failed("NO_ETAG", expected="ETag", received=str(dict(first.headers)))
    with t.step("who brings another tag is sent the actor"):
        reply = await look(t, t.local.id, tag='"of-something-else"')
        t.check(reply.status < 500, "SERVER_ERROR", expected="200", received=reply.told())
        t.check(reply.status != 304, "STALE", expected="200", received=reply.told())
    with t.step("who brings this one is told that nothing changed"):
        reply = await look(t, t.local.id, tag=tag)
        t.check(reply.status < 500, "SERVER_ERROR", expected="304", received=reply.told())
        t.check(reply.status == 304, "NOT_304", expected="304", received=reply.told())


@implements("FC-COR-019")
async def a_method_that_is_not_there_is_refused(t: Case) -> None:
    async with t.control("the actor is served"):
        await read(t, t.local.id)
    with t.step("PUT on an inbox is 405, with the methods that there are"):
        reply = await t.send(Outgoing(t.local.inbox, (("Content-Type", ACTIVITY_JSON),), b"{}", "PUT"))
        t.check(reply.status < 500, "SERVER_ERROR", expected="405", received=reply.told())
        t.check(not reply.ok, "NOT_REFUSED", expected="405", received=reply.told())
        t.check(reply.status == 405, "WRONG_STATUS", expected="405", received=reply.told())
        allow = reply.headers.get("Allow", "")
        told = {one.strip() for one in allow.split(",")}
        t.check("POST" in told and "PUT" not in told, "NO_ALLOW", expected="Allow, with POST", received=allow)


@implements("FC-COR-020")
async def the_servers_own_actor_is_open_to_everybody(t: Case) -> None:
    base = t.stage.ready.base
    with t.step("WebFinger for the server's own address links it"):
        name = await link_of(t, await found_by(t, base), f"{AS2}#Service", "NO_SERVICE_LINK")
    with t.step("NodeInfo's links name the same one"):
        links = await t.get(f"{base}/.well-known/nodeinfo", accept="application/json")
        other = await link_of(t, links, f"{AS2}#Application", "NO_APPLICATION_LINK")
        t.check(other == name, "DIFFERENT", expected=name, received=other)
    with t.step("it is an Application, and served without a signature"):
        document = document_of(t, await t.get(name), "NOT_SERVED")
        t.check(
            document.get("type") == "Application" and document.get("id") == name,
            "WRONG_KIND",
            expected=f"an Application with the id {name}",
            received=f"{document.get('type')} {document.get('id')}",
        )
    with t.step("so is NodeInfo"):
        await nodeinfo(t)


@implements("FC-COR-021")
async def a_refusal_of_an_inbox_is_a_problem_document(t: Case) -> None:
    codes = data.read("vocab", "problems.json")["problems"]
    peer = t.peer()
    message = t.honest(peer, t.stimulus(peer))
    for fault in (message.header("Signature", None).header("Signature-Input", None), broken(t, peer)):
        with t.step("a refusal is a problem document with a code of the vocabulary"):
            reply = await t.send(fault)
            t.check(reply.status < 500, "SERVER_ERROR", expected="4xx", received=reply.told())
            t.check(reply.status >= 400, "NOT_REFUSED", expected="4xx", received=reply.told())
            wanted = "application/problem+json"
            t.check(reply.media == wanted, "WRONG_TYPE", expected=wanted, received=reply.media)
            t.check(
                reply.problem in codes,
                "UNKNOWN_CODE",
                expected="a code of problems.json",
                received=reply.problem,
            )


def broken(t: Case, peer: PeerActor) -> Any:
    """Return a signed message that is no JSON."""
    return peer.request(t.local.inbox, b'{"type": ')


@implements("FC-COR-022")
async def every_document_has_the_context_of_activitystreams(t: Case) -> None:
    for actor in t.stage.ready.actors:
        with t.step(f"{actor.role} and its collections have the context"):
            document = await read(t, actor.id)
            has_context(t, document, actor.id)
            for name in ("outbox", "followers", "following"):
                url = str(document.get(name))
                has_context(t, await read(t, url), url)
    with t.step("a page of the outbox has it"):
        first = (await read(t, t.local.outbox)).get("first")
        if isinstance(first, str):
            has_context(t, await read(t, first), first)
    with t.step("what it sends has it"):
        peer = t.peer()
        activity = t.stimulus(peer)
        await t.accepted(peer, activity, t.honest(peer, activity))
        [came, *_] = await t.replies(peer, activity, within=t.times.signal)
        has_context(t, came.json, "the answer")


def has_context(t: Case, document: Document, what: str) -> None:
    """Hold that a document names the context of ActivityStreams by its name: nobody has to fetch it."""
    context = document.get("@context")
    t.check(AS2 in texts(context), "NO_CONTEXT", expected=f"{what}: {AS2} in @context", received=context)
