"""`fedcoop peer propose, accept, reject, end, agreements`: the agreement by which two co-ops federate (decision D7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli.agreed import described, line_of
from fedcoop.cli.answer import AsJson, WronglyUsed, answer
from fedcoop.cli.peer import By, DryRun, Folder, Origin, Yes, only_shown, said_yes, told, who
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.flow.world import World
    from fedcoop.protocol.messages import Chain

HELP_PROPOSE = say(
    "Propose a federation agreement to another co-op.\n\nWhen its operator accepts, each admits the other.",
    "Propose un accord de fédération à une autre coopérative.\n\nSi son opérateur l’accepte, chacune admet l’autre.",
)
HELP_ACCEPT = say(
    "Accept the agreement that a co-op proposes: it is admitted, and admits us.",
    "Accepte l’accord qu’une coopérative propose : elle est admise, et nous admet.",
)
HELP_REJECT = say(
    "Reject the agreement that a co-op proposes.", "Refuse l’accord qu’une coopérative propose."
)
HELP_END = say(
    "End the agreement with a co-op, after its notice; or take our proposal back.\n\nFor what was under way it goes on "
    "to its end: then the peer is frozen.",
    "Met fin à l’accord avec une coopérative, après préavis ; ou retire notre proposition.\n\nCe qui est en cours va à "
    "son terme : le pair est alors gelé.",
)
HELP_AGREEMENTS = say(
    "List the federation agreements, proposals that wait included.",
    "Liste les accords de fédération, avec les propositions en attente.",
)

NEXT: Mapping[str, tuple[str, str]] = {
    "proposed": (
        "It is delivered while this instance is served; the other operator answers it.",
        "Il est remis dès que cette instance est servie ; l’autre opérateur y répond.",
    ),
    "active": (
        "Each admits the other. To hear of what it publishes: fedcoop follow",
        "Chacune admet l’autre. Pour suivre ses annonces : fedcoop follow",
    ),
}
"""What to say after an agreement came to a state."""


def propose(
    folder: Folder,
    origin: Origin,
    actor: Annotated[
        str,
        typer.Option(
            "--actor",
            metavar="ID",
            help=say(
                "The other co-op’s id, when it is not ORIGIN/actors/coop.",
                "L’id de l’autre coopérative, si ce n’est pas ORIGIN/actors/coop.",
            ),
        ),
    ] = "",
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="CODE",
            help=say(
                "What it is about; missions, offers, needs when left out. May be repeated.",
                "Son objet ; missions, offers, needs si rien n’est dit. Peut se répéter.",
            ),
            show_default=False,
        ),
    ] = None,
    notice: Annotated[
        str,
        typer.Option(
            "--notice",
            metavar="DURATION",
            help=say("Notice before it ends, such as P30D.", "Préavis de fin, par exemple P30D."),
        ),
    ] = "P30D",
    until: Annotated[
        str,
        typer.Option(
            "--until",
            metavar="TIME",
            help=say(
                "When it ends by itself, such as 2027-12-31T23:00:00Z.",
                "Quand il finit de lui-même, par exemple 2027-12-31T23:00:00Z.",
            ),
        ),
    ] = "",
    referral: Annotated[
        str,
        typer.Option(
            "--referral-rate",
            metavar="RATE",
            help=say(
                "Share for who brings work, such as 0.03.", "Part de qui apporte l’affaire, par exemple 0.03."
            ),
        ),
    ] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say Offer(FederationAgreement)."""
    from fedcoop.flow import federating
    from fedcoop.protocol.model import CODE_LISTS

    unknown = [code for code in scopes or [] if code not in CODE_LISTS["Scope"]]
    if unknown:
        codes = ", ".join(CODE_LISTS["Scope"])
        raise WronglyUsed(
            "usage",
            say(
                f"--scope is one of {codes}, not {unknown[0]!r}.",
                f"--scope vaut {codes}, pas {unknown[0]!r}.",
            ),
        )
    given = {
        "scopes": scopes or None,
        "noticePeriod": notice,
        "validUntil": until or None,
        "referralRate": referral or None,
    }
    terms = {name: value for name, value in given.items() if value is not None}

    def story(world: World) -> Any:
        return federating.propose(world, origin.rstrip("/"), terms=terms, actor=actor or None, by=who(by))

    _said(told(folder, story), as_json=as_json)


def accept(folder: Folder, origin: Origin, by: By = "", as_json: AsJson = False) -> None:
    """Say Accept of what they propose."""
    from fedcoop.flow import federating

    _said(
        told(folder, lambda world: federating.accept(world, origin.rstrip("/"), by=who(by))), as_json=as_json
    )


def reject(folder: Folder, origin: Origin, by: By = "", as_json: AsJson = False) -> None:
    """Say Reject of what they propose."""
    from fedcoop.flow import federating

    _said(
        told(folder, lambda world: federating.reject(world, origin.rstrip("/"), by=who(by))), as_json=as_json
    )


def end(
    folder: Folder,
    origin: Origin,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Say Undo, once what hangs on the peer was shown."""
    from fedcoop.flow import federating
    from fedcoop.flow.peering import impact_of

    origin = origin.rstrip("/")
    found = told(folder, lambda world: impact_of(world, origin))
    ending = say(f"The agreement with {origin} ends", f"L’accord avec {origin} prend fin")
    if dry_run or (not found.nothing and not yes and (as_json or not said_yes(found, ending))):
        again = f"fedcoop peer end {folder} {origin} --yes"
        only_shown({"origin": origin}, found, again, dry_run=dry_run, as_json=as_json)
        return
    _said(told(folder, lambda world: federating.end(world, origin, by=who(by))), as_json=as_json)


def agreements(folder: Folder, as_json: AsJson = False) -> None:
    """List them all, the oldest first."""
    from fedcoop.flow import federating

    found: tuple[Chain, ...] = told(folder, federating.agreements)
    answer(
        {"ok": True, "agreements": [described(c) for c in found]},
        as_json=as_json,
        lines=[line_of(c) for c in found]
        or [
            say("None yet: fedcoop peer propose DIR ORIGIN", "Aucun encore : fedcoop peer propose DIR ORIGIN")
        ],
    )


def _said(chain: Chain, *, as_json: bool) -> None:
    after = NEXT.get(chain.state)
    answer(
        {"ok": True, "done": True, "agreement": described(chain)},
        as_json=as_json,
        lines=[line_of(chain), *([f"  {say(*after)}"] if after is not None else [])],
    )
