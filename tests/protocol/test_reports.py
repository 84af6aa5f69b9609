"""A Flag between servers is a report; anything else that is called so is not taken."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.errors import FedcoopError, Forbidden, NotImplementedYet, TooLarge
from fedcoop.protocol import limits, reports
from fedcoop.protocol.messages import Activity
from fedcoop.protocol.shape import read_activity

OURS, THEIRS = "https://lyon.example", "https://nantes.example"
SERVER = {"id": f"{THEIRS}/actor", "type": "Application"}


def a_flag(objects: Any, **changed: Any) -> Activity:
    whole = {"id": f"{THEIRS}/f/1", "type": "Flag", "actor": f"{THEIRS}/actor", "object": objects, **changed}
    return read_activity(whole, b"")


@pytest.mark.parametrize(
    ("objects", "named"),
    [
        (f"{OURS}/actors/awa", (f"{OURS}/actors/awa",)),
        (
            [f"{OURS}/actors/awa", f"{OURS}/missions/1", f"{OURS}/actors/awa"],
            (f"{OURS}/actors/awa", f"{OURS}/missions/1"),
        ),
        ([{"id": f"{OURS}/missions/1"}, 7], (f"{OURS}/missions/1",)),
    ],
)
def test_what_is_flagged_is_read_in_any_form(objects: Any, named: tuple[str, ...]):
    activity = a_flag(objects)
    assert reports.flagged(activity) == named
    reports.check_report(activity, speaker=SERVER, base=OURS)


@pytest.mark.parametrize(("content", "kept"), [("a", "a"), (None, ""), (["a"], ""), ("x" * 6000, "x" * 5000)])
def test_its_words_are_kept_as_far_as_anybody_reads(content: Any, kept: str):
    assert reports.words_of(a_flag(f"{OURS}/x", content=content)) == kept


@pytest.mark.parametrize(
    ("speaker", "objects", "kind"),
    [
        ({"type": "Person"}, [f"{OURS}/actors/awa"], NotImplementedYet),
        ({"type": "Organization"}, [f"{OURS}/actors/awa"], NotImplementedYet),
        ({}, [f"{OURS}/actors/awa"], NotImplementedYet),
        (SERVER, [f"{OURS}/missions/{n}" for n in range(limits.MAX_FLAGGED + 1)], TooLarge),
        (SERVER, ["https://elsewhere.example/x"], Forbidden),
        (SERVER, [f"{OURS}.elsewhere.example/x"], Forbidden),
    ],
)
def test_what_is_no_report_to_us_is_refused(speaker: Any, objects: list[str], kind: type[FedcoopError]):
    with pytest.raises(kind):
        reports.check_report(a_flag(objects), speaker=speaker, base=OURS)


def test_ours_are_about_others():
    activity = a_flag([f"{THEIRS}/actors/bea"])
    reports.check_report(activity, speaker={"type": ["Service"]}, base=THEIRS)
