"""Prompts and replies of the `compact` family: short line formats for small models trained on them.

    <extract> 7 May 2023          <manage> 7 May 2023          <answer>
    1 Ana: I moved to Lodz.       1 Ana lives in Paris.        Ana lives in Lodz. | 7 May 2023
    2 Bo: Nice weather.           <facts>                      <question> Where does Ana live?
    <out>                         a Ana lives in Lodz.         <out>
                                  <out>
    1 Ana lives in Lodz.          a UPDATE Ana lives in Paris. Ana lives in =Lodz=.

The prompt ends with the newline after `<out>`; the reply follows it. Turns and entries are numbered from 1
as shown, facts are lettered a..z, aa, ab... A decision quotes the entry it is about (its number will do too), an
answer quotes what it rests on and marks what answers with `=`: a small model finds an entry far more easily
by writing it out than by pointing at it. `format_*` writes the replies that `parse_*` reads, for demonstrations.
All functions are pure; free text passes `compact_line`, so it is one line without `<`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from fairmem.agents.parsing import Parsed, Span, outcome_of, snippet
from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import NO_INFORMATION, compact_line, long_date, one_line, says_no_information, turn_text
from fairmem.trace import ParseOutcome, Role
from fairmem.types import Turn

NOTHING = "none"
"""The extractor's or manager's reply that says there is nothing to do."""

ARROW = " -> "
"""Stands between the content of an entry and what is to take its place."""

_FACT_LINE = re.compile(r"([0-9]{1,6}) +(\S.*)")
OP_LINE = re.compile(r"([a-z]{1,3}) +([A-Za-z]+)(?: +(.*))?")
"""One line of a decision: letter, operation, what follows."""
_MARKED = re.compile(r"=\s*([^=]*[^=\s])\s*=")
_POSITION = re.compile(r"([0-9]{1,6})(?: +(.*))?")
OP_NAMES = {
    "INSERT": "INSERT",
    "ADD": "INSERT",
    "UPDATE": "UPDATE",
    "DELETE": "DELETE",
    "NOOP": "NOOP",
    "NONE": "NOOP",
}
"""Word of a line -> operation."""
_ON_ENTRY = ("UPDATE", "DELETE")

Change = tuple[int, str, int | None, str | None]
"""One line of a decision: fact index from 0, INSERT/UPDATE/DELETE/NOOP, entry position from 1, own wording."""


def fact_letter(index: int) -> str:
    """The letter of fact `index` (from 0): a..z, then aa, ab, ..., as spreadsheet columns are named."""
    letters = ""
    index += 1
    while index:
        index, last = divmod(index - 1, 26)
        letters = chr(ord("a") + last) + letters
    return letters


def _render(role: Role, values: dict[str, str]) -> str:
    return load_prompt("compact", role).messages[0][1].render(values)


def render_compact_extract(date: datetime, turns: Sequence[Turn]) -> str:
    """The extractor's prompt for `turns` of a session held on `date`."""
    lines = [
        f"{number} {compact_line(turn.speaker)}: {compact_line(turn_text(turn))}"
        for number, turn in enumerate(turns, 1)
    ]
    return _render("extractor", {"date": long_date(date), "turns": "\n".join(lines)})


def render_compact_manage(date: datetime, entries: Sequence[str], facts: Sequence[str]) -> str:
    """The manager's prompt: the shown `entries` (numbered from 1, in the given order) and the new `facts`."""
    return _render(
        "manager",
        {
            "date": long_date(date),
            "entries": "\n".join([f"{number} {compact_line(entry)}" for number, entry in enumerate(entries, 1)]),
            "facts": "\n".join([f"{fact_letter(index)} {compact_line(fact)}" for index, fact in enumerate(facts)]),
        },
    )


def render_compact_single(date: datetime, entries: Sequence[str], turns: Sequence[Turn]) -> str:
    """The single agent's prompt: the shown `entries`, numbered from 1, and the new `turns`, lettered."""
    said = [
        f"{fact_letter(index)} {compact_line(turn.speaker)}: {compact_line(turn_text(turn))}"
        for index, turn in enumerate(turns)
    ]
    numbered = [f"{number} {compact_line(entry)}" for number, entry in enumerate(entries, 1)]
    return _render("single", {"date": long_date(date), "entries": "\n".join(numbered), "turns": "\n".join(said)})


def render_compact_answer(entries: Sequence[tuple[datetime, datetime, str]], question: str) -> str:
    """The answerer's prompt: `entries` as (created, last updated, content) in the given order, then the question.

    Dates follow the content; an entry updated on a later date than it was made on shows both,
    `2 January 2023 > 7 May 2023`. A `=` in a content or the question is shown as a blank: what an answer quotes must
    not bring marks of its own.
    """
    lines: list[str] = []
    for created, updated, content in entries:
        first, last = long_date(created), long_date(updated)
        lines.append(f"{_unmarked(content)} | {last if first == last else f'{first} > {last}'}")
    return _render("answerer", {"entries": "\n".join(lines), "question": _unmarked(question)})


