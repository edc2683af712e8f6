"""The answerer: answers a question from the entries of a memory bank. It is the frozen judge of what memory holds.

Source: Memory-R2 (arXiv 2605.21768), answer agent. Unlike the published code it is shown, for each entry, the
date of the last change beside the date of creation, and it is told how to say that memory holds no answer.
With `distill` it first says which entries it keeps (Memory-R1, 2508.19828; see `distill`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from fairmem.agents.compact import parse_compact_answer, render_compact_answer
from fairmem.agents.context import by_update
from fairmem.agents.distill import Kept, read_keep_line, read_quotes
from fairmem.agents.parsing import outcome_of, snippet
from fairmem.agents.prompts import PromptName, load_prompt
from fairmem.agents.wording import long_date, one_line, says_no_information
from fairmem.memory import STORES, Entry, Hit, Memory, Retriever, StructuredMemory
from fairmem.policy import Family, Message, Prompt
from fairmem.trace import ParseOutcome, Role

_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_LABEL = re.compile(r"^[ \t*#]*answer[ \t*]*:[ \t*]*(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read from one answerer reply; `text` is "" where it held no answer."""

    text: str
    outcome: ParseOutcome
    dropped: tuple[str, ...] = ()
    """What was missing or left out, if anything."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """Retrieval, prompt and parser of the answerer role.

    Attributes:
        family: Prompt family the model understands.
        retriever: Ranks entries by nearness to the question.
        per_speaker: Most entries of a bank shown per speaker.
        per_store: Most entries of a structured memory shown per store, by BM25, beside its core.
        min_score: Least score, in the retriever's own unit, of an entry that is shown. The default lets every
            cosine pass: an entry that answers a question may share no word with it.
        max_tokens: Most tokens of a reply.
        distill: Whether a reply first lists the entries it keeps.

    Raises:
        ConfigError: there is no such family.
    """

    family: Family
    retriever: Retriever
    per_speaker: int = 30
    min_score: float = -1.0
    max_tokens: int = 512
    per_store: int = 20
    distill: bool = False
    role: ClassVar[Role] = "answerer"

    def __post_init__(self) -> None:
        """Load the prompt, so that a wrong family fails here and not in a run."""
        load_prompt(self.family, self._prompt_name)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt template."""
        return load_prompt(self.family, self._prompt_name).prompt_hash

    @property
    def _prompt_name(self) -> PromptName:
        return "distiller" if self.distill and self.family == "instruct" else self.role

    def ranked(self, bank: Memory, question_text: str, speakers: Sequence[str]) -> tuple[Entry, ...]:
        """The nearest entries of each speaker, the best of all first; of a structured memory, those of each store.

        The sentences of its core come before all others.
        """
        if isinstance(bank, StructuredMemory):
            hits = [hit for store in STORES for hit in bank.search(store, question_text, self.per_store)]
            return (
                *bank.core_entries,
                *(hit.entry for hit in sorted(hits, key=lambda hit: (-hit.score, hit.entry.id))),
            )
        found: list[Hit] = []
        for speaker in dict.fromkeys(speakers):
            own = [entry for entry in bank.entries if entry.speaker == speaker]
            if own:
                found.extend(self.retriever.rank(own, question_text, self.per_speaker, self.min_score))
        return tuple(hit.entry for hit in sorted(found, key=lambda hit: (-hit.score, hit.entry.id)))

    def shown(self, bank: Memory, question_text: str, speakers: Sequence[str]) -> tuple[Entry, ...]:
        """The entries to answer from: those of `ranked`, by (time of last update, id)."""
        return by_update(self.ranked(bank, question_text, speakers))

    def prompt(self, question_text: str, shown: Sequence[Entry], speakers: Sequence[str]) -> Prompt:
        """The message that asks `question_text` of the entries `shown`, kept in their order within each speaker."""
        if self.family == "compact":
            rows = [(entry.created_time, entry.updated_time, entry.content) for entry in shown]
            return (Message("user", render_compact_answer(rows, question_text)),)
        noted: dict[str, list[str]] = {speaker: [] for speaker in speakers}
        for entry, number in zip(shown, self._numbers(shown, speakers), strict=True):
            noted.setdefault(entry.speaker, []).append(f"{number if self.distill else '-'} {_dated(entry)}")
        blocks = [
            "\n".join([f"Memories about {one_line(speaker)}:", *(lines or ["(none)"])])
            for speaker, lines in noted.items()
        ]
        return load_prompt("instruct", self._prompt_name).render(
            {"memories": "\n".join(blocks), "question": one_line(question_text)}
        )

    @staticmethod
    def _numbers(shown: Sequence[Entry], speakers: Sequence[str]) -> list[int]:
        """The number of each entry shown, from 1: as they stand in the prompt, speaker by speaker."""
        known = list(dict.fromkeys([*speakers, *(entry.speaker for entry in shown)]))
        order = sorted(range(len(shown)), key=lambda at: known.index(shown[at].speaker))
        numbers = [0] * len(shown)
        for number, at in enumerate(order, start=1):
            numbers[at] = number
        return numbers

    def kept(self, text: str, truncated: bool, shown: Sequence[Entry], speakers: Sequence[str]) -> Kept | None:
        """Which of the entries `shown` a reply keeps, as places in `shown`; None if it was not asked. Never raises."""
        if not self.distill:
            return None
        if self.family == "compact":
            return read_quotes(text, truncated, [entry.content for entry in shown])
        read = read_keep_line(text, truncated, len(shown))
        numbers = self._numbers(shown, speakers)
        return replace(read, places=tuple(numbers.index(place + 1) for place in read.places))

    def parse(self, text: str, truncated: bool) -> Answer:
        """Read a reply; never raises.

        Instruct: the last non-empty `<answer>...</answer>`; else, as PARTIAL, what follows an `<answer>` that is
        never closed, or the last line that starts with `Answer:` (bold or not). Compact: the first line.
        "no information" is an answer with outcome EMPTY. An answer that the length limit may have cut is not used.
        """
        if self.family == "compact":
            parsed = parse_compact_answer(text, truncated)
            return Answer(parsed.items[0] if parsed.items else "", parsed.outcome, parsed.dropped)
        answer, formed, dropped = _tagged_answer(text, truncated)
        outcome = outcome_of(truncated=truncated, formed=formed, kept=bool(answer), dropped=len(dropped))
        if outcome is ParseOutcome.OK and says_no_information(answer):
            outcome = ParseOutcome.EMPTY
        return Answer(answer, outcome, dropped)


