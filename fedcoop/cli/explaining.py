"""`fedcoop explain-signature`: what a captured request says of its signature, check by check, in either dialect.

Nothing is fetched: the key comes from a file, and the time from whoever captured the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.protocol.messages import RawRequest, RequestSignature

HELP = say(
    "Explain the signature of a captured request.\n\n"
    "FILE holds the request as it was sent: request line, headers, an empty line, the body.",
    "Explique la signature d’une requête capturée.\n\n"
    "FILE contient la requête telle qu’envoyée : première ligne, en-têtes, une ligne vide, le corps.",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check, and what came of it."""

    name: str
    ok: bool | None
    """None: it was not made, because something that it needs is missing."""
    code: str = ""
    detail: str = ""
    expected: str = ""
    received: str = ""
    base: str = ""
    """What should have been signed, as rebuilt from the request."""


def explain_signature(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=say("The captured request.", "La requête capturée."))
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ORIGIN",
            help=say(
                "The server that it was sent to; https and its Host by default.",
                "Le serveur visé ; par défaut https et son Host.",
            ),
        ),
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help=say(
                "The sender’s key: an actor document (JSON) or a PEM.",
                "La clé de l’expéditeur : un document d’acteur (JSON) ou un PEM.",
            ),
        ),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help=say(
                "When it arrived: 2026-11-22T12:00:00Z; now by default.",
                "L’heure d’arrivée : 2026-11-22T12:00:00Z ; maintenant par défaut.",
            ),
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make every check that can be made, and say of each what was expected and what came."""
    from fedcoop.cli.debugging import explained

    request = _request(file)
    moment = _moment(at)
    hosts = request.header_values("host")
    origin = to.rstrip("/") or (f"https://{hosts[0]}" if hosts else "")
    if not origin:
        raise WronglyUsed(
            "usage",
            say(
                "The request has no Host: say --to ORIGIN.",
                "La requête n’a pas de Host : dites --to ORIGINE.",
            ),
        )
    signature, checks = examine(request, origin=origin, moment=moment, key=_key(key))
    failed = [check for check in checks if check.ok is False]
    about = (
        {}
        if signature is None
        else {
            "dialect": signature.dialect,
            "keyId": signature.key_id,
            "algorithm": signature.algorithm,
            "covered": list(signature.covered),
            "clockDifferenceSeconds": _difference(signature, request, moment),
        }
    )
    lines = list(_told(about, checks))
    if any(c.name == "body" and c.ok is False for c in checks) and _ends_too_late(request, origin):
        lines.append(
            say(
                "  The body fits without the newline at the end of the file: was it added when it was saved?",
                "  Le corps convient sans le saut de ligne final du fichier : a-t-il été ajouté à l’enregistrement ?",
            )
        )
    for check in failed[:1]:
        lines += explained(check.code, "")
    answer(
        {
            "ok": not failed,
            "to": origin,
            "signature": about or None,
            "checks": [{k: getattr(c, k) for k in Check.__slots__ if getattr(c, k) != ""} for c in checks],
        },
        as_json=as_json,
        lines=lines,
    )
    if failed:
        raise typer.Exit(1)


def examine(
    request: RawRequest, *, origin: str, moment: datetime, key: bytes | None
) -> tuple[RequestSignature | None, list[Check]]:
    """Return what the request says of its signature, None when it says nothing readable, and every check of it."""
    from fedcoop.errors import FedcoopError
    from fedcoop.protocol import signatures
    from fedcoop.protocol.limits import SIGNATURE_WINDOW

    checks: list[Check] = []

    def make(name: str, check: Callable[[], Any]) -> Any:
        try:
            found = check()
        except FedcoopError as refusal:
            extra = refusal.extra.get("signatureBase", "")
            checks.append(
                Check(
                    name,
                    False,
                    refusal.code,
                    refusal.detail,
                    refusal.expected or "",
                    refusal.received or "",
                    extra if isinstance(extra, str) else "",
                )
            )
            return None
        checks.append(Check(name, True))
        return found

    signature: RequestSignature | None = make(
        "readable", lambda: signatures.read(request, public_origin=origin)
    )
    if signature is None:
        return None, checks
    read = signature
    make("time", lambda: signatures.check_time(read, request, now=moment, window=SIGNATURE_WINDOW))
    make("coverage", lambda: signatures.check_coverage(read, request))
    make("target", lambda: signatures.check_target(read, request, public_origin=origin))
    make("body", lambda: signatures.check_body(read, request))
    if key is None:
        checks += [Check("key", None), Check("signature", None)]
        return signature, checks
    public = make("key", lambda: _public(key, read, moment))
    if public is None:
        checks.append(Check("signature", None))
    else:
        make("signature", lambda: signatures.verify(read, request, public))
    return signature, checks


def _ends_too_late(request: RawRequest, origin: str) -> bool:
    """Tell whether the body would be the signed one without the newline that an editor puts at the end."""
    from fedcoop.errors import FedcoopError
    from fedcoop.protocol import signatures

    if not request.body.endswith(b"\n"):
        return False
    shorter = replace(request, body=request.body.removesuffix(b"\n").removesuffix(b"\r"))
    try:
        signatures.check_body(signatures.read(shorter, public_origin=origin), shorter)
    except FedcoopError:
        return False
    return True


# -- what is read ---------------------------------------------------------------------------------------------------


def _request(file: Path) -> RawRequest:
    from fedcoop.protocol.messages import RawRequest

    try:
        captured = file.read_bytes()
    except OSError as error:
        raise Failed(
            "not-readable",
            say(f"{file} cannot be read: {error.strerror}.", f"{file} ne peut être lu : {error.strerror}."),
        ) from None
    newline = b"\r\n" if b"\r\n" in captured.partition(b"\n")[0] + b"\n" else b"\n"
    head, _, body = captured.partition(newline * 2)
    first, *rest = head.split(newline)
    words = first.split(b" ")
    fields = [line.partition(b":") for line in rest]
    if len(words) != 3 or any(not colon or not name or name != name.strip() for name, colon, _ in fields):
        raise Failed(
            "not-a-request",
            say(
                f"{file} does not begin as an HTTP request.",
                f"{file} ne commence pas comme une requête HTTP.",
            ),
            next_step=say(
                "The first line is like: POST /inbox HTTP/1.1",
                "La première ligne est comme : POST /inbox HTTP/1.1",
            ),
        )
    headers = tuple((name.decode("latin-1"), value.strip().decode("latin-1")) for name, _, value in fields)
    return RawRequest(words[0].decode("latin-1"), words[1].decode("latin-1"), headers, body)


def _moment(at: str) -> datetime:
    from fedcoop.errors import Malformed
    from fedcoop.protocol.times import read_time

    if not at:
        return datetime.now(UTC)
    try:
        return read_time(at)
    except Malformed:
        raise WronglyUsed(
            "usage",
            say(
                f"--at is a time with its zone, not {at!r}.", f"--at est une heure avec sa zone, pas {at!r}."
            ),
        ) from None


def _key(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise Failed(
            "not-readable",
            say(f"{file} cannot be read: {error.strerror}.", f"{file} ne peut être lu : {error.strerror}."),
        ) from None


def _public(key: bytes, signature: RequestSignature, moment: datetime) -> Any:
    """Return the public key in a PEM, or the one that an actor document gives this name."""
    from fedcoop.protocol import strict_json
    from fedcoop.protocol.multikey import public_key_from_pem, signing_key_of

    if key.lstrip().startswith(b"-----BEGIN"):
        return public_key_from_pem(key.decode("latin-1"))
    return signing_key_of(strict_json.loads(key), signature.key_id, dialect=signature.dialect, at=moment)


# -- what is said ---------------------------------------------------------------------------------------------------


def _difference(signature: RequestSignature, request: RawRequest, moment: datetime) -> int | None:
    """Return how many seconds before `moment` it says to have been signed."""
    from fedcoop.errors import FedcoopError
    from fedcoop.protocol.cavage import read_date

    if signature.created is not None:
        return int(moment.timestamp()) - signature.created
    try:
        return int((moment - read_date(request)).total_seconds())
    except FedcoopError:
        return None


def _plain(text: str) -> str:
    """Return text that a stranger wrote as it may stand on a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _told(about: dict[str, Any], checks: list[Check]) -> Iterator[str]:
    names = {
        "readable": say("can be read", "se lit"),
        "time": say("in time", "à l’heure"),
        "coverage": say("enough is signed", "assez est signé"),
        "target": say("meant for this server", "pour ce serveur"),
        "body": say("this body", "ce corps"),
        "key": say("the key", "la clé"),
        "signature": say("the signature", "la signature"),
    }
    words = {True: "ok", False: say("FAILS", "ÉCHEC"), None: say("not made", "non fait")}
    if about:
        yield f"{about['dialect']}, {_plain(about['keyId'])}"
        covered = " ".join(about["covered"])
        yield say(f"  signed: {covered}", f"  signé : {covered}")
        if about["clockDifferenceSeconds"] is not None:
            seconds = about["clockDifferenceSeconds"]
            yield say(
                f"  said to be signed {seconds} s before it arrived",
                f"  dite signée {seconds} s avant son arrivée",
            )
    for check in checks:
        yield f"{words[check.ok]:8} {names[check.name]}"
        if check.detail:
            yield f"         {check.detail}"
        if check.expected:
            yield say(f"         expected: {check.expected}", f"         attendu : {check.expected}")
        if check.received:
            yield say(f"         received: {check.received}", f"         reçu : {check.received}")
        if check.base:
            yield say("         what should have been signed:", "         ce qui aurait dû être signé :")
            yield from (f"         | {_plain(line)}" for line in check.base.split("\n"))
    if any(check.ok is None for check in checks):
        yield say("  → Give the sender’s key: --key FILE", "  → Donnez la clé de l’expéditeur : --key FILE")
