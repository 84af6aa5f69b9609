"""Lifecycles drawn as SVG: states in layers, transitions as numbered arrows, a legend below. No dependency.

The layout is the usual one in four steps (Sugiyama): break cycles, give each state a layer, order each layer so that
few arrows cross, then place. Nothing in it is random, so the same data gives the same bytes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from html import escape
from typing import Any

Json = dict[str, Any]
Point = tuple[float, float]

BOX_HEIGHT = 44.0
LAYER_GAP = 76.0
NODE_GAP = 34.0
DUMMY_WIDTH = 18.0
MARGIN = 28.0
BADGE = 9.5
LEGEND_LINE = 19.0
LEGEND_WIDTH = 430.0

INK, SOFT, LINE, FILL, END_FILL, PAPER = "#1d2733", "#5b6876", "#2f5d8a", "#eaf2fa", "#f1efe6", "#ffffff"


@dataclass
class Node:
    """A state, or a bend of an arrow that passes a layer (then `name` is empty)."""

    name: str
    layer: int
    width: float
    x: float = 0.0
    up: list[Node] = field(default_factory=list)
    down: list[Node] = field(default_factory=list)


@dataclass
class Arrow:
    """All transitions from one state to another."""

    source: str
    target: str
    numbers: list[int]
    implemented: bool
    path: list[Node] = field(default_factory=list)
    turned: bool = False
    points: list[Point] = field(default_factory=list)


def _text_width(text: str, size: float) -> float:
    return sum(0.34 if c in "iljtf.,'()|:; " else 0.84 if c in "mwMWÉ" else 0.57 for c in text) * size


def _arrows(lifecycle: Json) -> tuple[list[Arrow], list[Arrow]]:
    """Arrows between two states, and loops."""
    found: dict[tuple[str, str], Arrow] = {}
    for number, edge in enumerate(lifecycle["transitions"], 1):
        key = (edge["from"], edge["to"])
        arrow = found.setdefault(key, Arrow(*key, [], False))
        arrow.numbers.append(number)
        arrow.implemented |= bool(lifecycle["implemented"] and edge.get("implemented", True))
    arrows = list(found.values())
    return [a for a in arrows if a.source != a.target], [a for a in arrows if a.source == a.target]


def _break_cycles(states: list[str], initial: list[str], arrows: list[Arrow]) -> None:
    """Turn the arrows that lead back to a state on the way from the beginning."""
    after: dict[str, list[Arrow]] = {state: [] for state in states}
    for arrow in arrows:
        after[arrow.source].append(arrow)
    open_: set[str] = set()
    closed: set[str] = set()

    def visit(state: str) -> None:
        open_.add(state)
        for arrow in after[state]:
            if arrow.target in open_:
                arrow.turned = True
            elif arrow.target not in closed:
                visit(arrow.target)
        open_.discard(state)
        closed.add(state)

    for state in [*initial, *states]:
        if state not in closed:
            visit(state)


def _layers(states: list[str], arrows: list[Arrow]) -> dict[str, int]:
    """Longest way from the beginning; a state without predecessors stands just above its first successor."""
    ends = [(a.target, a.source) if a.turned else (a.source, a.target) for a in arrows]
    layer = dict.fromkeys(states, 0)
    for _ in states:
        for upper, lower in ends:
            layer[lower] = max(layer[lower], layer[upper] + 1)
    for state in states:
        if all(lower != state for _, lower in ends):
            below = [layer[lower] for upper, lower in ends if upper == state]
            layer[state] = min(below) - 1 if below else 0
    return layer


def _grid(states: list[str], widths: dict[str, float], arrows: list[Arrow]) -> list[list[Node]]:
    """The layers with their states and the bends of the arrows that pass."""
    layer = _layers(states, arrows)
    rows: list[list[Node]] = [[] for _ in range(max(layer.values()) + 1)]
    nodes = {state: Node(state, layer[state], widths[state]) for state in states}
    for state in states:
        rows[layer[state]].append(nodes[state])
    for arrow in arrows:
        upper, lower = (arrow.target, arrow.source) if arrow.turned else (arrow.source, arrow.target)
        arrow.path = [nodes[upper]]
        for between in range(layer[upper] + 1, layer[lower]):
            bend = Node("", between, DUMMY_WIDTH)
            rows[between].append(bend)
            arrow.path.append(bend)
        arrow.path.append(nodes[lower])
        for above, below in zip(arrow.path, arrow.path[1:], strict=False):
            above.down.append(below)
            below.up.append(above)
    return rows


def _crossings(rows: list[list[Node]]) -> int:
    count = 0
    for row, below in itertools.pairwise(rows):
        place = {id(node): index for index, node in enumerate(below)}
        ends = [(i, place[id(other)]) for i, node in enumerate(row) for other in node.down]
        count += sum(
            (a[0] - b[0]) * (a[1] - b[1]) < 0 for index, a in enumerate(ends) for b in ends[index + 1 :]
        )
    return count


def _order(rows: list[list[Node]]) -> list[list[Node]]:
    """Sort each layer by the mean place of its neighbours, down and up, and keep the best of the sweeps."""
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(40):
        downwards = sweep % 2 == 0
        order = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for index in order:
            beside = rows[index - 1] if downwards else rows[index + 1]
            place = {id(node): at for at, node in enumerate(beside)}
            keys: dict[int, float] = {}
            for at, node in enumerate(rows[index]):
                near = [place[id(other)] for other in (node.up if downwards else node.down)]
                keys[id(node)] = sum(near) / len(near) if near else at
            rows[index].sort(key=lambda node: keys[id(node)])
        _swap(rows)
        if (now := _crossings(rows)) < fewest:
            best, fewest = [list(row) for row in rows], now
    return best


def _swap(rows: list[list[Node]]) -> None:
    """Exchange neighbours where that leaves fewer crossings."""
    for row in rows:
        for at in range(len(row) - 1):
            before = _crossings(rows)
            row[at], row[at + 1] = row[at + 1], row[at]
            if _crossings(rows) >= before:
                row[at], row[at + 1] = row[at + 1], row[at]


def _place(rows: list[list[Node]]) -> None:
    """Pull each state towards its neighbours, without overlap; straight bends pull hardest."""
    for row in rows:
        x = 0.0
        for node in row:
            node.x = x + node.width / 2
            x += node.width + NODE_GAP
    for sweep in range(60):
        for row in rows if sweep % 2 == 0 else list(reversed(rows)):
            wanted = []
            for node in row:
                near = [(other.x, 1.0 if other.name else 3.0) for other in (*node.up, *node.down)]
                total = sum(weight for _, weight in near)
                wanted.append(sum(x * weight for x, weight in near) / total if total else node.x)
            _settle(row, wanted)
    left = min(node.x - node.width / 2 for row in rows for node in row)
    for row in rows:
        for node in row:
            node.x += MARGIN - left


def _settle(row: list[Node], wanted: list[float]) -> None:
    """Least-squares placing with minimum distances: blocks of touching neighbours move together."""
    blocks: list[tuple[float, int, list[tuple[Node, float]]]] = []
    for node, x in zip(row, wanted, strict=True):
        block: tuple[float, int, list[tuple[Node, float]]] = (x, 1, [(node, 0.0)])
        while blocks:
            before = blocks[-1]
            last, offset = before[2][-1]
            first = block[2][0][0]
            gap = offset + last.width / 2 + NODE_GAP + first.width / 2
            if block[0] >= before[0] + gap:
                break
            blocks.pop()
            count = before[1] + block[1]
            start = (before[0] * before[1] + (block[0] - gap) * block[1]) / count
            block = (start, count, before[2] + [(n, gap + o) for n, o in block[2]])
        blocks.append(block)
    for start, _, members in blocks:
        for node, offset in members:
            node.x = start + offset


def _top(layer: int) -> float:
    return MARGIN + layer * (BOX_HEIGHT + LAYER_GAP)


def _ports(rows: list[list[Node]], arrows: list[Arrow]) -> dict[tuple[int, int, bool], float]:
    """Where each arrow leaves or meets a box: spread over its edge in the order of the other ends."""
    found: dict[tuple[int, int, bool], float] = {}
    for row in rows:
        for node in (n for n in row if n.name):
            for below in (False, True):
                ends = []
                for index, arrow in enumerate(arrows):
                    if below and arrow.path[0] is node:
                        ends.append((arrow.path[1].x, arrow.turned, index))
                    if not below and arrow.path[-1] is node:
                        ends.append((arrow.path[-2].x, arrow.turned, index))
                ends.sort()
                step = min(22.0, (node.width - 16) / max(1, len(ends)))
                for at, (_, _, index) in enumerate(ends):
                    found[id(node), index, below] = node.x + (at - (len(ends) - 1) / 2) * step
    return found


def _bezier(p: tuple[Point, Point, Point, Point], t: float) -> Point:
    u = 1 - t
    weights = (u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t)
    return (
        sum(w * q[0] for w, q in zip(weights, p, strict=True)),
        sum(w * q[1] for w, q in zip(weights, p, strict=True)),
    )


def _route(rows: list[list[Node]], arrows: list[Arrow]) -> list[str]:
    """The path of each arrow, in its own direction; fills in sampled points for the badges."""
    ports = _ports(rows, arrows)
    drawn = []
    for index, arrow in enumerate(arrows):
        first, last = arrow.path[0], arrow.path[-1]
        points: list[Point] = [(ports[id(first), index, True], _top(first.layer) + BOX_HEIGHT)]
        for bend in arrow.path[1:-1]:
            points += [(bend.x, _top(bend.layer)), (bend.x, _top(bend.layer) + BOX_HEIGHT)]
        points.append((ports[id(last), index, False], _top(last.layer)))
        if arrow.turned:
            points.reverse()
        parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
        for a, b in itertools.pairwise(points):
            half = (b[1] - a[1]) / 2
            curve = (a, (a[0], a[1] + half), (b[0], b[1] - half), b)
            parts.append(
                f"C{curve[1][0]:.1f} {curve[1][1]:.1f} {curve[2][0]:.1f} {curve[2][1]:.1f} "
                f"{b[0]:.1f} {b[1]:.1f}"
            )
            arrow.points += [_bezier(curve, step / 16) for step in range(17)]
        drawn.append("".join(parts))
    return drawn


def _badges(rows: list[list[Node]], arrows: list[Arrow], loops: list[Point]) -> list[Point]:
    """A place on each arrow for its numbers, away from boxes, other badges and other arrows."""
    boxes = [(n.x, _top(n.layer) + BOX_HEIGHT / 2, n.width / 2) for row in rows for n in row if n.name]
    taken = list(loops)
    found = []
    for arrow in arrows:
        best, score = arrow.points[0], -math.inf
        for at in range(2, len(arrow.points) - 2):
            x, y = arrow.points[at]
            room = min((math.dist((x, y), other) for other in taken), default=99.0)
            clear = (
                min(math.dist((x, y), p) for other in arrows if other is not arrow for p in other.points)
                if len(arrows) > 1
                else 99.0
            )
            outside = min(max(abs(x - bx) - half, abs(y - by) - BOX_HEIGHT / 2) for bx, by, half in boxes)
            middle = -abs(at / len(arrow.points) - 0.5) * 6
            tip = math.dist((x, y), arrow.points[-1])
            value = min(room, 30) + min(clear, 20) + 2 * min(outside, 14) + 2 * min(tip, 26) + middle
            if value > score:
                best, score = (x, y), value
        taken.append(best)
        found.append(best)
    return found


def _legend_text(edge: Json) -> str:
    where = "".join(f", {value}" for value in edge.get("where", {}).values())
    return f"{edge['activity']}({edge['object']}{where}) · {edge['sender']}"


def _numbers(numbers: list[int]) -> str:
    parts: list[str] = []
    for number in numbers:
        if parts and int(parts[-1].split("–")[-1]) == number - 1:
            parts[-1] = f"{parts[-1].split('–')[0]}–{number}"
        else:
            parts.append(str(number))
    return " ".join(parts)


def _badge(place: Point, numbers: list[int], implemented: bool) -> str:
    text = _numbers(numbers)
    half = max(BADGE, _text_width(text, 11.5) / 2 + 5)
    x, y = place
    colour = LINE if implemented else SOFT
    return (
        f'<rect x="{x - half:.1f}" y="{y - BADGE:.1f}" width="{2 * half:.1f}" height="{2 * BADGE:.1f}" '
        f'rx="{BADGE}" fill="{PAPER}" stroke="{colour}"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" font-size="11.5" text-anchor="middle" fill="{INK}">{text}</text>'
    )


def _box(node: Node, state: str, label: Json | None, initial: bool, terminal: bool) -> list[str]:
    x, y = node.x - node.width / 2, _top(node.layer)
    if label is None:
        centre = y + BOX_HEIGHT - 9
        return [f'<circle cx="{node.x:.1f}" cy="{centre:.1f}" r="9" fill="{INK}"/>']
    fill = END_FILL if terminal else FILL
    shape = f'width="{node.width:.1f}" height="{BOX_HEIGHT}" rx="8"'
    parts = [
        f'<rect x="{x:.1f}" y="{y:.1f}" {shape} fill="{fill}" stroke="{INK}" '
        f'stroke-width="{2.6 if initial else 1.2}"/>'
    ]
    if terminal:
        parts.append(
            f'<rect x="{x + 3:.1f}" y="{y + 3:.1f}" width="{node.width - 6:.1f}" height="{BOX_HEIGHT - 6}" '
            f'rx="6" fill="none" stroke="{INK}" stroke-width="0.8"/>'
        )
    parts += [
        f'<text x="{node.x:.1f}" y="{y + 19:.1f}" font-size="14" font-weight="bold" text-anchor="middle" '
        f'fill="{INK}">{escape(state)}</text>',
        f'<text x="{node.x:.1f}" y="{y + 35:.1f}" font-size="11.5" text-anchor="middle" '
        f'fill="{SOFT}">{escape(label["fr"])}</text>',
    ]
    return parts


def draw(name: str, lifecycle: Json, codes: Json) -> str:
    """The SVG of one lifecycle. `codes` maps each state to its French and English label."""
    edges = lifecycle["transitions"]
    named = {edge[end] for edge in edges for end in ("from", "to")}
    states = [state for state in ("none", *codes) if state in named]
    widths = {
        state: 26.0
        if state not in codes
        else max(84.0, _text_width(state, 14.5), _text_width(codes[state]["fr"], 11.5)) + 26
        for state in states
    }
    arrows, loops = _arrows(lifecycle)
    _break_cycles(states, lifecycle["initial"], arrows)
    rows = _order(_grid(states, widths, arrows))
    _place(rows)
    nodes = {node.name: node for row in rows for node in row if node.name}
    paths = _route(rows, arrows)
    loop_places = [
        (nodes[a.source].x + nodes[a.source].width / 2 + 24, _top(nodes[a.source].layer) + 22) for a in loops
    ]
    badges = _badges(rows, arrows, loop_places)

    right = max([n.x + n.width / 2 for row in rows for n in row] + [x + 22 for x, _ in loop_places])
    columns = 1 if len(edges) <= 8 else 2
    width = max(right + MARGIN, columns * LEGEND_WIDTH + 2 * MARGIN)
    shift = (width - MARGIN - right) / 2
    bottom = _top(len(rows) - 1) + BOX_HEIGHT
    per_column = math.ceil(len(edges) / columns)
    height = bottom + 34 + per_column * LEGEND_LINE + 30
    title = f"{name}: {len(states)} states, {len(edges)} transitions"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="DejaVu Sans, Verdana, sans-serif">',
        f"<title>{escape(title)}</title>",
        "<desc>"
        + escape("; ".join(f"{e['from']} to {e['to']}: {_legend_text(e)}" for e in edges))
        + "</desc>",
        f'<defs><marker id="{name}-tip" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0.8L10 5L0 9.2z" fill="{LINE}"/></marker>'
        f'<marker id="{name}-later" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0.8L10 5L0 9.2z" fill="{SOFT}"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="{PAPER}"/>',
        f'<g transform="translate({shift:.1f} 0)">',
    ]
    for arrow, path in zip(arrows, paths, strict=True):
        out.append(_stroke(name, path, arrow.implemented))
    for arrow, (x, y) in zip(loops, loop_places, strict=True):
        edge_x = x - 24
        loop = f"M{edge_x:.1f} {y - 12:.1f}C{x + 6:.1f} {y - 20:.1f} {x + 6:.1f} {y + 20:.1f} {edge_x:.1f} {y + 12:.1f}"
        out.append(_stroke(name, loop, arrow.implemented))
    for state in states:
        out += _box(
            nodes[state],
            state,
            codes.get(state),
            state in lifecycle["initial"],
            state in lifecycle["terminal"],
        )
    for arrow, place in zip([*arrows, *loops], [*badges, *loop_places], strict=True):
        out.append(_badge(place, arrow.numbers, arrow.implemented))
    out.append("</g>")
    start = bottom + 40
    for index, edge in enumerate(edges):
        column, line = divmod(index, per_column)
        x = MARGIN + column * (width - 2 * MARGIN) / columns
        y = start + line * LEGEND_LINE
        later = not (lifecycle["implemented"] and edge.get("implemented", True))
        out.append(
            f'<text x="{x + 20:.1f}" y="{y:.1f}" font-size="12" text-anchor="end" font-weight="bold" '
            f'fill="{INK}">{index + 1}</text>'
            f'<text x="{x + 28:.1f}" y="{y:.1f}" font-size="12" fill="{SOFT if later else INK}">'
            f"{escape(_legend_text(edge))}</text>"
        )
    note = "dashed: not in this release / tirets : pas dans cette version · double border: end / double bord : fin"
    out.append(
        f'<text x="{MARGIN:.1f}" y="{start + per_column * LEGEND_LINE + 8:.1f}" font-size="11" '
        f'fill="{SOFT}">{escape(note)}</text>'
    )
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _stroke(name: str, path: str, implemented: bool) -> str:
    if implemented:
        return (
            f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.6" marker-end="url(#{name}-tip)"/>'
        )
    return (
        f'<path d="{path}" fill="none" stroke="{SOFT}" stroke-width="1.3" stroke-dasharray="5 4" '
        f'marker-end="url(#{name}-later)"/>'
    )
