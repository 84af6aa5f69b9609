"""How private keys lie on the disk: closed by a key that only the operator's secret opens.

    keys/sealing.json   a random key, the same for every file, itself closed by a key made of the secret (scrypt)
    keys/*.pem          each closed by that random key, and bound to its actor and generation

So the secret is stretched once for each start, however many actors there are, and a new secret costs one small file
that is replaced as a whole: at no instant are there keys that neither the old nor the new secret opens.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fedcoop.errors import Misconfigured

FILE: Final = "sealing.json"
FORMAT: Final = "fedcoop-sealing/1"
PRIVATE: Final = 0o600
OTHERS: Final = 0o007
NONCE: Final = 12
KEY: Final = 32
MIN_SECRET: Final = 32
"""Bytes of a key file: what is not stretched much must not be guessable."""
MIN_PASSPHRASE: Final = 12
"""Characters of a passphrase, as of any password (OWASP)."""
MAX_SECRET: Final = 64 * 1024

COSTS: Final[Mapping[str, Mapping[str, int]]] = {
    "passphrase": {"n": 2**15, "r": 8, "p": 3},
    "keyFile": {"n": 2**12, "r": 8, "p": 1},
}
"""scrypt for what people think up: 32 MiB and a third of a second (OWASP); and for 32 random bytes, which nobody
guesses: ten milliseconds."""
DEAREST: Final = 2**26
"""n·r·p that is not worked through: the file says how dear it is, and a changed one must not stop the machine."""


Kind: TypeAlias = Literal["passphrase", "keyFile"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the operator's secret is to be had: a passphrase in hand, or a file."""

    file: Path
    passphrase: str | None = field(default=None, repr=False)

    @property
    def kind(self) -> Kind:
        """What a new seal is made with: the passphrase when there is one."""
        return "passphrase" if self.passphrase else "keyFile"

    def name(self, kind: Kind) -> tuple[str, str]:
        """Return what to call the secret in a sentence, in English and in French."""
        told = f"the key file {self.file}", f"le fichier de clé {self.file}"
        return ("the passphrase", "la phrase secrète") if kind == "passphrase" else told

    def read(self, kind: Kind) -> bytes:
        """Return the secret.

        Raises:
            Misconfigured: it is not given, it is too short, or its file is not there, not readable, or readable by
                everybody.
        """
        if kind == "keyFile":
            return self._of_file(self.file)
        if not self.passphrase:
            raise wrong(
                "the private keys are encrypted with a passphrase, and none is given",
                "les clés privées sont chiffrées par une phrase secrète, et elle n’est pas donnée",
                "set FEDCOOP_KEY_PASSPHRASE",
                "réglez FEDCOOP_KEY_PASSPHRASE",
            )
        if len(self.passphrase) < MIN_PASSPHRASE:
            raise wrong(
                f"the passphrase of the keys has fewer than {MIN_PASSPHRASE} characters",
                f"la phrase secrète des clés a moins de {MIN_PASSPHRASE} caractères",
                "choose a longer one",
                "choisissez-en une plus longue",
            )
        return self.passphrase.encode("utf-8", "surrogateescape")

    def _of_file(self, file: Path) -> bytes:
        try:
            with file.open("rb") as opened:
                # (1) What everybody may read is no secret (CFG-02).
                mode = os.fstat(opened.fileno()).st_mode & 0o777
                content = opened.read(MAX_SECRET + 1).strip()
        except OSError as error:
            reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
            raison = "est absent" if isinstance(error, FileNotFoundError) else f"est illisible : {error}"
            raise wrong(
                f"the key file {file} {reason}",
                f"le fichier de clé {file} {raison}",
                "put it back from its backup, or say where it is by FEDCOOP_KEY_FILE or key_file in fedcoop.toml",
                "remettez-le de sa sauvegarde, ou dites où il est : FEDCOOP_KEY_FILE, ou key_file dans fedcoop.toml",
            ) from error
        if mode & OTHERS:
            raise wrong(
                f"the key file {file} may be read by everybody (mode {mode:o})",
                f"le fichier de clé {file} est lisible par tous (mode {mode:o})",
                f"chmod 600 {file}",
                f"chmod 600 {file}",
            )
        # (2) Nor is what can be guessed.
        if not MIN_SECRET <= len(content) <= MAX_SECRET:
            raise wrong(
                f"the key file {file} has {len(content)} bytes",
                f"le fichier de clé {file} a {len(content)} octets",
                f"it holds at least {MIN_SECRET}, such as `openssl rand -base64 48` prints; "
                "a passphrase goes into FEDCOOP_KEY_PASSPHRASE",
                f"il en faut au moins {MIN_SECRET}, comme ceux de `openssl rand -base64 48` ; "
                "une phrase secrète va dans FEDCOOP_KEY_PASSPHRASE",
            )
        return content


