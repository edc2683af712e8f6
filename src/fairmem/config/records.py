"""Sections about what is measured and kept: evaluation, checkpoints, logs."""

from __future__ import annotations

from fairmem.config.section import Count, NonNegative, Positive, Section
from fairmem.types import CATEGORIES, Category


class EvalConfig(Section):
    """Evaluation during and around training."""

    every: Count = 0
    """Steps of a stage between two scores of the validation conversations (its last is scored too); 0 is never."""
    temperature: NonNegative = 0.0
    """Sampling temperature; 0 is greedy."""
    bootstrap: Positive = 10_000
    """Resamples of the confidence intervals."""
    categories: tuple[Category, ...] = tuple(c for c in CATEGORIES if c != "adversarial")
    """Question categories that count."""


class CheckpointConfig(Section):
    """What is kept of a run that is stopped."""

    every: Count = 5
    """Training steps between two checkpoints; 0 keeps none."""
    keep: Positive = 2
    """How many of the newest checkpoints are kept."""


class LogConfig(Section):
    """Where metrics go besides `metrics.jsonl`."""

    tensorboard: bool = False
    """Write TensorBoard event files (needs the package `tensorboard`)."""
    wandb: bool = False
    """Send metrics to Weights & Biases (needs the package `wandb`)."""
    trace_every: Count = 10
    """Training steps between two episode traces kept in the run's `trace` folder; 0 keeps none."""
