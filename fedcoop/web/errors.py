"""The one table from error to status, and the RFC 9457 document that says what went wrong (decision D3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiohttp import web

from fedcoop.errors import (
    Conflict,
    FedcoopError,
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    Misconfigured,
    NotFound,
    NotImplementedYet,
    RateLimited,
    TooLarge,
    TryLater,
    Unavailable,
    UnsupportedMedia,
    Unverified,
)
from fedcoop.protocol.messagesig import accept_signature
from fedcoop.protocol.model import PROBLEMS
from fedcoop.web import negotiation
from fedcoop.web.services import SERVICES

STATUS: Final[Mapping[type[FedcoopError], int]] = {
    Malformed: 400,
    Unverified: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    TooLarge: 413,
    UnsupportedMedia: 415,
    Invalid: 422,
    RateLimited: 429,
    Misconfigured: 500,
    NotImplementedYet: 501,
    Unavailable: 503,
}

# What aiohttp itself refuses, in the words of our own list.
_CODE_OF_STATUS: Final[Mapping[int, str]] = {
    400: "malformed-request",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media-type",
}
_INTERNAL: Final = "internal-error"
_TOKEN_CHALLENGE: Final = 'Bearer realm="fedcoop"'
_SIGNATURE_CHALLENGE: Final = 'Signature realm="fedcoop",headers="(request-target) host date'

PROBLEM_JSON: Final = "application/problem+json"

REQUEST_ID: Final[web.RequestKey[str]] = web.RequestKey("request_id", str)
"""Set by the first middleware; shown to the client, so that it can be found in the log."""

_log = structlog.get_logger("fedcoop.web")


def status_of(error: FedcoopError) -> int:
    """Return the HTTP status of `error`; a class not in the table has that of its nearest ancestor."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem_of(error: FedcoopError, *, base: str, language: str, reading: bool) -> dict[str, Any]:
    """Return the problem document of `error`: type, title, status, detail, expected, received, extras.

    `type` is `<base>/problems/<code>`; the title is in `language`. To a reader, what may not be seen and what
    is not there are the same; and a fault of ours says no more than that it is one.
    """
    # (1) A different answer for what may not be seen would say that it exists (GHSA-gwhw-gcjx-72v8).
    if reading and isinstance(error, NotFound):
        error = NotFound("not-found", "There is nothing here, or nothing that you may see.")
    # (2) What an operator must put right is not for strangers; it is in the log.
    if status_of(error) == 500:
        error = Misconfigured(_INTERNAL, "The fault is on this side.")
    problem = problem_document(error.code, status_of(error), base=base, language=language)
    said = {"detail": error.detail, "expected": error.expected, "received": error.received}
    problem |= {key: value for key, value in said.items() if value is not None}
    return problem | {key: value for key, value in error.extra.items() if key not in problem}


def problem_document(code: str, status: int, *, base: str, language: str) -> dict[str, Any]:
    """Return the members that every problem of this `code` has: type, title, status."""
    known = PROBLEMS.get(code)
    title = code if known is None else known.title_fr if language == "fr" else known.title_en
    return {"type": f"{base}/problems/{code}", "title": title, "status": status}


async def refusal(request: web.Request, error: FedcoopError) -> web.StreamResponse:
    """Return the response that says `error` to whoever asked: problem+json, or a page to a person."""
    base = request.app[SERVICES].world.instance.base
    if status_of(error) == 500:
        _log.error("misconfigured", id=request[REQUEST_ID], code=error.code, detail=error.detail)
    reading = request.method in ("GET", "HEAD")
    problem = problem_of(error, base=base, language=negotiation.language(request), reading=reading)
    response = await _say(request, problem, status_of(error))
    if isinstance(error, TryLater):
        response.headers["Retry-After"] = str(max(1, error.retry_after))
    if isinstance(error, Unverified):
        token = error.code.startswith("token-")
        signature = f'{_SIGNATURE_CHALLENGE}{"" if reading else " digest"}"'
        response.headers["WWW-Authenticate"] = _TOKEN_CHALLENGE if token else signature
        if not token:
            response.headers["Accept-Signature"] = accept_signature(request.method)
    if error.code == "scope-missing":  # RFC 6750 §3.1
        response.headers["WWW-Authenticate"] = f'{_TOKEN_CHALLENGE},error="insufficient_scope"'
    return response


async def refusal_of_http(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """Return the response for what the HTTP layer refused: no such route, no such method, no such format."""
    base = request.app[SERVICES].world.instance.base
    code = _CODE_OF_STATUS.get(error.status, "malformed-request" if error.status < 500 else _INTERNAL)
    problem = problem_document(code, error.status, base=base, language=negotiation.language(request))
    if isinstance(error, web.HTTPNotAcceptable | web.HTTPBadRequest) and error.text:
        problem["detail"] = error.text
    response = await _say(request, problem, error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


async def refusal_of_bug(request: web.Request) -> web.StreamResponse:
    """Return a 500 that leaks nothing; what happened is in the log under the same request id."""
    _log.exception("bug", id=request[REQUEST_ID], method=request.method, path=request.path)
    base = request.app[SERVICES].world.instance.base
    language = negotiation.language(request)
    return await _say(request, problem_document(_INTERNAL, 500, base=base, language=language), 500)


async def _say(request: web.Request, problem: dict[str, Any], status: int) -> web.StreamResponse:
    problem["instance"] = f"{problem['type']}#{request[REQUEST_ID]}"
    pages = request.app[SERVICES].pages
    if pages is not None and negotiation.prefers_html(request):
        try:
            return await pages.problem(request, problem, status)
        except Exception:
            _log.exception("no page for a problem", id=request[REQUEST_ID], code=problem["type"])
    return web.Response(
        status=status,
        # A refused document may have held half characters, which UTF-8 cannot say and JSON can.
        body=json.dumps(problem, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        headers={
            "Content-Type": PROBLEM_JSON,
            "Content-Language": negotiation.language(request),
            "Cache-Control": "no-store",
        },
    )
