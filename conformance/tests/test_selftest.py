"""The suite's own tests are tested: gates G1, G3, G4, G6 and G10 of the self-test, and that each of them bites."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedcoop_conformance import catalogue, selftest
from fedcoop_conformance.cases import plays
from fedcoop_conformance.catalogue import Kill, Test
from fedcoop_conformance.minicoop.degenerate import KINDS
from fedcoop_conformance.report.model import Result

ALL = catalogue.load()
PROFILES = sorted({test.profile for test in selftest.subjects(ALL)})


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_model_server_passes_every_test_in_any_order(profile: str):
    tests = selftest.subjects(ALL, {profile})
    # Three seeds, each one by one and four at a time, are for `fedcoop-conformance selftest --full`.
    assert await selftest.baseline(tests, seeds=("1",), jobs=(1,)) == []
    assert await selftest.baseline(tests, seeds=("2",), jobs=(4,)) == []


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_test_kills_its_mutants_with_the_code_that_it_names(profile: str):
    assert await selftest.mutants(selftest.subjects(ALL, {profile}), seed="mutants") == []


@pytest.mark.parametrize("profile", PROFILES)
async def test_servers_that_do_one_thing_pass_nothing(profile: str):
    assert await selftest.degenerate(selftest.subjects(ALL, {profile}), seed="degenerate") == []


async def test_an_adapter_that_lies_makes_no_profile_pass():
    assert await selftest.lying(selftest.subjects(ALL), seed="liars") == []


async def test_an_adapter_is_never_told_which_test_it_serves():
    asking = [test for test in selftest.subjects(ALL) if test.needs]
    assert await selftest.answer_key(ALL, asking, seed="key") == []


def test_what_is_implemented_is_in_the_catalogue_and_back():
    assert selftest.unregistered(ALL, plays()) == []


# -- the gates bite ---------------------------------------------------------------------------------------------------

ONE = ALL.tests["FC-SIG-004"]
KILL = ONE.kills[0]


async def test_a_test_without_a_mutant_is_found():
    found = await selftest.mutants([replace(ONE, kills=())], seed="none")
    assert [(one.gate, one.what) for one in found] == [("G3", "FC-SIG-004")]


async def test_a_mutant_that_no_request_reaches_is_found():
    [reached, survived] = await selftest.mutants(
        [replace(ONE, kills=(Kill("no-such-fault", "NOT_REFUSED"),))], seed="dead"
    )
    assert reached.gate == "G4"
    assert survived.why == "survived: passed"


async def test_a_mutant_that_dies_of_something_else_is_found():
    [fault] = await selftest.mutants([replace(ONE, kills=(Kill(KILL.mutant, "SIDE_EFFECT"),))], seed="other")
    assert fault.gate == "G3"
    assert "died of NOT_REFUSED" in fault.why


def result(test: Test, outcome: str) -> Result:
    return Result(test.id, test.rev, test.profile, test.level, outcome)


async def test_a_profile_that_a_liar_makes_pass_is_found():
    # A test that looks at nothing passes whatever it is told.
    lazy = replace(ALL.tests["FC-SIG-001"], needs=("observe",))
    found = await selftest.lying([lazy], seed="lazy")
    assert {(one.gate, one.why) for one in found} == {("G7", "passed whole")}


async def test_a_question_that_names_its_test_is_found():
    asking = ALL.tests["FC-SIG-026"]
    named = replace(ALL, tests={**ALL.tests, "observe": asking})
    assert [one.gate for one in await selftest.answer_key(named, [asking], seed="named")][:1] == ["G8"]


@pytest.mark.parametrize("outcome", ["passed", "untested", "cantTell", "error", "inapplicable"])
def test_only_a_failure_kills(outcome: str):
    assert [one.gate for one in selftest.judged(result(ONE, outcome), KILL, reached=True)] == ["G3"]


def test_there_are_six_servers_that_do_one_thing():
    assert len(KINDS) == 6
