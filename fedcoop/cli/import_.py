"""`fedcoop import`: take co-operatives, members and missions of a federation file into one instance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcoop.cli.answer import AsJson, answer, progress
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.cli.synthetic import Federation, SourceMember
    from fedcoop.flow.founding import Newcomer
    from fedcoop.flow.world import World

HELP = say(
    "Take in co-ops of a federation file.\n\nTheir members with credentials, a fixed-price rule each, their missions. "
    "What is already there is left alone.",
    "Accueille des coopératives d’un fichier de fédération.\n\nLeurs membres avec attestation, une règle de prix fixe "
    "chacune, leurs missions. Ce qui est déjà là n’est pas touché.",
)


def import_federation(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=say("The federation file.", "Le fichier de fédération."))
    ],
    coops: Annotated[
        str,
        typer.Option(
            "--coops",
            metavar="SLUG,SLUG…",
            help=say(
                "Which co-ops of the file (all by default).",
                "Quelles coopératives du fichier (toutes par défaut).",
            ),
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Import; what is already there is left alone, so an interrupted import is simply run again."""
    from fedcoop.cli import synthetic
    from fedcoop.cli.worlds import in_world

    federation = synthetic.read(file)
    share = federation.share([slug.strip() for slug in coops.split(",") if slug.strip()] or federation.coops)
    words = {
        "members": say("Members", "Membres"),
        "rules": say("Pricing rules", "Règles de prix"),
        "missions": say("Missions", "Missions"),
    }
    totals = {"members": len(share.members), "rules": len(share.coops), "missions": len(share.missions)}
    with progress() as shown:
        tasks = {name: shown.add_task(words[name], total=totals[name]) for name in words}
        taken = in_world(
            folder, lambda world: _take_in(world, share, step=lambda name, n: shown.advance(tasks[name], n))
        )
    counted = {name: {"added": taken[name], "already": totals[name] - taken[name]} for name in totals}
    answer(
        {"ok": True, "coops": list(share.coops), **counted},
        as_json=as_json,
        lines=[
            say(
                f"{words[name]}: {counted[name]['added']} added, {counted[name]['already']} already there.",
                f"{words[name]} : {counted[name]['added']} ajoutés, {counted[name]['already']} déjà là.",
            )
            for name in words
        ],
    )


async def _take_in(world: World, share: Federation, *, step: Callable[[str, int], None]) -> dict[str, int]:
    """Add what is not there yet; return how many members, rules and missions were added."""
    from fedcoop.cli.publishing import Line, rehearse, speak
    from fedcoop.cli.synthetic import mission_document, pricing_rule
    from fedcoop.flow.founding import add_members, place_of, publish_rule

    coop, base = world.instance.coop, world.instance.base
    # Everything is looked at before anything is written: communes here, the missions' guards in the rehearsal.
    rules = {slug: f"{base}/rules/fixed-{slug}" for slug in share.coops}
    lines = [
        Line(
            source=f"missions[n={mission.number}]",
            document=mission_document(
                mission, rule=rules[mission.coop.slug], place=lambda commune: place_of(world, commune)
            ),
            key=f"import/{mission.coop.slug}/{mission.number}",
        )
        for mission in share.missions
    ]
    newcomers = [_newcomer(member) for member in share.members]
    new_rules = 0
    for slug, rule in rules.items():
        new_rules += not await _is_there(world, rule)
        await publish_rule(
            world, name=f"fixed-{slug}", rule=pricing_rule(share.coops[slug], effective_from=world.clock())
        )
        step("rules", 1)
    faults = await rehearse(world, coop, lines[:1])
    if faults:
        raise faults[0].refusal
    members = await add_members(world, newcomers)
    step("members", len(members))
    said = await speak(world, coop, lines, step=lambda: step("missions", 1))
    return {
        "members": sum(member.token is not None for member in members),
        "rules": new_rules,
        "missions": sum(not published.duplicate for published in said),
    }


async def _is_there(world: World, iri: str) -> bool:
    return await world.store.read(lambda reader: reader.object(iri)) is not None


def _newcomer(member: SourceMember) -> Newcomer:
    from fedcoop.cli.member import rome
    from fedcoop.flow.founding import Newcomer

    return Newcomer(
        name=member.name,
        username=member.slug,
        status=member.status,
        occupation=rome(member.rome),
        commune=member.coop.commune,
        since=member.since,
        client_key=f"import/{member.coop.slug}/{member.slug}",
    )
