"""`fedcoop peer`: with whom this instance federates, who decided it and why, and what hangs on it (decision D7)."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli.agreed import described, line_of
from fedcoop.cli.answer import AsJson, Failed, answer, remark
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.flow.peering import Dossier, Impact
    from fedcoop.flow.world import World
    from fedcoop.ports import Peer
    from fedcoop.protocol.policy import PeerState

HELP = say("The allow-list: who federates with us.", "La liste d’admission : qui se fédère avec nous.")
HELP_ALLOW = say("Admit another co-op’s instance.", "Admet l’instance d’une autre coopérative.")
HELP_LIMIT = say(
    "Limit a peer.\n\nEverything passes, but nothing of scope `network` goes there, and only our members see its "
    "proposals.",
    "Limite un pair.\n\nTout passe, mais rien de portée `network` n’y va, et seuls nos membres voient ses annonces.",
)
HELP_FREEZE = say(
    "Freeze a peer: nothing new begins, what is under way goes on to its end.",
    "Gèle un pair : rien de nouveau ne commence, ce qui est en cours va à son terme.",
)
HELP_BLOCK = say(
    "Block an instance: nothing comes in from it, nothing goes out to it.",
    "Bloque une instance : rien n’en vient, rien n’y va.",
)
HELP_FORGET = say(
    "Take the decision about a peer back: it is undecided, as if it had just knocked.",
    "Retire la décision sur un pair : plus rien n’est décidé, comme s’il venait de frapper.",
)
HELP_UNBLOCK = say(
    "Take the last step down back: the peer is what it was before, and is sent what it missed.",
    "Annule le dernier pas en arrière : le pair redevient ce qu’il était et reçoit ce qu’il a manqué.",
)
HELP_LIST = say("List the peers and their state.", "Liste les pairs et leur état.")
HELP_SHOW = say(
    "Show a peer: every decision, what hangs on it, what it last answered.",
    "Montre un pair : chaque décision, ce qui en dépend, sa dernière réponse.",
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]
Origin = Annotated[
    str,
    typer.Argument(
        metavar="ORIGIN", help=say("Its origin: https://coop.example", "Son origine : https://coop.example")
    ),
]
Note = Annotated[str, typer.Option("--note", help=say("Why; for yourself.", "Pourquoi ; pour vous-même."))]
Reason = Annotated[
    str,
    typer.Option(
        "--reason",
        help=say(
            "Why, for everybody: the peer, the members on both sides, your shared list.",
            "Pourquoi, pour tout le monde : le pair, les membres des deux côtés, votre liste partagée.",
        ),
    ),
]
By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME",
        help=say("Who decides; you, when left out.", "Qui décide ; vous, si rien n’est dit."),
        show_default=False,
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        help=say("Do it without asking; what hangs on it was read.", "Le fait sans demander ; tout est lu."),
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help=say("Only show what hangs on it.", "Montre seulement ce qui en dépend.")),
]


# -- decisions --------------------------------------------------------------------------------------------------


def allow(
    folder: Folder,
    origin: Origin,
    network: Annotated[
        bool,
        typer.Option(
            "--network",
            help=say(
                "It is of the same network: missions of scope `network` go there.",
                "Elle est du même réseau : les missions de portée `network` y vont.",
            ),
        ),
    ] = False,
    note: Note = "",
    reason: Reason = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Admit a peer. Without `--network` one that was of the network before stays in it."""
    from fedcoop.flow.peering import decide_peer

    def decide(world: World) -> Any:
        return decide_peer(
            world,
            origin.rstrip("/"),
            "allowed",
            network=network or None,
            note=note or None,
            reason=reason or None,
            by=who(by),
        )

    _said(told(folder, decide), as_json=as_json)


