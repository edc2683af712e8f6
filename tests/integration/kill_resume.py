"""Kill `fairmem train` with SIGKILL at random moments, resume it each time, and compare with an undisturbed run.

    python -m tests.integration.kill_resume --moments 10 [key=value ...]

The run is as small as one can be that has everything a decision hangs on: two stages with promotion, the next from the
best weights by validation, the KL reference reset per stage, checkpoints in every second step only. A moment is
counted from when the run has opened its metrics, so that it falls into work and not into imports. A run is killed again
and again; if it ends before its moment has come, the next moments are those of a fresh run. The suite itself does
this with fewer moments (test_train.py).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = [
    "memory_r2_small",
    "seed=2",
    "stages=[{sessions = 1, steps = 4}, {sessions = 2, steps = 3}]",
    "curriculum.promote=true",
    "curriculum.promote_threshold=0.8",
    "model.reference=stage",
    "eval.every=1",
    "eval.bootstrap=100",
    "checkpoint.every=2",
    "log.trace_every=2",
    "learner.lr=3e-3",  # so large that every step shows
    "learner.warmup_steps=0",
    "data.conversations_per_step=1",
    "data.test_conversations=1",
    "data.validation_conversations=2",
    "rollout.global_group=3",
    "rollout.local_group=2",
    "agents.extractor_max_tokens=32",
    "agents.manager_max_tokens=32",
    "agents.answerer_max_tokens=24",
]
"""Recipe and overrides: seconds of work, of which an import of torch is the larger part."""
SAME = ("metrics.jsonl", "eval_before.jsonl", "eval_after.jsonl", "**/model.safetensors")
"""What has to be equal byte for byte."""


def train(out: Path, resume: bool, overrides: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start, or go on with, the run in `out`."""
    words = ["train", *TINY, *overrides, "--name", "run", "--out", str(out), *(["--resume"] if resume else [])]
    command = [sys.executable, "-m", "fairmem", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(out: Path, resume: bool, overrides: Sequence[str] = ()) -> float:
    """Let the run end by itself; returns the seconds it worked.

    Raises:
        RuntimeError: it failed; its own words are the message.
    """
    process = train(out, resume, overrides)
    working = _await_work(process, out)
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors)
    return time.monotonic() - working


def kill_after(out: Path, resume: bool, seconds: float, overrides: Sequence[str] = ()) -> bool:
    """Kill the run when it has worked for so long; returns whether it was over before."""
    process = train(out, resume, overrides)
    over = _await_work(process, out) + seconds
    while time.monotonic() < over and process.poll() is None:
        time.sleep(0.005)
    ended = process.poll() is not None
    if not ended:
        os.kill(process.pid, signal.SIGKILL)
    _, errors = process.communicate()
    if ended and process.returncode:
        raise RuntimeError(errors)
    return ended


def _await_work(process: subprocess.Popen[str], out: Path) -> float:
    """When the process has opened the run's metrics, which a resumed run replaces by a cut copy first."""
    timing = out / "run" / "timing.jsonl"  # the later one of the two
    before = timing.stat().st_ino if timing.exists() else None
    while process.poll() is None and (not timing.exists() or timing.stat().st_ino == before):
        time.sleep(0.005)
    return time.monotonic()


def differences(one: Path, other: Path) -> list[str]:
    """Files of `SAME` that differ between two run folders."""
    names = [path.relative_to(one) for pattern in SAME for path in sorted(one.glob(pattern))]
    assert len(names) >= len(SAME), names
    return [str(name) for name in names if (one / name).read_bytes() != (other / name).read_bytes()]


def steps_logged(out: Path) -> int:
    """Lines in the metrics of the run."""
    metrics = out / "run" / "metrics.jsonl"
    return metrics.read_text(encoding="utf-8").count("\n") if metrics.exists() else 0


def kill_at_moments(
    whole: Path,
    folder: Path,
    working: float,
    moments: int,
    seed: int,
    say: Callable[[str], None],
    overrides: Sequence[str] = (),
) -> list[str]:
    """Kill runs below `folder` at `moments` drawn by `seed`; returns what differs from the run in `whole`."""
    rng = random.Random(seed)
    wrong: list[str] = []
    runs, started, killed = 0, False, folder / "killed-0"
    for number in range(1, moments + 1):
        # Half of the work, so that most runs see several kills at different places.
        seconds = rng.uniform(0.0, working / 2)
        while kill_after(killed, started, seconds, overrides):
            wrong += differences(whole / "run", killed / "run")
            runs, started = runs + 1, False
            killed = folder / f"killed-{runs}"
        started = True
        say(f"kill {number} after {seconds:.2f} s: {steps_logged(killed)} steps logged in run {runs + 1}")
    finish(killed, resume=started, overrides=overrides)
    return wrong + differences(whole / "run", killed / "run")


def main() -> int:
    """Kill, resume, compare; 1 if a file differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=10, help="how often the run is killed (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("overrides", metavar="key=value", nargs="*", help="recipe values to change")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole")
        working = finish(whole, resume=False, overrides=args.overrides)
        print(f"undisturbed: {steps_logged(whole)} steps, {working:.1f} s of work")
        wrong = kill_at_moments(whole, Path(folder), working, args.moments, args.seed, print, args.overrides)
    print(f"differ: {', '.join(wrong)}" if wrong else f"equal byte for byte: {', '.join(SAME)}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
