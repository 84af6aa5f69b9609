"""How a program gets a token of the model server: OAuth 2, authorization code with PKCE (RFC 6749, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from fedcoop_conformance.minicoop.world import COOP, Document, Minicoop, Refusal


async def authorize(request: web.Request) -> web.Response:
    """Take the yes of a member, who signs it with their own token: this server has no pages."""
    coop, asked = request.app[COOP], request.query
    form = await request.post()
    member = coop.by_token(str(form.get("token", "")))
    if member is None:
        raise Refusal(401, "token-missing")
    redirect = await redirect_of(coop, asked)
    challenged(coop, asked)
    code = secrets.token_urlsafe(16)
    coop.codes[code] = {
        "member": member.name,
        "challenge": asked.get("code_challenge"),
        "redirect": redirect,
        "client": asked["client_id"],
    }
    told = {"code": code, "state": asked.get("state", ""), "iss": coop.base}
    return web.Response(status=303, headers={"Location": f"{redirect}?{urlencode(told)}"})


async def redirect_of(coop: Minicoop, asked: Mapping[str, str]) -> str:
    """Return where the answer goes: an address that the program's own document names.

    Raises:
        Refusal: it names another, or cannot be had.
    """
    document = await coop.fetch(asked.get("client_id", ""))
    wanted = asked.get("redirect_uri", "")
    if wanted not in document.get("redirect_uris", []):
        raise Refusal(422, "redirect-mismatch")
    return wanted


def challenged(coop: Minicoop, asked: Mapping[str, str]) -> None:
    """Refuse a request that says nothing by which who began could be known again (RFC 9700 §2.1.1)."""
    method, challenge = asked.get("code_challenge_method"), asked.get("code_challenge")
    if challenge is None and not coop.fault("pkce-optional"):
        raise Refusal(400, "authorization-request", "code_challenge")
    if challenge is not None and method != "S256" and not coop.fault("pkce-plain"):
        raise Refusal(400, "authorization-request", "code_challenge_method")


async def token(request: web.Request) -> web.Response:
    """Give a token for a code, to whoever began."""
    coop, form = request.app[COOP], await request.post()
    grant = coop.codes.pop(str(form.get("code", "")), None)
    if grant is None or not bound(coop, grant, {name: str(value) for name, value in form.items()}):
        return web.json_response({"error": "invalid_grant"}, status=400)
    secret = secrets.token_urlsafe(16)
    if not coop.fault("oauth-dead-token"):
        coop.granted[secret] = grant["member"]
    return web.json_response({"access_token": secret, "token_type": "Bearer", "expires_in": 3600})


def bound(coop: Minicoop, grant: Document, form: Mapping[str, str]) -> bool:
    """Tell whether a code is brought by the program that asked for it, which proves that it did."""
    if (form.get("client_id"), form.get("redirect_uri")) != (grant["client"], grant["redirect"]):
        return False
    made = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    right = base64.urlsafe_b64encode(made).rstrip(b"=").decode() == grant["challenge"]
    return right or coop.fault("pkce-unchecked")
