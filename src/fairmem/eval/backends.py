"""What keeps a memory in an evaluation: fairmem itself, and the baselines it has to beat, behind one protocol.

Each builds a bank of entries from a conversation and finds entries for a question. Everything after that is the same
for all: one answerer, one prompt, one budget, the same questions. Entries carry the turns they came from, so evidence
recall means the same in every row (a summary names no turns, and has none).

==========  =================================================================================================
name        what the answerer is shown
==========  =================================================================================================
`none`      nothing
`full`      every turn; with a budget, the newest that fit
`last`      the newest turns, as many as others may show entries
`bm25`      the turns nearest by BM25, per speaker
`dense`     the turns nearest by vectors (the built-in hashed embedder unless told otherwise), per speaker
`summary`   a summary that a model rewrites after every session
`oracle`    the evidence turns of the question: what perfect search over turns would find
`ours`      the entries that fairmem's extractor and manager keep, by its own retriever, per speaker
==========  =================================================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Protocol

from fairmem.agents import Answerer
from fairmem.agents.wording import long_date, one_line, turn_text
from fairmem.episodes import EpisodeRunner, TreePlan, evaluation_plan
from fairmem.errors import ConfigError
from fairmem.memory import Entry, MemoryBank, OpOutcome
from fairmem.policy import Message, Policy, Prompt, SampleRequest
from fairmem.policy.render import plain_text
from fairmem.seeds import derive
from fairmem.trace import CallFailure, RoleTurn
from fairmem.types import Conversation, Question, Session


@dataclass(frozen=True, slots=True)
class Built:
    """A memory after the last session. `bank` is None if it could not be built; `failure` then says why.

    `ops` counts operations (`OP outcome`), `parse` replies (`role outcome`), where there are such. `calls` were made to
    build it, `failures` of them failed; their tokens are counted from the texts. `growth` has the live entries after
    each session.
    """

    bank: MemoryBank | None
    ops: dict[str, int] = field(default_factory=dict[str, int])
    parse: dict[str, int] = field(default_factory=dict[str, int])
    failure: str | None = None
    calls: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    growth: tuple[int, ...] = ()


class MemoryBackend(Protocol):
    """Keeps memories and finds entries in them.

    Attributes:
        name: What reports call it.
        traces: Whether entries name the turns they came from.
    """

    name: str
    traces: bool

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """One memory per conversation, in order. Failed model calls make a `Built` without a bank, no exception."""
        ...

    def search(self, bank: MemoryBank, question: Question, speakers: Sequence[str]) -> tuple[Entry, ...]:
        """The entries for `question`, best first."""
        ...


def turn_bank(conversation: Conversation) -> MemoryBank:
    """One entry per turn, in order, each naming its speaker."""
    said = [(session, turn) for session in conversation.sessions for turn in session.turns]
    return MemoryBank.from_entries(
        Entry(
            id=number,
            speaker=turn.speaker,
            content=f"{turn.speaker}: {one_line(turn_text(turn))}",
            created_session=session.index,
            created_time=session.time,
            updated_session=session.index,
            updated_time=session.time,
            sources=(turn.id,),
            op="INSERT",
        )
        for number, (session, turn) in enumerate(said, start=1)
    )


Search = Callable[[MemoryBank, Question, Sequence[str]], Sequence[Entry]]


class TurnMemory:
    """Keeps every turn as it was said; `search` decides what is found again."""

    traces = True

    def __init__(self, name: str, search: Search) -> None:
        self.name = name
        self._search = search

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """A bank of turns each."""
        return [
            Built(turn_bank(conversation), growth=tuple(accumulate(len(s.turns) for s in conversation.sessions)))
            for conversation in conversations
        ]

    def search(self, bank: MemoryBank, question: Question, speakers: Sequence[str]) -> tuple[Entry, ...]:
        """See `MemoryBackend.search`."""
        return tuple(self._search(bank, question, speakers))


class NoMemory:
    """Remembers nothing: what the answerer knows or guesses."""

    name = "none"
    traces = True

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """An empty bank each."""
        return [Built(MemoryBank.empty()) for _ in conversations]

    def search(self, bank: MemoryBank, question: Question, speakers: Sequence[str]) -> tuple[Entry, ...]:
        """Nothing."""
        return ()


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
                    spent[i][1] += self._policy.count_tokens(plain_text(request.prompt))
                    spent[i][2] += self._policy.count_tokens(reply.text)
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

    def search(self, bank: MemoryBank, question: Question, speakers: Sequence[str]) -> tuple[Entry, ...]:
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

    def about(line: str) -> str:
        return next((name for name in conversation.speakers if line.startswith(name)), conversation.speakers[0])

    return MemoryBank.from_entries(
        Entry(number, about(line), line, last.index, last.time, last.index, last.time, (), "INSERT")
        for number, line in enumerate(lines, start=1)
    )


class OurMemory:
    """fairmem's extractor and manager, run by the runner that trains them."""

    name = "ours"
    traces = True

    def __init__(
        self, runner: EpisodeRunner, count_tokens: Callable[[str], int], temperature: float = 0.0, seed: int = 0
    ) -> None:
        self._runner, self._count, self._temperature, self._seed = runner, count_tokens, temperature, seed

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """The banks after one rollout each, in shared waves."""
        plans = [self._plan(conversation) for conversation in conversations]
        trees, report = self._runner.run(plans, step=0, policy_version=0)
        found: list[Built] = []
        for index, tree in enumerate(trees):
            turns = tree.branches[0].turns
            ops = Counter(f"{op.op} {op.outcome}" for turn in turns for op in turn.ops)
            parse = Counter(f"{turn.role} {turn.parse.value}" for turn in turns if turn.parse is not None)
            failed = next((turn.failure for turn in turns if turn.failure is not None), None)
            found.append(
                Built(
                    report.banks.get((index, tree.branches[0].id)),
                    dict(sorted(ops.items())),
                    dict(sorted(parse.items())),
                    None if failed is None else f"{failed.kind}: {failed.message}",
                    len(turns),
                    sum(turn.failure is not None for turn in turns),
                    sum(self._count(turn.prompt) for turn in turns if turn.failure is None),
                    sum(self._count(turn.text) for turn in turns),
                    _growth(conversations[index], turns),
                )
            )
        return found

    def search(self, bank: MemoryBank, question: Question, speakers: Sequence[str]) -> tuple[Entry, ...]:
        """By the answerer's own retriever."""
        return self._runner.agents.answerer.ranked(bank, question.text, speakers)

    def _plan(self, conversation: Conversation) -> TreePlan:
        # The plan of an evaluation, without its quiz: questions are asked by the pipeline, of every backend alike.
        seed = derive(self._seed, "eval", conversation.id)
        plan = evaluation_plan(conversation, self._temperature, (), seed)
        return TreePlan(conversation, plan.branches, lambda _, __: (), seed)


