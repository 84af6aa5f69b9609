"""Keys as text, and Ed25519 itself."""

# ruff: noqa: E501 -- tables: one vector, one line

from __future__ import annotations

from typing import Final

import base58
from cases import Case, File, b64

ED25519: Final = b"\xed\x01"
RSA: Final = b"\x85\x24"
_L: Final = 2**252 + 27742317777372353535851937790883648493  # RFC 8032 §5.1


def _z(data: bytes) -> str:
    return "z" + base58.b58encode(data).decode("ascii")


# -- Multikey --------------------------------------------------------------------------------------------

_FEP_521A: Final = "FEP-521a fep-521a.feature"
_RAW: Final = bytes.fromhex("2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6")
_TEXT: Final = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
_RSA_DER: Final = bytes.fromhex(
    "3082010a0282010100b1b5fcd8d4d5e88ca5c4287b31f578865caf6a78826a3b8ff7b1b23aa4af4e6a0474139f945bd9d3a911ffd0"
    "fa72db78e4593a86c91f9da836186ebd3402d51f6a3844247ab5088b46929c311b43604fed84499f06f0f39bf55590e2187f1bbe22"
    "9ba8f49fd2e570cd0e3733c76bfede80e1e7e0881e4538ea1bc5782be9512f8bf132526e05f4923564fe6e1e21bf7087adebb660fa"
    "533fca06d0a8e66991e1312d70b64a61da8ca77c028cdf939601e2cffe2855759b1d479f0847bcac59d7d62427a431d4e3dfd26974"
    "28b9dd6309a7b1167db99fe01af1ff1b739566fb949e47089d1dae84aef1214ef7f5773e86a0d3e9da246f9bec09d60c705891183d"
    "0203010001"
)
_RSA_TEXT: Final = (
    "z4MXj1wBzi9jUstyPMS4jQqB6KdJaiatPkAtVtGc6bQEQEEsKTic4G7Rou3iBf9vPmT5dbkm9qsZsuVNjq8HCuW1w24nhBFGkRE4cd2Uf2"
    "tfrB3N7h4mnyPp1BF3ZttHTYv3DLUPi1zMdkULiow3M1GfXkoC6DoxDUm1jmN6GBj22SjVsr6dxezRVQc7aj9TxE7JLbMH1wh5X3kA58H3"
    "DFW8rnYMakFGbca5CB2Jf6CnGQZmL7o5uJAdTwXfy2iiiyPxXEGerMhHwhjTA1mKYobyk2CpeEcmvynADfNZ5MBvcCS7m3XkFCMNUYBS9N"
    "Q3fze6vMSUPsNa6GVYmKx2x6JrdEjCk3qRMMmyjnjCMfR4pXbRMZa3i"
)
_TOLD: Final = {"algorithm": "Ed25519", "publicKey": b64(_RAW)}
_RSA_TOLD: Final = {"algorithm": "RSA", "publicKey": b64(_RSA_DER)}


def _key(number: int, comment: str, given: str, told: dict[str, str], source: str) -> Case:
    return Case(
        f"FV-KEY-{number:03}", "FC-VEC-013", comment, {"publicKeyMultibase": given},
        output=told, flags=("ENCODED_KEY", "PUBLISHED"), source=source,
    )  # fmt: skip


def _no_key(
    number: int, comment: str, given: str, reason: str, twin: int = 1, also: tuple[str, ...] = ()
) -> Case:
    return Case(
        f"FV-KEY-{number:03}", "FC-VEC-013", comment, {"publicKeyMultibase": given},
        reason=reason, twin=f"FV-KEY-{twin:03}", flags=("ENCODED_KEY",), also=also,
    )  # fmt: skip


