"""What became of a message, in one sentence for each state and language."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest

from fedcoop.flow.tracking import Tracked
from fedcoop.ports import Delivery, DeliveryState
from fedcoop.web.pages_deliveries import AGAIN, TONES, deliveries_to, fate, only, sent, state_name
from fedcoop.web.pages_text import words
from fedcoop.web.pages_views import Views
from tests.conftest import NOON
from tests.web.conftest import INSTANCE

LATER = NOON + timedelta(hours=1, minutes=2)
BASIC = Delivery(
    7, "https://coop-a.example/activities/1", "Offer", "https://coop-a.example/actors/alice",
    "https://coop-b.example/inbox", "https://coop-b.example", "queued", 0, NOON, None, None, None, None, None, None,
)  # fmt: skip


def told(language: str, **changed: Any) -> tuple[str, str, str]:
    views = Views(words(language), INSTANCE, NOON)
    one = sent(views, Tracked(replace(BASIC, **changed), "Coop B"))
    return one.sentence, one.answer, one.words


ENDED: dict[str, datetime] = {"ended_at": LATER}
BLOCKED = {"status": 403, "problem": "blocked", "reason": "Dijon says so."}


@pytest.mark.parametrize(
    ("changed", "english", "french"),
    [
        ({}, "Is about to be sent to Coop B.", "Sur le point de partir pour Coop B."),
        ({"next_at": LATER}, "Waits behind an earlier message to Coop B; next try on 22 Nov 2026 at 14:02.",
         "Attend derrière un message précédent pour Coop B\u202f; prochain essai le 22 nov. 2026 à 14:02."),
        ({"state": "retrying", "attempts": 2, "next_at": LATER},
         "Has not reached Coop B yet; next try on 22 Nov 2026 at 14:02 (tries so far: 2).",
         "Pas encore parvenu à Coop B\u202f; prochain essai le 22 nov. 2026 à 14:02 (essais faits\xa0: 2)."),
        ({"state": "retrying", "attempts": 2}, "Has not reached Coop B yet; next try now (tries so far: 2).",
         "Pas encore parvenu à Coop B\u202f; prochain essai maintenant (essais faits\xa0: 2)."),
        ({"state": "parked", "next_at": LATER},
         "Coop B has not admitted our co-operative yet; next try on 22 Nov 2026 at 14:02.",
         "Coop B n’a pas encore admis notre coopérative\u202f; prochain essai le 22 nov. 2026 à 14:02."),
        ({"state": "held"}, "Kept back for Coop B: our own operator has frozen or blocked this co-operative.",
         "Retenu pour Coop B\xa0: notre propre opérateur a gelé ou bloqué cette coopérative."),
        ({"state": "delivered", **ENDED}, "Reached Coop B on 22 Nov 2026 at 14:02.",
         "Parvenu à Coop B le 22 nov. 2026 à 14:02."),
        ({"state": "refused", **ENDED}, "Refused by Coop B on 22 Nov 2026 at 14:02.",
         "Refusé par Coop B le 22 nov. 2026 à 14:02."),
        ({"state": "expired", "attempts": 14, **ENDED},
         "Given up for Coop B on 22 Nov 2026 at 14:02 (tries: 14).",
         "Abandonné pour Coop B le 22 nov. 2026 à 14:02 (essais\xa0: 14)."),
        ({"state": "cancelled", **ENDED}, "Not sent to Coop B: the step did not take place.",
         "Pas envoyé à Coop B\xa0: l’étape n’a pas eu lieu."),
    ],
)  # fmt: skip
def test_each_state_is_a_sentence(changed: dict[str, Any], english: str, french: str):
    assert told("en", **changed)[0] == english
    assert told("fr", **changed)[0] == french


def test_the_peers_reason_is_named_as_the_vocabulary_names_it_and_quoted():
    refused = {"state": "refused", **ENDED, **BLOCKED}
    assert told("en", **refused)[1:] == ("It answered 403, “Sender blocked”.", "Dijon says so.")
    assert told("fr", **refused)[1:] == (
        "Sa réponse\xa0: 403, «\xa0Expéditeur bloqué\xa0».",
        "Dijon says so.",
    )
    unknown = {"state": "retrying", "attempts": 1, "status": 503, "problem": "odd\u202e", "reason": None}
    assert told("en", **unknown)[1:] == ("It answered 503, “odd”.", "")
    assert told("en", **{**unknown, "problem": None})[1] == "It answered 503."
    silent = {"state": "retrying", "attempts": 1, "reason": "No answer."}
    assert told("en", **silent)[1:] == ("It did not answer.", "No answer.")


def test_what_arrived_has_no_reason():
    assert told("en", state="delivered", **ENDED, **BLOCKED)[1:] == ("", "")
    assert told("en")[1] == ""


def test_every_state_has_a_name_a_colour_and_an_answer_to_whether_it_is_sent_again():
    for state in get_args(DeliveryState):
        assert state_name(words("fr"), state) != state_name(words("en"), state)
        assert TONES[state]
    assert set(get_args(DeliveryState)) - AGAIN == {"held", "delivered", "cancelled"}


def test_copies_that_arrived_are_counted():
    views = Views(words("en"), INSTANCE, NOON)
    copies = [replace(BASIC, state="delivered", **ENDED), BASIC]
    found = fate(views, [Tracked(one, "Coop B") for one in copies])
    assert (found.reached, len(found.sent)) == (1, 2)


def test_addresses_of_the_operators_page_hold_ids_whole():
    assert only("https://a.example/activities/1?x&y") == (
        "/operator/deliveries?activity=https%3A%2F%2Fa.example%2Factivities%2F1%3Fx%26y"
    )
    assert deliveries_to("https://b.example") == "/operator/deliveries?peer=https%3A%2F%2Fb.example"
