"""Engines of verl for the platform `cpu` (cpu_platform.py), and a rollout replica on transformers: verl without a GPU.

For tests and for models small enough to train on a few cores; verl loads both modules where `VERL_USE_EXTERNAL_MODULES`
names them (driver.py sets that). Tokens are drawn as the embedded engine draws them, so a request gives the same reply
here for the same seed and weights. Two names of verl are replaced below: it asks for a process group with the backend
of CPU and device both, which torch takes for a mistake where the device is the CPU; and it pins the reference's memory.
"""

# ruff: noqa: D102 - the methods are those of verl's base classes, which say what they are

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import Any

import ray
import torch
import verl.utils.distributed as verl_distributed
import verl.workers.engine.fsdp.transformer_impl as verl_fsdp
import verl.workers.engine_workers as verl_workers
from torch.distributed.fsdp import CPUOffloadPolicy
from verl.workers.engine.base import EngineRegistry
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead
from verl.workers.rollout import base as verl_rollout
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, RolloutReplicaRegistry, TokenOutput

from fairmem.learner.engines.verl.settings import HF_ROLLOUT
from fairmem.policy import SampleRequest

_GATHER_SECONDS = 0.02
"""How long a server waits for requests of the same wave to come in."""
_ROWS = 64
"""Most requests decoded together."""


def _gloo_group(timeout_second: int | None = None, backend: str | None = None) -> None:
    torch.set_num_threads(1)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group(
            "gloo",
            rank=int(os.environ.get("RANK", 0)),
            world_size=int(os.environ.get("WORLD_SIZE", 1)),
            init_method=os.environ.get("DIST_INIT_METHOD"),
        )


class HFServer:
    """An actor that samples from a model of transformers and takes new weights."""

    def __init__(self, folder: str) -> None:
        from fairmem.policy.hf import HFPolicy

        torch.set_num_threads(1)
        self._policy = HFPolicy.from_folder(folder, device="cpu", dtype="float32")
        self._waiting: list[tuple[list[int], dict[str, Any], asyncio.Future[TokenOutput]]] = []
        self._version: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def load(self, weights: dict[str, torch.Tensor], version: int) -> None:
        """Take over the trainer's weights; those tied to others are not among them."""
        found = self._policy.model.load_state_dict(weights, strict=False)
        if found.unexpected_keys:
            raise ValueError(f"weights of another model: {found.unexpected_keys[0]}")
        self._version = version

    async def generate(
        self, request_id: str, prompt_ids: Sequence[int], sampling_params: dict[str, Any], **options: Any
    ) -> TokenOutput:
        """Sample one reply; requests that come in together are decoded together."""
        future: asyncio.Future[TokenOutput] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(prompt_ids), sampling_params, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER_SECONDS)
            batch, self._waiting = self._waiting[:_ROWS], self._waiting[_ROWS:]
            for (_, _, future), output in zip(batch, self._sample(batch), strict=True):
                future.set_result(output)

    @torch.no_grad()
    def _sample(self, batch: Sequence[tuple[list[int], dict[str, Any], Any]]) -> list[TokenOutput]:
        from fairmem.policy.decode import decode

        requests = [SampleRequest((), p["max_tokens"], p["temperature"], p["seed"]) for _, p, _ in batch]
        drawn = decode(self._policy.model, [prompt for prompt, _, _ in batch], requests, self._policy.eos)
        extra = {"global_steps": self._version}
        return [
            TokenOutput(token_ids=list(ids), log_probs=list(logp), stop_reason="completed", extra_fields=dict(extra))
            for ids, logp in drawn
        ]

    async def idle(self, *_: Any, **__: Any) -> None:
        """Nothing to do: there is no cache to give back, and no profile to take."""

    wake_up = sleep = abort_all_requests = resume_generation = clear_kv_cache = idle
    release_kv_cache = resume_kv_cache = start_profile = stop_profile = set_global_steps = idle


class HFReplica(RolloutReplica):
    """One `HFServer` per replica."""

    async def launch_servers(self) -> None:
        name = _server(self.replica_rank)
        server = ray.remote(HFServer).options(name=name, num_cpus=0, max_concurrency=1024)
        self._server_handle = server.remote(str(self.model_config.path))
        self.servers, self._server_address = [self._server_handle], name


class HFRollout(BaseRollout):
    """The trainer's end: hands its weights to every server, once per step."""

    async def resume(self, tags: list[str]) -> None: ...

    async def release(self) -> None: ...

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], wire_format: str = "named_tensors", **options: Any
    ) -> None:
        """Send full tensors; every rank takes part in gathering them, the first one sends."""
        held = {name: tensor.detach().cpu().clone() for name, tensor in weights}
        if torch.distributed.get_rank() == 0:
            version = options.get("global_steps")
            for rank in range(torch.distributed.get_world_size()):
                await ray.get_actor(_server(rank)).load.remote(held, version)


def _server(rank: int) -> str:
    return f"{HF_ROLLOUT}_{rank}"


def _unpinned(pin_memory: bool = True) -> CPUOffloadPolicy:
    """Verl keeps the reference off the GPU, in pinned memory; without a GPU there is nothing to pin for."""
    return CPUOffloadPolicy(pin_memory=False)


verl_fsdp.CPUOffloadPolicy = _unpinned  # type: ignore[misc, assignment]
verl_distributed.initialize_global_process_group_ray = _gloo_group
verl_workers.initialize_global_process_group_ray = _gloo_group
for _backend in ("fsdp", "fsdp2"):
    EngineRegistry._engines["language_model"][_backend].setdefault("cpu", FSDPEngineWithLMHead)
verl_rollout._ROLLOUT_REGISTRY[HF_ROLLOUT, "async"] = f"{__name__}.HFRollout"
RolloutReplicaRegistry.register(HF_ROLLOUT, lambda: HFReplica)
