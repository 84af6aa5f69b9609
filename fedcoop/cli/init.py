"""`fedcoop init`: a new instance, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcoop.cli.answer import AsJson, Failed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.store.sealing import Place

HELP = say(
    "Found a new instance in DIR.\n\nSettings, database, keys, the co-op’s actor and first rules: all, or nothing.",
    "Fonde une nouvelle instance dans DIR.\n\nRéglages, base de données, clés, acteur de la coopérative et premières "
    "règles : tout, ou rien.",
)


NewFolder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help=say("A folder that does not exist yet.", "Un dossier qui n’existe pas encore."),
    ),
]
BaseUrl = Annotated[
    str,
    typer.Option(
        "--base-url",
        metavar="URL",
        help=say(
            "Public address, for good: https://coop.example",
            "Adresse publique, définitive : https://coop.example",
        ),
    ),
]
DefaultLanguage = Annotated[
    str,
    typer.Option(
        "--language",
        metavar="fr|en",
        help=say("Default language of its pages.", "Langue par défaut de ses pages."),
    ),
]
Database = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        help=say(
            "An empty PostgreSQL database: postgresql+asyncpg://user@host/name (by default an SQLite file in DIR).",
            "Une base PostgreSQL vide : postgresql+asyncpg://user@host/name (par défaut un fichier SQLite dans "
            "DIR).",
        ),
    ),
]
AllowOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        metavar="URL",
        help=say(
            "Development only: an origin that may be plain http or private (repeatable).",
            "Développement seulement : une origine qui peut être en http ou privée (répétable).",
        ),
    ),
]


def init(
    folder: NewFolder,
    base_url: BaseUrl,
    name: Annotated[str, typer.Option("--name", help=say("Name of the co-op.", "Nom de la coopérative."))],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="CODE",
            help=say(
                "What it is: cae, scop, scic … (repeatable).",
                "Ce qu’elle est : cae, scop, scic … (répétable).",
            ),
        ),
    ] = None,
    commune: Annotated[
        str,
        typer.Option(
            "--commune",
            metavar="INSEE",
            help=say("Where it is: INSEE code such as 69123.", "Où elle est : code INSEE comme 69123."),
        ),
    ] = "",
    language: DefaultLanguage = "fr",
    database: Database = "",
    allow_origin: AllowOrigins = None,
    as_json: AsJson = False,
) -> None:
    """Found an instance and print who it is and the operator's token."""
    import asyncio

    from fedcoop import app
    from fedcoop.config import load

    check_empty(folder)
    new = app.NewInstance(
        base_url=base_url.rstrip("/"),
        name=name,
        kinds=tuple(kind or ()),
        commune=commune or None,
        language=language,
        database=database,
        allow_origins=tuple(allow_origin or ()),
    )
    founded = asyncio.run(app.create(folder, new))
    place = app.key_place(load(folder))
    document = {
        "ok": True,
        "folder": str(folder),
        "base": new.base_url,
        "id": founded.coop,
        "inbox": f"{founded.coop}/inbox",
        "outbox": f"{founded.coop}/outbox",
        "token": founded.token,
        "keyFile": str(place.file) if place.kind == "keyFile" else None,
    }
    answer(
        document,
        as_json=as_json,
        lines=(
            say(f"{name} is founded in {folder}.", f"{name} est fondée dans {folder}."),
            f"  id      {document['id']}",
            f"  inbox   {document['inbox']}",
            f"  outbox  {document['outbox']}",
            f"  {say('token', 'jeton'):<7} {document['token']}",
            say(
                "Keep the token: it is shown once, and it speaks for the co-op.",
                "Gardez le jeton : il n’est montré qu’une fois, et il parle pour la coopérative.",
            ),
            _backup(place),
            say(f"Next: fedcoop serve {folder}", f"Ensuite : fedcoop serve {folder}"),
        ),
    )


def check_empty(folder: Path) -> None:
    """Raise Failed unless something can be founded in `folder`: there is nothing there."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        known = (folder / "fedcoop.toml").exists()
        raise Failed(
            "instance-exists" if known else "folder-not-empty",
            say(f"{folder} already holds an instance.", f"{folder} contient déjà une instance.")
            if known
            else say(f"{folder} is not an empty folder.", f"{folder} n’est pas un dossier vide."),
            next_step=say(
                "Name another folder; nothing was changed.", "Nommez un autre dossier ; rien n’a été changé."
            ),
        )


def _backup(place: Place) -> str:
    """Say what opens the private keys, and what must be kept where."""
    if place.kind == "passphrase":
        return say(
            "The private keys are encrypted with the passphrase of FEDCOOP_KEY_PASSPHRASE: every command and the "
            "server need it.",
            "Les clés privées sont chiffrées avec la phrase secrète de FEDCOOP_KEY_PASSPHRASE : chaque commande et le "
            "serveur en ont besoin.",
        )
    return say(
        f"The private keys are encrypted; {place.file} opens them. Back it up apart from this folder: without it the "
        "keys are lost, and with it anybody who has the folder speaks as you.",
        f"Les clés privées sont chiffrées ; {place.file} les ouvre. Sauvegardez-le à part de ce dossier : sans lui les "
        "clés sont perdues, et avec lui quiconque a le dossier parle à votre place.",
    )
