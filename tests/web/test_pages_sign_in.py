"""Signing in: a good token, or a name and its password, become a cookie of this browser, for our pages only."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from http.cookies import SimpleCookie

import pytest
from aiohttp.test_utils import TestClient

from fedcoop.flow import accounts
from fedcoop.web.admission import Rates
from fedcoop.web.pages import HtmlPages
from fedcoop.web.services import Services
from tests.flow.federation import Passwords
from tests.web.conftest import ALICE, ALICES_TOKEN, BASE, FakeReader, Serve, a_token
from tests.web.pages_server import Served

FORM = {"Accept": "text/html", "Accept-Language": "fr"}


@pytest.fixture
def services(services: Services) -> Services:
    """The small world of the other web tests, with real pages: its base is https."""
    return replace(services, pages=HtmlPages(services.world))


async def test_a_good_token_is_kept_where_only_our_pages_get_it(services: Services, serve: Serve):
    client = await serve(services)
    answer = await client.post(
        "/sign-in",
        data={"token": f" {ALICES_TOKEN}\n", "next": "/missions?q=v"},
        headers=FORM,
        allow_redirects=False,
    )
    assert answer.status == 303
    assert answer.headers["Location"] == "/missions?q=v"
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["__Host-fedcoop_session"]
    assert ALICES_TOKEN not in answer.headers["Set-Cookie"]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["path"], cookie["domain"]) == (
        True, "Lax", True, "/", "",
    )  # fmt: skip
    assert cookie["max-age"] == str(90 * 24 * 3600)


def test_without_https_the_cookie_still_works_on_a_developers_machine(served: Served):
    answer = served.post("/sign-in", {"token": served.scene.coops_token})
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["fedcoop_session"]
    assert (answer.status, answer.headers["Location"], cookie["secure"]) == (303, "/", "")


async def test_a_wrong_token_is_said_beside_the_field_and_not_repeated(services: Services, serve: Serve):
    client = await serve(services)
    answer = await client.post("/sign-in", data={"token": "wr<b>ong"}, headers=FORM)
    text = await answer.text()
    assert answer.status == 422
    assert "Ce jeton n’est pas de cette coopérative." in text
    assert 'aria-describedby="token-error token-hint"' in text
    assert 'id="password-error"' not in text
    assert "wr" not in text.partition('name="token"')[2].partition(">")[0]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://elsewhere.example"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_a_form_of_another_site_is_refused(
    services: Services, serve: Serve, path: str, headers: dict[str, str]
):
    client = await serve(services)
    answer = await client.post(path, data={"token": ALICES_TOKEN}, headers={**FORM, **headers})
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_our_own_form_is_taken(services: Services, serve: Serve):
    client = await serve(services)
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": BASE}
    answer = await client.post(
        "/sign-in", data={"token": ALICES_TOKEN}, headers={**FORM, **ours}, allow_redirects=False
    )
    assert answer.status == 303


async def signed_in(client: TestClient, **headers: str) -> str:
    """Sign in and return the secret that the browser was given."""
    answer = await client.post(
        "/sign-in", data={"token": ALICES_TOKEN}, headers={**FORM, **headers}, allow_redirects=False
    )
    return SimpleCookie(answer.headers["Set-Cookie"])["__Host-fedcoop_session"].value


async def as_whom(client: TestClient, secret: str) -> bool:
    """Tell whether the front page greets somebody who sends that cookie."""
    answer = await client.get("/sign-in", headers={**FORM, **cookie_of(secret)})
    return 'class="viewer"' in await answer.text()


def cookie_of(secret: str) -> dict[str, str]:
    return {"Cookie": f"__Host-fedcoop_session={secret}"}


def form_of(secret: str) -> str:
    return sha256(b"form:" + secret.encode()).hexdigest()


async def test_signing_in_again_is_a_new_secret_and_ends_the_old_one(services: Services, serve: Serve):
    client = await serve(services)
    first = await signed_in(client)
    second = await signed_in(client, **cookie_of(first))
    assert first != second
    assert (await as_whom(client, first), await as_whom(client, second)) == (False, True)


async def test_signing_out_ends_the_sign_in_also_for_a_copy_of_the_cookie(services: Services, serve: Serve):
    client = await serve(services)
    secret, other = await signed_in(client), await signed_in(client)
    answer = await client.post(
        "/sign-out",
        data={"form": form_of(secret)},
        headers={**FORM, **cookie_of(secret)},
        allow_redirects=False,
    )
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["__Host-fedcoop_session"]
    assert (answer.status, answer.headers["Location"], cookie.value, cookie["max-age"]) == (303, "/", "", "0")
    assert (await as_whom(client, secret), await as_whom(client, other)) == (False, True)


@pytest.mark.parametrize("form", ["", "x", "é", form_of("another")])
async def test_a_form_without_the_word_of_this_sign_in_ends_nothing(
    services: Services, serve: Serve, form: str
):
    client = await serve(services)
    secret = await signed_in(client)
    answer = await client.post("/sign-out", data={"form": form}, headers={**FORM, **cookie_of(secret)})
    assert answer.status == 403
    assert await as_whom(client, secret)


def test_the_page_itself_sends_the_word_of_its_sign_in(served: Served):
    token = served.scene.coops_token
    page = served.get("/", token=token).page
    assert page.one("input", name="form").attributes["value"] == form_of(served.signed_in(token))


async def test_a_token_that_may_not_read_signs_nobody_in(
    services: Services, serve: Serve, reader: FakeReader
):
    reader.give(replace(a_token("writes", ALICE), scopes=("write",)))
    client = await serve(services)
    answer = await client.post("/sign-in", data={"token": "writes"}, headers=FORM)
    assert (answer.status, "Set-Cookie" in answer.headers) == (422, False)


async def test_a_link_cannot_sign_anybody_out(services: Services, serve: Serve):
    client = await serve(services)
    assert (await client.get("/sign-out", headers=FORM)).status == 405


async def test_whoever_guesses_tokens_has_to_wait(services: Services, serve: Serve):
    rates = Rates(sign_in_per_address=(3, timedelta(minutes=5)), trusted_proxies=frozenset({"127.0.0.1"}))
    client = await serve(replace(services, rates=rates))
    headers = {**FORM, "X-Forwarded-For": "192.0.2.7"}
    statuses = [
        (await client.post("/sign-in", data={"token": f"guess-{n}"}, headers=headers)).status
        for n in range(5)
    ]
    assert statuses == [422, 422, 422, 429, 429]
    answer = await client.post("/sign-in", data={"token": ALICES_TOKEN}, headers=headers)
    assert answer.status == 429, "a good guess must not be told from a bad one"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": b"x" * 10_000, "headers": {**FORM, "Content-Type": "application/x-www-form-urlencoded"}}, 413),
        ({"json": {"token": ALICES_TOKEN}, "headers": FORM}, 415),
        ({"data": b"&".join(b"a=1" for _ in range(50)),
          "headers": {**FORM, "Content-Type": "application/x-www-form-urlencoded"}}, 422),
        ({"data": b"token=%ff%fe", "headers": {**FORM, "Content-Type": "application/x-www-form-urlencoded"}}, 422),
    ],
)  # fmt: skip
async def test_what_is_no_sign_in_form_is_refused(
    services: Services, serve: Serve, sent: dict[str, object], status: int
):
    client = await serve(services)
    assert (await client.post("/sign-in", **sent)).status == status  # type: ignore[arg-type]


# -- by name and password ----------------------------------------------------------------------------------------

GOOD = "trois vélos bleus"


@pytest.fixture(scope="module")
def zoe(served: Served) -> str:
    """Zoé, who has set a password; her name."""
    world = served.scene.nantes.world

    async def open_account() -> None:
        actor = accounts.actor_of("zoe-le-g", world.instance)
        made = await accounts.invite(world, actor, "member")
        await accounts.accept(world, made.secret, GOOD)

    served.run(open_account())
    return "zoe-le-g"


def test_a_name_and_its_password_are_a_sign_in_of_its_own(served: Served, zoe: str):
    answer = served.post("/sign-in", {"name": f" @{zoe.upper()} ", "password": GOOD, "next": "/missions"})
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["fedcoop_session"]
    assert (answer.status, answer.headers["Location"], answer.headers["Cache-Control"]) == (
        303, "/missions", "no-store",
    )  # fmt: skip
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    page = served.get("/account", language="en", Cookie=f"fedcoop_session={cookie.value}")
    assert "Zoé Le G." in page.words
    assert served.get("/operator/peers", Cookie=f"fedcoop_session={cookie.value}").status == 403


def test_a_cookie_of_before_ends_when_somebody_signs_in(served: Served, zoe: str):
    def enter(**headers: str) -> str:
        answer = served.post("/sign-in", {"name": zoe, "password": GOOD}, **headers)
        return SimpleCookie(answer.headers["Set-Cookie"])["fedcoop_session"].value

    planted = enter()
    fresh = enter(Cookie=f"fedcoop_session={planted}")
    assert fresh != planted
    assert served.get("/account", Cookie=f"fedcoop_session={planted}").status == 303
    assert served.get("/account", Cookie=f"fedcoop_session={fresh}").status == 200


@pytest.mark.parametrize("name", ["zoe-le-g", "nobody", "", "malo"])
def test_why_somebody_is_not_let_in_is_told_to_nobody(served: Served, zoe: str, name: str):
    answer = served.post("/sign-in", {"name": name, "password": "quatre<b>vélos", "next": "/missions"})
    assert answer.status == 422
    assert "Set-Cookie" not in answer.headers
    assert (
        answer.page.one("p", id="password-error").text
        == "Ce nom et ce mot de passe ne vont pas ensemble ici."
    )
    assert answer.page.one("input", id="name").attributes["value"] == name
    assert "quatre" not in answer.text
    without_name = answer.text.replace(f'value="{name}"', "")
    assert without_name == served.post(
        "/sign-in", {"name": zoe, "password": "x", "next": "/missions"}
    ).text.replace(f'value="{zoe}"', "")


def test_another_sites_form_signs_nobody_in_with_a_password(served: Served, zoe: str):
    answer = served.post("/sign-in", {"name": zoe, "password": GOOD}, Origin="https://elsewhere.example")
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_a_name_is_tried_so_often_from_wherever_and_then_not_even_with_the_right_password(
    services: Services, serve: Serve, name: str
):
    hasher = Passwords()
    world = replace(services.world, passwords=hasher)
    rates = Rates(sign_in_per_account=(3, timedelta(hours=1)), trusted_proxies=frozenset({"127.0.0.1"}))
    client = await serve(replace(services, world=world, pages=HtmlPages(world), rates=rates))

    async def attempt(n: int) -> tuple[int, str | None]:
        headers = {**FORM, "X-Forwarded-For": f"192.0.2.{n}"}
        answer = await client.post("/sign-in", data={"name": name, "password": "x" * 12}, headers=headers)
        return answer.status, answer.headers.get("Retry-After")

    assert [status for status, _ in [await attempt(n) for n in range(5)]] == [422, 422, 422, 429, 429]
    assert (await attempt(9))[1] == "1200"
    assert len(hasher.looked) == 3, "whoever has to wait costs no hash"


async def test_an_address_tries_so_many_names_and_no_more(services: Services, serve: Serve):
    world = replace(services.world, passwords=Passwords())
    rates = Rates(sign_in_per_address=(3, timedelta(minutes=5)), trusted_proxies=frozenset({"127.0.0.1"}))
    client = await serve(replace(services, world=world, pages=HtmlPages(world), rates=rates))
    headers = {**FORM, "X-Forwarded-For": "192.0.2.7"}
    statuses = [
        (await client.post("/sign-in", data={"name": f"n{n}", "password": "x"}, headers=headers)).status
        for n in range(5)
    ]
    assert statuses == [422, 422, 422, 429, 429]
    text = await (await client.post("/sign-in", data={"name": "a", "password": "x"}, headers=headers)).text()
    assert "Il y a eu trop d’essais. Attendez" in text
