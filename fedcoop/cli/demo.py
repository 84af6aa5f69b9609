"""`fedcoop demo`: three co-operatives on this machine federate missions and carry one from publication to payment."""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer, remark
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.cli.instances import LocalInstance
    from fedcoop.cli.story import Plot, Told

HELP = say(
    "Run three co-operatives on this machine.\n\nThey federate 300 missions, and one is played from publication to "
    "payment.",
    "Fait vivre trois coopératives sur cette machine.\n\nElles fédèrent 300 missions, dont une est jouée de la "
    "publication au paiement.",
)


@dataclass(frozen=True, slots=True)
class Casting:
    """One of the three co-operatives of the demo."""

    folder: str
    name: str
    kinds: tuple[str, ...]
    commune: str
    what: str
    coops: tuple[str, ...]
    """The co-operatives of the synthetic federation that it takes in."""


CAST: Final = (
    Casting(
        "lyon",
        "Coop’Ouvrage Lyon",
        ("cae", "scop"),
        "69123",
        say("CAE in Lyon", "CAE à Lyon"),
        tuple(f"coop-{n:02d}" for n in range(1, 9)),
    ),
    Casting(
        "nantes",
        "Les Pédales de Loire",
        ("scop",),
        "44109",
        say("bike delivery in Nantes", "livraison à vélo à Nantes"),
        tuple(f"coop-{n:02d}" for n in range(9, 17)),
    ),
    Casting(
        "alpes",
        "Cimes Communes",
        ("scic", "multiStakeholder"),
        "73054",
        say("tourism SCIC in the Alps", "SCIC de tourisme dans les Alpes"),
        tuple(f"coop-{n:02d}" for n in range(17, 25)),
    ),
)
LYON, NANTES, ALPES = range(3)
SETTLING: Final = 120.0
"""Seconds that the missions have to reach every board they are meant for."""


class Interrupted(Exception):
    """The person, or the system, wants the demo to end."""


def demo(
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help=say(
                "End after the story, with 0 if all went well.",
                "S’arrête après l’histoire, avec 0 si tout va bien.",
            ),
        ),
    ] = False,
    ports: Annotated[
        str,
        typer.Option(
            "--ports",
            metavar="P,P,P",
            help=say("Three ports (free ones by default).", "Trois ports (libres par défaut)."),
        ),
    ] = "",
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            help=say(
                "An empty folder to keep it all in (a temporary one by default).",
                "Un dossier vide où tout garder (temporaire par défaut).",
            ),
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help=say("Another federation file.", "Un autre fichier de fédération.")),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Run the demo."""
    chosen = _ports(ports)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        try:
            place = stack.enter_context(_folder(folder))
            show = Show(quiet=as_json)
            three = stack.enter_context(_three(place, chosen, show))
            outcome = _run(three, data or federation_file(), place, show)
            answer(outcome, as_json=as_json, lines=())
            if not once:
                show(say("\nStaying up until Ctrl-C.", "\nEn service jusqu’à Ctrl-C."))
                _stay(three)
        except Interrupted:
            show_end = say("Stopped.", "Arrêté.")
            remark(show_end)
            return 130 if once else 0
    return 0


def federation_file() -> Path:
    """Return the synthetic federation that comes with fedcoop. Raises Failed when it is not there."""
    place = (
        Path(__file__).resolve().parent.parent.parent
        / "examples"
        / "federation"
        / "synthetic_federation.json"
    )
    if not place.is_file():
        raise Failed(
            "no-data",
            say(f"{place} is not there.", f"{place} est absent."),
            next_step=say(
                "Run the demo from a checkout, or give --data FILE.",
                "Lancez la démo depuis le dépôt, ou donnez --data FICHIER.",
            ),
        )
    return place


class Show:
    """Prints the story as it goes; with `--json` only the outcome is printed, at the end."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()

    def __call__(self, text: str = "") -> None:
        if not self._quiet:
            print(text, flush=True)

    def timed(self, text: str) -> None:
        """Print the text with the seconds since the beginning."""
        self(f"[{time.monotonic() - self._began:5.1f} s] {text}")


# -- the acts -------------------------------------------------------------------------------------------------------


def _run(three: Sequence[LocalInstance], data: Path, place: Path, show: Show) -> dict[str, Any]:
    _federate(three, show)
    awa = three[LYON].add_member("Awa D.", username="awa", status="cape", occupation="M1855", commune="69123")
    _load(three, data, show)
    boards = _boards(three, data, show)
    plot, told = _play(three, awa, show)
    history, report = _verify(three, plot, place, show)
    _addresses(three, awa, show)
    return {
        "ok": True,
        "instances": [
            {"name": cast.name, "base": i.base, "folder": str(i.folder), "token": i.token}
            for cast, i in zip(CAST, three, strict=True)
        ],
        "member": {"id": awa["id"], "token": awa["token"]},
        "boards": boards,
        "mission": plot.ids["mission"],
        "engagement": plot.ids["engagement"],
        "steps": [
            {
                "title": t.step.title,
                "mission": {name: str(head) for name, head in t.mission.items()},
                "engagement": {name: str(head) for name, head in t.engagement.items()},
            }
            for t in told
        ],
        "history": str(history),
        "verify": report,
    }


