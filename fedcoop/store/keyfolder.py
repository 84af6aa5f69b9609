"""The private keys of the actors we host: one file each in the instance's `keys/` folder, all in memory at
run time.

A file holds both keys of one actor, so that an actor has both or none, whenever the power goes:

    Actor: https://coop.example/actors/alice
    SHA-256: (of the actor's id, a line feed, and everything below)
    -----BEGIN PRIVATE KEY-----        RSA-2048, signs requests: <actor>#main-key
    -----BEGIN PRIVATE KEY-----        Ed25519, signs documents: <actor>#ed25519-1

Only its owner may read it. (Encryption at rest is to come; see ROADMAP.md.)
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fedcoop.errors import Misconfigured
from fedcoop.protocol.limits import MIN_RSA_BITS, RSA_EXPONENT

HTTP_KEY: Final = "#main-key"
PROOF_KEY: Final = "#ed25519-1"
PRIVATE: Final = 0o600
OTHERS: Final = 0o077
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
FILE: Final = re.compile(rb"Actor: (\S+)\nSHA-256: ([0-9a-f]{64})\n(.+)", re.S)
PEM: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n", re.S)


@dataclass(frozen=True, slots=True)
class Keys:
    """The two private keys of one actor."""

    actor: str
    http: rsa.RSAPrivateKey
    proof: Ed25519PrivateKey


class KeyFolder:
    """`ports.KeyRing` over a folder of files."""

    def __init__(self, folder: Path) -> None:
        """Load every key in `folder`, which is made if it is not there.

        `warnings` then holds a sentence for every file that others than its owner may read.

        Raises:
            Misconfigured: a file is not one of ours, is damaged, or two are for the same actor.
        """
        self._folder = folder
        self._keys: dict[str, Keys] = {}
        self._files: dict[Path, str] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._load_new()
            self.warnings = tuple(w for path in (folder, *self._files) if (w := warning_for(path)))
        except OSError as error:
            raise self._unreadable(error) from error

    def __contains__(self, actor: object) -> bool:
        """Tell whether `actor` has keys here."""
        return actor in self._keys

    def http_key(self, actor: str) -> tuple[str, rsa.RSAPrivateKey]:
        """Return (key id, key) for signing requests. Raises Misconfigured when the actor has none."""
        return actor + HTTP_KEY, self._of(actor).http

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        """Return (verification method id, key) for object proofs. Raises Misconfigured when there is none."""
        return actor + PROOF_KEY, self._of(actor).proof

    async def provide(self, actors: Sequence[str]) -> None:
        """Make the keys of every actor that has none yet, off the event loop; files are named like the actors."""
        asked = [
            (actor, actor.rsplit("/actors/", 1)[-1] if "/actors/" in actor else "instance")
            for actor in actors
        ]
        await asyncio.to_thread(self.create_many, asked)

    def create(self, actor: str, slug: str) -> Keys:
        """Make, keep and return the keys of `actor` in the file `<slug>.pem`; what it has already stays.

        The file is on the disk, whole, when this returns. Blocks for about a tenth of a second.

        Raises:
            Misconfigured: `slug` is no plain file name or belongs to another actor, or the folder cannot be
                written.
        """
        return self.create_many([(actor, slug)])[0]

    def create_many(self, actors: Iterable[tuple[str, str]]) -> list[Keys]:
        """Make the keys of several (actor, slug) on every core: a hundred in a few seconds. As `create`."""
        asked = list(actors)
        self._load_new()
        missing = {actor: self._file(slug) for actor, slug in asked if actor not in self._keys}
        if len(set(missing.values())) < len(missing):
            raise Misconfigured("misconfigured", "two actors cannot keep their keys in one file")
        for actor, file in missing.items():
            if file.exists():
                raise Misconfigured(
                    "misconfigured",
                    f"{file} holds the keys of another actor; choose another name for {actor}",
                )
        # OpenSSL looks for primes without holding up Python.
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for keys in pool.map(generate, missing):
                file = missing[keys.actor]
                try:
                    write(keys, file)
                except OSError as error:
                    raise Misconfigured(
                        "misconfigured", f"the keys cannot be written: {error}; check who owns {self._folder}"
                    ) from error
                self._keep(keys, file)
        return [self._keys[actor] for actor, _ in asked]

    def _file(self, slug: str) -> Path:
        # (1) A name may not lead out of the folder, nor hide in it.
        if not SLUG.fullmatch(slug):
            raise Misconfigured(
                "misconfigured",
                "a key file is named by small letters, digits, dots, dashes and underscores",
                expected=SLUG.pattern,
                received=slug[:80],
            )
        return self._folder / f"{slug}.pem"

    def _load_new(self) -> None:
        for file in sorted(self._folder.glob("*.pem")):
            if file in self._files:
                continue
            keys = read(file)
            if keys.actor in self._keys:
                raise Misconfigured(
                    "misconfigured",
                    f"{keys.actor} has keys in two files; move the wrong one away from {file}",
                )
            self._keep(keys, file)

    def _keep(self, keys: Keys, file: Path) -> None:
        self._keys[keys.actor] = keys
        self._files[file] = keys.actor

    def _of(self, actor: str) -> Keys:
        if actor not in self._keys:
            # A member may have been added by a command beside the running server.
            try:
                self._load_new()
            except OSError as error:
                raise self._unreadable(error) from error
        keys = self._keys.get(actor)
        if keys is None:
            raise Misconfigured(
                "misconfigured",
                f"{actor} has no keys in {self._folder}; restore them from a backup, or add the member again",
            )
        return keys

    def _unreadable(self, error: OSError) -> Misconfigured:
        return Misconfigured(
            "misconfigured", f"the keys cannot be read: {error}; check who owns {self._folder}"
        )


# -- files ---------------------------------------------------------------------------------------------------


def generate(actor: str) -> Keys:
    """Return new keys for `actor`."""
    return Keys(
        actor=actor,
        http=rsa.generate_private_key(RSA_EXPONENT, MIN_RSA_BITS),
        proof=Ed25519PrivateKey.generate(),
    )


def checksum(actor: bytes, content: bytes) -> str:
    """Return what the head of a file says about the rest of it."""
    return sha256(actor + b"\n" + content).hexdigest()


def write(keys: Keys, file: Path) -> None:
    """Write `keys` so that `file` is there whole or not at all, and stays after a power cut."""
    pems = [
        k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for k in (keys.http, keys.proof)
    ]
    content = b"".join(pems)
    head = f"Actor: {keys.actor}\nSHA-256: {checksum(keys.actor.encode(), content)}\n".encode()
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    # (1) Nobody else may open it, not even between its making and a later chmod.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as out:
        out.write(head + content)
        out.flush()
        os.fsync(out.fileno())
    part.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(file: Path) -> Keys:
    """Return the keys in `file`. Raises Misconfigured when it is not one of ours or is damaged."""
    parts = FILE.fullmatch(file.read_bytes())
    # (1) A key with a flipped bit may still load and sign, and what it signs may give it away. OpenSSL's own
    # check of an RSA key takes 30 ms with Python held up, seven seconds of every start with 240 members: this
    # one is exact and costs nothing.
    if parts is None or checksum(parts[1], parts[3]) != parts[2].decode():
        raise _damaged(file)
    try:
        http, proof = (
            load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
            for pem in PEM.findall(parts[3])
        )
        actor = parts[1].decode()
    except ValueError as error:
        raise _damaged(file) from error
    if not isinstance(http, rsa.RSAPrivateKey) or not isinstance(proof, Ed25519PrivateKey):
        raise _damaged(file)
    return Keys(actor=actor, http=http, proof=proof)


def warning_for(path: Path) -> str | None:
    """Return what is wrong with who may read `path`, or None."""
    mode = path.stat().st_mode & 0o777
    if mode & OTHERS == 0:
        return None
    wanted = "700" if path.is_dir() else "600"
    return f"{path} may be read by others (mode {mode:o}); run: chmod {wanted} {path}"


def _damaged(file: Path) -> Misconfigured:
    return Misconfigured(
        "misconfigured", f"{file} does not hold the two keys of an actor; restore it from a backup"
    )
