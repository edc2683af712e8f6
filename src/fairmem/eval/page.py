"""A report before it has a format: a headline, tables, a figure, sampled answers; written as text, Markdown or HTML.

The HTML is one file without scripts and without anything from outside, for light and dark and small screens.
Texts of questions and answers are data: they are escaped in every format.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from fairmem.eval.style import CSS

_WIDTH = 100  # Of wrapped notes in a terminal.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Span:
    """A mean in [0, 1] with its interval (nan ends: none), drawn beside a table row in HTML."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column is text, the others are numbers unless `prose`.

    Attributes:
        title: Heading.
        columns: Names of the columns.
        rows: Cells, one per column.
        note: What to know when reading it.
        spans: Per row what HTML draws beside it, in the order before, after; empty for no drawing.
        prose: All columns are text.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    spans: tuple[tuple[Span, ...], ...] = ()
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """One number to see first."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered: by whom (`before`, `after`, ...), the answer or the failure, and its score."""

    label: str
    text: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Sampled:
    """One question of the sample, with its replies."""

    place: str
    question: str
    gold: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing: an SVG element, taken as it is, with its heading and what it shows."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Page:
    """A report. `figure_file` is the picture that Markdown links to, `caption` says what it shows."""

    title: str
    headline: tuple[str, ...]
    tables: tuple[Table, ...]
    tiles: tuple[Tile, ...] = ()
    figure_file: str = ""
    caption: str = ""
    figure_title: str = "Learning curve"
    samples: tuple[Sampled, ...] = ()
    samples_note: str = ""


def to_text(page: Page) -> str:
    """`page` for a terminal, without figure and samples."""
    parts = ["\n".join(_printable(line) for line in (page.title, *page.headline))]
    for table in page.tables:
        grid = [table.columns, *table.rows]
        widths = [max(len(_printable(row[i])) for row in grid) for i in range(len(table.columns))]
        shown = grid if any(table.columns) else table.rows
        lines = [_printable(table.title), *(_text_row(row, widths, table.prose) for row in shown)]
        parts.append("\n".join([*lines, *_wrapped(table.note)]))
    return "\n\n".join(parts) + "\n"


def to_markdown(page: Page) -> str:
    """`page` as Markdown, without samples."""
    parts = [f"# {_mark(page.title)}", "\n".join(f"- {_mark(line)}" for line in page.headline)]
    if page.figure_file:
        parts.append(f"![{_mark(page.caption)}]({page.figure_file})")
    for table in page.tables:
        rule = ["---"] + ["---" if table.prose else "---:"] * (len(table.columns) - 1)
        rows = [[_mark(cell) for cell in row] for row in (table.columns, *table.rows)]
        lines = ["| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:])]
        parts += [f"## {_mark(table.title)}", "\n".join(lines), *([_mark(table.note)] if table.note else [])]
    return "\n\n".join(parts) + "\n"


def to_html(page: Page, figure: str = "", more: Sequence[Figure] = ()) -> str:
    """`page` as one self-contained HTML file, with `figure`, an SVG element that is taken as it is, and `more` such."""
    title = escape(page.title)
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="color-scheme" content="light dark"><title>{title}</title><style>{CSS}</style>'
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in page.headline)
    body = [f"<header><h1>{title}</h1>{lines}</header>"]
    if page.tiles:
        body.append(f'<section class="tiles">{"".join(_tile(tile) for tile in page.tiles)}</section>')
    first, *rest = page.tables or (None,)
    body += [_html_table(first)] if first else []
    for drawn in (Figure(page.figure_title, page.caption, figure), *more):
        if drawn.svg:
            body.append(
                f"<section><h2>{escape(drawn.title)}</h2>"
                f'<figure role="img" aria-label="{escape(drawn.caption)}">{drawn.svg}'
                f"<figcaption>{escape(drawn.caption)}</figcaption></figure></section>"
            )
    body += [_html_table(table) for table in rest]
    if page.samples:
        cards = "".join(_card(sample) for sample in page.samples)
        body.append(
            f"<section><details><summary>{len(page.samples)} questions and their answers</summary>"
            f'<p class="note">{escape(page.samples_note)}</p>{cards}</details></section>'
        )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body><main>\n'
        + "\n".join(body)
        + ("\n</main></body></html>\n")
    )


def _printable(text: str) -> str:
    """`text` on one line, without what could steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _wrapped(note: str) -> list[str]:
    return wrap(_printable(note), _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _text_row(row: Sequence[str], widths: Sequence[int], prose: bool) -> str:
    cells = [_printable(cell) for cell in row]
    padded = [
        cell.ljust(width) if prose or i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return ("  " + "  ".join(padded)).rstrip()


def _mark(text: str) -> str:
    """`text` as Markdown that shows it as it is."""
    for char in "\\`*_[]|":
        text = text.replace(char, "\\" + char)
    return _printable(text).replace("<", "&lt;")


def _tile(tile: Tile) -> str:
    note = f"<small>{escape(tile.note)}</small>" if tile.note else ""
    return f'<div class="tile"><span>{escape(tile.label)}</span><b>{escape(tile.value)}</b>{note}</div>'


def _html_table(table: Table) -> str:
    drawn = bool(table.spans)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    head += '<th scope="col" class="scale"><i>0</i><i>1</i></th>' if drawn else ""
    head = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    rows: list[str] = []
    for i, (first, *others) in enumerate(table.rows):
        cells = f'<th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in others)
        rows.append(f"<tr>{cells}{_drawing(table.spans[i]) if drawn else ''}</tr>")
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    kind = ' class="prose"' if table.prose else ""
    return (
        f'<section><h2>{escape(table.title)}</h2><div class="scroll"><table{kind}>{head}'
        f"<tbody>{''.join(rows)}</tbody></table></div>{note}</section>"
    )


def _drawing(spans: Sequence[Span]) -> str:
    """Intervals as bars with a mark at the mean, on a scale from 0 to 1."""
    marks = ""
    for place, span in enumerate(spans):
        if math.isnan(span.mean):
            continue
        which = "after" if place == len(spans) - 1 else "before"
        low, high = (span.mean, span.mean) if math.isnan(span.low) else (span.low, span.high)
        marks += (
            f'<span class="line {which}"><i style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
            f'<b style="left:{100 * span.mean:.1f}%"></b></span>'
        )
    return f'<td class="drawn">{marks}</td>'


def _card(sample: Sampled) -> str:
    replies = ""
    for reply in sample.replies:
        score = "unscored" if reply.score is None else f"{reply.score:.2f}"
        replies += f"<dt>{escape(reply.label)}</dt><dd>{escape(reply.text)} <small>{score}</small></dd>"
    return (
        f'<article><small>{escape(sample.place)}</small><h3>{escape(sample.question)}</h3><dl><dt class="gold">gold'
        f'</dt><dd class="gold">{escape(sample.gold)}</dd>{replies}</dl></article>'
    )
