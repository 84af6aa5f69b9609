"""`fedcoop identity`: a key of one's own, which says at each co-op: this actor is me.

For members, on their own machine: the key is in a file of theirs, and no co-op's server ever sees it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HELP = say(
    "A key of one’s own that is bound to one’s profile, and can be taken to the next co-op.",
    "Une clé à soi, liée à son profil, que l’on emporte à la prochaine coopérative.",
)
HELP_NEW = say(
    "Make a key of one’s own.\n\nKeep the file: whoever has it can say that they are you, and without it nobody can.",
    "Crée une clé à soi.\n\nGardez le fichier : qui l’a peut dire être vous, et sans lui personne ne le peut.",
)
HELP_BIND = say(
    "Say that an actor is oneself.\n\nWith a token the profile shows it; without one the statement is printed.",
    "Déclare qu’un acteur est soi.\n\nAvec un jeton, le profil le montre ; sans jeton, la déclaration est affichée.",
)
HELP_RELEASE = say(
    "Take a statement off one’s profile.",
    "Retire une déclaration de son profil.",
)
HELP_SHOW = say(
    "Say which keys an actor’s profile proves.",
    "Dit quelles clés le profil d’un acteur prouve.",
)

PREFIX: Final = bytes.fromhex("8026")
"""Multicodec of an Ed25519 private key (its seed follows), as FEP-8b32's example writes one."""

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help=say("The file of the key.", "Le fichier de la clé."))
]
ActorArgument = Annotated[
    str,
    typer.Argument(
        metavar="ACTOR_ID",
        help=say(
            "The profile: https://coop.example/actors/awa", "Le profil : https://coop.example/actors/awa"
        ),
    ),
]
TokenOption = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="FEDCOOP_TOKEN",
        metavar="TOKEN",
        help=say("The member’s access token.", "Le jeton d’accès du membre."),
    ),
]


