"""`fedcoop lookup`: the stored copy of any object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say

HELP = say(
    "Show the stored copy of an object.\n\nAs the co-op may see it; nothing is fetched.",
    "Montre la copie gardée d’un objet.\n\nTelle que la coopérative peut la voir ; rien n’est téléchargé.",
)


def lookup(
    iri: Annotated[str, typer.Argument(metavar="IRI", help=say("Id of the object.", "Id de l’objet."))],
    stored: Annotated[
        Path | None,
        typer.Option(
            "--stored", metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance.")
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the stored copy, as the co-op may see it."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.errors import NotFound
    from fedcoop.flow import reading

    if stored is None:
        raise WronglyUsed(
            "usage", say("Say whose copy: --stored DIR.", "Dites la copie de qui : --stored DIR.")
        )
    try:
        document = in_world(stored, lambda world: reading.lookup(iri, actor=world.instance.coop, world=world))
    except NotFound as missing:
        raise Failed(
            missing.code, say(f"{iri} is not stored here.", f"{iri} n’est pas gardé ici.")
        ) from missing
    answer(document, as_json=as_json, lines=[json.dumps(document, ensure_ascii=False, indent=2)])
