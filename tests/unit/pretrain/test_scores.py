"""Scores and card of a base model, with replies that are known."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fairmem.policy import Prompt, Reply, SampleRequest, ScriptedPolicy
from fairmem.pretrain.card import write_card
from fairmem.pretrain.imitate import ImitationSettings
from fairmem.pretrain.scores import _ASKED, _examples, score_base


class Unhurried(ScriptedPolicy):
    """A script whose tokens are longer than bytes, so that no reply is cut."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        return super().sample([replace(request, max_tokens=10_000) for request in requests])


def scores(reply: Callable[[str], str]) -> dict[str, float]:
    """Scores of a model that gives `reply` to each prompt, on two conversations."""

    def script(prompt: Prompt, seed: int) -> str:
        return reply(prompt[0].content)

    return score_base(Unhurried(script), "test", conversations=2)


@pytest.fixture(scope="module")
def gold() -> dict[str, str]:
    """Prompt -> right reply."""
    asked = _ASKED.items()
    return {d.prefix + rest: reply for role, mix in asked for d, rest, reply in _examples("test", 2, 0, role, mix)}


def test_a_model_that_is_always_right_scores_one_everywhere(gold: dict[str, str]) -> None:
    found = scores(gold.__getitem__)
    assert set(found.values()) == {1.0}
    assert {f"parseable {role}" for role in ("extractor", "manager", "answerer", "single", "writer")} <= set(found)
    assert {"single right INSERT", "writer right CORE"} <= set(found)
    assert {"answer exact", "answer refuses", "fact exact", "recall city", "recall pet"} <= set(found)
    assert {"manager right INSERT", "manager right UPDATE"} <= set(found)


def test_a_model_that_says_none_is_parseable_and_knows_nothing(gold: dict[str, str]) -> None:
    found = scores(lambda prompt: "none")
    assert found["parseable extractor"] == found["parseable manager"] == 1.0
    assert found["recall city"] == found["manager right INSERT"] == found["answer exact"] == 0.0
    assert "fact exact" not in found  # no fact was written
    # "none" decides on nothing, which is right where nothing is to do.
    assert found["manager right NOOP"] == 1.0


def test_a_model_that_babbles_is_not_parseable() -> None:
    found = scores(lambda prompt: "x ?")
    assert found["parseable extractor"] == found["parseable manager"] == 0.0
    assert found["answer exact"] == found["answer refuses"] == 0.0


def test_the_card_tells_how_the_model_was_made_and_what_it_scores(tmp_path: Path) -> None:
    measured = {"train": {"answer exact": 0.9375, "recall food": 0.25}, "test": {"answer exact": 0.875}}
    write_card(tmp_path, ImitationSettings(seed=3, steps=70), 1_234_567, 89_000_000, 3630.0, "cpu", measured)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "A 1,234,567 parameter Qwen3" in card
    assert "`fairmem pretrain --out FOLDER --seed 3 --steps 70`" in card
    assert "| tokens seen | 89,000,000 |" in card and "60 minutes on cpu" in card
    assert "| answer exact | 0.938 | 0.875 |\n| recall food | 0.250 | - |" in card
    assert "{" not in card and "food 0.75" in card
    saved = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert saved["scores"] == measured
    assert (saved["settings"]["steps"], saved["parameters"], saved["seconds"]) == (70, 1_234_567, 3630.0)
