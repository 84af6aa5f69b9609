"""`report.html`: the report for people, one page with the evidence to understand each failure and to play it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from fedcoop_conformance.catalogue import Requirement
from fedcoop_conformance.report import words
from fedcoop_conformance.report.facts import Facts, link, upstream
from fedcoop_conformance.report.model import Result
from fedcoop_conformance.report.page import both, page, paragraph, section, table
from fedcoop_conformance.transcript import Exchange, file_name

_CODE: Final = re.compile("`([^`]+)`")
KIB: Final = 1024
MAX_SHOWN: Final = 8 * KIB
"""Bytes of a message on the page; the transcript has more. A page of many megabytes opens nowhere."""
MAX_EXCHANGES: Final = 12
"""Of one test; a fault that needs more to be understood is understood from the transcript."""
CONTENTS: Final = (
    ("verdict", "Verdict", "Conclusion"),
    ("failed", "Failed tests", "Tests échoués"),
    ("open", "Neither passed nor failed", "Ni réussi ni échoué"),
    ("all", "All tests", "Tous les tests"),
    ("run", "The run", "L'exécution"),
    ("reading", "How to read this", "Comment lire ce rapport"),
)


def write(facts: Facts) -> str:
    """Return the page."""
    body = "\n".join(
        (_unsigned(), _verdict(facts), _failed(facts), _open(facts), _all(facts), _run(facts), _reading())
    )
    head = f"<p>{escape(facts.report.header.base)} · {escape(facts.report.header.started_at)}</p>"
    title = (f"Conformance of {facts.name}", f"Conformité de {facts.name}")
    return page(title, head, body, contents=CONTENTS)


def _unsigned() -> str:
    told = both(
        "This report is not signed. It proves nothing to anybody else: its maker can change every line.",
        "Ce rapport n'est pas signé. Il ne prouve rien à personne d'autre : qui l'a produit peut en changer chaque "
        "ligne.",
    )
    return f'<div class="note"><p>{told}</p></div>'


# ---------------------------------------------------------------------------------------------------- sections


def _verdict(facts: Facts) -> str:
    rows = [
        (
            escape(claim.profile),
            _word(words.VERDICTS[claim.verdict]),
            str(claim.required),
            str(claim.passed),
            _links(facts, claim.inapplicable),
            _links(facts, claim.deviations),
            _links(facts, claim.open),
        )
        for claim in facts.report.footer.claims
    ]
    head = (
        ("Profile", "Profil"), ("Verdict", "Conclusion"), ("Required", "Exigés"), ("Passed", "Réussis"),
        ("Inapplicable", "Sans objet"), ("Deviations", "Écarts"), ("Open", "Ouverts"),
    )  # fmt: skip
    counts = facts.report.footer.counts
    rest = [(_word(words.OUTCOMES[outcome]), str(count)) for outcome, count in counts.items()]
    return section(
        "verdict", "Verdict", "Conclusion",
        table("by-profile", both("By profile", "Par profil"), [both(*cell) for cell in head], rows),
        table(
            "by-outcome", both("All tests by outcome", "Tous les tests par résultat"),
            [both("Outcome", "Résultat"), both("Tests", "Tests")], rest,
        ),
    )  # fmt: skip


def _failed(facts: Facts) -> str:
    none = paragraph("No test failed.", "Aucun test n'a échoué.")
    return section(
        "failed",
        "Failed tests",
        "Tests échoués",
        *([_failure(facts, one) for one in facts.failures] or [none]),
    )


def _open(facts: Facts) -> str:
    none = paragraph("Every test passed or failed.", "Chaque test a réussi ou échoué.")
    rows = [
        (_id(one), _title(facts, one), one.level, _outcome(one), escape(one.reason or ""))
        for one in facts.unsettled
    ]
    head = (
        ("Test", "Test"),
        ("Title", "Titre"),
        ("Level", "Niveau"),
        ("Outcome", "Résultat"),
        ("Reason", "Raison"),
    )
    caption = both("What was not decided, and why", "Ce qui n'a pas été tranché, et pourquoi")
    told = table("undecided", caption, [both(*cell) for cell in head], rows) if rows else none
    return section("open", "Neither passed nor failed", "Ni réussi ni échoué", told)


def _all(facts: Facts) -> str:
    rows = [
        (
            _anchored(facts, one),
            _title(facts, one),
            one.level,
            _outcome(one),
            f"{one.duration_ms} ms",
            _grades(one),
        )
        for one in facts.report.results
    ]
    head = (
        ("Test", "Test"), ("Title", "Titre"), ("Level", "Niveau"), ("Outcome", "Résultat"), ("Time", "Durée"),
        ("Evidence", "Preuve"),
    )  # fmt: skip
    caption = both("Each test in the order of its id", "Chaque test dans l'ordre de son identifiant")
    return section(
        "all", "All tests", "Tous les tests", table("every", caption, [both(*cell) for cell in head], rows)
    )


def _run(facts: Facts) -> str:
    header = facts.report.header
    software = header.software
    selected = both("all", "tous") if header.selected is None else escape(", ".join(header.selected))
    measured = ", ".join(f"{name} {ms} ms" for name, ms in header.calibration.items()) or "-"
    rows = [
        (both("Software", "Logiciel"), escape(f"{software.name} {software.version} {software.build or ''}".strip())),
        (both("Source code", "Code source"), escape(software.repository or "-")),
        (both("Suite", "Suite"), escape(header.suite)),
        (both("Catalogue", "Catalogue"), f"<code>{escape(header.catalogue)}</code>"),
        (both("Vectors", "Vecteurs"), f"<code>{escape(header.vectors)}</code>"),
        (both("Seed", "Graine"), f"<code>{escape(header.seed)}</code>"),
        (both("From, to", "De, à"), f"{escape(header.started_at)}, {escape(facts.report.footer.ended_at)}"),
        (both("Driver, transport, TLS", "Pilote, transport, TLS"),
         escape(f"{header.driver}, {header.transport}, {header.tls}")),
        (both("Tests asked for", "Tests demandés"), selected),
        (both("Requests carried test ids", "Requêtes annotées du test"),
         both("yes: cannot be signed", "oui : non signable") if header.annotated else both("no", "non")),
        (both("Measured", "Mesuré"), escape(measured)),
    ]  # fmt: skip
    caption = both("What was run, and how", "Ce qui a été joué, et comment")
    head = [both("Of the run", "De l'exécution"), both("Value", "Valeur")]
    return section("run", "The run", "L'exécution", table("settings", caption, head, rows, style="wrap"))


def _reading() -> str:
    rows = [(_word(words.OUTCOMES[outcome]), both(*told)) for outcome, told in words.MEANINGS.items()]
    return section(
        "reading", "How to read this", "Comment lire ce rapport",
        paragraph(
            "A profile is conformant when each of its required tests passed, or is inapplicable because the feature "
            "is optional and absent. One failure makes it not conformant. Anything else leaves it incomplete. "
            "There is no percentage.",
            "Un profil est conforme quand chacun de ses tests exigés a réussi, ou est sans objet parce que la fonction "
            "est facultative et absente. Un seul échec le rend non conforme. Tout le reste le laisse incomplet. "
            "Il n'y a pas de pourcentage.",
        ),
        paragraph(
            "A deviation is a failed test of level SHOULD or MAY. It is named, and changes no verdict.",
            "Un écart est un test échoué de niveau SHOULD ou MAY. Il est nommé, et ne change aucune conclusion.",
        ),
        table("outcomes", both("The outcomes", "Les résultats"), [both("Outcome", "Résultat"), both("Meaning", "Sens")],
              rows, style="wrap"),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------- one failure


def _failure(facts: Facts, result: Result) -> str:
    impact = words.IMPACTS[facts.impact(result)]
    parts = [
        f'<h3 id="{result.id}">{result.id} {_title(facts, result)}</h3>',
        f'<p>{result.level} · {both(*impact)} · <code class="bad">{escape(result.code or "")}</code></p>',
        *(_sentence(requirement) for requirement in facts.requirements(result)),
        _sides(result),
        _steps(result),
        f"<p>{both('Evidence: ', 'Preuve : ')}{_grades(result)}</p>",
        *_exchanges(facts, result),
        f"<p>{both('Play it again:', 'Rejouer :')}</p>",
        f"<pre>{escape(facts.reproduce(result))}</pre>",
        *_curl(facts, result),
        *_passing(facts, result),
    ]
    return (
        f'<article aria-labelledby="{result.id}">\n'
        + "\n".join(part for part in parts if part)
        + "\n</article>"
    )


def _sentence(requirement: Requirement) -> str:
    sources = [
        f'<a href="{escape(address)}">{escape(name)}</a>' if address else escape(name)
        for name, address in upstream(requirement)
    ]
    after = f" ({', '.join(sources)})" if sources else ""
    text = _CODE.sub(r"<code>\1</code>", escape(requirement.text))
    return (
        f'<blockquote lang="en">{text} '
        f'<a href="{escape(link(requirement))}">{escape(requirement.id)}</a>{after}</blockquote>'
    )


def _sides(result: Result) -> str:
    sides = ((both("Expected", "Attendu"), result.expected), (both("Received", "Reçu"), result.received))
    told = "".join(
        f"<div><dl><dt>{name}</dt><dd>{escape(said or '-')}</dd></dl></div>" for name, said in sides
    )
    return f'<div class="sides">{told}</div>'


def _steps(result: Result) -> str:
    kinds = {"control": both("control: ", "témoin : "), "step": ""}
    items = "".join(
        f"<li>{kinds.get(step.kind, '')}{escape(step.text)} → "
        f"{_word(('ok', 'ok', 'good') if step.ok else ('failed', 'échoué', 'bad'))}</li>"
        for step in result.steps
    )
    return f"<p>{both('Steps:', 'Étapes :')}</p>\n<ol>{items}</ol>" if items else ""


def _exchanges(facts: Facts, result: Result) -> Iterable[str]:
    for number in result.exchanges[:MAX_EXCHANGES]:
        exchange = facts.exchanges.get(number)
        yield _reference(number) if exchange is None else _exchange(exchange)
    left = len(result.exchanges) - MAX_EXCHANGES
    if left > 0:
        yield paragraph(
            f"Further exchanges in the transcript: {left}.",
            f"Autres échanges dans la transcription : {left}.",
        )


def _reference(number: int) -> str:
    return f"<p>{both('Exchange: ', 'Échange : ')}<code>transcript/{file_name(number)}</code></p>"


def _exchange(exchange: Exchange) -> str:
    way = ("Sent by the suite:", "Envoyé par la suite :") if exchange.direction == "out" else (
        "Received by a peer of the suite:", "Reçu par un pair de la suite :")  # fmt: skip
    asked = _first_line(exchange.request)
    kept = f"<code>transcript/{file_name(exchange.number)}</code>"
    answered = "" if exchange.response is None else _first_line(exchange.response)
    answer = both("No answer", "Aucune réponse") if exchange.response is None else both("Answer", "Réponse")
    shown = "" if exchange.response is None else f"<pre>{_shown(exchange.response)}</pre>"
    return (
        f"<details><summary>{exchange.number:03d} {both(*way)} <code>{escape(asked)}</code>"
        f"{f' → <code>{escape(answered)}</code>' if answered else ''}</summary>\n"
        f"<p>{both('Request', 'Requête')} ({exchange.at_ms} ms, {kept})</p>"
        f"<pre>{_shown(exchange.request)}</pre>\n<p>{answer}</p>{shown}</details>"
    )


def _first_line(message: bytes) -> str:
    return message.partition(b"\r\n")[0][:200].decode("utf-8", "backslashreplace")


def _shown(message: bytes) -> str:
    cut = f"\n[… +{len(message) - MAX_SHOWN}]" if len(message) > MAX_SHOWN else ""
    return escape(
        message[:MAX_SHOWN].decode("utf-8", "backslashreplace").replace("\r\n", "\n").rstrip() + cut
    )


def _curl(facts: Facts, result: Result) -> Iterable[str]:
    command = facts.curl(result)
    if command is not None:
        yield f"<p>{both('By hand:', 'À la main :')}</p>\n<pre>{escape(command)}</pre>"


def _passing(facts: Facts, result: Result) -> Iterable[str]:
    passing = facts.passing(result)
    if passing is not None:
        count, of = passing
        yield paragraph(
            f"{count} of {of} published implementations pass this test.",
            f"{count} des {of} implémentations publiées réussissent ce test.",
        )


# ------------------------------------------------------------------------------------------------------- cells


def _word(said: tuple[str, str, str]) -> str:
    en, fr, colour = said
    return f'<span class="{colour}">{both(en, fr)}</span>'


def _outcome(result: Result) -> str:
    code = f" <code>{escape(result.code)}</code>" if result.code else ""
    return _word(words.OUTCOMES[result.outcome]) + code


def _title(facts: Facts, result: Result) -> str:
    return both(facts.title(result, "en"), facts.title(result, "fr"))


def _grades(result: Result) -> str:
    found = [f"{both(*words.GRADES[grade])} ({count})" for grade, count in result.evidence.items() if count]
    return ", ".join(found) or both("none", "aucune")


def _id(result: Result) -> str:
    return f'<a href="#all-{result.id}">{result.id}</a>'


def _anchored(facts: Facts, result: Result) -> str:
    inside = f'<a href="#{result.id}">{result.id}</a>' if result.outcome == "failed" else result.id
    return f'<span id="all-{result.id}">{inside}</span>'


def _links(facts: Facts, ids: Sequence[str]) -> str:
    failed = {result.id for result in facts.failures}
    found = (f'<a href="#{"" if test_id in failed else "all-"}{test_id}">{test_id}</a>' for test_id in ids)
    return ", ".join(found) or "-"
