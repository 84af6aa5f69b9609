"""A federation file becomes what our actors say."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from fedcoop.cli import synthetic
from fedcoop.cli.answer import Failed
from tests.conftest import NOON, ROOT

DATA = ROOT / "examples" / "federation" / "synthetic_federation.json"


def test_the_federation_that_comes_with_us_is_read_whole():
    federation = synthetic.read(DATA)
    assert (len(federation.coops), len(federation.members), len(federation.missions)) == (24, 240, 300)


def test_a_share_holds_its_own_and_nothing_else():
    share = synthetic.read(DATA).share(["coop-02", "coop-02"])
    assert list(share.coops) == ["coop-02"]
    assert {m.coop.slug for m in (*share.members, *share.missions)} == {"coop-02"}


def test_every_fault_of_a_file_is_named(tmp_path: Path):
    document = json.loads(DATA.read_text("utf-8"))
    document["missions"][3]["amount"] = "1.00"
    document["members"][7]["rome"] = "plumber"
    file = tmp_path / "faulty.json"
    file.write_text(json.dumps(document))
    with pytest.raises(Failed) as caught:
        synthetic.read(file)
    assert [f.split(":")[0] for f in caught.value.extra["faults"]] == ["members[7]", "missions[3]"]


def test_a_mission_shows_one_amount_in_its_price_its_lines_and_its_reciprocal():
    for mission in synthetic.read(DATA).missions:
        said = synthetic.mission_document(
            mission, rule="https://a.example/rules/r", place=lambda code: {"name": code}
        )
        line = said["price"]["lines"][0]
        total = said["price"]["totalExclTax"]["value"]
        assert total == line["amount"]["value"] == said["reciprocal"]["resourceQuantity"]["hasNumericalValue"]
        assert Decimal(line["quantity"]) * Decimal(line["unitAmount"]["value"]) == Decimal(total)
        assert said["relayScope"] == mission.scope


def test_the_fixed_price_rule_gives_back_the_agreed_amount():
    coop = synthetic.read(DATA).coops["coop-01"]
    (component,) = synthetic.pricing_rule(coop, effective_from=NOON)["components"]
    assert (component["componentKind"], component["rate"]) == ("perUnit", "1.00")


def test_a_title_cannot_bring_markup_into_the_content():
    mission = synthetic.read(DATA).missions[0]
    wicked = synthetic.SourceMission(
        **{**{f: getattr(mission, f) for f in mission.__slots__}, "title": "<script>"}
    )
    said = synthetic.mission_document(wicked, rule="r", place=lambda code: {"name": code})
    assert "<script>" not in said["content"]
