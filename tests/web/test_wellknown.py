"""WebFinger and NodeInfo, over HTTP; their documents are tested in tests/protocol/test_discovery.py."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.web.wellknown import PROFILES
from tests.web.conftest import ALICE, BASE, COOP, FakeReader, an_actor, code_of


async def finger(client: Any, *resources: str, rel: tuple[str, ...] = ()) -> Any:
    params = [*(("resource", resource) for resource in resources), *(("rel", r) for r in rel)]
    return await client.get("/.well-known/webfinger", params=params)


@pytest.mark.parametrize(
    ("resource", "subject", "target"),
    [
        ("acct:alice@coop-a.example", "acct:alice@coop-a.example", ALICE),
        ("acct:Alice@Coop-A.example", "acct:alice@coop-a.example", ALICE),
        (ALICE, "acct:alice@coop-a.example", ALICE),
        (COOP, "acct:coop@coop-a.example", COOP),
        (f"{BASE}/actor", "acct:coop-a.example@coop-a.example", f"{BASE}/actor"),
    ],
)
async def test_whoever_we_host_is_found(client: Any, resource: str, subject: str, target: str):
    response = await finger(client, resource)
    assert (response.status, response.content_type) == (200, "application/jrd+json")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    document = await response.json(content_type=None)
    assert document["subject"] == subject
    selves = [link for link in document["links"] if link["rel"] == "self"]
    assert selves == [{"rel": "self", "type": "application/activity+json", "href": target}]


@pytest.mark.parametrize("resource", [BASE, f"{BASE}/"])
async def test_our_own_address_leads_to_the_instance_actor(client: Any, resource: str):
    document = await (await finger(client, resource)).json(content_type=None)
    (link,) = document["links"]
    assert link["rel"] == "https://www.w3.org/ns/activitystreams#Service"
    assert link["href"] == f"{BASE}/actor"


async def test_rel_only_filters_links(client: Any):
    everything = await (await finger(client, ALICE)).json(content_type=None)
    only_self = await (await finger(client, ALICE, rel=("self",))).json(content_type=None)
    both = await (await finger(client, ALICE, rel=("self", "http://webfinger.net/rel/profile-page"))).json(
        content_type=None
    )
    nothing = await (await finger(client, ALICE, rel=("other",))).json(content_type=None)
    assert [link["rel"] for link in only_self["links"]] == ["self"]
    assert both["links"] == everything["links"]
    assert nothing["links"] == []
    assert {**only_self, "links": 0} == {**everything, "links": 0}


@pytest.mark.parametrize(
    "resources", [(), ("",), ("alice",), ("mailto:alice@coop-a.example",), ("acct:alice",), (ALICE, COOP)]
)
async def test_a_resource_that_cannot_be_read_is_400(client: Any, resources: tuple[str, ...]):
    response = await finger(client, *resources)
    assert (response.status, await code_of(response)) == (400, "malformed-request")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "resource",
    [
        "acct:nobody@coop-a.example",
        "acct:alice@coop-b.example",
        f"{BASE}/actors/nobody",
        "https://coop-b.example/actors/bob",
        f"{BASE}/missions/x",
        f"{BASE}/actors/carol",
    ],
)
async def test_whoever_we_do_not_host_is_404(client: Any, reader: FakeReader, resource: str):
    reader.put(an_actor("bob", local=False, base="https://coop-b.example"), an_actor("carol", local=False))
    response = await finger(client, resource)
    assert (response.status, await code_of(response)) == (404, "not-found")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_page_may_read_whatever_webfinger_answers(client: Any):
    response = await client.post("/.well-known/webfinger")
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (405, "*")


async def test_the_host_field_decides_nothing(client: Any):
    response = await client.get(
        "/.well-known/webfinger", params={"resource": ALICE}, headers={"Host": "evil.example"}
    )
    assert "evil.example" not in await response.text()


async def test_nodeinfo_is_found_and_true(client: Any):
    links = await (await client.get("/.well-known/nodeinfo")).json(content_type=None)
    by_rel = {link["rel"]: link["href"] for link in links["links"]}
    assert by_rel["https://www.w3.org/ns/activitystreams#Application"] == f"{BASE}/actor"
    place = by_rel["http://nodeinfo.diaspora.software/ns/schema/2.1"]
    response = await client.get(place.removeprefix(BASE))
    assert 'profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"' in response.headers["Content-Type"]
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    document = await response.json(content_type=None)
    assert document["usage"] == {"users": {"total": 2}, "localPosts": 3}
    assert document["metadata"] == {
        "nodeName": "Coop A",
        "fedcoop": {"version": "1", "profiles": list(PROFILES)},
    }
    assert document["openRegistrations"] is False


async def test_another_version_of_nodeinfo_is_404(client: Any):
    assert (await client.get("/nodeinfo/1.0")).status == 404
