"""fairmem's evaluations as tasks of inspect_ai: its models, limits and logs, and its viewer.

    inspect eval fairmem/locomo --model openai/gpt-4o-mini -T data=locomo10.json -T memory=ours

There is a task per dataset, and each question is a sample. The model that inspect runs keeps the memory and answers;
memory is built once per conversation, by the code of `fairmem eval`, when its first question comes. Scores are
fairmem's, with standard errors clustered by conversation, and means by category. What was shown to the answerer is in
each sample's metadata.

Simplified: no products of others, no judge and no resuming; `fairmem eval` has these. A conversation whose memory
cannot be built fails its samples. Needs the extra `inspect`; inspect_ai imports it through the package's entry point.
"""

# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import Score, Target, grouped, mean, scorer, stderr
from inspect_ai.solver import Generate, TaskState, solver

from fairmem.agents import Answerer, by_update
from fairmem.config import AnswererConfig, Recipe
from fairmem.data import DATASETS
from fairmem.episodes import build_runner
from fairmem.errors import ConfigError, ModelError, boundary
from fairmem.eval.backend import Built, MemoryBackend
from fairmem.eval.backends import BACKENDS, build_backend
from fairmem.eval.evaluation import EvalRequest, agents_of, backend_setup, categories_of, conversations_of
from fairmem.eval.peers import PEERS
from fairmem.eval.pipeline import answer_seed, asked_questions
from fairmem.eval.rescore import score_answer
from fairmem.metrics import ANSWER_SCORES, AnswerScore
from fairmem.policy import Family, Prompt, Reply, SampleRequest, approximate_tokens
from fairmem.policy import Sample as Sampled
from fairmem.policy.render import plain_text
from fairmem.trace import CallFailure, FailureKind, StopReason
from fairmem.types import Category, Conversation, Question

_MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}


class InspectPolicy:
    """inspect's model as a `Policy`, to be asked from a worker thread of its event loop."""

    name = "inspect"
    family: Family = "instruct"

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One reply per request, side by side as inspect's own limits allow."""
        return anyio.from_thread.run(self._all, requests)

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Not possible. Raises ModelError."""
        raise ModelError("a model of inspect cannot score given tokens")

    def count_tokens(self, text: str) -> int:
        """Words plus punctuation marks: an approximation."""
        return approximate_tokens(text)

    def close(self) -> None:
        """Nothing to release."""

    async def _all(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        replies: list[Reply | None] = [None] * len(requests)

        async def one(place: int) -> None:
            replies[place] = await _reply(requests[place])

        async with anyio.create_task_group() as group:
            for place in range(len(requests)):
                group.start_soon(one, place)
        return [reply for reply in replies if reply is not None]


async def _reply(request: SampleRequest) -> Reply:
    config = GenerateConfig(max_tokens=request.max_tokens, temperature=request.temperature, seed=request.seed % 2**31)
    try:
        with boundary(ModelError, "inspect's model"):
            output = await get_model().generate(messages(request.prompt), config=config)
    except ModelError as error:
        return CallFailure(kind=FailureKind.SERVER_ERROR, message=str(error))
    stop = StopReason.LENGTH if output.stop_reason == "max_tokens" else StopReason.EOS
    return Sampled(plain_text(request.prompt), (), (), (), output.completion, stop)


def messages(prompt: Prompt) -> list[Any]:
    """`prompt` as inspect's messages."""
    return [_MESSAGES[message.role](content=message.content) for message in prompt]


class Memories:
    """The memory of every conversation, built when it is first asked for."""

    def __init__(self, backend: MemoryBackend, conversations: Sequence[Conversation]) -> None:
        self.backend = backend
        self.conversations = {conversation.id: conversation for conversation in conversations}
        self._built: dict[str, Built] = {}
        self._locks: dict[str, anyio.Lock] = {}

    async def of(self, name: str) -> Built:
        """The memory of the conversation called `name`; samples that come meanwhile wait."""
        async with self._locks.setdefault(name, anyio.Lock()):
            if name not in self._built:
                builds = await anyio.to_thread.run_sync(self.backend.build, [self.conversations[name]])
                self._built[name] = builds[0]
        return self._built[name]


