"""The policy-gradient update of one step's rows. It knows no credit rule: advantages and weights come with the rows.

One `step` is: check the rows; log-probabilities under the reference (and, if asked, under the current
weights) once; then `epochs` passes of `minibatches` optimizer steps. A mini-batch is split into
micro-batches by tokens and normalised by its own total weight, so the split changes memory, not the result.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from fairmem.config import LearnerConfig
from fairmem.errors import CheckpointError, ConfigError
from fairmem.learner.batch import PackedBatch, collate, micro_batches, pack_rows
from fairmem.learner.correction import correct
from fairmem.learner.forward import causal_model, sampled_logprobs, scored
from fairmem.learner.losses import aggregate, imitation_loss, k3_kl, policy_loss, turn_mean
from fairmem.learner.minibatches import minibatches
from fairmem.learner.optim import Optimizer
from fairmem.learner.reference import fingerprint, frozen_reference
from fairmem.learner.rows import Row, check_rows
from fairmem.learner.tally import Tally
from fairmem.learner.value_head import ValueHead, explained_variance, value_loss


class Learner:
    """Updates `model` in place from rows.

    Dropout stays off (the model is kept in evaluation mode), so that the ratio of new to old
    probabilities is 1 before the first update. float32 weights run under bfloat16 autocast on CUDA only.

    Args:
        model: A Hugging Face causal language model, or a PEFT model around one; it is trained in place.
        reference: What the KL term compares with. None with a KL weight above 0 takes the model as it is
            now: a frozen copy, or, for a PEFT model, its base without the adapters.
        config: The recipe's `learner` section.
        temperature: Sampling temperature of the rows; probabilities are compared at it.
        seed: Of the order of rows, when there is more than one mini-batch.
        recompute_old: Compare with log-probabilities computed from the weights at the start of the step
            in place of those recorded at sampling (for backends that record none).
        share_prompts: Compute a prompt that several rows have once.
        checkpointing: Recompute activations in the backward pass: less memory, about a third more time.
        critic: Train a value head beside the policy (`critic_values`), from rows that have a target.

    Raises:
        ConfigError: nothing to train, float16 weights, or a temperature not above 0.
    """

    def __init__(
        self,
        model: Any,
        reference: Any | None = None,
        config: LearnerConfig | None = None,
        *,
        temperature: float = 1.0,
        seed: int = 0,
        recompute_old: bool = False,
        share_prompts: bool = True,
        checkpointing: bool = False,
        critic: bool = False,
    ) -> None:
        if not temperature > 0:
            raise ConfigError(f"the learner compares probabilities at a temperature above 0, found {temperature}")
        self.model = model
        self.config = config or LearnerConfig()
        self.critic: ValueHead | None = None
        if critic:
            width = causal_model(model).get_output_embeddings().weight.shape[1]
            self.critic = ValueHead(width, self.config.value_features == "detached").to(self.device)
        self.optimizer = Optimizer(model, self.config, self.critic)
        self.steps = 0
        self._temperature, self._seed = temperature, seed
        self._recompute_old, self._share_prompts, self._checkpointing = recompute_old, share_prompts, checkpointing
        self._reference = frozen_reference(model, reference) if self.config.kl else None
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    @property
    def imitates(self) -> bool:
        """Whether it learns from demonstrations, which have no log-probabilities and no group."""
        return self.config.loss == "imitation"

    @property
    def _corrects(self) -> bool:
        return self.config.correction in ("truncate", "mask")

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def step(self, rows: Sequence[Row], checked: bool = False) -> dict[str, float]:
        """Learn from one step's rows; without rows nothing changes.

        Args:
            rows: All rows of the step.
            checked: The rows are some of those that `check_rows` has seen, and are not checked again.

        Returns:
            Metrics: `loss`, `policy_loss`, `kl` and `entropy` (nats per token) are means over the updates (of
            imitation `policy_loss` is its cross-entropy, and there are no ratios);
            `ratio_mean`, `clip_fraction` over ratios; `approx_kl` over tokens, from old to new weights;
            `sampler_gap` is mean |log p now - recorded| before the first update, which is 0 but for rounding
            when sampler and learner agree; with `learner.correction` also `correction_mean`, `correction_max` (ratio
            of the learner's to the sampler's probability before bounds), `correction_cut` (share where a bound acted)
            and `sampler_kl` (KL of sampler to learner, nats per token), of the first update's rows; `grad_norm` is
            the mean norm before clipping; `tokens` counts those computed forward and backward, `row_tokens` the same
            without shared prompts. With a critic `value_loss` (before its weight), and `explained_variance` of its
            values before the update, which is left out where all returns are the same.

        Raises:
            CreditError: the rows break an invariant (`check_rows`); the weights are untouched.
        """
        started = time.perf_counter()
        tally = Tally()
        if rows:
            if not checked:
                checks = not self.imitates and (self._corrects or not self._recompute_old)
                check_rows(rows, checks, compared=not self.imitates, one_version=not self._corrects)
            old = self.logprobs(rows) if self._recompute_old or self._corrects else None
            reference = self._reference_logprobs(rows) if self.config.kl else None
            with self._training():
                for chosen in minibatches(len(rows), self.config, self._seed, self.steps):
                    self._update(rows, chosen, old, reference, tally)
            self.steps += 1
        metrics = tally.metrics()
        judged = [row for row in rows if row.value is not None and row.target is not None] if self.critic else []
        explained = explained_variance([row.value or 0.0 for row in judged], [row.target or 0.0 for row in judged])
        if explained is not None:
            metrics["explained_variance"] = explained
        seconds = time.perf_counter() - started
        metrics["rows"] = float(len(rows))
        metrics["row_tokens"] = float(self.config.epochs * sum(row.tokens for row in rows))
        metrics["lr"] = self.optimizer.lr
        metrics["seconds"] = seconds
        metrics["tokens_per_second"] = metrics["tokens"] / seconds
        return metrics

    @torch.no_grad()
    def logprobs(self, rows: Sequence[Row], model: Any | None = None) -> list[Tensor]:
        """Log-probability of every sampled token of every row (float32, on the model's device), no gradient.

        Args:
            rows: Any rows; their recorded log-probabilities and credit are not used.
            model: Another model of the same vocabulary; None takes the trained one.
        """
        scorer: Any = self.model if model is None else model
        scorer.eval()
        result: list[Tensor] = [torch.empty(0)] * len(rows)
        packs = pack_rows(rows, range(len(rows)), self.config.pack_tokens, self._share_prompts)
        for micro in micro_batches(packs, self.config.micro_tokens):
            batch = collate(rows, micro, self.device)
            with self._autocast(scorer):
                logp, _ = sampled_logprobs(scorer, batch, self._temperature)
            for row, part in zip(batch.rows, logp.split([len(rows[row].ids) for row in batch.rows]), strict=True):
                result[row] = part
        return result

    @torch.no_grad()
    def critic_values(self, rows: Sequence[Row]) -> list[float]:
        """The critic's value of the state each row was sampled in (its prompt), in reward units.

        Raises:
            ConfigError: the learner has no critic.
        """
        if self.critic is None:
            raise ConfigError("this learner has no critic; make it with critic=True")
        found = [0.0] * len(rows)
        packs = pack_rows(rows, range(len(rows)), self.config.pack_tokens, self._share_prompts)
        for micro in micro_batches(packs, self.config.micro_tokens):
            batch = collate(rows, micro, self.device)
            with self._autocast(self.model):
                _, _, values = scored(self.model, batch, self._temperature, critic=self.critic)
            assert values is not None
            for row, value in zip(batch.rows, values.tolist(), strict=True):
                found[row] = value
        return found

    def _trained(self) -> dict[str, Tensor]:
        named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        if self.critic is not None:
            named |= {f"critic.{name}": p for name, p in self.critic.named_parameters()}
        return named

    def weights(self) -> dict[str, Tensor]:
        """Copies on the CPU of the trained parameters, by name; a critic's begin with `critic.`."""
        return {name: parameter.detach().cpu().clone() for name, parameter in self._trained().items()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Put back what `weights` gave. The optimizer is left as it is; `restart` makes a new one.

        Raises:
            CheckpointError: they are of another model.
        """
        trained = self._trained()
        if {n: p.shape for n, p in trained.items()} != {n: w.shape for n, w in weights.items()}:
            raise CheckpointError("the weights are of another model")
        for name, parameter in trained.items():
            parameter.copy_(weights[name])

    def restart(self, weights: Mapping[str, Tensor] | None, config: LearnerConfig, reset_reference: bool) -> None:
        """Begin a stage: from `weights` (None: the present ones), with `config` and a fresh optimizer.

        With `reset_reference` the KL term compares with these weights from now on.

        Raises:
            CheckpointError: the weights are of another model.
        """
        if weights is not None:
            self.load_weights(weights)
        self.config = config
        del self.optimizer  # freed first: its moments and masters are larger than the model
        self.optimizer = Optimizer(self.model, config, self.critic)
        if reset_reference:
            self.reset_reference()

    def reset_reference(self) -> None:
        """Compare with the present weights from now on; nothing without a KL term."""
        if self.config.kl:
            self._reference = None  # freed first: two copies and no more
            self._reference = frozen_reference(self.model, None)

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimizer, counters, and a fingerprint of the reference."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
            "reference": fingerprint(self._reference),
        }
        return state if self.critic is None else {**state, "critic": self.critic.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            CheckpointError: other weights than this model's, or another reference than the saved run had.
        """
        if state["reference"] != fingerprint(self._reference):
            raise CheckpointError(
                "the KL reference is not the one the checkpoint was made with; build the learner from the weights "
                "the run started from (or give it the same reference), then load"
            )
        if ("critic" in state) != (self.critic is not None):
            raise CheckpointError(
                "one of the checkpoint and this run has a critic; use the credit.rule it was made with"
            )
        try:
            if self.critic is not None:
                self.critic.load_state_dict(state["critic"])
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"the checkpoint is of another model: {error}") from error
        self.steps = int(state["steps"])

    def _update(
        self,
        rows: Sequence[Row],
        chosen: Sequence[int],
        old: list[Tensor] | None,
        reference: list[Tensor] | None,
        tally: Tally,
    ) -> None:
        """One optimizer step on the rows numbered `chosen`."""
        per_token = self.config.aggregation == "token"
        total = sum(rows[row].weight * (len(rows[row].ids) if per_token else 1) for row in chosen)
        packs = pack_rows(rows, chosen, self.config.pack_tokens, self._share_prompts)
        for micro in micro_batches(packs, self.config.micro_tokens):
            batch = collate(rows, micro, self.device)
            before = batch.old_logp if old is None else torch.cat([old[row] for row in batch.rows])
            to_reference = None if reference is None else torch.cat([reference[row] for row in batch.rows])
            self._accumulate(batch, before, to_reference, total, tally)
        update = self.optimizer.step()
        tally.updated(update.grad_norm, update.applied)

    def _accumulate(
        self, batch: PackedBatch, old: Tensor, reference: Tensor | None, total: float, tally: Tally
    ) -> None:
        """Add the gradients of one micro-batch."""
        config = self.config
        with self._autocast(self.model):
            logp, spread, values = scored(
                self.model, batch, self._temperature, entropy_grad=config.entropy > 0, critic=self.critic
            )

        def over_turns(values_N: Tensor) -> Tensor:
            per_turn = turn_mean(values_N, batch.turn_index, len(batch.weights))
            return aggregate(per_turn, batch.turn_index, batch.weights, config.aggregation, total)

        bonus = over_turns(spread)
        gain = self._gain(batch, logp, old, total, tally)
        loss = gain - config.entropy * bonus
        tally.mean(policy_loss=gain, entropy=bonus)
        if reference is not None:
            divergence = over_turns(k3_kl(logp, reference))
            loss = loss + config.kl * divergence
            tally.mean(kl=divergence)
        if values is not None:
            errors = value_loss(values, batch.value, batch.target, config.value_clip)
            error = aggregate(errors, batch.turn_index, batch.weights, config.aggregation, total)
            # Before it knows anything, advantages are whole returns, which praise whatever is done most.
            warming = self.steps < config.value_warmup
            loss = config.value_coef * error if warming else loss + config.value_coef * error
            tally.mean(value_loss=error)
        loss.backward()
        tally.mean(loss=loss)
        tally.tokens(batch, logp.detach(), None if self.imitates else old)

    def _gain(self, batch: PackedBatch, logp: Tensor, old: Tensor, total: float, tally: Tally) -> Tensor:
        """The term of the loss that advantages weigh."""
        config, turns = self.config, (batch.advantage, batch.turn_index, batch.weights)
        if self.imitates:
            return imitation_loss(logp, *turns, config.aggregation, total)
        clip = (config.clip_low, config.clip_high)
        how = (config.ratio, config.aggregation, total)
        per_token = (batch.token_advantage, self._correction(batch, old, tally))
        policy = policy_loss(logp, old, *turns, clip, config.dual_clip, *how, *per_token)
        tally.ratios(policy.ratio, policy.clipped)
        return policy.loss

    def _correction(self, batch: PackedBatch, old: Tensor, tally: Tally) -> Tensor | None:
        """Importance weights [N] of the batch's tokens; None where the sampler is taken for the learner."""
        config = self.config
        if config.correction not in ("truncate", "mask"):
            return None
        found = correct(
            old,
            batch.old_logp,
            batch.turn_index,
            len(batch.weights),
            config.correction,
            config.correction_level,
            config.correction_low,
            config.correction_high,
        )
        tally.corrected(found)
        return found.weight

    def _reference_logprobs(self, rows: Sequence[Row]) -> list[Tensor]:
        if self._reference is not None:
            return self.logprobs(rows, self._reference)
        with self.model.disable_adapter():
            return self.logprobs(rows)

    def _autocast(self, model: Any) -> AbstractContextManager[Any]:
        if self.device.type == "cuda" and causal_model(model).dtype == torch.float32:
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def _training(self) -> Generator[None, None, None]:
        """Evaluation mode, except that recomputation of activations works only on modules in training mode."""
        self.model.train(self._checkpointing)
        if self._checkpointing:
            for module in self.model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.eval()
        try:
            yield
        finally:
            self.model.eval()
