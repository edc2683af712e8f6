"""Which conversations a training step rolls out, and how long they are.

Village conversations are new in every step, named by (data seed, step, number), so a resumed run sees what an
undisturbed one would. Conversations from a file are cut to the stage's sessions and visited round robin in an
order shuffled once per pass. With `data.questions` so are the first village conversations that have so many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairmem.config import Recipe
from fairmem.data import DATASETS, load
from fairmem.data.contamination import refuse_overlap
from fairmem.data.stream import rechunked
from fairmem.episodes.stages import StepPlan
from fairmem.errors import ConfigError
from fairmem.seeds import python_rng
from fairmem.types import Conversation

_GENERATED = ("village", "village_patterns")


class Conversations:
    """The conversations of a recipe: training ones by step, validation and test ones as fixed lists.

    Raises:
        ConfigError: a data source that needs a path has none, no conversation is left to train on, or no question
            is asked about those there are.
        DataError: the file cannot be read.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._train: Sequence[Conversation] = ()
        data = recipe.data
        longest = max(stage.sessions for stage in recipe.stages)
        if not data.mix and data.source in _GENERATED:
            self.validation = self._generated("val", data.seed, data.validation_conversations, longest)
            self.test = self._generated("test", data.seed, data.test_conversations, longest)
            if data.test_source:
                self.test = self._other_test()
            self._check_validation("set data.validation_conversations above 0")
            if data.questions:
                self._train = self._limited(self._stream(longest), longest)
            return
        if data.mix:
            self._load_mix(longest)
            self._train = self._limited(self._train, longest)
            return
        if not data.path:
            raise ConfigError(f"data.source is '{data.source}' but data.path is empty; add data.path=FILE")
        if not data.train:
            raise ConfigError(
                f"data.source is '{data.source}' but data.train names no conversation; give its ids, data.train=[...]"
            )
        everything = {c.id: c for c in load(data.source, Path(data.path))}

        def chosen(key: str, names: Sequence[str]) -> list[Conversation]:
            unknown = [name for name in names if name not in everything]
            if unknown:
                held = ", ".join(everything)
                raise ConfigError(f"data.{key} names '{unknown[0]}', not in {data.path}; it holds {held}")
            return [everything[name] for name in names]

        self._train = chosen("train", data.train)
        self._check_questions(longest)
        self._train = self._limited(self._train, longest)
        self.validation = chosen("validation", data.validation)
        self.test = self._other_test() if data.test_source else chosen("test", data.test)
        if data.test_source or DATASETS[data.source].stream:
            refuse_overlap([*self._train, *self.validation], self.test)
        self._check_validation("give ids, data.validation=[...]")

    def _generated(self, split: str, seed: int, count: int, sessions: int, start: int = 0) -> Sequence[Conversation]:
        data = self._recipe.data
        options: dict[str, Any] = {"split": split, "seed": seed, "conversations": count, "sessions": sessions}
        if data.source == "village_patterns":
            options["patterns"] = data.patterns
        return load(data.source, difficulty=data.difficulty, start=start, **options)

    def _stream(self, sessions: int) -> Iterator[Conversation]:
        """The training conversations of the generator, one after the other; ten times as many as questions, at most."""
        for index in range(10 * self._recipe.data.questions):
            yield from self._generated("train", self._recipe.data.seed + self._recipe.seed + 1, 1, sessions, index)

    def _limited(self, talks: Iterable[Conversation], sessions: int) -> Sequence[Conversation]:
        """The first of `talks`, cut to `sessions` sessions, that have `data.questions` questions together.

        Only questions that are asked at the end are kept and counted. Without a limit, all of `talks` as they are.
        """
        most, categories = self._recipe.data.questions, self._recipe.eval.categories
        if not most:
            return list(talks)
        kept = list[Conversation]()
        left = most
        for talk in talks:
            whole = talk.truncated(sessions)
            asked = [q for q in whole.questions_after(whole.sessions[-1].index) if q.category in categories][:left]
            if asked:
                kept.append(replace(whole, questions=tuple(asked)))
            left -= len(asked)
            if not left:
                return kept
        raise ConfigError(
            f"data.questions is {most}, but the training conversations have {most - left} that are asked at their end; "
            "name more conversations in data.train, or lower it"
        )

    def _load_mix(self, longest: int) -> None:
        """The conversations of a mix, source by source; test ones share no original with them."""
        train, validation = list[Conversation](), list[Conversation]()
        for part in self._recipe.data.mix:
            found = [rechunked(talk) for talk in load(part.source, Path(part.path) if part.path else None)]
            if len(found) < part.train + part.validation:
                raise ConfigError(
                    f"data.mix: {part.source} in {part.path} holds {len(found)} conversations, expected at least "
                    f"{part.train} to train on and {part.validation} to validate"
                )
            train += found[: part.train]
            validation += found[part.train : part.train + part.validation]
        self._train = train
        self._check_questions(longest)
        self.validation, self.test = validation, self._other_test()
        refuse_overlap([*train, *validation], self.test)
        self._check_validation("set validation of a data.mix entry above 0")

    def _other_test(self) -> Sequence[Conversation]:
        """The test conversations of `data.test_source`; none without one."""
        data = self._recipe.data
        if not data.test_source:
            return ()
        path = Path(data.test_path) if data.test_path else None
        options: dict[str, Any] = {"conversations": data.test} if data.test else {}
        return [rechunked(talk) for talk in load(data.test_source, path, **options)]

    def _check_validation(self, remedy: str) -> None:
        curriculum = self._recipe.curriculum
        for asked, what in ((curriculum.promote, "promote is on"), (curriculum.patience, "patience is above 0")):
            if asked and not self.validation:
                raise ConfigError(f"curriculum.{what}, but there is no validation conversation; {remedy}")

    def _check_questions(self, sessions: int) -> None:
        """Without a question nothing is ever rewarded: say so now, not after hours of unscored steps."""
        categories = self._recipe.eval.categories
        talks = [talk.truncated(sessions) for talk in self._train]
        if not any(question.category in categories for talk in talks for question in talk.questions):
            raise ConfigError(
                f"data.train: no question of eval.categories ({', '.join(categories)}) about the first {sessions} "
                f"sessions of its {len(talks)} conversation(s), so nothing can be rewarded; "
                "name conversations with questions, or other categories"
            )
        if self._recipe.rollout.unit == "bandit" and not any(q.evidence for talk in talks for q in talk.questions):
            raise ConfigError(
                'rollout.unit is "bandit", which asks about a turn what rests on it, but no question of data.train '
                "names the turns of its evidence; use rollout.unit=conversation"
            )

    def for_step(self, plan: StepPlan, count: int) -> list[Conversation]:
        """The `count` conversations of a training step, cut to the stage's sessions."""
        recipe = self._recipe
        if not recipe.data.mix and recipe.data.source in _GENERATED and not recipe.data.questions:
            seed = recipe.data.seed + recipe.seed + 1
            return list(self._generated("train", seed, count, plan.stage.sessions, plan.step * 1000))
        out: list[Conversation] = []
        for number in range(count):
            visit = plan.step * count + number
            order = list(range(len(self._train)))
            python_rng(recipe.seed, "order", visit // len(order)).shuffle(order)
            out.append(self._train[order[visit % len(order)]].truncated(plan.stage.sessions))
        return out
