"""`fedcoop keys`: the private keys of an instance, and the secret that opens them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.config import Config
    from fedcoop.flow.keys import Renewed
    from fedcoop.flow.world import Instance, World
    from fedcoop.protocol.keyhistory import Reason
    from fedcoop.store.keyfolder import KeyFolder
    from fedcoop.store.sealing import Place

HELP = say("The keys of this instance’s actors.", "Les clés des acteurs de cette instance.")
HELP_ENCRYPT = say(
    "Encrypt the private keys of an instance that has them open.\n\nWith FEDCOOP_KEY_PASSPHRASE, or with a key file "
    "(made in DIR if there is none). Interrupted at any point, every key can still be read; run it again.",
    "Chiffre les clés privées d’une instance qui les a en clair.\n\nPar FEDCOOP_KEY_PASSPHRASE, ou par un fichier de "
    "clé (créé dans DIR s’il n’y en a pas). Interrompue, elle laisse chaque clé lisible ; relancez-la.",
)
HELP_PASSPHRASE = say(
    "Open the private keys with another secret from now on.\n\nA passphrase, asked for or in "
    "FEDCOOP_NEW_KEY_PASSPHRASE; or a key file. Who has an old backup and the old secret still opens that backup: "
    "if you fear so, rotate the keys.",
    "Ouvre désormais les clés privées avec un autre secret.\n\nUne phrase secrète, demandée ou dans "
    "FEDCOOP_NEW_KEY_PASSPHRASE ; ou un fichier de clé. Qui a une vieille sauvegarde et l’ancien secret ouvre encore "
    "celle-ci : si vous le craignez, renouvelez les clés.",
)

HELP_ROTATE = say(
    "Replace keys by new ones that take over from the old.\n\nThe old ones stay good for `key_overlap_days`; peers go "
    "on hearing you. A running server takes the new ones up by itself. Interrupted, it is finished by the server, or "
    "by running it again.",
    "Remplace des clés par de nouvelles qui prennent le relais.\n\nLes anciennes restent valables `key_overlap_days` "
    "jours ; les pairs continuent de vous entendre. Un serveur en marche prend les nouvelles de lui-même. Interrompue, "
    "elle est achevée par le serveur, ou en la relançant.",
)
HELP_COMPROMISED = say(
    "Give keys up at once: somebody has them, or they are lost.\n\nThe old ones are revoked now; what they sign from "
    "now on is refused, what was recorded before stays as it is. Your co-op (for itself, the instance) vouches for the "
    "new ones. What still waits to be delivered was signed with the old ones and will be refused.",
    "Abandonne des clés sur-le-champ : quelqu’un les a, ou elles sont perdues.\n\nLes anciennes sont révoquées "
    "maintenant ; ce qu’elles signent désormais est refusé, ce qui était enregistré reste. Votre coopérative (pour "
    "elle-même, l’instance) se porte garante des nouvelles. Ce qui attend d’être remis était signé des anciennes et "
    "sera refusé.",
)
HELP_LIST = say(
    "List the keys of every actor: in use, replaced, revoked.",
    "Liste les clés de chaque acteur : en usage, remplacées, révoquées.",
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]


Actors = Annotated[
    list[str] | None,
    typer.Option(
        "--actor",
        metavar="NAME",
        help=say(
            "Whose: a username, coop, instance, or an id (repeatable).",
            "De qui : un nom d’utilisateur, coop, instance, ou un id (répétable).",
        ),
    ),
]
All = Annotated[bool, typer.Option("--all", help=say("Of every actor.", "De tous les acteurs."))]


def rotate(folder: Folder, actor: Actors = None, every: All = False, as_json: AsJson = False) -> None:
    """Rotate keys."""
    _renew(folder, actor or [], every, "rotated", as_json=as_json)


def compromised(folder: Folder, actor: Actors = None, every: All = False, as_json: AsJson = False) -> None:
    """Declare keys compromised."""
    _renew(folder, actor or [], every, "compromised", as_json=as_json)


def _renew(folder: Path, names: list[str], every: bool, reason: Reason, *, as_json: bool) -> None:
    from fedcoop.cli.worlds import in_world
    from fedcoop.config import load
    from fedcoop.flow.keys import renew

    if every == bool(names):
        raise WronglyUsed(
            "usage", say("Name an --actor, or say --all.", "Nommez un --actor, ou dites --all.")
        )
    overlap = load(folder).key_overlap

    async def story(world: World) -> tuple[Renewed, ...]:
        local = await world.store.read(lambda reader: reader.local_actors())
        actors = [a.id for a in local if a.document.get("type") != "Tombstone"]
        chosen = actors if every else [_named(name, world.instance) for name in names]
        return await renew(world, chosen, reason=reason, overlap=overlap)

    done = in_world(folder, story)
    lines = [f"{new.key}  {new.actor}" for new in done]
    if reason == "rotated" and done:
        until = f"{max(new.old_until for new in done):%Y-%m-%d %H:%M} UTC"
        lines.append(
            say(
                f"The old keys are good until {until}.", f"Les anciennes clés sont valables jusqu’au {until}."
            )
        )
    elif done:
        lines.append(
            say(
                "The old keys are revoked, and destroyed here.",
                "Les anciennes clés sont révoquées, et détruites ici.",
            )
        )
    answer(
        {
            "ok": True,
            "reason": reason,
            "keys": [
                {
                    "actor": new.actor,
                    "number": new.number,
                    "key": new.key,
                    "oldUntil": new.old_until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
                for new in done
            ],
        },
        as_json=as_json,
        lines=lines,
    )


def _named(name: str, instance: Instance) -> str:
    if "://" in name:
        return name
    return instance.application if name == "instance" else f"{instance.base}/actors/{name}"


def list_(folder: Folder, as_json: AsJson = False) -> None:
    """List the keys."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.keys import list_keys

    found = in_world(folder, list_keys)
    words = {
        "active": say("in use", "en usage"),
        "overlap": say("replaced", "remplacée"),
        "expired": say("expired", "expirée"),
        "revoked": say("revoked", "révoquée"),
    }
    answer(
        {
            "ok": True,
            "keys": [
                {
                    "actor": key.actor,
                    "id": key.id,
                    "key": key.key,
                    "state": key.state,
                    "until": key.until,
                    "privateKeyHere": key.private,
                }
                for key in found
            ],
        },
        as_json=as_json,
        lines=[f"{words[key.state]:<10} {key.until or '':<20} {key.key}  {key.id}" for key in found],
    )


