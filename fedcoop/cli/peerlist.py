"""`fedcoop peer list-export, list-import, subscribe, unsubscribe, lists, drafts, review`: shared allow-lists (F10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.peer import By, Folder, Origin, told, who
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.flow.lists import Exported
    from fedcoop.flow.world import World
    from fedcoop.ports import Draft, HeldList
    from fedcoop.protocol.messages import Document

HELP_EXPORT = say(
    "Sign the list of the co-ops that you have let in, for others to review.\n\nOnly those for which a reason was "
    "given (--reason) or an agreement was made are on it, with who decided.",
    "Signe la liste des coopératives que vous avez admises, à relire par d’autres.\n\nN’y sont que celles dont la "
    "raison est dite (--reason) ou qui ont un accord, avec qui a décidé.",
)
HELP_IMPORT = say(
    "Take in a shared list: what it asks waits for your review.",
    "Lit une liste partagée : ce qu’elle demande attend votre relecture.",
)
HELP_SUBSCRIBE = say(
    "Follow a shared list: it is read again from now on, and what it asks waits for your review.",
    "Suit une liste partagée : elle est relue régulièrement, et ce qu’elle demande attend votre relecture.",
)
HELP_UNSUBSCRIBE = say(
    "Follow a shared list no more; whom it brought stays.",
    "Ne suit plus une liste partagée ; qui en est venu reste admis.",
)
HELP_LISTS = say(
    "Show the lists that you follow, and what is wrong with one.",
    "Montre les listes suivies, et ce qui ne va pas avec l’une d’elles.",
)
HELP_DRAFTS = say("Show what the lists ask of you.", "Montre ce que les listes vous demandent.")
HELP_REVIEW = say(
    "Answer what a list asks about a co-op: accept or refuse.",
    "Répond à ce qu’une liste demande d’une coopérative : accept ou refuse.",
)

Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help=say(
            "Address of the list: https://coop.example/lists/peers",
            "Adresse : https://coop.example/lists/peers",
        ),
    ),
]

ANSWERS = {"accept": True, "refuse": False}


def export(
    folder: Folder,
    days: Annotated[
        int,
        typer.Option(
            "--days",
            help=say("How long the list counts.", "Combien de temps la liste compte."),
            min=1,
            max=366,
        ),
    ] = 90,
    publish: Annotated[
        bool,
        typer.Option(
            "--publish",
            help=say("Show it to everybody at its address.", "La montre à tout le monde à son adresse."),
        ),
    ] = False,
    out: Annotated[
        str,
        typer.Option("--out", metavar="FILE", help=say("Write it into a file.", "L’écrit dans un fichier.")),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Sign the next version of our list."""
    from fedcoop.flow import lists as stories

    done: Exported = told(
        folder, lambda world: stories.export(world, life=timedelta(days=days), publish=publish)
    )
    text = json.dumps(done.document, ensure_ascii=False, indent=2)
    if out:
        Path(out).write_text(text + "\n", encoding="utf-8")
    version, url, named = (done.document[k] for k in ("listVersion", "id", "peerEntries"))
    seen = (
        say("for everybody", "pour tout le monde") if done.published else say("not published", "non publiée")
    )
    lines = [
        *([] if out else [text]),
        say(
            f"Version {version}, {len(named)} co-ops, {seen}: {url}",
            f"Version {version}, {len(named)} coopératives, {seen} : {url}",
        ),
        *(
            say(
                f"Left out, nobody said why: {one} → fedcoop peer allow {folder} {one} --reason …",
                f"Laissée de côté, sans raison dite : {one} → fedcoop peer allow {folder} {one} --reason …",
            )
            for one in done.left_out
        ),
    ]
    answer(
        {"ok": True, "list": done.document, "published": done.published, "leftOut": list(done.left_out)},
        as_json=as_json,
        lines=lines,
    )


