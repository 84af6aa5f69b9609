"""`fedcoop verify`: what the signatures of a history prove, from a file, with every server switched off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.protocol.history import ChainReport, Finding, Head, Report

HELP = say(
    "Say what each signature of a history proves.\n\nThe history is replayed; given a file, no server is needed. Exit "
    "status 1 when anything does not hold.",
    "Dit ce que prouve chaque signature d’un historique.\n\nL’historique est rejoué ; d’un fichier, sans serveur. "
    "Code de sortie 1 si quelque chose ne tient pas.",
)


def verify(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL",
            help=say(
                "History file, or address of a mission, of its history, or of an actor’s keys (…/keys).",
                "Fichier d’historique, ou adresse d’une mission, de son historique, ou des clés d’un acteur (…/keys).",
            ),
        ),
    ],
    head: Annotated[
        str,
        typer.Option(
            "--head",
            metavar="DIGEST[@VERSION]",
            help=say(
                "A head that you know from elsewhere: some chain must reach it.",
                "Une tête connue par ailleurs : une chaîne doit l’atteindre.",
            ),
        ),
    ] = "",
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="ACTOR=MULTIKEY",
            help=say(
                "A key that you trust an actor to have (repeatable).",
                "Une clé que vous savez être celle d’un acteur (répétable).",
            ),
        ),
    ] = None,
    token: Annotated[
        str, typer.Option("--token", help=say("Token to read a URL with.", "Jeton pour lire une URL."))
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Verify; exit status 1 when anything does not hold."""
    from fedcoop.protocol import keyhistory
    from fedcoop.protocol.history import verify_history

    wanted, pinned = _head(head), _keys(key or [])
    document = _document(source, token or None)
    if document.get("format") == keyhistory.FORMAT:
        return _verify_keys(document, source, pinned, as_json=as_json)
    report = verify_history(document, head=wanted, pinned=pinned)
    lines = [*_lines(report)]
    answer(_as_document(report, lines), as_json=as_json, lines=lines)
    return 0 if report.ok else 1


# -- arguments ------------------------------------------------------------------------------------------------------


def _head(text: str) -> Head | None:
    from fedcoop.protocol.history import Head

    if not text:
        return None
    digest, at, version = text.partition("@")
    if not digest or (at and not version.isdigit()):
        raise WronglyUsed(
            "usage", say("--head is DIGEST or DIGEST@VERSION.", "--head vaut EMPREINTE ou EMPREINTE@VERSION.")
        )
    return Head(digest, int(version) if at else None)


def _keys(texts: list[str]) -> dict[str, str]:
    pinned = {}
    for text in texts:
        actor, equals, multikey = text.rpartition("=")
        if not equals or "://" not in actor or not multikey.startswith("z"):
            raise WronglyUsed(
                "usage",
                say(
                    "--key is ACTOR=MULTIKEY: https://…=z6Mk…", "--key vaut ACTEUR=MULTICLÉ : https://…=z6Mk…"
                ),
            )
        pinned[actor] = multikey
    return pinned


