"""Which training engines can run here, and why not, from package metadata alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fairmem.doctor.finding import Finding
from fairmem.doctor.installed import canonical, installed_from
from fairmem.doctor.versions import satisfies
from fairmem.doctor.windows import CLASHES, WINDOWS, pip_lines
from fairmem.learner.engines.base import EMBEDDED, ENGINES

_PACKAGES = {
    EMBEDDED: ("torch", "transformers", "safetensors"),
    "verl": ("torch", "transformers", "safetensors", "verl", "ray", "tensordict"),
    "trl": ("torch", "transformers", "safetensors", "trl", "accelerate", "datasets"),
}
"""Engine -> packages that it cannot start without."""

_EXTRA = {EMBEDDED: "train", "verl": "verl", "trl": "trl"}


class EngineState(NamedTuple):
    """An engine: whether it can run here, why not, what it would run on, and what installs it."""

    name: str
    ready: bool
    reasons: tuple[str, ...]
    runs_on: str
    lines: tuple[str, ...]


def engine_states(installed: Mapping[str, str], gpus: int) -> list[EngineState]:
    """The state of every engine of `ENGINES`.

    Args:
        installed: Canonical name -> version.
        gpus: How many there are.
    """
    return [_state(name, installed, gpus) for name in ENGINES]


def _state(name: str, installed: Mapping[str, str], gpus: int) -> EngineState:
    needed = _PACKAGES[name]
    reasons = [f"{package} is not installed" for package in needed if canonical(package) not in installed]
    for window in WINDOWS:
        have = installed.get(canonical(window.package))
        own = window.holder == "fairmem" or window.holder == name
        if own and have and window.package in needed and not satisfies(have, window.window):
            reasons.append(f"{window.holder} wants {window.package}{window.window}, found {have}")
    for clash in CLASHES:
        one, other = installed.get(canonical(clash.one)), installed.get(canonical(clash.other))
        held = one and other and satisfies(one, clash.one_window) and satisfies(other, clash.other_window)
        if held and name in (clash.one, clash.other):
            reasons.append(clash.why)
    runs_on = "CPU" if not gpus else f"{gpus} GPUs" if name == "verl" else "one GPU"
    if name == "verl" and gpus and "vllm" not in installed:
        reasons.append("vllm is not installed, with which verl samples on a GPU (model.device=cpu does without)")
    return EngineState(
        name, not reasons, tuple(dict.fromkeys(reasons)), runs_on, pip_lines(_EXTRA[name], gpus, installed_from())
    )


def engine_findings(states: list[EngineState], asked: str | None) -> Iterator[Finding]:
    """One line per engine; the one that is asked for has to be ready."""
    for state in states:
        if state.ready:
            yield Finding("engine", "ok", f"{state.name} can run here, on {state.runs_on}")
        else:
            level = "error" if state.name == asked else "note"
            yield Finding(
                "engine", level, f"{state.name} cannot run here: {'; '.join(state.reasons)}", "\n".join(state.lines)
            )
