"""A recipe on a machine: what a step asks for, whether it fits, how long it takes and what holds it up.

Estimates, made of the recipe, the model's shape, the GPU's sheet and the table of assumptions; nothing is run.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fairmem.config import Recipe
from fairmem.errors import ConfigError, ModelError
from fairmem.learner.engines.base import EMBEDDED, ENGINES, Engine
from fairmem.planning.assumptions import DEFAULTS, Assumptions
from fairmem.planning.gpus import GIB, Machine
from fairmem.planning.memory import MemoryPlan, Offload, one_gpu_memory, verl_memory
from fairmem.planning.shapes import SHAPES, ModelShape, shape_of
from fairmem.planning.timing import (
    Learning,
    Sampling,
    Server,
    embedded_server,
    learning_seconds,
    quiz_seconds,
    sync_seconds,
    vllm_server,
    wave_seconds,
)
from fairmem.planning.work import StepWork, Workload
from fairmem.planning.workload import workload
from fairmem.policy import folder_of

_ACTOR, _ROLLOUT = "actor_rollout_ref.actor.fsdp_config.", "actor_rollout_ref.rollout."

ADVICE: dict[str, str] = {
    "prompts": "reading prompts: shorter prompts (agents.related_max, agents.history), or more GPUs",
    "decoding": "sampling, one token after the other: while waves are short of sequences, more rollouts or "
    "conversations per step cost little more; on verl, fewer GPUs per server (tensor_model_parallel_size) give more "
    "servers",
    "waiting": "CPU work and round trips between waves: fewer chunks per session make fewer waves; more "
    "conversations per step spread over more processes",
    "answerer": "the answerer: more of its servers, rollout.max_questions, or a smaller answerer",
    "learning": "the update: more GPUs, fewer passes (learner.epochs), or learner.kl=0, which saves the reference's "
    "pass",
    "weights": "handing the weights over, and offloading: more work per step, larger micro-batches, or more GPUs",
}
"""Phase -> what to do if it is the longest."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a plan is made for.

    Attributes:
        machine: GPUs of the run; None plans the work only.
        engine: A key of `ENGINES`.
        options: Of the engine, as `fairmem train --engine-option` takes them.
        model: Shape of the trained model; None finds it.
        answerer_machine: GPUs of the answerer's servers; None leaves their time out.
        answerer: Shape of the answerer; None finds it.
        assumptions: In use.
    """

    machine: Machine | None = None
    engine: str = EMBEDDED
    options: tuple[str, ...] = ()
    model: ModelShape | None = None
    answerer_machine: Machine | None = None
    answerer: ModelShape | None = None
    assumptions: Assumptions = DEFAULTS


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage on a machine.

    Attributes:
        phases: Phase -> seconds per step; None where it is not known.
        seconds: Of a step: all phases that are known.
        bottleneck: The longest phase.
        at_once: Most sequences at once on one server.
        learning: The update in detail.
    """

    work: StepWork
    phases: Mapping[str, float | None]
    seconds: float
    bottleneck: str
    at_once: int
    learning: Learning

    @property
    def total(self) -> float:
        """Seconds of all its steps."""
        return self.seconds * self.work.steps


