"""Object integrity proofs (vc-di-eddsa §3.3, FEP-8b32)."""

# ruff: noqa: E501 -- tables: one vector, one line

from __future__ import annotations

from typing import Any, Final

from cases import Case, File, Json

from fedcoop_conformance.crypto import eddsa_jcs, multikey

_ALICE: Final = "https://server.example/users/alice"
_METHOD: Final = f"{_ALICE}#ed25519-key"
_METHOD_2: Final = f"{_ALICE}#ed25519-key-2"
_TEXT: Final = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
_SECRET: Final = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
_DID: Final = f"did:key:{_TEXT}"
_CREATED: Final = "2023-02-24T23:36:38Z"
_AS: Final = "https://www.w3.org/ns/activitystreams"
_DI: Final = "https://w3id.org/security/data-integrity/v2"
_MORE: Final = "https://w3id.org/security/multikey/v1"
_PRIVATE: Final = multikey.decode_private(_SECRET)
_OTHER: Final = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

# -- published -------------------------------------------------------------------------------------------

_NOTE: Final = {
    "@context": [_AS, _DI],
    "id": "https://server.example/activities/1",
    "type": "Create",
    "actor": _ALICE,
    "object": {
        "id": "https://server.example/objects/1",
        "type": "Note",
        "attributedTo": _ALICE,
        "content": "Hello world",
        "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
    },
}
_NOTE_VALUE: Final = (
    "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL"
)
_CREDENTIAL: Final = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
_CREDENTIAL_VALUE: Final = (
    "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX"
)
_STATEMENT: Final = {
    "type": "VerifiableIdentityStatement",
    "subject": _DID,
    "alsoKnownAs": _ALICE,
}
_STATEMENT_VALUE: Final = (
    "z26W7TfJYD9DrGqnem245zNbeCbTwjb8avpduzi1JPhFrwML99CpP6gGXSKSXAcQdpGFBXF4kx7VwtXKhu7VDZJ54"
)

_FEP_8B32: Final = "FEP-8b32 fep-8b32.feature"
_W3C: Final = "vc-di-eddsa, Representation: eddsa-jcs-2022"
_FEP_C390: Final = "FEP-c390 fep-c390.feature"


def _published(document: Json, method: str, value: str) -> Json:
    proof: Json = {"@context": document["@context"]} if "@context" in document else {}
    proof |= {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": _CREATED,
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
        "proofValue": value,
    }
    return {**document, "proof": proof}


def _made(
    number: int,
    comment: str,
    document: Json,
    method: str,
    value: str,
    source: str,
    wrong: tuple[Json, ...] = (),
) -> Case:
    return Case(
        f"FV-PRS-{number:03}", "FC-VEC-007", comment,
        {
            "document": document,
            "secretKeyMultibase": _SECRET,
            "verificationMethod": method,
            "created": _CREATED,
            "proofPurpose": "assertionMethod",
        },
        output={"proofValue": value}, flags=("PUBLISHED",), source=source, known_wrong=wrong,
    )  # fmt: skip


def _wrong(comment: str, value: str) -> Json:
    return {"output": {"proofValue": value}, "comment": comment}


def _without_context() -> str:
    signed = eddsa_jcs.sign(_NOTE, _PRIVATE, _METHOD, _CREATED, context=None)
    value = str(signed["proof"]["proofValue"])
    if not value.startswith("z5bZgaP3"):
        raise AssertionError("the known wrong answer has changed")
    return value


_SIGN: Final = (
    _made(1, "the document of FEP-8b32", _NOTE, _METHOD, _NOTE_VALUE, _FEP_8B32, (_wrong("the proof's options were signed without `@context`", _without_context()),)),
    _made(2, "the credential of vc-di-eddsa", _CREDENTIAL, f"{_DID}#{_TEXT}", _CREDENTIAL_VALUE, _W3C),
    _made(3, "the identity statement of FEP-c390, without any `@context`", _STATEMENT, _DID, _STATEMENT_VALUE, _FEP_C390),
)  # fmt: skip

# -- verifying -------------------------------------------------------------------------------------------


def _signed(document: Json = _NOTE, **how: Any) -> Json:
    return eddsa_jcs.sign(document, _PRIVATE, _METHOD, _CREATED, **how)


def _verify(
    number: int,
    test: str,
    comment: str,
    document: Json,
    reason: str | None = None,
    flag: str = "TAMPER",
    also: tuple[str, ...] = (),
    twin: int = 1,
    source: str | None = None,
    keys: Json | None = None,
    acceptable: bool = False,
) -> Case:
    method = document["proof"]["verificationMethod"] if isinstance(document.get("proof"), dict) else _METHOD
    return Case(
        f"FV-PRF-{number:03}", f"FC-VEC-{test}", comment,
        {"document": document, "keys": keys or {method: _TEXT}},
        reason=reason, twin=f"FV-PRF-{twin:03}" if reason else None,
        flags=("PUBLISHED",) if source else (flag,), also=also, source=source, acceptable=acceptable,
    )  # fmt: skip


