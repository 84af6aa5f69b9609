from datetime import timedelta
from pathlib import Path

import pytest

from fedcoop.protocol import limits, strict_json

SOURCE = Path(limits.__file__).read_text(encoding="utf-8")


def constants() -> dict[str, object]:
    return {
        name: value for name, value in vars(limits).items() if name.isupper() and name not in {"KIB", "MIB"}
    }


def test_every_limit_says_what_it_is_and_why():
    lines = SOURCE.splitlines()
    for name in constants():
        start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}: Final"))
        end = next(
            i for i in range(start, len(lines)) if lines[i] in (")",) or not lines[start].endswith("(")
        )
        assert lines[end + 1].startswith('"""'), f"{name} has no reason"


def test_every_limit_is_positive():
    for name, value in constants().items():
        for part in value if isinstance(value, tuple) else (value,):
            assert part > (timedelta() if isinstance(part, timedelta) else 0), name


def test_waits_between_tries_only_grow():
    assert sorted(limits.DELIVERY_STEPS) == list(limits.DELIVERY_STEPS)


def test_fourteen_tries_fit_into_the_horizon_even_when_every_wait_is_stretched():
    steps = [*limits.DELIVERY_STEPS, *[limits.DELIVERY_STEPS[-1]] * limits.DELIVERY_MAX_TRIES]
    total = sum(steps[: limits.DELIVERY_MAX_TRIES - 1], timedelta())
    assert total < limits.DELIVERY_HORIZON
    assert total > limits.DELIVERY_HORIZON - timedelta(days=2)


def test_no_example_of_the_vocabulary_comes_near_a_limit(shared: Path):
    examples = sorted((shared / "vocab-draft" / "examples").glob("*.json"))
    assert examples
    for example in examples:
        data = example.read_bytes()
        strict_json.loads(data)
        assert len(data) < limits.MAX_BODY / 30


@pytest.mark.parametrize("name", ["MAX_BODY", "MAX_URL", "MAX_RECIPIENTS"])
def test_the_limits_that_peers_must_know_are_the_published_ones(name: str):
    assert getattr(limits, name) == {"MAX_BODY": 1 << 20, "MAX_URL": 2048, "MAX_RECIPIENTS": 500}[name]
