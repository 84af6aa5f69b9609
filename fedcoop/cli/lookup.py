"""`fedcoop lookup`: the stored copy of any object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli import client
from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer, remark
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.flow.world import World

HELP = say(
    "Show an object.\n\nThe stored copy as the co-op may see it, with --stored; otherwise what its own server "
    "answers to anybody, or with --as what it answers to one of its peers.",
    "Montre un objet.\n\nLa copie gardée, telle que la coopérative peut la voir, avec --stored ; sinon ce que son "
    "propre serveur répond à tout le monde, ou avec --as ce qu’il répond à l’un de ses pairs.",
)


def lookup(
    iri: Annotated[str, typer.Argument(metavar="IRI", help=say("Id of the object.", "Id de l’objet."))],
    stored: Annotated[
        Path | None,
        typer.Option(
            "--stored",
            metavar="DIR",
            help=say(
                "Folder of the instance whose copy it is; nothing is fetched.",
                "Dossier de l’instance dont c’est la copie ; rien n’est téléchargé.",
            ),
        ),
    ] = None,
    reader: Annotated[
        Path | None,
        typer.Option(
            "--as",
            metavar="DIR",
            help=say(
                "Folder of the instance that asks the object's own server, by a signed request.",
                "Dossier de l’instance qui demande au serveur de l’objet, par une requête signée.",
            ),
        ),
    ] = None,
    provenance: Annotated[
        bool,
        typer.Option(
            "--provenance",
            help=say(
                "With --stored: by what way each part came, from which server, when, by which key.",
                "Avec --stored : par quelle voie chaque partie est venue, de quel serveur, quand, par quelle clé.",
            ),
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the stored copy, as the co-op may see it, or what the object's own server answers."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.errors import FedcoopError, NotFound
    from fedcoop.flow import reading

    if stored is not None and reader is not None:
        raise WronglyUsed(
            "usage",
            say(
                "--stored fetches nothing, --as asks: choose one.",
                "--stored ne demande rien, --as demande : choisissez.",
            ),
        )
    if provenance and stored is None:
        raise WronglyUsed(
            "usage",
            say("--provenance goes with --stored.", "--provenance va avec --stored."),
        )
    if reader is not None:
        try:
            document = in_world(reader, lambda world: world.fetcher.document(iri, signed=True))
        except FedcoopError as refusal:
            raise Failed(refusal.code, f"{iri}: {refusal.detail}") from refusal
        answer(document, as_json=as_json, lines=[json.dumps(document, ensure_ascii=False, indent=2)])
        return
    if stored is None:
        _fetched(iri, as_json=as_json)
        return

    async def find(world: World) -> dict[str, Any]:
        own = world.instance.coop
        found = await reading.lookup(iri, actor=own, world=world)
        if not provenance:
            return dict(found)
        return {**found, "fedcoopProvenance": await reading.came(iri, actor=own, world=world, operator=True)}

    try:
        document = in_world(stored, find)
    except NotFound as missing:
        raise Failed(
            missing.code, say(f"{iri} is not stored here.", f"{iri} n’est pas gardé ici.")
        ) from missing
    answer(document, as_json=as_json, lines=[json.dumps(document, ensure_ascii=False, indent=2)])


def _fetched(iri: str, *, as_json: bool) -> None:
    reply = client.get(iri)
    if not reply.ok:
        raise client.refused(reply, iri)
    try:
        document = reply.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Failed("malformed-json", say(f"{iri} did not answer JSON.", f"{iri} n’a pas répondu en JSON."))
    # What answers under another name may be anybody's words about it.
    if document.get("id") != iri:
        remark(
            say(
                f"Its id is {document.get('id')}, not what was asked for.",
                f"Son id est {document.get('id')}, pas ce qui a été demandé.",
            )
        )
    answer(document, as_json=as_json, lines=[json.dumps(document, ensure_ascii=False, indent=2)])
