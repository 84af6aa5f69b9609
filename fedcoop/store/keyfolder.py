"""The private keys of the actors we host: files in the instance's `keys/` folder, all in memory at run time.

A file holds both keys of one actor, so that an actor has both or none, whenever the power goes. The first generation
of alice's keys is in `alice.pem`, the second in `alice~2.pem` …; what is made, but not published yet, is in
`alice~2.next`. The newest `.pem` signs.

    Actor: https://coop.example/actors/alice
    Generation: 2                          (left out for the first)
    Encrypted: AES-256-GCM                 (or SHA-256: of what stands above and everything below)
    …                                      the two keys below, closed (`sealing`)

    -----BEGIN PRIVATE KEY-----            RSA-2048, signs requests: <actor>#main-key, #main-key-2 …
    -----BEGIN PRIVATE KEY-----            Ed25519, signs documents: <actor>#ed25519-1, #ed25519-2 …

Only its owner may read it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
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
from fedcoop.protocol.actors import http_key_id, proof_key_id
from fedcoop.protocol.limits import MIN_RSA_BITS, RSA_EXPONENT
from fedcoop.protocol.samples import sample_name
from fedcoop.store import sealing
from fedcoop.store.sealing import Place, Seal, remove, unwritable, write_whole, wrong

OTHERS: Final = 0o077
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
FILE: Final = re.compile(
    rb"Actor: (\S+)\n(?:Generation: ([0-9]{1,6})\n)?(?:SHA-256: ([0-9a-f]{64})|Encrypted: AES-256-GCM)\n(.+)",
    re.S,
)
PEM: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n", re.S)

TICK: Final = 1_000_000_000
"""Nanoseconds within which a folder may change twice and show one time of change."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The two private keys of one actor, of one generation."""

    actor: str
    http: rsa.RSAPrivateKey
    proof: Ed25519PrivateKey
    generation: int = 1


