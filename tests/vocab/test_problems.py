"""Every refusal that the server can raise is a code of the vocabulary."""

from __future__ import annotations

import ast

from fedcoop import errors
from fedcoop.protocol.model import CODE_LISTS, PROBLEMS, WHO_ACTS
from tests.vocab.conftest import ROOT

ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}


def test_every_code_that_is_raised_is_in_the_problem_list():
    unknown = set()
    for path in (ROOT / "fedcoop").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in ERRORS and node.args[0].value not in PROBLEMS:
                unknown.add((str(path.relative_to(ROOT)), node.args[0].value))
    assert unknown == set()


def test_the_problem_codes_are_a_code_list_of_the_vocabulary():
    assert list(CODE_LISTS["Problem"]) == list(PROBLEMS)
    assert all(problem.help_fr and problem.help_en for problem in PROBLEMS.values())


def test_no_problem_lacks_who_must_act_and_an_example():
    for code, problem in PROBLEMS.items():
        assert problem.who, code
        assert set(problem.who) <= set(WHO_ACTS), code
        assert problem.example_at, code
        assert problem.example_expected != problem.example_received, code
    assert {who for problem in PROBLEMS.values() for who in problem.who} == set(WHO_ACTS)
