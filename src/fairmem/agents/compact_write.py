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
UPDATE and DELETE quote the entry they are about, as a single agent's do (`compact.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fairmem.agents.compact import fact_letter
from fairmem.agents.prompts import load_prompt
from fairmem.agents.wording import compact_line, long_date, turn_text
from fairmem.types import Turn


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
