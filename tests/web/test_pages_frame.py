"""The frame of the pages: language switch, remembered choice, style sheet and pictures."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest

from fedcoop.web.pages_frame import STATIC
from tests.web.pages_server import Served


def test_a_language_is_chosen_by_the_address_then_the_cookie_then_the_browser_then_the_instance(
    served: Served,
):
    def language(path: str = "/", accept: str = "", **headers: str) -> str:
        return served.get(path, language=accept, **headers).page.one("html").attributes["lang"]

    assert language("/?lang=en", "fr", Cookie="fedcoop_language=fr") == "en"
    assert language("/", "fr", Cookie="fedcoop_language=en") == "en"
    assert language("/", "de, en;q=0.5") == "en"
    assert language("/", "de") == "fr", "the instance's own language"
    assert language("/?lang=xx", "en") == "en"


def test_a_chosen_language_is_remembered(served: Served):
    cookie = SimpleCookie(served.get("/?lang=en").headers["Set-Cookie"])["fedcoop_language"]
    assert (cookie.value, cookie["samesite"], cookie["httponly"], cookie["path"]) == ("en", "Lax", True, "/")
    assert "Set-Cookie" not in served.get("/").headers


def test_the_other_language_shows_the_same_page(served: Served):
    page = served.get("/missions?q=v%C3%A9lo&lang=fr&cursor=9").page
    (english,) = [a.attributes["href"] for a in page.all("a", hreflang="en")]
    assert english == "?q=v%C3%A9lo&lang=en"


def test_a_path_that_looks_like_another_server_is_not_made_a_link_to_it(served: Served):
    # (1) Only the query is written.
    answer = served.get("//elsewhere.example/")
    assert "elsewhere.example" not in "".join(
        a.attributes["href"] for a in answer.page.all("a", hreflang="en")
    )
    targets = [e.attributes.get("href", "") for e in answer.page.elements]
    assert not [href for href in targets if href.startswith("//")]


@pytest.mark.parametrize("name", STATIC)
def test_a_static_file_may_be_kept_for_ever_because_its_address_changes_with_it(served: Served, name: str):
    page = served.get("/").page
    (address,) = {e.attributes["href"] for e in page.all("link") if name in e.attributes["href"]}
    answer = served.get(address)
    assert answer.status == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"].startswith(STATIC[name])
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["pages.py", "..%2Fpages.py", "nothing.css"])
def test_nothing_else_is_served_as_a_static_file(served: Served, name: str):
    assert served.get(f"/static/{name}").status == 404


def test_the_style_sheet_loads_nothing(served: Served):
    sheet = served.get("/static/fedcoop.css").text
    assert "url(" not in sheet
    assert "@import" not in sheet


def test_who_has_signed_in_is_named_with_a_way_out(served: Served):
    page = served.get("/", token=served.scene.coops_token).page
    assert page.one("form", action="/sign-out", method="post")
    assert "Les Pédales de Loire" in page.one("p", **{"class": "viewer"}).text
    # An old cookie is as good as none.
    assert served.get("/", Cookie="fedcoop_session=" + "x" * 43).page.all("form", action="/sign-out") == []
