"""One recipe over several seeds, with results that are known by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fairmem import study
from fairmem.config import Recipe, load_recipe
from fairmem.errors import ConfigError, DataError
from fairmem.study import SeedResult, run_seeds, seeds_table, summarise_seeds
from tests.unit.eval.build import result

RECIPE = Recipe(name="mine")


def seed_result(seed: int, before: float, after: float) -> SeedResult:
    return SeedResult(
        seed=seed, before=before, after=after, difference=after - before, low=after - before - 0.05,
        high=after - before + 0.05, entries_before=20.0, entries_after=16.0 + seed, tokens_before=200.0,
        tokens_after=150.0, categories_before={"single_hop": before, "open_domain": 0.5},
        categories_after={"single_hop": after, "open_domain": 0.5}, seconds=600.0,
    )  # fmt: skip


THREE = [seed_result(0, 0.2, 0.3), seed_result(1, 0.25, 0.45), seed_result(2, 0.3, 0.6)]


def test_means_over_seeds_have_student_t_intervals() -> None:
    found = summarise_seeds(RECIPE, ["learner.lr=1e-4"], THREE)
    # Differences 0.1, 0.2, 0.3: mean 0.2, standard deviation 0.1, of the mean 0.1 / sqrt(3) = 0.057735;
    # t with 2 degrees of freedom at 97.5 % is 4.302653, so half the interval is 0.248414.
    assert found["difference"]["mean"] == pytest.approx(0.2)
    assert found["difference"]["low"] == pytest.approx(0.2 - 0.248414, abs=1e-5)
    assert found["difference"]["high"] == pytest.approx(0.2 + 0.248414, abs=1e-5)
    assert found["difference"]["n"] == 3
    assert found["before"]["mean"] == pytest.approx(0.25) and found["after"]["mean"] == pytest.approx(0.45)
    assert found["categories"]["single_hop"]["difference"]["mean"] == pytest.approx(0.2)
    assert found["categories"]["open_domain"]["difference"]["mean"] == 0.0
    assert found["entries"]["after"]["mean"] == pytest.approx(17.0)
    assert found["command"] == "fairmem seeds mine learner.lr=1e-4 --seeds 0,1,2"
    assert [row["seed"] for row in found["seeds"]] == [0, 1, 2]
    json.dumps(found, allow_nan=False)


def test_one_seed_has_no_interval() -> None:
    found = summarise_seeds(RECIPE, [], THREE[:1])
    assert found["difference"] == {"mean": pytest.approx(0.1), "low": None, "high": None, "n": 1}
    assert "| **all** | 0.200 | 0.300 | +0.100 |" in seeds_table(found)
    json.dumps(found, allow_nan=False)


def test_the_table_holds_categories_and_seeds() -> None:
    table = seeds_table(summarise_seeds(RECIPE, [], THREE))
    assert table.startswith("Test F1 before and after 24 steps, mean over 3 seeds with 95 % t interval over seeds, 32 ")
    # Before: standard deviation 0.05, half the interval 0.124207. After: 0.15 and 0.372621.
    assert "| **all** | 0.250 [0.126, 0.374] | 0.450 [0.077, 0.823] | +0.200 [-0.048, +0.448] |" in table
    assert "| open domain | 0.500 [0.500, 0.500] | 0.500 [0.500, 0.500] | +0.000 [+0.000, +0.000] |" in table
    assert "| 1 | 0.250 | 0.450 | +0.200 [+0.150, +0.250] | 20.0 -> 17.0 | 600 |" in table


def finish(folder: Path, before: float, after: float) -> None:
    """What a finished run leaves of its evaluations and times."""
    folder.mkdir(parents=True, exist_ok=True)
    result([[before, before], [before, before]]).save(folder / "eval_before.jsonl")
    result([[after, after], [after, after]]).save(folder / "eval_after.jsonl")
    (folder / "timing.jsonl").write_text('{"step": 1, "seconds": 10.0}\n{"step": 2, "seconds": 5.5}\n')


def test_the_table_names_the_score_of_the_recipe() -> None:
    exact = load_recipe("memory_r1_grpo")  # its reward, and so its evaluation, is exact match
    assert seeds_table(summarise_seeds(exact, [], THREE)).startswith("Test EM before and after ")


def test_finished_seeds_are_read_and_only_the_others_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(tmp_path / "memory_r2_small-s0", 0.25, 0.5)
    trained: list[tuple[int, str]] = []

    def train(recipe: str, overrides: Sequence[str], seed: int, folder: Path, jobs: int) -> None:
        trained.append((seed, folder.name))
        finish(folder, 0.25, 0.75)

    monkeypatch.setattr(study, "_train", train)
    said: list[str] = []
    found = run_seeds("memory_r2_small", [], [0, 3], tmp_path, 1, said.append)
    assert trained == [(3, "memory_r2_small-s3")]
    assert [(row["seed"], row["before"], row["after"]) for row in found["seeds"]] == [(0, 0.25, 0.5), (3, 0.25, 0.75)]
    # 10 + 5.5 seconds of steps; the paired difference is the same in every conversation.
    first = found["seeds"][0]
    assert first["seconds"] == 15.5 and (first["difference"], first["low"], first["high"]) == (0.25, 0.25, 0.25)
    assert (first["entries_before"], first["tokens_after"]) == (10.0, 50.0)
    assert [line.split(":")[0] for line in said] == ["seed 0", "seed 3", "seed 3"]
    assert json.loads((tmp_path / "memory_r2_small-seeds.json").read_text()) == found
    assert (tmp_path / "memory_r2_small-seeds.md").read_text() == seeds_table(found)
    # Once more: nothing is left to train.
    assert run_seeds("memory_r2_small", [], [0, 3], tmp_path, 2, said.append) == found
    assert len(trained) == 1


def test_a_run_that_ends_without_a_result_is_named_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"seed 7 ended with status 2: .*nowhere.*memory_r2_small-s7/log\.txt\)"):
        run_seeds("memory_r2_small", ["model.path=./nowhere"], [7], tmp_path, 1, lambda text: None)
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("seeds", "jobs", "message"),
    [([0, 0], 1, "--seeds is 0,0, expected different"), ([], 1, "--seeds is "), ([0], 0, "--jobs is 0")],
)
def test_wrong_seeds_and_jobs_are_refused(tmp_path: Path, seeds: list[int], jobs: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_seeds("memory_r2_small", [], seeds, tmp_path, jobs, lambda text: None)