class KeyFolder:
    """`ports.KeyRing` over a folder of files."""

    def __init__(self, folder: Path, place: Place | None = None) -> None:
        """Load every key in `folder`, which is made if it is not there.

        `place` is where the secret is to be had that opens them, when they are encrypted. `warnings` then holds a
        sentence for every file that others than its owner may read.

        Raises:
            Misconfigured: a file is not one of ours, is damaged, or two are for the same actor; a key is one that was
                published as an example; the secret is missing or wrong.
        """
        self._folder = folder
        self._place = place or Place(folder.parent / "fedcoop.key")
        self._seal: Seal | None = None
        self._keys: dict[str, dict[int, Keys]] = {}
        self._files: dict[Path, Keys] = {}
        self._seen = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._seal = sealing.unlock(folder, self._place)
            self._look()
            lying = (folder, *self._files)
            self.warnings = tuple(w for path in lying if (w := warning_for(path)))
        except OSError as error:
            raise self._unreadable(error) from error

    @property
    def encrypted(self) -> bool:
        """Tell whether what is written here is closed by the operator's secret."""
        return self._seal is not None

    @property
    def open_files(self) -> tuple[Path, ...]:
        """Return the files whose keys lie open: all before `encrypt`, some when it was interrupted."""
        return tuple(file for file in self._files if b"\nEncrypted:" not in _head(file))

    def __contains__(self, actor: object) -> bool:
        """Tell whether `actor` has keys here."""
        return actor in self._keys

    def http_key(self, actor: str) -> tuple[str, rsa.RSAPrivateKey]:
        """Return (key id, key) for signing requests. Raises Misconfigured when the actor has none."""
        keys = self._of(actor)
        return http_key_id(actor, keys.generation), keys.http

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        """Return (verification method id, key) for object proofs. Raises Misconfigured when there is none."""
        keys = self._of(actor)
        return proof_key_id(actor, keys.generation), keys.proof

    def generation(self, actor: str) -> int:
        """Return the generation that signs, 0 when the actor has no keys here."""
        self._look_again()
        return max(self._keys.get(actor, {}), default=0)

    def prepared(self, actor: str, generation: int) -> tuple[rsa.RSAPrivateKey, Ed25519PrivateKey]:
        """Return the keys of a generation, which may wait to be published. Raises Misconfigured when there are none."""
        keys = self._waiting(actor, generation) or self._keys.get(actor, {}).get(generation)
        if keys is None:
            raise self._missing(actor)
        return keys.http, keys.proof

    async def provide(self, actors: Sequence[str]) -> None:
        """Make the keys of every actor that has none yet, off the event loop; files are named like the actors."""
        await asyncio.to_thread(self.create_many, [(actor, _slug(actor)) for actor in actors])

    async def prepare(self, wanted: Mapping[str, int], *, anew: bool = False) -> None:
        """Make and durably keep this generation of each actor's keys, without signing with them yet.

        What was prepared before, and not promoted, stays, unless they are wanted `anew`.
        """
        await asyncio.to_thread(self._prepare, wanted, anew)

    async def promote(self, actor: str, generation: int) -> None:
        """Sign with what was prepared, now that it is published. Again, it changes nothing."""
        waiting = self._waiting(actor, generation)
        if waiting is None:
            return
        file = self._named(actor, generation)
        try:
            file.with_suffix(".next").rename(file)
            sealing.settle(file.parent)
        except OSError as error:
            raise unwritable(self._folder, error) from error
        self._keep(waiting, file)

    async def destroy(self, actor: str, *, below: int) -> int:
        """Take away the private keys of every generation older than `below`; return how many there were."""
        self._look_again()
        gone = [file for file, keys in self._files.items() if keys.actor == actor and keys.generation < below]
        for file in gone:
            try:
                remove(file)
            except OSError as error:
                raise unwritable(self._folder, error) from error
            self._drop(file)
        return len(gone)

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
        self._look()
        missing = {actor: self._file(slug) for actor, slug in asked if actor not in self._keys}
        if len(set(missing.values())) < len(missing):
            raise Misconfigured("misconfigured", "two actors cannot keep their keys in one file")
        for actor, file in missing.items():
            if file.exists():
                raise Misconfigured(
                    "misconfigured",
                    f"{file} holds the keys of another actor; choose another name for {actor}",
                )
        for keys in _generated(dict.fromkeys(missing, 1)):
            file = missing[keys.actor]
            self._write(keys, file)
            self._keep(keys, file)
        return [self._of(actor) for actor, _ in asked]

    def encrypt(self) -> int:
        """Close every file that lies open and return how many there were; killed at any point, all can be read.

        Raises:
            Misconfigured: there is no usable secret, or the folder cannot be written.
        """
        if self._seal is None:
            self._seal = sealing.unlock(self._folder, self._place) or sealing.establish(
                self._folder, self._place
            )
        waiting = {file: self._read(file) for file in self._folder.glob("*.next")}
        lying = [*self.open_files, *(file for file in waiting if b"\nEncrypted:" not in _head(file))]
        for file in lying:
            self._write(self._files.get(file) or waiting[file], file)
        return len(lying)

    def rewrap(self, place: Place) -> None:
        """Let another secret open the folder, and the old one no more.

        Raises:
            Misconfigured: the keys are not encrypted, or the new secret cannot be used.
        """
        if self._seal is None:
            raise wrong(
                f"the private keys in {self._folder} are not encrypted",
                f"les clés privées de {self._folder} ne sont pas chiffrées",
                "fedcoop keys encrypt DIR",
                "fedcoop keys encrypt DIR",
            )
        sealing.rewrap(self._folder, self._seal, place)
        self._place = place

    # -- files by name ---------------------------------------------------------------------------------------

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

    def _named(self, actor: str, generation: int) -> Path:
        """Return the file of a later generation: beside the first, wherever that is."""
        known = next((file.stem for file, keys in self._files.items() if keys.actor == actor), _slug(actor))
        return self._file(known.partition("~")[0]).with_name(f"{known.partition('~')[0]}~{generation}.pem")

    def _waiting(self, actor: str, generation: int) -> Keys | None:
        file = self._named(actor, generation).with_suffix(".next")
        keys = self._read(file) if file.exists() else None
        return keys if keys is not None and (keys.actor, keys.generation) == (actor, generation) else None

    def _prepare(self, wanted: Mapping[str, int], anew: bool) -> None:
        self._look_again()
        missing = {a: number for a, number in wanted.items() if anew or self._waiting(a, number) is None}
        for keys in _generated(missing):
            self._write(keys, self._named(keys.actor, keys.generation).with_suffix(".next"))

    # -- what is known ---------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Load what is new in the folder, and forget what has gone from it."""
        changed = self._folder.stat().st_mtime_ns
        found = sorted(self._folder.glob("*.pem"))
        for file in set(self._files) - set(found):
            self._drop(file)
        for file in found:
            if file in self._files:
                continue
            keys = self._read(file)
            if keys.generation in self._keys.get(keys.actor, {}):
                raise Misconfigured(
                    "misconfigured",
                    f"{keys.actor} has keys in two files; move the wrong one away from {file}",
                )
            self._keep(keys, file)
        # A change within the same tick as our look would not be seen by its time.
        self._seen = changed if time.time_ns() - changed > TICK else 0

    def _look_again(self) -> None:
        """Look when the folder has changed: commands beside the running server add members and rotate keys."""
        try:
            if self._folder.stat().st_mtime_ns != self._seen:
                self._look()
        except OSError as error:
            raise self._unreadable(error) from error

    def _read(self, file: Path) -> Keys:
        if self._seal is None and b"\nEncrypted:" in _head(file):
            self._seal = sealing.unlock(self._folder, self._place)
        return read(file, self._seal)

    def _write(self, keys: Keys, file: Path) -> None:
        try:
            write(keys, file, self._seal)
        except OSError as error:
            raise unwritable(self._folder, error) from error

    def _keep(self, keys: Keys, file: Path) -> None:
        self._keys.setdefault(keys.actor, {})[keys.generation] = keys
        self._files[file] = keys

    def _drop(self, file: Path) -> None:
        keys = self._files.pop(file)
        del self._keys[keys.actor][keys.generation]
        if not self._keys[keys.actor]:
            del self._keys[keys.actor]

    def _of(self, actor: str) -> Keys:
        try:
            self._look_again()
        except Misconfigured:
            # One bad file beside those that we have must not stop everybody from speaking.
            if actor not in self._keys:
                raise
        generations = self._keys.get(actor)
        if not generations:
            raise self._missing(actor)
        return generations[max(generations)]

    def _missing(self, actor: str) -> Misconfigured:
        return wrong(
            f"{actor} has no keys in {self._folder}; restore them from a backup, or add the member again",
            f"{actor} n’a pas de clés dans {self._folder} ; restaurez-les d’une sauvegarde",
            "restore the folder `keys` from a backup; if they are lost: fedcoop keys compromised DIR --actor NAME",
            "restaurez le dossier `keys` d’une sauvegarde ; si elles sont perdues : "
            "fedcoop keys compromised DIR --actor NOM",
        )

    def _unreadable(self, error: OSError) -> Misconfigured:
        return Misconfigured(
            "misconfigured", f"the keys cannot be read: {error}; check who owns {self._folder}"
        )


