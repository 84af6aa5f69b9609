"""`fedcoop mission`: publish missions from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fedcoop.cli.answer import AsJson, Failed, answer, progress
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.cli.publishing import Fault

PROPOSALS: Final = frozenset({"Mission", "ServiceOffer", "Need"})
"""What this command publishes."""

HELP = say("Publish missions.", "Publie des missions.")
HELP_PUBLISH = say(
    "Publish missions from files.\n\nThe mission in FILE, or every *.json of a folder. All are checked first: one "
    "wrong, none published.",
    "Publie des missions depuis des fichiers.\n\nLa mission du FICHIER, ou chaque *.json d’un dossier. Toutes sont "
    "d’abord contrôlées : une fausse, aucune publiée.",
)


def publish(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help=say(
                "One mission, or a folder of files with one each.",
                "Une mission, ou un dossier de fichiers d’une mission chacun.",
            ),
        ),
    ],
    as_actor: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="ACTOR",
            help=say(
                "Who publishes: a member’s short name or id (the co-op by default).",
                "Qui publie : nom court ou id d’un membre (la coopérative par défaut).",
            ),
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Publish missions; a file that was published before is not published again."""
    from fedcoop.cli.publishing import Line, key_of, rehearse, speak, speaker_of
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.outbound import Published
    from fedcoop.flow.world import World

    lines = [Line(where, document, key_of(document)) for where, document in _read(source)]

    async def story(world: World) -> tuple[list[Fault], list[Published]]:
        speaker = await speaker_of(world, as_actor or None)
        faults = await rehearse(world, speaker, lines)
        if faults:
            return faults, []
        with progress() as shown:
            task = shown.add_task(say("Publishing", "Publication"), total=len(lines))
            return [], await speak(world, speaker, lines, step=lambda: shown.advance(task))

    faults, published = in_world(folder, story)
    if faults:
        raise _none_published(faults, len(lines))
    new = [p for p in published if not p.duplicate]
    missions = [
        (str(p.document["object"]["id"]), str(p.document["object"].get("name", ""))) for p in published
    ]
    answer(
        {
            "ok": True,
            "published": len(new),
            "already": len(published) - len(new),
            "missions": [iri for iri, _ in missions],
        },
        as_json=as_json,
        lines=[
            *(f"{iri}  {name}" for iri, name in missions),
            say(
                f"{len(new)} published, {len(published) - len(new)} already there.",
                f"Publiées : {len(new)} ; déjà là : {len(published) - len(new)}.",
            ),
        ],
    )


def _none_published(faults: Sequence[Fault], total: int) -> Failed:
    """Say which files are wrong, and that nothing was published."""
    details = [
        f"{fault.source}: {fault.refusal.detail}"
        + (f" [{fault.refusal.expected}]" if fault.refusal.expected else "")
        for fault in faults
    ]
    return Failed(
        faults[0].refusal.code,
        say(
            f"{len(faults)} of {total} cannot be published, so none was:",
            f"{len(faults)} sur {total} ne peuvent pas être publiées ; aucune ne l’a été :",
        )
        + "".join(f"\n  {detail}" for detail in details),
        next_step=say(
            "Correct these files and run the same command again.",
            "Corrigez ces fichiers et relancez la même commande.",
        ),
        extra={
            "faults": [
                {"source": f.source, "code": f.refusal.code, "detail": f.refusal.detail} for f in faults
            ]
        },
    )


def _read(source: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return (where it came from, document) of every mission in the file or folder. Raises Failed on a bad one."""
    from fedcoop.cli.documents import read_object
    from fedcoop.protocol.shape import class_of

    if source.is_dir():
        files = sorted(source.glob("*.json"))
        if not files:
            raise Failed("no-files", say(f"No *.json in {source}.", f"Aucun *.json dans {source}."))
    else:
        files = [source]
    found: list[tuple[str, dict[str, Any]]] = []
    for file in files:
        document = read_object(file)
        inner = document.get("object")
        # Anything can be said; but a file with tokens in it, named by mistake, must not be.
        if class_of(inner if isinstance(inner, dict) else document) not in PROPOSALS:
            raise Failed(
                "invalid-file",
                say(
                    f"{file} is not a mission, an offer or a need.",
                    f"{file} n’est ni mission, ni offre, ni besoin.",
                ),
                next_step=say(
                    'It needs "fedcoopType": ["Proposal", "Mission"]; nothing was published.',
                    'Il lui faut "fedcoopType": ["Proposal", "Mission"] ; rien n’a été publié.',
                ),
            )
        found.append((str(file), document))
    return found