def _unmarked(text: str) -> str:
    """`compact_line` of `text` with blanks for `=`, the mark of an answer."""
    return compact_line(text.replace("=", " "))


def format_extraction(items: Sequence[tuple[int, str]]) -> str:
    """The extractor's reply that states `items`: (turn number from 1, fact) each."""
    return "\n".join([f"{turn} {compact_line(fact)}" for turn, fact in items]) or NOTHING


def format_decision(ops: Sequence[tuple[str, str, str | None]]) -> str:
    """The manager's reply that states `ops`: (fact letter, operation name, content of the entry or None) each.

    INSERT and NOOP concern no entry; one given with them is not written.
    """
    lines = [f"{fact} {op} {compact_line(at or '')}" if op in _ON_ENTRY else f"{fact} {op}" for fact, op, at in ops]
    return "\n".join(lines) or NOTHING


def format_changes(changes: Sequence[tuple[str, str, str | None, str]]) -> str:
    """A single agent's reply: (turn letter, operation name, content of the entry or None, new wording) each."""
    lines: list[str] = []
    for turn, op, at, wording in changes:
        parts = ARROW.join(compact_line(text) for text in (at, wording) if text)
        lines.append(f"{turn} {op} {parts}".rstrip())
    return "\n".join(lines) or NOTHING


def format_answer(support: Sequence[tuple[str, str]]) -> str:
    """The answerer's reply that rests on `support`: (quoted sentence, the part of the answer it gives) each.

    A part that the sentence contains is marked in it; another (a date, yes or no) is marked behind it; a sentence
    with an empty part is only quoted. Nothing to rest on is written as `no information`.
    """
    quotes: list[str] = []
    for sentence, part in support:
        sentence, part = _unmarked(sentence), _unmarked(part)
        at = sentence.rfind(part) if part else -1
        if at >= 0:
            quotes.append(f"{sentence[:at]}={part}={sentence[at + len(part) :]}")
        else:
            quotes.append(f"{sentence} ={part}=" if part else sentence)
    return " ".join(quotes) or NO_INFORMATION


def complete_lines(text: str, truncated: bool) -> tuple[list[str], list[str]]:
    """Non-blank lines of `text`, and the reason why the last was left out if the reply was cut inside it."""
    placed, dropped = placed_lines(text, truncated)
    return [line for line, _ in placed], dropped


def placed_lines(text: str, truncated: bool) -> tuple[list[tuple[str, Span]], list[str]]:
    """As `complete_lines`, each line with where it stands in `text`, its line break apart."""
    lines: list[tuple[str, Span]] = []
    start = 0
    for raw in text.split("\n"):
        lines.append((one_line(raw), (start, start + len(raw))))
        start += len(raw) + 1
    cut = lines.pop()[0] if truncated else ""
    return [(line, span) for line, span in lines if line], [f"cut off: {snippet(cut)}"] if cut else []


def parse_compact_extract(text: str, truncated: bool, turns: int) -> Parsed[tuple[int, str]]:
    """Read an extractor reply about `turns` turns as (turn number from 1, fact) items."""
    lines, dropped = placed_lines(text, truncated)
    if [line.lower() for line, _ in lines] == [NOTHING]:
        return Parsed((), ParseOutcome.TRUNCATED if truncated else ParseOutcome.EMPTY, tuple(dropped))
    items: dict[tuple[int, str], Span] = {}
    formed = False
    for line, span in lines:
        match = _FACT_LINE.fullmatch(line)
        if match is None:
            dropped.append(f"not 'NUMBER fact': {snippet(line)}")
            continue
        formed = True
        item = (int(match[1]), match[2])
        if not 1 <= item[0] <= turns:
            dropped.append(f"no turn {item[0]} among {turns}: {snippet(line)}")
        elif item in items:
            dropped.append(f"said twice: {snippet(line)}")
        else:
            items[item] = span
    outcome = outcome_of(truncated=truncated, formed=formed, kept=len(items), dropped=len(dropped))
    return Parsed(tuple(items), outcome, tuple(dropped), tuple(items.values()))