def _stepping_down(state: PeerState, doc: str) -> Callable[..., None]:
    """Return the command by which a peer becomes `state`: what hangs on it is shown first."""

    def command(
        folder: Folder,
        origin: Origin,
        reason: Reason = "",
        note: Note = "",
        by: By = "",
        yes: Yes = False,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        _step_down(folder, origin, state, reason, note, by, yes=yes, dry_run=dry_run, as_json=as_json)

    command.__doc__ = doc
    return command


limit = _stepping_down("limited", "Limit a peer.")
freeze = _stepping_down("frozen", "Freeze a peer.")
block = _stepping_down("blocked", "Block a peer.")


def forget(
    folder: Folder,
    origin: Origin,
    note: Note = "",
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Undecide about a peer."""
    _step_down(folder, origin, "pending", "", note, by, yes=yes, dry_run=dry_run, as_json=as_json)


def unblock(folder: Folder, origin: Origin, by: By = "", as_json: AsJson = False) -> None:
    """Take the last step down back."""
    from fedcoop.flow.peering import reinstate

    _said(told(folder, lambda world: reinstate(world, origin.rstrip("/"), by=who(by))), as_json=as_json)


def who(given: str) -> str:
    """Return who decides: who was named, else whose account this command runs under."""
    try:
        return given or getpass.getuser()
    except (OSError, KeyError):
        return ""


def _step_down(
    folder: Path,
    origin: str,
    state: PeerState,
    reason: str,
    note: str,
    by: str,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Show what hangs on the peer; decide if asked to, if somebody says yes, or if nothing hangs on it."""
    from fedcoop.flow.peering import decide_peer, dossier, impact_of
    from fedcoop.protocol.policy import loses

    origin = origin.rstrip("/")

    async def look(world: World) -> tuple[Impact, Peer | None]:
        return await impact_of(world, origin), (await dossier(world, origin)).peer

    found, peer = told(folder, look)
    takes = loses(peer.state if peer is not None else None, state) and not found.nothing
    if dry_run or (
        takes
        and not yes
        and (
            as_json
            or not said_yes(found, say(f"{origin} becomes {state}", f"{origin} devient {word(state)}"))
        )
    ):
        again = f"fedcoop peer {_VERBS[state]} {folder} {origin} --yes"
        only_shown({"origin": origin, "state": state}, found, again, dry_run=dry_run, as_json=as_json)
        return

    def decide(world: World) -> Any:
        return decide_peer(world, origin, state, note=note or None, reason=reason or None, by=who(by))

    _said(told(folder, decide), as_json=as_json, impact=found)


_VERBS: Mapping[str, str] = {"limited": "limit", "frozen": "freeze", "blocked": "block", "pending": "forget"}


def only_shown(about: Mapping[str, Any], found: Impact, again: str, *, dry_run: bool, as_json: bool) -> None:
    """Answer what hangs on the peer and that nothing was changed; `again` does it. Status 1 where it was to be done."""
    answer(
        {"ok": True, "done": False, **about, "impact": asdict(found), "next": again},
        as_json=as_json,
        lines=[
            *lines_of(found),
            say(f"Nothing was changed. To do it: {again}", f"Rien n’a changé. Pour le faire : {again}"),
        ],
    )
    if not (dry_run or as_json):
        raise typer.Exit(1)


def said_yes(found: Impact, what: str) -> bool:
    """Show what hangs on the peer and ask whether `what` is meant, on a terminal; False where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    for line in lines_of(found):
        remark(line)
    words = say(f"{what}. Type yes:", f"{what}. Tapez oui :")
    return typer.prompt(words, default="", show_default=False, err=True).strip().lower() in {"yes", "oui"}


def told(folder: Path, story: Any) -> Any:
    """Tell a story in the world of the folder; what it takes is loaded only now."""
    from fedcoop.cli.worlds import in_world

    return in_world(folder, story)


def _said(peer: Peer, *, as_json: bool, impact: Impact | None = None) -> None:
    document = {
        "ok": True,
        "done": True,
        "origin": peer.origin,
        "state": peer.state,
        "network": peer.network,
        "note": peer.note,
        "reason": peer.reason,
        "decidedBy": peer.decided_by,
    }
    if impact is not None:
        document["impact"] = asdict(impact)
    line = say(f"{peer.origin} is {peer.state}.", f"{peer.origin} est {word(peer.state)}.")
    undo = say("  To take it back: fedcoop peer unblock", "  Pour revenir en arrière : fedcoop peer unblock")
    answer(
        document,
        as_json=as_json,
        lines=[line, *([undo] if impact is not None and not impact.nothing else [])],
    )


def lines_of(found: Impact) -> Iterator[str]:
    """Yield what hangs on a peer, a line for each thing, in the language of the run."""

    def states(counted: Mapping[str, int]) -> str:
        total = sum(counted.values())
        return f"{total} ({', '.join(f'{n} {state}' for state, n in counted.items())})" if total else "0"

    shown = found.proposals_shown_to_them
    yield say("What hangs on it:", "Ce qui en dépend :")
    yield say(
        f"  follows of ours by them: {found.followers}, of theirs by us: {found.following}",
        f"  abonnements : {found.followers} des leurs aux nôtres, {found.following} des nôtres aux leurs",
    )
    yield say(
        f"  people in engagements under way: {found.our_members} of ours, {found.their_members} of theirs",
        f"  personnes dans des engagements en cours : {found.our_members} chez nous, {found.their_members} chez eux",
    )
    yield say(
        f"  open proposals: {shown} of ours shown to them, {found.proposals_of_theirs} of theirs here",
        f"  annonces ouvertes : {shown} des nôtres chez eux, {found.proposals_of_theirs} des leurs ici",
    )
    yield say("  missions under way: ", "  missions en cours : ") + states(found.missions)
    yield say("  engagements under way: ", "  engagements en cours : ") + states(found.engagements)
    yield say(f"  deliveries waiting: {found.deliveries}", f"  remises en attente : {found.deliveries}")


# -- looking ----------------------------------------------------------------------------------------------------


def list_(folder: Folder, as_json: AsJson = False) -> None:
    """List the peers, and who knocked."""
    from fedcoop.flow import lists
    from fedcoop.flow.peering import dossiers

    async def look(world: World) -> tuple[tuple[Dossier, ...], int, list[str]]:
        wrong = [held.id for held in await lists.lists(world) if held.problem]
        return await dossiers(world), len(await lists.drafts(world)), wrong

    found, asked, wrong = told(folder, look)
    waiting = say(
        f"Your lists ask {asked} things: fedcoop peer drafts",
        f"Vos listes demandent {asked} choses : fedcoop peer drafts",
    )
    answer(
        {"ok": True, "peers": [_document(one) for one in found], "drafts": asked, "listProblems": wrong},
        as_json=as_json,
        lines=[
            *(line for one in found for line in _lines(one)),
            *([waiting] if asked else []),
            *(
                say(f"NOT TAKEN: {one} → fedcoop peer lists", f"NON PRISE : {one} → fedcoop peer lists")
                for one in wrong
            ),
        ]
        or [
            say(
                "Nobody yet: fedcoop peer allow DIR ORIGIN", "Personne encore : fedcoop peer allow DIR ORIGIN"
            )
        ],
    )


def show(folder: Folder, origin: Origin, as_json: AsJson = False) -> None:
    """Show one peer with its whole history."""
    from fedcoop.flow.peering import dossier, impact_of

    async def look(world: World) -> tuple[Dossier, Impact]:
        return await dossier(world, origin.rstrip("/")), await impact_of(world, origin.rstrip("/"))

    found, impact = told(folder, look)
    if not (found.peer or found.knocked or found.agreements) and impact.nothing:
        raise Failed(
            "not-found",
            say(f"Nothing is known of {found.origin}.", f"On ne sait rien de {found.origin}."),
            next_step="fedcoop peer list",
        )
    history = [
        f"  {d.decided_at:%Y-%m-%d %H:%M}  {word(d.state):<9} {d.decided_by or '?'}"
        f"{f' ({d.source})' if d.source != 'operator' else ''}  {d.reason or d.note}".rstrip()
        for d in found.decisions
    ]
    answer(
        {
            "ok": True,
            **_document(found),
            "decisions": [_plain(d) for d in found.decisions],
            "impact": asdict(impact),
        },
        as_json=as_json,
        lines=[*_lines(found), *history, *lines_of(impact)],
    )


def _document(one: Dossier) -> dict[str, Any]:
    """Return what the list says of a peer as JSON; `since` is that of the decision or of the first knock."""
    peer, knocked = one.peer, one.knocked
    since = peer.since if peer is not None else knocked.first_at if knocked is not None else None
    last = one.decisions[-1] if one.decisions else None
    return {
        "origin": one.origin,
        "state": peer.state if peer is not None else "pending",
        "network": peer.network if peer is not None else False,
        "note": peer.note if peer is not None else "",
        "reason": peer.reason if peer is not None else "",
        "decidedBy": peer.decided_by if peer is not None else "",
        "source": last.source if last is not None else "knock" if knocked is not None else "",
        "since": since.isoformat() if since is not None else None,
        "agreements": [described(c) for c in one.agreements],
        "knocked": _plain(knocked) if knocked is not None else None,
        "answeredUs": _plain(one.answer) if one.answer is not None else None,
    }


def _plain(record: Any) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in asdict(record).items()}


def _lines(one: Dossier) -> Iterator[str]:
    peer, knocked, theirs = one.peer, one.knocked, one.answer
    state = word(peer.state if peer is not None else "pending")
    network = say("network", "réseau") if peer is not None and peer.network else ""
    words = (peer.note or peer.reason) if peer is not None else ""
    by = f"({peer.decided_by}, {peer.since:%Y-%m-%d})" if peer is not None and peer.decided_by else ""
    yield f"{state:<10} {network:<8} {one.origin}  {words} {by}".rstrip()
    for chain in one.agreements:
        yield f"           {line_of(chain)}"
    if knocked is not None:
        yield say(
            f"           knocked {knocked.times} times, last {knocked.last_at:%Y-%m-%d %H:%M}; not verified",
            f"           a frappé {knocked.times} fois, dernière {knocked.last_at:%Y-%m-%d %H:%M} ; non vérifié",
        )
    if theirs is not None:
        yield say(
            f"           refuses us since {theirs.at:%Y-%m-%d %H:%M}: {theirs.code} {theirs.reason}",
            f"           nous refuse depuis le {theirs.at:%Y-%m-%d %H:%M} : {theirs.code} {theirs.reason}",
        )


def word(state: str) -> str:
    """Return the name of a state in the language of the run."""
    french = {
        "pending": "en attente",
        "allowed": "admise",
        "limited": "limitée",
        "frozen": "gelée",
        "blocked": "bloquée",
    }
    return say(state, french.get(state, state))
