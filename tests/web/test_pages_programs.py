"""Asking a person for leave: in words, on a page that only they can answer, and that leads nowhere by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from fedcoop.flow import access, programs
from fedcoop.web.admission import Allowance
from tests.web.pages_server import Answer, Served

APP = "https://app.example/program.json"
CB = "https://app.example/cb"
QUERY = {
    "response_type": "code", "client_id": APP, "redirect_uri": CB, "scope": "read write", "state": "s p&",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
}  # fmt: skip


class Reader:
    """One of our members, signed in at a browser."""

    def __init__(self, served: Served, *scopes: str) -> None:
        self.served = served
        world, malo = served.scene.nantes.world, served.scene.malo

        async def begin() -> Any:
            begun = await access.new_token(world, malo, name="t", wanted=scopes or ("read", "write"))
            return await access.begin_session(world, begun.kept)

        self.secret = served.run(begin()).secret
        self.cookie = {"Cookie": f"fedcoop_session={self.secret}"}

    def page(self, path: str, **options: Any) -> Answer:
        return self.served.get(path, **{**self.cookie, **options})

    def send(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        return self.served.post(path, fields, **{**self.cookie, **headers})

    def word(self) -> str:
        """What a form of this sign-in sends along."""
        return self.page("/programs").page.all("input", name="form")[0].attributes["value"]

    def allowed(self) -> int:
        world = self.served.scene.nantes.world
        return len(self.served.run(programs.allowed(world, self.served.scene.malo)))


@pytest.fixture
def reader(served: Served) -> Iterator[Reader]:
    declared = [CB, "http://127.0.0.1/cb", "http://[::1]/cb"]
    served.scene.nantes.office.programs[APP] = {
        "client_id": APP,
        "client_name": "Agenda <b>",
        "redirect_uris": declared,
    }
    yield Reader(served)
    served.run(access.revoke_all(served.scene.nantes.world, served.scene.malo))
    served.scene.nantes.office.programs.clear()


def ask(**changed: str) -> str:
    query = {name: value for name, value in {**QUERY, **changed}.items() if value}
    return f"/oauth/authorize?{urlencode(query)}"


def told(answer: Answer) -> dict[str, str]:
    assert answer.status == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


# -- the page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("fr", "Publier, répondre et s’engager en votre nom, suivi des acteurs excepté"),
        ("en", "Publish, answer and commit yourself in your name, except following actors"),
    ],
)
def test_a_member_is_asked_in_words_by_whom_and_for_what(reader: Reader, language: str, sentence: str):
    answer = reader.page(ask(), language=language)
    assert answer.status == 200
    assert "Agenda <b>" in answer.page.one("h1").text
    assert [item.text for item in answer.page.all("li") if sentence in item.text]
    assert "app.example" in answer.page.one("p", **{"class": "lead"}).text
    assert "<b>" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_whoever_is_not_signed_in_does_that_first_and_comes_back(reader: Reader):
    fetched = reader.served.scene.nantes.office.fetched
    before = len(fetched)
    answer = reader.served.get(ask())
    assert (answer.status, answer.headers["Location"]) == (303, f"/sign-in?next={quote(ask(), safe='')}")
    assert len(fetched) == before, "nothing is fetched for strangers"
    form = reader.served.get(answer.headers["Location"]).page.all("input", name="next")[0]
    again = reader.page(form.attributes["value"])
    assert again.status == 200
    # Nor for a program with a token.
    made = reader.served.run(
        access.new_token(
            reader.served.scene.nantes.world, reader.served.scene.malo, name="x", wanted=["read"]
        )
    )
    assert reader.served.get(ask(), Authorization=f"Bearer {made.secret}").status == 303
    assert len(fetched) == before + 1


@pytest.mark.parametrize(
    ("redirect", "source", "warned"),
    [
        (CB, "https://app.example", False),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000", True),
        ("http://[::1]:5000/cb", "http:", True),
    ],
)
def test_the_browser_may_follow_the_answer_there_and_nowhere_else(
    reader: Reader, redirect: str, source: str, warned: bool
):
    answer = reader.page(ask(redirect_uri=redirect))
    assert f"form-action 'self' {source};" in answer.headers["Content-Security-Policy"]
    assert ("Il tourne sur cet ordinateur" in answer.text) is warned


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"redirect_uri": "https://elsewhere.example/cb"}, "redirect-mismatch"),
        ({"redirect_uri": ""}, "redirect-mismatch"),
        ({"client_id": ""}, "client-unknown"),
        ({"client_id": "https://app.example/"}, "client-unknown"),
        ({"code_challenge": ""}, "authorization-request"),
        ({"code_challenge_method": "plain"}, "authorization-request"),
        ({"response_type": "token"}, "authorization-request"),
        ({"scope": "tokens"}, "authorization-request"),
        ({"scope": "follow"}, "authorization-request"),
    ],
)
def test_a_faulty_request_is_told_here_and_leads_nowhere(reader: Reader, changed: dict[str, str], code: str):
    answer = reader.page(ask(**changed))
    assert answer.status in (400, 422)
    assert code in answer.text
    assert "Location" not in answer.headers
    sent = reader.send(ask(**changed), {"form": reader.word(), "decision": "allow"})
    assert (sent.status, "Location" in sent.headers) == (answer.status, False)
    assert reader.allowed() == 0


# -- the answer ---------------------------------------------------------------------------------------------


def test_yes_takes_the_program_a_code(reader: Reader):
    fields = reader.page(ask()).page.all("input", name="form")
    (word,) = [f.attributes["value"] for f in fields if f.inside[-1].attributes.get("class") == "panel"]
    answer = reader.send(ask(), {"form": word, "decision": "allow"})
    said = told(answer)
    assert answer.headers["Location"].startswith(f"{CB}?code=")
    assert (said["state"], said["iss"]) == ("s p&", reader.served.base)
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    got = reader.served.run(
        programs.redeem(
            code=said["code"], client_id=APP, redirect_uri=CB,
            verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", world=reader.served.scene.nantes.world,
        )
    )  # fmt: skip
    assert (got.access.kept.actor, got.access.kept.scopes) == (reader.served.scene.malo, ("read", "write"))


@pytest.mark.parametrize("decision", ["refuse", "", "Allow"])
def test_anything_else_takes_it_a_no(reader: Reader, decision: str):
    said = told(reader.send(ask(), {"form": reader.word(), "decision": decision}))
    assert said == {"error": "access_denied", "state": "s p&", "iss": reader.served.base}
    assert reader.allowed() == 0


@pytest.mark.parametrize(
    ("changed", "headers", "status"),
    [
        ({"form": ""}, {}, 403),
        ({"form": "0" * 64}, {}, 403),
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, {"Origin": "https://elsewhere.example"}, 403),
        ({}, {"Cookie": "fedcoop_session=x"}, 403),
        ({}, {"Cookie": ""}, 403),
    ],
)
def test_nobody_else_says_yes(reader: Reader, changed: dict[str, str], headers: dict[str, str], status: int):
    answer = reader.send(ask(), {"form": reader.word(), "decision": "allow", **changed}, **headers)
    assert (answer.status, "Location" in answer.headers) == (status, False)
    assert reader.allowed() == 0


def test_a_link_says_no_yes(reader: Reader):
    answer = reader.page(f"{ask()}&decision=allow&form={reader.word()}")
    assert answer.status == 200
    assert reader.allowed() == 0


def test_one_member_makes_us_fetch_so_often(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    fields = {"form": reader.word(), "decision": "refuse"}
    fetched = reader.served.scene.nantes.office.fetched
    admission = reader.served.admission
    monkeypatch.setattr(admission, "consents", Allowance((2, timedelta(minutes=5)), lambda: 0.0))
    assert (reader.page(ask()).status, reader.send(ask(), fields).status) == (200, 303)
    before = len(fetched)
    assert (reader.page(ask()).status, reader.send(ask(), fields).status) == (429, 429)
    assert len(fetched) == before
    admission.consents.check("https://elsewhere.example/actors/somebody")


# -- the list -----------------------------------------------------------------------------------------------


def test_what_was_allowed_is_listed_and_taken_back(reader: Reader):
    told(reader.send(ask(), {"form": reader.word(), "decision": "allow"}))
    page = reader.page("/programs").page
    assert page.one("h2").text == "Agenda <b>"
    assert "app.example" in reader.page("/programs").words
    program = page.one("input", name="program").attributes["value"]
    for fields in ({"program": program}, {"program": program, "form": "x"}):
        assert reader.send("/programs", fields).status == 403
    assert reader.allowed() == 1
    assert reader.send("/programs", {"form": reader.word(), "program": "0" * 12}).status == 404
    answer = reader.send("/programs", {"form": reader.word(), "program": program})
    assert (answer.status, answer.headers["Location"], reader.allowed()) == (303, "/programs", 0)


def test_the_list_is_for_whoever_is_signed_in(reader: Reader):
    answer = reader.served.get("/programs")
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=/programs")
