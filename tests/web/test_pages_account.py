"""One's own account: an invitation is followed once, a password changed by whoever knows it, all signed out at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import get_args
from urllib.parse import urlsplit

import pytest

from fedcoop.flow import access, accounts
from fedcoop.ports import Account
from fedcoop.protocol.passwords import Flaw
from fedcoop.web.admission import Rates
from fedcoop.web.pages import HtmlPages
from fedcoop.web.pages_account import flaw_named
from fedcoop.web.pages_text import words
from fedcoop.web.services import Services
from tests.conftest import NOON
from tests.flow.federation import Passwords
from tests.web.conftest import ALICE, ALICES_SIGN_IN, FakeReader, Serve
from tests.web.pages_server import Answer, Served

GOOD, OTHER = "trois vélos bleus", "quatre vélos verts"
INES = "ines-b"


class Browser:
    """A browser at the pages: it keeps its cookie, and sends what a page's form has in it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.cookie: dict[str, str] = {}

    def get(self, path: str) -> Answer:
        return self._kept(self.served.get(path, language="en", **self.cookie))

    def send(self, path: str, **fields: str) -> Answer:
        secret = self.cookie.get("Cookie", "=").partition("=")[2]
        form = {"form": sha256(b"form:" + secret.encode()).hexdigest(), **fields}
        return self._kept(self.served.post(path, form, language="en", **self.cookie))

    def _kept(self, answer: Answer) -> Answer:
        if "Set-Cookie" in answer.headers:
            value = SimpleCookie(answer.headers["Set-Cookie"])["fedcoop_session"].value
            self.cookie = {"Cookie": f"fedcoop_session={value}"} if value else {}
        return answer

    def signed_in(self) -> bool:
        return self.served.get("/account", **self.cookie).status == 200


@pytest.fixture
def link(served: Served) -> Iterator[str]:
    """The path of an invitation for Inès, who has no account yet."""
    world = served.scene.nantes.world
    actor = accounts.actor_of(INES, world.instance)
    made = served.run(accounts.invite(world, actor, "member"))
    assert made.address.startswith(served.base)
    parts = urlsplit(made.address)
    yield f"{parts.path}?{parts.query}"
    served.run(accounts.revoke(world, actor))


@pytest.fixture
def ines(served: Served, link: str) -> Browser:
    browser = Browser(served)
    answer = follow(browser, link, GOOD)
    assert (answer.status, answer.headers["Location"]) == (303, "/account")
    return browser


def follow(browser: Browser, link: str, password: str, again: str | None = None) -> Answer:
    key = link.partition("key=")[2]
    return browser.send("/invitation", key=key, password=password, again=password if again is None else again)


# -- an invitation -----------------------------------------------------------------------------------------------


def test_whoever_follows_the_link_sets_a_password_and_is_in(served: Served, link: str):
    browser = Browser(served)
    for _ in range(2):  # Looking at it, as previews of messages do, uses nothing up.
        page = browser.get(link)
        assert page.status == 200
        assert "with the name ines-b and this password" in page.words
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert follow(browser, link, GOOD).headers["Location"] == "/account"
    account = browser.get("/account")
    assert "ines-b" in account.words
    assert "member" in account.words
    assert "in 1 browser" in account.words
    assert Browser(served).get(link).status == 404
    assert "was used, or has run out" in follow(Browser(served), link, OTHER).words


@pytest.mark.parametrize(
    ("password", "again", "says"),
    [
        ("court", "court", "At least 12 characters"),
        ("motdepasse2026", "motdepasse2026", "one of the first"),
        ("ines-b pedales", "ines-b pedales", "Your name and"),
        (GOOD, OTHER, "The two are not the same."),
        (GOOD, "", "The two are not the same."),
    ],
)
def test_what_is_wrong_with_a_password_is_said_beside_it_and_it_is_not_repeated(
    served: Served, link: str, password: str, again: str, says: str
):
    answer = follow(Browser(served), link, password, again)
    assert answer.status == 422
    assert says in answer.page.one("p", id="password-error").text
    assert password not in answer.text.replace("ines-b", "")
    assert "Set-Cookie" not in answer.headers
    assert follow(Browser(served), link, GOOD).status == 303, "and the link is not used up"


@pytest.mark.parametrize("key", ["", "x", "x" * 43, "%00"])
def test_a_link_that_was_made_up_opens_nothing(served: Served, key: str):
    answer = Browser(served).get(f"/invitation?key={key}")
    assert (answer.status, answer.page.all("input", name="password")) == (404, [])
    assert follow(Browser(served), f"?key={key}", GOOD).status == 422


def test_another_site_sets_no_password(served: Served, link: str):
    form = {"key": link.partition("key=")[2], "password": GOOD, "again": GOOD}
    assert served.post("/invitation", form, Origin="https://elsewhere.example").status == 403
    assert Browser(served).get(link).status == 200


# -- one's own ---------------------------------------------------------------------------------------------------


def test_whoever_is_not_signed_in_is_led_to_where_one_does_that(served: Served):
    answer = Browser(served).get("/account")
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=/account")


