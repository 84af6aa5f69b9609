"""The story of the demo, before it is played."""

from __future__ import annotations

import pytest

from fedcoop.cli import client, story
from fedcoop.cli.answer import Failed
from tests.conftest import NOON

NANTES = story.Party("Nantes", "https://n.example", "https://n.example/actors/coop", "t")
LYON = story.Party("Lyon", "https://l.example", "https://l.example/actors/coop", "t")
AWA = story.Party("Lyon", "https://l.example", "https://l.example/actors/awa", "t")


def a_plot() -> story.Plot:
    ids = {"mission": "https://n.example/missions/1", "chain": "c", "engagement": "e", "record": "r"}
    return story.Plot(requester=NANTES, worker=AWA, carrier=LYON, now=NOON, ids=ids)


def test_the_story_ends_settled_on_both_chains():
    assert (story.STEPS[-1].mission, story.STEPS[-1].engagement) == ("settled", "settled")


def test_the_second_offer_answers_the_first_on_the_terms_of_the_counter():
    plot = a_plot()
    first = story.offer(plot)
    plot.ids["offer"] = "https://l.example/activities/1"
    again = story.offer(plot)
    assert "inReplyTo" not in first
    assert again["inReplyTo"] == plot.ids["offer"]
    assert (
        again["object"]["endTime"] == story.counter(plot)["result"]["endTime"] != first["object"]["endTime"]
    )


def test_the_sides_agree_only_in_the_promised_state_at_one_version_and_digest(
    monkeypatch: pytest.MonkeyPatch,
):
    heads = {NANTES.base: ("active", 2, "a"), AWA.base: ("active", 2, "a")}

    def lookup(base: str, iri: str, *, token: str) -> dict[str, object]:
        state, version, digest = heads[base]
        return {"fedcoopChain": {"state": state, "stateVersion": version, "digest": digest}}

    monkeypatch.setattr(client, "lookup", lookup)
    assert set(story.agreement(a_plot(), "c", "active", "step", 0.0)) == {"Nantes", "Lyon"}
    for other in (("active", 2, "b"), ("active", 3, "a"), ("delivered", 2, "a")):
        heads[AWA.base] = other
        with pytest.raises(Failed) as caught:
            story.agreement(a_plot(), "c", "active", "step", 0.0)
        assert caught.value.code == "sides-disagree"
