"""What OAuth compares: who a program is, where its answer goes, what it asks, and whether it is the one that asked."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.errors import FedcoopError, Invalid, Malformed
from fedcoop.protocol import limits, oauth
from fedcoop.protocol.oauth import Client

APP = "https://app.example/program.json"
DEV = frozenset({"http://127.0.0.1:8101"})
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636 appendix B."""


def a_document(**changed: Any) -> dict[str, Any]:
    whole = {
        "client_id": APP,
        "client_name": "Agenda",
        "redirect_uris": ["https://app.example/cb"],
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def read(**changed: Any) -> Client:
    return oauth.read_client(a_document(**changed), APP, allow_origins=DEV)


def an_ask(**changed: Any) -> dict[str, str]:
    whole = {
        "response_type": "code", "client_id": APP, "redirect_uri": "https://app.example/cb", "scope": "read write",
        "state": "x", "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changed,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def refused(code: str, kind: type[FedcoopError] = FedcoopError) -> Any:
    return pytest.raises(kind, match=code)


# -- who asks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [APP, "https://app.example/p?v=1", "http://127.0.0.1:8101/program.json"])
def test_a_program_is_known_by_the_address_of_its_document(address: str):
    assert oauth.check_client_id(address, allow_origins=DEV) == address


@pytest.mark.parametrize(
    "address",
    [
        "", "agenda", "https://app.example", "https://app.example/", "https://app.example/p#1",
        "http://app.example/p", "https://127.0.0.1/p", "https://app.example:8443/p", "https://a@app.example/p",
        "https://app.example/a/../p", "javascript:alert(1)", "http://127.0.0.1:8102/p",
    ],
)  # fmt: skip
def test_what_is_no_such_address_is_no_program(address: str):
    with refused("client-unknown", Invalid):
        oauth.check_client_id(address, allow_origins=DEV)


def test_a_program_says_its_name_and_where_its_answers_go():
    read_one = read(redirect_uris=["https://app.example/cb?x=1", "http://127.0.0.1/cb", "http://[::1]:99/cb"])
    assert (read_one.id, read_one.name, read_one.host) == (APP, "Agenda", "app.example")
    assert read_one.redirect_uris == (
        "https://app.example/cb?x=1",
        "http://127.0.0.1/cb",
        "http://[::1]:99/cb",
    )


@pytest.mark.parametrize(
    "redirects", ["https://app.example/cb", ["https://app.example/cb", "http://127.0.0.1/x"]]
)
def test_the_fediverses_own_form_of_it_is_read_too(redirects: Any):
    document = {"@context": "…", "id": APP, "type": "Application", "name": "Agenda", "redirectURI": redirects}
    known = oauth.read_client(document, APP, allow_origins=DEV)
    assert (known.name, known.redirect_uris[0]) == ("Agenda", "https://app.example/cb")
    with refused("client-unknown"):
        oauth.read_client({**document, "type": "Person"}, APP, allow_origins=DEV)
    with refused("client-unknown"):
        oauth.read_client({**document, "id": "https://app.example/other"}, APP, allow_origins=DEV)


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "https://app.example/other.json"},
        {"client_id": APP + "?"},
        {"client_id": 1},
        {"client_secret": "hunter2"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": "https://app.example/cb"},
        {"redirect_uris": [1]},
        {"redirect_uris": ["https://app.example/cb"] * 17},
    ],
)
def test_a_document_that_does_not_say_who_it_is_is_of_nobody(changed: dict[str, Any]):
    with refused("client-unknown", Invalid):
        read(**changed)


def test_as_many_addresses_as_allowed_and_no_method_but_none_are_taken():
    assert len(read(redirect_uris=["https://app.example/cb"] * limits.MAX_REDIRECT_URIS).redirect_uris) == 16
    assert read(token_endpoint_auth_method="none").name == "Agenda"


@pytest.mark.parametrize(
    "redirect",
    [
        "https://elsewhere.example/cb", "https://app.example.elsewhere.example/cb", "https://app.example/cb#x",
        "http://app.example/cb", "javascript:alert(1)", "https://*.app.example/cb", "http://localhost/cb",
        "http://127.0.0.1.elsewhere.example/", "http://127.0.0.1@elsewhere.example/", "http://127.0.0.2/cb",
        "https://127.0.0.1/cb", "http://127.0.0.1", "http://127.0.0.1/#x", "com.example.app:/cb", "//app.example/cb",
        "http://127.0.0.1:8101/cb", "",
    ],
)  # fmt: skip
def test_a_program_has_its_answers_sent_to_itself_alone(redirect: str):
    if redirect == "http://127.0.0.1:8101/cb":
        return  # A loopback address like any other.
    with refused("client-unknown", Invalid):
        read(redirect_uris=["https://app.example/cb", redirect])


@pytest.mark.parametrize("name", [None, "", "  ", 1, "a\nb", "\u202eadnegA", "é" * 81])
def test_a_name_that_would_rewrite_the_page_is_not_shown(name: Any):
    assert read(client_name=name).name == "app.example"


