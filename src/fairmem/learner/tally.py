"""Adds up the metrics of one learner step over its micro-batches."""

from __future__ import annotations

import torch
from torch import Tensor

from fairmem.learner.batch import PackedBatch
from fairmem.learner.correction import Correction


class Tally:
    """Sums of one step's metrics, kept on the device until the end so that no micro-batch waits for them."""

    def __init__(self) -> None:
        self._means: dict[str, Tensor] = {}
        self._sums: dict[str, Tensor] = {}
        self._ratios = self._sampled = self._before = self._computed = self._updates = self._skipped = 0
        self._grad_norm = 0.0
        self._corrected: list[Correction] = []

    def mean(self, **values: Tensor) -> None:
        """Terms that add up to a mini-batch's value."""
        for name, value in values.items():
            self._means[name] = self._means.get(name, 0.0) + value.detach()

    def ratios(self, ratio: Tensor, clipped: Tensor) -> None:
        """Ratios of new to old probability and where they were clipped."""
        self._ratios += len(ratio)
        self._add(ratio_mean=ratio.sum(), clip_fraction=clipped.sum())

    def tokens(self, batch: PackedBatch, logp: Tensor, old: Tensor | None) -> None:
        """Log-probabilities of the sampled tokens of `batch`, now and when they were sampled (None: demonstrated)."""
        self._sampled += len(logp)
        self._computed += batch.tokens
        if old is None:
            return
        difference = logp - old
        self._add(approx_kl=(difference.exp() - 1 - difference).sum())
        if not self._updates + self._skipped:
            gap = (logp - batch.old_logp).abs()
            self._before += len(gap)
            self._add(sampler_gap=gap.sum())

    def corrected(self, correction: Correction) -> None:
        """Importance weights of a micro-batch; those of later passes over the same rows are the same, and not kept."""
        if not self._updates + self._skipped:
            self._corrected.append(correction)

    def updated(self, grad_norm: float, applied: bool) -> None:
        """One optimizer step."""
        self._updates += applied
        self._skipped += not applied
        self._grad_norm += grad_norm

    def metrics(self) -> dict[str, float]:
        """What `Learner.step` returns of it."""
        steps = self._updates + self._skipped
        metrics = {name: float(value) / steps for name, value in self._means.items()}
        counts = {"ratio_mean": self._ratios, "clip_fraction": self._ratios, "approx_kl": self._sampled}
        counts["sampler_gap"] = self._before
        metrics |= {name: float(value) / counts[name] for name, value in self._sums.items()}
        if metrics.get("sampler_gap") != metrics.get("sampler_gap"):
            del metrics["sampler_gap"]  # no log-probabilities were recorded
        metrics |= _corrections(self._corrected)
        if steps:
            metrics["grad_norm"] = self._grad_norm / steps
        metrics["updates"], metrics["skipped_updates"] = float(self._updates), float(self._skipped)
        metrics["tokens"], metrics["sampled_tokens"] = float(self._computed), float(self._sampled)
        return metrics

    def _add(self, **values: Tensor) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value


def _corrections(kept: list[Correction]) -> dict[str, float]:
    if not kept:
        return {}
    ratios = torch.cat([one.ratio for one in kept])
    return {
        "correction_mean": float(ratios.mean()),
        "correction_max": float(ratios.max()),
        "correction_cut": float(torch.cat([one.cut for one in kept]).float().mean()),
        "sampler_kl": float(torch.cat([one.divergence for one in kept]).mean()),
    }
