"""A peer that is not one of ours: its own keys, its own signatures and proofs, its own small server.

Nothing here imports fedcoop, so that what is sent is what another program would send: draft-cavage signatures and
eddsa-jcs-2022 proofs are written out from their specifications. Its server keeps every request that is made to it, so
that a test can say what was fetched and what was not.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import itertools
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

import base58
import rfc8785
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

AS2: Final = "https://www.w3.org/ns/activitystreams"
PUBLIC: Final = f"{AS2}#Public"
DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"
ACTIVITY_JSON: Final = "application/activity+json"
COVERED: Final = ("(request-target)", "host", "date", "digest", "content-type")

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def now() -> datetime:
    """Return the time of the machine: the servers under test have no other clock."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Return `moment` as xsd:dateTime, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(moment: datetime) -> str:
    """Return `moment` as a Date header (RFC 9110 §5.6.7)."""
    day, month = DAYS[moment.weekday()], MONTHS[moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment:%Y %H:%M:%S} GMT"


# -- what is sent ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    """One signed POST before it is sent. A test spoils one member with `dataclasses.replace` and leaves the others."""

    url: str
    body: bytes
    key_id: str
    key: rsa.RSAPrivateKey
    signed_at: datetime = field(default_factory=now)
    covered: tuple[str, ...] = COVERED
    content_type: str = ACTIVITY_JSON
    method: str = "POST"
    algorithm: str = "rsa-sha256"
    digest_of: bytes | None = None
    """The body that the digest is of, when it is not this one."""
    signed_host: str | None = None
    """The Host that is signed, when it is not the one that is sent."""
    signed_target: str | None = None
    sent_host: str | None = None
    """The Host that is sent (and signed), when it is not the server's."""
    extra: tuple[tuple[str, str], ...] = ()
    """Further headers, not signed."""
    without: frozenset[str] = frozenset()
    """Names of headers that are not sent, lower case."""
    chunked: bool = False
    """Sent in pieces, without a Content-Length."""

    def saying(self, document: Mapping[str, Any] | bytes) -> Letter:
        """Return the same letter about another document, signed anew."""
        body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        return replace(self, body=body)

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers, signed."""
        parts = urlsplit(self.url)
        body = self.body if self.digest_of is None else self.digest_of
        values = {
            "host": self.sent_host or parts.netloc,
            "date": http_date(self.signed_at),
            "digest": "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode(),
            "content-type": self.content_type,
        }
        target = self.signed_target or parts.path
        lines = []
        for name in self.covered:
            if name == "(request-target)":
                lines.append(f"{name}: {self.method.lower()} {target}")
            elif name == "host" and self.signed_host:
                lines.append(f"host: {self.signed_host}")
            else:
                lines.append(f"{name}: {values[name]}")
        made = self.key.sign("\n".join(lines).encode(), padding.PKCS1v15(), hashes.SHA256())
        signature = (
            f'keyId="{self.key_id}",algorithm="{self.algorithm}",headers="{" ".join(self.covered)}",'
            f'signature="{base64.b64encode(made).decode()}"'
        )
        named = [(name.title(), value) for name, value in values.items()]
        sent = [*named, ("Signature", signature), *self.extra]
        return [(name, value) for name, value in sent if name.lower() not in self.without]

    def send(self) -> Answer:
        """Send it and return what was answered."""
        return exchange(self.method, self.url, self.headers(), self.body, chunked=self.chunked)


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The last path segment of a problem's `type`, "" when the answer is no problem."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        return str(self.json()["type"]).rsplit("/", 1)[-1]

    @property
    def outcome(self) -> str:
        """What became of an accepted message."""
        return str(self.json()["outcome"]) if self.ok else ""


def exchange(
    method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes = b"", *, chunked: bool = False
) -> Answer:
    """Send one request, exactly these headers and this body (and how long it is), and return the answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body or method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(pieces(body) if chunked else body or None, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It has heard enough; what it says of that is still to be read.
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def pieces(body: bytes, size: int = 65536) -> Iterable[bytes]:
    """Yield `body` in pieces."""
    return (body[start : start + size] for start in range(0, len(body), size))


# -- who sends it ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request that somebody made to the peer."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return its body as JSON."""
        return json.loads(self.body)


@dataclass
class Keys:
    """The keys of one actor."""

    http: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    proof: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)


