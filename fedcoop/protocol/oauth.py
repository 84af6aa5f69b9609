"""OAuth 2 for programs: the authorization code with PKCE and nothing else, for clients that keep no secret.

A program's `client_id` is the https address of a document that says who it is
(draft-ietf-oauth-client-id-metadata-document; FEP-d8c2's Application with `redirectURI` is read as well). Everything
here compares; `net/fetch.py` fetches, `web/pages_programs.py` and `web/oauth.py` ask, `flow/programs.py` keeps.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from fedcoop.errors import FedcoopError, Invalid, Malformed
from fedcoop.protocol import ids, limits, scopes
from fedcoop.protocol.messages import Document

AUTHORIZE: Final = "/oauth/authorize"
TOKEN: Final = "/oauth/token"
REVOKE: Final = "/oauth/revoke"

GRANTABLE: Final = tuple(name for name, scope in scopes.SCOPES.items() if scope.grantable)
"""Scopes that a program may be given; what makes further tokens is not among them."""

DEFAULT_SCOPES: Final = ("read",)
"""What a program gets that asks for none by name (RFC 6749 §3.3)."""

_LOOPBACK: Final = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[1-9][0-9]{0,4})?(/[\w\-.~!$&'()*+,;=:@%/?]*)", re.ASCII
)
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Client:
    """A program, as its own document describes it. Only its address is certain: the name is what it says."""

    id: str
    name: str
    redirect_uris: tuple[str, ...]

    @property
    def host(self) -> str:
        """Where its document lives: what a person is shown of who asks."""
        return urlsplit(self.id).netloc


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for leave that may be shown to the member (RFC 6749 §4.1.1, RFC 7636 §4.3)."""

    client: Client
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None
    challenge: str

    @property
    def local(self) -> bool:
        """Whether the answer goes to a program on the reader's own machine (RFC 8252 §7.3)."""
        return _LOOPBACK.fullmatch(self.redirect_uri) is not None


def metadata(base: str) -> Document:
    """Return what programs are told of this server (RFC 8414), at `/.well-known/oauth-authorization-server`."""
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}{AUTHORIZE}",
        "token_endpoint": f"{base}{TOKEN}",
        "revocation_endpoint": f"{base}{REVOKE}",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "scopes_supported": list(GRANTABLE),
        "ui_locales_supported": ["fr", "en"],
    }


# -- who asks -----------------------------------------------------------------------------------------------


def check_client_id(client_id: str, *, allow_origins: Set[str]) -> str:
    """Return `client_id` when it may be the address of a program's document.

    Raises:
        Invalid: it is none (`client-unknown`).
    """
    try:
        ids.check_id(client_id, allow_origins=allow_origins)
    except Malformed as error:
        raise _unknown("its address cannot be used", "an https URL", client_id) from error
    # (1) The front page of a host, or a part of a document, names no document of a program.
    if urlsplit(client_id).path in ("", "/") or "#" in client_id:
        raise _unknown("its address names no document", "an https URL with a path", client_id)
    return client_id


def read_client(document: Document, client_id: str, *, allow_origins: Set[str]) -> Client:
    """Return the program that `document`, served at `client_id`, describes.

    Raises:
        Invalid: it describes another one, or none that we can answer (`client-unknown`).
    """
    about = _of_activitystreams(document) if "client_id" not in document else document
    # (1) Whoever answers for an address must be the program of that address.
    if about.get("client_id") != client_id:
        raise _unknown("its document is of another", client_id, str(about.get("client_id")))
    # (2) A secret that lies in a public document is none (and a client with a real one we could not tell apart).
    if "client_secret" in about or about.get("token_endpoint_auth_method", "none") != "none":
        raise _unknown("it wants to be known by a secret", "token_endpoint_auth_method: none", "another")
    told = about.get("redirect_uris")
    redirects = tuple(told) if isinstance(told, list) and all(isinstance(one, str) for one in told) else ()
    # (3) Where the code goes is said beforehand, and in no longer a list than anybody could look at.
    if not 0 < len(redirects) <= limits.MAX_REDIRECT_URIS:
        raise _unknown(
            "it declares no usable list of redirect_uris", f"1 to {limits.MAX_REDIRECT_URIS}", "another"
        )
    for redirect in redirects:
        _check_redirect(redirect, client_id, allow_origins=allow_origins)
    name = about.get("client_name")
    # (4) Direction marks and line breaks would let a name rewrite the sentence around it.
    shown = isinstance(name, str) and name.isprintable() and 0 < len(name.strip()) <= limits.MAX_CLIENT_NAME
    return Client(client_id, str(name).strip() if shown else urlsplit(client_id).netloc, redirects)


def _of_activitystreams(document: Document) -> Mapping[str, Any]:
    """Read FEP-d8c2's form of the same: an Application with `id`, `name` and `redirectURI`."""
    kinds = document.get("type")
    if "Application" not in (kinds if isinstance(kinds, list) else [kinds]):
        return {}
    redirects = document.get("redirectURI")
    return {
        "client_id": document.get("id"),
        "client_name": document.get("name"),
        "redirect_uris": redirects if isinstance(redirects, list) else [redirects],
    }


