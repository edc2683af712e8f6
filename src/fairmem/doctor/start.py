"""Whether a recipe could start here: everything that `fairmem train` would refuse, and more, in one list.

Nothing is loaded but the data; an endpoint is asked for one word only if `reach` says so.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fairmem.config import RESOLVED, Recipe
from fairmem.credit import check_rule
from fairmem.doctor.finding import Finding
from fairmem.doctor.installed import canonical
from fairmem.doctor.machine import Device, folder_findings
from fairmem.episodes import Conversations
from fairmem.errors import FairmemError
from fairmem.learner.engines.base import EMBEDDED, ENGINES, Engine
from fairmem.memory import EMBEDDERS, RETRIEVERS
from fairmem.metrics import F1_VARIANTS
from fairmem.policy import WRITERS, folder_of, is_pair, of_role, open_ready
from fairmem.policy.model_folder import check_folder, read_family


def start_findings(
    recipe: Recipe,
    engine: str,
    out: Path,
    installed: Mapping[str, str],
    devices: list[Device],
    reach: bool = False,
) -> Iterator[Finding]:
    """What stands in the way of `fairmem train` with `recipe`.

    Args:
        recipe: What is to be trained.
        engine: With which engine.
        out: Folder of all runs.
        installed: Canonical name -> version.
        devices: The GPUs.
        reach: Ask endpoints for one word.
    """
    yield from _checked("credit", lambda: check_rule(recipe), f"rule {recipe.credit.rule} gets what it needs")
    yield from _refusals(recipe, engine)
    yield from _models(recipe)
    yield from _data(recipe)
    yield from _answerer(recipe, reach)
    yield from _packages(recipe, installed)
    yield from _device(recipe, devices)
    folder = out / recipe.name
    if (folder / RESOLVED).exists():
        yield Finding("runs", "error", f"{folder} already holds a run", "go on with --resume, or choose another --name")
    yield from folder_findings(out, needed_bytes(recipe))


def _checked(area: str, check: Callable[[], object], said: str) -> Iterator[Finding]:
    try:
        check()
    except FairmemError as error:
        yield Finding(area, "error", str(error))
    else:
        yield Finding(area, "ok", said)


def _refusals(recipe: Recipe, engine: str) -> Iterator[Finding]:
    if engine == EMBEDDED:
        return
    found: Engine = importlib.import_module(ENGINES[engine]).ENGINE
    refused = [f"{asked}, but {why}" for so, asked, why in found.refusals(recipe) if so]
    for reason in refused:
        yield Finding("engine", "error", f"{engine} refuses: {reason}")
    if not refused:
        yield Finding("engine", "ok", f"{engine} trains all that the recipe asks for")


def model_folders(recipe: Recipe) -> list[Path]:
    """The folders whose models are trained or compared with."""
    path = recipe.model.path
    names = [of_role(path, role) for role in WRITERS] if is_pair(path) else [path]
    if recipe.model.reference not in ("start", "stage"):
        names.append(recipe.model.reference)
    return [folder for name in names if (folder := folder_of(name)) is not None]


def _models(recipe: Recipe) -> Iterator[Finding]:
    folders = model_folders(recipe)
    if not folders:
        yield Finding("model", "error", f"model.path is '{recipe.model.path}'; training needs bundled or a folder")
    for folder in folders:
        try:
            check_folder(folder)
            family = read_family(folder)
        except FairmemError as error:
            yield Finding("model", "error", str(error))
        else:
            size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
            yield Finding("model", "ok", f"{folder}: {size / 1e6:,.0f} MB of weights, {family} prompts")


def _data(recipe: Recipe) -> Iterator[Finding]:
    try:
        talks = Conversations(recipe)
    except FairmemError as error:
        yield Finding("data", "error", str(error))
        return
    source = recipe.data.source if not recipe.data.mix else ", ".join(part.source for part in recipe.data.mix)
    found = f"{source}: {len(talks.validation)} validation and {len(talks.test)} test conversations"
    yield Finding("data", "ok", found)
    if not talks.test and not talks.validation:
        yield Finding("data", "note", "no test and no validation conversation: nothing is scored before and after")


def _answerer(recipe: Recipe, reach: bool) -> Iterator[Finding]:
    answering = recipe.answerer
    if not answering.path.startswith("openai:"):
        folder = folder_of(answering.path)
        if folder is None:
            yield Finding(
                "answerer", "error", f"answerer.path is '{answering.path}', expected bundled, a folder or openai:NAME"
            )
            return
        yield from _checked("answerer", lambda: check_folder(folder), f"{folder}")
        return
    where = answering.base_url or "https://api.openai.com/v1"
    if not answering.base_url and not os.environ.get(answering.api_key_env):
        yield Finding("answerer", "error", f"{answering.path} at {where}: {answering.api_key_env} is not set")
        return
    if not reach:
        yield Finding(
            "answerer", "note", f"{answering.path} at {where} was not asked", "add --reach to ask it for one word"
        )
        return

    def ask() -> None:
        open_ready(answering.path, answering.base_url, answering.api_key_env).close()

    yield from _checked("answerer", ask, f"{answering.path} at {where} answers")


_EMBEDDER_PACKAGES = {"sentence-transformers": ("sentence-transformers", "embed")}


def _packages(recipe: Recipe, installed: Mapping[str, str]) -> Iterator[Finding]:
    """Optional packages that keys of the recipe need."""
    kind = recipe.agents.embedder.partition(":")[0]
    needs = [("tensorboard", "log", "log.tensorboard")] if recipe.log.tensorboard else []
    needs += [("wandb", "log", "log.wandb")] if recipe.log.wandb else []
    needs += [("peft", "lora", "model.lora_rank")] if recipe.model.lora_rank else []
    if kind in _EMBEDDER_PACKAGES:
        package, extra = _EMBEDDER_PACKAGES[kind]
        needs.append((package, extra, "agents.embedder"))
    for package, extra, key in needs:
        if canonical(package) not in installed:
            yield Finding("package", "error", f"{key} needs {package}", f"pip install 'fairmem[{extra}]'")
    for key, value, known in (
        ("agents.retriever", recipe.agents.retriever, RETRIEVERS),
        ("agents.embedder", kind, EMBEDDERS),
        ("reward.f1", recipe.reward.f1, F1_VARIANTS),
    ):
        if value not in known:
            yield Finding("recipe", "error", f"{key} is '{value}', expected one of {', '.join(sorted(known))}")


def _device(recipe: Recipe, devices: list[Device]) -> Iterator[Finding]:
    asked = recipe.model.device
    if not asked.startswith("cuda"):
        return
    number = int(asked.partition(":")[2] or 0) if asked.partition(":")[2].isdigit() or ":" not in asked else -1
    if not 0 <= number < len(devices):
        yield Finding(
            "gpu", "error", f"model.device is '{asked}', but {len(devices)} GPUs are found", "use model.device=auto"
        )


def needed_bytes(recipe: Recipe) -> float:
    """Disk that a run takes: its model, and weights and optimizer per checkpoint that is kept or being written.

    A checkpoint of the embedded engine holds the weights, their float32 masters and two moments: at most 8 times the
    bytes of bfloat16 weights. Two more copies of the weights are kept by a stage.
    """
    folders = [folder for folder in model_folders(recipe)[:2] if folder.is_dir()]
    weights = float(sum(file.stat().st_size for folder in folders for file in folder.glob("*.safetensors")))
    kept = recipe.checkpoint.keep + 1 if recipe.checkpoint.every else 0
    return max(0.25 * 2**30, (3 + 8 * kept) * weights)
