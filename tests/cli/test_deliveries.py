"""`fedcoop deliveries` and `fedcoop peer health`: what an operator reads, and does by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedcoop.cli import deliveries
from fedcoop.cli.deliveries import moment, sentence
from fedcoop.cli.instances import LocalInstance
from fedcoop.ports import Delivery
from tests.cli.conftest import Run

AT = datetime(2026, 11, 22, 13, 2, tzinfo=UTC).astimezone()
FRENCH = {"FEDCOOP_LANG": "fr"}


def delivery(state: Any, **changes: Any) -> Delivery:
    given: dict[str, Any] = {
        "id": 1,
        "activity_id": "a",
        "activity_type": "Create",
        "sender": "s",
        "inbox": "https://nantes.example/inbox",
        "origin": "https://nantes.example",
        "state": state,
        "attempts": 2,
        "enqueued_at": AT,
        "first_tried": AT,
        "next_at": None,
        "ended_at": None,
        "status": None,
        "problem": None,
        "reason": None,
        **changes,
    }
    return Delivery(**given)


def in_both(monkeypatch: pytest.MonkeyPatch, one: Delivery) -> tuple[str, str]:
    said = []
    for language in ("fr", "en"):
        monkeypatch.setattr(deliveries, "LANGUAGE", language)
        monkeypatch.setattr(
            deliveries,
            "say",
            lambda english, french, language=language: french if language == "fr" else english,
        )
        said.append(sentence(one, "Coop Nantes"))
    return said[0], said[1]


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's day is that of the deliveries."""
    shown = deliveries.moment
    monkeypatch.setattr(deliveries, "moment", lambda at, **_: shown(at, now=AT))


HOUR = f"{AT.hour} h {AT.minute:02}"


@pytest.mark.parametrize(
    ("one", "french", "english"),
    [
        (
            delivery("delivered", ended_at=AT),
            f"Remise à Coop Nantes à {HOUR}",
            f"Delivered to Coop Nantes at {AT:%H:%M}",
        ),
        (delivery("queued"), "À envoyer à Coop Nantes : maintenant", "To go to Coop Nantes: now"),
        (
            delivery("queued", next_at=AT),
            f"À envoyer à Coop Nantes : à {HOUR}, derrière un message précédent",
            f"To go to Coop Nantes: at {AT:%H:%M}, behind an earlier message",
        ),
        (
            delivery("retrying", next_at=AT, status=503, reason="busy"),
            f"Pas encore remise à Coop Nantes ; prochain essai à {HOUR} (essais : 2 ; 503 busy)",
            f"Not yet delivered to Coop Nantes; next try at {AT:%H:%M} (tries: 2; 503 busy)",
        ),
        (
            delivery("parked", next_at=AT, status=403, problem="not-in-allow-list"),
            f"Coop Nantes n’admet pas encore notre coopérative ; prochain essai à {HOUR} (403 not-in-allow-list)",
            f"Coop Nantes does not admit our co-op yet; next try at {AT:%H:%M} (403 not-in-allow-list)",
        ),
        (
            delivery("refused", ended_at=AT, status=410),
            f"Refusée par Coop Nantes à {HOUR} : 410",
            f"Refused by Coop Nantes at {AT:%H:%M}: 410",
        ),
        (
            delivery("expired", ended_at=AT, attempts=14, reason="No answer."),
            f"Abandonnée pour Coop Nantes à {HOUR} après 14 essais : No answer.",
            f"Given up for Coop Nantes at {AT:%H:%M} after 14 tries: No answer.",
        ),
        (
            delivery("cancelled", ended_at=AT),
            f"Annulée pour Coop Nantes à {HOUR} : l’étape n’a pas eu lieu (aucune raison donnée)",
            f"Cancelled for Coop Nantes at {AT:%H:%M}: the step did not take place (no reason was given)",
        ),
    ],
)
def test_each_state_is_a_sentence_in_both_languages(
    monkeypatch: pytest.MonkeyPatch, one: Delivery, french: str, english: str
) -> None:
    assert in_both(monkeypatch, one) == (french, english)


def test_another_day_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    first = datetime(2026, 8, 1, 9, 5).astimezone()
    later = first + timedelta(days=3)
    assert moment(first, now=later) == "on 1 Aug 2026 at 09:05"
    monkeypatch.setattr(deliveries, "LANGUAGE", "fr")
    assert moment(first, now=later) == "le 1er août 2026 à 9 h 05"
    assert moment(first, now=first) == "à 9 h 05"


def test_nothing_was_sent_yet(run: Run, instance: LocalInstance) -> None:
    assert run("deliveries", instance.folder).out == "No such delivery is known.\n"
    assert run("deliveries", "list", instance.folder, "--json").json == {"ok": True, "deliveries": []}
    assert run("peer", "health", instance.folder).out == "Nobody was written to, or heard, yet.\n"
    known = run("peer", "health", instance.folder, "https://nantes.example/", "--json").json["peers"]
    assert [(one["origin"], one["circuit"], one["waiting"]) for one in known] == [
        ("https://nantes.example", "closed", 0)
    ]
    french = run("peer", "health", instance.folder, "https://nantes.example", environment=FRENCH).out
    assert "entendue jamais ; dernière remise jamais" in french


def test_a_state_that_is_none_is_wrong_usage(run: Run, instance: LocalInstance) -> None:
    done = run("deliveries", instance.folder, "--state", "lost")
    assert done.status == 2
    assert "queued, retrying, parked, held, delivered, refused, expired, cancelled" in done.err


def test_a_retry_says_of_what(run: Run, instance: LocalInstance) -> None:
    assert run("deliveries", "retry", instance.folder).status == 2
    done = run("deliveries", "retry", instance.folder, "--peer", "https://nantes.example", "--json")
    assert done.json == {"ok": True, "due": 0, "takenBack": []}
