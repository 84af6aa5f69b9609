"""The drawings: deterministic, every transition drawn, nothing on top of anything else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any, Final

import pytest

from tests.vocab.conftest import VOCAB, build, part_of_the_build

diagrams = part_of_the_build("build_diagrams")
DATA: Final = build.load(VOCAB)
NAMES: Final = list(DATA["lifecycles"])
SVG: Final = "{http://www.w3.org/2000/svg}"


def drawn(name: str) -> str:
    lifecycle = DATA["lifecycles"][name]
    return str(diagrams.draw(name, lifecycle, DATA["codes"]["lists"][lifecycle["codeList"]]["codes"]))


def rectangles(name: str, height: str) -> list[tuple[float, float, float, float]]:
    """x, y, right, bottom of every rectangle of that height."""
    found = []
    for element in ET.fromstring(drawn(name)).iter(f"{SVG}rect"):
        if element.get("height") == height:
            x, y, width = (float(element.get(key, "0")) for key in ("x", "y", "width"))
            found.append((x, y, x + width, y + float(height)))
    return found


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_is_the_same_every_time(name: str):
    assert drawn(name) == drawn(name)
    assert drawn(name) == (VOCAB / "diagrams" / f"{name}.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_state_and_transition_is_drawn(name: str):
    lifecycle: Any = DATA["lifecycles"][name]
    edges = lifecycle["transitions"]
    states = {edge[end] for edge in edges for end in ("from", "to")} - {"none"}
    assert len(rectangles(name, str(diagrams.BOX_HEIGHT))) == len(states)
    arrows = {(edge["from"], edge["to"]) for edge in edges}
    assert drawn(name).count("marker-end=") == len(arrows)
    numbers = [int(n) for n in re.findall(r'font-weight="bold" fill="[^"]+">(\d+)</text>', drawn(name))]
    assert numbers == list(range(1, len(edges) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_no_box_or_number_covers_another(name: str):
    boxes = rectangles(name, str(diagrams.BOX_HEIGHT))
    badges = rectangles(name, f"{2 * diagrams.BADGE:.1f}")
    things = boxes + badges
    for index, one in enumerate(things):
        assert not [other for other in things[index + 1 :] if overlap(one, other)], one


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_inside_the_picture(name: str):
    root = ET.fromstring(drawn(name))
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for x, y, right, bottom in rectangles(name, str(diagrams.BOX_HEIGHT)):
        assert x >= 0
        assert right <= width
        assert y >= 0
        assert bottom <= height


def test_a_drawing_has_a_title_and_says_itself_in_words():
    root = ET.fromstring(drawn("Mission"))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Mission: 11 states, 21 transitions"
    assert "published to assigned: Update(Mission, assigned) · owner" in (root.findtext(f"{SVG}desc") or "")
