"""Weights on their way to servers: who is told what, and which servers are caught answering with others."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fairmem.config import Recipe, parse_recipe
from fairmem.errors import ConfigError, EndpointError
from fairmem.learner import Backbones, Serving, open_backbones, open_serving
from fairmem.policy import Message, Sample, SampleRequest
from fairmem.policy.token_server import Answer, TokenServer
from tests.unit.policy.conftest import build_model_folder


class Told(TokenServer):
    """A server that keeps the paths it was told on, and may have a fault."""

    def __init__(self, folder: Path) -> None:
        self.paths: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.fault = ""
        super().__init__(folder)

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/v1/completions":
            self.paths.append(path)
            self.bodies.append(body)
        if path == "/load":
            where = {"weights_path": body["folder"]}
            return super().answer("/collective_rpc", {"method": "reload_weights", "kwargs": where})
        if self.fault == "deaf" and path == "/collective_rpc":
            return 200, {"results": [None]}
        if self.fault == "broken" and path == "/collective_rpc":
            return 500, {"error": {"message": "out of memory"}}
        code, content = super().answer(path, body)
        if path == "/v1/completions" and code == 200:
            held = content["choices"][0]["logprobs"]
            if self.fault in ("deaf", "untold"):
                del content["weight_version"]
            if self.fault == "cold":
                held["token_logprobs"] = [logprob * 0.2 for logprob in held["token_logprobs"]]
        return code, content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return build_model_folder(tmp_path_factory.mktemp("serving") / "tiny")


@pytest.fixture
def served(tmp_path: Path, folder: Path) -> Iterator[Told]:
    # As a server is started on the folder that the run exports to.
    backbones = open_backbones(parse_recipe({"model": {"path": str(folder)}}))
    backbones.export(tmp_path / "served", {"weight_version": 0})
    server = Told(tmp_path / "served")
    with server:
        yield server


def recipe(model: Path, *servers: TokenServer, **sampler: Any) -> Recipe:
    addresses = [server.base_url for server in servers]
    return parse_recipe(
        {
            "model": {"path": str(model)},
            "rollout": {"temperature": 0.9},
            "sampler": {"path": "openai:tiny", "servers": addresses, "timeout": 200.0, "attempts": 1, **sampler},
        }
    )


def opened(model: Path, run: Path, *servers: TokenServer, **sampler: Any) -> tuple[Serving, Backbones]:
    made = recipe(model, *servers, **sampler)
    backbones = open_backbones(made)
    serving = open_serving(made, backbones, run)
    assert serving is not None
    return serving, backbones


def train(backbones: Backbones, serving: Serving) -> None:
    """An update, as far as the servers are concerned."""
    with torch.no_grad():
        backbones.policies["manager"].model.model.norm.weight.mul_(1.5)
    serving.changed()


REQUEST = SampleRequest((Message("user", "Where does Ana live?"),), 8, temperature=0.9, seed=11)


def test_after_an_update_the_servers_sample_what_the_learner_would(folder: Path, tmp_path: Path, served: Told) -> None:
    serving, backbones = opened(folder, tmp_path, served)
    first = serving.bring(0)
    assert first["sync_seconds"] > 0 and first["sync_gap"] < 1e-5
    train(backbones, serving)
    assert serving.bring(1)["sync_gap"] < 1e-5
    (there,), (here,) = serving.policy.sample([REQUEST]), backbones.policies["manager"].sample([REQUEST])
    assert isinstance(there, Sample) and isinstance(here, Sample)
    assert there.ids == here.ids and there.version == 1
    assert there.logprobs == pytest.approx(here.logprobs, abs=1e-5)
    assert served.paths == ["/collective_rpc", "/reset_prefix_cache"] * 2
    assert json.loads((tmp_path / "served" / "fairmem.json").read_text())["weight_version"] == 1
    serving.close()


def test_weights_that_did_not_change_are_not_sent_again(folder: Path, tmp_path: Path, served: Told) -> None:
    serving, _ = opened(folder, tmp_path, served)
    serving.bring(0)
    assert serving.bring(0) == {"sync_seconds": 0.0} == serving.bring(0, now=True)
    assert len(served.paths) == 2
    serving.close()


def test_with_a_longer_interval_weights_go_out_every_so_many_versions_or_when_asked(
    folder: Path, tmp_path: Path, served: Told
) -> None:
    serving, backbones = opened(folder, tmp_path, served, sync_every=3, max_staleness=2)
    held: list[int | None] = []
    for version in range(5):
        serving.bring(version)
        held.append(serving.policy.version)
        train(backbones, serving)
    assert held == [0, 0, 0, 3, 3]
    serving.bring(5, now=True)
    assert serving.policy.version == 5
    serving.close()


def test_a_post_to_an_address_of_ones_own_names_folder_and_version(folder: Path, tmp_path: Path, served: Told) -> None:
    keys = {"sync": "http", "sync_url": f"{served.root}/load", "folder": str(tmp_path / "w")}
    serving, _ = opened(folder, tmp_path, served, **keys)
    serving.bring(3)
    assert served.paths == ["/load"]
    assert served.bodies == [{"folder": str((tmp_path / "w").resolve()), "version": 3}]
    assert served.version == 3
    serving.close()


def test_a_command_is_run_without_a_shell_with_folder_and_version_filled_in(
    folder: Path, tmp_path: Path, served: Told
) -> None:
    script = tmp_path / "load.py"
    script.write_text(
        "import json, sys, urllib.request as u\n"
        "body = json.dumps({'folder': sys.argv[1], 'version': int(sys.argv[2])}).encode()\n"
        "u.build_opener(u.ProxyHandler({})).open(u.Request(sys.argv[3], body)).read()\n"
    )
    command = f"{sys.executable} {script} {{folder}} {{version}} {served.root}/load"
    serving, _ = opened(folder, tmp_path, served, sync="command", sync_command=command)
    serving.bring(7)
    assert served.version == 7 and serving.policy.version == 7
    serving.close()


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ({"sync": "command", "sync_command": "false"}, "sync_command ended with status 1"),
        ({"sync": "command", "sync_command": "/nowhere/load"}, "sync_command cannot be run"),
        ({"sync": "http", "sync_url": "http://127.0.0.1:1/load"}, "cannot be told to load weights"),
    ],
)
def test_a_server_that_cannot_be_told_ends_the_run_in_one_line(
    folder: Path, tmp_path: Path, served: Told, sampler: dict[str, Any], message: str
) -> None:
    serving, _ = opened(folder, tmp_path, served, **sampler)
    with pytest.raises(EndpointError, match=message) as error:
        serving.bring(0)
    assert "\n" not in str(error.value)
    serving.close()


def test_a_server_that_fails_to_load_is_quoted(folder: Path, tmp_path: Path, served: Told) -> None:
    served.fault = "broken"
    serving, _ = opened(folder, tmp_path, served)
    with pytest.raises(EndpointError, match=r"did not load weights, HTTP 500: .*out of memory"):
        serving.bring(0)
    serving.close()


def test_a_server_that_still_has_the_weights_of_before_is_caught_by_its_log_probabilities(
    folder: Path, tmp_path: Path, served: Told
) -> None:
    served.fault = "deaf"  # it says that it loaded, tells no version, and did nothing
    serving, backbones = opened(folder, tmp_path, served, tolerance=10.0)
    serving.bring(0)
    train(backbones, serving)
    with pytest.raises(EndpointError, match="still answers with the weights of before"):
        serving.bring(1)
    serving.close()


def test_log_probabilities_at_another_temperature_are_caught_with_what_to_do(
    folder: Path, tmp_path: Path, served: Told
) -> None:
    served.fault = "cold"
    serving, _ = opened(folder, tmp_path, served)
    with pytest.raises(EndpointError, match=r"sampler.tolerance is 0\.5; .*--logprobs-mode processed_logprobs"):
        serving.bring(0)
    serving.close()


def test_a_server_of_another_version_than_was_sent_is_refused(folder: Path, tmp_path: Path, served: Told) -> None:
    serving, _ = opened(folder, tmp_path, served, folder=str(tmp_path / "elsewhere"))
    with pytest.raises(EndpointError, match="weights of version 0, expected 4; did it load"):
        serving.bring(4)  # the server reads its own folder, which the run does not write
    serving.close()


def test_without_sync_the_server_has_to_tell_its_version(folder: Path, tmp_path: Path, served: Told) -> None:
    serving, _ = opened(folder, tmp_path, served, sync="none")
    serving.bring(9)
    assert served.paths == [] and serving.policy.version is None
    (reply,) = serving.policy.sample([REQUEST])
    assert isinstance(reply, Sample) and reply.version == 0
    serving.close()
    served.fault = "untold"
    serving, _ = opened(folder, tmp_path, served, sync="none")
    with pytest.raises(EndpointError, match="does not tell the version"):
        serving.bring(9)
    serving.close()


def test_servers_that_are_not_there_yet_are_waited_for_and_then_given_up(folder: Path, tmp_path: Path) -> None:
    made = recipe(folder, wait=0.0, servers=["http://127.0.0.1:1/v1"])
    backbones = open_backbones(made)
    serving = open_serving(made, backbones, tmp_path)
    assert serving is not None
    said: list[str] = []
    with pytest.raises(EndpointError, match="gives no sample to train on"):
        serving.bring(0, say=said.append)
    assert said == [] and (tmp_path / "served" / "model.safetensors").is_file()
    serving.close()


def test_without_a_sampler_there_is_nothing_to_serve(folder: Path, tmp_path: Path) -> None:
    made = parse_recipe({"model": {"path": str(folder)}})
    assert open_serving(made, open_backbones(made), tmp_path) is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sampler": {"path": "hf:x", "servers": ["http://a/v1"]}}, "named as openai:NAME"),
        ({"sampler": {"path": "openai:", "servers": ["http://a/v1"]}}, "named as openai:NAME"),
        ({"sampler": {"path": "openai:m"}}, r"sampler\.servers is empty"),
        ({"sampler": {"servers": ["http://a/v1"]}}, r"sampler\.path is empty"),
        ({"sampler": {"path": "openai:m", "servers": ["http://a/v1"], "sync": "http"}}, "sync_url is empty"),
        ({"sampler": {"path": "openai:m", "servers": ["http://a/v1"], "sync": "command"}}, "sync_command is empty"),
        ({"sampler": {"path": "openai:m", "servers": ["http://a/v1"], "sync_every": 3}}, "set it to 2 or more"),
        (
            {"sampler": {"path": "openai:m", "servers": ["http://a/v1"]}, "model": {"backbones": "separate"}},
            "one model for all roles",
        ),
    ],
)
def test_keys_that_cannot_go_together_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_recipe(keys)


def test_correction_is_on_with_a_sampler_and_off_without_unless_the_recipe_says(folder: Path) -> None:
    plain = parse_recipe({})
    sampled = parse_recipe({"sampler": {"path": "openai:m", "servers": ["http://a/v1"]}})
    said = parse_recipe({"learner": {"correction": "mask"}})
    found = [made.at(made.stages[0]).learner.correction for made in (plain, sampled, said)]
    assert found == ["off", "truncate", "mask"]
