"""Small drawings for reports, as SVG text without scripts: score against tokens, and how memories grow.

They take their colours from the page, so that they fit light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 320, 50, 40


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
    for name, tokens, score in points:
        parts.append(f'<circle cx="{x(tokens):.1f}" cy="{y(score):.1f}" r="4"/>')
        parts.append(_text(x(tokens) + 7, y(score) - 5, name))
    return "".join(parts) + "</svg>"


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
    means = [_mean([line[i] for line in lines if i < len(line)]) for i in range(longest)]
    return "".join([*parts, drawn(means, 'stroke-width="2.5"')]) + "</svg>"


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


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
