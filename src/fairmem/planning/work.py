"""What a step of training asks for, as records: calls, tokens, waves and rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoleWork:
    """What one role does in a step; tokens over all of its calls.

    Attributes:
        calls: Model calls, if no extraction is empty.
        prompt: Tokens of the prompts; `distinct`: those of different prompts; `fresh`: those that no cache of prefixes
            has.
        sampled: Tokens of the replies.
    """

    role: str
    calls: int
    prompt: float
    distinct: float
    fresh: float
    sampled: float


@dataclass(frozen=True, slots=True)
class WaveWork:
    """Calls that are made at once: how many, and mean tokens of a prompt and of a reply."""

    calls: int
    prompt: float
    distinct: float
    fresh: float
    sampled: float


@dataclass(frozen=True, slots=True)
class RowWork:
    """What is learned from: rows if no group is dropped, and their tokens.

    `shared` are the tokens that are computed where rows of one prompt share it (`learner.pack_tokens`).
    """

    rows: int
    tokens: float
    shared: float
    trained: float
    longest: float


@dataclass(frozen=True, slots=True)
class StepWork:
    """One step of a stage.

    Attributes:
        stage: Its number, from 1; `steps`: steps of it, at most.
        sessions: Of a conversation, at most; `conversations`: per step.
        branches: Rollouts and rerollouts that are sampled.
        local_groups: Comparison groups of rerollouts.
        roles: Work per role; the answerer's is the quiz.
        waves: Of the roles that write, in order.
        rows: What is learned from.
        entries: Memory entries at the end of a rollout.
    """

    stage: int
    steps: int
    sessions: int
    conversations: int
    branches: int
    local_groups: int
    roles: tuple[RoleWork, ...]
    waves: tuple[WaveWork, ...]
    rows: RowWork
    entries: float

    @property
    def calls(self) -> int:
        """Calls of the roles that write: `calls` of `metrics.jsonl`, if no extraction is empty."""
        return sum(role.calls for role in self.roles if role.role not in ("answerer", "judge"))

    @property
    def questions(self) -> int:
        """Questions asked: `questions` of `metrics.jsonl`."""
        return next((role.calls for role in self.roles if role.role == "answerer"), 0)

    @property
    def sampled(self) -> float:
        """Tokens sampled by the roles that write: `generated_tokens` of the run's timing."""
        return sum(role.sampled for role in self.roles if role.role not in ("answerer", "judge"))


@dataclass(frozen=True, slots=True)
class Workload:
    """The steps of every stage, and what they were planned from."""

    stages: tuple[StepWork, ...]
    data: str
    tokens: str