@dataclass(frozen=True, slots=True)
class Plan:
    """What is expected of a recipe on a machine; `refused` says what the engine does not do of it."""

    recipe: Recipe
    setup: Setup
    shape: ModelShape
    shape_source: str
    work: Workload
    memory: MemoryPlan | None
    stages: tuple[StagePlan, ...]
    refused: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether memory suffices; True where no machine was given."""
        return self.memory is None or self.memory.fits

    @property
    def seconds(self) -> float:
        """Of training, all stages in full; evaluations are not in it."""
        return sum(stage.total for stage in self.stages)


def make_plan(recipe: Recipe, setup: Setup, work: Workload | None = None) -> Plan:
    """Plan `recipe` on `setup`; `work` is what `workload` gave for it, if that is at hand already.

    Raises:
        ConfigError: the recipe's data or model is unknown, or an option of the engine is wrong.
        DataError: its data cannot be read.
        ModelError: a model's `config.json` cannot be used.
    """
    if setup.engine not in ENGINES:
        raise ConfigError(f"engine '{setup.engine}': not known, expected one of {', '.join(ENGINES)}")
    shape, source = (setup.model, "given") if setup.model else trained_shape(recipe.model.path)
    work = work or workload(recipe, setup.assumptions)
    if setup.machine is None:
        return Plan(recipe, setup, shape, source, work, None, (), (), ())
    options = read_options(setup, shape)
    longest = max((step.rows.longest for step in work.stages), default=0.0)
    if setup.engine == "verl":
        memory = verl_memory(
            shape, recipe, setup.machine, setup.assumptions, options.offload, options.tensor_parallel, options.share
        )
    else:
        memory = one_gpu_memory(shape, recipe, setup.machine, setup.assumptions, setup.engine, longest)
    answering, notes = _answerer(recipe, setup, shape)
    notes += _notes(setup, memory, longest) + list(options.notes)
    server = _server(recipe, setup, shape, memory, options)
    stages = tuple(_stage(recipe, setup, step, shape, server, answering, options.offload) for step in work.stages)
    return Plan(recipe, setup, shape, source, work, memory, stages, _refused(recipe, setup.engine), tuple(notes))


def trained_shape(path: str) -> tuple[ModelShape, str]:
    """(shape of the model at `path`, where it is from): its folder, else a built-in shape of that name.

    Raises:
        ConfigError: neither; or a model that is not in a folder.
        ModelError: the folder's `config.json` cannot be used.
    """
    folder = folder_of(path)
    if folder is None:
        folder = Path(path.partition(":")[2])
    if (folder / "config.json").is_file():
        return shape_of(folder), str(folder / "config.json")
    known = known_shape(folder.name)
    if known is None:
        raise ConfigError(
            f"model '{path}': no folder with a config.json, and no built-in shape of that name ({', '.join(SHAPES)}); "
            "give its config.json with --model-config (or --answerer-config)"
        )
    return known, f"built-in shape of {known.name}"


def known_shape(name: str) -> ModelShape | None:
    """The built-in shape of a model, whichever its fine-tuning: `Qwen3-4B-Instruct-2507` has that of `Qwen3-4B`."""
    asked = name.lower().partition("-instruct")[0]
    return next((shape for known, shape in SHAPES.items() if known.lower().partition("-instruct")[0] == asked), None)


@dataclass(frozen=True, slots=True)
class Options:
    """What a plan reads off the engine's options; `notes` names those that change nothing here."""

    tensor_parallel: int
    share: float
    sequences: float
    offload: Offload
    notes: tuple[str, ...] = ()


def read_options(setup: Setup, shape: ModelShape) -> Options:
    """The options of `setup`, in verl's own words.

    Raises:
        ConfigError: a value that is no number, or GPUs other than those planned for.
    """
    assert setup.machine is not None
    values = {name: text for name, _, text in (option.partition("=") for option in setup.options)}
    machine, notes = setup.machine, list[str]()
    known = {
        f"{_ROLLOUT}tensor_model_parallel_size": setup.assumptions["vllm.tensor_parallel"],
        f"{_ROLLOUT}gpu_memory_utilization": setup.assumptions["vllm.share"],
        f"{_ROLLOUT}max_num_seqs": setup.assumptions["vllm.sequences"],
    }
    numbers = {name: _number(name, values.pop(name, default)) for name, default in known.items()}
    for name, expected in (("trainer.n_gpus_per_node", machine.per_node), ("trainer.nnodes", machine.nodes)):
        given = _number(name, values.pop(name, expected))
        if given != expected:
            raise ConfigError(
                f"{name} is {given:g}, but {machine.label} are {expected}; say it with --gpus and --per-node"
            )
    on = {name for name, text in values.items() if text.lower() == "true"}
    flags = {f"{_ACTOR}{name}" for name in ("param_offload", "optimizer_offload", "offload_policy")}
    offload: Offload = "none"
    if f"{_ACTOR}offload_policy" in on:
        offload = "full"
    elif {f"{_ACTOR}param_offload", f"{_ACTOR}optimizer_offload"} <= on:
        offload = "idle"
    notes += [f"{name} is not planned for" for name in values if name not in flags]
    parallel = int(numbers[f"{_ROLLOUT}tensor_model_parallel_size"])
    if parallel < 1 or shape.heads % parallel:
        raise ConfigError(
            f"{_ROLLOUT}tensor_model_parallel_size is {parallel}, expected a divisor of the model's {shape.heads} heads"
        )
    share, sequences = numbers[f"{_ROLLOUT}gpu_memory_utilization"], numbers[f"{_ROLLOUT}max_num_seqs"]
    return Options(parallel, share, sequences, offload, tuple(notes))


def _number(name: str, text: str | float) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"engine option {name}: found '{text}', expected a number") from error


def _server(recipe: Recipe, setup: Setup, shape: ModelShape, memory: MemoryPlan, options: Options) -> Server:
    assert setup.machine is not None
    if setup.engine != "verl":
        return embedded_server(shape, setup.machine, recipe.rollout.batch, memory.cache, setup.assumptions)
    held = setup.assumptions.with_values({"vllm.sequences": options.sequences})
    return vllm_server(shape, setup.machine, options.tensor_parallel, memory.cache, held)


