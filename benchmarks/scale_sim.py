"""Where does the schedule stop scaling? A simulation of training steps on 1 to 512 workers, fed with measured times.

    python benchmarks/scale_sim.py --measure times.json       # on this machine: the bundled model on one core
    python benchmarks/scale_sim.py --validate                 # predicted against real rollouts at 1 and 2 workers
    python benchmarks/scale_sim.py --times times.json --out docs/results   # table, JSON and figure

The model is `fairmem.simulate`. `--measure` plays a step of the small recipe on one thread and times the parts: batches
of its own requests at several sizes (a decoding step, a row more, a prompt token), the process that plays the
branches, the learner, and weights on their way to a server. It counts CPU seconds, which one thread on a core of its
own needs as time; so other work on the machine changes little. `--validate` starts one and then two token servers,
each a process pinned to a core of its own, plays steps on them through the scheduler, and says what the simulation
made of it: by the clock on the wall, with times measured on the very servers, on another step, in the same minutes.

What is simulated past two workers has not been run: a GPU has other times (a cheaper row beside a dearer step, so
fuller batches), and where the knee lies depends on them. `--times` takes a file with the times of another machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fairmem.config import Recipe, load_recipe
from fairmem.episodes import Conversations, EpisodeRunner, RunReport, build_runner, collect, steps_of, tree_plans
from fairmem.learner import open_backbones
from fairmem.policy import Family, Policy, Reply, Sample, SampleRequest, folder_of, import_torch, open_policy
from fairmem.policy.served import ServedPolicy
from fairmem.simulate import Cluster, Outcome, Times, Workload, knee, play_step
from fairmem.trace import CallFailure, EpisodeTree

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SESSIONS = (8, 16, 32, 64, 128)
SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Requests of the timed batches, and of those timed on servers before and after they are played on."""
SERVED_SIZES = (1, 4, 8, 24)
DRAWS = 12
"""Simulations whose mean is compared with real runs."""

Clock = Callable[[], float]
CPU: Clock = time.process_time
"""Seconds this process computed: what one thread takes on a core of its own, whatever else the machine does."""


@dataclasses.dataclass(frozen=True)
class Timed:
    """One batch that was timed: distinct prompt tokens, decoding steps, sampled tokens, seconds."""

    prompt: int
    steps: int
    tokens: int
    seconds: float


