import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import Malformed
from fedcoop.protocol import ids

GOOD = [
    "https://coop-a.example",
    "https://coop-a.example/",
    "https://coop-a.example/actors/coop#main-key",
    "https://coop-a.example/missions/8#primary",
    "https://coop-a.example/users/alice#follows/https://coop-b.example/actors/coop",
    "https://xn--cooprative-d7a.example/missions/%C3%A9t%C3%A9?page=2",
    "https://a.b.c.d.example/x,y;z=(1)!*'$&+@:~_-.",
    "https://1.2.3.example/",
]
REFUSED = {
    "not https": "http://coop-a.example/actors/coop",
    "no scheme": "coop-a.example/actors/coop",
    "another scheme": "ftp://coop-a.example/",
    "javascript": "javascript:alert(1)",
    "empty": "",
    "a user name": "https://coop-a.example@mallory.example/",
    "a user name with a password": "https://u:p@coop-a.example/",
    "a port": "https://coop-a.example:8443/",
    "the default port": "https://coop-a.example:443/",
    "no port that exists": "https://coop-a.example:99999/",
    "an empty port": "https://coop-a.example:/",
    "upper-case scheme": "HTTPS://coop-a.example/",
    "upper-case host": "https://Coop-A.example/",
    "an IPv4 address": "https://192.0.2.1/",
    "an IPv4 address as one number": "https://3232235521/",
    "an IPv4 address in hex": "https://0xc0.0xa8.1.0x1/",
    "an IPv4 address with a hex end": "https://example.0x/",
    "an IPv6 address": "https://[2001:db8::1]/",
    "localhost": "https://localhost/",
    "a name under localhost": "https://coop.localhost/",
    "a name without a dot": "https://database/",
    "a trailing dot": "https://coop-a.example./",
    "two dots": "https://coop-a..example/",
    "a hyphen first": "https://-coop.example/",
    "an underscore in the host": "https://coop_a.example/",
    "a label that is too long": f"https://{'a' * 64}.example/",
    "a host that is too long": "https://" + "a." * 130 + "example/",
    "a letter that is not ASCII": "https://coopérative.example/",
    "a letter that looks like another": "https://cоop-a.example/",
    "a path that is not ASCII": "https://coop-a.example/été",
    "a blank": "https://coop-a.example/a b",
    "a blank at the end": "https://coop-a.example/ ",
    "a line break": "https://coop-a.example/\nHost: x",
    "a NUL": "https://coop-a.example/\x00",
    "a tab in the host": "https://coop\t-a.example/",
    "a backslash": "https://coop-a.example\\@mallory.example/",
    "a quotation mark": 'https://coop-a.example/"',
    "angle brackets": "https://coop-a.example/<script>",
    "half an escape": "https://coop-a.example/%4",
    "a percent in the host": "https://coop%2da.example/",
    "dot segments": "https://coop-a.example/a/../b",
    "a single dot segment": "https://coop-a.example/a/./b",
    "escaped dot segments": "https://coop-a.example/a/%2E%2e/b",
    "dot segments at the end": "https://coop-a.example/a/..",
    "an empty fragment": "https://coop-a.example/a#",
    "two fragments": "https://coop-a.example/a#b#c",
    "too long": "https://coop-a.example/" + "a" * 2048,
}


@pytest.mark.parametrize("iri", GOOD)
def test_an_id_in_canonical_form_is_taken_as_it_is(iri: str):
    assert ids.check_id(iri) == iri


@pytest.mark.parametrize("what", REFUSED)
def test_an_id_that_could_mean_two_things_or_a_private_one_is_refused(what: str):
    with pytest.raises(Malformed) as refusal:
        ids.check_id(REFUSED[what])
    assert refusal.value.code == "bad-id"
    assert refusal.value.received is not None
    assert refusal.value.received.isascii()


@pytest.mark.parametrize(
    "iri", ["http://127.0.0.1:8101/actors/coop", "https://localhost:8443/", "http://[::1]:8101/a#b"]
)
def test_a_development_origin_is_allowed_exactly(iri: str):
    assert ids.check_id(iri, allow_origins=frozenset({ids.origin(iri)})) == iri
    with pytest.raises(Malformed):
        ids.check_id(iri, allow_origins=frozenset({"http://127.0.0.1:8102"}))


