"""A peer that is not one of ours: its own keys, its own signatures and proofs, its own small server.

Nothing here imports fedcoop, so that what is sent is what another program would send: signatures of both dialects and
eddsa-jcs-2022 proofs are written out from their specifications. Its server keeps every request that is made to it, so
that a test can say what was fetched and what was not. One that is told to speak a single dialect reads no other, and
takes only what is signed in it by a key of the activity's actor.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import base58
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

AS2: Final = "https://www.w3.org/ns/activitystreams"
PUBLIC: Final = f"{AS2}#Public"
DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"
ACTIVITY_JSON: Final = "application/activity+json"
COVERED: Final = ("(request-target)", "host", "date", "digest", "content-type")
COMPONENTS: Final = ("@method", "@target-uri", "content-digest")

Dialect: TypeAlias = Literal["draft-cavage", "rfc9421"]
Key: TypeAlias = rsa.RSAPrivateKey | Ed25519PrivateKey

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
    key: Key
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
    altered: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    """Names of headers (lower case) to what becomes of their values after they were signed."""
    parameters: str = ""
    """Further parameters of the signature."""
    date: str | None = None
    """The Date, when it is none."""

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
            "date": self.date or http_date(self.signed_at),
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
                lines.append(f"{name}: {values.get(name, '')}")
        made = signed(self.key, "\n".join(lines).encode())
        signature = (
            f'keyId="{self.key_id}",algorithm="{self.algorithm}",headers="{" ".join(self.covered)}"'
            f'{self.parameters},signature="{made}"'
        )
        return self.as_sent({**values, "signature": signature})

    def as_sent(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return these headers as they leave: without some, with others, altered."""
        named = [(name.title(), value) for name, value in values.items()]
        sent = [pair for pair in (*named, *self.extra) if pair[0].lower() not in self.without]
        return [(name, self.altered.get(name.lower(), str)(value)) for name, value in sent]

    def send(self) -> Answer:
        """Send it and return what was answered."""
        return exchange(self.method, self.url, self.headers(), self.body, chunked=self.chunked)


