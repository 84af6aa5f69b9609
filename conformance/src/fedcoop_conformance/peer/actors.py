"""Actors of the suite's own servers: fresh for every test, each with an Ed25519 and an RSA key, honest unless told.

What they send is made in three steps, so that a test changes one of them and nothing else: the activity, its proof, the
signed request.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedcoop_conformance.crypto import digests, eddsa_jcs, httpsig, multikey
from fedcoop_conformance.crypto.fields import Component
from fedcoop_conformance.peer.server import ACTIVITY_JSON, Answer, Origin, Received

Document = dict[str, Any]
Kind = Literal["ed25519", "rsa"]
"""With which of its keys an actor signs requests."""

AS2: Final = "https://www.w3.org/ns/activitystreams"
FEDCOOP: Final = "https://w3id.org/fedcoop/v1"
CONTEXT: Final = (AS2, "https://w3id.org/security/v1", "https://www.w3.org/ns/cid/v1")
SIGNED: Final = (AS2, "https://w3id.org/security/data-integrity/v2")
COMPONENTS: Final = ("@method", "@target-uri", "content-digest")
RFC9421: Final = "https://datatracker.ietf.org/doc/html/rfc9421"
ED25519: Final = f"{RFC9421}#name-eddsa-using-curve-edwards25"
IMPLEMENTS: Final = (FEDCOOP, RFC9421, ED25519)


@cache
def rsa_key(generation: int = 1) -> RSAPrivateKey:
    """Return the RSA key that all actors of a process have at first: making one takes too long to make many."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: RSAPrivateKey) -> str:
    """Return the public half as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def instant(moment: datetime) -> str:
    """Return a time as XSD dateTime in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that is ready to be sent: change one thing of it with `replace`, and it is a fault."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = "POST"

    def header(self, name: str, value: str | None) -> Outgoing:
        """Return it with another value of a header, or without it."""
        kept = tuple((key, old) for key, old in self.headers if key.lower() != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name, value)))


@dataclass
class PeerActor:
    """An actor of one of the origins; `id` is below `origin.base`."""

    origin: Origin
    name: str
    key: Ed25519PrivateKey
    kind: str = "Person"
    rng: random.Random = field(default_factory=random.Random)
    more: Document = field(default_factory=dict)
    generation: int = 1
    signs: Kind = "ed25519"

    @property
    def id(self) -> str:
        return f"{self.origin.base}/actors/{self.name}"

    @property
    def inbox(self) -> str:
        return f"{self.id}/inbox"

    @property
    def key_id(self) -> str:
        """Return the id of the Ed25519 key, of requests and proofs alike."""
        return f"{self.id}#ed25519-{self.generation}"

    @property
    def rsa_key_id(self) -> str:
        return f"{self.id}#main-key" if self.generation == 1 else f"{self.id}#rsa-{self.generation}"

    @property
    def request_key(self) -> httpsig.PrivateKey:
        """Return the key of requests, `request_key_id` is its id; proofs are always made with `key`."""
        return self.key if self.signs == "ed25519" else rsa_key(self.generation)

    @property
    def request_key_id(self) -> str:
        return self.key_id if self.signs == "ed25519" else self.rsa_key_id

    def method(self) -> Document:
        """Return the Multikey (FEP-521a)."""
        return {
            "id": self.key_id,
            "type": "Multikey",
            "controller": self.id,
            "publicKeyMultibase": multikey.encode(self.key.public_key()),
        }

    def listed(self, name: str, key: RSAPrivateKey) -> Document:
        """Return an RSA key of its own as it stands in `publicKey`."""
        return {"id": name, "owner": self.id, "publicKeyPem": pem(key)}

    def document(self) -> Document:
        """Return the actor as it is published (ActivityPub §4, FEP-521a, FEP-844e)."""
        return {
            "@context": list(CONTEXT),
            "id": self.id,
            "type": self.kind,
            "preferredUsername": self.name,
            "name": self.name.capitalize(),
            "inbox": self.inbox,
            "outbox": f"{self.id}/outbox",
            "followers": f"{self.id}/followers",
            "following": f"{self.id}/following",
            "publicKey": self.listed(self.rsa_key_id, rsa_key(self.generation)),
            "assertionMethod": [self.method()],
            "generator": {
                "type": "Application",
                "implements": [{"href": href, "name": href} for href in IMPLEMENTS],
            },
            **self.more,
        }

    def publish(self, document: Mapping[str, Any] | None = None) -> None:
        """Serve the actor, or another document in its place, at its id."""
        self.origin.put(f"/actors/{self.name}", Answer.of(self.document() if document is None else document))

    def new_id(self, kind: str = "activities") -> str:
        """Return an id that was never used."""
        return f"{self.origin.base}/{kind}/{self.rng.getrandbits(64):016x}"

    def activity(self, kind: str, **members: Any) -> Document:
        """Return an activity of this actor, not yet signed; None takes a member away."""
        said = {"@context": list(SIGNED), "id": self.new_id(), "type": kind, "actor": self.id, **members}
        return {name: value for name, value in said.items() if value is not None}

    def proven(self, document: Mapping[str, Any], *, created: datetime | None = None, **how: Any) -> Document:
        """Return a document with this actor's proof; `how` is passed to `eddsa_jcs.sign`."""
        return eddsa_jcs.sign(document, self.key, self.key_id, instant(created or datetime.now(UTC)), **how)

    def request(
        self,
        url: str,
        document: Mapping[str, Any] | bytes,
        *,
        created: int | None = None,
        components: Sequence[str | Component] = COMPONENTS,
        keyid: str | None = None,
        key: httpsig.PrivateKey | None = None,
        media: str = ACTIVITY_JSON,
        digest_of: bytes | None = None,
        parameters: Mapping[str, Any] | None = None,
        label: str = "sig1",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        more: Mapping[str, str] | None = None,
    ) -> Outgoing:
        """Return a POST signed by RFC 9421; each argument makes one thing otherwise than it should be.

        `more` are further headers, which the signature covers where `components` names them.
        """
        body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        headers = (
            ("Content-Type", media),
            ("Content-Digest", digests.content_digest(body if digest_of is None else digest_of)),
            *(more or {}).items(),
        )
        signed = httpsig.sign(
            httpsig.Request("POST", url, headers),
            self.request_key if key is None else key,
            keyid=self.request_key_id if keyid is None else keyid,
            created=int(now().timestamp()) if created is None else created,
            components=components,
            parameters=parameters,
            label=label,
        )
        return Outgoing(url, (*headers, *signed.items()), body)

    def get(self, url: str, *, accept: str = ACTIVITY_JSON) -> Outgoing:
        """Return a GET signed by RFC 9421."""
        headers = (("Accept", accept),)
        signed = httpsig.sign(
            httpsig.Request("GET", url, headers),
            self.request_key,
            keyid=self.request_key_id,
            created=int(datetime.now(UTC).timestamp()),
            components=("@method", "@target-uri"),
        )
        return Outgoing(url, (*headers, *signed.items()), b"", "GET")

    def arrived(self, matches: Callable[[Document], bool]) -> Callable[[Received], bool]:
        """Return what says of a request whether it brought this actor an activity that matches."""
        path = self.inbox.removeprefix(self.origin.base)
        own = {path, "/inbox"}

        def check(one: Received) -> bool:
            said = one.json
            return one.method == "POST" and one.path in own and isinstance(said, dict) and matches(said)

        return check


def fresh_key(rng: random.Random) -> Ed25519PrivateKey:
    """Return an Ed25519 key that the seed decides: a run can be played again."""
    return Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