def new(file: FileArgument, as_json: AsJson = False) -> None:
    """Make a key and write it where nothing is yet, for its owner alone."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from fedcoop.protocol import multibase
    from fedcoop.protocol.multikey import did_key_of

    key = Ed25519PrivateKey.generate()
    did = did_key_of(key.public_key())
    secret = multibase.encode(PREFIX + key.private_bytes_raw())
    text = json.dumps({"did": did, "secretKeyMultibase": secret}, indent=2) + "\n"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise Failed(
            "exists",
            say(f"{file} is there already.", f"{file} existe déjà."),
            next_step=say(
                "Choose another name; a key is not replaced.",
                "Choisissez un autre nom ; une clé ne se remplace pas.",
            ),
        ) from None
    except OSError as error:
        raise Failed(
            "not-writable",
            say(f"{file} cannot be written: {error}.", f"{file} ne peut être écrit : {error}."),
        ) from None
    answer(
        {"ok": True, "did": did, "file": str(file)},
        as_json=as_json,
        lines=[
            did,
            say(
                f"Keep {file} and a copy of it in another place: nobody can make it again.",
                f"Gardez {file}, et une copie ailleurs : personne ne peut le refaire.",
            ),
        ],
    )


def bind(file: FileArgument, actor: ActorArgument, token: TokenOption = "", as_json: AsJson = False) -> None:
    """Sign the statement; with a token, show it on the profile."""
    from datetime import UTC, datetime

    from fedcoop.protocol.identity import sign_statement, with_statement

    statement = sign_statement(actor, key=_key(file), created=datetime.now(UTC))
    if token:
        document = _profile(actor)
        _update(document, with_statement(document, statement), token)
    lines = (
        [
            say(
                f"{actor} shows that it is {statement['subject']}.",
                f"{actor} montre être {statement['subject']}.",
            )
        ]
        if token
        else [json.dumps(statement, ensure_ascii=False, indent=2)]
    )
    answer({"ok": True, "shown": bool(token), "statement": statement}, as_json=as_json, lines=lines)


def release(
    actor: ActorArgument,
    did: Annotated[str, typer.Argument(metavar="DID", help=say("The key to take off.", "La clé à retirer."))],
    token: TokenOption = "",
    as_json: AsJson = False,
) -> None:
    """Take every statement by `did` off the profile; what was said stays true of the past."""
    from fedcoop.protocol.identity import statements, without_subject

    if not token:
        raise WronglyUsed(
            "usage",
            say(
                "Give the member’s token: --token, or FEDCOOP_TOKEN.",
                "Donnez le jeton du membre : --token, ou FEDCOOP_TOKEN.",
            ),
        )
    document = _profile(actor)
    if did not in {one.get("subject") for one in statements(document)}:
        raise Failed(
            "not-found",
            say(f"{actor} does not show {did}.", f"{actor} ne montre pas {did}."),
            next_step=f"fedcoop identity show {actor}",
        )
    _update(document, without_subject(document, did), token)
    answer(
        {"ok": True, "actor": actor, "did": did},
        as_json=as_json,
        lines=[say(f"{actor} no longer shows {did}.", f"{actor} ne montre plus {did}.")],
    )


def show(actor: ActorArgument, as_json: AsJson = False) -> None:
    """Read a profile and say which of its statements hold."""
    from datetime import UTC, datetime

    from fedcoop.protocol.identity import identities, statements

    document = _profile(actor)
    proven = identities(document, now=datetime.now(UTC))
    doubtful = [
        str(one.get("subject"))[:200] for one in statements(document) if one.get("subject") not in proven
    ]
    lines = [
        *(say(f"proven: {did}", f"prouvée : {did}") for did in proven),
        *(say(f"does NOT hold: {did!a}", f"ne tient PAS : {did!a}") for did in doubtful),
    ]
    if not lines:
        lines = [say(f"{actor} shows no key of its own.", f"{actor} ne montre aucune clé à lui.")]
    answer(
        {"ok": not doubtful, "actor": actor, "identities": list(proven), "doubtful": doubtful},
        as_json=as_json,
        lines=lines,
    )
    if doubtful:
        raise typer.Exit(1)


# -- inside -------------------------------------------------------------------------------------------------------


def _key(file: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from fedcoop.errors import Malformed
    from fedcoop.protocol import multibase
    from fedcoop.protocol.multikey import did_key_of

    try:
        read = json.loads(file.read_text("utf-8"))
        raw = multibase.decode(read["secretKeyMultibase"])
        key = Ed25519PrivateKey.from_private_bytes(raw.removeprefix(PREFIX))
        if raw.startswith(PREFIX) and did_key_of(key.public_key()) == read["did"]:
            return key
    except OSError as error:
        raise Failed(
            "not-readable",
            say(f"{file} cannot be read: {error.strerror}.", f"{file} ne peut être lu : {error.strerror}."),
            next_step=f"fedcoop identity new {file}",
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, Malformed):
        pass
    raise Failed(
        "not-a-key",
        say(
            f"{file} holds no key of `fedcoop identity new`.",
            f"{file} ne contient pas de clé de « fedcoop identity new ».",
        ),
        next_step=say("Take it back from your copy.", "Reprenez-la de votre copie."),
    )


def _profile(actor: str) -> dict[str, Any]:
    from fedcoop.cli import client

    reply = client.get(actor)
    document = reply.json() if reply.ok else None
    if not isinstance(document, dict) or document.get("id") != actor:
        raise Failed("not-an-actor", say(f"{actor} is no profile.", f"{actor} n’est pas un profil."))
    return document


def _update(document: dict[str, Any], attachments: list[Any], token: str) -> None:
    from fedcoop.cli import client

    update = {"type": "Update", "object": {"id": document["id"], "attachment": attachments}}
    reply = client.post_outbox(document["outbox"], update, token=token)
    if not reply.ok:
        raise client.refused(reply, document["id"])
