"""Prompt and reply of the writer of a structured memory in the `compact` family.

    <write> 7 May 2023
    core
    Ana lives in Paris. Bo works as a tutor.
    semantic
    1 Bo has a car.
    episodic
    2 Ana plans to travel to Fiji.
    <turns>
    a Ana: I moved to Lodz.
    b Bo: I sold my car.
    <out>

    a CORE Ana lives in Lodz. Bo works as a tutor.
    b DELETE Bo has a car.

`core` is one text that a CORE line rewrites as a whole. INSERT names the store (`a INSERT episodic Ana plans ...`);
UPDATE and DELETE quote the entry they are about, as a single agent's do (`compact.py`); `none` says that there is
nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from fairmem.agents.compact import NOTHING, OP_LINE, OP_NAMES, complete_lines, fact_letter, read_change
from fairmem.agents.parsing import Parsed, outcome_of, snippet
from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import compact_line, long_date, turn_text
from fairmem.memory import STORES, Store
from fairmem.trace import ParseOutcome
from fairmem.types import Turn

_CORE = "CORE"


class Written(NamedTuple):
    """One line of a writer's reply: turn index from 0, INSERT/UPDATE/DELETE/NOOP/CORE, and what it is about.

    `position` is that of the entry among those shown, from 1; `text` the new wording, None for DELETE and NOOP.
    """

    turn: int
    op: str
    position: int | None = None
    text: str | None = None
    store: Store | None = None


def render_compact_write(
    date: datetime, core: str, semantic: Sequence[str], episodic: Sequence[str], turns: Sequence[Turn]
) -> str:
    """The writer's prompt: the core text, the entries shown of both stores, numbered through from 1, and the turns."""
    numbered = [f"{number} {compact_line(entry)}" for number, entry in enumerate([*semantic, *episodic], 1)]
    said = [
        f"{fact_letter(index)} {compact_line(turn.speaker)}: {compact_line(turn_text(turn))}"
        for index, turn in enumerate(turns)
    ]
    return (
        load_prompt("compact", "writer")
        .messages[0][1]
        .render(
            {
                "date": long_date(date),
                "core": compact_line(core),
                "semantic": "\n".join(numbered[: len(semantic)]),
                "episodic": "\n".join(numbered[len(semantic) :]),
                "turns": "\n".join(said),
            }
        )
    )


def parse_compact_write(text: str, truncated: bool, turns: int, shown: Sequence[str]) -> Parsed[Written]:
    """Read a writer's reply about `turns` turns and the entries `shown` (both stores, numbered through); never raises.

    The second line that would touch the same entry is dropped, as are a second CORE and a repeated INSERT.
    """
    lines, dropped = complete_lines(text, truncated)
    index_of = {fact_letter(index): index for index in range(turns)}
    position_of = {compact_line(entry): at for at, entry in reversed(list(enumerate(shown, 1)))}
    found: list[Written] = []
    taken: set[object] = set()
    nothing = [line.lower() for line in lines] == [NOTHING]
    formed = nothing
    for line in [] if nothing else lines:
        match = OP_LINE.fullmatch(line)
        name = match[2].upper() if match else ""
        name = name if name == _CORE else OP_NAMES.get(name)
        if match is None or name is None:
            dropped.append(f"not 'LETTER OPERATION': {snippet(line)}")
            continue
        formed = True
        if match[1] not in index_of:
            dropped.append(f"no turn {match[1]} among {turns}: {snippet(line)}")
            continue
        item = _item(index_of[match[1]], name, match[3] or "", position_of, len(shown))
        if isinstance(item, str):
            dropped.append(f"{item}: {snippet(line)}")
            continue
        key = item.position or (item.op if item.op == _CORE else item)
        if key in taken:
            dropped.append(f"second operation on {'the core' if item.op == _CORE else 'the same'}: {snippet(line)}")
            continue
        taken.add(key)
        found.append(item)
    outcome = outcome_of(truncated=truncated, formed=formed, kept=len(found), dropped=len(dropped))
    if outcome is ParseOutcome.OK and all(item.op == "NOOP" for item in found):
        outcome = ParseOutcome.EMPTY
    return Parsed(tuple(found), outcome, tuple(dropped))


def _item(turn: int, name: str, rest: str, position_of: Mapping[str, int], shown: int) -> Written | str:
    """What `name rest` asks for on a turn, or the reason why it cannot be used."""
    if name == _CORE:
        return Written(turn, name, text=rest) if rest else "CORE without a text"
    if name == "INSERT":
        store, _, wording = rest.partition(" ")
        known: Store | None = next((each for each in STORES if each == store.lower()), None)
        if known is None:
            return f"INSERT names no store of {', '.join(STORES)}"
        return Written(turn, name, text=wording.strip(), store=known) if wording.strip() else "INSERT without a text"
    change = read_change(turn, name, rest, position_of, shown)
    if isinstance(change, str):
        return change
    if name == "UPDATE" and change[3] is None:
        return "UPDATE without wording of its own"
    return Written(turn, name, change[2], change[3])
