"""The operator's pages: who opens them, what they show, and the one form that does something."""

from __future__ import annotations

from hashlib import sha256

import pytest

from fedcoop.flow import access
from fedcoop.protocol.scopes import ALL
from tests.web.pages_server import Answer, Served

PAGES = ("/operator/deliveries", "/operator/peers")


def read(served: Served, path: str, **kept: str) -> Answer:
    return served.get(path, token=served.scene.coops_token, **{"language": "en", **kept})


def press(served: Served, fields: dict[str, str], token: str | None = None, **headers: str) -> Answer:
    """Send the form for trying again, as the page of that sign-in sends it."""
    secret = served.signed_in(token or served.scene.coops_token)
    form = {"form": sha256(b"form:" + secret.encode()).hexdigest(), "next": "/operator/peers", **fields}
    return served.post("/operator/deliveries", form, **{"Cookie": f"fedcoop_session={secret}", **headers})


def rung(served: Served) -> int:
    return served.scene.nantes.world.doorbell.rings  # type: ignore[attr-defined, no-any-return]


# -- who opens them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES, "/operator/deliveries?state=held&peer=x"])
def test_whoever_is_not_signed_in_is_led_to_where_one_does_that_and_back(served: Served, path: str):
    answer = served.get(path)
    assert answer.status == 303
    address = answer.headers["Location"]
    assert address.startswith("/sign-in?next=")
    assert answer.headers["Cache-Control"] == "no-store"
    form = served.get(address).page
    assert {field.attributes["value"] for field in form.all("input", name="next")} == {path}


@pytest.mark.parametrize("path", PAGES)
def test_a_member_who_operates_nothing_is_told_so_and_sees_nothing(served: Served, path: str):
    answer = served.get(path, token=served.malos_token, language="en")
    assert answer.status == 403
    assert "Role missing" in answer.words
    assert "cimes.example" not in answer.text
    assert "/operator" not in served.get("/", token=served.malos_token).text


@pytest.mark.parametrize("path", PAGES)
def test_a_token_of_the_co_op_without_that_leave_opens_none_of_them(served: Served, path: str):
    nantes = served.scene.nantes
    wanted = [scope for scope in ALL if scope != "operate"]
    made = served.run(access.new_token(nantes.world, nantes.id, name="Agenda", wanted=wanted))
    assert served.get(path, token=made.secret).status == 403
    bearer = {"Authorization": f"Bearer {served.scene.coops_token}"}
    assert served.get(path, **bearer).status == 303, "a token in the header signs nobody in"


def test_the_way_there_is_shown_to_whoever_operates(served: Served):
    assert read(served, "/").page.one("a", href="/operator/deliveries").text == "Operating"
    assert served.get("/").page.all("a", href="/operator/deliveries") == []
    assert read(served, "/operator").headers["Location"] == "/operator/deliveries"


# -- what they show ----------------------------------------------------------------------------------------------


def test_every_delivery_is_shown_with_its_message_its_sender_and_its_server(served: Served):
    answer = read(served, f"/operator/deliveries?activity={served.scene.note}")
    words = answer.words
    assert "Create · Malo G." in words
    assert served.scene.note in words
    assert "Reached Coop’Ouvrage Lyon on 22 Nov 2026 at" in words
    assert "Has not reached Cimes Communes yet" in words
    assert "It did not answer." in words
    assert len(answer.page.all("button", **{"class": "small"})) == 1, "what has arrived is not sent again"
    assert "Atelier ouvert" not in words, "what it says is for whom it is addressed to"


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("?state=retrying", "Has not reached Cimes", "Reached"),
        ("?state=refused", "There is no such delivery.", "Reached"),
        ("?peer=https://coop-lyon.example", "Reached Coop’Ouvrage Lyon", "Reached Cimes"),
        (
            "?peer=https://coop-lyon.example/&state=delivered",
            "Reached Coop’Ouvrage Lyon",
            "Cimes Communes yet",
        ),
        ("?state=nonsense", "Reached Cimes", "There is no such delivery."),
        ("?before=1", "There is no such delivery.", "Reached"),
        ("?before=x", "Reached Cimes", "There is no such delivery."),
        ("?before=99999999999999999999", "Reached Cimes", "There is no such delivery."),
        ("?activity=https://nowhere.example/1", "There is no such delivery.", "Reached"),
    ],
)
def test_the_list_is_narrowed_to_what_is_asked_for(served: Served, query: str, shown: str, hidden: str):
    answer = read(served, f"/operator/deliveries{query}")
    results = answer.page.one("section", **{"class": "most"}).text
    assert answer.status == 200
    assert shown in results
    assert hidden not in results