def _stage(
    recipe: Recipe,
    setup: Setup,
    step: StepWork,
    shape: ModelShape,
    server: Server,
    answering: Server | None,
    offload: Offload,
) -> StagePlan:
    assert setup.machine is not None
    assumptions, agents = setup.assumptions, recipe.agents
    at = recipe.at(recipe.stages[step.stage - 1])
    longest = max(agents.extractor_max_tokens, agents.manager_max_tokens)
    waves = [wave_seconds(wave, server, assumptions["reply.spread"], longest) for wave in step.waves]
    loops = min(8, step.conversations) if setup.engine == "verl" else 1
    waiting = assumptions["overhead.call"] * (step.calls + step.questions) / loops
    waiting += assumptions["overhead.request"] * len(waves) if setup.engine == "verl" else 0.0
    quiz = next((role for role in step.roles if role.role == "answerer"), None)
    answered: Sampling | None = None
    if answering is not None and quiz is not None:
        answered = quiz_seconds(quiz, answering, at, assumptions)
    learning = learning_seconds(step.rows, shape, at, setup.machine, assumptions, setup.engine)
    phases: dict[str, float | None] = {
        "prompts": sum(wave.prefill for wave in waves),
        "decoding": sum(wave.decode + wave.overhead for wave in waves),
        "waiting": waiting,
        "answerer": answered.seconds if answered else (0.0 if quiz is None else None),
        "learning": learning.seconds,
        "weights": sync_seconds(shape, setup.machine, assumptions, setup.engine, offload, learning.micro_batches),
    }
    known = {name: seconds for name, seconds in phases.items() if seconds is not None}
    at_once = max((wave.at_once for wave in waves), default=0)
    return StagePlan(step, phases, sum(known.values()), max(known, key=lambda n: known[n]), at_once, learning)


def _answerer(recipe: Recipe, setup: Setup, trained: ModelShape) -> tuple[Server | None, list[str]]:
    """(the answerer's servers, what to say of them)."""
    path, assumptions, machine = recipe.answerer.path, setup.assumptions, setup.answerer_machine
    if machine is None:
        if path.startswith("openai:"):
            return None, [f"the answerer ({path}) is not in the time; say what serves it with --answerer-gpus 4xH100"]
        if setup.engine == "verl":
            return None, ["the answerer is opened where there is no GPU, and not in the time; give it an endpoint"]
        assert setup.machine is not None
        shape = setup.answerer or trained_shape(path)[0]
        return embedded_server(shape, setup.machine, recipe.rollout.batch, 0.0, assumptions), []
    shape = setup.answerer or trained_shape(path)[0]
    room = assumptions["answerer.share"] * machine.gpu.memory - assumptions["memory.workspace"] * GIB
    gpus = 1
    while gpus < machine.count and room * gpus < 1.2 * shape.served_bytes:
        gpus *= 2
    cache = room * gpus - shape.served_bytes
    if cache <= 0 or gpus > machine.count:
        raise ConfigError(
            f"--answerer-gpus {machine.label}: {shape.name} needs {shape.served_bytes / GIB:.0f} GiB and a cache; "
            f"they have {room * machine.count / GIB:.0f}"
        )
    loops = min(8, recipe.data.conversations_per_step) if setup.engine == "verl" else 1
    server = vllm_server(shape, machine, gpus, cache, assumptions)
    in_flight = assumptions["answerer.in_flight"] * loops / server.count
    return replace(server, sequences=max(1.0, min(server.sequences, in_flight))), []


def _notes(setup: Setup, memory: MemoryPlan, longest: float) -> list[str]:
    assert setup.machine is not None
    notes: list[str] = []
    if setup.engine != "verl" and setup.machine.count > 1:
        notes.append(f"--engine {setup.engine} uses one GPU; {setup.machine.count - 1} would be idle")
    if longest > memory.micro_tokens and setup.engine == "verl":
        notes.append(
            f"the longest row is {longest:,.0f} tokens, above learner.micro_tokens = {memory.micro_tokens:,}; verl "
            "cannot split a row"
        )
    return notes


def _refused(recipe: Recipe, engine: str) -> tuple[str, ...]:
    """What `fairmem train --engine` would refuse of the recipe as it stands."""
    if engine == EMBEDDED:
        return ()
    found: Engine = importlib.import_module(ENGINES[engine]).ENGINE
    return tuple(f"{asked}, but {why}" for so, asked, why in found.refusals(recipe) if so)


def shape_from(path: str | None) -> ModelShape | None:
    """The shape at `path`, a `config.json` or a folder with one; None for none.

    Raises:
        ModelError: it cannot be used.
    """
    if path is None:
        return None
    if not Path(path).exists():
        raise ModelError(f"{path}: nothing there; expected the config.json of a model, or its folder")
    return shape_of(Path(path))


def compared(recipe: Recipe, setups: Sequence[Setup]) -> list[Plan]:
    """A plan per setup; the work is counted once."""
    work: Workload | None = None
    plans: list[Plan] = []
    for setup in setups:
        plans.append(make_plan(recipe, setup, work))
        work = plans[-1].work
    return plans
