"""The vocabulary at stable URLs: contexts, terms, problems; the same for everybody, and for any page."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from fedcoop.errors import NotFound
from fedcoop.protocol import strict_json
from fedcoop.web import answers
from fedcoop.web.negotiation import HTML, JSON, PLAIN_LD_JSON, SCHEMA_JSON, Media, language
from fedcoop.web.services import SERVICES

_TERM_CACHE: Final = "public, max-age=3600"


async def context(request: web.Request) -> web.Response:
    """A JSON-LD context. Frozen once released: the same bytes on every instance, for ever."""
    body = request.app[SERVICES].published.context(request.path)
    if body is None:
        raise NotFound("not-found", "There is no such context.")
    # Whatever was asked for: there is one form of it, and a processor that asks oddly needs it too.
    return answers.cacheable(
        request, body, media=PLAIN_LD_JSON, cache=answers.IMMUTABLE_CACHE, headers=answers.ANYBODY
    )


async def term(request: web.Request) -> web.Response:
    """A term: its page, its JSON Schema or its JSON-LD description, by Accept."""
    services, name = request.app[SERVICES], request.match_info["term"]
    known, schema = services.published.term(name), services.published.schema(name)
    if known is None and schema is None:
        raise NotFound("not-found", "The vocabulary has no such term.")
    offers = [PLAIN_LD_JSON] if known else []
    offers += [SCHEMA_JSON] if schema is not None else []
    # An activity has a schema and a page, and no description of its own: its type is that of ActivityStreams.
    explained = known is not None or services.published.file(f"terms/fr/activities/{name}.html") is not None
    media = answers.wanted(request, *offers, *([HTML] if services.pages and explained else []))
    if media is HTML and services.pages is not None:
        return await services.pages.term(request, name)
    if media is SCHEMA_JSON and schema is not None:
        return _unchanging(request, schema, SCHEMA_JSON)
    assert known is not None  # noqa: S101 (PLAIN_LD_JSON was only offered for a known term)
    linked = services.published.linked_data(known, base=services.world.instance.base)
    return _unchanging(request, strict_json.dumps(linked), PLAIN_LD_JSON)


async def index(request: web.Request) -> web.Response:
    """All terms: a page, or a JSON object from name to URL."""
    services = request.app[SERVICES]
    media = answers.wanted(request, JSON, *([HTML] if services.pages else []))
    if media is HTML and services.pages is not None:
        return await services.pages.term(request, "")
    base = services.world.instance.base
    found = {name: f"{base}/vocab/{name}" for name in services.published.terms()}
    return _unchanging(request, strict_json.dumps(found), JSON)


async def problem(request: web.Request) -> web.Response:
    """What a problem code means and what to do about it: a page, or JSON in both languages."""
    services = request.app[SERVICES]
    base, code = services.world.instance.base, request.match_info["code"]
    known = services.published.problem(code, base=base)
    if known is None:
        raise NotFound("not-found", "There is no such problem code.")
    media = answers.wanted(request, JSON, *([HTML] if services.pages else []))
    spoken: dict[str, Any] = {**known, "title": known["titleMap"][language(request)]}
    spoken["detail"] = known["helpMap"][language(request)]
    if media is HTML and services.pages is not None:
        return await services.pages.problem(request, spoken, 200)
    return _unchanging(request, strict_json.dumps(spoken), JSON)


def _unchanging(request: web.Request, body: bytes, media: Media) -> web.Response:
    return answers.cacheable(request, body, media=media, cache=_TERM_CACHE, headers=answers.ANYBODY)
