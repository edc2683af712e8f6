"""How much of the engine's own peak does a rollout reach?

Runs the rollout of one training step of the small recipe in waves, then gives the engine the very same requests
all at once (its peak: nothing to wait for, every batch full), and prints both speeds and their ratio.

    python benchmarks/rollout.py [recipe key=value ...]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence

from fairmem.config import load_recipe
from fairmem.episodes import Conversations, build_runner, steps_of, training_plan
from fairmem.policy import Policy, Reply, SampleRequest, open_policy
from fairmem.seeds import derive

ROUNDS = 3


class Recorder:
    """A policy that keeps the requests it passes on."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name, self.family = policy.name, policy.family
        self.requests: list[SampleRequest] = []

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """Pass on and keep."""
        self.requests += requests
        return self.policy.sample(requests)

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Pass on."""
        return self.policy.score(prompt_ids, ids)

    def count_tokens(self, text: str) -> int:
        """Pass on."""
        return self.policy.count_tokens(text)

    def close(self) -> None:
        """Pass on."""
        self.policy.close()


def main() -> None:
    recipe = load_recipe("memory_r2_small", sys.argv[1:])
    policy = Recorder(open_policy(recipe.model.path, batch=recipe.rollout.batch))
    runner = build_runner(recipe, {"extractor": policy, "manager": policy, "answerer": open_policy("bundled")})
    conversations = Conversations(recipe)
    ratios: list[float] = []
    for step in steps_of(recipe)[:ROUNDS]:
        talks = conversations.for_step(step, recipe.data.conversations_per_step)
        plans = [
            training_plan(c, recipe.rollout, recipe.eval.categories, derive(recipe.seed, "step", step.step, i))
            for i, c in enumerate(talks)
        ]
        policy.requests = []
        _, report = runner.run(plans, step.step, step.step)
        effective = report.waves.tokens / report.wave_seconds
        requests = policy.requests
        started = time.perf_counter()
        replies = policy.policy.sample(requests)
        seconds = time.perf_counter() - started
        peak = sum(len(getattr(reply, "ids", ())) for reply in replies) / seconds
        ratios.append(effective / peak)
        print(
            f"step {step.step + 1}: {report.waves.calls} calls in {report.waves.waves} waves, "
            f"rollout {effective:,.0f} tokens/s, the same calls at once {peak:,.0f} tokens/s, ratio {ratios[-1]:.2f}"
        )
    print(f"median ratio of {len(ratios)} steps: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
