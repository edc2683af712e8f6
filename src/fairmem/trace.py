"""The versioned record of an episode tree. Credit, evaluation, audit and every viewer read this and nothing else.

One `EpisodeTree` is one conversation rolled out at one step. It holds `Branch`es: global ones start at the
root (empty memory), local ones fork from another branch at the start of a session. A branch holds the
`RoleTurn`s sampled on it (one model call each), the `QuizItem`s its memory was asked, and its `rewards`,
kept as separate parts per session until a credit rule combines them. Derived values are properties.

On disk a trace is JSON lines: one header (`format`, `version`, run metadata), then one line per tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fairmem.errors import CheckpointError

TRACE_FORMAT = "fairmem-trace"
TRACE_VERSION = 1

Role = Literal["extractor", "manager", "answerer", "single", "writer", "tooluser"]
"""Who is called: extractor and manager, a single agent in their place, or the writer of a structured memory write; the
answerer and the tool user read."""


class StopReason(StrEnum):
    """Why a model stopped writing."""

    EOS = "eos"
    """It ended its message."""
    LENGTH = "length"
    """It hit the token limit; its text is cut."""


class FailureKind(StrEnum):
    """Why a model call gave no usable reply. A failed call is never scored as 0."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    BAD_RESPONSE = "bad_response"
    """The endpoint replied, but not with what its protocol promises."""
    REFUSED = "refused"
    """The endpoint rejected the request (4xx other than 429)."""
    PROMPT_TOO_LONG = "prompt_too_long"
    NOT_RECORDED = "not_recorded"
    """A cassette has no reply for this request."""
    SKIPPED = "skipped"
    """Not called, because an earlier call of the same branch failed."""


class ParseOutcome(StrEnum):
    """What became of one model reply in the parser. Every reply gets exactly one."""

    OK = "ok"
    EMPTY = "empty"
    """Well formed, and it says that there is nothing to do."""
    PARTIAL = "partial"
    """Some items were usable, others were dropped (see `dropped`)."""
    NO_ITEMS = "no_items"
    """The reply has the right outer form, but no usable item in it."""
    UNPARSABLE = "unparsable"
    """Nothing of the expected form was found."""
    TRUNCATED = "truncated"
    """The reply hit the length limit; the items complete before the cut were used."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CallFailure(_Record):
    """A model call that gave no usable reply, after all retries."""

    kind: FailureKind
    message: str
    attempts: int = 1


class OpRecord(_Record):
    """One memory operation as it was applied: what the model asked for and what came of it."""

    op: str
    """INSERT, UPDATE, DELETE or NOOP; of a structured memory also CORE or SEARCH."""
    outcome: str
    """A value of `fairmem.memory.OpOutcome`."""
    entry: int | None = None
    """Id of the entry that was made or touched, if any."""
    speaker: str | None = None
    content: str | None = None
    source: str | None = None
    """Turn id given as provenance."""
    store: str | None = None
    """Structured memory: the store that was written."""
    faithful: bool | None = None
    """Whether a content judge found that the chunk supports what was written; None if it was not asked or failed."""
    judge_failure: CallFailure | None = None
    """Why the content judge gave no verdict."""


class Line(_Record):
    """The sampled tokens `first` to `last` (the one after) that wrote one fact or asked for one operation."""

    first: int
    last: int
    source: str | None = None
    """Dialogue turn that the fact or operation gives as its source."""
    op: int | None = None
    """Index in the turn's `ops`; None for a fact of the extractor."""


class RoleTurn(_Record):
    """One model call: the prompt, the sampled tokens with their log-probabilities, and what they did to memory."""

    id: str
    role: Role
    session: int
    chunk: int
    prompt: str
    """Text of the prompt as the template rendered it."""
    prompt_hash: str
    """Hash of the prompt template (not of its filled-in variables)."""
    prompt_ids: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()
    """Sampled token ids, the end-of-message token included when it was sampled. These are what is trained."""
    logprobs: tuple[float, ...] = ()
    """log p(token) in nats at the sampling temperature, one per sampled id; empty if the backend gives none."""
    text: str = ""
    stop: StopReason | None = None
    policy_version: int | None = None
    """Version of the weights that sampled it, where a server keeps count; None is that of the tree."""
    seed: int = 0
    failure: CallFailure | None = None
    parse: ParseOutcome | None = None
    dropped: tuple[str, ...] = ()
    """One reason per item of the reply that could not be used."""
    facts: tuple[str, ...] = ()
    """Extractor: the facts read from the reply."""
    ops: tuple[OpRecord, ...] = ()
    """Manager: the operations, in the order they were applied."""
    bank_before: str = ""
    bank_after: str = ""
    """Content hashes of the memory bank around this turn."""
    lines: tuple[Line, ...] = ()
    """Which tokens wrote what. Of global branches, if `rollout.op_values` is on."""


