"""Two servers compare what they hold of the same chains: heads, questions and answers, and what follows from them.

A head is a chain's last version and the digest of its last activity; since each activity names the digest of the one
before it, two equal heads are two equal histories (decision D5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from fedcoop.errors import Malformed
from fedcoop.protocol.limits import MAX_RECONCILED_PAGE, MAX_URL
from fedcoop.protocol.messages import Document

QUESTION: Final = "Reconcile"
"""Type of the signed question. It is answered at once and kept by nobody."""

PATH: Final = "/api/v1/reconcile"

Standing: TypeAlias = Literal["agree", "we-are-behind", "they-are-behind", "diverged"]


@dataclass(frozen=True, slots=True)
class Head:
    """How far somebody holds a chain."""

    chain: str
    kind: str
    owner: str
    state: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a peer asks: a page of heads after a chain id, or the activities of one chain after a version."""

    after: str = ""
    chain: str | None = None
    version: int = 0


def standing(theirs: Head | None, ours: Sequence[str]) -> Standing:
    """Return how two copies of a chain stand; `ours` are our digests from version 1 on.

    >>> head = Head("c", "Mission", "o", "published", 1, "z1")
    >>> standing(head, ["z1", "z2"]), standing(head, ["z1"]), standing(head, []), standing(head, ["z9"])
    ('they-are-behind', 'agree', 'we-are-behind', 'diverged')
    """
    if theirs is None:
        return "they-are-behind" if ours else "agree"
    if theirs.version > len(ours):
        # Whether it continues ours is seen when its next step is taken, or is not.
        return "we-are-behind"
    if ours[theirs.version - 1] != theirs.digest:
        return "diverged"
    return "agree" if theirs.version == len(ours) else "they-are-behind"


def asking(question: Question) -> dict[str, Any]:
    """Return the members by which a question is asked."""
    if question.chain is None:
        return {"type": QUESTION, "after": question.after}
    return {"type": QUESTION, "chain": question.chain, "version": question.version}


def question_of(document: Document) -> Question:
    """Return the question that a signed document asks. Raises Malformed."""
    if document.get("type") != QUESTION:
        raise _malformed("type", QUESTION)
    after, chain, version = document.get("after", ""), document.get("chain"), document.get("version", 0)
    if not isinstance(after, str) or len(after) > MAX_URL:
        raise _malformed("after", "the id of a chain")
    if chain is not None and (not isinstance(chain, str) or len(chain) > MAX_URL):
        raise _malformed("chain", "the id of a chain")
    if type(version) is not int or version < 0:
        raise _malformed("version", "a version that you have, from 0")
    return Question(after, chain, version)


def told_heads(heads: Sequence[Head], *, after: str | None) -> dict[str, Any]:
    """Return the answer with a page of heads; `after` is where the next page begins."""
    rows = [
        {
            "chain": head.chain,
            "kind": head.kind,
            "owner": head.owner,
            "state": head.state,
            "stateVersion": head.version,
            "digest": head.digest,
        }
        for head in heads
    ]
    return {"heads": rows, "next": after}


def heads_of(answer: Document) -> tuple[tuple[Head, ...], str | None]:
    """Return a peer's page of heads and where the next one begins. Raises Malformed."""
    rows, after = answer.get("heads"), answer.get("next")
    if not isinstance(rows, list) or len(rows) > MAX_RECONCILED_PAGE:
        raise _malformed("heads", f"at most {MAX_RECONCILED_PAGE} heads")
    if after is not None and (not isinstance(after, str) or len(after) > MAX_URL):
        raise _malformed("next", "the id of a chain, or null")
    return tuple(_head_of(row) for row in rows), after


def _head_of(row: Any) -> Head:
    if not isinstance(row, Mapping):
        raise _malformed("heads", "objects")
    names = ("chain", "kind", "owner", "state", "digest")
    values = {name: row.get(name) for name in names}
    version = row.get("stateVersion")
    if not all(isinstance(v, str) and 0 < len(v) <= MAX_URL for v in values.values()):
        raise _malformed("heads", f"{', '.join(names)} as strings")
    if type(version) is not int or version < 1:
        raise _malformed("stateVersion", "a number from 1")
    return Head(**{name: str(value) for name, value in values.items()}, version=version)


def bodies_of(answer: Document) -> tuple[tuple[bytes, ...], bool]:
    """Return the activities that a peer has sent, as they were signed, and whether there are more. Raises Malformed."""
    told, more = answer.get("activities"), answer.get("more")
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise _malformed("activities", "activities as text")
    if not isinstance(more, bool):
        raise _malformed("more", "true or false")
    return tuple(one.encode() for one in told), more and bool(told)


def _malformed(member: str, expected: str) -> Malformed:
    return Malformed(
        "malformed-request", f"`{member}` of a reconciliation is not what it should be.", expected=expected
    )