@solver
def remember_and_answer(memories: Memories, answerer: Answerer, budget: int, seed: int) -> Any:
    """Build the conversation's memory, show what it finds, and let the model answer."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        name, question = state.metadata["conversation"], _question(memories, state)
        conversation, built = memories.conversations[name], await memories.of(name)
        if built.bank is None:
            raise ModelError(f"the memory of {name} could not be built: {built.failure}")
        found = memories.backend.search(built.bank, question, conversation)
        shown = found[: _fitting([entry.content for entry in found], budget)]
        state.messages = messages(answerer.prompt(question.asked, by_update(shown), conversation.speakers))
        drawn = answer_seed(conversation, question, seed) % 2**31
        state = await generate(state, max_tokens=answerer.max_tokens, temperature=0.0, seed=drawn)
        answer = answerer.parse(state.output.completion, state.output.stop_reason == "max_tokens")
        state.metadata |= {
            "answer": answer.text,
            "parse": answer.outcome.value,
            "shown": [entry.content for entry in shown],
            "sources": [list(entry.sources) for entry in shown],
            "memory_entries": len(built.bank),
        }
        return state

    return solve


def _fitting(texts: Sequence[str], budget: int) -> int:
    """How many of `texts` fit, best first; all without a budget."""
    tokens = 0
    for place, text in enumerate(texts if budget else ()):
        tokens += approximate_tokens(text)
        if tokens > budget:
            return place
    return len(texts)


def _question(memories: Memories, state: TaskState) -> Question:
    questions = memories.conversations[state.metadata["conversation"]].questions
    return next(question for question in questions if question.id == state.metadata["question"])


def _scorer(memories: Memories, score: AnswerScore) -> Any:
    """Fairmem's score of the parsed answer, as a scorer of inspect that is named after it."""

    @scorer(
        name=str(score.signature),
        metrics=[mean(), stderr(cluster="conversation"), grouped(mean(), "category", all=False)],
    )
    def fairmem_score() -> Any:
        async def measure(state: TaskState, target: Target) -> Score:
            question, answer = _question(memories, state), str(state.metadata["answer"])
            value = score_answer(score, answer, (question.answer, *question.alternatives), question)
            return Score(value=math.nan if value is None else value, answer=answer)

        return measure

    return fairmem_score()


def make_task(
    dataset: str,
    data: str = "",
    memory: str = "ours",
    conversations: str = "",
    sessions: int | None = None,
    first: int | None = None,
    questions: int | None = None,
    categories: str = "",
    score: str = "",
    top_k: int | None = None,
    budget: int = 0,
    seed: int = 0,
) -> Task:
    """The task of `dataset`: `data` is the user's copy, the rest are options of `fairmem eval` (`first`: its --limit).

    Raises:
        ConfigError, DataError: as `fairmem eval`.
    """
    asked = EvalRequest(
        dataset=dataset,
        path=Path(data) if data else None,
        memories=(memory,),
        conversations=_names(conversations),
        sessions=sessions,
        limit=first,
        questions=questions,
        categories=_names(categories),
        score=score,
        top_k=top_k,
        budget=budget,
        seed=seed,
    )
    _check_memory(memory)
    talks, counted = conversations_of(asked), categories_of(asked.categories, dataset)
    choice = bool(talks) and all(question.options for talk in talks for question in talk.questions)
    measured = ANSWER_SCORES[score or ("em" if choice else "bag")]
    policy = InspectPolicy()
    agents = agents_of(policy, "inspect:")
    agents = agents if top_k is None else agents.model_copy(update={"shown_per_speaker": top_k})
    recipe = Recipe(name="eval", seed=seed, agents=agents, answerer=AnswererConfig(path="inspect:"))
    runner = build_runner(recipe, dict.fromkeys(("extractor", "manager", "single", "answerer"), policy))
    with backend_setup(asked, agents, runner, policy, policy, 0.0) as setup:
        memories = Memories(build_backend(memory, setup), talks)
    return Task(
        dataset=MemoryDataset(_samples(talks, counted, seed, questions or 0), name=dataset),
        solver=remember_and_answer(memories, runner.agents.answerer, budget, seed),
        scorer=_scorer(memories, measured),
        metadata={
            "memory": memory,
            "shown_per_speaker": agents.shown_per_speaker,
            "signature": str(measured.signature),
        },
    )


def _check_memory(memory: str) -> None:
    if memory not in BACKENDS or memory in PEERS:
        known = ", ".join(name for name in BACKENDS if name not in PEERS)
        raise ConfigError(f"memory '{memory}' is not for inspect; expected one of {known}")


def _samples(talks: Sequence[Conversation], counted: Sequence[Category], seed: int, questions: int) -> list[Sample]:
    """A sample per question that is asked; `questions` of each conversation, or 0 for all."""
    return [
        Sample(
            id=f"{talk.id} {question.id}",
            input=question.asked,
            target=[question.answer, *question.alternatives],
            metadata={
                "conversation": talk.id,
                "question": question.id,
                "category": question.category,
                "kind": question.kind,
                "evidence": list(question.evidence),
            },
        )
        for talk in talks
        for question in asked_questions(talk, counted, seed, questions)
    ]


def _names(text: str | Sequence[str]) -> tuple[str, ...]:
    """The names in `a,b`, which inspect's command line hands over as a list."""
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _registered(dataset: str) -> Callable[..., Task]:
    def made(
        data: str = "",
        memory: str = "ours",
        conversations: str = "",
        sessions: int | None = None,
        first: int | None = None,
        questions: int | None = None,
        categories: str = "",
        score: str = "",
        top_k: int | None = None,
        budget: int = 0,
        seed: int = 0,
    ) -> Task:
        given = {name: value for name, value in locals().items() if name != "dataset"}
        return make_task(dataset, **given)

    return task(name=dataset)(made)


TASKS: dict[str, Callable[..., Task]] = {dataset: _registered(dataset) for dataset in DATASETS}
"""Dataset -> its task; inspect knows each as `fairmem/NAME`."""
