"""Forms: what is taken for one, whose it is, and where one goes on to. The pages that send them have more of it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from fedcoop.errors import Forbidden, Unverified
from fedcoop.web import forms
from fedcoop.web.forms import within
from fedcoop.web.services import SERVICES, Services
from tests.web.conftest import ALICE, ALICES_SIGN_IN, BASE

WORD = sha256(b"form:" + ALICES_SIGN_IN.encode()).hexdigest()
COOKIE = {"Cookie": f"__Host-fedcoop_session={ALICES_SIGN_IN}"}
OURS = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def application(services: Services) -> web.Application:
    application = web.Application()
    application[SERVICES] = services
    return application


def posted(application: web.Application, **headers: str) -> web.Request:
    return make_mocked_request("POST", "/operator/deliveries", headers=headers, app=application)


async def test_our_own_form_of_this_sign_in_is_its_owners(application: web.Application):
    request = posted(application, **COOKIE, **OURS)
    assert (await forms.sender(request, {"form": WORD})).actor == ALICE


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({**COOKIE, "Origin": "https://elsewhere.example"}, {"form": WORD}),
        ({**COOKIE, "Sec-Fetch-Site": "cross-site"}, {"form": WORD}),
        ({**COOKIE, **OURS}, {}),
        ({**COOKIE, **OURS}, {"form": ""}),
        ({**COOKIE, **OURS}, {"form": "é"}),
        ({**COOKIE, **OURS}, {"form": sha256(b"form:other").hexdigest()}),
        (OURS, {"form": ""}),
        (OURS, {"form": WORD}),
    ],
)
async def test_what_another_site_or_another_sign_in_sent_is_refused(
    application: web.Application, headers: dict[str, str], sent: dict[str, str]
):
    with pytest.raises(Forbidden) as refused:
        await forms.sender(posted(application, **headers), sent)
    assert refused.value.code == "wrong-party"


async def test_a_form_of_a_sign_in_that_has_ended_is_nobodys(application: web.Application, reader: Any):
    reader.tokens.clear()
    with pytest.raises(Unverified):
        await forms.sender(posted(application, **COOKIE, **OURS), {"form": WORD})


@pytest.mark.parametrize(
    ("asked", "followed"),
    [
        ("/missions?q=vélo#results", "/missions?q=v%C3%A9lo#results"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example/", "/"),
        ("https://elsewhere.example/", "/"),
        ("missions", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/\t/elsewhere.example", "/"),
    ],
)
def test_after_signing_in_one_stays_here(asked: str | None, followed: str):
    assert within(asked) == followed