_MULTIKEYS: Final = (
    _key(1, "an Ed25519 key", _TEXT, _TOLD, _FEP_521A),
    _key(2, "an RSA key", _RSA_TEXT, _RSA_TOLD, _FEP_521A),
    _no_key(10, "the multicodec of X25519", _z(b"\xec\x01" + _RAW), "CODEC"),
    _no_key(11, "the multicodec of a private Ed25519 key", _z(b"\x80\x26" + _RAW), "CODEC"),
    _no_key(12, "the multicodec of P-256", _z(b"\x80\x24" + _RAW), "CODEC"),
    _no_key(13, "the multicodec number as two bytes, not as a varint", _z(b"\x00\xed" + _RAW), "CODEC"),
    _no_key(14, "no multicodec", _z(_RAW), "CODEC", also=("LENGTH",)),
    _no_key(15, "one byte of the multicodec", _z(b"\xed" + _RAW), "CODEC", also=("LENGTH",)),
    _no_key(16, "no multibase prefix", _TEXT[1:], "MULTIBASE"),
    _no_key(17, "the prefix of another multibase", "u" + _TEXT[1:], "MULTIBASE"),
    _no_key(18, "the same bytes in base16", "f" + (ED25519 + _RAW).hex(), "MULTIBASE"),
    _no_key(19, "the same bytes in base64url", "u" + b64(ED25519 + _RAW), "MULTIBASE"),
    _no_key(20, "a character outside the alphabet", _TEXT[:-1] + "0", "ALPHABET", also=("MULTIBASE",)),
    _no_key(21, "a line feed at the end", _TEXT + "\n", "ALPHABET", also=("MULTIBASE",)),
    _no_key(22, "a space in front", " " + _TEXT, "MULTIBASE", also=("ALPHABET",)),
    _no_key(23, "31 bytes", _z(ED25519 + _RAW[:-1]), "LENGTH", also=("KEY",)),
    _no_key(24, "33 bytes", _z(ED25519 + _RAW + b"\x00"), "LENGTH", also=("KEY",)),
    _no_key(25, "a zero byte in front (one more 1)", "z1" + _TEXT[1:], "CODEC", also=("LENGTH",)),
    _no_key(26, "nothing", "", "MULTIBASE"),
    _no_key(27, "a prefix and nothing", "z", "CODEC", also=("LENGTH", "MULTIBASE")),
    _no_key(28, "an RSA key with a byte after its DER", _z(RSA + _RSA_DER + b"\x00"), "KEY", 2, ("LENGTH",)),
    _no_key(29, "an RSA key cut short", _z(RSA + _RSA_DER[:-1]), "KEY", 2, ("LENGTH",)),
    _no_key(30, "an Ed25519 key under the RSA multicodec", _z(RSA + _RAW), "KEY", 2, ("LENGTH",)),
    _no_key(31, "an RSA key under the Ed25519 multicodec", _z(ED25519 + _RSA_DER), "LENGTH", 2, ("KEY",)),
)  # fmt: skip


def _did(
    number: int, comment: str, given: str, reason: str | None = None, also: tuple[str, ...] = ()
) -> Case:
    return Case(
        f"FV-DID-{number:03}", "FC-VEC-013", comment, {"did": given},
        output=None if reason else _TOLD, reason=reason, twin="FV-DID-001" if reason else None,
        flags=("ENCODED_KEY",), also=also,
    )  # fmt: skip


_DIDS: Final = (
    _did(1, "a did:key", f"did:key:{_TEXT}"),
    _did(2, "its verification method", f"did:key:{_TEXT}#{_TEXT}"),
    _did(10, "another method", f"did:web:{_TEXT}", "DID"),
    _did(11, "the scheme in capitals", f"DID:key:{_TEXT}", "DID"),
    _did(12, "a verification method that names another key", f"did:key:{_TEXT}#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2", "DID"),
    _did(13, "no key", "did:key:", "MULTIBASE", ("DID",)),
    _did(14, "the multicodec of X25519", "did:key:" + _z(b"\xec\x01" + _RAW), "CODEC"),
    _did(15, "31 bytes", f"did:key:{_z(ED25519 + _RAW[:-1])}", "LENGTH", ("KEY",)),
)  # fmt: skip

