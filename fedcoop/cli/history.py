"""`fedcoop history`: the whole signed history of a mission, as a file that anybody can verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fedcoop.cli.answer import AsJson, Failed, answer
from fedcoop.cli.speech import say

HELP = say(
    "Write the signed history of a mission.\n\nOr of an offer, a need, an engagement. `fedcoop verify` checks the file "
    "anywhere.",
    "Écrit l’historique signé d’une mission.\n\nOu d’une offre, d’un besoin, d’un engagement. `fedcoop verify` "
    "contrôle le fichier partout.",
)


def history(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|URL",
            help=say("Folder of an instance, or address of one.", "Dossier d’une instance, ou son adresse."),
        ),
    ],
    iri: Annotated[
        str,
        typer.Argument(
            metavar="IRI",
            help=say("Id of the mission, listing or engagement.", "Id de la mission, annonce ou engagement."),
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help=say(
                "File to write (standard output by default).",
                "Fichier à écrire (sortie standard par défaut).",
            ),
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            "--token",
            help=say(
                "Token to read with, when it is not public.", "Jeton de lecture, si ce n’est pas public."
            ),
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write the history document."""
    if source.startswith(("http://", "https://")):
        document = fetched(f"{iri}/history", token=token or None)
    else:
        from fedcoop.cli.worlds import in_world
        from fedcoop.flow import reading

        document = dict(
            in_world(
                Path(source), lambda world: reading.read_history(iri, actor=world.instance.coop, world=world)
            )
        )
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if output is None:
        print(text, end="")
        return
    output.write_text(text, "utf-8")
    answer(
        {"ok": True, "file": str(output), "iri": iri},
        as_json=as_json,
        lines=[
            say(
                f"Written: {output}. Check it: fedcoop verify {output}",
                f"Écrit : {output}. Contrôle : fedcoop verify {output}",
            )
        ],
    )


def fetched(url: str, *, token: str | None = None) -> dict[str, Any]:
    """Return the history document at `url`. Raises Failed."""
    from fedcoop.cli import client

    reply = client.get(url, token=token, accept="application/json")
    if not reply.ok:
        raise client.refused(reply, url)
    try:
        document = reply.json()
    except ValueError as error:
        raise Failed(
            "invalid-file", say(f"{url} did not answer JSON.", f"{url} n’a pas répondu en JSON.")
        ) from error
    if not isinstance(document, dict):
        raise Failed("invalid-file", say(f"{url} is not a history.", f"{url} n’est pas un historique."))
    return document
