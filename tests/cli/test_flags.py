"""`fedcoop flag` and `fedcoop flags`: from one operator to another, between two real servers' folders."""

from __future__ import annotations

import pytest

from fedcoop.cli.instances import LocalInstance
from fedcoop.cli.worlds import in_world
from fedcoop.protocol.messages import PutReport
from tests.cli.conftest import Run
from tests.conftest import NOON

ID = "https://nantes.example/activities/f1"


@pytest.fixture
def reported(instance: LocalInstance) -> LocalInstance:
    """An instance that another server has reported something to."""
    change = PutReport(
        ID, "https://nantes.example/actor", (f"{instance.base}/actors/coop",), "Late\x1b[2J\npay", NOON
    )
    in_world(instance.folder, lambda world: world.store.write(lambda tx: tx.make([change])))
    return instance


def test_a_report_is_listed_shown_and_closed(run: Run, reported: LocalInstance) -> None:
    listed = run("flags", reported.folder, "--json").json["reports"]
    mine = next(one for one in listed if one["id"] == ID)
    assert (mine["sent"], mine["from"], mine["reporter"], mine["closed"]) == (
        False, "https://nantes.example/actor", None, None,
    )  # fmt: skip
    shown = run("flags", "show", reported.folder, ID)
    assert shown.status == 0
    assert "\x1b" not in shown.out
    assert "pay" in shown.out.splitlines()
    assert run("flags", "close", reported.folder, ID, "--outcome", "Paid.").status == 0
    assert ID not in run("flags", "list", reported.folder).out
    closed = next(
        one
        for one in run("flags", "list", reported.folder, "--all", "--json").json["reports"]
        if one["id"] == ID
    )
    assert (closed["outcome"], closed["closed"] is None) == ("Paid.", False)
    again = run("flags", "close", reported.folder, ID)
    assert (again.status, "no open report" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("flag", "https://x.example/actors/bea"), 2, "--content"),
        (("flag", "https://x.example/actors/bea", "--content", "x", "--named"), 2, "--reporter"),
        (
            ("flag", "https://x.example/actors/bea", "--content", "x", "--reporter", "nobody"),
            1,
            "no member 'nobody'",
        ),
        (("flag", "nobody", "--content", "x"), 1, "bad-id"),
        (("flag", "https://x.example/actors/bea", "--content", "x"), 1, "not-in-allow-list"),
        (("flags show", "https://x.example/1"), 1, "no report"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, instance: LocalInstance, arguments: tuple[str, ...], status: int, says: str
) -> None:
    done = run(*arguments[0].split(), instance.folder, *arguments[1:])
    assert (done.status, done.out) == (status, "")
    assert says in done.err
