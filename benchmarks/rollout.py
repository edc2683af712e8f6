"""How fast is a rollout: against the engine's own peak, and against playing sessions in lock-step?

Runs the rollouts of some training steps of the small recipe in waves and keeps every request. Then it gives the engine
the very same requests in two other ways:

    at once      everything in one call: nothing to wait for, every batch full. This is the engine's peak.
    lock-step    per session and chunk one extractor call, then one manager call, over all global rollouts; the
                 rerollouts in the same way after them, as the published trainer does; same engine
    generate     lock-step with `generate` of transformers, which reads every copy of a prompt and carries every row to
                 the end of the longest

It prints the speeds, their ratios, and how many sequential sample calls waves and lock-step need; and the speed of the
step's quiz with what its prompts share read once, over that with prompts side by side. Before that it counts the
sequential calls of a step with the paper's settings (6 chunks a session, the extractor seeing the earlier ones of its
session, half of the sessions rolled out again), played by a script that notes and keeps every turn: no chunk is
skipped. In lock-step, as in the published trainer, they are 2 · sessions · chunks, and 2 · chunks for rerollouts.

    python benchmarks/rollout.py [--rounds 2] [--count] [recipe key=value ...]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from unittest.mock import patch

from fairmem.config import load_recipe
from fairmem.episodes import Conversations, TreePlan, build_runner, steps_of, training_plan
from fairmem.policy import Family, Policy, Prompt, Reply, SampleRequest, ScriptedPolicy, open_policy, reading
from fairmem.policy.hf import HFPolicy
from fairmem.seeds import derive
from fairmem.types import Conversation, Session, Turn

Place = tuple[bool, int, int, int]
"""(whether it is a rerollout, session, chunk, role number): what lock-step plays in this order."""


class Recorder:
    """A policy that keeps the requests it passes on."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name: str = policy.name
        self.family: Family = policy.family
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


def places(plans: Sequence[TreePlan], chunks: int) -> dict[int, Place]:
    """Where each request belongs, by its seed. Rerollouts of all sessions run side by side, so theirs say session 0."""
    found: dict[int, Place] = {}
    for plan in plans:
        for branch in plan.branches:
            local = branch.parent is not None
            for session in range(branch.first, branch.last + 1):
                for chunk in range(chunks + 1):
                    for number, role in enumerate(("extractor", "manager")):
                        turn = (local, session - branch.first if local else session, chunk, number)
                        found[derive(branch.seed, role, session, chunk)] = turn
    return found


class PlainGenerate:
    """`generate` of transformers on whole batches; only what `speed` needs of a policy."""

    def __init__(self, policy: HFPolicy) -> None:
        self._policy = policy

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[int]]:
        """The ids of each reply, up to its end."""
        model, tokenizer, eos = self._policy.model.eval(), self._policy.tokenizer, self._policy.eos[0]
        texts = ["".join(message.content for message in request.prompt) for request in requests]
        batch = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
        drawn = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            do_sample=True,
            top_k=0,
            temperature=requests[0].temperature,
            max_new_tokens=max(request.max_tokens for request in requests),
            eos_token_id=eos,
            pad_token_id=eos,
        )[:, batch["input_ids"].shape[1] :].tolist()
        return [row[: row.index(eos) + 1] if eos in row else row for row in drawn]


def length(reply: object) -> int:
    """Sampled tokens of a reply; a failed call has none."""
    return len(reply) if isinstance(reply, list) else len(getattr(reply, "ids", ()))


def speed(policy: Policy | PlainGenerate, batches: Sequence[Sequence[SampleRequest]]) -> float:
    """Sampled tokens per second over all batches, one call each."""
    started = time.perf_counter()
    tokens = sum(length(reply) for batch in batches for reply in policy.sample(batch))
    return tokens / (time.perf_counter() - started)


def keeps_everything(prompt: Prompt, seed: int) -> str:
    """The instruct reply that notes every turn, or inserts every fact; it answers nothing."""
    del seed
    rows = [json.loads(line) for line in re.findall(r'^\{.*"dia_id": .*\}', prompt[-1].content, re.MULTILINE)]
    if rows and "text" in rows[0]:
        facts = [{"speaker": row["speaker"], "dia_id": row["dia_id"], "fact": row["text"]} for row in rows]
        return json.dumps({"facts": facts})
    told = [row for row in rows if "fact" in row]
    inserts = [
        {"operation": "INSERT", "dia_id": f["dia_id"], "content": f["fact"], "speaker": f["speaker"]} for f in told
    ]
    return json.dumps({"operations": inserts})


