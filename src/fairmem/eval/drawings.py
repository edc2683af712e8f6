"""Small drawings for reports, as SVG text without scripts: score against tokens and by category, memory growth.

They take their colours from the page, so that they fit light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 320, 50, 40
_CHAR = 7.0
"""Width of a letter, taken generously: the font is the reader's."""


def score_against_tokens(points: Sequence[tuple[str, float, float]]) -> str:
    """(name, tokens, score) as named dots; the abscissa is logarithmic. "" without a point that has tokens."""
    points = [point for point in points if point[1] > 0 and not math.isnan(point[2])]
    if not points:
        return ""
    logs = [math.log10(tokens) for _, tokens, _ in points]
    low = math.floor(min(logs))
    high = max(math.ceil(max(logs)), low + 1)
    top = max(max(score for *_, score in points) * 1.15, 0.05)

    def x(tokens: float) -> float:
        return _LEFT + (math.log10(tokens) - low) / (high - low) * (_WIDTH - _LEFT - 90)

    def y(score: float) -> float:
        return _HEIGHT - _BOTTOM - score / top * (_HEIGHT - _BOTTOM - 20)

    parts = _axes("tokens of the answerer's prompt", "score", f"{top:.2f}", y(top))
    for exponent in range(low, high + 1):
        parts.append(_text(x(10**exponent), _HEIGHT - 24, f"{10**exponent:,}", "middle"))
    places = [(name, x(tokens), y(score)) for name, tokens, score in points]
    parts += [f'<circle cx="{across:.1f}" cy="{down:.1f}" r="4"/>' for _, across, down in places]
    return "".join([*parts, *_labels(places)]) + "</svg>"


def score_by_category(rows: Sequence[tuple[str, Sequence[tuple[str, float, float, float]]]]) -> str:
    """(category, (name, score, low, high) of each memory) as bars, with the interval as a line where there is one."""
    rows = [(title, [bar for bar in bars if not math.isnan(bar[1])]) for title, bars in rows]
    rows = [(title, bars) for title, bars in rows if bars]
    if not rows:
        return ""
    longest = max(len(name) for _, bars in rows for name, *_ in bars)
    left, line, gap = 12 + _CHAR * min(longest, 30), 17, 26
    top = max(max(score, 0.0 if math.isnan(high) else high) for _, bars in rows for _, score, _, high in bars)
    scale = (_WIDTH - left - 50) / max(top, 0.05)
    parts: list[str] = []
    down = 4.0
    for title, bars in rows:
        down += gap
        parts.append(_text(0, down - 6, title, bold=True))
        for name, score, low, high in bars:
            middle = down + line / 2
            parts.append(_text(left - 8, middle + 4, name, "end"))
            parts.append(
                f'<rect x="{left:.1f}" y="{down + 3:.1f}" width="{score * scale:.1f}" height="{line - 6}" '
                'opacity="0.35"/>'
            )
            end = score
            if not math.isnan(low):
                end = max(score, high)
                ends = f"M{left + low * scale:.1f} {middle:.1f}H{left + high * scale:.1f}"
                parts.append(f'<path d="{ends}" fill="none" stroke="currentColor" stroke-width="1.5"/>')
            parts.append(_text(left + end * scale + 5, middle + 4, f"{score:.3f}"))
            down += line
    return f'<svg viewBox="0 0 {_WIDTH} {down + 8:.0f}" font-size="12" fill="currentColor">{"".join(parts)}</svg>'


def memory_growth(lines: Sequence[Sequence[int]]) -> str:
    """Live entries after each session, one faint line per conversation and their mean. "" without a line of two."""
    lines = [line for line in lines if len(line) > 1]
    if not lines:
        return ""
    longest, top = max(map(len, lines)), max(max(map(max, lines)), 1)

    def place(session: int, entries: float) -> str:
        across = _LEFT + (session - 1) / (longest - 1) * (_WIDTH - _LEFT - 30)
        return f"{across:.1f} {_HEIGHT - _BOTTOM - entries / top * (_HEIGHT - _BOTTOM - 20):.1f}"

    def drawn(line: Sequence[float], style: str) -> str:
        path = "L".join(place(session, entries) for session, entries in enumerate(line, start=1))
        return f'<path d="M{path}" fill="none" stroke="currentColor" {style}/>'

    parts = _axes("session", "live entries", f"{top:,}", 20)
    parts += [_text(_LEFT, _HEIGHT - 24, "1", "middle"), _text(_WIDTH - 30, _HEIGHT - 24, str(longest), "middle")]
    parts += [drawn(line, 'opacity="0.25"') for line in lines]
    return "".join([*parts, drawn(_mean_line(lines), 'stroke-width="2.5"')]) + "</svg>"