@pytest.mark.parametrize(
    "iri", ["http://127.0.0.1:8101/a/../b", "http://127.0.0.1:8101/#", "HTTP://127.0.0.1:8101/"]
)
def test_a_development_origin_allows_no_odd_spelling(iri: str):
    with pytest.raises(Malformed):
        ids.check_id(iri, allow_origins=frozenset({"http://127.0.0.1:8101"}))


@pytest.mark.parametrize(
    ("iri", "expected"),
    [
        ("https://coop-a.example", "https://coop-a.example"),
        ("HTTPS://Coop-A.Example:443/Actors?x#y", "https://coop-a.example"),
        ("http://coop-a.example:80/", "http://coop-a.example"),
        ("http://127.0.0.1:8101/inbox", "http://127.0.0.1:8101"),
        ("https://coop-a.example:80/", "https://coop-a.example:80"),
        ("http://[::1]:8101/", "http://[::1]:8101"),
    ],
)
def test_an_origin_is_scheme_host_and_port(iri: str, expected: str):
    assert ids.origin(iri) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://coop-a.example/a", "https://coop-a.example/b?c#d", True),
        ("https://coop-a.example", "https://coop-a.example:443/", True),
        ("https://coop-a.example/", "http://coop-a.example/", False),
        ("https://coop-a.example/", "https://coop-a.example:444/", False),
        ("https://coop-a.example/", "https://coop-a.example.mallory.example/", False),
        ("https://coop-a.example/", "https://www.coop-a.example/", False),
    ],
)
def test_origins_are_equal_or_they_are_not(one: str, other: str, same: bool):
    assert ids.same_origin(one, other) is same
    assert ids.same_origin(other, one) is same


def test_a_development_origin_has_one_spelling_too():
    loopback = frozenset({"http://127.0.0.1"})
    assert ids.check_id("http://127.0.0.1/inbox", allow_origins=loopback)
    with pytest.raises(Malformed):
        ids.check_id("http://127.0.0.1:80/inbox", allow_origins=loopback)


def test_an_id_may_be_as_long_as_the_limit():
    longest = "https://coop-a.example/".ljust(2048, "a")
    assert ids.check_id(longest) == longest
    with pytest.raises(Malformed):
        ids.origin(longest + "a")


def test_a_host_may_be_as_long_as_the_limit():
    labels = ".".join(["a" * 49] * 5)
    assert ids.check_id(f"https://{labels}.com/")
    with pytest.raises(Malformed):
        ids.check_id(f"https://{labels}.coop/")


@pytest.mark.parametrize(
    "iri", ["https://coop@mallory.example/", "https://coop-a.example:65536/", "https://coop-a.example:0/"]
)
def test_what_cannot_be_an_address_has_no_origin(iri: str):
    with pytest.raises(Malformed):
        ids.origin(iri)
    assert ids.origin("https://coop-a.example:65535/") == "https://coop-a.example:65535"


def test_what_is_no_url_has_no_origin_at_all():
    with pytest.raises(Malformed):
        ids.same_origin("did:key:z6Mk", "https://coop-a.example/")


def test_without_its_fragment_a_key_id_is_its_document():
    assert ids.without_fragment("https://a.example/actors/coop#main-key") == "https://a.example/actors/coop"
    assert ids.without_fragment("https://a.example/actors/coop") == "https://a.example/actors/coop"


@given(st.text() | st.text("htps:/.@[]#?%0123456789abAB-\\").map(lambda s: "https://" + s))
def test_nothing_but_malformed_comes_out_of_any_string(text: str):
    for reads in (ids.origin, ids.check_id):
        with contextlib.suppress(Malformed):
            reads(text)


@given(st.from_regex(r"https://[a-z]{1,9}\.example(/[a-z0-9]{1,5}){0,3}(#[a-z]{1,4})?", fullmatch=True))
def test_an_id_begins_with_its_origin(iri: str):
    assert ids.check_id(iri).startswith(ids.origin(iri))
    assert ids.origin(ids.origin(iri)) == ids.origin(iri)