COUNTED = (
    *("agents.chunks_per_session=6", "agents.history=true", "rollout.global_group=2", "rollout.local_fraction=0.5"),
    *("agents.extractor_max_tokens=4096", "agents.manager_max_tokens=4096"),
)
"""The paper's settings as far as they decide how many calls follow one another; the size of a group does not."""


def count_calls(sessions: int) -> tuple[int, int, int]:
    """Sequential calls of one step: (of the extractor, of the manager, of both in lock-step with rerollouts after)."""
    recipe = load_recipe("memory_r2_small", [*COUNTED, f"stages=[{{sessions={sessions}, steps=1}}]"])
    policy = Recorder(ScriptedPolicy(keeps_everything, family="instruct"))
    runner = build_runner(recipe, {"extractor": policy, "manager": policy, "answerer": policy})
    speakers = ("Ana", "Bo")
    days = tuple(
        Session(
            index,
            datetime(2023, 1, 1) + timedelta(days=index),
            tuple(Turn(f"D{index}:{n}", speakers[n % 2], f"Word {index}.{n}.") for n in range(12)),
        )
        for index in range(1, sessions + 1)
    )
    talk = Conversation("counted", speakers, days, ())
    plan = training_plan(talk, recipe.rollout, recipe.eval.categories, 0)
    _, report = runner.run([plan], 0, 0)
    where = places([plan], recipe.agents.chunks_per_session)
    lockstep = len({where[request.seed] for request in policy.requests if request.seed in where})
    extraction = recipe.agents.chunks_per_session
    return extraction, report.waves.waves - extraction, lockstep


def print_counts() -> None:
    """The counts for the sessions of the paper's training conversation and for 32."""
    for sessions in (29, 32):
        extraction, management, lockstep = count_calls(sessions)
        print(
            f"{sessions} sessions of 6 chunks, sequential calls: waves {extraction} + {management} = "
            f"{extraction + management}, lock-step {2 * 6 * sessions} + {2 * 6} (counted {lockstep}); "
            f"{lockstep / (extraction + management):.2f} times fewer"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--count", action="store_true", help="count sequential calls, and measure nothing")
    args = parser.parse_args()
    print_counts()
    if args.count:
        return
    recipe = load_recipe("memory_r2_small", args.overrides)
    engine = open_policy(recipe.model.path, batch=recipe.rollout.batch)
    assert isinstance(engine, HFPolicy)
    policy = Recorder(engine)
    answerer = Recorder(open_policy(recipe.answerer.path))
    runner = build_runner(recipe, {"extractor": policy, "manager": policy, "answerer": answerer})
    conversations = Conversations(recipe)
    ratios: list[tuple[float, ...]] = []
    for step in steps_of(recipe)[: args.rounds]:
        talks = conversations.for_step(step, recipe.data.conversations_per_step)
        plans = [
            training_plan(c, recipe.rollout, recipe.eval.categories, derive(recipe.seed, "step", step.step, i))
            for i, c in enumerate(talks)
        ]
        policy.requests, answerer.requests = [], []
        _, report = runner.run(plans, step.step, step.step)
        waves = report.waves.tokens / report.waves.seconds
        where = places(plans, recipe.agents.chunks_per_session)
        groups: dict[Place, list[SampleRequest]] = {}
        for request in policy.requests:
            groups.setdefault(where[request.seed], []).append(request)
        ordered = [groups[place] for place in sorted(groups)]
        peak, lockstep = speed(engine, [policy.requests]), speed(engine, ordered)
        generate = speed(PlainGenerate(engine), ordered)
        trees = speed(answerer.policy, [answerer.requests])
        with patch.object(reading, "_takes_trees", return_value=False):
            beside = speed(answerer.policy, [answerer.requests])
        ratios.append((waves / peak, waves / lockstep, waves / generate, trees / beside))
        print(
            f"step {step.step + 1}: {report.waves.calls} calls; sampled tokens/s in waves {waves:,.0f} "
            f"({report.waves.waves} sequential calls), at once {peak:,.0f} (1), in lock-step {lockstep:,.0f} "
            f"({len(ordered)}), lock-step with generate {generate:,.0f} ({len(ordered)})"
        )
    of_peak, of_lockstep, of_generate, of_beside = (statistics.median(part) for part in zip(*ratios, strict=True))
    print(
        f"median of {len(ratios)} steps: waves reach {of_peak:.2f} of the peak, {of_lockstep:.2f} x lock-step, "
        f"{of_generate:.2f} x lock-step with generate; a quiz read as trees {of_beside:.2f} x side by side"
    )


if __name__ == "__main__":
    main()
