"""`fedcoop account`: the operator invites, lists, resets and ends; the server that runs beside it obeys at once."""

from __future__ import annotations

import re
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Run


class Browser:
    """Sends forms to a served instance and keeps the cookie."""

    def __init__(self, served: LocalInstance) -> None:
        self._at = urlsplit(served.base).netloc
        self._cookie = ""

    def ask(self, method: str, path: str, **form: str) -> tuple[int, str]:
        connection = HTTPConnection(self._at, timeout=20)
        headers = {"Accept": "text/html", "Accept-Language": "en", "Cookie": self._cookie}
        headers |= {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        try:
            connection.request(method, path, urlencode(form) if form else None, headers)
            answer = connection.getresponse()
            if cookie := answer.headers["Set-Cookie"]:
                self._cookie = cookie.partition(";")[0]
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def test_an_account_from_the_invitation_to_its_end(run: Run, served: LocalInstance) -> None:
    served.add_member("Inès B.")
    made = run("account", "invite", served.folder, "ines-b", "--role", "operator", "--json")
    assert made.status == 0, made.err
    assert (made.json["role"], made.json["passwordSet"]) == ("operator", None)
    link = made.json["link"].removeprefix(served.base)
    key = re.fullmatch(r"/invitation\?key=([\w-]{43})", link)
    assert key is not None
    browser, again = Browser(served), Browser(served)
    password = "trois vélos bleus"
    assert browser.ask("GET", link)[0] == 200
    assert browser.ask("POST", "/invitation", key=key[1], password=password, again=password)[0] == 303
    assert browser.ask("GET", "/operator/peers")[0] == 200
    assert again.ask("GET", link)[0] == 404
    assert again.ask("POST", "/sign-in", name="ines-b", password="trois velos bleus")[0] == 422
    assert again.ask("POST", "/sign-in", name="ines-b", password=password)[0] == 303
    listed = run("account", "list", served.folder)
    assert re.search(r"ines-b +operator +password set \d{4}-", listed.out)
    for secret in (key[1], password):
        assert secret not in listed.out
    refused = run("account", "invite", served.folder, "ines-b")
    assert (refused.status, "password is set" in refused.err) == (1, True)
    reset = run("account", "reset", served.folder, "ines-b", "--role", "member", "--json")
    assert (reset.json["role"], reset.json["link"] != made.json["link"]) == ("member", True)
    assert browser.ask("GET", "/account")[0] == 303
    assert again.ask("POST", "/sign-in", name="ines-b", password=password)[0] == 422
    assert run("account", "revoke", served.folder, "ines-b", "--json").json["ok"]
    assert again.ask("GET", reset.json["link"].removeprefix(served.base))[0] == 404
    assert run("account", "list", served.folder, "--json").json["accounts"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("invite", "nobody"), 1, "no member 'nobody'"),
        (("invite", "coop", "--role", "admin"), 2, "member, operator"),
        (("invite", "coop", "--hours", "73"), 1, "72"),
        (("invite", "coop", "--hours", "0"), 2, "hours"),
        (("reset", "coop"), 1, "no such account"),
        (("revoke", "coop"), 1, "no such account"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, instance: LocalInstance, arguments: tuple[str, ...], status: int, says: str
) -> None:
    done = run("account", arguments[0], instance.folder, *arguments[1:])
    assert (done.status, done.out) == (status, "")
    assert says in done.err
