"""Samplers outside this process: who they are, and how they come to the weights that are learned.

After an update the weights are exported as a Hugging Face folder, and the servers are told to load it:

    vllm      POST /collective_rpc {"method": "reload_weights"}, then POST /reset_prefix_cache, at every server. vLLM
              has these with VLLM_SERVER_DEV_MODE=1, and reads the folder that it was started with
    http      POST {"folder": ..., "version": N} to `sampler.sync_url`
    command   `sampler.sync_command` with {folder} and {version} filled in
    none      nobody is told; the servers have to say in each answer which weights they hold

Then every server is asked for one short sample, and its log-probabilities are compared with the learner's own: a server
that answers with other weights, with those of before, or at another temperature is an error and no silent bias.

Not here: weights sent over NCCL or shared GPU memory (vLLM's weight transfer engine). A folder costs a write and a
read of the model per update, 15 GB each at 7 billion parameters in bfloat16; the verl engine does it in memory.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from fairmem.config import Recipe, SamplerConfig
from fairmem.errors import ConfigError, EndpointError
from fairmem.learner.backbones import Backbones
from fairmem.learner.rows import Row
from fairmem.policy import WRITERS, Message, Policy, Sample, SampleRequest
from fairmem.policy.openai import LOOPBACK
from fairmem.policy.served import ServedPolicy
from fairmem.trace import CallFailure, Role

_PROBE = "Ana: I moved to Lodz in May, and my sister keeps two dogs."
_PROBE_TOKENS = 24
_MOVED = 1e-3
"""nats per token by which a probe has to have moved, for weights before and after an update to be told apart."""
_ASK_EVERY = 2.0
"""Seconds between two questions whether a server is there."""
_LINE = 300

Say = Callable[[str], None]


@dataclass(slots=True)
class _Seen:
    """A server's reply to the probe, and what the learner made of it at that time."""

    ids: tuple[int, ...]
    learner: tuple[float, ...]


class Serving:
    """The servers of a run and the weights they hold.

    Attributes:
        policy: Who plays all roles that write memory.
    """

    def __init__(self, recipe: Recipe, backbones: Backbones, policy: ServedPolicy, folder: Path) -> None:
        """Nothing is exported or asked before `bring`.

        Args:
            recipe: Of the run.
            backbones: Its models; what they learn is what the servers are to hold.
            policy: The servers.
            folder: Where the weights go.
        """
        self.policy = policy
        self._config, self._backbones, self._folder = recipe.sampler, backbones, folder
        self._temperature = recipe.rollout.temperature
        self._changed = True
        self._seen: dict[str, _Seen] = {}

    @property
    def policies(self) -> dict[Role, Policy]:
        """The servers in each role that writes memory."""
        roles: tuple[Role, ...] = (*WRITERS, "single", "writer")
        return dict.fromkeys(roles, self.policy)

    def changed(self) -> None:
        """The weights are no longer those that the servers were given."""
        self._changed = True

    def bring(self, version: int, now: bool = False, say: Say = lambda _: None) -> dict[str, float]:
        """Give the servers the weights of `version`, if it is time; `now` whatever `sampler.sync_every` says.

        Returns:
            `sync_seconds`, 0 if nothing was done, and `sync_gap` of the probe (nats per token) if something was.

        Raises:
            EndpointError: a server cannot be told, or does not answer with these weights.
            CheckpointError: the folder cannot be written.
        """
        held = self.policy.version
        due = now or held is None or version - held >= self._config.sync_every
        if not self._changed or not due:
            return {"sync_seconds": 0.0}
        started = time.perf_counter()
        first = not self._seen
        if self._config.sync != "none":
            about = {"from": "training", "weight_version": version}
            self._backbones.export(self._folder, about)
        if first:
            self._await(say)
        _tell(self._config, self.policy.servers, self._folder, version)
        if self._config.sync != "none":
            self.policy.version = version
        gap = self._verify(version)
        self._changed = False
        return {"sync_seconds": time.perf_counter() - started, "sync_gap": gap}

    def close(self) -> None:
        """Close the connections; the servers go on."""
        self.policy.close()

    def _await(self, say: Say) -> None:
        """Until every server answers, `sampler.wait` seconds at most."""
        until, told = time.monotonic() + self._config.wait, False
        while True:
            try:
                return self.policy.check()
            except EndpointError:
                if time.monotonic() >= until:
                    raise
            if not told:
                say(f"waiting for {', '.join(self.policy.servers)}; the weights are in {self._folder}")
                told = True
            time.sleep(_ASK_EVERY)

    def _verify(self, version: int) -> float:
        """The largest mean gap of a server's probe; EndpointError if it does not come from these weights."""
        request = SampleRequest((Message("user", _PROBE),), _PROBE_TOKENS, self._temperature, seed=1)
        gaps: list[float] = []
        for url, reply in zip(self.policy.servers, self.policy.probe(request), strict=True):
            if isinstance(reply, CallFailure):
                raise EndpointError(f"{url}: gives no sample after loading weights ({reply.kind}: {reply.message})")
            if reply.version is None:
                raise EndpointError(
                    f"{url}: sampler.sync is none, and the server does not tell the version of its weights; "
                    "use another sync, or a server whose answers have weight_version"
                )
            if self._config.sync != "none" and reply.version != version:
                raise EndpointError(
                    f"{url}: answers with weights of version {reply.version}, expected {version}; did it load "
                    f"{self._folder}?"
                )
            gaps.append(self._gap(url, reply))
        return max(gaps)

    def _gap(self, url: str, reply: Sample) -> float:
        learner = self._learner_logprobs(reply)
        gap = _mean_difference(reply.logprobs, learner)
        before = self._seen.get(url)
        self._seen[url] = _Seen(reply.ids, learner)
        if gap > self._config.tolerance:
            raise EndpointError(
                f"{url}: log-probabilities are {gap:.3f} nats per token from the learner's, sampler.tolerance is "
                f"{self._config.tolerance}; is it the same model, and does it give them at the sampling temperature "
                "(vLLM: --logprobs-mode processed_logprobs)?"
            )
        if before is not None and before.ids == reply.ids:
            moved = _mean_difference(before.learner, learner)
            if moved > _MOVED and _mean_difference(reply.logprobs, before.learner) < gap / 2:
                raise EndpointError(
                    f"{url}: still answers with the weights of before (the probe moved by {moved:.4f} nats per token "
                    f"here, and not there); did it load {self._folder}?"
                )
        return gap

    def _learner_logprobs(self, reply: Sample) -> tuple[float, ...]:
        row = Row(
            reply.prompt_ids, reply.ids, reply.logprobs, 0.0, 1.0, "probe", "global", "manager", "probe", "p", 1, 0, 0
        )
        (learner,) = self._backbones.team.members.values()
        return tuple(learner.logprobs([row])[0].tolist())


