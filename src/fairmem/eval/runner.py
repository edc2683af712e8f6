"""Runs a model over conversations and scores the answers its memory gives; the same code path that trains.

A memory is built by the extractor and the manager over all sessions, then the answerer is asked every question of
the categories that count. Failed calls are typed and counted; they are never scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from fairmem.config import AgentsConfig, AnswererConfig, Recipe, parse_recipe
from fairmem.data import load
from fairmem.data.village import generate
from fairmem.episodes import EpisodeRunner, build_runner, evaluation_plan
from fairmem.errors import ConfigError
from fairmem.eval.report import format_result, write_eval_report
from fairmem.eval.result import AnswerRecord, EvalHeader, EvalResult, MemoryRecord
from fairmem.memory import MemoryBank
from fairmem.metrics import f1_signature
from fairmem.policy import Policy, folder_of, is_pair, of_role, open_ready, open_writers, read_about
from fairmem.seeds import derive
from fairmem.trace import Branch, EpisodeTree, Role
from fairmem.types import CATEGORIES, Category, Conversation


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
            answers += _answers(conversation, tree)
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


def _memory(runner: EpisodeRunner, conversation: Conversation, branch: Branch, bank: MemoryBank | None) -> MemoryRecord:
    ops = Counter(f"{op.op} {op.outcome}" for turn in branch.turns for op in turn.ops)
    parse = Counter(f"{turn.role} {turn.parse.value}" for turn in branch.turns if turn.parse is not None)
    evidence = lost = unshown = 0
    known = set(conversation.session_of_turn())
    gold = {question.id: question for question in conversation.questions}
    for item in branch.quiz:
        turns = [turn for turn in gold[item.question].evidence if turn in known]
        evidence += len(turns)
        if bank is not None:
            shown = {source for entry in map(bank.get, item.shown) if entry is not None for source in entry.sources}
            kept = [turn for turn in turns if turn in bank.sources]
            lost += len(turns) - len(kept)
            unshown += sum(turn not in shown for turn in kept)
    last = conversation.sessions[-1].index
    return MemoryRecord(
        conversation=conversation.id,
        sessions=len(conversation.sessions),
        entries=branch.bank_entries,
        tokens=branch.bank_tokens,
        dialogue_tokens=runner.dialogue_tokens(conversation, last),
        ops=dict(sorted(ops.items())),
        parse=dict(sorted(parse.items())),
        evidence=evidence,
        lost=lost,
        unshown=unshown,
        failed=bank is None,
        failure=next((f"{t.failure.kind}: {t.failure.message}" for t in branch.turns if t.failure is not None), None),
    )


def _answers(conversation: Conversation, tree: EpisodeTree) -> list[AnswerRecord]:
    texts = {question.id: question.text for question in conversation.questions}
    return [
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
        )
        for item in tree.branches[0].quiz
    ]


def evaluate_dataset(
    *,
    dataset: str,
    path: Path | None,
    model: str,
    base_url: str,
    answerer: str,
    answerer_base_url: str,
    api_key_env: str,
    conversations: Sequence[str],
    sessions: int | None,
    limit: int | None,
    questions: int | None,
    categories: Sequence[str],
    seed: int,
    out: Path | None,
    progress: Callable[[str], None] | None = None,
) -> str:
    """What `fairmem eval` does; returns the report as text and writes it to `out` if one is given."""
    chosen = _categories(categories)
    talks = _conversations(dataset, path, conversations, sessions, limit, seed)
    if is_pair(answerer):
        raise ConfigError(f"'{answerer}' holds a model per role and none that answers; add --answerer, as in bundled")
    keepers = open_writers(model, base_url, api_key_env)
    same = (answerer, answerer_base_url) == (model, base_url)
    teller = keepers["manager"] if same else open_ready(answerer, answerer_base_url, api_key_env)
    policies: dict[Role, Policy] = {**keepers, "answerer": teller}
    try:
        recipe = _recipe(keepers["manager"], of_role(model, "manager"), chosen, seed, answerer)
        runner = build_runner(recipe, policies)
        name = dataset if path is None else f"{dataset} {path.name}"
        keeper_name = " + ".join(dict.fromkeys(keeper.name for keeper in keepers.values()))
        header = make_header(recipe, runner, name, keeper_name, teller.name)
        result = evaluate(runner, talks, header, most_questions=questions or 0, at_once=8, progress=progress)
    finally:
        for policy in policies.values():  # closing twice is safe
            policy.close()
    if out is not None:
        result.save(out / "eval.jsonl")
        write_eval_report(result, out)
    return format_result(result)


def _recipe(keeper: Policy, model: str, categories: tuple[Category, ...], seed: int, answerer: str) -> Recipe:
    agents = _agents(keeper, model)
    base = Recipe(name="eval", seed=seed, agents=agents, answerer=AnswererConfig(path=answerer))
    return base.model_copy(update={"eval": base.eval.model_copy(update={"categories": categories})})


def _agents(keeper: Policy, model: str) -> AgentsConfig:
    """The settings the model was trained under, where its folder says so.

    Other compact models keep the small setting; larger ones get the paper's 30 entries, 6 chunks and room to write.
    """
    folder = folder_of(model)
    if folder is not None and (trained := read_about(folder).get("agents")) is not None:
        return parse_recipe({"agents": trained}, where=f"{folder}: fairmem.json").agents
    if keeper.family == "compact":
        return AgentsConfig()
    return AgentsConfig(
        chunks_per_session=6,
        shown_per_speaker=30,
        extractor_max_tokens=1024,
        manager_max_tokens=1024,
        answerer_max_tokens=512,
    )


def _categories(names: Sequence[str]) -> tuple[Category, ...]:
    unknown = [name for name in names if name not in CATEGORIES]
    if unknown:
        raise ConfigError(f"category '{unknown[0]}' is unknown; expected some of {', '.join(CATEGORIES)}")
    return cast("tuple[Category, ...]", tuple(names))


def _conversations(
    dataset: str, path: Path | None, ids: Sequence[str], sessions: int | None, limit: int | None, seed: int
) -> list[Conversation]:
    if sessions is not None and sessions < 1:
        raise ConfigError(f"--sessions is {sessions}, expected at least 1")
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit is {limit}, expected at least 1")
    if dataset == "village":
        return generate(seed, "test", limit or 32, sessions or 8)
    found = load(dataset, path)
    if ids:
        known = {c.id for c in found}
        unknown = [name for name in ids if name not in known]
        if unknown:
            held = ", ".join(sorted(known)[:20])
            raise ConfigError(f"--conversations names '{unknown[0]}', not in {path}; it holds {held}")
        found = [c for c in found if c.id in set(ids)]
    found = found[:limit] if limit else found
    return [c.truncated(sessions) for c in found] if sessions else found