def growth_by_memory(memories: Sequence[tuple[str, Sequence[Sequence[int]]]]) -> str:
    """(name, live entries after each session per conversation): the mean of each memory as a line with its name."""
    means = [(name, _mean_line([line for line in lines if line])) for name, lines in memories]
    means = [(name, line) for name, line in means if len(line) > 1]
    if not means:
        return ""
    longest, top = max(len(line) for _, line in means), max(max(max(line) for _, line in means), 1.0)

    def at(session: int, entries: float) -> tuple[float, float]:
        across = _LEFT + (session - 1) / (longest - 1) * (_WIDTH - _LEFT - 170)
        return across, _HEIGHT - _BOTTOM - entries / top * (_HEIGHT - _BOTTOM - 20)

    parts = _axes("session", "live entries", f"{top:,.0f}", 20)
    parts += [_text(at(s, 0)[0], _HEIGHT - 24, str(s), "middle") for s in (1, longest)]
    for _, line in means:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (at(s, entries) for s, entries in enumerate(line, start=1)))
        parts.append(f'<path d="M{path}" fill="none" stroke="currentColor" stroke-width="1.5" opacity="0.7"/>')
    return "".join([*parts, *_labels([(name, *at(len(line), line[-1])) for name, line in means])]) + "</svg>"


def _mean_line(lines: Sequence[Sequence[int]]) -> list[float]:
    return [_mean([line[i] for line in lines if i < len(line)]) for i in range(max(map(len, lines), default=0))]


def _labels(places: Sequence[tuple[str, float, float]]) -> list[str]:
    """Names beside their points, none over another or over a point; those of one place share a label."""
    together: list[tuple[list[str], float, float]] = []
    for name, x, y in places:
        near = next((group for group in together if abs(group[1] - x) < 3 and abs(group[2] - y) < 3), None)
        if near is None:
            together.append(([name], x, y))
        else:
            near[0].append(name)
    taken = [(x - 4.0, y - 4.0, x + 4.0, y + 4.0) for _, x, y in together]
    parts: list[str] = []
    for names, x, y in together:
        text = ", ".join(names)
        wide = _CHAR * len(text)
        # Right, left, then further and further above and below; far ones are tied to their point by a line.
        tries = [(x + 8, y + 4), (x - 8 - wide, y + 4)]
        tries += [
            (x + 8 - back, y + 4 + step) for step in (-14, 14, -28, 28, -42, 42, -56, 56) for back in (0, 16 + wide)
        ]
        boxes = [(left, base - 10, left + wide, base + 3) for left, base in tries]
        fits = [box for box in boxes if box[0] >= _LEFT and box[2] <= _WIDTH and box[1] >= 0 and box[3] <= _HEIGHT - 44]
        free = [box for box in fits if not any(_overlap(box, other) for other in taken)]
        box = (free or fits or boxes)[0]
        taken.append(box)
        if abs(box[3] - 3 - (y + 4)) > 20:
            edge = box[0] if box[0] > x else box[2]
            tie = f"M{x:.1f} {y:.1f}L{edge:.1f} {box[3] - 6:.1f}"
            parts.append(f'<path d="{tie}" fill="none" stroke="currentColor" opacity="0.3"/>')
        parts.append(_text(box[0], box[3] - 3, text))
    return parts


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)


def _axes(below: str, beside: str, highest: str, y: float) -> list[str]:
    frame = f"M{_LEFT} 10V{_HEIGHT - _BOTTOM}H{_WIDTH - 10}"
    return [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" font-size="12" fill="currentColor">',
        f'<path d="{frame}" fill="none" stroke="currentColor" opacity="0.4"/>',
        _text(_WIDTH / 2, _HEIGHT - 6, below, "middle"),
        _text(4, _HEIGHT - _BOTTOM, "0"),
        _text(4, y, highest),
        _text(_LEFT + 8, 20, beside),
    ]


def _text(x: float, y: float, text: str, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
