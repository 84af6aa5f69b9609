"""Configuration first: what is wrong between the suite and a server is found here, with the way to mend it.

Most errors that people meet with a conformance suite are of configuration and not of implementation. Each check here
ends as `ok`, `warn` or `FAIL`; after a FAIL no test is played, and nothing counts as failed.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from fedcoop_conformance.case import Case, Failed, Stage
from fedcoop_conformance.catalogue import Test
from fedcoop_conformance.driver.base import OPS
from fedcoop_conformance.peer.server import Role
from fedcoop_conformance.speech import say
from fedcoop_conformance.wire import NoAnswer

State = Literal["ok", "warn", "FAIL"]
MAX_SKEW: Final = 60.0
ADMITTED: Final[tuple[Role, ...]] = ("honest", "second", "malicious", "faulty", "relay")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `fix` says what to do where it is not `ok`."""

    state: State
    text: str
    fix: str = ""


class Blocked(Exception):
    """A check failed on which the following ones depend."""


async def examine(stage: Stage, tests: Sequence[Test]) -> AsyncIterator[Finding]:
    """Yield what each check finds, in an order in which a later one needs the earlier."""
    try:
        for check in CHECKS:
            async for finding in check(stage, tests):
                yield finding
    except Blocked:
        return


async def _answers(stage: Stage, _: Sequence[Test]) -> AsyncIterator[Finding]:
    """The server answers, and calls itself what `sut.toml` calls it, byte for byte."""
    for actor in stage.ready.actors:
        try:
            reply = await stage.wire.send("GET", actor.id, headers={"Accept": "application/activity+json"})
        except NoAnswer as silence:
            yield Finding(
                "FAIL",
                say(f"no answer: {silence}", f"pas de réponse : {silence}"),
                say(
                    "start the server, or correct `base` and `actors`",
                    "démarrez le serveur, ou corrigez `base` et `actors`",
                ),
            )
            raise Blocked from silence
        named = reply.json.get("id") if isinstance(reply.json, dict) else None
        if reply.status != 200 or named != actor.id:
            yield Finding(
                "FAIL",
                say(
                    f"GET {actor.id}: {reply.told()}; the document calls itself {named}",
                    f"GET {actor.id} : {reply.told()} ; le document se nomme {named}",
                ),
                say(
                    "write the id in sut.toml as the server does: ids are compared byte by "
                    "byte (localhost is not 127.0.0.1)",
                    "écrivez l’identifiant dans sut.toml comme le serveur : ils sont "
                    "comparés octet par octet (localhost n’est pas 127.0.0.1)",
                ),
            )
            raise Blocked
    names = ", ".join(one.role for one in stage.ready.actors)
    yield Finding(
        "ok",
        say(f"{stage.ready.base} answers; actors: {names}", f"{stage.ready.base} répond ; acteurs : {names}"),
    )


async def _clock(stage: Stage, _: Sequence[Test]) -> AsyncIterator[Finding]:
    """Both clocks agree, or every signature is too old or too new."""
    reply = await stage.wire.send(
        "GET", stage.ready.actors[0].id, headers={"Accept": "application/activity+json"}
    )
    try:
        theirs = parsedate_to_datetime(reply.headers["Date"])
    except (KeyError, ValueError):
        yield Finding("warn", say("the server sends no Date", "le serveur n’envoie pas de Date"))
        return
    apart = abs((theirs - datetime.now(UTC)).total_seconds())
    said = say(f"the clocks are {apart:.0f} s apart", f"les horloges diffèrent de {apart:.0f} s")
    if apart > MAX_SKEW:
        yield Finding("FAIL", said, say("set both clocks by NTP", "mettez les deux horloges à l’heure (NTP)"))
    else:
        yield Finding("ok", said)


async def _admission(stage: Stage, _: Sequence[Test]) -> AsyncIterator[Finding]:
    """The suite's peers are let in as other co-ops are, and a stranger is not."""
    for role in ADMITTED:
        origin = stage.peers[role].base
        status, problem, asked = await _knock(stage, role)
        if not 200 <= status < 300:
            yield Finding(
                "FAIL",
                say(
                    f"a signed message of {origin} ({role}) was answered {status} {problem or ''}",
                    f"un message signé de {origin} ({role}) a reçu {status} {problem or ''}",
                ),
                _why(stage, status, problem, asked, origin),
            )
            raise Blocked
    yield Finding("ok", say("the suite’s peers are let in", "les pairs de la suite sont admis"))
    status, _problem, _asked = await _knock(stage, "stranger")
    said = say(f"a stranger’s message was answered {status}", f"le message d’un inconnu a reçu {status}")
    if status == 403:
        yield Finding("ok", said)
    else:
        yield Finding(
            "warn",
            said,
            say(
                f"do not admit {stage.peers['stranger'].base}: tests of admission use it as an unknown co-op",
                f"n’admettez pas {stage.peers['stranger'].base} : les tests d’admission en "
                "font une coopérative inconnue",
            ),
        )