def _growth(conversation: Conversation, turns: Sequence[RoleTurn]) -> tuple[int, ...]:
    """Live entries after each session, from the operations that were applied."""
    change: Counter[int] = Counter()
    for turn in turns:
        for op in turn.ops:
            if op.outcome == OpOutcome.APPLIED.value:
                change[turn.session] += {"INSERT": 1, "DELETE": -1}.get(op.op, 0)
    return tuple(accumulate(change[session.index] for session in conversation.sessions))


# --- the table -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BackendSetup:
    """What a backend may be made from: `runner` for ours, `writer` (its model), retrieving answerers for search."""

    runner: EpisodeRunner
    writer: Policy
    bm25: Answerer
    dense: Answerer
    per_speaker: int
    temperature: float = 0.0
    seed: int = 0


def _last(bank: MemoryBank, question: Question, speakers: Sequence[str], count: int) -> Sequence[Entry]:
    return bank.entries[::-1][: count * max(1, len(speakers))]


def _oracle(bank: MemoryBank, question: Question, speakers: Sequence[str]) -> Sequence[Entry]:
    wanted = set(question.evidence)
    return [entry for entry in bank.entries if wanted.intersection(entry.sources)]


BACKENDS: dict[str, Callable[[BackendSetup], MemoryBackend]] = {
    "none": lambda setup: NoMemory(),
    "full": lambda setup: TurnMemory("full", lambda bank, question, speakers: bank.entries[::-1]),
    "last": lambda setup: TurnMemory("last", lambda b, q, speakers: _last(b, q, speakers, setup.per_speaker)),
    "bm25": lambda setup: TurnMemory("bm25", lambda b, q, speakers: setup.bm25.ranked(b, q.text, speakers)),
    "dense": lambda setup: TurnMemory("dense", lambda b, q, speakers: setup.dense.ranked(b, q.text, speakers)),
    "summary": lambda setup: SummaryMemory(setup.writer, seed=setup.seed),
    "oracle": lambda setup: TurnMemory("oracle", _oracle),
    "ours": lambda setup: OurMemory(setup.runner, setup.writer.count_tokens, setup.temperature, setup.seed),
}
"""Name on the command line -> backend. Add a line to evaluate another memory."""


def build_backend(name: str, setup: BackendSetup) -> MemoryBackend:
    """The backend called `name`.

    Raises:
        ConfigError: there is none, or it cannot work with the models given.
    """
    if name not in BACKENDS:
        raise ConfigError(f"memory '{name}' is unknown; expected some of {', '.join(BACKENDS)}")
    return BACKENDS[name](setup)