class Recorder:
    """A policy that keeps its requests and how long they took."""

    def __init__(self, policy: Policy, clock: Clock = time.perf_counter) -> None:
        self.policy, self.name, self._clock = policy, policy.name, clock
        self.family: Family = policy.family
        self.requests: list[SampleRequest] = []
        self.replies: list[Reply] = []
        self.seconds = 0.0

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """Pass on and keep."""
        started = self._clock()
        replies = self.policy.sample(requests)
        self.seconds += self._clock() - started
        self.requests += requests
        self.replies += replies
        return replies

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Pass on."""
        return self.policy.score(prompt_ids, ids)

    def count_tokens(self, text: str) -> int:
        """Pass on."""
        return self.policy.count_tokens(text)

    def close(self) -> None:
        """Pass on."""
        self.policy.close()


def workload(recipe: Recipe, sessions: int) -> Workload:
    """What a step of `recipe` rolls out of conversations of `sessions` sessions."""
    rollout = recipe.rollout
    return Workload(
        recipe.data.conversations_per_step,
        sessions,
        recipe.agents.chunks_per_session,
        rollout.global_group,
        rollout.local_group,
        rollout.local_fraction,
    )


def timed(policy: Policy, requests: Sequence[SampleRequest], clock: Clock = time.perf_counter) -> Timed:
    """Sample `requests` at once."""
    started = clock()
    replies = policy.sample(requests)
    seconds = clock() - started
    samples = [reply for reply in replies if isinstance(reply, Sample)]
    prompts = {sample.prompt_ids for sample in samples}
    lengths = [len(sample.ids) for sample in samples]
    return Timed(sum(map(len, prompts)), max(lengths), sum(lengths), seconds)


def batches(requests: Sequence[SampleRequest], rounds: int, sizes: Sequence[int] = SIZES) -> list[list[SampleRequest]]:
    """Some of the requests, in batches of the sizes that are timed."""
    rng = np.random.default_rng(0)
    return [[requests[i] for i in rng.integers(len(requests), size=size)] for _ in range(rounds) for size in sizes]


def fit(found: Sequence[Timed]) -> dict[str, float]:
    """Seconds per batch, prompt token, decoding step and sampled token, by least squares; none below 0."""
    weight = np.array([1.0 / one.seconds for one in found])  # every batch counts by its relative error
    columns = {
        "batch": np.ones(len(found)),
        "prefill": np.array([one.prompt for one in found], dtype=float),
        "step": np.array([one.steps for one in found], dtype=float),
        "row": np.array([one.tokens for one in found], dtype=float),
    }
    names = list(columns)
    while True:
        matrix = np.stack([columns[name] for name in names], axis=1) * weight[:, None]
        solution, *_ = np.linalg.lstsq(matrix, np.ones(len(found)), rcond=None)
        if min(solution) >= 0 or len(names) == 1:
            return dict.fromkeys(columns, 0.0) | {n: float(v) for n, v in zip(names, solution, strict=True)}
        names.pop(int(np.argmin(solution)))  # a time below 0 is noise of the clock


def lengths_of(trees: Sequence[EpisodeTree]) -> dict[str, list[tuple[int, int]]]:
    """Role -> (prompt tokens, sampled tokens) of its calls."""
    found: dict[str, list[tuple[int, int]]] = {}
    for tree in trees:
        for branch in tree.branches:
            for turn in branch.turns:
                if turn.failure is None:
                    found.setdefault(turn.role, []).append((len(turn.prompt_ids), len(turn.ids)))
    return found


def measure(recipe: Recipe, rounds: int) -> dict[str, Any]:
    """The times of one worker on one thread of this machine, and the lengths of a step's calls."""
    import_torch().set_num_threads(1)
    backbones = open_backbones(recipe)
    policy, answerer = Recorder(backbones.policies["manager"], CPU), Recorder(open_policy(recipe.answerer.path), CPU)
    runner = build_runner(recipe, {"extractor": policy, "manager": policy, "answerer": answerer})
    plan = steps_of(recipe)[0]
    settings = recipe.at(plan.stage)
    plans = tree_plans(settings, Conversations(recipe), plan)
    before = CPU()
    collected = collect(runner, settings, plans, 0)
    played = CPU() - before
    print(f"a step of {collected.report.waves.calls} calls: {played:.0f} CPU seconds", flush=True)
    times = fit([timed(policy.policy, batch, CPU) for batch in batches(policy.requests, rounds)])
    rows = collected.rows
    before = CPU()
    learned = backbones.team.step(rows)
    learn = (CPU() - before) / learned["row_tokens"]
    asked = [r for r in answerer.replies if isinstance(r, Sample)]
    lengths: dict[str, Any] = lengths_of(collected.trees)
    lengths["answerer"] = [(len(sample.prompt_ids), len(sample.ids)) for sample in asked]
    memories = sum(len(tree.branches) for tree in collected.trees)
    return {
        "machine": f"one thread of {os.cpu_count()} CPU cores, CPU seconds",
        "model": recipe.model.path,
        **times,
        "client": (played - policy.seconds - answerer.seconds) / (len(policy.requests) + len(answerer.requests)),
        "learn": learn,
        "sync": sync_seconds(backbones),
        "questions": len(asked) / memories,
        "lengths": lengths,
    }


def sync_seconds(backbones: Any) -> float:
    """Seconds to export the model, and to load it as a server does."""
    with tempfile.TemporaryDirectory() as folder:
        before = CPU()
        backbones.export(Path(folder) / "served", {})
        open_policy(str(Path(folder) / "served"), device="cpu")
        return CPU() - before


def read_times(path: Path) -> Times:
    """The times in a file that `--measure` wrote."""
    held = json.loads(path.read_text(encoding="utf-8"))
    names = {field.name for field in dataclasses.fields(Times)}
    return Times(**{name: value for name, value in held.items() if name in names})


