"""One evaluation in stages: ingest, index, search, answer, score. Each keeps its work, so a killed run goes on.

The folder of an evaluation holds `run.json` (what is run), `index.jsonl` (one memory per conversation), `search.jsonl`
(entries found per question), `answers.jsonl` (replies) and `calls.jsonl` (every model call, also those of memories
that are half built). A line is written as soon as its work is done; a stage that is run again skips what is there. Only
scoring is done anew each time: it costs nothing.

Nothing is asked twice, and a resumed run gives the same result: all that decides it is in the files or in `run.json`,
whose settings must be the same. Failed calls are not kept, so going on asks them again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmem.agents import Answerer, by_update
from fairmem.agents.wording import turn_text
from fairmem.episodes import choose_questions
from fairmem.eval.backend import Built, MemoryBackend
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.rescore import score_answer
from fairmem.eval.result import AnswerRecord, EvalHeader, EvalResult, MemoryRecord
from fairmem.eval.stages import StageFile, same_run
from fairmem.memory import Entry, Memory, memory_from_json
from fairmem.metrics import AnswerScore, EvidenceTrail, evidence_trail
from fairmem.policy import Sample, SampleRequest
from fairmem.seeds import derive
from fairmem.trace import CallFailure, StopReason
from fairmem.types import Category, Conversation, Question

RUN, INDEX, SEARCH, ANSWERS = "run.json", "index.jsonl", "search.jsonl", "answers.jsonl"
_BUILT = ("ops", "parse", "failure", "calls", "failures", "prompt_tokens", "reply_tokens", "growth")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asking:
    """Who answers and how it is scored: the same for every backend.

    Attributes:
        calls: The answering model, recorded.
        answerer: Its prompt and parser.
        score: How answers are scored.
        count_tokens: Of memory sizes and budgets.
        most_questions: Questions per conversation (0: all), drawn by the seed.
        weights: What tells the models' weights from others under the same names.
        at_once: Conversations whose memories are built side by side.
    """

    calls: RecordedCalls
    answerer: Answerer
    score: AnswerScore
    count_tokens: Callable[[str], int]
    most_questions: int = 0
    at_once: int = 8
    weights: str = ""


def run_pipeline(
    backend: MemoryBackend,
    conversations: Sequence[Conversation],
    header: EvalHeader,
    asking: Asking,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> EvalResult:
    """Evaluate `backend` on `conversations`; with `folder`, go on with what lies there.

    `header` gives categories, seed, temperature and budget; the totals in it are filled in.

    Raises:
        ConfigError: `folder` holds an evaluation with other settings.
        CheckpointError: a file there is damaged.
    """
    say = progress or (lambda _: None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        more: dict[str, int | str] = {"questions": asking.most_questions}
        more |= {"answerer_max_tokens": asking.answerer.max_tokens}
        more |= {"weights": asking.weights} if asking.weights.strip() else {}
        more |= {"distill": 1} if asking.answerer.distill else {}
        same_run(folder / RUN, header, conversations, **more)
    stages = [StageFile(folder / name if folder is not None else None) for name in (INDEX, SEARCH, ANSWERS)]
    index, found, answers = stages
    _index(backend, conversations, index, asking.at_once, say)
    work = list(_work(conversations, header, asking, index))
    _search(backend, work, found, header.budget, asking.count_tokens, say)
    failures = _answer(work, found, answers, asking, header, say)
    return _score(backend, conversations, work, stages, failures, header, asking)


@dataclass(frozen=True, slots=True)
class _Work:
    """One question of one built memory."""

    key: str
    conversation: Conversation
    question: Question
    bank: Memory


def _work(
    conversations: Sequence[Conversation], header: EvalHeader, asking: Asking, index: StageFile
) -> Iterator[_Work]:
    categories: tuple[Category, ...] = header.categories  # pyright: ignore[reportAssignmentType]
    for conversation in conversations:
        bank = _built(index.records[conversation.id]).bank
        if bank is not None:
            for question in asked_questions(conversation, categories, header.seed, asking.most_questions):
                yield _Work(f"{conversation.id} {question.id}", conversation, question, bank)


def asked_questions(
    conversation: Conversation, categories: Sequence[Category], seed: int, most: int = 0
) -> tuple[Question, ...]:
    """What an evaluation under `seed` asks of `conversation`: at most `most` (0: all) that hold at its end."""
    drawn = derive(derive(seed, "eval", conversation.id), "questions")
    return choose_questions(conversation, conversation.sessions[-1].index, categories, drawn, most)


def answer_seed(conversation: Conversation, question: Question, seed: int) -> int:
    """The seed of the answer to `question` in an evaluation under `seed`."""
    last = conversation.sessions[-1].index
    return derive(derive(seed, "eval", conversation.id), "answer", conversation.id, last, question.id)


# --- stages ----------------------------------------------------------------------------------------------------


def _index(
    backend: MemoryBackend, conversations: Sequence[Conversation], index: StageFile, at_once: int, say: Progress
) -> None:
    by_id = {conversation.id: conversation for conversation in conversations}
    # A memory that could not be built is tried again.
    failed = [key for key, record in index.records.items() if record.get("bank") is None]
    for key in failed:
        del index.records[key]
    missing = index.missing(list(by_id))
    for start in range(0, len(missing), at_once):
        part = [by_id[key] for key in missing[start : start + at_once]]
        say(f"{backend.name}: building memories, {len(by_id) - len(missing) + start} of {len(by_id)} done")
        for conversation, built in zip(part, backend.build(part), strict=True):
            record = {name: getattr(built, name) for name in _BUILT}
            bank = None if built.bank is None else json.loads(built.bank.to_json())
            index.add(conversation.id, {**record, "bank": bank})


def _built(record: dict[str, Any]) -> Built:
    bank = record["bank"]
    return Built(
        None if bank is None else memory_from_json(json.dumps(bank)), **{name: record[name] for name in _BUILT}
    )


def _search(
    backend: MemoryBackend,
    work: Sequence[_Work],
    found: StageFile,
    budget: int,
    count: Callable[[str], int],
    say: Progress,
) -> None:
    """Find entries and cut them to the budget: best first, until the next would exceed it."""
    say(f"{backend.name}: searching, {len(work) - len(found.missing([item.key for item in work]))} of {len(work)} done")
    for item in work:
        if item.key in found.records:
            continue
        ranked = backend.search(item.bank, item.question, item.conversation)
        shown, tokens = len(ranked), 0
        for place, entry in enumerate(ranked if budget else ()):
            tokens += count(entry.content)
            if tokens > budget:
                shown = place
                break
        found.add(item.key, {"ranked": [entry.id for entry in ranked], "shown": shown})


def _answer(
    work: Sequence[_Work],
    found: StageFile,
    answers: StageFile,
    asking: Asking,
    header: EvalHeader,
    say: Progress,
) -> dict[str, CallFailure]:
    """Ask what has no answer yet; returns the calls that failed."""
    todo = {item.key: item for item in work if item.key not in answers.records}
    failures: dict[str, CallFailure] = {}
    part = 64
    keys = list(todo)
    for start in range(0, len(keys), part):
        spent = asking.calls.prompt_tokens + asking.calls.reply_tokens
        say(f"{header.memory}: answering, {len(work) - len(keys) + start} of {len(work)} done, {spent:,} tokens so far")
        items = [todo[key] for key in keys[start : start + part]]
        requests = [_request(item, found, asking, header) for item in items]
        for item, request, reply in zip(items, requests, asking.calls.sample(requests), strict=True):
            if isinstance(reply, CallFailure):
                failures[item.key] = reply
                continue
            prompt_tokens, reply_tokens = asking.calls.tokens(request)
            parsed = asking.answerer.parse(reply.text, reply.stop is StopReason.LENGTH)
            record = {"answer": parsed.text, "parse": parsed.outcome.value, "seconds": asking.calls.seconds(request)}
            record |= {"prompt_tokens": prompt_tokens, "reply_tokens": reply_tokens}
            answers.add(item.key, record | _distilled(item, reply, found, asking.answerer))
    say(f"{header.memory}: {len(work) - len(failures)} of {len(work)} answered")
    return failures


def _distilled(item: _Work, reply: Sample, found: StageFile, answerer: Answerer) -> dict[str, Any]:
    """What the reply keeps of the entries shown, and which of them hold evidence; nothing without distillation."""
    shown = _shown(item, found)
    kept = answerer.kept(reply.text, reply.stop is StopReason.LENGTH, shown, item.conversation.speakers)
    if kept is None:
        return {}
    grounds = {entry.id for entry in shown if set(entry.sources) & set(item.question.evidence)}
    both = sum(shown[place].id in grounds for place in kept.places)
    return {"keep": kept.outcome.value, "kept": len(kept.places), "kept_grounds": both, "grounds": len(grounds)}


def _shown(item: _Work, found: StageFile) -> tuple[Entry, ...]:
    """The entries that the answerer is shown, in the order of its prompt."""
    return by_update(_entries(item, found)[: found.records[item.key]["shown"]])


def _request(item: _Work, found: StageFile, asking: Asking, header: EvalHeader) -> SampleRequest:
    prompt = asking.answerer.prompt(item.question.asked, _shown(item, found), item.conversation.speakers)
    seed = answer_seed(item.conversation, item.question, header.seed)
    return SampleRequest(prompt, asking.answerer.max_tokens, header.temperature, seed, "answerer")


def _entries(item: _Work, found: StageFile) -> list[Entry]:
    entries = [item.bank.get(number) for number in found.records[item.key]["ranked"]]
    return [entry for entry in entries if entry is not None]


def _score(
    backend: MemoryBackend,
    conversations: Sequence[Conversation],
    work: Sequence[_Work],
    stages: Sequence[StageFile],
    failures: dict[str, CallFailure],
    header: EvalHeader,
    asking: Asking,
) -> EvalResult:
    index, found, answers = stages
    records = [_answer_record(backend, item, found, answers, failures, asking) for item in work]
    by_conversation: dict[str, list[AnswerRecord]] = {conversation.id: [] for conversation in conversations}
    for record in records:
        by_conversation[record.conversation].append(record)
    memories = tuple(
        _memory_record(conversation, _built(index.records[conversation.id]), by_conversation[conversation.id], asking)
        for conversation in conversations
    )
    builds = [_built(index.records[conversation.id]) for conversation in conversations]
    # Totals come from what is kept and not from this process, so that a resumed run has the same ones.
    totals = {
        "calls": sum(built.calls for built in builds) + len(records),
        "failures": sum(built.failures for built in builds) + len(failures),
        "prompt_tokens": sum(b.prompt_tokens for b in builds) + sum(r.prompt_tokens or 0 for r in records),
        "reply_tokens": sum(b.reply_tokens for b in builds) + sum(r.reply_tokens or 0 for r in records),
    }
    return EvalResult(header=header.model_copy(update=totals), memories=memories, answers=tuple(records))


def _answer_record(
    backend: MemoryBackend,
    item: _Work,
    found: StageFile,
    answers: StageFile,
    failures: dict[str, CallFailure],
    asking: Asking,
) -> AnswerRecord:
    question, searched, reply = item.question, found.records[item.key], answers.records.get(item.key, {})
    entries = _entries(item, found)
    shown = entries[: searched["shown"]]
    trail = _trail(item, entries, shown) if backend.traces else None
    failure, answer = failures.get(item.key), reply.get("answer")
    golds = (question.answer, *question.alternatives)
    return AnswerRecord(
        conversation=item.conversation.id,
        question=question.id,
        category=question.category,
        text=question.text,
        gold=question.answer,
        answer=answer,
        score=None if answer is None else score_answer(asking.score, answer, golds, question),
        shown=len(shown),
        failure=None if failure is None else f"{failure.kind}: {failure.message}",
        lost=trail.lost if trail else 0,
        unshown=trail.unshown if trail else 0,
        reached=trail.reached if trail else 0,
        rank=trail.rank if trail else None,
        ranked=trail is not None,
        cut=len(entries) - len(shown),
        kind=question.kind,
        options=question.options,
        alternatives=question.alternatives,
        rubric=question.rubric,
        shown_texts=tuple(entry.content for entry in shown),
        sources=tuple(entry.sources for entry in shown),
        prompt_hash=asking.answerer.prompt_hash,
        prompt_tokens=reply.get("prompt_tokens"),
        reply_tokens=reply.get("reply_tokens"),
        seconds=reply.get("seconds"),
        keep=reply.get("keep", ""),
        kept=reply.get("kept", 0),
        kept_grounds=reply.get("kept_grounds", 0),
        grounds=reply.get("grounds", 0),
    )


def _trail(item: _Work, entries: Sequence[Entry], shown: Sequence[Entry]) -> EvidenceTrail | None:
    known = item.conversation.session_of_turn()
    evidence = [turn for turn in item.question.evidence if turn in known]
    return evidence_trail(evidence, item.bank.sources, [entry.sources for entry in shown])


def _memory_record(
    conversation: Conversation, built: Built, answers: Sequence[AnswerRecord], asking: Asking
) -> MemoryRecord:
    bank, count = built.bank, asking.count_tokens
    said = [turn_text(turn) for session in conversation.sessions for turn in session.turns]
    return MemoryRecord(
        conversation=conversation.id,
        sessions=len(conversation.sessions),
        entries=0 if bank is None else len(bank),
        tokens=0 if bank is None else bank.tokens(count),
        dialogue_tokens=sum(map(count, said)),
        ops=built.ops,
        parse=built.parse,
        evidence=sum(answer.lost + answer.unshown + answer.reached for answer in answers),
        lost=sum(answer.lost for answer in answers),
        unshown=sum(answer.unshown for answer in answers),
        failed=bank is None,
        failure=built.failure,
        growth=tuple(built.growth),
    )