class Seal:
    """Closes and opens the files of one folder."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = AESGCM(key)

    def close(self, content: bytes, *, bound_to: bytes) -> bytes:
        """Return `content` closed; it opens only with the same `bound_to`."""
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, content, bound_to)

    def open(self, closed: bytes, *, bound_to: bytes) -> bytes:
        """Return what `close` was given. Raises ValueError for anything else."""
        try:
            return self._cipher.decrypt(closed[:NONCE], closed[NONCE:], bound_to)
        except InvalidTag:
            raise ValueError("not closed by this key, or changed since") from None

    def wrapped(self, place: Place) -> bytes:
        """Return the text of `sealing.json` that lets the secret of `place` open what this seal closes."""
        secret = place.read(place.kind)
        cost = COSTS[place.kind]
        salt = secrets.token_bytes(16)
        closed = Seal(_stretched(secret, salt, cost)).close(self._key, bound_to=FORMAT.encode())
        document = {
            "format": FORMAT,
            "secret": place.kind,
            "kdf": "scrypt",
            **cost,
            "salt": _text(salt),
            "key": _text(closed),
        }
        return (json.dumps(document, indent=2) + "\n").encode()


def establish(folder: Path, place: Place) -> Seal:
    """Make the seal of `folder`, which has none yet, and return it once it is on the disk.

    Raises:
        Misconfigured: the secret cannot be used, or the folder not be written.
    """
    seal = Seal(secrets.token_bytes(KEY))
    text = seal.wrapped(place)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(folder / FILE, text)
    except OSError as error:
        raise unwritable(folder, error) from error
    return seal


def unlock(folder: Path, place: Place) -> Seal | None:
    """Return the seal of `folder`, opened by the secret of `place`, or None when its keys are not encrypted.

    Raises:
        Misconfigured: there is no secret, it is not that of this folder, or `sealing.json` is damaged.
    """
    file = folder / FILE
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise damaged(file) from error
    try:
        said = json.loads(text)
        cost = {name: _number(said[name]) for name in ("n", "r", "p")}
        salt, closed = (base64.b64decode(said[name], validate=True) for name in ("salt", "key"))
        kind: Kind = "passphrase" if said["secret"] == "passphrase" else "keyFile"
        usable = said["format"] == FORMAT and said["kdf"] == "scrypt" and math.prod(cost.values()) <= DEAREST
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(file) from error
    if not usable:
        raise damaged(file)
    secret = place.read(kind)
    try:
        # (1) The secret is that of this folder, or nothing is opened.
        key = Seal(_stretched(secret, salt, cost)).open(closed, bound_to=FORMAT.encode())
    except ValueError as error:
        english, french = place.name(kind)
        raise wrong(
            f"{english} does not open the private keys in {folder}",
            f"{french} n’ouvre pas les clés privées de {folder}",
            "give the secret that they were encrypted with; `fedcoop doctor` says when it is right",
            "donnez le secret avec lequel elles ont été chiffrées ; `fedcoop doctor` dit si c’est le bon",
        ) from error
    return Seal(key)


def rewrap(folder: Path, seal: Seal, place: Place) -> None:
    """Let the secret of `place` open `folder` from now on, and no other; before the disk has it, the old one does."""
    text = seal.wrapped(place)
    try:
        write_whole(folder / FILE, text)
    except OSError as error:
        raise unwritable(folder, error) from error


def write_key_file(file: Path) -> None:
    """Write a new random secret into `file`, for its owner alone. Raises Misconfigured when it is there already."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "wb") as out:
            out.write(base64.b64encode(secrets.token_bytes(48)) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        settle(file.parent)
    except FileExistsError as error:
        raise wrong(
            f"{file} is there already",
            f"{file} existe déjà",
            "name another file; nothing was changed",
            "nommez un autre fichier ; rien n’a été changé",
        ) from error
    except OSError as error:
        raise unwritable(file.parent, error) from error


def write_whole(file: Path, content: bytes) -> None:
    """Write `content` so that `file` holds it whole, or what it held before, and stays so after a power cut."""
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    # (1) Nobody else may open it, not even between its making and a later chmod.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.rename(file)
    settle(file.parent)


def remove(file: Path) -> None:
    """Take `file` away for good; what is not there is away already."""
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
        settle(file.parent)


def settle(folder: Path) -> None:
    """Return once the names in `folder` are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stretched(secret: bytes, salt: bytes, cost: Mapping[str, int]) -> bytes:
    return Scrypt(salt=salt, length=KEY, n=cost["n"], r=cost["r"], p=cost["p"]).derive(secret)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("not a cost")
    return value


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def damaged(file: Path) -> Misconfigured:
    """Return what to say of a file that is not what we wrote."""
    return wrong(
        f"{file} is damaged or not there",
        f"{file} est abîmé ou absent",
        "restore the folder `keys` from a backup",
        "restaurez le dossier `keys` d’une sauvegarde",
    )


def unwritable(folder: Path, error: OSError) -> Misconfigured:
    """Return what to say of a folder that cannot be written."""
    return wrong(
        f"the keys cannot be written: {error}",
        f"les clés ne peuvent pas être écrites : {error}",
        f"check who owns {folder}, and that its disk is not full",
        f"voyez à qui appartient {folder}, et si son disque est plein",
    )


def wrong(detail: str, french: str, next_step: str, next_french: str) -> Misconfigured:
    """Return an error for the operator, in both languages."""
    return Misconfigured(
        "misconfigured",
        detail,
        extra={"next": next_step, "detail_fr": french, "next_fr": next_french},
    )