def _federate(three: Sequence[LocalInstance], show: Show) -> None:
    """Admit each other, Lyon and Nantes as of one network, and follow each other."""
    from fedcoop.cli import client

    def admit(pair: tuple[int, int]) -> None:
        mine, other = pair
        three[mine].allow(three[other], network={mine, other} == {LYON, NANTES})

    # Commands on one folder wait for each other; folders do not.
    def admit_all(mine: int) -> None:
        for other in range(3):
            if other != mine:
                admit((mine, other))

    def follow_all(mine: int) -> None:
        for other in range(3):
            if other != mine:
                said = {"type": "Follow", "object": three[other].coop}
                reply = three[mine].post_outbox(three[mine].coop, three[mine].token, said)
                if not reply.ok:
                    raise client.refused(reply, three[other].coop)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(admit_all, range(3)))
        list(pool.map(follow_all, range(3)))
    for mine in range(3):
        _until_followed(three[mine], 2)
    show.timed(
        say(
            "All three admit each other and follow each other; Lyon and Nantes are of one network, the Alps are not.",
            "Toutes s’admettent et se suivent ; Lyon et Nantes sont d’un même réseau, les Alpes non.",
        )
    )


def _until_followed(instance: LocalInstance, followers: int) -> None:
    from fedcoop.cli import client

    def ask() -> bool | None:
        reply = instance.get(f"{instance.coop}/followers", token=instance.token)
        return True if reply.ok and reply.json().get("totalItems") == followers else None

    if client.poll(ask, seconds=30.0) is None:
        raise Failed(
            "not-followed",
            say(
                f"{instance.base} does not have its {followers} followers.",
                f"{instance.base} n’a pas ses {followers} abonnés.",
            ),
        )


def _load(three: Sequence[LocalInstance], data: Path, show: Show) -> None:
    def load(number: int) -> dict[str, Any]:
        return three[number].command("import", str(data), "--coops", ",".join(CAST[number].coops))

    with ThreadPoolExecutor(3) as pool:
        loaded = list(pool.map(load, range(3)))
    members = sum(int(one["members"]["added"]) for one in loaded)
    missions = sum(int(one["missions"]["added"]) for one in loaded)
    show.timed(
        say(
            f"Loaded {sum(len(c.coops) for c in CAST)} co-ops: {members} members, {missions} missions.",
            f"Chargé {sum(len(c.coops) for c in CAST)} coopératives : {members} membres, {missions} missions.",
        )
    )


def expected_board(data: Path, reader: int) -> int:
    """Return how many missions of the file the co-op `reader` must have on its board, from the file alone."""
    document = json.loads(data.read_text("utf-8"))
    home = {slug: number for number, cast in enumerate(CAST) for slug in cast.coops}
    seen = 0
    for mission in document["missions"]:
        owner, scope = home.get(mission["coop"]), mission["relayScope"]
        if owner is None:
            continue
        of_one_network = {owner, reader} == {LYON, NANTES}
        seen += (
            owner == reader or scope in {"public", "federation"} or (scope == "network" and of_one_network)
        )
    return seen


def _boards(three: Sequence[LocalInstance], data: Path, show: Show) -> list[dict[str, Any]]:
    """Wait until every board shows exactly the missions that their relay scope admits there."""
    from fedcoop.cli import client

    boards = []
    for number, instance in enumerate(three):
        expected, seen = expected_board(data, number), -1

        def ask(instance: LocalInstance = instance, expected: int = expected) -> int | None:
            nonlocal seen
            reply = instance.get("/api/v1/board?class=Mission&limit=1", token=instance.token)
            seen = int(reply.json()["total"]) if reply.ok else -1
            return seen if seen == expected else None

        if client.poll(ask, seconds=SETTLING, pause=0.3) is None:
            raise Failed(
                "board-differs",
                say(
                    f"{CAST[number].name} shows {seen} missions; the file says {expected}.",
                    f"{CAST[number].name} montre {seen} missions ; le fichier en annonce {expected}.",
                ),
            )
        boards.append({"base": instance.base, "missions": seen, "expected": expected})
        show.timed(
            say(
                f"Board of {CAST[number].name}: {seen} missions, as the file's relay scopes say.",
                f"Tableau de {CAST[number].name} : {seen} missions, comme le disent les portées du fichier.",
            )
        )
    return boards