def _check_redirect(redirect: str, client_id: str, *, allow_origins: Set[str]) -> None:
    if _LOOPBACK.fullmatch(redirect):
        return
    try:
        ids.check_id(redirect, allow_origins=allow_origins)
        same = ids.same_origin(redirect, client_id)
    except Malformed:
        same = False
    # (1) The member is shown the program's host: a code must not go to another.
    # (2) What comes after a "#" stays in the browser, beside whatever else is there.
    if not same or "#" in redirect:
        raise _unknown("it declares an address to return to that is not its own", client_id, redirect)


# -- what is asked ------------------------------------------------------------------------------------------


def once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return parameters by name, without empty ones. Raises Malformed (`authorization-request`)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        # (1) Of two values we could check one and use the other (RFC 6749 §3.1).
        if name in found:
            raise refused("invalid_request", f"The parameter {name[:40]} is there twice.")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def redirect_of(asked: Mapping[str, str], client: Client) -> str:
    """Return the address to answer to: from here on, faults may be told there.

    Raises:
        Invalid: it is not one that the program declares (`redirect-mismatch`).
    """
    wanted = asked.get("redirect_uri", "")
    # (1) Character for character, or it is somebody else's (RFC 9700 §4.1.3) …
    if wanted in client.redirect_uris or _same_but_for_port(wanted, client.redirect_uris):
        return wanted
    raise Invalid(
        "redirect-mismatch",
        "The program does not declare this address to return to.",
        expected=" or ".join(client.redirect_uris)[:500],
        received=wanted[:200],
    )


def _same_but_for_port(wanted: str, declared: Iterable[str]) -> bool:
    # (1) … except that a program on the reader's machine takes the port that it gets (RFC 8252 §7.3).
    asked = _LOOPBACK.fullmatch(wanted)
    known = (_LOOPBACK.fullmatch(one) for one in declared)
    return asked is not None and any(one is not None and one.groups() == asked.groups() for one in known)


def read_ask(asked: Mapping[str, str], client: Client, *, within: Iterable[str]) -> Ask:
    """Return the request, checked. `within`: scopes that the one who is signed in could give.

    Raises:
        Malformed: a parameter cannot be taken (`authorization-request`; `extra["error"]` as RFC 6749 §4.1.2.1 has it).
    """
    # (1) Codes and nothing else: a token in an address is a token in a history.
    if asked.get("response_type") != "code":
        raise refused("unsupported_response_type", "response_type is code here.")
    if asked.get("response_mode", "query") != "query":
        raise refused("invalid_request", "response_mode is query here.")
    # (2) Without a proof of who began, whoever catches the code could use it; `plain` proves nothing (RFC 9700 §2.1.1).
    if asked.get("code_challenge_method") != "S256":
        raise refused("invalid_request", "code_challenge_method is S256 here.")
    challenge = asked.get("code_challenge", "")
    if not _CHALLENGE.fullmatch(challenge):
        raise refused(
            "invalid_request", "code_challenge is the base64url SHA-256 of the verifier, 43 characters."
        )
    state = asked.get("state")
    if state is not None and len(state) > limits.MAX_STATE:
        raise refused("invalid_request", f"state has at most {limits.MAX_STATE} characters.")
    leave = frozenset(within) & frozenset(GRANTABLE)
    try:
        # (3) Only what programs may be given, and the member could give.
        wanted = scopes.checked(asked.get("scope", " ".join(DEFAULT_SCOPES)).split(), within=leave)
    except Invalid as error:
        raise refused(
            "invalid_scope", f"scope is among: {' '.join(n for n in GRANTABLE if n in leave)}."
        ) from error
    return Ask(client, redirect_of(asked, client), wanted, state, challenge)


def proves(verifier: str, challenge: str) -> bool:
    """Tell whether who sends `verifier` is who sent `challenge` (RFC 7636 §4.6).

    >>> proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    True
    """
    if not _VERIFIER.fullmatch(verifier):
        return False
    made = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())


# -- what is answered ---------------------------------------------------------------------------------------


def back_to(redirect_uri: str, *, issuer: str, state: str | None, **members: str) -> str:
    """Return the address at which the program takes its answer, with who gives it (RFC 9207).

    >>> back_to("https://app.example/cb?a=1", issuer="https://coop.example", state="x y", code="c")
    'https://app.example/cb?a=1&code=c&state=x+y&iss=https%3A%2F%2Fcoop.example'
    """
    told = {**members, **({} if state is None else {"state": state}), "iss": issuer}
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(told)}"


def error_of(refusal: FedcoopError) -> str:
    """Return what OAuth calls a refusal (RFC 6749 §4.1.2.1, §5.2)."""
    named = refusal.extra.get("error")
    return named if isinstance(named, str) else "invalid_request"


def refused(error: str, detail: str) -> Malformed:
    """Return the refusal of a request, with OAuth's own word for it."""
    return Malformed("authorization-request", detail, extra={"error": error})


def grant_refused(why: str) -> Malformed:
    """Return the refusal of a code or refresh token (`invalid_grant`)."""
    return Malformed(
        "grant-invalid", f"This cannot be exchanged for a token: {why}.", extra={"error": "invalid_grant"}
    )


def _unknown(why: str, expected: str, received: str) -> Invalid:
    return Invalid(
        "client-unknown",
        f"It cannot be established which program asks: {why}.",
        expected=expected[:200],
        received=received[:200],
        extra={"error": "invalid_client"},
    )
