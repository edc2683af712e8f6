"""A whole training run whose samples come from servers over loopback, against the same run in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem.cli import main
from fairmem.policy.token_server import Answer, TokenServer
from fairmem.policy.torch_setup import import_torch
from fairmem.trace import read_trace
from fairmem.train import run
from tests.integration.build import metrics, tiny

BASE = Path(__file__).parents[2] / "src" / "fairmem" / "assets" / "base"
STEPS = "stages=[{sessions = 2, steps = 2}]"
GENTLE = "learner.lr=3e-4"  # so that there is something to learn from in the second step too


class Crowded(TokenServer):
    """A server that is busy for every third request, and breaks every tenth."""

    asked = 0

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        if path == "/v1/completions":
            self.asked += 1
            if self.asked % 10 == 0:
                return 500, {"error": {"message": "try again"}}
            if self.asked % 3 == 0:
                return 429, {"error": {"message": "busy"}, "headers": {"Retry-After": "0"}}
        return super().answer(path, body)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[TokenServer]]:
    import_torch().set_num_threads(1)
    with TokenServer(BASE) as plain, Crowded(BASE) as crowded:
        yield [plain, crowded]


def sampler(servers: list[TokenServer], folder: Path) -> list[str]:
    addresses = json.dumps([server.base_url for server in servers])
    for server in servers:  # they read the folder that the run exports to
        server._folder = folder  # pyright: ignore[reportPrivateUsage]
    return [f"sampler.servers={addresses}", "sampler.path=openai:bundled", f"sampler.folder={folder}"]


def test_a_run_on_servers_samples_and_learns_what_the_run_in_this_process_does(
    servers: list[TokenServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny(STEPS, GENTLE, "name=here"), tmp_path / "here") == 0
    served = tiny(STEPS, GENTLE, "name=there", "learner.correction=off", *sampler(servers, tmp_path / "served"))
    assert run(served, tmp_path / "there") == 0
    capsys.readouterr()
    assert all(line["rows"] > 0 for line in metrics(tmp_path / "here"))
    for here, there in zip(metrics(tmp_path / "here"), metrics(tmp_path / "there"), strict=True):
        assert there.pop("stale_rows") == 0
        for clock in ("waves",):  # chains of calls, in place of batches
            assert there.pop(clock) <= here.pop(clock)
        assert there.keys() == here.keys()
        for name, value in here.items():
            assert there[name] == (pytest.approx(value, abs=2e-4) if isinstance(value, float) else value), name
    for step in (1, 2):
        trees = [next(read_trace(tmp_path / name / "trace" / f"step-{step:06d}.jsonl")) for name in ("here", "there")]
        ids = [[turn.ids for branch in tree.branches for turn in branch.turns] for tree in trees]
        assert ids[0] == ids[1] and len(ids[0]) > 10
        assert {turn.policy_version for branch in trees[1].branches for turn in branch.turns} == {step - 1}
    timing = [json.loads(line) for line in (tmp_path / "there" / "timing.jsonl").read_text().splitlines()]
    assert all(row["sync_gap"] < 1e-4 for row in timing if row["sync_seconds"])


def test_weights_that_go_out_every_second_step_leave_rows_one_version_old_and_correction_says_how_far(
    servers: list[TokenServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lazy = ["sampler.sync_every=2", "sampler.max_staleness=1", "learner.lr=1e-3"]
    recipe = tiny(STEPS, "name=lazy", *lazy, *sampler(servers[:1], tmp_path / "served"))
    assert run(recipe, tmp_path / "lazy") == 0
    capsys.readouterr()
    first, second = metrics(tmp_path / "lazy")
    assert first["sampler_kl"] < 1e-6 and first["correction_cut"] == 0.0
    assert second["sampler_kl"] > 1e-4 and second["correction_max"] > 1.01
    assert first["stale_rows"] == second["stale_rows"] == 0 and second["rows"] > 0
    # The learner's own probabilities are the old ones, so the first update's ratio is 1 though the sampler was behind.
    assert second["ratio_mean"] == pytest.approx(1.0, abs=1e-4)


def test_a_replica_that_was_missed_by_an_update_has_its_rows_dropped_and_counted(
    servers: list[TokenServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Behind(TokenServer):
        def answer(self, path: str, body: dict[str, Any]) -> Answer:
            code, content = super().answer(path, body)
            if path == "/v1/completions" and body["seed"] % 2 and "weight_version" in content and body["seed"] > 1:
                content["weight_version"] -= 1  # as one of several behind a load balancer
            return code, content

    with Behind(BASE) as behind:
        recipe = tiny(STEPS, GENTLE, "name=behind", *sampler([behind], tmp_path / "served"))
        assert run(recipe, tmp_path / "behind") == 0
    capsys.readouterr()
    for line in metrics(tmp_path / "behind"):
        assert line["stale_rows"] > 0


def test_a_server_that_is_not_there_is_said_in_one_line_before_anything_is_sampled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ['sampler.servers=["http://127.0.0.1:1/v1"]', "sampler.path=openai:m", "sampler.attempts=1"]
    recipe = ["memory_r2_small", "data.test_conversations=0", "data.validation_conversations=0", *keys]
    assert main(["train", *recipe, "--name", "dead", "--out", str(tmp_path)]) != 0
    said = capsys.readouterr().err
    assert "http://127.0.0.1:1/v1: model 'm' gives no sample to train on (unreachable" in said
    assert "Traceback" not in said
