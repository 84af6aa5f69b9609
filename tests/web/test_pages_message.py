"""The page of a message: its sender reads what became of it, others what it says, and whoever it is not for nothing."""

from __future__ import annotations

import json

import pytest

from tests.web.pages_server import Served


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        (
            "fr",
            (
                "Ce qu’il est devenu",
                "Parvenu à Coop’Ouvrage Lyon le 22 nov. 2026 à",
                "Atelier ouvert samedi.",
            ),
        ),
        ("en", ("What became of it", "Reached Coop’Ouvrage Lyon on 22 Nov 2026 at", "Has not reached Cimes")),
    ],
)
def test_a_sender_reads_what_became_of_each_copy(served: Served, language: str, shown: tuple[str, ...]):
    answer = served.get(served.path(served.scene.note), token=served.malos_token, language=language)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    for words in shown:
        assert words in answer.words


def test_whoever_it_is_not_for_does_not_hear_of_it(served: Served):
    assert served.get(served.path(served.scene.note)).status == 404


def test_a_public_message_is_read_by_anybody_and_its_ways_by_its_sender_alone(served: Served):
    history = json.loads(
        served.get(served.path(served.scene.courier) + "/history", accept="application/json").text
    )
    activity = served.path(history["chains"][0]["activities"][0]["id"])
    for token, told in ((None, False), (served.malos_token, False), (served.scene.coops_token, True)):
        answer = served.get(activity, token=token, language="en")
        assert answer.status == 200
        assert "Bike deliveries, Saturday 12 December" in answer.words
        assert ("What became of it" in answer.words, "Reached" in answer.words) == (told, told)
    page = served.get(activity, language="en").page
    assert page.one("a", href=served.scene.courier).text == "What it is a step of"
    source = page.one("a", type="application/activity+json").attributes["href"]
    assert json.loads(served.get(source).text)["type"] == "Create"


def test_a_step_of_an_engagement_leads_to_its_page(served: Served):
    page = served.get(served.path(served.scene.engagement), token=served.scene.coops_token).page
    steps = [a.attributes["href"] for a in page.all("a") if "/source?id=" in a.attributes["href"]]
    assert steps
    told = page.one("body").text
    assert "Parvenu à Coop’Ouvrage Lyon" in told, "our co-op reads what became of its own steps"


def test_a_mission_tells_its_sender_alone_what_became_of_each_step(served: Served):
    path = served.path(served.scene.courier)
    assert (
        "Reached Coop’Ouvrage Lyon on"
        in served.get(path, token=served.scene.coops_token, language="en").words
    )
    for token in (None, served.malos_token):
        assert "Reached" not in served.get(path, token=token, language="en").words


def test_machines_still_get_the_bytes_that_were_signed(served: Served):
    bearer = {"Authorization": f"Bearer {served.malos_token}"}
    answer = served.get(served.path(served.scene.note), accept="application/activity+json", **bearer)
    assert json.loads(answer.text)["id"] == served.scene.note
    assert answer.headers["Content-Type"] == "application/activity+json"
