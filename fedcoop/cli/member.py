"""`fedcoop member`: the people of an instance."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from fedcoop.cli.answer import AsJson, WronglyUsed, answer
from fedcoop.cli.speech import say

HELP = say("Members of the co-op.", "Membres de la coopérative.")
HELP_ADD = say(
    "Add a member.\n\nActor, keys, token; and a membership credential when a status is given.",
    "Ajoute un membre.\n\nActeur, clés, jeton ; et une attestation d’adhésion si un statut est donné.",
)
HELP_LIST = say("List the members.", "Liste les membres.")

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]


def add(
    folder: Folder,
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("Name as shown.", "Nom affiché."))],
    username: Annotated[
        str,
        typer.Option(
            "--username",
            help=say(
                "Short name in addresses (made from NAME by default).",
                "Nom court dans les adresses (tiré de NAME par défaut).",
            ),
        ),
    ] = "",
    status: Annotated[
        str,
        typer.Option(
            "--status",
            metavar="CODE",
            help=say(
                "Work status: cape, cesa, esa, employee …", "Statut de travail : cape, cesa, esa, employee …"
            ),
        ),
    ] = "",
    occupation: Annotated[
        str,
        typer.Option(
            "--occupation", metavar="ROME", help=say("ROME code such as M1855.", "Code ROME comme M1855.")
        ),
    ] = "",
    commune: Annotated[
        str,
        typer.Option(
            "--commune", metavar="INSEE", help=say("INSEE code such as 69123.", "Code INSEE comme 69123.")
        ),
    ] = "",
    skill: Annotated[
        list[str] | None,
        typer.Option(
            "--skill",
            metavar="TEXT",
            help=say(
                "A skill: an ESCO address or words (repeatable).",
                "Une compétence : adresse ESCO ou mots (répétable).",
            ),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a member and print who they are and their token."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.founding import Newcomer, add_member

    newcomer = Newcomer(
        name=name,
        username=username or None,
        status=status or None,
        occupation=rome(occupation) if occupation else None,
        commune=commune or None,
        skills=[named_skill(text) for text in skill or ()],
    )
    member = in_world(folder, lambda world: add_member(world, newcomer))
    document = {
        "ok": True,
        "id": member.id,
        "inbox": member.inbox,
        "outbox": member.outbox,
        "token": member.token,
        "credential": member.credential,
    }
    answer(
        document,
        as_json=as_json,
        lines=(
            say(f"{name} is a member.", f"{name} est membre."),
            f"  id      {member.id}",
            f"  inbox   {member.inbox}",
            f"  outbox  {member.outbox}",
            f"  {say('token', 'jeton'):<7} {member.token}",
            say(
                "Give the token to that person only: it is shown once.",
                "Ne donnez le jeton qu’à cette personne : il n’est montré qu’une fois.",
            ),
        ),
    )


def list_(folder: Folder, as_json: AsJson = False) -> None:
    """List the members."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.world import World
    from fedcoop.ports import StoredActor

    async def find(world: World) -> list[StoredActor]:
        local = await world.store.read(lambda reader: reader.local_actors())
        return sorted((a for a in local if a.kind == "Member"), key=lambda actor: actor.username)

    members = in_world(folder, find)
    answer(
        {
            "ok": True,
            "members": [
                {"id": m.id, "username": m.username, "name": m.document.get("name")} for m in members
            ],
        },
        as_json=as_json,
        lines=[f"{m.username:<24} {m.document.get('name', ''):<32} {m.id}" for m in members]
        or [say("Nobody yet: fedcoop member add DIR NAME", "Personne encore : fedcoop member add DIR NAME")],
    )


def rome(code: str) -> dict[str, str]:
    """Return the SkillRef of a ROME code, with its label. Raises WronglyUsed when it is not one."""
    from fedcoop import app

    label = app.rome_labels().get(code)
    if not re.fullmatch(r"[A-N]\d{4}", code):
        raise WronglyUsed(
            "usage",
            say(
                f"{code!r} is not a ROME code such as M1855.", f"{code!r} n’est pas un code ROME comme M1855."
            ),
        )
    skill = {"type": "SkillRef", "codeSystem": "rome", "code": code, "broaderCode": code[:3]}
    return {**skill, "name": label} if label else skill


def named_skill(text: str) -> dict[str, str]:
    """Return the SkillRef of an ESCO address, or of plain words."""
    if text.startswith(("http://", "https://")):
        return {"type": "SkillRef", "codeSystem": "esco", "conceptUri": text, "name": text.rsplit("/", 1)[-1]}
    return {"type": "SkillRef", "codeSystem": "local", "name": text}
