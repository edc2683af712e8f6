"""A plan as text, as lines of a comparison, and as plain values for `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fairmem.planning.gpus import GIB
from fairmem.planning.plan import ADVICE, Plan, StagePlan
from fairmem.planning.work import StepWork


def page(plan: Plan) -> str:
    """The whole plan, for a terminal."""
    setup, lines = plan.setup, list[str]()
    where = f" on {setup.machine.label}, engine {setup.engine}" if setup.machine else ""
    lines.append(f"{plan.recipe.name}{where}. Estimated; nothing was run.")
    shape = plan.shape
    lines += [
        f"  model   {shape.name}: {_count(shape.parameters)} parameters, {shape.kv_bytes:,} bytes of cache per "
        f"token ({plan.shape_source})",
        f"  data    {plan.work.data}; tokens by {plan.work.tokens}",
    ]
    if setup.assumptions.changed:
        changed = ", ".join(f"{name}={setup.assumptions[name]:g}" for name in setup.assumptions.changed)
        lines.append(f"  changed {changed}")
    timed = {stage.work.stage: stage for stage in plan.stages}
    for step in plan.work.stages:
        lines += ["", *_work(step)]
        if step.stage in timed:
            lines += _time(timed[step.stage])
    if plan.memory is not None:
        lines += ["", *_memory(plan)]
    if plan.stages and plan.setup.machine:
        hours = plan.seconds / 3600
        lines += [
            "",
            f"training: {_span(plan.seconds)}, {hours * plan.setup.machine.count:.1f} GPU hours (evaluations not "
            "counted)",
        ]
    lines += [f"note: {note}" for note in plan.notes]
    lines += [f"{setup.engine} refuses: {reason}" for reason in plan.refused]
    return "\n".join(lines) + "\n"


def _work(step: StepWork) -> list[str]:
    lines = [
        f"stage {step.stage}: {step.steps} steps of {step.conversations} conversation(s), up to {step.sessions} "
        f"sessions; {step.branches} branches, {step.local_groups} local groups, {step.entries:.0f} entries at the end",
        f"  {'per step':<10}{'calls':>9}{'prompt':>10}{'reply':>8}"
        f"{'prompt tokens':>16}{'not cached':>14}{'sampled':>12}",
    ]
    for role in step.roles:
        each = max(1, role.calls)
        lines.append(
            f"  {role.role:<10}{role.calls:>9,}{role.prompt / each:>10,.0f}{role.sampled / each:>8,.0f}"
            f"{role.prompt:>16,.0f}{role.fresh:>14,.0f}{role.sampled:>12,.0f}"
        )
    rows = step.rows
    lines.append(
        f"  {len(step.waves)} waves of {step.calls / max(1, len(step.waves)):.0f} calls; at most {rows.rows:,} rows "
        f"to learn from, {rows.tokens:,.0f} tokens ({rows.shared:,.0f} where equal prompts are shared), longest "
        f"{rows.longest:,.0f}"
    )
    return lines


def _time(stage: StagePlan) -> list[str]:
    shown = [
        f"{name} {'unknown' if seconds is None else f'{seconds:,.0f} s'}" for name, seconds in stage.phases.items()
    ]
    return [
        f"  {stage.seconds:,.0f} s per step: {', '.join(shown)}",
        f"  longest: {ADVICE[stage.bottleneck]}",
        f"  up to {stage.at_once} sequences at once on a server; {stage.learning.micro_batches} micro-batches per GPU, "
        f"{stage.learning.flops:.2e} operations"
        + (", held up by traffic between GPUs" if stage.learning.traffic > stage.learning.compute else ""),
    ]


def _memory(plan: Plan) -> list[str]:
    memory = plan.memory
    assert memory is not None
    lines = [f"memory per GPU, of {_size(memory.usable)} that may be used:"]
    lines += [f"  {_size(size):>12}  {name}" for name, size in memory.parts.items()]
    lines.append(
        f"  learning {_size(memory.learning)}, sampling {_size(memory.sampling)}; largest micro-batch "
        f"{memory.largest_micro:,} tokens (learner.micro_tokens = {memory.micro_tokens:,})"
    )
    lines += [f"  does not fit: {problem}" for problem in memory.problems] or ["  fits"]
    return lines


def comparison(plans: Sequence[Plan]) -> list[str]:
    """One line per plan, with a head: memory while learning and sampling, seconds per step of each stage, hours."""
    stages = [str(step.sessions) for step in plans[0].work.stages]
    head = f"{'GPUs':<11}{'engine':<10}{'GiB learn/sample':<18}{'s per step at ' + '/'.join(stages) + ' sessions':<36}"
    lines = [f"{head}{'hours':>6}  longest phase"]
    for plan in plans:
        machine, memory = plan.setup.machine, plan.memory
        assert machine is not None and memory is not None
        label = f"{machine.label:<11}{plan.setup.engine:<10}"
        gib = f"{memory.learning / GIB:.0f}/{memory.sampling / GIB:.0f} of {memory.usable / GIB:.0f}"
        if not memory.fits:
            lines.append(f"{label}{gib:<18}does not fit: {memory.problems[0].partition(':')[0]}")
            continue
        seconds = "/".join(f"{stage.seconds:.0f}" for stage in plan.stages)
        longest = "/".join(dict.fromkeys(stage.bottleneck for stage in plan.stages))
        lines.append(f"{label}{gib:<18}{seconds:<36}{plan.seconds / 3600:>6.1f}  {longest}")
    return lines


def as_values(plan: Plan) -> dict[str, Any]:
    """The plan as plain values: bytes, seconds, tokens."""
    machine = plan.setup.machine
    return {
        "recipe": plan.recipe.name,
        "machine": machine.label if machine else None,
        "engine": plan.setup.engine,
        "model": {
            **asdict(plan.shape),
            "parameters": plan.shape.parameters,
            "kv_bytes_per_token": plan.shape.kv_bytes,
            "from": plan.shape_source,
        },
        "data": plan.work.data,
        "tokens": plan.work.tokens,
        "work": [
            {**asdict(step), "calls": step.calls, "questions": step.questions, "waves": len(step.waves)}
            for step in plan.work.stages
        ],
        "stages": [
            {
                "stage": stage.work.stage,
                "phases": dict(stage.phases),
                "seconds_per_step": stage.seconds,
                "bottleneck": stage.bottleneck,
                "learning": asdict(stage.learning),
            }
            for stage in plan.stages
        ],
        "memory": None if plan.memory is None else {**asdict(plan.memory), "fits": plan.memory.fits},
        "seconds": plan.seconds,
        "fits": plan.fits,
        "refused": list(plan.refused),
        "notes": list(plan.notes),
        "assumptions": dict(plan.setup.assumptions.values),
    }


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e8 else f"{parameters / 1e6:.2f} M"


def _size(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB or not size else f"{size / 2**20:.1f} MiB"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
