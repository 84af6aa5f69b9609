"""`fedcoop follow`: hear of what another co-op publishes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcoop.cli.answer import AsJson, Failed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.flow.outbound import Published
    from fedcoop.flow.world import World

HELP = say(
    "Follow another co-op’s actor, as this co-op.",
    "Suit l’acteur d’une autre coopérative, au nom de celle-ci.",
)


def follow(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
    ],
    actor: Annotated[
        str,
        typer.Argument(
            metavar="ACTOR_ID",
            help=say("Its id: https://coop.example/actors/coop", "Son id : https://coop.example/actors/coop"),
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say Follow; it is delivered while the instance is being served."""
    from fedcoop.cli.worlds import in_world

    published = in_world(folder, lambda world: _follow(world, actor))
    answer(
        {"ok": True, "activity": published.activity_id, "actor": actor},
        as_json=as_json,
        lines=[
            say(
                f"Asked to follow {actor}; delivered as soon as this instance is served.",
                f"Demande de suivre {actor} ; remise dès que cette instance est servie.",
            )
        ],
    )


async def _follow(world: World, actor: str) -> Published:
    """Say Follow, if it can arrive. Raises Failed when our own allow-list would not let it out."""
    from fedcoop.flow.outbound import publish
    from fedcoop.protocol.ids import origin
    from fedcoop.protocol.messages import Intent

    host = origin(actor)
    peer = await world.store.read(lambda reader: reader.peer(host))
    if peer is None or peer.state not in {"allowed", "limited"}:
        raise Failed(
            "not-in-allow-list",
            say(f"{host} is not in your allow-list.", f"{host} n’est pas dans votre liste d’admission."),
            next_step=say(
                f"First: fedcoop peer allow DIR {host}", f"D’abord : fedcoop peer allow DIR {host}"
            ),
        )
    return await publish(Intent(world.instance.coop, "Follow", {"object": actor}), world=world)
