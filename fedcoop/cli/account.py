"""`fedcoop account`: who may sign in to the pages with a password, and what they are here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from fedcoop.cli.answer import AsJson, WronglyUsed, answer
from fedcoop.cli.speech import say
from fedcoop.cli.token import Folder, Member, actor_named

if TYPE_CHECKING:
    from fedcoop.flow.accounts import Invitation
    from fedcoop.flow.world import World
    from fedcoop.ports import Account
    from fedcoop.protocol.roles import RoleName

HELP = say("Accounts: signing in with a password.", "Comptes : se connecter par mot de passe.")
HELP_INVITE = say(
    "Invite somebody to set a password.\n\nPrints a link that works once; give it to that person only.",
    "Invite quelqu’un à choisir un mot de passe.\n\nAffiche un lien à usage unique ; à ne donner qu’à cette personne.",
)
HELP_LIST = say("List the accounts.", "Liste les comptes.")
HELP_RESET = say(
    "Take a password away, for another to be set.\n\nEnds every sign-in and token of its owner, and prints a link.",
    "Retire un mot de passe, pour en choisir un autre.\n\nMet fin à ses connexions et jetons, et affiche un lien.",
)
HELP_REVOKE = say(
    "End an account.\n\nAnd every sign-in and token of its owner, who stays a member.",
    "Met fin à un compte.\n\nEt à toute connexion et tout jeton de son titulaire, qui reste membre.",
)

Role = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="member|operator",
        help=say(
            "What they are here; an operator sees peers and deliveries.",
            "Ce qu’elle est ici ; `operator` voit les pairs et les remises.",
        ),
        show_default=False,
    ),
]
Hours = Annotated[
    float,
    typer.Option(
        "--hours",
        min=0.1,
        help=say("How long the link lasts, 72 at most.", "Durée du lien en heures, 72 au plus."),
        show_default=False,
    ),
]


def invite(
    folder: Folder, member: Member, role: Role = "member", hours: Hours = 72, as_json: AsJson = False
) -> None:
    """Invite somebody, and print the link, this once."""
    from fedcoop.flow import accounts

    async def make(world: World) -> Invitation:
        actor = await actor_named(member, world)
        return await accounts.invite(world, actor, _role(role), life=timedelta(hours=hours))

    _print(_told(folder, make), as_json=as_json)


def reset(
    folder: Folder, member: Member, role: Role = "", hours: Hours = 0.5, as_json: AsJson = False
) -> None:
    """Take a password away, and print the link for another, this once."""
    from fedcoop.flow import accounts

    async def make(world: World) -> Invitation:
        actor = await actor_named(member, world)
        chosen = _role(role) if role else None
        return await accounts.reset(world, actor, chosen, life=timedelta(hours=hours))

    _print(_told(folder, make), as_json=as_json)


def list_(folder: Folder, as_json: AsJson = False) -> None:
    """List the accounts."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.accounts import list_accounts

    found = in_world(folder, list_accounts)
    answer(
        {"ok": True, "accounts": [_document(account) for account in found]},
        as_json=as_json,
        lines=[_line(account) for account in found]
        or [
            say(
                "Nobody yet: fedcoop account invite DIR MEMBER",
                "Personne : fedcoop account invite DIR MEMBER",
            )
        ],
    )


def revoke(folder: Folder, member: Member, as_json: AsJson = False) -> None:
    """End an account."""
    from fedcoop.flow import accounts

    async def end(world: World) -> int:
        return await accounts.revoke(world, await actor_named(member, world))

    count = _told(folder, end)
    answer(
        {"ok": True, "ended": count},
        as_json=as_json,
        lines=[
            say(
                f"The account has ended, and {count} sign-ins and tokens with it.",
                f"Le compte est clos, avec {count} connexions et jetons.",
            )
        ],
    )


def _told(folder: Path, story: Any) -> Any:
    from fedcoop.cli.worlds import in_world

    return in_world(folder, story)


def _role(name: str) -> RoleName:
    from fedcoop.protocol.roles import RoleName

    found: RoleName | None = next((one for one in get_args(RoleName) if one == name), None)
    if found is None:
        known = ", ".join(get_args(RoleName))
        raise WronglyUsed(
            "usage", say(f"There is no role {name!r}: {known}.", f"Il n’y a pas de rôle {name!r} : {known}.")
        )
    return found


def _print(made: Invitation, *, as_json: bool) -> None:
    until = made.account.invited_until
    answer(
        {"ok": True, "link": made.address, **_document(made.account)},
        as_json=as_json,
        lines=(
            f"{say('link', 'lien'):<5} {made.address}",
            _line(made.account),
            say(
                f"Give the link to that person only: it works once, until {until:%Y-%m-%d %H:%M} UTC.",
                f"Ne donnez le lien qu’à cette personne : il sert une fois, jusqu’au {until:%Y-%m-%d %H:%M} UTC.",
            ),
        ),
    )


def _document(account: Account) -> dict[str, Any]:
    from fedcoop.flow.accounts import name_of
    from fedcoop.protocol.times import write_time

    until = account.invited_until
    return {
        "name": name_of(account.actor),
        "actor": account.actor,
        "role": account.role,
        "passwordSet": write_time(account.since) if account.password else None,
        "invitedUntil": None if until is None else write_time(until),
    }


def _line(account: Account) -> str:
    from fedcoop.flow.accounts import name_of

    state = (
        say(f"password set {account.since:%Y-%m-%d}", f"mot de passe du {account.since:%Y-%m-%d}")
        if account.password
        else say(
            f"invited until {account.invited_until:%Y-%m-%d %H:%M}",
            f"invité·e jusqu’au {account.invited_until:%Y-%m-%d %H:%M}",
        )
    )
    return f"{name_of(account.actor):<20} {account.role:<9} {state}"
