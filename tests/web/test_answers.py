"""Documents as responses: their type, their tag, and who may keep them."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from fedcoop.errors import Gone
from fedcoop.protocol import strict_json
from fedcoop.web import answers
from fedcoop.web.negotiation import ACTIVITY_JSON, HTML, LD_JSON


def a_request(**headers: str) -> Any:
    return make_mocked_request("GET", "/", headers={k.replace("_", "-"): v for k, v in headers.items()})


def as2(**options: Any) -> web.Response:
    chosen: dict[str, Any] = {"media": ACTIVITY_JSON, "public": True, **options}
    request, document = chosen.pop("request", a_request()), chosen.pop("document", {"name": "Vélo"})
    return answers.as2(request, document, **chosen)


def test_a_document_is_utf_8_and_bytes_are_left_alone():
    assert as2().body == '{"name":"Vélo"}'.encode()
    assert as2(document=b'{ "a" : 1 }').body == b'{ "a" : 1 }'


def test_equal_documents_have_equal_tags_and_others_others():
    assert as2().headers["ETag"] == as2().headers["ETag"]
    assert as2().headers["ETag"] != as2(document={"name": "Velo"}).headers["ETag"]
    assert as2().headers["ETag"] != as2(media=LD_JSON).headers["ETag"]


@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"other", {tag}', "*"])
def test_what_the_client_has_is_not_sent_again(form: str):
    tag = as2().headers["ETag"]
    response = as2(request=a_request(If_None_Match=form.format(tag=tag)))
    assert (response.status, response.body) == (304, None)
    assert response.headers["ETag"] == tag


@pytest.mark.parametrize("form", ['"other"', "nonsense", '"'])
def test_what_the_client_has_not_is_sent(form: str):
    assert as2(request=a_request(If_None_Match=form)).status == 200


def test_only_what_is_public_may_be_kept():
    assert as2(public=True).headers["Cache-Control"].startswith("public")
    assert as2(public=False).headers["Cache-Control"] == "private, no-store"


def test_nothing_that_is_offered_is_406_with_the_offers():
    with pytest.raises(web.HTTPNotAcceptable) as refused:
        answers.wanted(a_request(Accept="image/png"), ACTIVITY_JSON, HTML)
    assert refused.value.text == "Here there is application/activity+json or text/html; charset=utf-8."


def test_a_created_activity_is_shown_with_its_place():
    response = answers.created("https://coop-a.example/activities/1", {"type": "Create"})
    assert (response.status, response.headers["Location"]) == (201, "https://coop-a.example/activities/1")
    assert strict_json.loads(response.body) == {"type": "Create"}  # type: ignore[arg-type]


def test_a_tombstone_is_an_activitystreams_document():
    gone = Gone("gone", "Deleted.", extra={"tombstone": {"type": "Tombstone", "id": "x"}})
    for public, cache in ((True, answers.PUBLIC_CACHE), (False, answers.PRIVATE_CACHE)):
        assert answers.tombstone(gone, public=public).headers["Cache-Control"] == cache
    response = answers.tombstone(gone, public=True)
    assert (response.status, response.content_type) == (410, "application/activity+json")
    document = strict_json.loads(response.body)  # type: ignore[arg-type]
    assert document == {"@context": "https://www.w3.org/ns/activitystreams", "type": "Tombstone", "id": "x"}
