"""What a decision may know, when nobody says otherwise."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from fedcoop.protocol.facts import Facts, Step
from fedcoop.protocol.limits import SIGNATURE_MAX_AHEAD
from tests.protocol.making import OFFERED, OWNER, a_chain, following


def test_without_facts_nothing_is_ordered_here_and_nobody_has_a_clock():
    facts = Facts()
    assert (facts.owner_here, facts.now, facts.proposal, facts.engagements) == (False, None, None, ())
    assert facts.rules_known
    assert facts.proposal_current
    assert facts.ahead == SIGNATURE_MAX_AHEAD


def test_facts_and_steps_do_not_change():
    chain = a_chain("Engagement", "proposed")
    step = Step(following(chain, "Reject", OWNER, OFFERED), chain, "Offer", begins=False)
    with pytest.raises(FrozenInstanceError):
        Facts().owner_here = True  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        step.begins = True  # type: ignore[misc]
