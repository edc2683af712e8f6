"""Asks the frozen answerer one fixed set of questions per comparison group, all groups in one wave.

Every member of a group is asked the same questions, chosen from integers only. A question whose answerer call
fails has no score; it is left out of means, never counted as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairmem.agents import Answerer
from fairmem.episodes.executor import sample_once
from fairmem.memory import Entry, Memory
from fairmem.metrics import source_score
from fairmem.policy import Policy, Prompt, Reply, SampleRequest
from fairmem.seeds import derive, python_rng
from fairmem.trace import CallFailure, QuizItem, StopReason
from fairmem.types import Category, Conversation, Question


@dataclass(frozen=True, slots=True)
class QuizJob:
    """One memory to be asked `questions` after `session`."""

    conversation: Conversation
    bank: Memory
    session: int
    questions: tuple[Question, ...]


def choose_questions(
    conversation: Conversation,
    session: int,
    categories: Sequence[Category],
    seed: int,
    most: int = 0,
    about: int | None = None,
    besides: int | None = None,
) -> tuple[Question, ...]:
    """The questions a comparison group is asked after `session`.

    Args:
        conversation: Source of the questions.
        session: Questions whose gold answer holds after this session.
        categories: Categories that count.
        seed: Names the group; equal seeds give equal subsets.
        most: Largest number of questions, 0 for all.
        about: Only questions with evidence in this session.
        besides: Only questions without evidence in this session.
    """
    kept = [q for q in conversation.questions_after(session) if q.category in categories]
    where = conversation.session_of_turn()
    if about is not None:
        kept = [q for q in kept if any(where.get(turn) == about for turn in q.evidence)]
    if besides is not None:
        kept = [q for q in kept if all(where.get(turn) != besides for turn in q.evidence)]
    return thinned(kept, most, seed, session)


def thinned(questions: Sequence[Question], most: int, seed: int, session: int) -> tuple[Question, ...]:
    """At most `most` of `questions` (0: all) in their order, drawn by `seed` and the session they are asked after."""
    if 0 < most < len(questions):
        picked = python_rng(seed, "questions", session).sample(range(len(questions)), most)
        return tuple(questions[i] for i in sorted(picked))
    return tuple(questions)


class Quizzer:
    """Asks the answerer and scores its answers.

    Args:
        policy: The frozen answerer model.
        answerer: The role: retrieval, prompt and parser.
        score: (answer, gold) -> score in [0, 1].
        temperature: 0 for greedy answers; equal greedy prompts are asked once per call.
        by_source: Score every answer with the metric of its question's source instead.
    """

    def __init__(
        self,
        policy: Policy,
        answerer: Answerer,
        score: Callable[[str, str], float],
        temperature: float = 0.0,
        by_source: bool = False,
    ) -> None:
        self.policy = policy
        self.answerer = answerer
        self._score = score
        self._temperature = temperature
        self._by_source = by_source

    def ask(self, jobs: Sequence[QuizJob], seed: int) -> list[tuple[QuizItem, ...]]:
        """The scored items of each job, in order. A question's random stream depends on `seed` and on its names only.

        An item without evidence in the conversation counts for the session it was asked after.
        """
        prompts: list[Prompt] = []
        seeds: list[int] = []
        shown: list[tuple[Entry, ...]] = []
        known: dict[tuple[int, str, str], tuple[Prompt, tuple[Entry, ...]]] = {}  # one memory may be asked twice
        for job in jobs:
            for question in job.questions:
                key = (id(job.bank), job.conversation.id, question.id)
                if key not in known:
                    known[key] = self._shown(job, question)
                prompts.append(known[key][0])
                shown.append(known[key][1])
                seeds.append(derive(seed, "answer", job.conversation.id, job.session, question.id))
        replies = iter(zip(self._replies(prompts, seeds), shown, strict=True))
        items: list[tuple[QuizItem, ...]] = []
        for job in jobs:
            where = job.conversation.session_of_turn()
            items.append(tuple(self.item(job, question, where, *next(replies)) for question in job.questions))
        return items

    def _shown(self, job: QuizJob, question: Question) -> tuple[Prompt, tuple[Entry, ...]]:
        """What the answerer is asked, and the entries it sees."""
        entries = self.answerer.shown(job.bank, question.text, job.conversation.speakers)
        return self.answerer.prompt(question.text, entries, job.conversation.speakers), entries

    def _replies(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Reply]:
        role = self.answerer.role
        requests = [
            SampleRequest(prompt, self.answerer.max_tokens, self._temperature, seed, role)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        return sample_once(self.policy, requests)

    def item(
        self, job: QuizJob, question: Question, where: dict[str, int], reply: Reply, shown: Sequence[Entry]
    ) -> QuizItem:
        """The answer in `reply`, scored; `where` is the session of every turn, `shown` the entries it was given."""
        sessions = tuple(sorted({where[turn] for turn in question.evidence if turn in where}))
        item = QuizItem(
            question=question.id,
            category=question.category,
            after_session=job.session,
            gold=question.answer,
            shown=tuple(entry.id for entry in shown),
            sessions=sessions or (job.session,),
        )
        if isinstance(reply, CallFailure):
            return item.model_copy(update={"failure": reply})
        cut = reply.stop is StopReason.LENGTH
        text = self.answerer.parse(reply.text, cut).text
        read = {"answer": text, "score": self._scored(text, question)}
        kept = self.answerer.kept(reply.text, cut, shown, job.conversation.speakers)
        if kept is not None:
            grounds = tuple(entry.id for entry in shown if set(entry.sources) & set(question.evidence))
            ids = tuple(shown[place].id for place in kept.places)
            read |= {"keep": kept.outcome, "kept": ids, "grounds": grounds}
        return item.model_copy(update=read)

    def _scored(self, text: str, question: Question) -> float:
        """By source the best over all answers that count as right."""
        if not self._by_source:
            return self._score(text, question.answer)
        score = source_score(question.kind)
        return max(score(text, gold) for gold in (question.answer, *question.alternatives))
