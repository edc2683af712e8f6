"""`fairmem train --engine verl`: starts verl beside this process, shows its steps, and exports the model it leaves."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fairmem.config import CHECKPOINTS, Recipe
from fairmem.errors import EngineError, MissingExtraError
from fairmem.learner.engines.base import Job
from fairmem.learner.engines.verl.settings import refusals
from fairmem.runlog import read_metrics

TESTED = "0.9.1"
"""The release of verl this adapter is written for; its trainer is not a stable interface."""

LOG = "verl.log"
"""What verl prints, in the run's folder."""

_POLL_SECONDS = 0.5


class VerlEngine:
    """verl as an engine; see `Engine`."""

    def refusals(self, recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
        """See `settings.refusals`."""
        return refusals(recipe)

    def check(self) -> None:
        """Raise MissingExtraError unless verl is installed, in the release this was written for."""
        try:
            found = version("verl")
        except PackageNotFoundError as error:
            raise MissingExtraError.of("verl", "verl", "--engine verl") from error
        if found != TESTED:
            raise MissingExtraError(
                f"--engine verl is written for verl {TESTED}, found {found}; run: pip install verl=={TESTED}"
            )

    def train(self, job: Job) -> None:
        """Train in a process of verl's own; its output goes to `verl.log`, step lines to standard error.

        Raises:
            EngineError: verl ended with an error, or without a checkpoint.
        """
        log = job.folder / LOG
        print(f"verl is starting; what it prints goes to {log}", file=sys.stderr)
        with (
            log.open("a", encoding="utf-8") as out,
            subprocess.Popen(command_of(job), stdout=out, stderr=subprocess.STDOUT) as process,
        ):
            try:
                _follow(process, job.folder / "metrics.jsonl")
            finally:  # interrupted here: Ray's processes end with theirs
                process.terminate()
        ended = process.returncode
        if ended:
            raise EngineError(f"verl ended with status {ended}: {_last_word(log)} (all of it: {log})")
        self._export(job)

    def _export(self, job: Job) -> None:
        from fairmem.learner.checkpoint import export
        from fairmem.policy import folder_of
        from fairmem.policy.model_folder import load_model, read_family

        root = job.folder / CHECKPOINTS / "verl"
        step = root / f"global_step_{(root / 'latest_checkpointed_iteration.txt').read_text().strip()}"
        model, tokenizer = load_model(step / "actor" / "huggingface", "float32")
        source = folder_of(job.recipe.model.path) or Path(job.recipe.model.path)
        about = {"run": job.recipe.name, "from": job.recipe.model.path, "engine": f"verl {TESTED}"}
        agents = job.recipe.agents.model_dump(mode="json")
        export(model, tokenizer, job.folder / "model", {"prompts": read_family(source), **about, "agents": agents})


def command_of(job: Job) -> list[str]:
    """The command of the process that verl runs in."""
    words = [str(job.folder.resolve()), job.episodes, *job.options, *(["--resume"] if job.resume else [])]
    return [sys.executable, "-m", "fairmem.learner.engines.verl.driver", *words]


def _follow(process: subprocess.Popen[bytes], metrics: Path) -> None:
    """Print a line for every step that is written down while the process runs."""
    shown = len(read_metrics(metrics))
    while True:
        over = process.poll() is not None
        for line in read_metrics(metrics)[shown:]:
            shown += 1
            f1 = line["f1"]
            print(
                f"step {line['step']}: F1 {'unknown' if f1 is None else f'{f1:.3f}'}, {line['rows']:.0f} rows",
                file=sys.stderr,
            )
        if over:
            return
        time.sleep(_POLL_SECONDS)


def _last_word(log: Path) -> str:
    """The last line of the log that raises something, else the last."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (telling or lines or ["it said nothing"])[-1][:300]


ENGINE = VerlEngine()
