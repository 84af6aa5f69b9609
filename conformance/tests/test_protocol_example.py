"""The message that the protocol document shows is what the document asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fedcoop_conformance import data
from fedcoop_conformance.crypto import digests, eddsa_jcs, httpsig, multikey

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
KEY = multikey.decode("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")
"""The test key of FEP-8b32."""


def blocks(language: str) -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)\n```$", text.partition("## C. ")[2], re.M | re.S)


def parts(message: str) -> tuple[str, tuple[tuple[str, str], ...], bytes]:
    head, _, body = message.partition("\n\n")
    first, *lines = head.split("\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return first, tuple((name, value) for name, value in headers), body.encode()


@pytest.fixture
def request_shown() -> tuple[httpsig.Request, bytes]:
    first, headers, body = parts(blocks("http")[0])
    method, target, _ = first.split()
    return httpsig.Request(method, f"https://{dict(headers)['Host']}{target}", headers), body


def test_its_signature_is_over_it(request_shown: tuple[httpsig.Request, bytes]):
    request, _ = request_shown
    claim = httpsig.verify(request, KEY)
    assert claim.names == ("@method", "@target-uri", "content-digest")
    assert list(claim.parameters) == ["created", "keyid"]


def test_its_signature_base_is_the_one_shown(request_shown: tuple[httpsig.Request, bytes]):
    request, _ = request_shown
    claim = httpsig.claimed(request)
    assert httpsig.signature_base(request, claim.components, claim.parameters) == blocks("text")[0]


def test_its_digest_is_of_the_body_and_of_no_other(request_shown: tuple[httpsig.Request, bytes]):
    request, body = request_shown
    digests.check_content_digest(request.value("Content-Digest"), body)
    with pytest.raises(digests.DigestInvalid):
        digests.check_content_digest(request.value("Content-Digest"), body + b"\n")


def test_its_proof_is_its_actors(request_shown: tuple[httpsig.Request, bytes]):
    _, body = request_shown
    document: dict[str, Any] = json.loads(body)
    eddsa_jcs.verify(document, KEY)
    assert document["proof"]["verificationMethod"].startswith(document["actor"] + "#")
    with pytest.raises(eddsa_jcs.ProofInvalid):
        eddsa_jcs.verify({**document, "to": []}, KEY)


def test_the_refusal_is_the_vocabularys():
    first, headers, body = parts(blocks("http")[1])
    problem = json.loads(body)
    known = data.read("vocab", "problems.json")["problems"][problem["type"].rsplit("/", 1)[-1]]
    assert (first.split()[1], problem["status"]) == (str(known["status"]), known["status"])
    assert problem["title"] == known["title"]["en"]
    assert dict(headers)["Content-Type"] == "application/problem+json"
