"""The code lists used at run time: complete enough for the data set, right where it is known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

import pytest

from fedcoop.protocol.model import CODE_LISTS
from tests.vocab.conftest import ROOT, VOCAB

CODES: Final = VOCAB / "codes"
SHARED: Final = ROOT.parent / "shared" / "data"
MEBIBYTE: Final = 1 << 20


def table(name: str) -> dict[str, dict[str, Any]]:
    """Rows by their first column."""
    content = json.loads((CODES / f"{name}.json").read_text(encoding="utf-8"))
    columns = content["columns"]
    return {row[0]: dict(zip(columns, row, strict=True)) for row in content["rows"]}


COMMUNES: Final = table("communes")
ROME: Final = table("rome")
FEDERATION: Final = json.loads(
    (ROOT / "examples" / "federation" / "synthetic_federation.json").read_text(encoding="utf-8")
)


def kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    (p, q), (r, s) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    h = math.sin((r - p) / 2) ** 2 + math.cos(p) * math.cos(r) * math.sin((s - q) / 2) ** 2
    return 12742 * math.asin(math.sqrt(h))


def test_every_commune_of_the_federation_is_known_with_coordinates():
    used = {place["inseeCommune"] for kind in ("missions", "cooperatives") for place in FEDERATION[kind]}
    assert len(used) > 100
    assert [code for code in used if COMMUNES.get(code, {}).get("latitude") is None] == []


def test_the_coordinates_of_the_co_operatives_are_those_of_the_data_set():
    for coop in FEDERATION["cooperatives"]:
        commune = COMMUNES[coop["inseeCommune"]]
        here = (commune["latitude"], commune["longitude"])
        assert kilometres(here, (coop["latitude"], coop["longitude"])) < 1, coop["commune"]
        assert commune["name"] == coop["commune"]


def test_every_rome_code_of_the_federation_has_its_label():
    for mission in FEDERATION["missions"]:
        assert ROME[mission["rome"]]["label"] == mission["title"]
    assert {member["rome"] for member in FEDERATION["members"]} <= set(ROME)


def test_every_code_of_ours_in_the_federation_is_in_its_list():
    assert {member["workStatus"] for member in FEDERATION["members"]} <= set(CODE_LISTS["WorkStatus"])
    assert {mission["relayScope"] for mission in FEDERATION["missions"]} <= set(CODE_LISTS["RelayScope"])
    kinds = {kind for coop in FEDERATION["cooperatives"] for kind in coop["cooperativeKind"]}
    assert kinds <= set(CODE_LISTS["CoopKind"])


def test_the_missions_of_the_data_set_are_those_that_the_demonstration_counts_on():
    scopes = [mission["relayScope"] for mission in FEDERATION["missions"]]
    assert (len(scopes), scopes.count("members")) == (300, 61)


def test_the_lists_are_compact():
    sizes = {path.name: path.stat().st_size for path in CODES.glob("*.json")}
    assert sizes["communes.json"] < 4 * MEBIBYTE
    assert all(size < MEBIBYTE // 4 for name, size in sizes.items() if name != "communes.json")


def test_codes_keep_their_leading_zeros_and_letters():
    assert COMMUNES["01004"]["name"] == "Ambérieu-en-Bugey"
    assert COMMUNES["2A004"]["name"] == "Ajaccio"
    assert COMMUNES["97411"]["department"] == "974"
    assert COMMUNES["75056"]["postalCodes"].split()[0] == "75001"
    assert table("naf")["70.22Z"]["label"]


def test_no_two_communes_share_their_coordinates():
    points = [(c["latitude"], c["longitude"]) for c in COMMUNES.values() if c["latitude"] is not None]
    assert len(points) == len(set(points))


def test_every_rome_code_belongs_to_a_domain():
    domains = json.loads((CODES / "rome.json").read_text(encoding="utf-8"))["domains"]
    assert {code[0] for code in ROME} == set(domains)
    assert len(ROME) == 1584


def test_every_esco_concept_of_the_examples_is_in_the_selection():
    content = json.loads((CODES / "esco.json").read_text(encoding="utf-8"))
    known = {content["namespace"] + row[0] for row in content["rows"]}
    used = {
        uri
        for path in (VOCAB / "examples").glob("*/*.json")
        for uri in _uris(json.loads(path.read_text(encoding="utf-8")))
    }
    assert {uri for uri in used if "/isco/" not in uri} <= known


def _uris(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value} if value.startswith("http://data.europa.eu/esco/") else set()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*(_uris(part) for part in inner))


def test_every_list_names_its_source_and_sources_names_every_list():
    sources = (CODES / "SOURCES.md").read_text(encoding="utf-8")
    for path in CODES.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["source"]
        assert f"`{path.name}`" in sources


@pytest.mark.parametrize("file", ["rome_v460_codes.csv"])
def test_the_rome_labels_are_those_of_the_official_table(file: str):
    path: Path = SHARED / file
    if not path.exists():
        pytest.skip("the official table is not part of the project")
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == set(ROME)
