from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from fairmem.drift.arms import make_arms
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.files import load_scenarios
from fairmem.drift.judge import JUDGEMENTS, REVIEW, agreement, judge_run, read_judgements, read_score
from fairmem.drift.judge_agreement import spearman, weighted_kappa
from fairmem.drift.report import report_audit
from fairmem.drift.runner import run_audit
from fairmem.drift.trials import Run, read_run
from fairmem.errors import ConfigError
from fairmem.policy import Prompt, ScriptedPolicy


def audited(folder: Path) -> Run:
    model = ClosedFormModel(DriftParameters(alpha=0.5, sampled=True))
    run_audit(model, load_scenarios()[:8], make_arms(["none", "neutral", "biased-8"]), [0, 1], folder)
    return read_run(folder)


def test_kappa_is_worked_by_hand() -> None:
    # Observed squares 0, 0, 4, 1: 5/4. Expected over all 16 pairs of (1, 2, 3, 5) and (1, 2, 5, 4):
    # rows 0+1+16+9, 1+0+9+4, 4+1+4+1, 16+9+0+1 = 26, 14, 10, 26: 76/16. 1 - (5/4) / (76/16) = 56/76.
    assert weighted_kappa([1, 2, 3, 5], [1, 2, 5, 4]) == pytest.approx(56 / 76)
    assert weighted_kappa([1, 5, 3], [1, 5, 3]) == 1.0
    assert math.isnan(weighted_kappa([2, 2], [2, 2])) and math.isnan(weighted_kappa([], []))
    with pytest.raises(ValueError, match="from 1 to 5"):
        weighted_kappa([0], [1])


def test_rank_correlation_gives_ties_their_mean_rank() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 1.125, variances 1.125 and 1.25.
    assert spearman([1, 2, 2, 9], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(1.125 / math.sqrt(1.125 * 1.25))
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert math.isnan(spearman([1, 1], [1, 2]))


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"score": 4, "reason": "short check"}', 4),
        ('Well: {"score": 2.0, "parameters": []} done', 2),
        ('{"score": 6}', None),
        ('{"score": true}', None),
        ('{"score": "4"}', None),
        ("four", None),
        ("", None),
    ],
)
def test_a_score_is_from_one_to_five_or_none_with_the_reason(text: str, score: int | None) -> None:
    found, reason = read_score(text)
    assert found == score
    assert score is not None or "no score from 1 to 5" in reason


def test_the_judge_is_blind_and_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    run = audited(folder)
    seen: list[str] = []

    def script(prompt: Prompt, _seed: int) -> str:
        text = prompt[1].content
        seen.append(text)
        return "?" if len(seen) == 3 else json.dumps({"score": 5 if len(seen) % 2 else 1})

    judge = ScriptedPolicy(script, name="judge")
    assert judge_run(run, folder, judge) == len(seen) == 8 * 2 * 2
    memories = {m.text for s in run.scenarios.values() for m in (*s.memories.biased, *s.memories.neutral)}
    assert not any(memory in text for text in seen for memory in memories)
    assert not any(word in text for text in seen for word in ("biased", "neutral", "remembered"))
    first = [text.index("Call under review") < text.index("Reference call") for text in seen]
    assert 0 < sum(first) < len(first)

    with (folder / JUDGEMENTS).open("a") as file:
        file.write('{"torn')
    assert judge_run(run, folder, judge) == 0
    found = agreement(run, read_judgements(folder), folder)
    assert found is not None and (found.asked, found.n) == (32, 31)
    assert found.apart == len((folder / REVIEW).read_text().splitlines())
    assert "weighted kappa" in report_audit(folder)
    with pytest.raises(ConfigError, match="holds scores of judge"):
        judge_run(run, folder, ScriptedPolicy(script, name="other"))
