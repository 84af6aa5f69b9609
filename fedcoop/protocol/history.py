"""A mission's signed history as one document, and what a stranger can prove with it, offline (decision D5).

`history_document` writes it; `verify_history` replays it: every activity is checked against the key document that came
with it, and every chain is folded again by the very engine that ran it (`chain.take`). A changed value breaks a proof;
a removed, reordered or replaced activity breaks the digest that its successor signed; a cut tail does not reach the
signed head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fedcoop.errors import FedcoopError, Malformed
from fedcoop.protocol import strict_json
from fedcoop.protocol.build import contexts
from fedcoop.protocol.chain import Placement, Taken, place, proposal_of, take
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.guards import moment, said_at
from fedcoop.protocol.messages import Activity, Chain, Document, Link
from fedcoop.protocol.proof import verify_document
from fedcoop.protocol.shape import id_of, read_activity

FORMAT: Final = "fedcoop-history/1"


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """One chain as stored: its activities in order, the key documents seen with them, and which links are final."""

    chain: Chain
    activities: tuple[Document, ...]
    keys: Mapping[str, Document]
    """Of the senders and parties, as they are now."""
    confirmed: tuple[bool, ...]
    seen: tuple[Document | None, ...] = ()
    """For each activity its sender's, as it was when the activity was received (INT-12); None where it is as now."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain is said to go: the digest of its last activity and that one's version."""

    digest: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """One transition that holds, and what its signature proves."""

    version: int
    activity_id: str
    type: str
    actor: str
    published: str
    state: str
    key: str
    """Multibase of the Ed25519 key that signed it."""
    digest: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not hold, and where."""

    chain_id: str
    version: int | None
    activity_id: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What one chain proves."""

    chain_id: str
    kind: str
    owner: str
    state: str | None
    proven: tuple[Proven, ...]
    complete: bool
    """True when it reaches the head that its owner signed, or one that the reader brought; else it is true up to
    `len(proven)`, and nobody says that there is no more."""
    head_signed: bool
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a history proves; `ok` when nothing contradicts it, `complete` when every chain also reaches its head."""

    chains: tuple[ChainReport, ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """No finding anywhere."""
        return bool(self.chains) and not self.findings and not any(c.findings for c in self.chains)

    @property
    def complete(self) -> bool:
        """Everything holds, and every chain is complete."""
        return self.ok and all(c.complete for c in self.chains)


def history_document(
    iri: str, records: Sequence[ChainRecord], *, base: str, sign: Callable[[Document, str], Document]
) -> dict[str, Any]:
    """Return the history document of `iri`; `sign` signs a chain head for its owner when the owner is ours."""
    actors: list[Document] = []
    chains = []
    for record in records:
        chain = record.chain
        head = {
            "type": "Document",
            "fedcoopType": ["ChainHead"],
            "attributedTo": chain.owner,
            "chain": chain.id,
            "stateVersion": chain.version,
            "digest": chain.digest,
            "chainState": chain.state,
        }
        chains.append(
            {
                "chain": chain.id,
                "kind": chain.kind,
                "owner": chain.owner,
                "confirmed": list(record.confirmed),
                "head": sign(head, chain.owner),
                "activities": list(record.activities),
                "seen": [_listed(document, actors) for document in _seen(record)],
            }
        )
    for actor, current in [(actor, now) for record in records for actor, now in record.keys.items()]:
        # The last one of an actor is as it is now: signed heads are checked with it.
        if next((d for d in reversed(actors) if d.get("id") == actor), None) != current:
            actors.append(current)
    return {
        "@context": contexts(base),
        "id": f"{iri}/history",
        "type": "Document",
        "format": FORMAT,
        "about": iri,
        "chains": chains,
        "actors": actors,
    }


def _seen(record: ChainRecord) -> Iterator[Document | None]:
    """Yield for each activity the document that its sender's keys are taken from."""
    for position, activity in enumerate(record.activities):
        then = record.seen[position] if position < len(record.seen) else None
        yield then or record.keys.get(str(id_of(activity.get("actor"))))


def _listed(document: Document | None, actors: list[Document]) -> int | None:
    """Return where `document` stands in the list, to which it is added if it is not there."""
    if document is None:
        return None
    if document not in actors:
        actors.append(document)
    return actors.index(document)


def verify_history(
    document: Document, *, head: Head | None = None, pinned: Mapping[str, str] | None = None
) -> Report:
    """Return what `document` proves. Never raises for what the document says; a finding names what is wrong with it.

    `head` is one that the reader has from elsewhere: some chain must reach it. `pinned` maps actor ids to the Ed25519
    Multikey that the reader trusts them to have; without it, the keys are those that the document brings.
    """
    chains = document.get("chains")
    if document.get("format") != FORMAT or not isinstance(chains, list) or not chains:
        finding = Finding("", None, None, "malformed-activity", f"Not a history document ({FORMAT}).")
        return Report((), (finding,))
    listed = document.get("actors")
    brought = [a if isinstance(a, Mapping) else {} for a in (listed if isinstance(listed, list) else [])]
    actors = {str(a.get("id")): a for a in brought}
    findings = [*_pins(brought, pinned or {})]
    reports: list[ChainReport] = []
    proposals: dict[str, list[Chain]] = {}
    # Proposals first: engagements are read against the terms they answer.
    for entry in sorted(
        (c for c in chains if isinstance(c, Mapping)), key=lambda c: c.get("kind") == "Engagement"
    ):
        report, versions = _replay(entry, actors, brought, proposals)
        if head is not None and _reaches(report, head) and not report.findings:
            report = replace(report, complete=True)
        reports.append(report)
        if versions and versions[0].kind != "Engagement":
            proposals[versions[0].id] = versions
    if head is not None and not any(_reaches(report, head) for report in reports):
        detail = f"No chain reaches the head that was given ({head.digest})."
        findings.append(Finding("", head.version, None, "head-not-reached", detail))
    return Report(tuple(reports), tuple(findings))


def steps_of(document: Document, chain: str) -> tuple[Document, ...]:
    """Return the activities that a history document lists for `chain`, in order; whether they hold is not decided."""
    chains = document.get("chains")
    for entry in chains if isinstance(chains, list) else []:
        if isinstance(entry, Mapping) and entry.get("chain") == chain:
            steps = entry.get("activities")
            return tuple(s for s in (steps if isinstance(steps, list) else []) if isinstance(s, Mapping))
    return ()


def _reaches(report: ChainReport, head: Head) -> bool:
    last = report.proven[-1] if report.proven else None
    return last is not None and last.digest == head.digest and head.version in (None, last.version)


def _pins(brought: Sequence[Document], pinned: Mapping[str, str]) -> list[Finding]:
    return [
        Finding("", None, None, "key-unknown", f"{actor} does not have the key that you trust it to have.")
        for actor, key in pinned.items()
        if not any(a.get("id") == actor and key in _keys(a) for a in brought)
    ]


def _keys(actor: Document) -> list[str]:
    methods = actor.get("assertionMethod")
    listed = methods if isinstance(methods, list) else [methods]
    return [str(m.get("publicKeyMultibase")) for m in listed if isinstance(m, Mapping)]


def _replay(
    entry: Document,
    actors: Mapping[str, Document],
    brought: Sequence[Document],
    proposals: Mapping[str, Sequence[Chain]],
) -> tuple[ChainReport, list[Chain]]:
    """Replay one chain; stop at the first transition that does not hold. Returns the chain after each step as well."""
    chain: Chain | None = None
    versions: list[Chain] = []
    proven: list[Proven] = []
    links: list[Link] = []
    findings: list[Finding] = []
    name = str(entry.get("chain"))
    documents = entry.get("activities")
    for position, document in enumerate(documents if isinstance(documents, list) else [], start=1):
        try:
            activity = _read(document)
            then = {**actors, activity.actor: _at_receipt(entry, position, activity.actor, actors, brought)}
            _prove(activity, then)
            placement = place(chain, links, activity)
            taken = _take(activity, chain, placement, then, _versions(activity, chain, proposals))
        except FedcoopError as refusal:
            said = document.get("id") if isinstance(document, Mapping) else None
            findings.append(Finding(name, position, str(said), refusal.code, _told(refusal)))
            break
        chain = taken.chain
        versions.append(chain)
        links.append(Link(chain.id, chain.version, activity.id, chain.digest, confirmed=True))
        key = _signing_key(document, then)
        published = str(document.get("published"))
        row = Proven(
            chain.version,
            activity.id,
            activity.type,
            activity.actor,
            published,
            chain.state,
            key,
            chain.digest,
        )
        proven.append(row)
    if not findings and chain is not None and chain.id != name:
        findings.append(Finding(name, None, None, "chain-mismatch", f"These activities are of {chain.id}."))
    complete, signed = (False, False)
    if not findings:
        complete, signed, problem = _head(entry, chain, actors)
        findings += [problem] if problem else []
    kind = chain.kind if chain else str(entry.get("kind"))
    owner = chain.owner if chain else str(entry.get("owner"))
    state = chain.state if chain else None
    report = ChainReport(name, kind, owner, state, tuple(proven), complete, signed, tuple(findings))
    return report, versions


def _at_receipt(
    entry: Document,
    position: int,
    actor: str,
    actors: Mapping[str, Document],
    brought: Sequence[Document],
) -> Document:
    """Return the sender's document as it was when the activity was received, which its proof is judged by (INT-12).

    A history without `seen` has one document for each actor. Raises Malformed when `seen` names none of this actor.
    """
    seen = entry.get("seen")
    named = seen[position - 1] if isinstance(seen, list) and position <= len(seen) else None
    if named is None and actor in actors:
        return actors[actor]
    if type(named) is int and 0 <= named < len(brought) and brought[named].get("id") == actor:
        return brought[named]
    raise Malformed("key-unknown", "The keys of its sender are not in the file.", expected=actor)


def _told(refusal: FedcoopError) -> str:
    """Return the refusal in a sentence, with what was compared where something was."""
    compared = (("expected", refusal.expected), ("found", refusal.received))
    values = "; ".join(f"{word}: {value}" for word, value in compared if value is not None)
    return f"{refusal.detail} ({values})" if values else refusal.detail


def _take(
    activity: Activity,
    chain: Chain | None,
    placement: Placement,
    keys: Mapping[str, Document],
    proposals: Sequence[Chain],
) -> Taken:
    """Take the step against the proposal as it was then: which of its versions that was, no signature says.

    Raises what the newest version raises, when the step holds against none.
    """
    refusals: list[FedcoopError] = []
    newest_first: list[Chain | None] = [*reversed(proposals)] or [None]
    for proposal in newest_first:
        try:
            return take(activity, chain, Facts(proposal=proposal, keys=keys), placement)
        except FedcoopError as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _read(document: Any) -> Activity:
    if not isinstance(document, Mapping):
        raise Malformed("malformed-activity", "Not an activity.")
    return read_activity(document, strict_json.dumps(document))


def _prove(activity: Activity, actors: Mapping[str, Document]) -> None:
    """Check the sender's own proof, at the instant that it says it was made."""
    verify_document(activity.raw, actors[activity.actor], now=said_at(activity.raw))


def _versions(
    activity: Activity, chain: Chain | None, proposals: Mapping[str, Sequence[Chain]]
) -> Sequence[Chain]:
    named = chain.proposal if chain is not None else proposal_of(activity.object or {})
    return proposals.get(named or "", ())


def _signing_key(document: Document, actors: Mapping[str, Document]) -> str:
    """Return the Multikey that the proof names; the proof was verified with it."""
    proof = document.get("proof")
    method = proof.get("verificationMethod") if isinstance(proof, Mapping) else None
    methods = actors.get(str(id_of(document.get("actor"))), {}).get("assertionMethod")
    for listed in methods if isinstance(methods, list) else [methods]:
        if isinstance(listed, Mapping) and listed.get("id") == method:
            return str(listed.get("publicKeyMultibase"))
    return str(method)


def _head(
    entry: Document, chain: Chain | None, actors: Mapping[str, Document]
) -> tuple[bool, bool, Finding | None]:
    """Return (complete, head is signed by the owner, finding)."""
    head = entry.get("head")
    name = str(entry.get("chain"))
    if chain is None:
        return False, False, Finding(name, None, None, "malformed-activity", "The chain holds no activity.")
    if not isinstance(head, Mapping):
        return False, False, None
    # Whoever does not own the chain has it up to here, and cannot say that there is no more.
    if "proof" not in head:
        return False, False, None
    actor = actors.get(chain.owner)
    try:
        if actor is None or head.get("chain") != chain.id or id_of(head.get("attributedTo")) != chain.owner:
            raise Malformed("key-unknown", "The head is not its owner's.")
        created = moment(head["proof"].get("created") if isinstance(head["proof"], Mapping) else None)
        if created is None:
            raise Malformed("proof-invalid", "The head does not say when it was signed.")
        verify_document(head, actor, now=created)
    except FedcoopError as refusal:
        return False, False, Finding(name, None, None, refusal.code, f"Its signed head: {refusal.detail}")
    if head.get("digest") != chain.digest or head.get("stateVersion") != chain.version:
        signed = f"version {head.get('stateVersion')} ({head.get('digest')})"
        detail = f"The signed head is {signed}; these activities are true up to version {chain.version}."
        return False, True, Finding(name, chain.version + 1, None, "head-not-reached", detail)
    return True, True, None
