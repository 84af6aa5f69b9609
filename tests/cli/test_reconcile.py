"""`fedcoop reconcile`: what an operator reads."""

from __future__ import annotations

import pytest

from fedcoop.cli.instances import LocalInstance
from fedcoop.cli.reconcile import _lines
from fedcoop.flow.reconciling import Compared, Reconciled
from tests.cli.conftest import Run


def test_whom_we_do_not_work_with_is_not_asked(run: Run, instance: LocalInstance) -> None:
    done = run("reconcile", instance.folder, "https://nobody.example", "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "not-in-allow-list")
    assert run("reconcile", instance.folder).status == 2


def test_a_peer_that_does_not_answer_is_named(run: Run, instance: LocalInstance) -> None:
    run("peer", "allow", instance.folder, "https://alpes.invalid")
    done = run("reconcile", instance.folder, "https://alpes.invalid")
    assert done.status == 1
    assert "https://alpes.invalid" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (
            Compared("c", "Mission", "we-are-behind", 1, 3, taken=2),
            ["we hold 1 steps, they hold 3", "taken from them: 2"],
        ),
        (
            Compared("c", "Mission", "they-are-behind", 3, 1, sent=2),
            ["we hold 3 steps, they hold 1", "on the way to them: 2"],
        ),
        (
            Compared("c", "Engagement", "diverged", 2, 2, refused="stale"),
            [
                "we hold 2 steps, they hold 2",
                "the last steps are not the same; whoever owns the mission decides",
                "a step of theirs was not taken: stale (docs: /problems/stale)",
            ],
        ),
    ],
)
def test_what_was_found_and_done_is_told_in_sentences(one: Compared, told: list[str]) -> None:
    done = Reconciled("https://nantes.example", [one, Compared("d", "Mission", "agree", 1, 1)])
    first, name, *lines = _lines(done, [one])
    assert first == "https://nantes.example: 2 shared, 1 alike on both sides, 1 not."
    assert name == f"  {one.kind} c"
    assert [line.strip() for line in lines] == told


def test_what_is_not_finished_says_so() -> None:
    lines = list(_lines(Reconciled("https://nantes.example", complete=False), []))
    assert lines[-1] == "Time or pages ran out: run it again for the rest."