class QuizItem(_Record):
    """One question asked of a branch's memory after a session."""

    question: str
    """Question id."""
    category: str
    after_session: int
    gold: str
    answer: str | None = None
    """None when the answerer's call failed."""
    score: float | None = None
    """Answer score in [0, 1]; None when the call failed. Never 0 for a failure."""
    shown: tuple[int, ...] = ()
    """Ids of the memory entries the answerer saw."""
    sessions: tuple[int, ...] = ()
    """Sessions that hold the question's evidence; credit is attributed to these."""
    failure: CallFailure | None = None
    keep: ParseOutcome | None = None
    """With distillation: what became of the list of entries that the reply keeps."""
    kept: tuple[int, ...] = ()
    """With distillation: ids of the entries shown that the reply keeps."""
    grounds: tuple[int, ...] = ()
    """With distillation: ids of the entries shown that came from a turn of the question's evidence."""

    @property
    def keep_precision(self) -> float | None:
        """Share of the kept entries that hold evidence; None if nothing was kept."""
        return len(set(self.kept) & set(self.grounds)) / len(self.kept) if self.kept else None

    @property
    def keep_recall(self) -> float | None:
        """Share of the shown entries with evidence that were kept; None if none was shown, or nothing was asked."""
        known = self.keep is not None and self.grounds
        return len(set(self.kept) & set(self.grounds)) / len(self.grounds) if known else None


class SessionReward(_Record):
    """Reward parts of one session on one branch, kept apart. A part that could not be measured is None."""

    session: int
    parts: dict[str, float | None] = Field(default_factory=dict)
    questions: int = 0
    """How many scored questions the answer part is the mean of."""


class OpGain(_Record):
    """What a memory is worth less without one of its operations: the final one, or that after the operation's session.

    Parts as in `SessionReward`, each with the operation less without it; so a penalty that the operation raises is
    above 0. A part that could not be measured is None.
    """

    turn: str
    """Id of the turn that asked for the operation."""
    op: int
    """Index in the turn's `ops`."""
    parts: dict[str, float | None] = Field(default_factory=dict)
    questions: int = 0
    """How many questions were asked with and without it."""


class Branch(_Record):
    """A path through the episode: one global rollout, or one local rerollout from a shared memory state."""

    id: str
    kind: Literal["global", "local"]
    member: int
    """Index within its comparison group."""
    parent: str | None = None
    """Local: the branch whose memory state this one started from."""
    fork_session: int | None = None
    """Local: the first session this branch rolled out itself."""
    reused: bool = False
    """Local: nothing was sampled for it; its turns are the parent's own, from `fork_session` on."""
    start_bank: str = ""
    turns: tuple[RoleTurn, ...] = ()
    quiz: tuple[QuizItem, ...] = ()
    rewards: tuple[SessionReward, ...] = ()
    values: tuple[SessionReward, ...] = ()
    """Global: what its memory after a session would earn over the whole quiz if it were the final one. Of the last
    session; of every other too, from 0 (the start) on, if `rollout.state_values` is on."""
    gains: tuple[OpGain, ...] = ()
    """Global: what each operation that changed memory was worth, if `rollout.op_values` is on. One that is not here
    changed nothing."""
    final_bank: str = ""
    bank_entries: int = 0
    bank_tokens: int = 0

    @property
    def failed(self) -> bool:
        """Whether any role turn of this branch got no usable reply; such a branch is left out of every group."""
        return any(turn.failure is not None for turn in self.turns)


class EpisodeTree(_Record):
    """All branches rolled out from one conversation under one policy version."""

    conversation: str
    sessions: int
    step: int
    policy_version: int
    seed: int
    branches: tuple[Branch, ...] = ()

    @property
    def global_branches(self) -> tuple[Branch, ...]:
        """Branches that start at the root."""
        return tuple(b for b in self.branches if b.kind == "global")

    def local_groups(self) -> dict[tuple[str, int], tuple[Branch, ...]]:
        """(parent branch id, fork session) -> the rerollouts that share that memory state."""
        groups: dict[tuple[str, int], list[Branch]] = {}
        for branch in self.branches:
            if branch.kind == "local" and branch.parent is not None and branch.fork_session is not None:
                groups.setdefault((branch.parent, branch.fork_session), []).append(branch)
        return {key: tuple(members) for key, members in groups.items()}


def write_trace(path: Path, trees: Iterable[EpisodeTree], metadata: dict[str, Any] | None = None) -> None:
    """Append `trees` to the trace at `path`, writing the header first if the file is new."""
    new = not path.exists() or path.stat().st_size == 0
    with path.open("a", encoding="utf-8") as out:
        if new:
            out.write(json.dumps({"format": TRACE_FORMAT, "version": TRACE_VERSION, **(metadata or {})}) + "\n")
        for tree in trees:
            out.write(tree.model_dump_json(exclude_defaults=True) + "\n")


def read_trace(path: Path) -> Iterator[EpisodeTree]:
    """Yield the trees of the trace at `path`.

    Raises:
        CheckpointError: not a trace, a version this build does not read, or a damaged line (named by number).
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such trace file; a run writes one as runs/NAME/trace.jsonl")
    with path.open(encoding="utf-8") as lines:
        try:
            header = json.loads(next(lines, ""))
        except json.JSONDecodeError:
            header = {}
        if not isinstance(header, dict) or header.get("format") != TRACE_FORMAT:
            raise CheckpointError(f"{path}: line 1 is not a {TRACE_FORMAT} header; is this a trace written by fairmem?")
        if header.get("version") != TRACE_VERSION:
            raise CheckpointError(
                f"{path}: trace version {header.get('version')!r}, this build reads version {TRACE_VERSION}"
            )
        for number, line in enumerate(lines, start=2):
            try:
                yield EpisodeTree.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise CheckpointError(f"{path}: line {number} is damaged at '{where}': {first['msg']}") from error
