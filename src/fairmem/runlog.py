"""Where the numbers of a run go: two JSON-lines files, a live display, optionally TensorBoard and W&B.

`metrics.jsonl` holds what a seed decides (rewards, losses, scores), `timing.jsonl` what a clock measures
(seconds, tokens per second); one object per step each. They are apart so that a run that was killed and
resumed ends with the same `metrics.jsonl`, byte for byte, as one that was not.
"""

from __future__ import annotations

import importlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from fairmem.errors import CheckpointError, MissingExtraError
from fairmem.replace import replace_text

Value = float | int | str | None

STAGE = "stage"
"""Metric shown as the stage: any text."""
F1 = "f1"
"""Metric shown as F1: mean answer score of the step, in [0, 1]."""
BANK = "bank_entries"
"""Metric shown as the bank size: mean entries per memory bank."""
CALLS = "waves"
"""Metric shown as sequential calls: how often the step had to wait for the model, whatever the size of the batch."""
DRIFT, USED = "drift", "used"
"""Metrics shown by their names, of runs that train a tool user: deflection that private memories add, in [-1, 1], and
the share of what relevant memories ask for that is done."""
SPEED = "tokens_per_second"
"""Timing shown as tok/s: tokens generated per second of the step's rollout."""


class Sink(Protocol):
    """A further place for the numbers of each step."""

    def log(self, step: int, values: Mapping[str, Value]) -> None:
        """Take the metrics and timings of one step."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...


class MetricsFile:
    """A JSON-lines file with one flushed object per step, in rising order of steps.

    Args:
        path: The file; its folder exists.
        resume_from: None for a new run; else the step of the checkpoint the run goes on from. Lines of later
            steps, and a line torn by the kill, are cut away.

    Raises:
        CheckpointError: a new run, but the file already holds one.
    """

    def __init__(self, path: Path, resume_from: int | None = None):
        self.path = path
        self.last = -1
        if resume_from is not None:
            self._cut(resume_from)
        elif path.exists() and path.stat().st_size > 0:
            raise CheckpointError(f"{path} already holds a run; go on with --resume, or choose another --name")
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, Value]) -> None:
        """Append one line. Values that are not finite become null, since JSON has no form for them.

        Raises:
            ValueError: `step` is not above the last one written.
        """
        if step <= self.last:
            raise ValueError(f"step {step} logged after step {self.last}")
        self._file.write(json.dumps({"step": step, **{name: _plain(item) for name, item in values.items()}}) + "\n")
        self._file.flush()
        self.last = step

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self, resume_from: int) -> None:
        kept = [line for line in read_metrics(self.path) if line["step"] <= resume_from]
        replace_metrics(self.path, kept)
        self.last = kept[-1]["step"] if kept else -1


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The objects of a metrics file, [] if there is none. A last line without its newline is left out.

    Raises:
        CheckpointError: a line before the last that is not a step's object.
    """
    if not path.exists():
        return []
    steps: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            break
        try:
            steps.append(json.loads(line))
            int(steps[-1]["step"])
        except (ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{path}: line {number} is not the object of a step: {line.strip()[:60]}") from error
    return steps


def replace_metrics(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Make `rows`, in rising order of steps, the whole of a metrics file."""
    replace_text(path, "".join(json.dumps(row) + "\n" for row in rows))


class RunLog:
    """The metrics of one run, as a context manager.

    Args:
        folder: The run's folder; made if absent.
        total: Training steps of the whole run, for the bar and the time left.
        resume_from: See `MetricsFile`.
        sinks: Further places for the numbers; closed with the log.
        console: Where the display goes; standard error by default, so that a report on standard output stays clean.
        clock: Seconds, monotonic.

    On a terminal the display is one live line; elsewhere each step prints one plain line.
    """

    def __init__(
        self,
        folder: Path,
        total: int,
        resume_from: int | None = None,
        sinks: tuple[Sink, ...] = (),
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self._metrics = MetricsFile(folder / "metrics.jsonl", resume_from)
        self._timing = MetricsFile(folder / "timing.jsonl", resume_from)
        self._sinks = sinks
        self._total = total
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._first = resume_from or 0
        self._live: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> RunLog:
        self._started = self._clock()
        if self._console.is_terminal:
            columns = ("{task.fields[line]}", "{task.fields[status]}")
            self._live = Progress(
                BarColumn(bar_width=20),
                *(TextColumn(column, markup=False) for column in columns),
                console=self._console,
            )
            line = self._line(self._first, {})
            self._task = self._live.add_task("", total=self._total, completed=self._first, line=line, status="")
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        self._metrics.close()
        self._timing.close()
        for sink in self._sinks:
            sink.close()

    def log(
        self,
        step: int,
        metrics: Mapping[str, Value],
        timing: Mapping[str, Value] | None = None,
        left: int | None = None,
    ) -> None:
        """Write the numbers of one step and show them. `metrics` must depend on nothing but the run's seed.

        `left` says how many steps are to come, where they are no longer those the run was begun with.
        """
        timing = timing or {}
        if left is not None:
            self._total = step + left
        self._metrics.write(step, metrics)
        self._timing.write(step, timing)
        values = {**metrics, **timing}
        for sink in self._sinks:
            sink.log(step, values)
        line = self._line(step, values)
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=step, total=self._total, line=line, status="")
        else:
            self.say(line)

    def status(self, text: str) -> None:
        """What the run is doing within a step. Shown on a terminal only."""
        if self._live is not None and self._task is not None:
            self._live.update(self._task, status=text)

    def say(self, text: str) -> None:
        """Print a line above the live display."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _line(self, step: int, values: Mapping[str, Value]) -> str:
        parts = [f"step {step}/{self._total}"]
        if values.get(STAGE) is not None:
            parts.insert(0, str(values[STAGE]))
        f1, bank, calls, speed = (_number(values.get(name)) for name in (F1, BANK, CALLS, SPEED))
        parts += [f"F1 {f1:.3f}"] if f1 is not None else []
        parts += [f"bank {bank:.1f}"] if bank is not None else []
        parts += [f"{calls:.0f} sequential calls"] if calls is not None else []
        shown = [(name, _number(values.get(name))) for name in (DRIFT, USED)]
        parts += [f"{name} {number:.3f}" for name, number in shown if number is not None]
        parts += [f"{speed:,.0f} tok/s"] if speed is not None else []
        done = step - self._first
        if done > 0 and step < self._total:
            left = (self._clock() - self._started) / done * (self._total - step)
            parts.append(f"{duration(left)} left")
        return "  ".join(parts)


class TensorBoardSink:
    """TensorBoard event files under `folder`; text metrics are left out."""

    def __init__(self, folder: Path):
        try:
            module = importlib.import_module("torch.utils.tensorboard")
        except ImportError as error:
            raise MissingExtraError.of("tensorboard", "log", "log.tensorboard = true") from error
        self._writer: Any = module.SummaryWriter(str(folder))

    def log(self, step: int, values: Mapping[str, Value]) -> None:
        """Write the numbers of one step."""
        for name, item in values.items():
            number = _number(item)
            if number is not None:
                self._writer.add_scalar(name, number, step)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


class WandbSink:
    """A Weights & Biases run; a resumed run goes on under the same id.

    Args:
        name: Name and id of the run.
        config: The resolved recipe.
        folder: Where wandb keeps its local files.
    """

    def __init__(self, name: str, config: Mapping[str, Any], folder: Path):
        try:
            module: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise MissingExtraError.of("wandb", "log", "log.wandb = true") from error
        self._run: Any = module.init(
            project="fairmem", name=name, id=name, resume="allow", config=dict(config), dir=str(folder)
        )

    def log(self, step: int, values: Mapping[str, Value]) -> None:
        """Send the numbers of one step."""
        self._run.log({name: _plain(item) for name, item in values.items()}, step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def duration(seconds: float) -> str:
    """Seconds as `42s`, `3m 20s` or `2h 05m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def _number(item: Value) -> float | None:
    """`item` as a float, None where it is none or not finite."""
    if item is None or isinstance(item, str):
        return None
    return float(item) if math.isfinite(item) else None


def _plain(item: Value) -> Value:
    """`item` as JSON can hold it; a numpy scalar becomes the Python number."""
    if item is None or isinstance(item, (str, bool, int)):
        return item
    number = float(item)
    if not math.isfinite(number):
        return None
    return int(number) if getattr(getattr(item, "dtype", None), "kind", "f") in "iu" else number
