"""Saying anything at all in the name of an instance's actors: signed with their own keys, past their own server.

Our servers refuse what is illegal before it is sent. To see that the other side refuses it as well, a test takes the
keys from the instance's folder and posts by itself. Whatever the other side fetches (keys, contexts) the real server of
these actors hands out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from fedcoop.cli import client
from fedcoop.cli.client import Reply
from fedcoop.cli.instances import LocalInstance
from fedcoop.protocol import cavage
from fedcoop.protocol.build import contexts, credential_contexts
from fedcoop.protocol.proof import sign_document
from fedcoop.store.keyfolder import KeyFolder


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands."""

    state: str
    version: int
    digest: str


def head_of(instance: LocalInstance, iri: str) -> Head | None:
    """Return where the chain `iri` stands, from the history that the instance hands its operator; None without one."""
    reply = instance.get(f"/api/v1/history?uri={iri}", token=instance.token)
    for chain in reply.json()["chains"] if reply.ok else []:
        if chain["chain"] == iri:
            head = chain["head"]
            return Head(head["chainState"], head["stateVersion"], head["digest"])
    return None


@dataclass(frozen=True)
class Pen:
    """Writes in the name of the actors of `home`, with the keys of its folder."""

    home: LocalInstance

    @cached_property
    def _keys(self) -> KeyFolder:
        return KeyFolder(self.home.folder / "keys")

    def fresh(self, folder: str) -> str:
        """Return an id at home that nobody has given yet."""
        return f"{self.home.base}/{folder}/{uuid4()}"

    def activity(
        self,
        actor: str,
        body: Mapping[str, Any],
        *,
        to: Iterable[str],
        after: Head | None = None,
        said: datetime | None = None,
        without: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Return what `actor` says, signed by it: the first activity of a chain, or the one that follows `after`."""
        said = said or datetime.now(UTC)
        document: dict[str, Any] = {
            "@context": contexts(self.home.base),
            "id": self.fresh("activities"),
            "actor": actor,
            "published": stamp(said),
            "to": list(to),
            "cc": [],
            "stateVersion": after.version + 1 if after else 1,
            **({"previousDigest": after.digest} if after else {}),
            **body,
        }
        method, key = self._keys.proof_key(actor)
        whole = {name: value for name, value in document.items() if name not in without}
        return sign_document(whole, key=key, verification_method=method, created=said)

    def attestation(self, issuer: str, subject: Mapping[str, Any]) -> dict[str, Any]:
        """Return a WorkAttestation, signed by its issuer."""
        now = datetime.now(UTC)
        method, key = self._keys.proof_key(issuer)
        document = {
            "@context": credential_contexts(self.home.base),
            "id": self.fresh("credentials"),
            "type": ["VerifiableCredential", "WorkAttestation"],
            "issuer": issuer,
            "validFrom": stamp(now),
            "credentialSubject": dict(subject),
        }
        return sign_document(document, key=key, verification_method=method, created=now)

    def post(self, document: Mapping[str, Any], *, to: LocalInstance) -> Reply:
        """Post the activity to the shared inbox of another instance, signed by its actor, and return the answer."""
        url = f"{to.base}/inbox"
        body = json.dumps(document, ensure_ascii=False).encode()
        key_id, key = self._keys.http_key(str(document["actor"]))
        headers = cavage.sign_headers(
            method="POST",
            url_host=urlsplit(url).netloc,
            target="/inbox",
            body=body,
            key_id=key_id,
            key=key,
            date=datetime.now(UTC),
        )
        return client.request("POST", url, body=body, headers=headers, timeout=30.0)


def stamp(moment: datetime) -> str:
    """Return an xsd:dateTime, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def code_of(reply: Reply) -> str:
    """Return the code of the problem document, or nothing."""
    return str(reply.problem().get("type", "")).rsplit("/", 1)[-1]
