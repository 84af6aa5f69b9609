"""Objects to whoever may read them, in the form they ask for; Tombstones; histories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedcoop.errors import NotFound
from fedcoop.flow import reading
from fedcoop.protocol import strict_json
from fedcoop.protocol.build import FOLDER_OF_CLASS, contexts
from fedcoop.web.auth import SESSION_COOKIE
from fedcoop.web.server import OBJECT_FOLDERS
from tests.conftest import NOON
from tests.web.conftest import (
    ALICE,
    ALICES_SIGN_IN,
    ALICES_TOKEN,
    BASE,
    COOP,
    COOPS_TOKEN,
    MEMBERS,
    FakeReader,
    an_activity,
    an_object,
    bearer,
    code_of,
    problem_of,
)

AS2 = "application/activity+json"
LD = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
FOLDERS = {
    "missions": "Mission",
    "offers": "ServiceOffer",
    "needs": "Need",
    "engagements": "Engagement",
    "records": "WorkRecord",
    "receipts": "Receipt",
    "rules": "PricingRule",
    "credentials": "MembershipCredential",
    "objects": "Note",
}


def test_whatever_is_given_an_id_has_an_address():
    assert {*FOLDER_OF_CLASS.values(), "objects"} <= {*OBJECT_FOLDERS}


@pytest.mark.parametrize(("folder", "kind"), FOLDERS.items())
async def test_an_object_is_served_at_its_id(client: Any, reader: FakeReader, folder: str, kind: str):
    reader.put(an_object(f"/{folder}/x-1", object_class=kind))
    response = await client.get(f"/{folder}/x-1", headers={"Accept": AS2})
    assert (response.status, response.headers["Content-Type"]) == (200, AS2)
    assert (await response.json(content_type=None))["id"] == f"{BASE}/{folder}/x-1"


async def test_an_object_of_ours_is_served_with_the_contexts_and_the_proof_of_its_owner(
    client: Any, reader: FakeReader
):
    reader.put(an_object("/missions/x", document={"id": f"{BASE}/missions/x", "type": "Note"}))
    answers = [await client.get("/missions/x", headers={"Accept": AS2}) for _ in range(2)]
    served = await answers[0].json(content_type=None)
    assert served["@context"] == contexts(BASE)
    assert served["proof"]["verificationMethod"] == f"{COOP}#ed25519-1"
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [(LD, LD), ("application/ld+json", LD), (AS2, AS2), ("application/json", AS2), ("*/*", AS2), ("", AS2)],
)
async def test_activitystreams_may_be_asked_for_in_every_way(
    client: Any, reader: FakeReader, accept: str, content_type: str
):
    reader.put(an_object("/missions/x"))
    response = await client.get("/missions/x", headers={"Accept": accept})
    assert response.headers["Content-Type"] == content_type
    assert {v.strip() for v in response.headers["Vary"].split(",")} == {
        "Accept",
        "Authorization",
        "Accept-Language",
        "Cookie",
        "Signature",
        "Signature-Input",
    }


@pytest.mark.parametrize(
    ("folder", "kind", "page"),
    [
        ("missions", "Mission", "proposal"),
        ("offers", "ServiceOffer", "proposal"),
        ("needs", "Need", "proposal"),
        ("engagements", "Engagement", "engagement"),
    ],
)
async def test_a_person_sees_the_page(client: Any, reader: FakeReader, folder: str, kind: str, page: str):
    reader.put(an_object(f"/{folder}/x", object_class=kind))
    response = await client.get(f"/{folder}/x", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.content_type, await response.text()) == ("text/html", f"{page} {BASE}/{folder}/x")


async def test_where_there_is_no_page_a_browser_gets_the_document(client: Any, reader: FakeReader):
    reader.put(an_object("/records/x", object_class="WorkRecord"))
    response = await client.get("/records/x", headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.content_type == AS2
    response = await client.get("/records/x", headers={"Accept": "text/html"})
    assert response.status == 406


async def test_another_form_is_406_and_says_what_there_is(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x"))
    response = await client.get("/missions/x", headers={"Accept": "image/png"})
    problem = await problem_of(response)
    assert (response.status, problem["type"]) == (406, f"{BASE}/problems/not-acceptable")
    assert AS2 in problem["detail"]


@pytest.mark.parametrize(
    ("readers", "headers", "status"),
    [
        ([MEMBERS], {}, 404),
        ([MEMBERS], bearer(ALICES_TOKEN), 200),
        ([ALICE], bearer(ALICES_TOKEN), 200),
        (["https://coop-b.example/actors/bob"], bearer(ALICES_TOKEN), 404),
        (["https://coop-b.example/actors/bob"], bearer(COOPS_TOKEN), 200),
        ([MEMBERS], {"Cookie": f"{SESSION_COOKIE}={ALICES_SIGN_IN}"}, 404),
        ([MEMBERS], {"Cookie": f"{SESSION_COOKIE}={ALICES_SIGN_IN}", "Accept": "text/html"}, 200),
        ([MEMBERS], {"Cookie": f"{SESSION_COOKIE}=old", "Accept": "text/html"}, 404),
        ([MEMBERS], bearer("unknown"), 401),
    ],
)
async def test_only_those_who_may_read_it_see_it(
    client: Any, reader: FakeReader, readers: list[str], headers: dict[str, str], status: int
):
    reader.put(an_object("/missions/x", readers=readers))
    assert (await client.get("/missions/x", headers=headers)).status == status


async def test_what_may_not_be_seen_and_what_is_not_there_answer_alike(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/hidden", readers=[MEMBERS]))
    hidden, absent = [await client.get(f"/missions/{name}") for name in ("hidden", "absent")]
    one, other = await problem_of(hidden), await problem_of(absent)
    assert {**one, "instance": ""} == {**other, "instance": ""}
    unlike = {"X-Request-ID", "Date"}
    assert {k: v for k, v in hidden.headers.items() if k not in unlike} == {
        k: v for k, v in absent.headers.items() if k not in unlike
    }


async def test_what_anybody_may_read_has_a_tag_and_is_asked_for_again(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x"))
    first = await client.get("/missions/x")
    tag = first.headers["ETag"]
    assert tag.startswith('"')
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = await client.get("/missions/x", headers={"If-None-Match": tag})
    assert (again.status, again.headers["ETag"], await again.read()) == (304, tag, b"")
    assert "Accept" in again.headers["Vary"]
    other_form = await client.get("/missions/x", headers={"Accept": LD, "If-None-Match": tag})
    assert other_form.status == 200, "a strong tag is of one representation"
    changed = replace(reader.objects[f"{BASE}/missions/x"], document={"id": "changed"})
    reader.put(changed, replace(changed, id=f"{BASE}/missions/x"))
    assert (await client.get("/missions/x", headers={"If-None-Match": tag})).status == 200


async def test_what_one_person_was_shown_is_kept_by_nobody(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x"))
    response = await client.get("/missions/x", headers=bearer(ALICES_TOKEN))
    assert response.headers["Cache-Control"] == "private, no-store"


async def test_a_deleted_object_is_410_with_its_tombstone(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x", deleted_at=NOON, former_type="Note"))
    response = await client.get("/missions/x")
    assert (response.status, response.content_type) == (410, AS2)
    assert await response.json(content_type=None) == {
        "@context": "https://www.w3.org/ns/activitystreams",
        "type": "Tombstone",
        "id": f"{BASE}/missions/x",
        "formerType": "Note",
        "deleted": "2026-11-22T12:00:00Z",
    }


async def test_a_person_is_told_that_it_was_deleted(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x", deleted_at=NOON, former_type="Note"))
    response = await client.get("/missions/x", headers={"Accept": "text/html"})
    assert (response.status, await response.text()) == (410, f"problem {BASE}/problems/gone")


async def test_a_deleted_object_that_was_not_for_you_is_404(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x", readers=[MEMBERS], deleted_at=NOON, former_type="Note"))
    assert (await client.get("/missions/x")).status == 404


@pytest.mark.parametrize("path", ["/missions/a/b", "/missions/a%2Fb", "/missions/é", "/other/x"])
async def test_an_odd_path_is_404(client: Any, path: str):
    response = await client.get(path)
    assert (response.status, await code_of(response)) == (404, "not-found")


async def test_head_says_what_get_would(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x"))
    get, head = await client.get("/missions/x"), await client.head("/missions/x")
    assert (head.status, await head.read()) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length", "Cache-Control", "Vary"):
        assert head.headers[name] == get.headers[name]


async def test_an_activity_is_served_as_it_was_signed(client: Any, reader: FakeReader):
    reader.put(an_activity("/activities/1", nom="Félicité", proof={"b": 1, "a": 2}))
    response = await client.get("/activities/1")
    assert await response.read() == reader.activities[f"{BASE}/activities/1"].body


async def test_an_activity_has_a_page_for_people(client: Any, reader: FakeReader):
    reader.put(an_activity("/activities/1"))
    shown = await client.get("/activities/1", headers={"Accept": "text/html"})
    assert await shown.text() == f"activity {BASE}/activities/1"


async def test_an_activity_among_others_is_404(client: Any, reader: FakeReader):
    reader.put(an_activity("/activities/1", to=["https://coop-b.example/actors/bob"]))
    assert (await client.get("/activities/1")).status == 404
    assert (await client.get("/activities/1", headers=bearer(COOPS_TOKEN))).status == 200


@pytest.mark.parametrize("folder", ["missions", "offers", "needs", "engagements"])
async def test_a_history_is_of_the_object_before_it(
    client: Any, monkeypatch: pytest.MonkeyPatch, folder: str
):
    asked: list[tuple[str, str | None]] = []

    async def read_history(iri: str, *, actor: str | None, world: Any) -> dict[str, Any]:
        asked.append((iri, actor))
        return {"id": f"{iri}/history", "activities": []}

    monkeypatch.setattr(reading, "read_history", read_history)
    response = await client.get(f"/{folder}/x/history", headers=bearer(ALICES_TOKEN))
    assert (response.status, response.content_type) == (200, AS2)
    assert strict_json.loads(await response.read())["id"] == f"{BASE}/{folder}/x/history"
    assert asked == [(f"{BASE}/{folder}/x", ALICE)]


async def test_a_history_that_one_may_not_see_is_404(client: Any, monkeypatch: pytest.MonkeyPatch):
    async def read_history(iri: str, **_: Any) -> Any:
        raise NotFound("not-visible", "Not for you.")

    monkeypatch.setattr(reading, "read_history", read_history)
    response = await client.get("/missions/x/history")
    assert (response.status, await code_of(response)) == (404, "not-found")