# -- what is asked ------------------------------------------------------------------------------------------


def test_a_parameter_is_there_once():
    assert oauth.once([("a", "1"), ("b", "")]) == {"a": "1"}
    with refused("authorization-request", Malformed):
        oauth.once([("a", "1"), ("a", "1")])


@pytest.mark.parametrize(
    ("declared", "wanted", "taken"),
    [
        ("https://app.example/cb", "https://app.example/cb", True),
        ("https://app.example/cb", "https://app.example/cb/", False),
        ("https://app.example/cb", "https://app.example/cb?x=1", False),
        ("https://app.example/cb", "https://app.example/CB", False),
        ("https://app.example/cb", "https://app.example:443/cb", False),
        ("https://app.example/cb", "", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50123/cb", True),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb", True),
        ("http://[::1]/cb", "http://[::1]:50123/cb", True),
        ("http://127.0.0.1/cb", "http://[::1]:50123/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50123/other", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50123/cb?x", False),
        ("http://127.0.0.1/cb", "https://127.0.0.1:50123/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50123@elsewhere.example/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:/cb", False),
    ],
)
def test_an_answer_goes_where_it_was_said_that_it_goes(declared: str, wanted: str, taken: bool):
    client = Client(APP, "Agenda", (declared,))
    if taken:
        assert oauth.redirect_of({"redirect_uri": wanted}, client) == wanted
        return
    with refused("redirect-mismatch", Invalid):
        oauth.redirect_of({"redirect_uri": wanted}, client)


def test_a_request_is_read_whole():
    ask = oauth.read_ask(an_ask(), read(), within=oauth.GRANTABLE)
    assert (ask.scopes, ask.state, ask.challenge, ask.local) == (("read", "write"), "x", CHALLENGE, False)
    bare = oauth.read_ask(an_ask(scope=None, state=None), read(), within=oauth.GRANTABLE)
    assert (bare.scopes, bare.state) == (("read",), None)
    near = oauth.read_ask(
        an_ask(redirect_uri="http://127.0.0.1:5/cb"),
        read(redirect_uris=["http://127.0.0.1/cb"]),
        within=oauth.GRANTABLE,
    )
    assert near.local


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "A"}, "invalid_request"),
        ({"code_challenge": "é" * 43}, "invalid_request"),
        ({"state": "x" * 1025}, "invalid_request"),
        ({"scope": "read tokens"}, "invalid_scope"),
        ({"scope": "pages"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
    ],
)
def test_a_request_that_is_not_for_a_code_with_a_proof_is_refused(changed: dict[str, Any], error: str):
    with refused("authorization-request", Malformed) as caught:
        oauth.read_ask(an_ask(**changed), read(), within=(*oauth.GRANTABLE, "tokens"))
    assert oauth.error_of(caught.value) == error


def test_nobody_is_asked_for_what_their_sign_in_cannot_give():
    with refused("authorization-request") as caught:
        oauth.read_ask(an_ask(), read(), within=("read", "tokens"))
    assert oauth.error_of(caught.value) == "invalid_scope"
    assert oauth.read_ask(an_ask(scope="read"), read(), within=("read",)).scopes == ("read",)


@pytest.mark.parametrize(
    ("verifier", "good"),
    [
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", True),
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", False),
        (CHALLENGE, False),
        ("", False),
        ("short", False),
        ("é" * 43, False),
        ("x" * 129, False),
    ],
)
def test_who_brings_the_code_is_who_began(verifier: str, good: bool):
    assert oauth.proves(verifier, CHALLENGE) is good


# -- what is answered ---------------------------------------------------------------------------------------


def test_an_answer_says_who_gives_it_and_gives_back_what_was_to_be_given_back():
    back = oauth.back_to(
        "https://app.example/cb", issuer="https://a.example", state="&x=1#", error="access_denied"
    )
    assert back == "https://app.example/cb?error=access_denied&state=%26x%3D1%23&iss=https%3A%2F%2Fa.example"
    assert "state" not in oauth.back_to(
        "https://app.example/cb", issuer="https://a.example", state=None, code="c"
    )


def test_the_metadata_names_what_there_is_and_nothing_else():
    told = oauth.metadata("https://a.example")
    assert (told["issuer"], told["token_endpoint"]) == ("https://a.example", "https://a.example/oauth/token")
    assert (told["response_types_supported"], told["code_challenge_methods_supported"]) == (
        ["code"],
        ["S256"],
    )
    assert told["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert told["scopes_supported"] == ["read", "write", "follow"]
    assert told["token_endpoint_auth_methods_supported"] == ["none"]


def test_a_refusal_without_a_word_of_oauths_own_is_an_invalid_request():
    assert oauth.error_of(Malformed("bad-id", "x")) == "invalid_request"
    assert oauth.error_of(oauth.grant_refused("x")) == "invalid_grant"
