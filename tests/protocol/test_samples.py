"""Keys that everybody has are known by name; a new key never is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fedcoop.protocol.samples import SAMPLES, sample_name

RFC_9421_ED25519: Final = bytes.fromhex("26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1bb")
VECTORS: Final = Path(__file__).resolve().parents[3] / "shared" / "vectors"


def test_the_ed25519_key_of_rfc_9421_is_known_by_name():
    assert (
        sample_name(Ed25519PublicKey.from_public_bytes(RFC_9421_ED25519)) == "RFC 9421 B.1.4 test-key-ed25519"
    )


@pytest.mark.parametrize(
    ("secret", "number"),
    [
        ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", 1),
        ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", 2),
        ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", 3),
    ],
)
def test_the_first_keys_of_rfc_8032_are_known_by_name(secret: str, number: int):
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert sample_name(key.public_key()) == f"RFC 8032 7.1 TEST {number}"


def test_the_rsa_keys_of_rfc_9421_are_known_by_name():
    file = VECTORS / "http-signatures" / "rfc9421-appendix-b.json"
    if not file.exists():
        pytest.skip("the published vectors are not here")
    keys = json.loads(file.read_text())["keys"]
    for name in ("test-key-rsa", "test-key-rsa-pss", "test-key-ed25519"):
        key = load_pem_public_key(keys[f"{name}.pub"].encode())
        assert str(sample_name(key)).endswith(name)  # type: ignore[arg-type]


def test_a_new_key_is_nobodys_sample():
    assert sample_name(Ed25519PrivateKey.generate().public_key()) is None
    assert all(len(name) == 64 for name in SAMPLES)