# -- Ed25519 ---------------------------------------------------------------------------------------------

# RFC 8032 §7.1, tests 1 to 3: public key, message, signature.
_PUBLISHED: Final = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)


def _more_than_l(signature: bytes, times: int = 1) -> bytes:
    """Return the same point with S + L: the other signature that a careless verifier takes."""
    s = int.from_bytes(signature[32:], "little") + times * _L
    return signature[:32] + s.to_bytes(32, "little")


def _signed(
    number: int,
    comment: str,
    public: bytes,
    message: bytes,
    signature: bytes,
    reason: str | None = None,
    flag: str = "TAMPER",
    also: tuple[str, ...] = (),
    twin: int = 2,
    source: str | None = None,
) -> Case:
    return Case(
        f"FV-EDD-{number:03}", "FC-VEC-012", comment,
        {"publicKey": b64(public), "message": b64(message), "signature": b64(signature)},
        reason=reason, twin=f"FV-EDD-{twin:03}" if reason else None,
        flags=("PUBLISHED",) if source else (flag,), also=also, source=source,
    )  # fmt: skip


def _ed25519() -> tuple[Case, ...]:
    triples = [(bytes.fromhex(a), bytes.fromhex(b), bytes.fromhex(c)) for a, b, c in _PUBLISHED]
    public, message, signature = triples[1]
    other = triples[2][0]
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    swapped = signature[32:] + signature[:32]
    return (
        *(
            _signed(n, f"test {n}", *triple, source=f"RFC 8032 §7.1 TEST {n}")
            for n, triple in enumerate(triples, start=1)
        ),
        _signed(10, "S + L: made from the valid one without the key", public, message, _more_than_l(signature), "SIGNATURE", "MALLEABLE"),
        _signed(11, "S + 2 L", public, message, _more_than_l(signature, 2), "SIGNATURE", "MALLEABLE"),
        _signed(12, "S + L, over an empty message", triples[0][0], b"", _more_than_l(triples[0][2]), "SIGNATURE", "MALLEABLE", twin=1),
        _signed(13, "S = L, which is S = 0", public, message, signature[:32] + _L.to_bytes(32, "little"), "SIGNATURE", "MALLEABLE"),
        _signed(14, "63 bytes", public, message, signature[:-1], "LENGTH", "LENGTH", ("SIGNATURE",)),
        _signed(15, "32 bytes", public, message, signature[:32], "LENGTH", "LENGTH", ("SIGNATURE",)),
        _signed(16, "no bytes", public, message, b"", "LENGTH", "LENGTH", ("SIGNATURE",)),
        _signed(17, "a zero byte at the end", public, message, signature + b"\x00", "LENGTH", "LENGTH", ("SIGNATURE",)),
        _signed(18, "a zero byte in front", public, message, b"\x00" + signature, "LENGTH", "LENGTH", ("SIGNATURE",)),
        _signed(19, "one bit of R", public, message, flipped, "SIGNATURE"),
        _signed(20, "R and S exchanged", public, message, swapped, "SIGNATURE"),
        _signed(21, "64 zero bytes", public, message, bytes(64), "SIGNATURE"),
        _signed(22, "another message", public, b"\x73", signature, "SIGNATURE"),
        _signed(23, "another key", other, message, signature, "SIGNATURE"),
    )  # fmt: skip


FILES: Final = (
    File("multikey/keys.json", "multikey", ("Controlled Identifiers 1.0 §2.2.2", "FEP-521a"), _MULTIKEYS),
    File("multikey/did-key.json", "did-key", ("did:key §3", "FEP-c390"), _DIDS),
    File("ed25519/verify.json", "ed25519", ("RFC 8032 §5.1.7",), _ed25519()),
)