def open_serving(recipe: Recipe, backbones: Backbones, folder: Path) -> Serving | None:
    """The servers of `recipe`, for a run in `folder`; None where the trained model samples in this process.

    Raises:
        ConfigError: an address that is none.
    """
    sampler = recipe.sampler
    if not sampler.path:
        return None
    local = backbones.policies["manager"]
    policy = ServedPolicy(
        sampler.path.removeprefix("openai:"),
        sampler.servers,
        local.tokenizer,
        local.eos,
        family=local.family,
        context=local.context,
        api_key_env=sampler.api_key_env,
        in_flight=sampler.in_flight,
        timeout=sampler.timeout,
        attempts=sampler.attempts,
    )
    return Serving(recipe, backbones, policy, Path(sampler.folder) if sampler.folder else folder / "served")


def _mean_difference(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def _tell(config: SamplerConfig, servers: tuple[str, ...], folder: Path, version: int) -> None:
    """Have the servers load `folder`; EndpointError if one of them does not."""
    if config.sync == "vllm":
        for url in servers:
            root = url.removesuffix("/v1")
            _post(f"{root}/collective_rpc", {"method": "reload_weights"}, config.timeout)
            _post(f"{root}/reset_prefix_cache", {}, config.timeout)
    elif config.sync == "http":
        _post(config.sync_url, {"folder": str(folder.resolve()), "version": version}, config.timeout)
    elif config.sync == "command":
        _run(config.sync_command, folder.resolve(), version, config.timeout)


def _post(url: str, body: dict[str, object], timeout: float) -> None:
    try:
        local = httpx.URL(url).host in LOOPBACK
        response = httpx.post(url, json=body, timeout=timeout, trust_env=not local)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise EndpointError(f"{url}: cannot be told to load weights ({type(error).__name__}: {error})") from error
    if response.status_code != 200:
        said = " ".join(response.text.split())[:_LINE]
        raise EndpointError(f"{url}: did not load weights, HTTP {response.status_code}: {said}")


def _run(command: str, folder: Path, version: int, timeout: float) -> None:
    try:
        parts = [p.replace("{folder}", str(folder)).replace("{version}", str(version)) for p in shlex.split(command)]
    except ValueError as error:
        raise ConfigError(f"sampler.sync_command cannot be read: {error}") from error
    try:
        done = subprocess.run(parts, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EndpointError(f"sampler.sync_command cannot be run: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-_LINE:]
        raise EndpointError(f"sampler.sync_command ended with status {done.returncode}: {said}")