def _play(three: Sequence[LocalInstance], awa: dict[str, Any], show: Show) -> tuple[Plot, list[Told]]:
    from fedcoop.cli import story

    lyon, nantes = three[LYON], three[NANTES]
    plot = story.Plot(
        requester=story.Party("Nantes", nantes.base, nantes.coop, nantes.token),
        worker=story.Party("Lyon", lyon.base, str(awa["id"]), str(awa["token"])),
        carrier=story.Party("Lyon", lyon.base, lyon.coop, lyon.token),
        now=datetime.now(UTC),
    )
    show(say("\nAwa of Lyon works for Nantes:", "\nAwa de Lyon travaille pour Nantes :"))
    told = []
    for number, scene in enumerate(story.play(plot), 1):
        told.append(scene)
        show(f"{number:3}. {scene.step.title}  ({scene.seconds:.2f} s)")
        for name, heads in (
            (say("mission", "mission"), scene.mission),
            (say("engagement", "engagement"), scene.engagement),
        ):
            if heads:
                show(
                    f"       {name:<11}"
                    + "   ".join(f"{side}: {head!s:<16}" for side, head in heads.items()).rstrip()
                )
    return plot, told


def _verify(
    three: Sequence[LocalInstance], plot: Plot, place: Path, show: Show
) -> tuple[Path, dict[str, Any]]:
    from fedcoop.cli.instances import run

    history = place / "history.json"
    nantes = three[NANTES]
    run("history", str(nantes.folder), plot.ids["mission"], "-o", str(history))
    show(f"\n$ fedcoop verify {history}")
    report = run("verify", str(history))
    for line in report["lines"]:
        show(f"  {line}")
    return history, report


def _addresses(three: Sequence[LocalInstance], awa: dict[str, Any], show: Show) -> None:
    show()
    for cast, instance in zip(CAST, three, strict=True):
        show(f"{cast.name} ({cast.what}): {instance.base}/")
        show(f"    {say('token', 'jeton')}: {instance.token}")
    show(say(f"Awa: {awa['id']}", f"Awa : {awa['id']}"))
    show(f"    {say('token', 'jeton')}: {awa['token']}")


# -- processes and folders ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _three(place: Path, ports: Sequence[int], show: Show) -> Iterator[list[LocalInstance]]:
    """Found and serve the three co-operatives; whatever happens, none of their processes is left behind."""
    from fedcoop.cli import instances

    bases = [f"http://127.0.0.1:{port}" for port in ports]

    def found(number: int) -> LocalInstance:
        cast = CAST[number]
        return instances.found(
            place / cast.folder,
            name=cast.name,
            port=ports[number],
            allow_origins=bases,
            kinds=cast.kinds,
            commune=cast.commune,
            language="fr",
        )

    with ThreadPoolExecutor(3) as pool:
        three = list(pool.map(found, range(3)))
    try:
        for instance in three:
            instance.launch()
        for cast, instance in zip(CAST, three, strict=True):
            instance.wait()
            show.timed(f"{cast.name} ({cast.what}): {instance.base}")
        yield three
    finally:
        instances.stop_all(three)


@contextlib.contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is None:
        with tempfile.TemporaryDirectory(prefix="fedcoop-demo-", ignore_cleanup_errors=True) as place:
            yield Path(place)
        return
    if chosen.exists() and (not chosen.is_dir() or any(chosen.iterdir())):
        raise Failed(
            "folder-not-empty",
            say(f"{chosen} is not an empty folder.", f"{chosen} n’est pas un dossier vide."),
            next_step=say(
                "Name a folder that does not exist yet.", "Nommez un dossier qui n’existe pas encore."
            ),
        )
    chosen.mkdir(parents=True, exist_ok=True)
    yield chosen.resolve()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the demo in order."""
    ended = False

    def end(number: int, frame: FrameType | None) -> None:
        # The second one would come in the middle of stopping the servers.
        nonlocal ended
        if not ended:
            ended = True
            raise Interrupted

    before: list[tuple[signal.Signals, Callable[[int, FrameType | None], Any] | int | None]] = [
        (one, signal.signal(one, end)) for one in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        yield
    finally:
        for one, handler in before:
            signal.signal(one, handler)


def _stay(three: Sequence[LocalInstance]) -> None:
    """Stay up until told to end; fail when one of the servers ends by itself."""
    while True:
        time.sleep(0.5)
        for instance in three:
            if not instance.running:
                raise Failed(
                    "server-ended",
                    say(f"{instance.base} ended by itself.", f"{instance.base} s’est arrêtée seule."),
                )


def _ports(text: str) -> tuple[int, ...]:
    from fedcoop.cli.instances import free_port

    if not text:
        found: set[int] = set()
        while len(found) < 3:
            found.add(free_port())
        return tuple(found)
    parts = [part.strip() for part in text.split(",")]
    if len(set(parts)) != 3 or not all(part.isdigit() and 0 < int(part) < 65536 for part in parts):
        raise WronglyUsed(
            "usage",
            say(
                "--ports takes three different ports: 8101,8102,8103.",
                "--ports prend trois ports différents : 8101,8102,8103.",
            ),
        )
    return tuple(int(part) for part in parts)
