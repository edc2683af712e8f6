"""Which conversations a training step rolls out, and how long they are.

Village conversations are new in every step, named by (data seed, step, number), so a resumed run sees what an
undisturbed one would. Conversations from a file are cut to the stage's sessions and visited round robin in an
order shuffled once per pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairmem.config import Recipe
from fairmem.data import load
from fairmem.data.village import generate
from fairmem.episodes.stages import StepPlan
from fairmem.errors import ConfigError
from fairmem.seeds import python_rng
from fairmem.types import Conversation


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
        if data.source == "village":
            self.validation = generate(data.seed, "val", data.validation_conversations, longest, data.difficulty)
            self.test = generate(data.seed, "test", data.test_conversations, longest, data.difficulty)
            self._check_validation("set data.validation_conversations above 0")
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
        self.validation = chosen("validation", data.validation)
        self.test = chosen("test", data.test)
        self._check_validation("give ids, data.validation=[...]")

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

    def for_step(self, plan: StepPlan, count: int) -> list[Conversation]:
        """The `count` conversations of a training step, cut to the stage's sessions."""
        recipe = self._recipe
        if recipe.data.source == "village":
            start = plan.step * 1000
            return generate(
                recipe.data.seed + recipe.seed + 1, "train", count, plan.stage.sessions, recipe.data.difficulty, start
            )
        out: list[Conversation] = []
        for number in range(count):
            visit = plan.step * count + number
            order = list(range(len(self._train)))
            python_rng(recipe.seed, "order", visit // len(order)).shuffle(order)
            out.append(self._train[order[visit % len(order)]].truncated(plan.stage.sessions))
        return out