def parse_compact_decision(
    text: str, truncated: bool, facts: int, shown: Sequence[str], worded: bool = False
) -> Parsed[Change]:
    """Read a manager reply about `facts` facts and the entries `shown` as changes, in the order of the reply.

    An entry is named by its content as shown or by its number; a number may be followed by wording of its own.

    A fact that no line mentions gets a NOOP after the others, unless nothing of the form was found.
    The second line that would touch the same entry is dropped, as is a second INSERT of the same fact.

    With `worded` the letters are a single agent's turns: INSERT and UPDATE have to bring the wording of what they
    store (`a UPDATE Ana lives in Paris. -> Ana lives in Lodz.`, or `a UPDATE 1 Ana lives in Lodz.`), a turn may give
    several INSERTs of different wording, and a turn that no line mentions gets nothing.
    """
    lines, dropped = placed_lines(text, truncated)
    index_of = {fact_letter(index): index for index in range(facts)}
    changes: list[Change] = []
    spans: list[Span | None] = []
    position_of = {compact_line(entry): at for at, entry in reversed(list(enumerate(shown, 1)))}
    mentioned: set[int] = set()
    touched: set[int] = set()
    inserted: set[tuple[int, str | None]] = set()
    nothing = [line.lower() for line, _ in lines] == [NOTHING]
    formed = nothing
    for line, span in [] if nothing else lines:
        match = OP_LINE.fullmatch(line)
        name = OP_NAMES.get(match[2].upper()) if match else None
        if match is None or name is None:
            dropped.append(f"not 'LETTER OPERATION': {snippet(line)}")
            continue
        formed = True
        index = index_of.get(match[1])
        if index is None:
            dropped.append(f"no fact {match[1]} among {facts}: {snippet(line)}")
            continue
        mentioned.add(index)
        change = read_change(index, name, match[3] or "", position_of, len(shown))
        if isinstance(change, str):
            dropped.append(f"{change}: {snippet(line)}")
        elif worded and name in ("INSERT", "UPDATE") and change[3] is None:
            dropped.append(f"{name} without wording of its own: {snippet(line)}")
        elif change[2] in touched:
            dropped.append(f"second operation on entry {change[2]}: {snippet(line)}")
        elif name == "INSERT" and (index, change[3] if worded else None) in inserted:
            dropped.append(f"second INSERT of fact {match[1]}: {snippet(line)}")
        else:
            changes.append(change)
            spans.append(span)
            if change[2] is not None:
                touched.add(change[2])
            if name == "INSERT":
                inserted.add((index, change[3] if worded else None))
    outcome = outcome_of(truncated=truncated, formed=formed, kept=len(changes), dropped=len(dropped))
    if outcome is ParseOutcome.OK and all(name == "NOOP" for _, name, _, _ in changes):
        outcome = ParseOutcome.EMPTY
    if formed and not worded:
        changes += [(index, "NOOP", None, None) for index in range(facts) if index not in mentioned]
        spans += [None] * (len(changes) - len(spans))
    return Parsed(tuple(changes), outcome, tuple(dropped), tuple(spans))


def read_change(index: int, name: str, rest: str, position_of: Mapping[str, int], shown: int) -> Change | str:
    """The change that `name rest` asks for on fact `index`, or the reason why it cannot be used."""
    position = _POSITION.fullmatch(rest)
    if name in _ON_ENTRY:
        if rest in position_of:
            return (index, name, position_of[rest], None)
        if name == "UPDATE" and (reworded := _reworded(rest, position_of)) is not None:
            return (index, name, *reworded)
        if position is None:
            return f"{name} names no entry that was shown"
        at, wording = int(position[1]), position[2]
        if not 1 <= at <= shown:
            return f"no entry {at} among {shown}"
        if name == "DELETE" and wording:
            return "text after DELETE"
        return (index, name, at, wording or None)
    if name == "NOOP" and rest:
        return "text after NOOP"
    if position is not None and not position[2]:
        return "INSERT takes no entry number"
    return (index, name, None, rest or None)


def _reworded(rest: str, position_of: Mapping[str, int]) -> tuple[int, str] | None:
    """Entry position and new wording of `QUOTE -> WORDING`, if what stands before some arrow is an entry shown."""
    at = rest.find(ARROW)
    while at >= 0:
        if (position := position_of.get(rest[:at])) is not None and rest[at + len(ARROW) :]:
            return position, rest[at + len(ARROW) :]
        at = rest.find(ARROW, at + 1)
    return None


def parse_compact_answer(text: str, truncated: bool) -> Parsed[str]:
    """Read an answerer reply: the marked parts of its first line, else the whole line, as one item.

    `no information` is an item with outcome EMPTY.
    """
    lines, dropped = complete_lines(text, truncated)
    dropped += [f"text after the answer: {snippet(line)}" for line in lines[1:]]
    answer = [", ".join(_MARKED.findall(line)) or line for line in lines[:1]]
    outcome = outcome_of(truncated=truncated, formed=bool(answer), kept=len(answer), dropped=len(dropped))
    if outcome is ParseOutcome.OK and says_no_information(answer[0]):
        outcome = ParseOutcome.EMPTY
    return Parsed(tuple(answer), outcome, tuple(dropped))
