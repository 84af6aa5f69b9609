"""`fedcoop token`: what each member's programs may do, until when, and the end of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.flow.world import World
    from fedcoop.ports import Token

HELP = say("Access tokens of members.", "Jetons d’accès des membres.")
HELP_LIST = say(
    "List a member's tokens, and the programs that the member allowed.",
    "Liste les jetons d’un membre, et les programmes qu’il a autorisés.",
)
HELP_NEW = say(
    "Make a token for a member.\n\nIt is shown once. Without --scope it may read, write and follow.",
    "Crée un jeton pour un membre.\n\nIl n’est montré qu’une fois. Sans --scope il permet read, write et follow.",
)
HELP_REVOKE = say("Revoke a member's token, or all.", "Révoque un jeton d’un membre, ou tous.")

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]
Member = Annotated[
    str,
    typer.Argument(
        metavar="MEMBER",
        help=say("Username or id; `coop` is the co-op.", "Nom court ou id ; `coop` est la coopérative."),
    ),
]


def list_(folder: Folder, member: Member, as_json: AsJson = False) -> None:
    """List what is kept of a member's tokens."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import access

    async def find(world: World) -> tuple[Token, ...]:
        return await access.tokens_of(world, await actor_named(member, world))

    found = in_world(folder, find)
    answer(
        {"ok": True, "tokens": [_document(token) for token in found]},
        as_json=as_json,
        lines=[_line(token) for token in found] or [say("No token.", "Aucun jeton.")],
    )


def new(
    folder: Folder,
    member: Member,
    name: Annotated[
        str,
        typer.Option("--name", help=say("What it is for.", "À quoi il sert.")),
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help=say(
                "read, write, follow, tokens or operate (repeatable).",
                "read, write, follow, tokens ou operate (répétable).",
            ),
        ),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", help=say("How long it lasts.", "Durée en jours."), min=1)
    ] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import access
    from fedcoop.flow.access import NewToken

    async def make(world: World) -> NewToken:
        actor = await actor_named(member, world)
        life = timedelta(days=min(days, 10_000))
        return await access.new_token(
            world, actor, name=name, wanted=scope or ("read", "write", "follow"), life=life
        )

    made = in_world(folder, make)
    answer(
        {"ok": True, "token": made.secret, **_document(made.kept)},
        as_json=as_json,
        lines=(
            f"{say('token', 'jeton'):<7} {made.secret}",
            _line(made.kept),
            say(
                "Give the token to that person only: it is shown once.",
                "Ne donnez le jeton qu’à cette personne : il n’est montré qu’une fois.",
            ),
        ),
    )


def revoke(
    folder: Folder,
    member: Member,
    token: Annotated[
        str,
        typer.Argument(metavar="[ID]", help=say("Id, as listed.", "Id, comme dans la liste.")),
    ] = "",
    every: Annotated[bool, typer.Option("--all", help=say("Revoke all.", "Révoque tous."))] = False,
    as_json: AsJson = False,
) -> None:
    """Revoke one token, or all: the next request with it is refused."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import access

    if bool(token) == every:
        raise WronglyUsed("usage", say("Give one ID, or --all.", "Donnez un ID, ou --all."))

    async def end(world: World) -> int:
        actor = await actor_named(member, world)
        if every:
            return await access.revoke_all(world, actor)
        await access.revoke(world, actor, token)
        return 1

    count = in_world(folder, end)
    answer(
        {"ok": True, "revoked": count},
        as_json=as_json,
        lines=[say(f"Revoked: {count}.", f"Révoqués : {count}.")],
    )


async def actor_named(name: str, world: World) -> str:
    """Return the id of the actor of ours who is called so. Raises Failed when there is none."""
    instance = world.instance
    actor = name if instance.hosts(name) else f"{instance.base}/actors/{name}"
    found = await world.store.read(lambda reader: reader.actor(actor))
    if found is None or not found.local or found.id == instance.application:
        raise Failed(
            "not-found",
            say(f"There is no member {name!r} here.", f"Il n’y a pas de membre {name!r} ici."),
            next_step="fedcoop member list DIR",
        )
    return found.id


def _document(token: Token) -> dict[str, Any]:
    from fedcoop.protocol.times import write_time

    return {
        "id": token.id,
        "actor": token.actor,
        "name": token.name,
        "client": token.client,
        "scopes": list(token.scopes),
        "created": write_time(token.created),
        "expires": None if token.expires is None else write_time(token.expires),
        "used": None if token.used is None else write_time(token.used),
    }


def _line(token: Token) -> str:
    end = f"{token.expires:%Y-%m-%d}" if token.expires else say("no end", "sans fin")
    used = f"{token.used:%Y-%m-%d}" if token.used else say("never used", "jamais servi")
    name = token.name if token.client is None else f"{token.name} ({token.client})"
    return f"{token.id}  {' '.join(token.scopes):<24}  {end:<10}  {used:<12}  {name}"
