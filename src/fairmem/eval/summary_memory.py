"""The baseline that a summary is: one model rewrites it after every session, and the answerer is shown all of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from fairmem.agents.wording import long_date, one_line, turn_text
from fairmem.errors import ConfigError
from fairmem.eval.backend import Built, speaker_of
from fairmem.memory import Entry, Memory, MemoryBank
from fairmem.policy import Message, Policy, Prompt, SampleRequest
from fairmem.policy.render import plain_text
from fairmem.seeds import derive
from fairmem.trace import CallFailure
from fairmem.types import Conversation, Question, Session


class SummaryMemory:
    """A model rewrites one summary after every session; all of it is shown.

    Raises:
        ConfigError: the model reads compact prompts, which cannot ask for a summary.
    """

    name = "summary"
    traces = False

    def __init__(self, policy: Policy, max_tokens: int = 768, lines: int = 40, seed: int = 0) -> None:
        if policy.family != "instruct":
            raise ConfigError(
                f"memory 'summary' needs a model that follows instructions; {policy.name} reads compact prompts"
            )
        self._policy, self._max_tokens, self._lines, self._seed = policy, max_tokens, lines, seed

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """A bank of summary lines each; sessions in turn, conversations side by side."""
        summaries: list[list[str]] = [[] for _ in conversations]
        spent = [[0, 0, 0] for _ in conversations]
        growth: list[list[int]] = [[] for _ in conversations]
        failures: list[str | None] = [None] * len(conversations)
        for depth in range(max((len(c.sessions) for c in conversations), default=0)):
            live = [i for i, c in enumerate(conversations) if failures[i] is None and depth < len(c.sessions)]
            requests = [
                SampleRequest(
                    self.prompt(conversations[i], conversations[i].sessions[depth], summaries[i]),
                    self._max_tokens,
                    0.0,
                    derive(self._seed, "summary", conversations[i].id, depth),
                    "summary",
                )
                for i in live
            ]
            for i, request, reply in zip(live, requests, self._policy.sample(requests), strict=True):
                spent[i][0] += 1
                if isinstance(reply, CallFailure):
                    failures[i] = f"{reply.kind}: {reply.message}"
                else:
                    summaries[i] = _summary_lines(reply.text) or summaries[i]
                    growth[i].append(len(summaries[i]))
                    count = self._policy.count_tokens
                    used = reply.usage or (count(plain_text(request.prompt)), count(reply.text))
                    spent[i][1] += used[0]
                    spent[i][2] += used[1]
        return [
            Built(
                None if failures[i] else _summary_bank(conversation, summaries[i]),
                failure=failures[i],
                calls=spent[i][0],
                failures=int(failures[i] is not None),
                prompt_tokens=spent[i][1],
                reply_tokens=spent[i][2],
                growth=tuple(growth[i]),
            )
            for i, conversation in enumerate(conversations)
        ]

    def search(self, bank: Memory, question: Question, conversation: Conversation) -> tuple[Entry, ...]:
        """All of it."""
        return bank.entries

    def prompt(self, conversation: Conversation, session: Session, summary: Sequence[str]) -> Prompt:
        """The message that asks for the summary after `session`."""
        values = {
            "speakers": " and ".join(conversation.speakers),
            "lines": str(self._lines),
            "summary": "\n".join(f"- {line}" for line in summary) or "(nothing yet)",
            "date": long_date(session.time.date()),
            "turns": "\n".join(f"{turn.speaker}: {one_line(turn_text(turn))}" for turn in session.turns),
        }
        return (Message("user", re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], _summary_template())),)


@cache
def _summary_template() -> str:
    return (files("fairmem.eval") / "prompts" / "summary.md").read_text(encoding="utf-8")


def _summary_lines(text: str) -> list[str]:
    found = [one_line(line.lstrip(" -*•")) for line in text.splitlines() if line.lstrip()[:1] in ("-", "*", "•")]
    return [line for line in found if line]


def _summary_bank(conversation: Conversation, lines: Sequence[str]) -> MemoryBank:
    last = conversation.sessions[-1]
    times = (last.index, last.time, last.index, last.time)
    return MemoryBank.from_entries(
        Entry(number, speaker_of(line, conversation.speakers), line, *times, (), "INSERT")
        for number, line in enumerate(lines, start=1)
    )
