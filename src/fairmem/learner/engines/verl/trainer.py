"""verl's synchronous trainer with our advantages and our mini-batches.

Three things are ours: the advantages are those the rows came with, checked before any weight is touched; the loss is
the embedded learner's; a mini-batch is a part of the step's rows as `learner.minibatches` says. (verl would cut
mini-batches by a number of rows, so that conversations with many turns cause many updates within one step.) The rest is
verl's: one weight sync per step, checkpoints, the reference.
"""

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transfer_queue as tq
from omegaconf import open_dict
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

from fairmem.config import LearnerConfig
from fairmem.errors import EngineError
from fairmem.learner.engines.base import open_journal
from fairmem.learner.engines.verl.episodes import KEY, row_of
from fairmem.learner.engines.verl.update import turn_loss
from fairmem.learner.minibatches import minibatches, shares
from fairmem.learner.rows import Row, check_rows

_PREFIX = "actor/fairmem/"
"""How verl names what `turn_loss` reports."""


@register_trainer(KEY)
class TreeTrainer(PPOTrainerSync):
    """Learns from the role turns of episode trees, with the credit they came with."""

    def _build_replay_buffer(self) -> Any:
        # Elsewhere verl asks for the mode by this name, to know that a step learns from its own rollouts only.
        self.trainer_mode = "sync"
        return super()._build_replay_buffer()

    def on_init_end(self) -> None:
        """Give the workers their loss, then the servers the weights."""
        ours: Any = self.config[KEY]
        self._settings = LearnerConfig.model_validate_json(ours.learner)
        self._seed = int(ours.seed)
        self._rows: dict[str, Row] = {}
        self._learned: dict[str, float] = {}
        self.actor_rollout_wg.set_loss_fn(partial(turn_loss, self._settings))
        super().on_init_end()

    def fit(self, agent_loop_manager: Any) -> None:
        """Verl's loop, with the run's own journal open beside its log."""
        ours: Any = self.config[KEY]
        done = None if self.config.trainer.resume_mode == "disable" else self.global_steps
        with open_journal(ours.episodes, Path(ours.folder), done) as self._journal:
            super().fit(agent_loop_manager)

    def step(self, metrics: dict[str, Any], timing_raw: dict[str, float]) -> KVBatchMeta:
        """One step of verl, written down before its checkpoint is."""
        started = time.perf_counter()
        batch = super().step(metrics, timing_raw)
        rolled = timing_raw["gen"]
        seconds = {"rollout": rolled, "learn": time.perf_counter() - started - rolled}
        self._journal.record(self.global_steps - 1, self._facts, self._learned, seconds)
        return batch

    def _get_required_batch_multiple(self, dp_size: int) -> int:
        return dp_size

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """Take the advantages off the rows, after `check_rows` has seen all of them."""
        fields = ["extra_fields", "prompts", "responses", "rollout_log_probs", "old_log_probs"]
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
        self._rows, self._facts = {}, []
        place: dict[str, int] = {}
        old: dict[str, torch.Tensor] = {}
        advantages: list[torch.Tensor] = []
        for i, (key, tag) in enumerate(zip(batch.keys, batch.tags, strict=True)):
            reply = data["responses"][i]
            credit = torch.zeros(len(reply))
            ours = {} if tag.get("is_padding") else _plain(data["extra_fields"][i])[KEY]
            if "facts" in ours:
                self._facts.append(ours["facts"])
                place[key.rsplit("_", 2)[0]] = ours["facts"]["index"]
            elif ours:
                row = row_of(ours, data["prompts"][i], reply, data["rollout_log_probs"][i])
                self._rows[key], old[key] = row, data["old_log_probs"][i]
                credit = credit + torch.tensor(row.advantage if row.advantages is None else row.advantages)
            advantages.append(credit)
        if len(self._facts) != int(self.config.data.train_batch_size):  # verl goes on without what failed
            missing = f"{len(self._facts)} of {self.config.data.train_batch_size} conversations were rolled out"
            raise EngineError(f"step {self.global_steps}: {missing}; what stopped the others is said above")
        check_rows(list(self._rows.values()))
        # In the order of the conversations, as every engine has them; verl's keys are random.
        self._order = sorted(self._rows, key=lambda key: (place[key.rsplit("_", 2)[0]], int(key.rsplit("_", 2)[2])))
        self._learned = {"rows": float(len(self._rows)), "sampler_gap": _gap(self._rows, old)}
        if "actor/entropy" in metrics:
            self._learned["entropy"] = float(metrics["actor/entropy"])
        nested = torch.nested.as_nested_tensor(advantages, layout=torch.jagged)
        fields_out = TensorDict({"advantages": nested, "returns": nested.clone()}, batch_size=len(advantages))
        return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields_out)

    def _update_actor(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """`epochs` passes over the rows in `minibatches` updates each; without rows nothing changes."""
        rows = [self._rows[key] for key in self._order]
        tags = dict(zip(batch.keys, batch.tags, strict=True))
        parts: list[dict[str, float]] = []
        for chosen in minibatches(len(rows), self._settings, self._seed, self.global_steps - 1):
            share_of = dict(zip([self._order[i] for i in chosen], shares(rows, chosen, self._settings), strict=True))
            part = self._filled(batch, share_of, tags)
            found: dict[str, Any] = {}
            with open_dict(self.config):
                self.config.actor_rollout_ref.actor.ppo_mini_batch_size = len(part.keys)
            super()._update_actor(part, found)
            parts.append({name: float(value) for name, value in found.items() if isinstance(value, (int, float))})
        self._learned |= _means(parts)
        metrics.update(parts[-1] if parts else {})
        return batch

    def _filled(self, batch: KVBatchMeta, share_of: Mapping[str, float], tags: Mapping[str, Any]) -> KVBatchMeta:
        """The chosen rows, filled up with rows of share 0 to a multiple of the ranks, balanced over them by tokens."""
        info: Any = self.actor_rollout_wg._dispatch_info["actor"]
        ranks = max(info) + 1
        fill = [key for key in batch.keys if key not in share_of][: -len(share_of) % ranks]
        keys = [*share_of, *fill]
        share = TensorDict({"share": torch.tensor([share_of.get(key, 0.0) for key in keys])}, len(keys))
        part = tq.kv_batch_put(keys=keys, partition_id=batch.partition_id, fields=share)
        part.tags, part.extra_info = [tags[key] for key in keys], dict(batch.extra_info or {})
        return self._balance_batch(part, {})


def _plain(value: Any) -> dict[str, Any]:
    """What a non-tensor field of TransferQueue holds."""
    return value if isinstance(value, dict) else value.data


def _gap(rows: Mapping[str, Row], old: Mapping[str, torch.Tensor]) -> float:
    """Mean |log p of the trainer - log p of the sampler| over sampled tokens, in nats."""
    gaps = [(old[key] - torch.tensor(row.logprobs)).abs() for key, row in rows.items()]
    return float(torch.cat(gaps).mean()) if gaps else 0.0


def _means(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Metrics of the step's updates, named as the embedded learner names them."""
    names = {"actor/loss": "loss", "actor/grad_norm": "grad_norm"}
    found: dict[str, float] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        ours = names.get(name) or (name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else "")
        if ours:
            found[ours] = sum(part[name] for part in parts) / len(parts)
    return found
