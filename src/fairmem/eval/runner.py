"""Evaluates a model around and during training: its memory is built by the very runner that trains it.

`fairmem eval` goes through `pipeline`, which builds memory with the same runner and can be killed and resumed.

A memory is built by the extractor and the manager over all sessions, then the answerer is asked every question of
the categories that count. Failed calls are typed and counted; they are never scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

from fairmem.config import Recipe
from fairmem.episodes import EpisodeRunner, evaluation_plan
from fairmem.eval.result import AnswerRecord, EvalHeader, EvalResult, MemoryRecord
from fairmem.memory import Memory
from fairmem.metrics import EvidenceTrail, evidence_trail, f1_signature
from fairmem.seeds import derive
from fairmem.trace import Branch, EpisodeTree, QuizItem
from fairmem.types import Category, Conversation


def evaluate(
    runner: EpisodeRunner,
    conversations: Sequence[Conversation],
    header: EvalHeader,
    *,
    most_questions: int = 0,
    at_once: int = 64,
    progress: Callable[[str], None] | None = None,
) -> EvalResult:
    """Evaluate on `conversations`, `at_once` of them in shared waves.

    `header` gives categories, temperature and seed; `most_questions` limits the questions per conversation
    (0: all).
    """
    memories: list[MemoryRecord] = []
    answers: list[AnswerRecord] = []
    calls = failures = 0
    categories = cast("tuple[Category, ...]", header.categories)
    for start in range(0, len(conversations), at_once):
        part = conversations[start : start + at_once]
        plans = [
            evaluation_plan(c, header.temperature, categories, derive(header.seed, "eval", c.id), most_questions)
            for c in part
        ]
        trees, report = runner.run(plans, step=0, policy_version=0)
        for index, (conversation, tree) in enumerate(zip(part, trees, strict=True)):
            branch = tree.branches[0]
            memories.append(_memory(runner, conversation, branch, report.banks.get((index, branch.id))))
            answers += _answers(conversation, tree, report.banks.get((index, branch.id)))
            calls += len(branch.turns) + len(branch.quiz)
            failures += sum(t.failure is not None for t in branch.turns)
            failures += sum(item.failure is not None for item in branch.quiz)
        if progress is not None:
            progress(f"{min(start + at_once, len(conversations))} of {len(conversations)} conversations")
    done = header.model_copy(update={"calls": calls, "failures": failures})
    return EvalResult(header=done, memories=tuple(memories), answers=tuple(answers))


def make_header(recipe: Recipe, runner: EpisodeRunner, dataset: str, model: str, answerer: str) -> EvalHeader:
    """The header of an evaluation under `recipe`."""
    return EvalHeader(
        dataset=dataset,
        model=model,
        answerer=answerer,
        signature=str(f1_signature(recipe.reward.f1)),
        categories=recipe.eval.categories,
        temperature=recipe.eval.temperature,
        seed=recipe.seed,
        shown_per_speaker=recipe.agents.shown_per_speaker,
        prompt_hashes={role.role: role.prompt_hash for role in runner.agents.called},
    )


def _memory(runner: EpisodeRunner, conversation: Conversation, branch: Branch, bank: Memory | None) -> MemoryRecord:
    ops = Counter(f"{op.op} {op.outcome}" for turn in branch.turns for op in turn.ops)
    parse = Counter(f"{turn.role} {turn.parse.value}" for turn in branch.turns if turn.parse is not None)
    trails = [trail for item in branch.quiz if (trail := _trail(conversation, item, bank)) is not None]
    last = conversation.sessions[-1].index
    return MemoryRecord(
        conversation=conversation.id,
        sessions=len(conversation.sessions),
        entries=branch.bank_entries,
        tokens=branch.bank_tokens,
        dialogue_tokens=runner.dialogue_tokens(conversation, last),
        ops=dict(sorted(ops.items())),
        parse=dict(sorted(parse.items())),
        evidence=sum(trail.turns for trail in trails),
        lost=sum(trail.lost for trail in trails),
        unshown=sum(trail.unshown for trail in trails),
        failed=bank is None,
        failure=next((f"{t.failure.kind}: {t.failure.message}" for t in branch.turns if t.failure is not None), None),
    )


def _trail(conversation: Conversation, item: QuizItem, bank: Memory | None) -> EvidenceTrail | None:
    """What became of the evidence of one question; None without evidence or memory."""
    question = next(question for question in conversation.questions if question.id == item.question)
    known = conversation.session_of_turn()
    if bank is None:
        return None
    shown = [entry.sources for entry in map(bank.get, item.shown) if entry is not None]
    return evidence_trail([turn for turn in question.evidence if turn in known], bank.sources, shown)


def _answers(conversation: Conversation, tree: EpisodeTree, bank: Memory | None) -> list[AnswerRecord]:
    texts = {question.id: question.text for question in conversation.questions}
    found: list[AnswerRecord] = []
    for item in tree.branches[0].quiz:
        trail = _trail(conversation, item, bank)
        found.append(
            AnswerRecord(
                conversation=conversation.id,
                question=item.question,
                category=item.category,
                text=texts[item.question],
                gold=item.gold,
                answer=item.answer,
                score=item.score,
                shown=len(item.shown),
                failure=None if item.failure is None else f"{item.failure.kind}: {item.failure.message}",
                lost=trail.lost if trail else 0,
                unshown=trail.unshown if trail else 0,
                reached=trail.reached if trail else 0,
                keep="" if item.keep is None else item.keep.value,
                kept=len(item.kept),
                kept_grounds=len(set(item.kept) & set(item.grounds)),
                grounds=len(item.grounds),
            )
        )
    return found