def test_a_password_is_changed_and_every_other_browser_is_signed_out(served: Served, ines: Browser):
    elsewhere = Browser(served)
    assert elsewhere.send("/sign-in", name=INES, password=GOOD).status == 303
    before = ines.cookie
    answer = ines.send("/account", present=GOOD, password=OTHER, again=OTHER)
    assert (answer.status, answer.headers["Location"]) == (303, "/account?changed=1")
    assert ines.cookie != before
    assert ines.signed_in()
    assert not elsewhere.signed_in()
    assert "Your password is changed." in ines.get("/account?changed=1").words
    assert Browser(served).send("/sign-in", name=INES, password=GOOD).status == 422
    assert Browser(served).send("/sign-in", name=INES, password=OTHER).status == 303


@pytest.mark.parametrize("tick", [True, False])
def test_access_tokens_end_with_the_old_password_unless_that_is_unticked(
    served: Served, ines: Browser, tick: bool
):
    world = served.scene.nantes.world
    actor = accounts.actor_of(INES, world.instance)
    made = served.run(access.new_token(world, actor, name="Agenda", wanted=["read"]))
    box = ines.get("/account").page.one("input", id="tokens").attributes
    assert "checked" in box
    ticked = {box["name"]: box["value"]} if tick else {}
    assert ines.send("/account", present=GOOD, password=OTHER, again=OTHER, **ticked).status == 303
    left = [token.hash for token in served.run(access.tokens_of(world, actor))]
    assert (made.kept.hash in left) == (not tick)


@pytest.mark.parametrize(
    ("fields", "where", "says"),
    [
        ({"present": OTHER, "password": OTHER, "again": OTHER}, "present-error", "not your present password"),
        ({"present": "", "password": OTHER, "again": OTHER}, "present-error", "not your present password"),
        ({"present": GOOD, "password": OTHER, "again": GOOD}, "password-error", "not the same"),
        ({"present": GOOD, "password": "court", "again": "court"}, "password-error", "At least 12"),
    ],
)
def test_a_password_is_not_changed_by_mistake_or_by_whoever_found_a_browser(
    served: Served, ines: Browser, fields: dict[str, str], where: str, says: str
):
    answer = ines.send("/account", **fields)
    assert answer.status == 422
    assert says in answer.page.one("p", id=where).text
    assert ines.signed_in()
    assert Browser(served).send("/sign-in", name=INES, password=GOOD).status == 303


def test_forms_of_another_sign_in_or_site_change_nothing(served: Served, ines: Browser):
    change = {"present": GOOD, "password": OTHER, "again": OTHER}
    for path, fields in (("/account", change), ("/account/sign-out", {})):
        assert ines.send(path, **fields, form="0" * 64).status == 403
        answer = served.post(path, fields, Origin="https://elsewhere.example", **ines.cookie)
        assert answer.status == 403
        assert served.post(path, fields).status == 403
    assert ines.signed_in()


def test_one_signs_out_everywhere_at_once(served: Served, ines: Browser):
    elsewhere = Browser(served)
    elsewhere.send("/sign-in", name=INES, password=GOOD)
    copied = dict(ines.cookie)
    answer = ines.send("/account/sign-out")
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert ines.cookie == {}
    assert not elsewhere.signed_in()
    assert served.get("/account", **copied).status == 303
    ines.cookie = copied
    assert ines.send("/account/sign-out").headers["Location"] == "/sign-in"
    assert ines.send("/account", present=GOOD).headers["Location"] == "/sign-in?next=/account"


def test_whoever_signed_in_with_a_token_and_has_no_account_is_told_how_to_get_one(served: Served):
    answer = served.get("/account", token=served.malos_token, language="en")
    assert "gives you a link to set one" in answer.words
    assert answer.page.all("input", name="present") == []


async def test_whoever_found_a_browser_guesses_no_more_often_than_at_the_door(
    services: Services, serve: Serve, reader: FakeReader
):
    hasher = Passwords()
    reader.accounts[ALICE] = Account(ALICE, "member", await hasher.hashed(OTHER), NOON, None, None)
    world = replace(services.world, passwords=hasher)
    rates = Rates(sign_in_per_account=(2, timedelta(hours=1)))
    client = await serve(replace(services, world=world, pages=HtmlPages(world), rates=rates))
    headers = {"Cookie": f"__Host-fedcoop_session={ALICES_SIGN_IN}", "Accept-Language": "en"}
    word = sha256(b"form:" + ALICES_SIGN_IN.encode()).hexdigest()
    guess = {"form": word, "present": "a guess", "password": GOOD, "again": GOOD}
    answers = [await client.post("/account", data=guess, headers=headers) for _ in range(4)]
    assert [answer.status for answer in answers] == [422, 422, 429, 429]
    assert "There were too many tries. Wait 3" in await answers[-1].text()
    assert len(hasher.looked) == 2
    assert (await client.post("/sign-in", data={"name": "alice", "password": "a guess"})).status == 429


async def test_links_are_not_made_up_without_end(services: Services, serve: Serve):
    rates = Rates(sign_in_per_address=(2, timedelta(minutes=5)), trusted_proxies=frozenset({"127.0.0.1"}))
    client = await serve(replace(services, pages=HtmlPages(services.world), rates=rates))
    headers = {"X-Forwarded-For": "192.0.2.7"}
    made_up = [
        await client.post(
            "/invitation", data={"key": str(n), "password": GOOD, "again": GOOD}, headers=headers
        )
        for n in range(4)
    ]
    assert [answer.status for answer in made_up] == [422, 422, 429, 429]


def test_every_flaw_is_named_in_both_languages():
    for flaw in (*get_args(Flaw), None):
        french, english = (flaw_named(words(language), flaw) for language in ("fr", "en"))
        assert french != english
        assert re.search(r"\w", french)
