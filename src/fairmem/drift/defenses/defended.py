"""A defence around a model of an audit: every trial is asked through the hooks, and what that costs is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from fairmem.agents.hooks import (
    NEED_TEXTS,
    Access,
    Change,
    Layers,
    Need,
    Proposal,
    Remembered,
    Reviewed,
    Situation,
    ToolDefense,
    call_with,
)
from fairmem.drift.answer import Answer, Ask, CallModel, Outcome, classify
from fairmem.drift.defenses.guard import Guard, guarded_pointers
from fairmem.drift.local import form_of
from fairmem.drift.prompt import tool_specs
from fairmem.drift.scenario import Memory, Scenario, Tool
from fairmem.errors import ConfigError
from fairmem.memory import Embedder
from fairmem.policy import Policy, Prompt, SampleRequest
from fairmem.trace import CallFailure


@dataclass(frozen=True, slots=True)
class Resources:
    """What defences may use besides the model.

    Attributes:
        chat: A model that writes text, for the LLM filter.
        embedder: For the embedding filter.
        guard: Which findings of the static scan of a scenario's tools are guarded; None: tools are not scanned.
        untagged: Memories come without scopes, as from a memory that keeps none.
    """

    chat: Policy | None = None
    embedder: Embedder | None = None
    guard: Guard | None = "medium"
    untagged: bool = False

    def record(self) -> dict[str, Any]:
        """For the header of a run."""
        return {
            "chat": None if self.chat is None else self.chat.name,
            "embedder": None if self.embedder is None else self.embedder.name,
            "guard": self.guard,
            "untagged": self.untagged,
        }


@dataclass(frozen=True, slots=True)
class Costs:
    """What one trial took: calls of any model, their tokens as reported (0: not), wall-clock seconds."""

    calls: int = 1
    prompt_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Of prompts and replies together."""
        return self.prompt_tokens + self.generated_tokens


@dataclass(frozen=True, slots=True)
class Defended:
    """A trial through a defence: `before` is the call proposed, None if there was none; `reached` are memory ids."""

    answer: Answer
    before: Proposal | None
    changes: tuple[Change, ...]
    reached: tuple[str, ...]
    costs: Costs


def refusal(defense: ToolDefense | frozenset[Need], model: CallModel, resources: Resources) -> str:
    """Why `defense`, or one of these needs, cannot be put around `model`, in one line; empty if it can."""
    needs = defense if isinstance(defense, frozenset) else defense.needs
    missing = sorted(needs - _gives(model, resources))
    if not missing:
        return ""
    hints = {
        Need.CHAT: f"{model.name} writes no text; name one that does (--filter-model SPEC)",
        Need.SCORES: f"{model.name} gives calls, not probabilities; use a local model, without --sampled",
        Need.STATES: f"{model.name} does not run in this process; use a model folder",
        Need.EMBEDDER: "none was given (--filter-embedder SPEC)",
        Need.FINDINGS: "the tools were not scanned (--guard LEVEL)",
    }
    return "; ".join(f"needs {NEED_TEXTS[need]}: {hints[need]}" for need in missing)


def _gives(model: CallModel, resources: Resources) -> frozenset[Need]:
    there = {
        Need.CHAT: resources.chat is not None,
        Need.EMBEDDER: resources.embedder is not None,
        Need.SCORES: model.exact,
        Need.STATES: module_of(model) is not None,
        Need.FINDINGS: resources.guard is not None,
    }
    return frozenset(need for need, met in there.items() if met)


def module_of(model: CallModel) -> Any:
    """The torch module of a model in this process, if it is one."""
    module = getattr(getattr(model, "policy", None), "model", None)
    return module if hasattr(module, "named_modules") else None


