"""The small server of token ids by itself: batches, loading weights again, and requests it cannot serve."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from fairmem.policy import Message, Sample, SampleRequest, import_torch, open_policy
from fairmem.policy.token_server import TokenServer


def post(server: TokenServer, path: str, body: Any) -> httpx.Response:
    return httpx.post(f"{server.root}{path}", json=body, timeout=30, trust_env=False)


def test_requests_that_wait_together_are_decoded_together(model_folder: Path) -> None:
    with TokenServer(model_folder) as server:
        policy = open_policy("served:tiny", base_url=server.base_url, folder=str(model_folder))
        policy.sample([SampleRequest((Message("user", "Ana"),), 24, seed=n) for n in range(24)])
        policy.close()
        assert sum(server.batches) == 24 and max(server.batches) > 1


def test_weights_that_changed_in_the_folder_are_sampled_after_a_reload(model_folder: Path, tmp_path: Path) -> None:
    torch = import_torch()
    from transformers import AutoModelForCausalLM

    folder = shutil.copytree(model_folder, tmp_path / "served")
    request = SampleRequest((Message("user", "Where does Ana live?"),), 12, seed=5)
    with TokenServer(folder) as server:
        policy = open_policy("served:tiny", base_url=server.base_url, folder=str(folder))
        (before,) = policy.sample([request])
        model: Any = AutoModelForCausalLM.from_pretrained(folder)
        with torch.no_grad():
            model.model.norm.weight.mul_(3.0)
        model.save_pretrained(folder)
        (still,) = policy.sample([request])
        about = {"prompts": "compact", "weight_version": 12}
        (folder / "fairmem.json").write_text(json.dumps(about))
        assert post(server, "/collective_rpc", {"method": "reload_weights"}).status_code == 200
        assert post(server, "/reset_prefix_cache", {}).status_code == 200
        (after,) = policy.sample([request])
        policy.close()
    assert isinstance(before, Sample) and isinstance(still, Sample) and isinstance(after, Sample)
    assert (before.version, still.version, after.version) == (0, 0, 12)
    assert before.logprobs == pytest.approx(still.logprobs) and after.logprobs[:1] != before.logprobs[:1]
    (local,) = open_policy(f"hf:{folder}", device="cpu").sample([request])
    assert isinstance(local, Sample) and local.ids == after.ids
    assert after.logprobs == pytest.approx(local.logprobs, abs=1e-5)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/completions", {"prompt": "text"}, 400),
        ("/v1/completions", {"prompt": []}, 400),
        ("/v1/completions", {"prompt": [1] * 250, "max_tokens": 100}, 400),
        ("/v1/completions", [1], 400),
        ("/v1/chat/completions", {}, 404),
        ("/collective_rpc", {"method": "sleep"}, 400),
        ("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": "/nowhere"}}, 500),
    ],
)
def test_what_it_cannot_serve_it_refuses(model_folder: Path, path: str, body: Any, status: int) -> None:
    with TokenServer(model_folder) as server:
        answer = post(server, path, body)
        assert answer.status_code == status and "message" in answer.json()["error"]
        assert httpx.get(f"{server.root}/health", trust_env=False).json() == {"version": 0}


def test_the_command_says_in_one_line_that_a_folder_is_no_model(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fairmem.policy.token_server", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1 and "config.json" in done.stderr and "Traceback" not in done.stderr
