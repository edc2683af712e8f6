from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from fairmem.drift.answer import Ask, Outcome
from fairmem.drift.deflection import scored_values
from fairmem.drift.local import ScoredModel, TextModel, read_text
from fairmem.drift.models import open_model
from fairmem.errors import ConfigError
from fairmem.policy import Prompt, ScriptedPolicy
from tests.unit.drift.builders import small

ASK = Ask(small(), "biased-2", 0, 3, small().memories.biased)
CALL = json.dumps({"tool": "start_rollout", "arguments": small().reference_call})


class Letters:
    """A scorer whose tokens are characters; a character costs its rank in `costly`, so values can be told apart."""

    name = "letters"
    context: int | None = None

    def token_ids(self, prompt: Prompt, reply: str = "") -> tuple[int, ...]:
        return tuple(ord(char) for char in "".join(m.content for m in prompt) + reply)

    def score_after(self, prefix: Sequence[int], rows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        return [tuple(-0.1 if token != ord("0") else -1.0 for token in row) for row in rows]

    def close(self) -> None:
        pass


def test_values_are_scored_to_the_end_of_the_call_and_normalised() -> None:
    (answer,) = ScoredModel(Letters()).answer([ASK])
    assert answer.outcome is Outcome.OK and answer.distribution is not None
    found = dict(answer.distribution["/health_seconds"])
    assert set(found) == {1, 5, 22, 100, 200, 400, 600, 900}
    # What is not shared: the digits and the two braces that close the call. log p: a digit -0.1, a zero -1.
    # 1} }: -0.3; 5: -0.3; 22: -0.4; 100, 200, 400, 600, 900: -0.3 - 2.
    logs = {1: -0.3, 5: -0.3, 22: -0.4, 100: -2.3, 200: -2.3, 400: -2.3, 600: -2.3, 900: -2.3}
    total = math.fsum(math.exp(log) for log in logs.values())
    for value, log in logs.items():
        assert found[value] == pytest.approx(math.exp(log) / total, abs=1e-12), value


def test_a_prompt_beyond_the_context_is_a_typed_outcome() -> None:
    scorer = Letters()
    scorer.context = 100
    (answer,) = ScoredModel(scorer).answer([ASK])
    assert answer.outcome is Outcome.CALL_FAILED and "prompt_too_long" in answer.message


def test_a_model_folder_gives_distributions(model_folder: Path) -> None:
    from fairmem.policy.hf import HFPolicy

    policy = HFPolicy.from_folder(model_folder, device="cpu")
    policy.context = None  # The small model's context is shorter than a prompt, and its positions are rotary.
    model = ScoredModel(policy)
    (answer,) = model.answer([ASK])
    (again,) = model.answer([ASK])
    assert answer.distribution is not None and answer.distribution == again.distribution
    for target in small().targets:
        pairs = answer.distribution[target.pointer]
        assert tuple(value for value, _ in pairs) == scored_values(small(), target)
        assert math.fsum(p for _, p in pairs) == pytest.approx(1.0) and all(p >= 0 for _, p in pairs)


def test_a_text_policy_calls_by_json() -> None:
    seen: list[Prompt] = []

    def script(prompt: Prompt, seed: int) -> str:
        seen.append(prompt)
        return CALL if seed == 3 else "no"

    answers = list(TextModel(ScriptedPolicy(script), max_tokens=500).answer([ASK, Ask(small(), "none", 0, 4)]))
    assert [answer.outcome for answer in answers] == [Outcome.OK, Outcome.NO_CALL]
    assert answers[0].arguments == small().reference_call
    assert '"start_rollout"' in seen[0][0].content and "What is remembered" not in seen[1][0].content


def test_a_text_that_is_cut_is_truncated_unless_the_call_is_whole() -> None:
    assert read_text(ASK, CALL[:-5], truncated=True).outcome is Outcome.TRUNCATED
    assert read_text(ASK, CALL + " and", truncated=True).outcome is Outcome.OK


def test_models_open_by_name() -> None:
    assert open_model("closed-form:alpha=0.5,noise=0.1").settings["alpha"] == 0.5
    assert open_model("closed-form", sampled=True).exact is False
    assert open_model("scripted").name == "scripted"
    for spec in ("closed-form:alpha=x", "closed-form:gamma=1", "nothing-of-that-name"):
        with pytest.raises(ConfigError):
            open_model(spec)
    with pytest.raises(ConfigError, match="too small"):
        open_model("scripted", max_tokens=0)