async def _knock(stage: Stage, role: Role) -> tuple[int, str | None, bool]:
    """Return status and problem of an honest message from a peer, and whether the server looked for its key."""
    case = Case(stage, _EXAMINATION)
    case.rng = random.Random(f"{stage.seed}:doctor:{role}")  # noqa: S311 (no secret depends on it)
    peer = case.peer(role)
    reply = await case.send(case.honest(peer, case.stimulus(peer)))
    asked = peer.origin.seen(lambda one: one.method == "GET" and one.path == f"/actors/{peer.name}")
    return reply.status, reply.problem, bool(asked)


def _why(stage: Stage, status: int, problem: str | None, asked: bool, origin: str) -> str:
    if status == 403:
        everyone = " ".join(stage.peers.admitted)
        return say(
            f"admit these origins as peers: {everyone}", f"admettez ces origines comme pairs : {everyone}"
        )
    if not asked:
        everyone = " ".join(stage.peers.everybody)
        return say(
            f"the server never asked for the peer’s key: let it fetch from {everyone} (a "
            "development setting, PROTOCOL.md §5)",
            f"le serveur n’a jamais demandé la clé du pair : laissez-le lire {everyone} "
            "(réglage de développement, PROTOCOL.md §5)",
        )
    return say(
        f"the server read the key and refused the signature ({problem}): see FC-SIG-001, and "
        "`fedcoop-conformance vectors check`",
        f"le serveur a lu la clé et refusé la signature ({problem}) : voyez FC-SIG-001, et "
        "`fedcoop-conformance vectors check`",
    )


async def _answering(stage: Stage, _: Sequence[Test]) -> AsyncIterator[Finding]:
    """A taken message is answered, so that its effect is seen on the wire."""
    times = stage.times
    case = Case(stage, _EXAMINATION)
    case.rng = random.Random(f"{stage.seed}:doctor:answer")  # noqa: S311 (no secret depends on it)
    peer = case.peer()
    activity = case.stimulus(peer)
    try:
        await case.accepted(peer, activity, case.honest(peer, activity))
    except Failed as failure:
        yield Finding(
            "FAIL",
            say(
                f"{activity['type']} was taken and not answered: {failure.received}",
                f"{activity['type']} accepté sans réponse : {failure.received}",
            ),
            say(
                f"the server must answer a Probe or accept a Follow, and reach {peer.inbox}",
                f"le serveur doit répondre à un Probe ou accepter un Follow, et atteindre {peer.inbox}",
            ),
        )
        raise Blocked from failure
    ms = int(times.deliver * 1000)
    yield Finding(
        "ok",
        say(
            f"{activity['type']} is answered within {ms} ms (95 of 100); what has to come is "
            f"awaited {times.signal:.1f} s",
            f"{activity['type']} reçoit sa réponse en {ms} ms (95 fois sur 100) ; ce qui doit "
            f"venir est attendu {times.signal:.1f} s",
        ),
    )


async def _driver(stage: Stage, tests: Sequence[Test]) -> AsyncIterator[Finding]:
    """Which tests stay untested because the driver cannot do what they need."""
    needed = sorted({op for test in tests for op in test.needs if op in OPS})
    lacking = [op for op in needed if not stage.driver.can(op)]
    yield Finding(
        "ok",
        say(
            f"driver {stage.sut.driver.kind}: {len(needed) - len(lacking)} of {len(needed)} "
            "operations that these tests need",
            f"pilote {stage.sut.driver.kind} : {len(needed) - len(lacking)} des {len(needed)} "
            "opérations requises",
        ),
    )
    for op in lacking:
        ids = ", ".join(test.id for test in tests if op in test.needs)
        yield Finding(
            "warn",
            say(f"the driver lacks {op}", f"le pilote n’a pas {op}"),
            say(
                f"{ids} would stay untested: nothing can be claimed without them",
                f"{ids} resteraient non testés : sans eux, rien ne peut être affirmé",
            ),
        )


Check = Callable[[Stage, Sequence[Test]], AsyncIterator[Finding]]
CHECKS: Final[Sequence[Check]] = (_answers, _clock, _admission, _answering, _driver)


def lines(number: int, finding: Finding) -> list[str]:
    """Return a finding as it is printed: a numbered line, and the fix below it."""
    first = f"{number:>2} {finding.state:<5} {finding.text}"
    return [first, f"         → {finding.fix}"] if finding.fix else [first]


_EXAMINATION: Final = Test(
    "FC-DOC-000",
    1,
    "doctor",
    "draft",
    "MAY",
    None,
    (),
    (),
    (),
    frozenset(),
    (),
    False,
    {"title": {"en": "", "fr": ""}},
)
