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
`mem0` ...  what the memory product of that name finds; see `fairmem.eval.peers`
==========  =================================================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

from fairmem.agents import Answerer
from fairmem.agents.wording import one_line, turn_text
from fairmem.episodes import EpisodeRunner, TreePlan, evaluation_plan
from fairmem.errors import ConfigError
from fairmem.eval.backend import Built, MemoryBackend
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers import PEERS, peer_memory
from fairmem.eval.summary_memory import SummaryMemory
from fairmem.memory import Entry, Memory, MemoryBank, OpOutcome
from fairmem.policy import Policy
from fairmem.seeds import derive
from fairmem.trace import RoleTurn
from fairmem.types import Conversation, Question


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


Search = Callable[[Memory, Question, Sequence[str]], Sequence[Entry]]
"""(bank, question, speakers) -> entries, best first."""


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

    def search(self, bank: Memory, question: Question, conversation: Conversation) -> tuple[Entry, ...]:
        """See `MemoryBackend.search`."""
        return tuple(self._search(bank, question, conversation.speakers))


class NoMemory:
    """Remembers nothing: what the answerer knows or guesses."""

    name = "none"
    traces = True

    def build(self, conversations: Sequence[Conversation]) -> list[Built]:
        """An empty bank each."""
        return [Built(MemoryBank.empty()) for _ in conversations]

    def search(self, bank: Memory, question: Question, conversation: Conversation) -> tuple[Entry, ...]:
        """Nothing."""
        return ()


class OurMemory:
    """fairmem's extractor and manager, run by the runner that trains them."""

    name = "ours"
    traces = True

    def __init__(
        self,
        runner: EpisodeRunner,
        spent: Callable[[str, str], tuple[int, int]],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> None:
        """`spent` gives the tokens of a prompt and of the reply to it."""
        self._runner, self._spent, self._temperature, self._seed = runner, spent, temperature, seed

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
            spent = [self._spent(turn.prompt, turn.text) for turn in turns if turn.failure is None]
            found.append(
                Built(
                    report.banks.get((index, tree.branches[0].id)),
                    dict(sorted(ops.items())),
                    dict(sorted(parse.items())),
                    None if failed is None else f"{failed.kind}: {failed.message}",
                    len(turns),
                    sum(turn.failure is not None for turn in turns),
                    sum(prompt for prompt, _ in spent),
                    sum(reply for _, reply in spent),
                    _growth(conversations[index], turns),
                )
            )
        return found

    def search(self, bank: Memory, question: Question, conversation: Conversation) -> tuple[Entry, ...]:
        """By the answerer's own retriever."""
        return self._runner.agents.answerer.ranked(bank, question.text, conversation.speakers)

    def _plan(self, conversation: Conversation) -> TreePlan:
        # The plan of an evaluation, without its quiz: questions are asked by the pipeline, of every backend alike.
        seed = derive(self._seed, "eval", conversation.id)
        plan = evaluation_plan(conversation, self._temperature, (), seed)
        return TreePlan(conversation, plan.branches, lambda _, __: (), seed)


def spent_by(policy: Policy) -> Callable[[str, str], tuple[int, int]]:
    """Tokens of a prompt and of its reply: as kept with the call where `policy` is recorded, else counted."""
    if isinstance(policy, RecordedCalls):
        return policy.spent
    return lambda prompt, text: (policy.count_tokens(prompt), policy.count_tokens(text))


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
    """What a backend may be made from: `runner` for ours, `writer` (its model), retrieving answerers for search.

    Products ask `gateway` and keep their stores in `folder`.
    """

    runner: EpisodeRunner
    writer: Policy
    bm25: Answerer
    dense: Answerer
    per_speaker: int
    temperature: float = 0.0
    seed: int = 0
    gateway: Gateway | None = None
    folder: Path | None = None


def _peer(name: str, setup: BackendSetup) -> MemoryBackend:
    if setup.writer.family != "instruct":
        raise ConfigError(
            f"memory '{name}' needs a model that follows instructions; {setup.writer.name} reads compact prompts"
        )
    folder = None if setup.folder is None else setup.folder / name / "stores"
    return peer_memory(name, setup.gateway, folder, setup.per_speaker)


def _last(bank: Memory, question: Question, speakers: Sequence[str], count: int) -> Sequence[Entry]:
    return bank.entries[::-1][: count * max(1, len(speakers))]


def _oracle(bank: Memory, question: Question, speakers: Sequence[str]) -> Sequence[Entry]:
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
    "ours": lambda setup: OurMemory(setup.runner, spent_by(setup.writer), setup.temperature, setup.seed),
    **{name: partial(_peer, name) for name in PEERS},
}
"""Name on the command line -> backend. Add a line to evaluate another memory."""


def build_backend(name: str, setup: BackendSetup) -> MemoryBackend:
    """The backend called `name`.

    Raises:
        ConfigError: there is none, or it cannot work with the models given.
        MissingExtraError: it needs a package that is not installed.
    """
    if name not in BACKENDS:
        raise ConfigError(f"memory '{name}' is unknown; expected some of {', '.join(BACKENDS)}")
    return BACKENDS[name](setup)