def _dated(entry: Entry) -> str:
    made, changed = long_date(entry.created_time), long_date(entry.updated_time)
    dates = made if made == changed else f"{made}, changed {changed}"
    return f"[{dates}] {one_line(entry.content)}"


def _tagged_answer(text: str, truncated: bool) -> tuple[str, bool, tuple[str, ...]]:
    """(answer or "", whether the reply has any of the known forms, reasons)."""
    answer, opened, formed = "", -1, False
    for tag in _TAG.finditer(text):
        formed = True
        if not tag[1]:
            opened = tag.end()
        elif opened >= 0:
            answer = one_line(text[opened : tag.start()]) or answer
            opened = -1
    if answer:
        return answer, True, ()
    if opened >= 0:
        rest = one_line(text[opened:])
        if rest and not truncated:
            return rest, True, ("<answer> is not closed",)
        return "", True, (f"cut off: {snippet(rest)}" if rest else "<answer> is empty",)
    if formed:
        return "", True, ("<answer> is empty",)
    complete = text[: text.rfind("\n") + 1] if truncated else text
    labelled = [one_line(match[1].replace("**", "")) for match in _LABEL.finditer(complete)]
    labelled = [line for line in labelled if line]
    if labelled:
        return labelled[-1], True, ("no <answer> tags, took the line after 'Answer:'",)
    return "", False, ("no <answer> tags",)