_BOTH: Final = {_METHOD: _TEXT, _METHOD_2: _TEXT}
_VALID: Final = _published(_NOTE, _METHOD, _NOTE_VALUE)
_LONGER: Final = {**_NOTE, "@context": [_AS, _DI, _MORE]}
_SHORTER: Final = {**_NOTE, "@context": [_AS]}
_NUMBERS: Final = {**_NOTE, "slots": 3, "hours": 7.5, "zero": -0.0, "small": 1e-7}


def _proof(document: Json, **changes: Any) -> Json:
    return {**document, "proof": {**document["proof"], **changes}}


def _without(document: Json, name: str) -> Json:
    return {**document, "proof": {key: value for key, value in document["proof"].items() if key != name}}


def _text_changed() -> Json:
    return {**_VALID, "object": {**_VALID["object"], "content": "Hello World"}}


def _verify_cases() -> tuple[Case, ...]:
    value = str(_VALID["proof"]["proofValue"])
    another = _signed({**_NOTE, "type": "Update"})["proof"]["proofValue"]
    return (
        _verify(1, "008", "the document of FEP-8b32", _VALID, source=_FEP_8B32),
        _verify(2, "008", "the credential of vc-di-eddsa", _published(_CREDENTIAL, f"{_DID}#{_TEXT}", _CREDENTIAL_VALUE), source=_W3C),
        _verify(3, "008", "the identity statement of FEP-c390, without any `@context`", _published(_STATEMENT, _DID, _STATEMENT_VALUE), source=_FEP_C390),
        _verify(4, "008", "the members in another order, which changes nothing", dict(reversed(_VALID.items())), flag="CONTEXT"),
        _verify(5, "008", "two keys to choose from, by the name in the proof", _VALID, flag="TAMPER", keys=_BOTH),
        _verify(6, "008", "numbers that have several spellings", _signed(_NUMBERS), flag="NUMBER"),
        _verify(7, "008", "an expiry that is covered", _signed(expires="2033-02-24T23:36:38Z"), flag="TAMPER"),
        _verify(8, "008", "a legacy signature that was added after the proof", {**_VALID, "signature": {"type": "RsaSignature2017", "signatureValue": "AAAA"}}, flag="LENIENT", acceptable=True),
        _verify(10, "008", "the same with the known wrong value: `@context` left out of what was signed", _proof(_VALID, proofValue=_without_context()), "SIGNATURE"),
        _verify(11, "008", "the same with the value of the credential", _proof(_VALID, proofValue=_CREDENTIAL_VALUE), "SIGNATURE"),
        # -- changed after signing
        _verify(20, "009", "a letter of the text changed after signing", _text_changed(), "SIGNATURE"),
        _verify(21, "009", "`created` changed after signing", _proof(_VALID, created="2023-02-24T23:36:39Z"), "SIGNATURE"),
        _verify(22, "009", "`proofPurpose` changed after signing, to the right one", _signed(purpose="authentication", afterwards={"proofPurpose": "assertionMethod"}), "SIGNATURE"),
        _verify(23, "009", "`verificationMethod` changed after signing, to another name of the same key", _proof(_VALID, verificationMethod=_METHOD_2), "SIGNATURE", keys=_BOTH, twin=5),
        _verify(24, "009", "a member added after signing", {**_VALID, "to": [f"{_AS}#Public"]}, "SIGNATURE"),
        _verify(25, "009", "a member taken away after signing", {key: item for key, item in _VALID.items() if key != "actor"}, "SIGNATURE"),
        _verify(26, "009", "`expires` added after signing", _proof(_VALID, expires="2033-02-24T23:36:38Z"), "SIGNATURE"),
        _verify(27, "009", "the order of an array changed after signing", _signed({**_NOTE, "to": [_ALICE, _AS]}, hashed={**_NOTE, "to": [_AS, _ALICE]}), "SIGNATURE", twin=9),
        _verify(9, "009", "an array in its order", _signed({**_NOTE, "to": [_ALICE, _AS]})),
        _verify(28, "009", "the proof of another document by the same key", _proof(_VALID, proofValue=another), "SIGNATURE"),
        _verify(29, "009", "the key is another one", _VALID, "SIGNATURE", keys={_METHOD: _OTHER}),
        _verify(30, "009", "the proof names a key that is not there", _VALID, "METHOD", twin=5, keys={_METHOD_2: _TEXT}, also=("SIGNATURE",)),
        _verify(31, "009", "no proof", {key: item for key, item in _VALID.items() if key != "proof"}, "NO_PROOF"),
        _verify(32, "009", "no value", _without(_VALID, "proofValue"), "PROOF_VALUE", also=("SIGNATURE",)),
        _verify(33, "009", "a value without its multibase prefix", _proof(_VALID, proofValue=value[1:]), "PROOF_VALUE", "ENCODED_KEY", ("SIGNATURE",)),
        _verify(34, "009", "a value cut short", _proof(_VALID, proofValue=multikey.to_multibase(multikey.from_multibase(value)[:-1])), "PROOF_VALUE", "LENGTH", ("SIGNATURE",)),
        _verify(35, "009", "a value with a byte too many", _proof(_VALID, proofValue=multikey.to_multibase(multikey.from_multibase(value) + b"\0")), "PROOF_VALUE", "LENGTH", ("SIGNATURE",)),
        _verify(36, "009", "the hashes signed in the wrong order", _proof(_VALID, proofValue=_swapped()), "SIGNATURE"),
        _verify(37, "009", "another type of proof", _signed(proof_type="Ed25519Signature2020"), "PROOF_TYPE", "SUITE"),
        _verify(38, "009", "another suite", _signed(cryptosuite="eddsa-rdfc-2022"), "PROOF_TYPE", "SUITE"),
        # -- purpose
        _verify(40, "010", "signed for `authentication`", _signed(purpose="authentication"), "PURPOSE", "PURPOSE"),
        _verify(41, "010", "signed for `keyAgreement`", _signed(purpose="keyAgreement"), "PURPOSE", "PURPOSE"),
        _verify(42, "010", "signed for no purpose", _signed(changes={"proofPurpose": None}), "PURPOSE", "PURPOSE"),
        _verify(43, "010", "signed for several purposes", _signed(changes={"proofPurpose": ["assertionMethod", "authentication"]}), "PURPOSE", "PURPOSE"),
        _verify(44, "010", "signed for `assertionMethod`, another note", _signed({**_NOTE, "id": "https://server.example/activities/2"}), flag="PURPOSE"),
        # -- contexts: the proof's must equal the document's
        _verify(50, "011", "two equal contexts, one longer than usual", _signed(_LONGER), flag="CONTEXT"),
        _verify(51, "011", "the proof's context is no prefix of the document's", _signed(context=[_DI]), "CONTEXT", "CONTEXT"),
        _verify(52, "011", "the same, signed as if the document had the proof's context", _signed(context=[_DI], hashed={**_NOTE, "@context": [_DI]}), "CONTEXT", "CONTEXT", ("SIGNATURE",)),
        _verify(53, "011", "the proof's context is a prefix of the document's: not equal", _signed(_LONGER, context=[_AS, _DI]), "CONTEXT", "CONTEXT", twin=50),
        _verify(54, "011", "the same, signed as if the document had the proof's context: a context added later", _signed(_LONGER, context=[_AS, _DI], hashed=_NOTE), "CONTEXT", "CONTEXT", ("SIGNATURE",), twin=50),
        _verify(55, "011", "the document's context is a prefix of the proof's", _signed(context=[_AS, _DI, _MORE]), "CONTEXT", "CONTEXT"),
        _verify(56, "011", "the contexts in another order", _signed(context=[_DI, _AS]), "CONTEXT", "CONTEXT"),
        _verify(57, "011", "no context in the proof of a document that has one", _signed(context=None), "CONTEXT", "CONTEXT"),
        _verify(58, "011", "a text in the proof, an array of one in the document", _signed(_SHORTER, context=_AS), "CONTEXT", "CONTEXT", twin=59),
        _verify(59, "011", "an array of one in both", _signed(_SHORTER), flag="CONTEXT"),
        _verify(60, "011", "the same text in both: contexts as arrays are what everybody reads", _signed({**_NOTE, "@context": _AS}), flag="LENIENT", acceptable=True),
    )  # fmt: skip


def _swapped() -> str:
    options = {name: item for name, item in _VALID["proof"].items() if name != "proofValue"}
    both = eddsa_jcs.hash_data(options, _VALID)
    return multikey.to_multibase(_PRIVATE.sign(both[32:] + both[:32]))


_SPEC: Final = ("vc-di-eddsa §3.3", "vc-data-integrity §4.4", "FEP-8b32")
_KEYS: Final = {"alice": _TEXT, "other": _OTHER}
FILES: Final = (
    File("proof/sign.json", "proof-sign", _SPEC, _SIGN, {**_KEYS, "aliceSecret": _SECRET}),
    File(
        "proof/verify.json",
        "proof-verify",
        _SPEC,
        tuple(sorted(_verify_cases(), key=lambda case: case.id)),
        _KEYS,
    ),
)
