"""Who is owed a copy, and who may read one (ActivityPub §7.1; privacy classes of vocabulary.md §3.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedcoop.protocol.shape import PUBLIC


@dataclass(frozen=True, slots=True)
class Follower:
    """An accepted follower of a local actor, as far as delivery needs to know it."""

    actor: str
    inbox: str
    network: bool
    """Its co-op belongs to the same network as ours."""


def scope_audience(scope: str, owner: str, *, coop: str) -> tuple[list[str], list[str]]:
    """Return (to, cc) of a proposal by `owner`, the co-op itself or a member of it, with this `relayScope`.

    What a member publishes is on the co-op's board: it goes to those who follow the co-op as to the member's own.

    >>> scope_audience("network", "https://a.example/actors/awa", coop="https://a.example/actors/coop")
    (['https://a.example/actors/awa/network', 'https://a.example/actors/coop/network'], [])
    """
    speakers = dict.fromkeys((owner, coop))
    followers = [f"{speaker}/followers" for speaker in speakers]
    match scope:
        case "public":
            return [PUBLIC], followers
        case "federation":
            return followers, []
        case "network":
            return [f"{speaker}/network" for speaker in speakers], []
        case _:
            return [f"{coop}/members"], []


def inboxes(
    recipients: Iterable[str],
    *,
    base: str,
    followers: Mapping[str, Sequence[Follower]],
    actors: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the remote inboxes that are owed a copy, each once, in order.

    `actors` maps every remote actor among the recipients to its inbox (the shared one when it has one); `followers`
    maps those actors whose collections the sender may open up to who follows them. Anybody else's collection stays
    closed: indirection ends here (ActivityPub §7.1).
    """
    opened = {f"{actor}/followers": [f.inbox for f in known] for actor, known in followers.items()}
    opened |= {
        f"{actor}/network": [f.inbox for f in known if f.network] for actor, known in followers.items()
    }
    found: list[str] = []
    for recipient in recipients:
        if recipient in opened:
            found += opened[recipient]
        elif recipient in actors:
            found.append(actors[recipient])
    # Whoever is gone, or never said where to post, has no inbox.
    return tuple(i for i in dict.fromkeys(found) if i and not i.startswith(base + "/"))


def is_collection(iri: str) -> bool:
    """Tell whether an IRI names a collection of an actor by our own layout (or by custom: `…/followers`)."""
    return iri.rsplit("/", 1)[-1] in ("followers", "network", "members", "following")


def local_readers(recipients: Iterable[str], *, base: str, local_actors: frozenset[str]) -> tuple[str, ...]:
    """Return who may read the object here: everyone, our members, or the named local actors.

    What was addressed to a collection (our own members, or a sender's followers that we are among) or to our
    co-operative itself is for all our members; what was addressed to a person is for that person.
    """
    coop = f"{base}/actors/coop"
    readers: list[str] = []
    for recipient in recipients:
        if recipient == PUBLIC:
            readers.append(PUBLIC)
        elif recipient == coop or is_collection(recipient):
            readers.append(f"{coop}/members")
        elif recipient in local_actors:
            readers.append(recipient)
    return tuple(dict.fromkeys(readers))


def peer_readers(recipients: Iterable[str], *, base: str) -> tuple[str, ...]:
    """Return under which names other servers may read what is ours: collections of ours, and actors elsewhere.

    Who is in another server's collection is not ours to say: such a name opens nothing.
    """
    named = (name for name in recipients if name != PUBLIC)
    return tuple(
        dict.fromkeys(
            name
            for name in named
            if (is_collection(name) if name.startswith(base + "/") else not is_collection(name))
        )
    )
