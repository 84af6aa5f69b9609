"""`fedcoop flag` and `fedcoop flags`: reports to other servers' operators, and theirs to us."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say
from fedcoop.cli.token import actor_named

if TYPE_CHECKING:
    from fedcoop.flow.world import World
    from fedcoop.ports import Report

HELP_FLAG = say(
    "Report an actor of another server to its operator.\n\nThe instance speaks, so that nobody is named. The actor "
    "learns nothing of it.",
    "Signale un acteur d’un autre serveur à son exploitant.\n\nL’instance parle, de sorte que personne n’est nommé. "
    "L’acteur n’en apprend rien.",
)
HELP = say("Reports, received and sent.", "Signalements, reçus et envoyés.")
HELP_LIST = say("List open reports.", "Liste les signalements ouverts.")
HELP_SHOW = say("Show a report.", "Montre un signalement.")
HELP_CLOSE = say(
    "Close a report.\n\nNo effect but that: block or limit a server with `fedcoop peer`.",
    "Clôt un signalement.\n\nSans autre effet : bloquez ou limitez un serveur par `fedcoop peer`.",
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]
Which = Annotated[str, typer.Argument(metavar="ID", help=say("Id, as listed.", "Id, comme dans la liste."))]


def flag(
    folder: Folder,
    actor: Annotated[str, typer.Argument(metavar="ACTOR", help=say("Id of the actor.", "Id de l’acteur."))],
    objects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OBJECT]...", help=say("Ids of what it is about.", "Ids de ce dont il s’agit.")
        ),
    ] = None,
    content: Annotated[str, typer.Option("--content", help=say("What is wrong.", "Ce qui ne va pas."))] = "",
    reporter: Annotated[
        str,
        typer.Option(
            "--reporter",
            metavar="MEMBER",
            help=say(
                "Who of us reports; kept here, not told.", "Qui de nous signale ; gardé ici, pas transmis."
            ),
        ),
    ] = "",
    named: Annotated[
        bool,
        typer.Option(
            "--named", help=say("Tell who reports: they agreed.", "Dire qui signale : il est d’accord.")
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send a report and print what is kept of it."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import reports

    if not content.strip() or (named and not reporter):
        raise WronglyUsed(
            "usage",
            say(
                "Say what is wrong with --content; --named goes with --reporter.",
                "Dites ce qui ne va pas par --content ; --named va avec --reporter.",
            ),
        )

    async def send(world: World) -> Report:
        who = await actor_named(reporter, world) if reporter else None
        return await reports.report(world, actor, objects or (), content, reporter=who, named=named)

    sent = in_world(folder, send)
    answer({"ok": True, **_document(sent)}, as_json=as_json, lines=_lines(sent))


def list_(
    folder: Folder,
    closed: Annotated[bool, typer.Option("--all", help=say("Closed ones too.", "Les clos aussi."))] = False,
    as_json: AsJson = False,
) -> None:
    """List reports, the newest first."""
    from fedcoop.cli.worlds import in_world

    async def find(world: World) -> tuple[Report, ...]:
        return await world.store.read(lambda reader: reader.reports(closed=closed))

    found = in_world(folder, find)
    answer(
        {"ok": True, "reports": [_document(one) for one in found]},
        as_json=as_json,
        lines=[_line(one) for one in found] or [say("No report.", "Aucun signalement.")],
    )


def show(folder: Folder, report: Which, as_json: AsJson = False) -> None:
    """Show a report whole."""
    from fedcoop.cli.worlds import in_world

    found = in_world(folder, lambda world: world.store.read(lambda reader: reader.report(report)))
    if found is None:
        raise Failed(
            "not-found",
            say(f"There is no report {report}.", f"Il n’y a pas de signalement {report}."),
            next_step="fedcoop flags list DIR --all",
        )
    answer({"ok": True, **_document(found)}, as_json=as_json, lines=_lines(found))


def close(
    folder: Folder,
    report: Which,
    outcome: Annotated[
        str, typer.Option("--outcome", help=say("What you decided.", "Ce que vous avez décidé."))
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Close a report."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import reports

    in_world(folder, lambda world: reports.close(world, report, outcome))
    answer({"ok": True, "closed": report}, as_json=as_json, lines=[say("Closed.", "Clos.")])


def _document(report: Report) -> dict[str, Any]:
    from fedcoop.protocol.times import write_time

    return {
        "id": report.id,
        "sent": report.ours,
        "from": report.actor,
        "objects": list(report.objects),
        "content": report.content,
        "at": write_time(report.at),
        "reporter": report.reporter,
        "closed": None if report.closed_at is None else write_time(report.closed_at),
        "outcome": report.outcome,
    }


def _line(report: Report) -> str:
    way = say("sent", "envoyé") if report.ours else say("received", "reçu")
    about = next(iter(report.objects), "")
    end = say("closed", "clos") if report.closed_at else say("open", "ouvert")
    return f"{report.at:%Y-%m-%d %H:%M}  {way:<8}  {end:<6}  {_plain(about)}  {report.id}"


def _lines(report: Report) -> list[str]:
    rows = [
        (say("id", "id"), report.id),
        (say("from", "de"), report.actor),
        *((say("about", "sur"), one) for one in report.objects),
        (say("reporter", "signalé par"), report.reporter or ""),
        (say("outcome", "issue"), report.outcome),
    ]
    told = [f"{name:<12} {_plain(value)}" for name, value in rows if value]
    return [*told, "", *(_plain(line) for line in report.content.splitlines())]


def _plain(text: str) -> str:
    """Return somebody else's words as they may stand in a terminal: without what would steer it."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