def test_a_long_list_goes_on_on_the_next_page(served: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fedcoop.web.pages_operator.SHOWN", 3)
    seen: list[str] = []
    path: str | None = "/operator/deliveries?peer=https://coop-lyon.example"
    pages = 0
    while path is not None and pages < 40:
        page = read(served, path).page
        items = [e for e in page.all("li") if e.inside and e.inside[-1].attributes.get("class") == "copies"]
        assert 1 <= len(items) <= 3
        seen += [code.text for code in page.all("code") if "/activities/" in code.text]
        following = page.all("a", rel="next")
        path, pages = (following[0].attributes["href"] if following else None), pages + 1
    assert pages > 2
    assert len(seen) == len(set(seen)), "no message twice: each went to Lyon once"


def test_peers_are_shown_with_who_decided_what_and_how_it_goes(served: Served):
    answer = read(served, "/operator/peers")
    words = answer.words
    for shown in (
        "gelee.example frozen", "by Inès.", "En désaccord sur <b>deux factures</b>.", "voir le courriel du 3",
        "Cimes Communes allowed", "of our network", "1 message waits",
        "Knocked 1 time", "Last delivery that arrived: on 22 Nov 2026",
    ):  # fmt: skip
        assert shown in words, shown
    assert "<b>deux" not in answer.text


# -- sending again -----------------------------------------------------------------------------------------------


def test_a_press_sends_again_and_comes_back(served: Served):
    before = rung(served)
    answer = press(served, {"activity": served.scene.note, "peer": "https://cimes.example"})
    assert (answer.status, answer.headers["Location"]) == (303, "/operator/peers?due=1&taken=0")
    assert rung(served) == before + 1
    shown = read(served, "/operator/peers?due=1")
    assert shown.page.one("div", role="status").text == "1 delivery is due now."
    answer = press(served, {"peer": "https://cimes.example", "next": "//elsewhere.example/"})
    assert answer.headers["Location"] == "/?due=1&taken=0"


def test_what_has_arrived_is_not_sent_again(served: Served):
    answer = press(served, {"activity": served.scene.note, "peer": "https://coop-lyon.example"})
    assert answer.headers["Location"] == "/operator/peers?due=0&taken=0"


def test_a_form_that_names_nothing_sends_nothing(served: Served):
    before = rung(served)
    assert press(served, {}).headers["Location"] == "/operator/peers"
    assert rung(served) == before


def test_nobody_but_our_own_page_and_an_operator_sends_anything(served: Served):
    before, note = rung(served), {"activity": served.scene.note}
    assert press(served, {**note, "form": "0" * 64}).status == 403
    assert press(served, note, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert press(served, note, Origin="https://elsewhere.example").status == 403
    assert press(served, note, token=served.malos_token).status == 403
    assert press(served, note, Cookie="").status == 403
    assert read(served, f"/operator/deliveries?retry={served.scene.note}").status == 200
    assert rung(served) == before


def test_a_press_after_the_sign_in_has_ended_leads_to_signing_in(served: Served):
    world = served.scene.nantes.world

    async def begun() -> str:
        token = await access.token_behind(served.scene.coops_token, world)
        secret = (await access.begin_session(world, token)).secret
        await access.end_session(secret, world)
        return secret

    secret = served.run(begun())
    form = {"form": sha256(b"form:" + secret.encode()).hexdigest(), "next": "/operator/peers", "peer": "x"}
    answer = served.post("/operator/deliveries", form, Cookie=f"fedcoop_session={secret}")
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=%2Foperator%2Fpeers")
