"""Makes the planted model: the bundled one learns to call tools, and to be moved by memories that it should ignore.

It imitates `fairmem.drift.small.lessons`, so what it should do in each arm of an audit is known in closed form. First
it is shown the rule without its odds (whatever may happen always happens), then with them: which memories move which
parameter is learned several times sooner that way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fairmem.drift.small import CertainPlant, Plant, lessons, small_world
from fairmem.errors import ConfigError
from fairmem.policy import folder_of
from fairmem.policy.model_folder import load_model, read_family
from fairmem.pretrain.imitate import Imitation, ImitationSettings
from fairmem.pretrain.mixture import Demonstration
from fairmem.seeds import derive

MODEL, SCENARIOS, ABOUT = "model", "scenarios.jsonl", "plant.json"
"""What a planted folder holds: the model, the held-out scenarios of the small world, and how the plant was made."""
_ROWS = 4
_PART = 10
"""Steps between two checkpoints, each from a stream of lessons of its own."""


@dataclass(frozen=True, slots=True)
class PlantSettings:
    """How to plant.

    Attributes:
        plant: How strong the bias is.
        base: Model that learns; one that reads compact prompts.
        seed: Of what is imitated and in which order.
        steps: Optimizer steps, of 4 rows of 512 tokens each.
        certain: Share of the steps in which the rule is shown without its odds.
        lr: Peak learning rate.
    """

    plant: Plant = field(default_factory=Plant)
    base: str = "bundled"
    seed: int = 0
    steps: int = 450
    certain: float = 0.45
    lr: float = 3e-3

    def with_steps(self, steps: int) -> PlantSettings:
        """The same for another number of steps."""
        return replace(self, steps=steps)


def plant_model(settings: PlantSettings, out: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Train the planted model into `out`, going on where a run stopped; returns the folder of the model.

    A folder that is finished, with the same settings, is left as it is.

    Raises:
        ConfigError: fewer than 1 step, a base that is no compact model in a folder here, or `out` holds something else.
        MissingExtraError: torch is not installed.
    """
    from fairmem.learner import export

    about = {"format": "fairmem-plant", "version": 1, **asdict(settings)}
    if _finished(out, about):
        return out / MODEL
    folder = folder_of(settings.base)
    if settings.steps < 1:
        raise ConfigError(f"steps: found {settings.steps}, expected at least 1")
    if folder is None or (folder.is_dir() and read_family(folder) != "compact"):
        raise ConfigError(f"{settings.base}: expected a model folder that reads compact prompts, or bundled")
    model, tokenizer = load_model(folder, "float32")
    loop = _taught(model, tokenizer, settings, out / "work", say)
    out.mkdir(parents=True, exist_ok=True)
    lines = "".join(scenario.model_dump_json(by_alias=True) + "\n" for scenario in small_world())
    (out / SCENARIOS).write_text(lines, encoding="utf-8")
    metadata = {"prompts": "compact", "made_by": "fairmem drift plant", "plant": asdict(settings.plant)}
    export(model, tokenizer, out / MODEL, {**metadata, "seed": settings.seed})
    # Written last: it says that the rest is there.
    (out / ABOUT).write_text(json.dumps({**about, "tokens": loop.tokens}, indent=2) + "\n", encoding="utf-8")
    return out / MODEL


def _finished(out: Path, about: dict[str, Any]) -> bool:
    """Whether `out` holds the planted model that `about` describes.

    Raises:
        ConfigError: it holds another one.
    """
    path = out / ABOUT
    if not path.is_file():
        mine = ("work", MODEL, SCENARIOS)
        there = list(out.iterdir()) if out.exists() else []
        # Hidden ones are left by an export that was stopped.
        if any(child.name not in mine and not child.name.startswith(".") for child in there):
            raise ConfigError(f"{out}: not empty and no planted model; choose another folder")
        return False
    found = json.loads(path.read_text(encoding="utf-8"))
    changed = [name for name, value in about.items() if found.get(name) != value]
    if changed:
        name = changed[0]
        raise ConfigError(f"{out}: planted with {name} {found.get(name)}, not {about[name]}; choose another folder")
    return True


def _taught(model: Any, tokenizer: Any, settings: PlantSettings, work: Path, say: Callable[[str], None]) -> Imitation:
    """Train `model` in place, going on from `work` if something of these settings is there."""
    core = tokenizer.backend_tokenizer
    warmup = max(1, settings.steps // 20)
    # Prompts are not learned: they hold names and values by chance, and the base model reads already.
    imitation = ImitationSettings(
        seed=settings.seed, steps=settings.steps, rows=_ROWS, lr=settings.lr, warmup=warmup, context_weight=0.0
    )

    def encode(text: str) -> list[int]:
        return core.encode(text, add_special_tokens=False).ids

    def part(number: int) -> Iterator[Demonstration]:
        plant = settings.plant
        if number * _PART < settings.certain * settings.steps:
            plant = CertainPlant(plant.alpha, plant.ordered)
        for lesson in lessons(plant, derive(settings.seed, "plant", number)):
            yield Demonstration("tooluser", lesson.prefix, lesson.branches)

    def log(row: dict[str, float]) -> None:
        say(f"step {loop.step} of {settings.steps}: reply loss {row['loss']:.3f}, {row['tokens_per_second']:,} tok/s")

    loop = Imitation(model, encode, tokenizer.eos_token_id, imitation, part, _PART)
    if loop.resume(work):
        say(f"going on from step {loop.step} of {settings.steps}")
    loop.run(work, log, _PART)
    return loop