@dataclass(frozen=True)
class Message(Letter):
    """The same in RFC 9421."""

    covered: tuple[str, ...] = COMPONENTS
    signed_url: str | None = None
    """The URL that is signed, when it is not the one that is sent to."""
    described: str | None = None
    """What stands behind the label in Signature-Input, and is signed, in the place of what should."""
    content_digest: str | None = None

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers, signed."""
        parts = urlsplit(self.url)
        body = self.body if self.digest_of is None else self.digest_of
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        values = {
            "host": self.sent_host or parts.netloc,
            "date": self.date or http_date(self.signed_at),
            "content-digest": self.content_digest or f"sha-256=:{digest}:",
            "content-type": self.content_type,
        }
        derived = {
            "@method": self.method,
            "@target-uri": self.signed_url or self.url,
            "@authority": parts.netloc,
            "@path": parts.path,
        }
        named = " ".join(name if name.startswith('"') else f'"{name}"' for name in self.covered)
        created = int(self.signed_at.timestamp())
        described = self.described or f'({named});created={created};keyid="{self.key_id}"{self.parameters}'
        found = {**values, **derived}
        lines = [
            f"{name if name.startswith(chr(34)) else f'{chr(34)}{name}{chr(34)}'}: {found.get(name, '')}"
            for name in self.covered
        ]
        made = signed(self.key, "\n".join([*lines, f'"@signature-params": {described}']).encode())
        both = {"signature-input": f"sig1={described}", "signature": f"sig1=:{made}:"}
        return self.as_sent({**values, **both})


def signed(key: Key, message: bytes) -> str:
    """Return the signature of `key` over `message`, in base64."""
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.sign(message)).decode()
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


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
    answered: int = 0

    @property
    def dialect(self) -> str:
        """In which dialect it is signed, "" when it is not."""
        if "signature-input" in self.headers:
            return "rfc9421"
        return "draft-cavage" if "signature" in self.headers else ""

    def json(self) -> Any:
        """Return its body as JSON."""
        return json.loads(self.body)


@dataclass
class Keys:
    """The keys of one actor."""

    http: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    proof: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)


class Foreign:
    """A server on a free port of the loopback with as many actors as are asked for; `close` it.

    `only` is the one dialect that it speaks and reads; without it, it takes whatever is posted.
    """

    def __init__(self, only: Dialect | None = None) -> None:
        self.only = only
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
        kind = Message if self.only == "rfc9421" else Letter
        empty = kind(url=url, body=b"", key_id=f"{self.actor(by)}#main-key", key=keys.http)
        return replace(empty.saying(document), **changes)

    def message(
        self, document: Mapping[str, Any] | bytes, url: str, *, by: str = "alice", **changes: Any
    ) -> Message:
        """Return the same in RFC 9421."""
        empty = Message(url=url, body=b"", key_id=f"{self.actor(by)}#main-key", key=self.keys(by).http)
        whole = empty.saying(document)
        assert isinstance(whole, Message)
        return replace(whole, **changes)

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

    @property
    def attempts(self) -> dict[str, list[tuple[str, int]]]:
        """Each activity that was posted to its inboxes: how each time it was signed and answered."""
        found: dict[str, list[tuple[str, int]]] = {}
        for asked in self.asked:
            if asked.method == "POST":
                found.setdefault(asked.json()["id"], []).append((asked.dialect, asked.answered))
        return found

    def takes(self, asked: Asked) -> bool:
        """Tell whether a request is signed in the one dialect that the peer reads, by its sender, for this server."""
        if self.only is None:
            return True
        try:
            read = read_rfc9421 if self.only == "rfc9421" else read_draft_cavage
            key_id, signature, message = read(asked, self.base)
            sender = asked.json()["actor"]
            document = json.loads(exchange("GET", sender, [("Host", urlsplit(sender).netloc), ACCEPT]).body)
            verified_by(document, key_id, signature, message)
        except (KeyError, ValueError, InvalidSignature):
            return False
        return True

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
                asked = Asked(self.command, self.path, headers, sent)
                if self.command == "POST" and not peer.takes(asked):
                    status, body = 401, b"{}"
                peer.asked.append(replace(asked, answered=status))
                self.send_response(status)
                self.send_header("Content-Type", ACTIVITY_JSON)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


# -- what is read ---------------------------------------------------------------------------------------------------

ACCEPT: Final = ("Accept", ACTIVITY_JSON)


def read_draft_cavage(asked: Asked, base: str) -> tuple[str, bytes, bytes]:
    """Return the key id, the signature and what is signed (draft-cavage-http-signatures-12 §2.3, §2.5)."""
    given = dict(part.split("=", 1) for part in asked.headers["signature"].split(","))
    given = {name: value.strip('"') for name, value in given.items()}
    if asked.headers["digest"] != "SHA-256=" + base64.b64encode(hashlib.sha256(asked.body).digest()).decode():
        raise ValueError("another body")
    names = given["headers"].split()
    if not {"(request-target)", "host", "date", "digest"} <= set(names):
        raise ValueError("too little is signed")
    values = {**asked.headers, "(request-target)": f"{asked.method.lower()} {asked.path}"}
    lines = "\n".join(f"{name}: {values[name]}" for name in names)
    return given["keyId"], base64.b64decode(given["signature"]), lines.encode()


def read_rfc9421(asked: Asked, base: str) -> tuple[str, bytes, bytes]:
    """Return the key id, the signature and what is signed (RFC 9421 §2.5, §3.2)."""
    label, _, described = asked.headers["signature-input"].partition("=")
    digest = base64.b64encode(hashlib.sha256(asked.body).digest()).decode()
    if asked.headers["content-digest"] != f"sha-256=:{digest}:":
        raise ValueError("another body")
    listed, *parameters = described.split(";")
    names = [name.strip('"') for name in listed.strip("()").split()]
    if not set(COMPONENTS) <= set(names):
        raise ValueError("too little is signed")
    values = {**asked.headers, "@method": asked.method, "@target-uri": base + asked.path}
    lines = [f'"{name}": {values[name]}' for name in names]
    message = "\n".join([*lines, f'"@signature-params": {described}'])
    signature = asked.headers["signature"].removeprefix(f"{label}=:").removesuffix(":")
    given = dict(parameter.split("=", 1) for parameter in parameters)
    return given["keyid"].strip('"'), base64.b64decode(signature), message.encode()


def verified_by(actor: Mapping[str, Any], key_id: str, signature: bytes, message: bytes) -> None:
    """Return when the key that the actor lists under this id made the signature; raise what is wrong otherwise."""
    if actor["publicKey"]["id"] == key_id:
        public = serialization.load_pem_public_key(actor["publicKey"]["publicKeyPem"].encode())
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        return
    (multikey,) = [key["publicKeyMultibase"] for key in actor["assertionMethod"] if key["id"] == key_id]
    Ed25519PublicKey.from_public_bytes(base58.b58decode(multikey[1:])[2:]).verify(signature, message)


def chain_digest(activity: Mapping[str, Any]) -> str:
    """Return the digest that the next step of a chain names: of the canonical form, without the proof."""
    bare = {name: value for name, value in activity.items() if name != "proof"}
    digest = hashlib.sha256(rfc8785.dumps(bare)).digest()
    return "z" + base58.b58encode(b"\x12\x20" + digest).decode()


def ago(**amount: float) -> datetime:
    """Return a time before now (`ago(hours=2)`), or after it with a negative amount."""
    return now() - timedelta(**amount)
