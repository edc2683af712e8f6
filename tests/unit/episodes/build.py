"""A small conversation, a script that plays it, and the parts around them. Everything but the script is the real thing.

Each turn of `CONVERSATION` tells one thing its speaker owns, and one question asks about each. The script extracts
every turn, inserts every fact and answers from the entries it is shown, so undisturbed memory scores 1 everywhere.
A test says what goes differently, by place: which branch, role, session and chunk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from fairmem.config import AgentsConfig, RewardConfig, RolloutConfig
from fairmem.episodes import (
    Agents,
    BranchPlan,
    EpisodeRunner,
    Quizzer,
    RunReport,
    TreePlan,
    build_agents,
    training_plan,
)
from fairmem.metrics import token_f1
from fairmem.policy import Prompt, Reply, SampleRequest, ScriptedPolicy
from fairmem.seeds import derive
from fairmem.trace import Branch, CallFailure, EpisodeTree, FailureKind, Role, RoleTurn
from fairmem.types import CATEGORIES, Conversation, Question, Session, Turn

NOUNS = (("cup", "fork", "lamp", "rug"), ("kite", "drum", "vase", "bell"), ("boat", "coat", "harp", "tent"))
"""What is told in each session, turn by turn; Ana and Bo take turns."""
CHUNKS = 2
"""Chunks per session, of two turns each."""


def session(index: int, nouns: Sequence[str]) -> Session:
    turns = [
        Turn(f"D{index}:{n}", "Bo" if n % 2 == 0 else "Ana", f"I own a {noun}.") for n, noun in enumerate(nouns, 1)
    ]
    return Session(index, datetime(2023, 5, index), tuple(turns))


def question(noun: str, session: int, turn: int, **changes: Any) -> Question:
    made = Question(noun, f"What of the {noun}?", noun, "single_hop", (f"D{session}:{turn}",), session)
    return replace(made, **changes)


CONVERSATION = Conversation(
    id="c",
    speakers=("Ana", "Bo"),
    sessions=tuple(session(s, nouns) for s, nouns in enumerate(NOUNS, 1)),
    questions=tuple(question(noun, s, t) for s, nouns in enumerate(NOUNS, 1) for t, noun in enumerate(nouns, 1)),
)


class Place(NamedTuple):
    """Where a model call stands in an episode."""

    branch: str
    role: Role
    session: int
    chunk: int


Said: TypeAlias = str | CallFailure | None
"""A reply, a failure, or None for what the script says."""
Behave = Callable[[Place, Prompt], Said]
"""What the model does at a place."""


def as_told(place: Place, prompt: Prompt) -> None:
    """Nothing goes differently."""


def at(expected: dict[tuple[object, ...], str | CallFailure]) -> Behave:
    """What goes differently at the places whose first fields are the keys: ("g0",), ("g0", "manager", 2) ..."""

    def behave(place: Place, prompt: Prompt) -> Said:
        for key, reply in expected.items():
            if place[: len(key)] == key:
                return reply
        return None

    return behave


FAILURE = CallFailure(kind=FailureKind.TIMEOUT, message="no reply in 5 s", attempts=3)


def told(prompt: Prompt, seed: int) -> str:
    """The script: see the module's text."""
    del seed
    text = prompt[-1].content
    if text.startswith("<extract>"):
        return "\n".join(
            f"{n} {who} owns a {noun}." for n, who, noun in re.findall(r"(\d) (\w+): I own a (\w+)\.", text)
        )
    if text.startswith("<single>"):
        said = re.findall(r"^([a-z]) (\w+): I own a (\w+)\.", text, re.MULTILINE)
        return "\n".join(f"{letter} INSERT {who} owns a {noun}." for letter, who, noun in said)
    if text.startswith("<write>"):
        said = re.findall(r"^([a-z]) (\w+): I own a (\w+)\.", text, re.MULTILINE)
        return "\n".join(f"{letter} INSERT semantic {who} owns a {noun}." for letter, who, noun in said)
    if text.startswith("<manage>"):
        return "\n".join(f"{letter} INSERT" for letter in re.findall(r"^([a-z]) ", text, re.MULTILINE))
    asked = re.findall(r"(\w+)\?", text)[-1]
    # Marked as the compact format wants it; scores see the word only.
    return f"={asked}=" if re.search(rf"\b{asked}\.", text) else "no information"