class Foreign:
    """A server on a free port of the loopback with as many actors as are asked for; `close` it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.documents: dict[str, Mapping[str, Any]] = {}
        """Path to what is served there."""
        self._keys: dict[str, Keys] = {}
        self._numbers = itertools.count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    # -- its actors -------------------------------------------------------------------------------------------------

    def actor(self, name: str = "alice") -> str:
        """Return the id of the actor `name`, which is served from now on."""
        iri = f"{self.base}/users/{name}"
        if name not in self._keys:
            self._keys[name] = Keys()
            self.documents[f"/users/{name}"] = self.actor_document(name)
        return iri

    def keys(self, name: str = "alice") -> Keys:
        """Return the keys of the actor `name`."""
        self.actor(name)
        return self._keys[name]

    def actor_document(self, name: str, **changes: Any) -> dict[str, Any]:
        """Return the document of `name` as it is served, with some members changed."""
        keys, iri = self._keys[name], f"{self.base}/users/{name}"
        raw = keys.proof.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        pem = keys.http.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        multikey = "z" + base58.b58encode(b"\xed\x01" + raw).decode()
        return {
            "@context": [AS2, "https://w3id.org/security/v1", "https://w3id.org/security/multikey/v1"],
            "id": iri,
            "type": "Person",
            "preferredUsername": name,
            "name": name.title(),
            "inbox": f"{iri}/inbox",
            "outbox": f"{iri}/outbox",
            "publicKey": {"id": f"{iri}#main-key", "owner": iri, "publicKeyPem": pem.decode()},
            "assertionMethod": [
                {
                    "id": f"{iri}#ed25519-key",
                    "type": "Multikey",
                    "controller": iri,
                    "publicKeyMultibase": multikey,
                }
            ],
            **changes,
        }

    # -- what it says -----------------------------------------------------------------------------------------------

    def fresh(self, folder: str = "activities") -> str:
        """Return a new id of its own."""
        return f"{self.base}/{folder}/{next(self._numbers)}"

    def create(self, obj: Mapping[str, Any], *, by: str = "alice", **changes: Any) -> dict[str, Any]:
        """Return a Create of `obj` to everybody."""
        context = obj.get("@context", AS2)
        return {
            "@context": context,
            "id": self.fresh(),
            "type": "Create",
            "actor": self.actor(by),
            "published": stamp(now()),
            "to": [PUBLIC],
            "object": {name: value for name, value in obj.items() if name != "@context"},
            **changes,
        }

    def note(self, *, by: str = "alice", **changes: Any) -> dict[str, Any]:
        """Return a Note of its own."""
        return {
            "id": self.fresh("notes"),
            "type": "Note",
            "attributedTo": self.actor(by),
            "to": [PUBLIC],
            "content": "Bonjour",
            **changes,
        }

    def letter(
        self, document: Mapping[str, Any] | bytes, url: str, *, by: str = "alice", **changes: Any
    ) -> Letter:
        """Return the signed request by which `by` posts `document` to `url`."""
        keys = self.keys(by)
        empty = Letter(url=url, body=b"", key_id=f"{self.actor(by)}#main-key", key=keys.http)
        return replace(empty.saying(document), **changes)

    def prove(
        self, document: Mapping[str, Any], *, by: str = "alice", at: datetime | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Return `document` with a proof by `by` (FEP-8b32, eddsa-jcs-2022); `changes` are to the proof."""
        context = document.get("@context")
        contexts = context if isinstance(context, list) else [context]
        bare = {**{name: value for name, value in document.items() if name != "proof"}, "@context": contexts}
        options = {
            "@context": contexts,
            "type": "DataIntegrityProof",
            "cryptosuite": "eddsa-jcs-2022",
            "created": stamp(at or now()),
            "verificationMethod": f"{self.actor(by)}#ed25519-key",
            "proofPurpose": "assertionMethod",
            **changes,
        }
        hashed = b"".join(hashlib.sha256(rfc8785.dumps(part)).digest() for part in (options, bare))
        value = "z" + base58.b58encode(self.keys(by).proof.sign(hashed)).decode()
        return {**bare, "proof": {**options, "proofValue": value}}

    # -- what was asked of it ---------------------------------------------------------------------------------------

    @property
    def fetched(self) -> list[str]:
        """The paths that were read, in order."""
        return [asked.path for asked in self.asked if asked.method == "GET"]

    @property
    def received(self) -> list[dict[str, Any]]:
        """The activities that were posted to its inboxes, in order."""
        return [asked.json() for asked in self.asked if asked.method == "POST"]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                document = peer.documents.get(self.path)
                self._answer(404 if document is None else 200, json.dumps(document or {}).encode())

            def do_POST(self) -> None:
                self._answer(202, b"{}")

            def _answer(self, status: int, body: bytes) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer.asked.append(Asked(self.command, self.path, headers, sent))
                self.send_response(status)
                self.send_header("Content-Type", ACTIVITY_JSON)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def chain_digest(activity: Mapping[str, Any]) -> str:
    """Return the digest that the next step of a chain names: of the canonical form, without the proof."""
    bare = {name: value for name, value in activity.items() if name != "proof"}
    digest = hashlib.sha256(rfc8785.dumps(bare)).digest()
    return "z" + base58.b58encode(b"\x12\x20" + digest).decode()


def ago(**amount: float) -> datetime:
    """Return a time before now (`ago(hours=2)`), or after it with a negative amount."""
    return now() - timedelta(**amount)
