"""How fast the server under test is: every wait of the suite is derived from what was measured here."""

from __future__ import annotations

import random
import time
from dataclasses import replace

from fedcoop_conformance.case import Case, Failed, Stage, Times
from fedcoop_conformance.catalogue import Test
from fedcoop_conformance.wire import NoAnswer

PINGS = 10
DELIVERIES = 5
FIRST_DELIVERY = 10.0


async def calibrated(stage: Stage) -> Stage:
    """Return the stage with measured times, and with the stimulus that the server answers: `Probe`, else `Follow`.

    A server that answers neither keeps the default times; its tests will tell.
    """
    rtt = await _rtt(stage)
    for stimulus in ("probe", "follow"):
        tried = replace(stage, stimulus=stimulus, times=Times(rtt, FIRST_DELIVERY / 10, stage.times.scale))
        took = await _deliveries(tried)
        if took:
            return replace(tried, times=Times(rtt, _p95(took), stage.times.scale))
    return replace(stage, times=Times(rtt, Times().deliver, stage.times.scale))


async def _rtt(stage: Stage) -> float:
    took = []
    for _ in range(PINGS):
        began = time.monotonic()
        try:
            await stage.wire.send(
                "GET", stage.ready.actors[0].id, headers={"Accept": "application/activity+json"}
            )
        except NoAnswer:
            return Times().rtt
        took.append(time.monotonic() - began)
    return _p95(took)


async def _deliveries(stage: Stage) -> list[float]:
    """Return the seconds from a stimulus to its answer, for several; empty where one is not answered."""
    case = Case(stage, _CALIBRATION)
    case.rng = random.Random(f"{stage.seed}:calibration:{stage.stimulus}")  # noqa: S311 (no secret depends on it)
    took = []
    for _ in range(DELIVERIES):
        peer = case.peer()
        activity = case.stimulus(peer)
        began = time.monotonic()
        try:
            await case.accepted(peer, activity, case.honest(peer, activity))
        except (Failed, NoAnswer):
            return []
        took.append(time.monotonic() - began)
    return took


def _p95(took: list[float]) -> float:
    return sorted(took)[int(0.95 * (len(took) - 1))]


_CALIBRATION = Test(
    "FC-CAL-000",
    1,
    "calibration",
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
