"""`fedcoop reconcile`: compare what we share with a peer, and mend it both ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcoop.cli.answer import AsJson, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.flow.reconciling import Compared, Reconciled

HELP = say(
    "Compare shared missions and engagements with a peer.\n\nWhat we lack is fetched and checked as "
    "any message is; what it lacks is sent. May be run again at any time.",
    "Compare avec un pair les missions et engagements partagés.\n\nCe qui nous manque est téléchargé "
    "et contrôlé comme tout message ; ce qui lui manque est envoyé. Peut être relancé à tout moment.",
)


def reconcile(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
    ],
    origin: Annotated[
        str,
        typer.Argument(
            metavar="ORIGIN",
            help=say("Its origin: https://coop.example", "Son origine : https://coop.example"),
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Compare and mend."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import reconciling

    done = in_world(folder, lambda world: reconciling.reconcile(origin.rstrip("/"), world=world))
    differing = [one for one in done.chains if one.standing != "agree"]
    answer(
        {
            "ok": True,
            "peer": done.peer,
            "complete": done.complete,
            "shared": len(done.chains),
            "agree": len(done.chains) - len(differing),
            "differing": [
                {
                    "chain": one.chain,
                    "kind": one.kind,
                    "standing": one.standing,
                    "ours": one.ours,
                    "theirs": one.theirs,
                    "taken": one.taken,
                    "sent": one.sent,
                    "refused": one.refused,
                    "left": one.left,
                }
                for one in differing
            ],
        },
        as_json=as_json,
        lines=_lines(done, differing),
    )


def _lines(done: Reconciled, differing: list[Compared]) -> Iterator[str]:
    shared, agree = len(done.chains), len(done.chains) - len(differing)
    yield say(
        f"{done.peer}: {shared} shared, {agree} alike on both sides, {len(differing)} not.",
        f"{done.peer} : {shared} en commun, {agree} pareils des deux côtés, {len(differing)} non.",
    )
    for one in differing:
        yield f"  {one.kind} {one.chain}"
        yield from (f"    {line}" for line in _told(one))
    if not done.complete:
        yield say(
            "Time or pages ran out: run it again for the rest.",
            "Le temps ou les pages ont manqué : relancez pour la suite.",
        )


def _told(one: Compared) -> Iterator[str]:
    yield say(
        f"we hold {one.ours} steps, they hold {one.theirs}",
        f"nous tenons {one.ours} étapes, eux {one.theirs}",
    )
    if one.standing == "diverged":
        yield say(
            "the last steps are not the same; whoever owns the mission decides",
            "les dernières étapes diffèrent ; qui tient la mission décide",
        )
    if one.taken:
        yield say(f"taken from them: {one.taken}", f"repris chez eux : {one.taken}")
    if one.sent:
        yield say(f"on the way to them: {one.sent}", f"en route vers eux : {one.sent}")
    if one.refused:
        yield say(
            f"a step of theirs was not taken: {one.refused} (docs: /problems/{one.refused})",
            f"une de leurs étapes n’a pas été prise : {one.refused} (voir /problems/{one.refused})",
        )
    if one.left == "theirs-to-fetch":
        yield say(
            "they lack steps of others: let them run the same command",
            "il leur manque des étapes d’autres coopératives : qu’ils lancent la même commande",
        )
    if one.left == "owner-decides":
        yield say(
            "neither of us owns it: reconcile with its owner",
            "ni eux ni nous ne la tenons : comparez avec qui la tient",
        )
