"""`fedcoop serve`: answer for an instance until told to stop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fedcoop.cli.answer import AsJson, answer, remark
from fedcoop.cli.speech import say

HELP = say(
    "Serve the instance in DIR until Ctrl-C.\n\nWhat was begun is finished before it ends.",
    "Sert l’instance du dossier DIR jusqu’à Ctrl-C.\n\nCe qui est commencé est terminé avant l’arrêt.",
)


def serve(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
    ],
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help=say(
                "Address to listen on (setting `host` by default).",
                "Adresse d’écoute (par défaut le réglage `host`).",
            ),
        ),
    ] = "",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help=say(
                "Port to listen on (setting `port` by default).",
                "Port d’écoute (par défaut le réglage `port`).",
            ),
            show_default=False,
        ),
    ] = 0,
    ready_json: Annotated[
        bool,
        typer.Option(
            "--ready-json",
            help=say("Print one JSON line once it answers.", "Affiche une ligne JSON dès qu’elle répond."),
        ),
    ] = False,
    tethered: Annotated[
        bool,
        typer.Option(
            "--tethered", hidden=True, help="Stop when standard input closes: with whoever started it."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from fedcoop import app
    from fedcoop.config import load

    config = load(folder)

    def announce(ready: Mapping[str, Any]) -> None:
        if ready_json or as_json:
            print(json.dumps(ready, ensure_ascii=False, separators=(",", ":")), flush=True)
        else:
            answer(
                ready,
                as_json=False,
                lines=(
                    say(
                        f"Serving {ready['base']} – Ctrl-C stops it.",
                        f"En service : {ready['base']} – Ctrl-C l’arrête.",
                    ),
                ),
            )

    if config.allow_origins:
        origins = ", ".join(sorted(config.allow_origins))
        remark(
            say(
                f"DEVELOPMENT: these origins may be plain http or private: {origins}. Never on a public server.",
                f"DÉVELOPPEMENT : origines admises en http ou privées : {origins}. Jamais sur un serveur public.",
            )
        )
    asyncio.run(app.serve(config, host=host or None, port=port or None, announce=announce, tethered=tethered))
    remark(say("Stopped; nothing was left half-done.", "Arrêtée ; rien n’est resté à moitié fait."))
