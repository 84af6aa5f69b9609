"""`fedcoop peer`: with whom this instance federates (decision D7, the allow-list in its first form)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fedcoop.cli.answer import AsJson, answer
from fedcoop.cli.speech import say

HELP = say("The allow-list: who federates with us.", "La liste d’admission : qui se fédère avec nous.")
HELP_ALLOW = say("Admit another co-op’s instance.", "Admet l’instance d’une autre coopérative.")
HELP_BLOCK = say(
    "Block an instance: nothing comes in from it, nothing goes out to it.",
    "Bloque une instance : rien n’en vient, rien n’y va.",
)
HELP_LIST = say("List the peers and their state.", "Liste les pairs et leur état.")

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]
Origin = Annotated[
    str,
    typer.Argument(
        metavar="ORIGIN", help=say("Its origin: https://coop.example", "Son origine : https://coop.example")
    ),
]
Note = Annotated[str, typer.Option("--note", help=say("Why; for yourself.", "Pourquoi ; pour vous-même."))]


def allow(
    folder: Folder,
    origin: Origin,
    network: Annotated[
        bool,
        typer.Option(
            "--network",
            help=say(
                "It is of the same network: missions of scope `network` go there.",
                "Elle est du même réseau : les missions de portée `network` y vont.",
            ),
        ),
    ] = False,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Admit a peer."""
    _decide(folder, origin, "allowed", network=network, note=note, as_json=as_json)


def block(folder: Folder, origin: Origin, note: Note = "", as_json: AsJson = False) -> None:
    """Block a peer."""
    _decide(folder, origin, "blocked", network=None, note=note, as_json=as_json)


def _decide(
    folder: Path,
    origin: str,
    state: Literal["allowed", "blocked"],
    *,
    network: bool | None,
    note: str,
    as_json: bool,
) -> None:
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.founding import decide_peer

    peer = in_world(
        folder,
        lambda world: decide_peer(world, origin.rstrip("/"), state, network=network, note=note or None),
    )
    if state == "allowed":
        line = say(f"{peer.origin} is allowed.", f"{peer.origin} est admise.")
    else:
        line = say(f"{peer.origin} is blocked.", f"{peer.origin} est bloquée.")
    answer(
        {"ok": True, "origin": peer.origin, "state": peer.state, "network": peer.network, "note": peer.note},
        as_json=as_json,
        lines=[line],
    )


def list_(folder: Folder, as_json: AsJson = False) -> None:
    """List the peers."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.founding import list_peers

    peers = in_world(folder, list_peers)
    answer(
        {
            "ok": True,
            "peers": [
                {
                    "origin": p.origin,
                    "state": p.state,
                    "network": p.network,
                    "note": p.note,
                    "since": p.since.isoformat(),
                }
                for p in peers
            ],
        },
        as_json=as_json,
        lines=[
            f"{_state(p.state):<9} {say('network', 'réseau') if p.network else '':<8} {p.origin}  {p.note}".rstrip()
            for p in peers
        ]
        or [
            say(
                "Nobody yet: fedcoop peer allow DIR ORIGIN", "Personne encore : fedcoop peer allow DIR ORIGIN"
            )
        ],
    )


def _state(state: str) -> str:
    french = {
        "pending": "en attente",
        "allowed": "admise",
        "limited": "limitée",
        "frozen": "gelée",
        "blocked": "bloquée",
    }
    return say(state, french.get(state, state))