def import_(
    folder: Folder,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL", help=say("A file, or its address.", "Un fichier, ou son adresse.")
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Take a list in by hand."""
    from fedcoop.flow import lists as stories

    async def story(world: World) -> tuple[HeldList, tuple[Draft, ...]]:
        document = await world.fetcher.document(source) if "://" in source else _read(Path(source))
        return await stories.take(world, document), await stories.drafts(world)

    _said(*told(folder, story), as_json=as_json)


def subscribe(
    folder: Folder,
    url: Url,
    every: Annotated[
        int,
        typer.Option(
            "--every",
            metavar="HOURS",
            help=say("Read it again after so many hours.", "Relue après tant d’heures."),
            min=1,
        ),
    ] = 24,
    as_json: AsJson = False,
) -> None:
    """Take a list in, and go on reading it."""
    from fedcoop.flow import lists as stories

    async def story(world: World) -> tuple[HeldList, tuple[Draft, ...]]:
        return await stories.subscribe(world, url, every=timedelta(hours=every)), await stories.drafts(world)

    _said(*told(folder, story), as_json=as_json)


def unsubscribe(folder: Folder, url: Url, as_json: AsJson = False) -> None:
    """Read a list no more."""
    from fedcoop.flow import lists as stories

    told(folder, lambda world: stories.unsubscribe(world, url))
    answer({"ok": True, "list": url}, as_json=as_json, lines=[say(f"No more: {url}", f"Plus suivie : {url}")])


def lists(folder: Folder, as_json: AsJson = False) -> None:
    """Show every list that was taken in."""
    from fedcoop.flow import lists as stories

    found: tuple[HeldList, ...] = told(folder, stories.lists)
    answer(
        {"ok": True, "lists": [_plain(one) for one in found]},
        as_json=as_json,
        lines=[line for one in found for line in _list_lines(one)]
        or [
            say("None yet: fedcoop peer subscribe DIR URL", "Aucune encore : fedcoop peer subscribe DIR URL")
        ],
    )


def drafts(folder: Folder, as_json: AsJson = False) -> None:
    """Show what waits for an answer, and the lists that were not taken."""
    from fedcoop.flow import lists as stories

    async def story(world: World) -> tuple[tuple[Draft, ...], tuple[HeldList, ...]]:
        return await stories.drafts(world), await stories.lists(world)

    waiting, held = told(folder, story)
    wrong = [one for one in held if one.problem]
    answer(
        {"ok": True, "drafts": [_plain(d) for d in waiting], "problems": [_plain(one) for one in wrong]},
        as_json=as_json,
        lines=[
            *(line for one in wrong for line in _list_lines(one)),
            *(_draft_line(d) for d in waiting),
            *([] if waiting else [say("Nothing is asked.", "Rien n’est demandé.")]),
        ],
    )


def review(
    folder: Folder,
    origin: Origin,
    verdict: Annotated[
        str, typer.Argument(metavar="accept|refuse", help=say("Your answer.", "Votre réponse."))
    ],
    from_list: Annotated[
        str,
        typer.Option(
            "--list", metavar="URL", help=say("Of several lists, that one.", "De plusieurs listes, celle-ci.")
        ),
    ] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Decide as a list asks, or not."""
    from fedcoop.flow import lists as stories

    if verdict not in ANSWERS:
        raise WronglyUsed(
            "usage",
            say(f"Say accept or refuse, not {verdict!r}.", f"Dites accept ou refuse, pas {verdict!r}."),
        )

    def story(world: World) -> Any:
        return stories.review(
            world, origin.rstrip("/"), accept=ANSWERS[verdict], from_list=from_list or None, by=who(by)
        )

    done: tuple[Draft, ...] = told(folder, story)
    answer(
        {"ok": True, "origin": done[0].origin, "wish": done[0].wish, "accepted": ANSWERS[verdict]},
        as_json=as_json,
        lines=[_draft_line(d) for d in done],
    )


def _read(file: Path) -> Document:
    from fedcoop.protocol import strict_json
    from fedcoop.protocol.limits import MAX_FETCH_BODY

    try:
        with file.open("rb") as opened:
            return strict_json.loads(opened.read(MAX_FETCH_BODY + 1))
    except OSError as error:
        raise Failed(
            "not-found", say(f"{file} cannot be read: {error}", f"{file} est illisible : {error}")
        ) from error


def _said(held: HeldList, waiting: tuple[Draft, ...], *, as_json: bool) -> None:
    asked = [d for d in waiting if d.list_id == held.id]
    answer(
        {"ok": True, "list": _plain(held), "drafts": [_plain(d) for d in asked]},
        as_json=as_json,
        lines=[
            *_list_lines(held),
            *(_draft_line(d) for d in asked),
            say(
                "Nothing was decided. Next: fedcoop peer review",
                "Rien n’est décidé. Ensuite : fedcoop peer review",
            ),
        ],
    )


def _list_lines(held: HeldList) -> Iterator[str]:
    again = (
        say(f"every {held.every // 3600} h", f"toutes les {held.every // 3600} h")
        if held.every
        else say("by hand", "à la main")
    )
    yield say(
        f"{held.id}  version {held.version}, until {held.valid_until:%Y-%m-%d}, {again}",
        f"{held.id}  version {held.version}, jusqu’au {held.valid_until:%Y-%m-%d}, {again}",
    )
    if held.problem:
        yield say(
            f"  NOT TAKEN on {held.asked_at:%Y-%m-%d %H:%M}: {held.problem}",
            f"  NON PRISE le {held.asked_at:%Y-%m-%d %H:%M} : {held.problem}",
        )


def _draft_line(draft: Draft) -> str:
    if draft.wish == "remove":
        return say(
            f"remove  {draft.origin}  no more on {draft.list_id}",
            f"retirer  {draft.origin}  n’est plus sur {draft.list_id}",
        )
    why = f"{draft.reason} ({draft.decided_by}, {draft.decided_at:%Y-%m-%d})  {draft.list_id}"
    return say(f"admit  {draft.origin}  {why}", f"admettre  {draft.origin}  {why}")


def _plain(record: HeldList | Draft) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(record).items()}