class PlannedPolicy(ScriptedPolicy):
    """A script with exceptions by place, which keeps every batch it was asked for."""

    def __init__(self, branches: Sequence[BranchPlan], behave: Behave = as_told) -> None:
        super().__init__(self._text)
        self.batches: list[list[SampleRequest]] = []
        self._behave = behave
        self.places = {
            derive(plan.seed, role, s.index, chunk): Place(plan.id, role, s.index, chunk)
            for plan in branches
            for role in ("extractor", "manager", "single", "writer")
            for s in plan.conversation.sessions
            for chunk in range(CHUNKS)
        }

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        self.batches.append(list(requests))
        failures = [self._planned(request.prompt, request.seed, request.tag) for request in requests]
        samples = super().sample(requests)
        return [f if isinstance(f, CallFailure) else s for f, s in zip(failures, samples, strict=True)]

    def _planned(self, prompt: Prompt, seed: int, tag: str) -> Said:
        place = self.places.get(seed, Place("", "answerer", 0, 0))
        assert place.role == tag
        return self._behave(place, prompt)

    def _text(self, prompt: Prompt, seed: int) -> str:
        planned = self._behave(self.places.get(seed, Place("", "answerer", 0, 0)), prompt)
        return planned if isinstance(planned, str) else told(prompt, seed)


def agents(**changes: object) -> Agents:
    config = AgentsConfig(chunks_per_session=CHUNKS, shown_per_speaker=30)
    return build_agents(config.model_copy(update=changes), "compact", "compact")


PLAIN = RolloutConfig(global_group=2, local_group=2, local_fraction=0.0)
EVERYWHERE = PLAIN.model_copy(update={"local_fraction": 1.0})
"""Two global rollouts, and two rerollouts of every session from one of them."""


@dataclass
class Played:
    """One tree that was rolled out, and what it was rolled out with."""

    tree: EpisodeTree
    report: RunReport
    plan: TreePlan
    policy: PlannedPolicy
    runner: EpisodeRunner
    branches: dict[str, Branch] = field(init=False)

    def __post_init__(self) -> None:
        self.branches = {branch.id: branch for branch in self.tree.branches}

    def turn(self, branch: str, id: str) -> RoleTurn:
        return next(turn for turn in self.branches[branch].turns if turn.id == id)

    def answers(self, branch: str) -> dict[int, float | None]:
        """Session -> answer part of the branch's reward."""
        return {reward.session: reward.parts["answer"] for reward in self.branches[branch].rewards}


def play(
    behave: Behave = as_told,
    rollout: RolloutConfig = PLAIN,
    conversation: Conversation = CONVERSATION,
    seed: int = 0,
    reward: RewardConfig | None = None,
    **changes: object,
) -> Played:
    """Roll out the training plan of `conversation`; `changes` are fields of the agents' settings."""
    plan = training_plan(conversation, rollout, CATEGORIES, seed)
    policy = PlannedPolicy(plan.branches, behave)
    roles = agents(**changes)
    free = RewardConfig(compression_lambda=0.0)
    runner = EpisodeRunner(
        {"extractor": policy, "manager": policy, "single": policy, "writer": policy, "answerer": policy},
        roles,
        Quizzer(policy, roles.answerer, token_f1),
        reward or free,
    )
    (tree,), report = runner.run([plan], step=7, policy_version=3)
    return Played(tree, report, plan, policy, runner)


def local_groups(plan: TreePlan) -> dict[tuple[str, int], list[BranchPlan]]:
    """(parent, session) -> its rerollouts."""
    groups: dict[tuple[str, int], list[BranchPlan]] = {}
    for branch in plan.branches:
        if branch.parent is not None:
            groups.setdefault((branch.parent, branch.first), []).append(branch)
    return groups