# -- files ---------------------------------------------------------------------------------------------------


def generate(actor: str, generation: int = 1) -> Keys:
    """Return new keys for `actor`."""
    return Keys(
        actor=actor,
        http=rsa.generate_private_key(RSA_EXPONENT, MIN_RSA_BITS),
        proof=Ed25519PrivateKey.generate(),
        generation=generation,
    )


def _generated(wanted: Mapping[str, int]) -> Iterable[Keys]:
    # OpenSSL looks for primes without holding up Python.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(generate, wanted.keys(), wanted.values())


def _slug(actor: str) -> str:
    return actor.rsplit("/actors/", 1)[-1] if "/actors/" in actor else "instance"


def checksum(label: bytes, content: bytes) -> str:
    """Return what the head of a file says about the rest of it."""
    return sha256(label + b"\n" + content).hexdigest()


def _label(actor: bytes, generation: int) -> bytes:
    """Return what the keys are bound to: a file that is renamed, or whose head is changed, does not open."""
    return actor if generation == 1 else actor + b" %d" % generation


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(4096).partition(b"-----BEGIN")[0]


def write(keys: Keys, file: Path, seal: Seal | None = None) -> None:
    """Write `keys`, closed by `seal` if there is one, so that `file` is there whole or not at all, for good."""
    pems = [
        k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for k in (keys.http, keys.proof)
    ]
    content = b"".join(pems)
    label = _label(keys.actor.encode(), keys.generation)
    numbered = f"Generation: {keys.generation}\n" if keys.generation > 1 else ""
    if seal is None:
        kind = f"SHA-256: {checksum(label, content)}"
    else:
        kind = "Encrypted: AES-256-GCM"
        content = base64.encodebytes(seal.close(content, bound_to=label))
    write_whole(file, f"Actor: {keys.actor}\n{numbered}{kind}\n".encode() + content)


def read(file: Path, seal: Seal | None = None) -> Keys:
    """Return the keys in `file`.

    Raises:
        Misconfigured: it is not one of ours, is damaged, or holds a key that everybody has.
    """
    parts = FILE.fullmatch(file.read_bytes())
    if parts is None:
        raise _damaged(file)
    actor, generation, content = parts[1], int(parts[2] or 1), parts[4]
    try:
        # (1) A key with a flipped bit may still load and sign, and what it signs may give it away. OpenSSL's own
        # check of an RSA key takes 30 ms with Python held up, seven seconds of every start with 240 members: these
        # are exact and cost nothing.
        if parts[3] is None:
            if seal is None:
                raise sealing.damaged(file.parent / sealing.FILE)
            content = seal.open(base64.decodebytes(content), bound_to=_label(actor, generation))
        elif checksum(_label(actor, generation), content) != parts[3].decode():
            raise _damaged(file)
        http, proof = (
            load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
            for pem in PEM.findall(content)
        )
        keys = actor.decode()
    except ValueError as error:
        raise _damaged(file) from error
    if not isinstance(http, rsa.RSAPrivateKey) or not isinstance(proof, Ed25519PrivateKey):
        raise _damaged(file)
    # (2) A key that is printed in a standard is everybody's (KEY-05, CVE-2026-24044).
    for key in (http.public_key(), proof.public_key()):
        if printed := sample_name(key):
            raise wrong(
                f"{file} holds a published test key ({printed}): everybody can sign with it",
                f"{file} contient une clé d’essai publiée ({printed}) : n’importe qui peut signer avec",
                "move that file away and restore your own from a backup; if the key was in use: "
                "fedcoop keys compromised DIR --actor NAME",
                "retirez ce fichier et restaurez le vôtre d’une sauvegarde ; si la clé a servi : "
                "fedcoop keys compromised DIR --actor NOM",
            )
    return Keys(actor=keys, http=http, proof=proof, generation=generation)


def exposed(folder: Path) -> tuple[Path, ...]:
    """Return the files of private keys in `folder` that everybody on this machine may read."""
    return tuple(
        file for file in sorted(folder.glob("*")) if file.is_file() and file.stat().st_mode & sealing.OTHERS
    )


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