def _document(source: str, token: str | None) -> dict[str, Any]:
    if source.startswith(("http://", "https://")):
        from fedcoop.cli.history import fetched

        whole = source.endswith(("/history", "/keys"))
        return fetched(source if whole else f"{source}/history", token=token)
    file = Path(source)
    try:
        body = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(
            "unreadable-file",
            say(f"{file} cannot be read: {error}.", f"{file} est illisible : {error}."),
        ) from error
    try:
        document = json.loads(body, object_pairs_hook=_members)
    except ValueError as error:
        raise Failed(
            "invalid-file", say(f"{file} is not JSON: {error}.", f"{file} n’est pas du JSON : {error}.")
        ) from error
    if not isinstance(document, dict):
        raise Failed("invalid-file", say(f"{file} is not a JSON object.", f"{file} n’est pas un objet JSON."))
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A member given twice could be read one way here and another way elsewhere."""
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is given twice")
    return members


# -- key histories --------------------------------------------------------------------------------------------------


def _verify_keys(document: dict[str, Any], source: str, pinned: dict[str, str], *, as_json: bool) -> int:
    """Verify the key history of an actor; from a URL also that whoever vouches in it had that key then."""
    from dataclasses import asdict

    from fedcoop.protocol.keyhistory import verify_keys

    vouchers: dict[str, Any] = {}
    report = verify_keys(document, pinned=pinned)
    if source.startswith(("http://", "https://")) and report.ok:
        from fedcoop.cli.history import fetched

        others = {span.signed_by for span in report.keys} - {report.actor}
        vouchers = {actor: fetched(f"{actor}/keys") for actor in others}
        report = verify_keys(document, pinned=pinned, vouchers=vouchers)
    reasons = {
        "founded": say("founded", "fondation"),
        "rotated": say("rotated", "renouvellement"),
        "compromised": say("compromised", "compromission"),
    }
    lines = [say(f"Keys of {report.actor}", f"Clés de {report.actor}")]
    for span in report.keys:
        until = f"{span.until} ({_ended(span.how)})" if span.until else say("in use", "en usage")
        vouched = (
            say(f"; {span.signed_by} vouches for it", f" ; {span.signed_by} s’en porte garant")
            if span.signed_by != report.actor
            else ""
        )
        lines += [
            f"  {span.number:<3} {span.key}",
            f"      {span.since} – {until}; {reasons.get(span.reason, span.reason)}{vouched}",
        ]
    lines += ["  ✗ " + _sentence(finding) for finding in report.findings]
    lines.append(
        say(f"VERIFIED: {len(report.keys)} keys", f"VÉRIFIÉ : {len(report.keys)} clés")
        if report.ok
        else say("VERIFICATION FAILED", "LA VÉRIFICATION ÉCHOUE")
    )
    answered = {
        "ok": report.ok,
        "actor": report.actor,
        "keys": [asdict(span) for span in report.keys],
        "findings": [asdict(finding) for finding in report.findings],
        "lines": lines,
    }
    answer(answered, as_json=as_json, lines=lines)
    return 0 if report.ok else 1


def _ended(how: str | None) -> str:
    return say("revoked", "révoquée") if how == "revoked" else say("replaced", "remplacée")


# -- what is said ---------------------------------------------------------------------------------------------------


def _lines(report: Report) -> Iterator[str]:
    keys: dict[str, str] = {}
    width = int(say("11", "14"))
    for chain in report.chains:
        yield f"{chain.kind} {chain.chain_id}"
        yield say(f"  ordered by {chain.owner}", f"  ordonnée par {chain.owner}")
        for step in chain.proven:
            signed = say(
                f"signed by {step.actor}, {step.published}", f"signé par {step.actor}, {step.published}"
            )
            yield f"  v{step.version:<3} {_state(chain.kind, step.state):<{width}} {step.type:<16} {signed}"
            keys[step.actor] = step.key
        for finding in chain.findings:
            yield "  ✗ " + _sentence(finding)
        yield "  = " + _verdict(chain)
    for finding in report.findings:
        yield "✗ " + _sentence(finding)
    if keys:
        yield say(
            "Proven by these keys, which came with the history:",
            "Prouvé par ces clés, jointes à l’historique :",
        )
    for actor, key in keys.items():
        yield f"  {key}  {actor}"
    yield _overall(report)


def _state(kind: str, code: str | None) -> str:
    """Return the state in the language of the run; its code is the English word."""
    from fedcoop.protocol.model import CODE_LISTS

    label = CODE_LISTS.get(f"{kind}State", {}).get(code or "")
    return say(code or "–", label.fr if label else code or "–")


def _sentence(finding: Finding) -> str:
    from fedcoop.protocol.model import PROBLEMS

    where = ""
    if finding.version is not None:
        where = say(f"transition {finding.version}", f"transition {finding.version}")
    if finding.activity_id:
        where += f" ({finding.activity_id})"
    known = PROBLEMS.get(finding.code)
    title = known.title_fr if known else OWN_CODES.get(finding.code, finding.code)
    what = say(f"{finding.code}: {finding.detail}", f"{title} ({finding.code}) : {finding.detail}")
    return f"{where}{say(':', ' :')} {what}" if where else what


OWN_CODES: Final = {
    "head-not-reached": "La tête de chaîne n’est pas atteinte",
    "chain-mismatch": "Activités d’une autre chaîne",
}
"""Titles in French of findings that are no problem codes of the vocabulary."""


def _verdict(chain: ChainReport) -> str:
    version = len(chain.proven)
    if chain.findings:
        return say(
            f"true up to version {version}, then it does not hold",
            f"vraie jusqu’à la version {version}, puis ne tient plus",
        )
    if chain.complete:
        signed = say(
            "the head that its owner signed is reached", "la tête signée par son propriétaire est atteinte"
        )
        stated = say(
            "the head that the file states is reached (not signed)",
            "la tête indiquée par le fichier est atteinte (non signée)",
        )
        return (
            say("complete: ", "complète : ")
            + (signed if chain.head_signed else stated)
            + f" ({_state(chain.kind, chain.state)} v{version})"
        )
    return (
        say(f"true up to version {version}", f"vraie jusqu’à la version {version}")
        + f" ({_state(chain.kind, chain.state)})"
    )


def _overall(report: Report) -> str:
    if not report.ok:
        return say("VERIFICATION FAILED", "LA VÉRIFICATION ÉCHOUE")
    steps = sum(len(c.proven) for c in report.chains)
    if report.complete:
        return say(
            f"VERIFIED, complete: {steps} signed transitions",
            f"VÉRIFIÉ, complet : {steps} transitions signées",
        )
    return say(
        f"VERIFIED as far as it goes: {steps} signed transitions",
        f"VÉRIFIÉ jusqu’où il va : {steps} transitions signées",
    )


def _as_document(report: Report, lines: list[str]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "ok": report.ok,
        "complete": report.complete,
        "chains": [
            {
                "chain": chain.chain_id,
                "kind": chain.kind,
                "owner": chain.owner,
                "state": chain.state,
                "version": len(chain.proven),
                "complete": chain.complete,
                "headSigned": chain.head_signed,
                "digest": chain.proven[-1].digest if chain.proven else None,
                "proven": [asdict(step) for step in chain.proven],
                "findings": [asdict(finding) for finding in chain.findings],
            }
            for chain in report.chains
        ],
        "findings": [asdict(finding) for finding in report.findings],
        "lines": lines,
    }
