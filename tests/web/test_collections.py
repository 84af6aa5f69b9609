"""Collections in pages: newest first, stable under inserts, and no more shown than may be."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.protocol import limits
from fedcoop.protocol.shape import PUBLIC
from tests.web.conftest import (
    ALICE,
    ALICES_TOKEN,
    BASE,
    COOP,
    MEMBERS,
    FakeReader,
    a_row,
    an_activity,
    an_actor,
    an_object,
    bearer,
    code_of,
)


async def get(client: Any, path: str, **headers: str) -> dict[str, Any]:
    response = await client.get(path.removeprefix(BASE), headers=headers)
    assert response.status == 200, await response.text()
    document: dict[str, Any] = await response.json(content_type=None)
    return document


async def pages_of(client: Any, path: str, **headers: str) -> list[dict[str, Any]]:
    """Follow `first` and `next` to the end."""
    pages, following = [], (await get(client, path, **headers))["first"]
    while following:
        pages.append(await get(client, following, **headers))
        following = pages[-1].get("next")
    return pages


def numbers(page: dict[str, Any]) -> list[int]:
    return [int(item["id"].rpartition("/")[2]) for item in page["orderedItems"]]


async def test_a_collection_names_its_first_page_and_holds_no_items(client: Any, reader: FakeReader):
    reader.put(an_activity("/activities/1"))
    assert await get(client, "/actors/coop/outbox") == {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{COOP}/outbox",
        "type": "OrderedCollection",
        "totalItems": 1,
        "first": f"{COOP}/outbox?page=first",
    }


async def test_all_items_are_on_the_pages_once_and_newest_first(client: Any, reader: FakeReader):
    count = 2 * limits.PAGE_ITEMS + 3
    reader.put(*(an_activity(f"/activities/{n}") for n in range(count)))
    pages = await pages_of(client, "/actors/coop/outbox")
    assert [len(page["orderedItems"]) for page in pages] == [limits.PAGE_ITEMS, limits.PAGE_ITEMS, 3]
    assert [n for page in pages for n in numbers(page)] == list(reversed(range(count)))
    for page in pages:
        assert (page["type"], page["partOf"]) == ("OrderedCollectionPage", f"{COOP}/outbox")
        assert page["totalItems"] == count
    assert len({page["id"] for page in pages}) == 3


async def test_what_is_added_between_two_pages_shifts_nothing(client: Any, reader: FakeReader):
    count = limits.PAGE_ITEMS + 5
    reader.put(*(an_activity(f"/activities/{n}") for n in range(count)))
    first = await get(client, "/actors/coop/outbox?page=first")
    reader.put(*(an_activity(f"/activities/{n}") for n in range(count, count + 7)))
    second = await get(client, first["next"])
    assert numbers(first) + numbers(second) == list(reversed(range(count)))


async def test_a_page_has_the_id_it_is_asked_for_by(client: Any, reader: FakeReader):
    reader.put(*(an_activity(f"/activities/{n}") for n in range(limits.PAGE_ITEMS + 1)))
    first = await get(client, "/actors/coop/outbox?page=first")
    assert (await get(client, first["next"]))["id"] == first["next"]
    assert (await get(client, first["id"]))["id"] == first["id"]


async def test_an_empty_collection_has_an_empty_page(client: Any):
    (page,) = await pages_of(client, "/actors/alice/outbox")
    assert (page["orderedItems"], page["totalItems"]) == ([], 0)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "a%20b", "é", "1%00", "9" * 600])
@pytest.mark.parametrize("path", ["/actors/coop/outbox", "/actors/coop/missions"])
async def test_a_cursor_that_is_not_ours_is_400(client: Any, path: str, cursor: str):
    response = await client.get(f"{path}?cursor={cursor}")
    assert (response.status, await code_of(response)) == (400, "malformed-request")


async def test_a_page_of_html_is_not_acceptable(client: Any):
    response = await client.get("/actors/coop/outbox", headers={"Accept": "text/html"})
    assert response.status == 406


@pytest.mark.parametrize("which", ["followers", "following"])
async def test_how_many_follow_is_for_all_and_who_is_for_members(client: Any, reader: FakeReader, which: str):
    others = [f"https://coop-{c}.example/actors/coop" for c in "bc"]
    reader.follows[COOP, which] = others
    for path in (f"/actors/coop/{which}", f"/actors/coop/{which}?page=first"):
        shown = await get(client, path)
        assert shown == {
            "@context": "https://www.w3.org/ns/activitystreams",
            "id": f"{COOP}/{which}",
            "type": "OrderedCollection",
            "totalItems": 2,
        }
    (page,) = await pages_of(client, f"/actors/coop/{which}", **bearer(ALICES_TOKEN))
    assert page["orderedItems"] == list(reversed(others))


async def test_how_many_members_is_for_all_and_who_is_for_members(client: Any, reader: FakeReader):
    names = [f"m{n:03d}" for n in range(limits.PAGE_ITEMS + 10)]
    reader.put(*(an_actor(name) for name in names))
    assert await get(client, "/actors/coop/members?page=first") == {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": MEMBERS,
        "type": "OrderedCollection",
        "totalItems": len(names) + 1,
    }
    pages = await pages_of(client, "/actors/coop/members", **bearer(ALICES_TOKEN))
    shown = [item for page in pages for item in page["orderedItems"]]
    assert shown == [ALICE, *(f"{BASE}/actors/{name}" for name in names)]
    assert f"{BASE}/actor" not in shown


async def test_members_who_join_between_two_pages_shift_nothing(client: Any, reader: FakeReader):
    reader.put(*(an_actor(f"m{n:03d}") for n in range(limits.PAGE_ITEMS + 10)))
    token = bearer(ALICES_TOKEN)
    first = await get(client, "/actors/coop/members?page=first", **token)
    reader.put(an_actor("aaron"))
    second = await get(client, first["next"], **token)
    assert not {*first["orderedItems"]} & {*second["orderedItems"]}
    assert len(first["orderedItems"]) + len(second["orderedItems"]) == limits.PAGE_ITEMS + 11


async def test_a_members_cursor_that_is_not_ours_is_400(client: Any):
    response = await client.get("/actors/coop/members?cursor=_w", headers=bearer(ALICES_TOKEN))
    assert (response.status, await code_of(response)) == (400, "malformed-request")


@pytest.mark.parametrize(
    ("path", "classes"), [("missions", ("Mission",)), ("offerings", ("ServiceOffer", "Need"))]
)
@pytest.mark.parametrize("token", [False, True])
async def test_proposals_are_those_that_the_reader_may_see(
    client: Any, reader: FakeReader, path: str, classes: tuple[str, ...], token: bool
):
    public, shared = (
        an_object(f"/{path}/{n}", readers=[who], object_class=classes[0])
        for n, who in ((1, PUBLIC), (2, MEMBERS))
    )
    reader.put(public, shared)
    reader.rows = [a_row(public), a_row(shared)]
    (page,) = await pages_of(client, f"/actors/coop/{path}", **(bearer(ALICES_TOKEN) if token else {}))
    assert numbers(page) == ([2, 1] if token else [1])
    query = reader.queries[-1]
    assert (query.owner, query.classes, query.open_only) == (COOP, classes, False)
    assert query.readers == ((PUBLIC, ALICE, MEMBERS) if token else (PUBLIC,))


async def test_the_board_is_a_page_and_its_missions_are_elsewhere(client: Any):
    assert await (await client.get("/missions")).text() == "board"
    response = await client.get("/missions", headers={"Accept": "application/ld+json"}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, f"{COOP}/missions")


async def test_collections_of_nobody_are_404(client: Any):
    for name in ("outbox", "followers", "following", "missions", "offerings"):
        assert (await client.get(f"/actors/nobody/{name}")).status == 404