def start_servers(count: int) -> tuple[list[subprocess.Popen[str]], list[str]]:
    """Token servers of the bundled model, each pinned to a core and with one thread; their addresses."""
    cores = sorted(os.sched_getaffinity(0))
    started: list[subprocess.Popen[str]] = []
    addresses: list[str] = []
    for number in range(count):
        command = [sys.executable, "-m", "fairmem.policy.token_server", str(folder_of("bundled")), "--port", "0"]
        core = cores[number % len(cores)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        os.sched_setaffinity(process.pid, {core})
        started.append(process)
        assert process.stdout is not None
        addresses.append(process.stdout.readline().split()[0])
    return started, addresses


def play(recipe: Recipe, policy: Policy, answerer: Policy, number: int) -> tuple[list[EpisodeTree], RunReport, float]:
    """Step `number` of the recipe without its quiz: trees, report, and the client's CPU seconds."""
    runner: EpisodeRunner = build_runner(recipe, {"extractor": policy, "manager": policy, "answerer": answerer})
    plan = steps_of(recipe)[number]
    plans = [
        dataclasses.replace(p, questions=lambda *_: ())
        for p in tree_plans(recipe.at(plan.stage), Conversations(recipe), plan)
    ]
    cpu = time.process_time()
    trees, report = runner.run(plans, number, number)
    return trees, report, time.process_time() - cpu


def calibrate(recipe: Recipe, addresses: Sequence[str], requests: Sequence[SampleRequest], rounds: int) -> list[Timed]:
    """Batches timed on all servers at once, each with its own."""

    def of(address: str) -> list[Timed]:
        policy = open_policy("served:bundled", base_url=address)
        try:
            return [timed(policy, batch) for batch in batches(requests, rounds, SERVED_SIZES)]
        finally:
            policy.close()

    with ThreadPoolExecutor(len(addresses)) as pool:
        return [one for found in pool.map(of, addresses) for one in found]


def validate(recipe: Recipe, counts: Sequence[int], rounds: int, steps: int) -> list[dict[str, float]]:
    """Per number of workers: measured seconds of rollouts on servers, and what the simulation says."""
    local, answerer = open_policy("bundled", device="cpu"), open_policy("scripted")
    work = workload(recipe, recipe.stages[0].sessions)
    found: list[dict[str, float]] = []
    for count in counts:
        servers, addresses = start_servers(count)
        policy = open_policy("served:bundled", base_url=" ".join(addresses))
        assert isinstance(policy, ServedPolicy)
        try:
            recorder = Recorder(policy)
            trees, first, client = play(recipe, recorder, answerer, 0)  # in waves: the recorder has no `submit`
            timings = calibrate(recipe, addresses, recorder.requests, rounds)
            runs = [play(recipe, policy, answerer, number + 1) for number in range(steps)]
            timings += calibrate(recipe, addresses, recorder.requests, rounds)
        finally:
            policy.close()
            for server in servers:
                server.terminate()
                server.wait()
        failed = sum(isinstance(reply, CallFailure) for reply in recorder.replies)
        speed = fit(timings)
        per_call = client / first.waves.calls
        everything = [*trees, *(tree for run in runs for tree in run[0])]
        times = Times(
            **speed, client=per_call, learn=0.0, sync=0.0, questions=0.0, lengths={**lengths_of(trees), "answerer": []}
        )
        cluster = Cluster(count, rows=64, discipline="batch")
        predicted = statistics.mean(play_step(times, work, cluster, seed=draw).rollout for draw in range(DRAWS))
        measured = statistics.mean(run[1].wave_seconds for run in runs)
        calls = sum(len(branch.turns) for tree in everything for branch in tree.branches)
        ratio = predicted / measured
        found.append({"workers": count, "measured": measured, "predicted": predicted, "ratio": ratio, "failed": failed})
        print(
            f"{count} workers: {len(runs)} steps of {runs[0][1].waves.calls} calls, measured {measured:.1f} s "
            f"({', '.join(f'{run[1].wave_seconds:.1f}' for run in runs)}), predicted {predicted:.1f} s, "
            f"ratio {ratio:.2f}; per step {speed['step'] * 1e3:.2f} ms, per row {speed['row'] * 1e3:.3f} ms, per "
            f"prompt token {speed['prefill'] * 1e3:.3f} ms, per batch {speed['batch'] * 1e3:.1f} ms, client "
            f"{per_call * 1e3:.2f} ms a call; {calls} turns, {failed} failed",
            flush=True,
        )
    local.close()
    return found


def sweep(
    times: Times, recipe: Recipe, rows: int, lengths: Sequence[int] = SESSIONS
) -> dict[str, dict[str, dict[int, Outcome]]]:
    """Schedule -> sessions -> workers -> outcome."""
    return {
        schedule: {
            str(sessions): {
                count: play_step(times, workload(recipe, sessions), Cluster(count, rows), schedule) for count in WORKERS
            }
            for sessions in lengths
        }
        for schedule in ("streams", "waves")
    }


def table(found: dict[str, dict[str, dict[int, Outcome]]]) -> str:
    """Utilisation by sessions and workers, and where doubling stops to pay, as Markdown."""
    lines = [
        "| schedule | sessions | calls | "
        + " | ".join(f"{count}" for count in WORKERS)
        + " | pays up to | most speed-up |",
        "|---" * (len(WORKERS) + 5) + "|",
    ]
    for schedule, by_sessions in found.items():
        for sessions, outcomes in by_sessions.items():
            last = knee({count: outcome.seconds for count, outcome in outcomes.items()})
            cells = " | ".join(f"{outcomes[count].utilisation:.2f}" for count in WORKERS)
            least = min(outcome.seconds for outcome in outcomes.values())
            speed = outcomes[1].seconds / least
            lines.append(f"| {schedule} | {sessions} | {outcomes[1].calls:,} | {cells} | {last} | {speed:.0f} |")
    return "\n".join(lines)


def draw(found: dict[str, dict[str, dict[int, Outcome]]], path: Path) -> None:
    """Seconds of a step and utilisation over workers, one line per number of sessions."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    styles: dict[str, Any] = {"streams": "-", "waves": "--"}
    for schedule, by_sessions in found.items():
        for place, (sessions, outcomes) in enumerate(by_sessions.items()):
            color = pyplot.get_cmap("viridis")(place / (len(by_sessions) - 0.5))
            label = f"{sessions} sessions" if schedule == "streams" else None
            left.plot(WORKERS, [outcomes[c].seconds for c in WORKERS], styles[schedule], color=color, label=label)
            right.plot(WORKERS, [outcomes[c].utilisation for c in WORKERS], styles[schedule], color=color)
    for axes, name in ((left, "seconds of a step"), (right, "utilisation")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(WORKERS, [str(count) for count in WORKERS])
        axes.set_xlabel("workers")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    left.set_yscale("log")
    right.set_ylim(0, 1.05)
    left.legend(title="streams (dashed: waves)", fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="recipe key=value")
    parser.add_argument("--recipe", default="memory_r2_small")
    parser.add_argument("--measure", type=Path, metavar="FILE", help="time this machine and write FILE")
    parser.add_argument("--validate", action="store_true", help="predict real rollouts at 1 and 2 workers")
    parser.add_argument("--times", type=Path, metavar="FILE", help="times to simulate with")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of scale_sim.json and scale_sim.png")
    parser.add_argument("--sessions", default=",".join(map(str, SESSIONS)), help="lengths of conversations, as 8,32")
    parser.add_argument("--rows", type=int, default=256, help="most rows in flight at one simulated worker")
    parser.add_argument("--rounds", type=int, default=2, help="times that each batch size is timed")
    parser.add_argument("--steps", type=int, default=2, help="real steps per number of workers of --validate")
    args = parser.parse_args()
    if args.measure is None and args.times is None and not args.validate:
        parser.error("nothing to do: give --measure FILE, --validate or --times FILE")
    recipe = load_recipe(args.recipe, args.overrides)
    if args.measure is not None:
        held = measure(recipe, args.rounds)
        args.measure.write_text(json.dumps(held) + "\n", encoding="utf-8")
        print(json.dumps({name: value for name, value in held.items() if name != "lengths"}, indent=2))
    if args.validate:
        validate(recipe, (1, 2), args.rounds, args.steps)
    if args.times is not None:
        found = sweep(read_times(args.times), recipe, args.rows, [int(n) for n in args.sessions.split(",")])
        args.out.mkdir(parents=True, exist_ok=True)
        plain = {
            s: {n: {c: dataclasses.asdict(o) for c, o in by.items()} for n, by in of.items()} for s, of in found.items()
        }
        (args.out / "scale_sim.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        draw(found, args.out / "scale_sim.png")
        print(table(found))


if __name__ == "__main__":
    main()