def encrypt(folder: Folder, as_json: AsJson = False) -> None:
    """Encrypt what lies open."""
    from fedcoop import config as settings
    from fedcoop.store.sealing import write_key_file

    config, place, ring = _opened(folder)
    made = not ring.encrypted and place.kind == "keyFile" and not place.file.exists()
    # A key file that the operator names must be there; only the usual one is made.
    made = made and place.file == config.folder / settings.KEY_FILE
    if made:
        write_key_file(place.file)
    closed = ring.encrypt()
    answer(
        {"ok": True, "encrypted": closed, "keyFile": str(place.file) if place.kind == "keyFile" else None},
        as_json=as_json,
        lines=[
            say(f"{closed} key files encrypted.", f"{closed} fichiers de clés chiffrés.")
            if closed
            else say("They were encrypted already.", "Elles étaient déjà chiffrées."),
            *([_back_up(place.file)] if made else []),
        ],
    )


def passphrase(
    folder: Folder,
    new_key_file: Annotated[
        Path | None,
        typer.Option(
            "--new-key-file",
            metavar="FILE",
            help=say(
                "A key file in place of a passphrase; it is made if it is not there.",
                "Un fichier de clé plutôt qu’une phrase ; il est créé s’il n’existe pas.",
            ),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the secret."""
    from fedcoop.store.sealing import Place, write_key_file

    config, _, ring = _opened(folder)
    if new_key_file is None:
        new = Place(config.key_file, _asked())
    else:
        new = Place(new_key_file.absolute())
        if ring.encrypted and not new.file.exists():
            write_key_file(new.file)
    ring.rewrap(new)
    answer(
        {"ok": True, "secret": new.kind, "keyFile": str(new.file) if new.kind == "keyFile" else None},
        as_json=as_json,
        lines=[
            say(
                "The private keys open with the new passphrase only: set FEDCOOP_KEY_PASSPHRASE for the server and the "
                "commands.",
                "Les clés privées ne s’ouvrent plus qu’avec la nouvelle phrase : réglez FEDCOOP_KEY_PASSPHRASE pour le "
                "serveur et les commandes.",
            )
            if new.kind == "passphrase"
            else say(
                f'The private keys open with {new.file} only: key_file = "{new.file}" in fedcoop.toml, or '
                "FEDCOOP_KEY_FILE.",
                f'Les clés privées ne s’ouvrent plus qu’avec {new.file} : key_file = "{new.file}" dans fedcoop.toml, '
                "ou FEDCOOP_KEY_FILE.",
            ),
            *([_back_up(new.file)] if new.kind == "keyFile" else []),
        ],
    )


def _opened(folder: Path) -> tuple[Config, Place, KeyFolder]:
    from fedcoop.app import key_place
    from fedcoop.config import load
    from fedcoop.store.keyfolder import KeyFolder

    config = load(folder)
    place = key_place(config)
    return config, place, KeyFolder(config.keys_folder, place)


def _asked() -> str:
    """Return the new passphrase: from the environment, else typed twice, unseen."""
    given = os.environ.get("FEDCOOP_NEW_KEY_PASSPHRASE", "")
    if given:
        return given
    if not sys.stdin.isatty():
        raise Failed(
            "no-passphrase",
            say("There is no new passphrase.", "Il n’y a pas de nouvelle phrase secrète."),
            next_step=say(
                "Set FEDCOOP_NEW_KEY_PASSPHRASE, name a --new-key-file, or run it in a terminal.",
                "Réglez FEDCOOP_NEW_KEY_PASSPHRASE, nommez un --new-key-file, ou lancez-la dans un terminal.",
            ),
        )
    return str(
        typer.prompt(
            say("New passphrase", "Nouvelle phrase secrète"),
            hide_input=True,
            confirmation_prompt=True,
            err=True,
        )
    )


def _back_up(file: Path) -> str:
    return say(
        f"Back up {file}, apart from the instance: without it the keys are lost.",
        f"Sauvegardez {file}, à part de l’instance : sans lui les clés sont perdues.",
    )
