"""What is said of followers, what of it is heard, and which lists are compared."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.errors import Malformed
from fedcoop.protocol import cavage, following, signatures
from fedcoop.protocol.following import (
    HEADER,
    Synchronisation,
    digest_of,
    followers_in,
    header_of,
    partial_of,
    said_by,
)
from fedcoop.protocol.messages import RawRequest
from tests.protocol.signing import (
    COOP,
    LYON,
    MALLORY,
    NANTES,
    NOW,
    a_message,
    an_actor,
    rsa_key,
    with_header,
)

MALO = f"{NANTES}/actors/malo"
URL = partial_of(COOP)
ACTOR = {**an_actor(), "followers": f"{COOP}/followers"}


def test_the_digest_is_that_of_the_published_example():
    """FEP-8fcf's own: of two followers, in any order; nobody is sixty-four zeros."""
    two = [f"https://testing.example.org/users/{n}" for n in (1, 2)]
    expected = "c33f48cd341ef046a206b8a72ec97af65079f9a3a9b90eef79c5920dce45c61f"
    assert digest_of(two) == digest_of(reversed(two)) == digest_of([*two, *two]) == expected
    assert digest_of([]) == "0" * 64


def sent(value: str | None = None, *, covered: bool = True) -> RawRequest:
    """Return a delivery by Lyon's co-op with this header (its true one when None), signed with it or not."""
    more = {HEADER: header_of(COOP, [MALO]) if value is None else value}
    headers = cavage.sign_headers(
        method="POST", url_host="velo-nantes.example", target="/inbox", body=b"{}", key_id=f"{COOP}#main-key",
        key=rsa_key(COOP), date=NOW, more=more if covered else {},
    )  # fmt: skip
    bare = RawRequest("POST", "/inbox", tuple(headers.items()), b"{}")
    return bare if covered else with_header(bare, HEADER, more[HEADER])


def heard(request: RawRequest, actor: Any = ACTOR) -> Synchronisation | None:
    signature = signatures.read(request, public_origin=NANTES)
    return said_by(actor, request, signature, allow_origins=frozenset())


def test_what_an_actor_signs_of_its_own_followers_is_heard():
    assert heard(sent()) == Synchronisation(COOP, URL, digest_of([MALO]))
    value = f'digest="{digest_of([])}",  url="{URL}" ,collectionId="{COOP}/followers"'
    assert heard(sent(value)) == Synchronisation(COOP, URL, digest_of([]))


def test_it_is_heard_in_the_other_dialect_as_well():
    components = ("@method", "@target-uri", "content-digest")
    value = header_of(COOP, [MALO])
    described = " ".join(f'"{name}"' for name in (*components, HEADER.lower()))
    request = with_header(a_message(covered=components), HEADER, value)
    assert heard(request) is None
    covered = RawRequest(
        request.method,
        request.target,
        tuple(
            (n, f"sig1=({described})" + v.partition(")")[2] if n == "Signature-Input" else v)
            for n, v in request.headers
        ),
        request.body,
    )
    assert heard(covered) == Synchronisation(COOP, URL, digest_of([MALO]))


def test_what_nobody_signed_is_not_heard():
    assert heard(sent(covered=False)) is None
    assert heard(with_header(sent(), HEADER, header_of(COOP, []))) is None


DIGEST = digest_of([MALO])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "collectionId",
        f'url="{URL}", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", url="{URL}"',
        f'collectionId="{COOP}/following", url="{URL}", digest="{DIGEST}"',
        f'collectionId="{LYON}/actors/awa/followers", url="{URL}", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", url="{URL}", digest="{DIGEST[1:]}"',
        f'collectionId="{COOP}/followers", url="{URL}", digest="{DIGEST.upper()}"',
        f'collectionId="{COOP}/followers", url="{MALLORY}/x", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", url="{LYON}.evil.example/x", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", url="http://127.0.0.1/x", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", url="file:///etc/passwd", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", url="{URL}", url="{URL}", digest="{DIGEST}"',
        f'collectionId="{COOP}/followers", url="{URL}", digest="{DIGEST}" and more',
    ],
)
def test_what_is_wrong_in_it_is_as_if_nothing_had_been_said(value: str):
    assert heard(sent(value)) is None


def test_an_actor_without_followers_says_nothing_of_them():
    assert heard(sent(f'url="{URL}", digest="{DIGEST}"'), an_actor()) is None
    assert heard(sent(), an_actor()) is None


def a_collection(*items: Any, **members: Any) -> dict[str, Any]:
    return {"id": URL, "type": "OrderedCollection", "orderedItems": [*items], **members}


def test_a_whole_collection_is_read():
    awa = f"{NANTES}/actors/awa"
    assert followers_in(a_collection(MALO, {"id": awa}, totalItems=2), url=URL) == {MALO, awa}
    assert followers_in(a_collection(), url=URL) == frozenset()
    assert followers_in({"id": URL, "type": "Collection", "items": [MALO]}, url=URL) == {MALO}


@pytest.mark.parametrize(
    "document",
    [
        a_collection(MALO, id=f"{MALLORY}/followers"),
        a_collection(MALO, type="OrderedCollectionPage"),
        {"id": URL, "type": "OrderedCollection", "totalItems": 0},
        {"id": URL, "type": "OrderedCollection", "orderedItems": MALO},
        a_collection(MALO, first=f"{URL}?page=1"),
        a_collection(MALO, totalItems=2),
        a_collection(MALO, MALO),
        a_collection(MALO, 7),
    ],
)
def test_what_is_not_whole_or_not_its_own_is_not_compared(document: dict[str, Any]):
    with pytest.raises(Malformed):
        followers_in(document, url=URL)


def test_what_is_too_large_is_not_compared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "MAX_SYNCHRONISED", 2)
    three = [f"{NANTES}/actors/{n}" for n in range(3)]
    assert len(followers_in(a_collection(*three[:2]), url=URL)) == 2
    with pytest.raises(Malformed, match="too large"):
        followers_in(a_collection(*three), url=URL)
