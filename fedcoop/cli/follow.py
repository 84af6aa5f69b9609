"""`fedcoop follow`: hear of what another co-op publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedcoop.cli.answer import AsJson, answer
from fedcoop.cli.speech import say

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
    from fedcoop.flow.outbound import publish
    from fedcoop.protocol.messages import Intent

    published = in_world(
        folder, lambda world: publish(Intent(world.instance.coop, "Follow", {"object": actor}), world=world)
    )
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
