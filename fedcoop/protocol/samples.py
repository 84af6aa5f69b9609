"""Keys whose private half is printed in a public document: whoever signs with one signs as everybody."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedcoop.protocol.multikey import PublicKey

SAMPLES: Final = {
    "c73eecd318bd3813f2402a660d8a90010ca35d609d19377d5ee7af200713229f": "RFC 9421 B.1.1 test-key-rsa",
    "72859cbaf21a0b398b1f25712bbed148b1d85a0c6b824176eb306405caa6f0b2": "RFC 9421 B.1.2 test-key-rsa-pss",
    "34571606cb7a0d71be377e671ddcccae2a169ed7733598214129231cd30c4a3c": "RFC 9421 B.1.4 test-key-ed25519",
    "d2eaf30fd1eddd11249a69ec46529d28871f0ad11acafb9bc1bb98148ab696e9": "W3C vc-di-eddsa, appendix B",
    "bf55ea6d70b78b0bd5a5f9a076f585a88109ae9e5b9724ea567fab20db452099": "W3C vc-di-eddsa, proof chains",
    "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9": "RFC 8032 7.1 TEST 1",
    "deb2ded39dc26fce0e6085b6fc34bf6b5941913bbfe2ea614113cff9e004c170": "RFC 8032 7.1 TEST 2",
    "8d39ba50abe50f77b6bb8ae7b6927aff7ffbeba35ad2837c0e51e82bcbcc60d5": "RFC 8032 7.1 TEST 3",
}
"""SHA-256 of the public key (SPKI, DER) to where its private half can be read."""


def sample_name(key: PublicKey) -> str | None:
    """Return where the private half of `key` is published, or None for a key that may be somebody's (KEY-05)."""
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SAMPLES.get(sha256(encoded).hexdigest())
