"""How much of a plain forward and backward pass's speed the learner keeps, on the same packed tokens in one run.

    python benchmarks/learner.py

Prints, for one small Qwen3 on the default device, tokens per second of (1) forward + mean log-probability +
backward on the packed batches, (2) the whole learner step without and with a KL reference, and (3) the
step with shared prompts, in tokens of the rows, for packs of several lengths. The parts are timed in turn,
several times over, and the median is taken, because other work on the machine changes speed from minute to minute.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from fairmem.learner import Learner, LearnerConfig, Row
from fairmem.learner.batch import collate, micro_batches, pack_rows
from fairmem.learner.forward import sampled_logprobs

VOCABULARY = 4096
PACKS = (256, 384, 512)


def make_model(device: str) -> Any:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=704, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=2048, tie_word_embeddings=True,
    )  # fmt: skip
    model: Any = Qwen3ForCausalLM(config)
    return model.eval().to(device)


def make_rows(prompts: int, group: int) -> list[Row]:
    """Groups of replies of about 30 tokens to prompts of about 120, as rollouts of one chunk have them."""
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for number in range(prompts):
        prompt = tuple(map(int, rng.integers(0, VOCABULARY, rng.integers(80, 160))))
        for member in range(group):
            ids = tuple(map(int, rng.integers(0, VOCABULARY, rng.integers(10, 50))))
            rows.append(
                Row(prompt, ids, (-8.0,) * len(ids), float(rng.normal()), 1.0, f"g{number}", "global", "extractor",
                    "c", f"b{member}", 1, 0, 0)
            )  # fmt: skip
    return rows


def plain_pass(model: Any, rows: Sequence[Row], config: LearnerConfig, device: str) -> Callable[[], float]:
    """Tokens per second of forward and backward alone; packing is outside the clock."""
    packs = pack_rows(rows, range(len(rows)), config.pack_tokens, share_prompts=False)
    batches = [collate(rows, micro, device) for micro in micro_batches(packs, config.micro_tokens)]

    def run() -> float:
        started = time.perf_counter()
        for batch in batches:
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=device == "cuda"):
                logp, _ = sampled_logprobs(model, batch)
            (-logp.mean()).backward()
        loss_done = float(next(model.parameters()).grad.flatten()[0])  # waits for the device
        model.zero_grad(set_to_none=True)
        assert np.isfinite(loss_done)
        return sum(batch.tokens for batch in batches) / (time.perf_counter() - started)

    return run


def learner_step(learner: Learner, rows: Sequence[Row], metric: str) -> Callable[[], float]:
    def run() -> float:
        metrics = learner.step(rows)
        return metrics[metric] / metrics["seconds"]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = make_rows(arguments.prompts, arguments.group)
    without_kl, with_kl = LearnerConfig(kl=0.0), LearnerConfig(kl=0.001)
    plain = "forward + backward"
    runs = {
        plain: plain_pass(make_model(device), rows, without_kl, device),
        "learner, no KL": learner_step(
            Learner(make_model(device), config=without_kl, share_prompts=False), rows, "tokens"
        ),
        "learner, KL reference": learner_step(
            Learner(make_model(device), config=with_kl, share_prompts=False), rows, "tokens"
        ),
        "learner, KL reference, shared prompts": learner_step(
            Learner(make_model(device), config=with_kl), rows, "row_tokens"
        ),
    }
    for length in PACKS:
        config = LearnerConfig(kl=0.001, pack_tokens=length)
        runs[f"the same, packs of {length} tokens"] = learner_step(
            Learner(make_model(device), config=config), rows, "row_tokens"
        )
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(arguments.repeats + 1):
        for name, run in runs.items():
            speed = run()
            if repeat:  # the first round warms up
                speeds[name].append(speed)
    print(f"{len(rows)} rows, {sum(row.tokens for row in rows)} tokens, {device}, torch {torch.__version__}")
    base = statistics.median(speeds[plain])
    for name, values in speeds.items():
        median = statistics.median(values)
        print(f"{name:40s} {median:10.0f} tokens/s   ratio to {plain}: {median / base:.2f}")


if __name__ == "__main__":
    main()