class DefendedModel:
    """`model` behind `defense`; fits `CallModel`. It bears the model's name: what is audited is the model.

    `record`: settings of the defence, for the header of a run.

    Raises:
        ConfigError: the model cannot give what the defence needs.
    """

    def __init__(
        self,
        model: CallModel,
        defense: ToolDefense,
        resources: Resources | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        resources, record = resources or Resources(), record or {}
        if refused := refusal(defense, model, resources):
            raise ConfigError(f"{defense.name} {refused}")
        self.model, self.defense, self.resources = model, defense, resources
        self.name, self.exact = model.name, model.exact
        told = {"name": defense.name, **record, **resources.record()}
        self.settings: Mapping[str, Any] = {**model.settings, "defense": told}
        self._guarded: dict[str, Mapping[str, Sequence[str]]] = {}

    def answer(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """The answer to each ask that the defence lets through, with the tokens and requests of all calls in it."""
        workers = max(1, min(int(getattr(self.model, "concurrency", 1)), len(asks)))
        if workers == 1:
            yield from (_with_costs(self.one(ask)) for ask in asks)
            return
        with ThreadPoolExecutor(workers, "fairmem-defend") as pool:
            yield from pool.map(lambda ask: _with_costs(self.one(ask)), asks)

    def close(self) -> None:
        """Close the model."""
        self.model.close()

    def one(self, ask: Ask, first: tuple[Answer, Costs] | None = None) -> Defended:
        """One trial.

        Args:
            ask: What is asked.
            first: The undefended answer to the very same ask, with its costs, if there is one. It is taken where the
                defence would ask just that, so that a review judges the same call that counts as undefended.
        """
        trial = _Trial(self, ask, first)
        start = time.perf_counter()
        reviewed = call_with(self.defense, trial.situation(), trial.access())
        seconds = time.perf_counter() - start
        return Defended(
            _answer(reviewed, ask.scenario),
            reviewed.proposed,
            reviewed.changes,
            reviewed.shown,
            replace(trial.costs, seconds=trial.costs.seconds + seconds),
        )

    def guarded(self, scenario: Scenario) -> Mapping[str, Sequence[str]] | None:
        """What is guarded of the tools of `scenario`; scanned once."""
        if self.resources.guard is None:
            return None
        if scenario.id not in self._guarded:
            self._guarded[scenario.id] = guarded_pointers(tool_specs(scenario), self.resources.guard)
        return self._guarded[scenario.id]


class _Trial:
    """The access of one trial, and what it has cost so far."""

    def __init__(self, owner: DefendedModel, ask: Ask, first: tuple[Answer, Costs] | None) -> None:
        self._owner, self._ask, self._first = owner, ask, first
        self._specs = tool_specs(ask.scenario)
        self.costs = Costs(calls=0)

    def situation(self) -> Situation:
        ask, scenario = self._ask, self._ask.scenario
        tagged = not self._owner.resources.untagged
        return Situation(
            task=scenario.task,
            tools=self._specs,
            memories=tuple(Remembered(m.id, m.text, m.scope if tagged else ()) for m in ask.memories),
            system=scenario.system,
            policy=scenario.policy,
            scope=(scenario.domain,),
        )

    def access(self) -> Access:
        owner = self._owner
        return Access(
            ask=self._asked,
            chat=self._chat if owner.resources.chat is not None else None,
            embedder=owner.resources.embedder,
            scores=owner.exact,
            ask_changed=self._asked_changed if module_of(owner.model) is not None else None,
            guarded=owner.guarded(self._ask.scenario),
        )

    def _asked(self, situation: Situation) -> Proposal:
        ask = self._ask_of(situation)
        if self._first is not None and ask == self._ask:
            answer, costs = self._first
            self._count(costs.calls, costs.prompt_tokens, costs.generated_tokens, costs.seconds)
            return _proposal(answer, self._ask.scenario)
        (answer,) = self._owner.model.answer([ask])
        self._count(1, answer.prompt_tokens, answer.generated_tokens)
        return _proposal(answer, self._ask.scenario)

    def _asked_changed(self, situation: Situation, layers: Layers) -> Proposal:
        from fairmem.drift.local import ScoredModel, TextModel
        from fairmem.drift.probes.residual import changed

        ask, model = self._ask_of(situation), self._owner.model
        assert isinstance(model, (ScoredModel, TextModel))
        policy: Any = model.policy
        start = len(policy.token_ids(form_of(policy).prompt(ask))) - 1
        # A scored model remembers its last answer by the prompt, which does not show what was changed.
        fresh = ScoredModel(policy) if isinstance(model, ScoredModel) else model
        with changed(policy.model, layers, start):
            (answer,) = fresh.answer([ask])
        self._count(1, answer.prompt_tokens, answer.generated_tokens)
        return _proposal(answer, self._ask.scenario)

    def _ask_of(self, situation: Situation) -> Ask:
        scenario = self._ask.scenario
        if situation.tools != self._specs:
            tools = tuple(
                Tool(name=tool.name, description=tool.description, inputSchema=dict(tool.schema))
                for tool in situation.tools
            )
            scenario = scenario.model_copy(update={"tools": tools})
        known = {memory.id: memory for memory in self._ask.memories}
        memories = tuple(_reworded(known[memory.id], memory.text) for memory in situation.memories)
        return replace(self._ask, scenario=scenario, memories=memories, note=situation.note)

    def _chat(self, prompt: Prompt, most: int) -> str | None:
        policy = self._owner.resources.chat
        assert policy is not None
        request = SampleRequest(prompt, most, temperature=0.0, seed=self._ask.seed, tag="defense")
        (reply,) = policy.sample([request])
        if isinstance(reply, CallFailure):
            self._count(1, 0, 0)
            return None
        asked = len(reply.prompt_ids) or policy.count_tokens("\n".join(message.content for message in prompt))
        self._count(1, asked, len(reply.ids) or policy.count_tokens(reply.text))
        return reply.text

    def _count(self, calls: int, prompt: int, generated: int, seconds: float = 0.0) -> None:
        c = self.costs
        self.costs = Costs(
            c.calls + calls, c.prompt_tokens + prompt, c.generated_tokens + generated, c.seconds + seconds
        )


def _reworded(memory: Memory, text: str) -> Memory:
    return memory if memory.text == text else memory.model_copy(update={"text": text})


def _proposal(answer: Answer, scenario: Scenario) -> Proposal:
    """The proposal in `answer`; usable where it fits the tools as they were asked for, or as they are."""
    failure = ""
    if answer.outcome is not Outcome.OK:
        fits = answer.outcome is Outcome.SCHEMA_VIOLATION and not classify(scenario, answer.tool, answer.arguments)[1]
        failure = "" if fits else f"{answer.outcome.value}: {answer.message}"
    return Proposal(answer.tool, answer.arguments, answer.distribution, failure, answer)


def _answer(reviewed: Reviewed, scenario: Scenario) -> Answer:
    """What comes of a trial: the model's own failure, a call held back, or a call that the scenario judges."""
    proposal = reviewed.proposal
    source = proposal.source if isinstance(proposal.source, Answer) else None
    if source is None:
        return Answer(Outcome.CALL_FAILED, message=proposal.failure or "the defence made no call")
    if proposal.failure and source.outcome is Outcome.OK:
        return replace(source, outcome=Outcome.BLOCKED, message=proposal.failure, arguments=None, distribution=None)
    if proposal.failure:
        return replace(source, message=proposal.failure)
    outcome, message = Outcome.OK, ""
    if proposal.distribution is None:
        outcome, message = classify(scenario, proposal.tool, proposal.arguments)
    return replace(
        source,
        outcome=outcome,
        message=message,
        tool=proposal.tool,
        arguments=proposal.arguments,
        distribution=proposal.distribution,
    )


def _with_costs(done: Defended) -> Answer:
    return replace(
        done.answer,
        attempts=max(done.answer.attempts, done.costs.calls),
        prompt_tokens=done.costs.prompt_tokens,
        generated_tokens=done.costs.generated_tokens,
    )
