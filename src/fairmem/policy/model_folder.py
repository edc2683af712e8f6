"""Opening a folder with a causal language model in Hugging Face format, with one clear line when it cannot be used.

Such a folder holds `config.json`, tokenizer files and weights, and optionally `fairmem.json`:
`{"prompts": "compact"}` says which family of prompts the model was trained on (default: `instruct`), and `agents` may
hold the recipe section it was trained under.
Only local folders are opened; nothing is downloaded and no code from a folder is run.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast, get_args

from fairmem.errors import ModelError, boundary
from fairmem.policy.base import Family

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
WEIGHT_PATTERNS = ("*.safetensors", "pytorch_model*.bin")

ABOUT = "fairmem.json"
"""The file that says what fairmem knows of a model."""

_LINE = 400
"""Most characters of a message."""


def check_folder(folder: Path) -> None:
    """Raise ModelError unless `folder` has the files of a model; the contents are not read."""
    wanted = "a folder with config.json, tokenizer files and *.safetensors"
    if not folder.is_dir():
        found = "a file" if folder.is_file() else "nothing"
        raise ModelError(f"{folder}: found {found}, expected {wanted}; download the model first or correct the path")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json in it; expected {wanted}")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(f"{folder}: no tokenizer files in it (such as tokenizer.json); save the tokenizer there too")
    if not any(any(folder.glob(pattern)) for pattern in WEIGHT_PATTERNS):
        raise ModelError(f"{folder}: no weights in it (*.safetensors); was the download complete?")


def read_family(folder: Path) -> Family:
    """The prompt family that `fairmem.json` in `folder` names; `instruct` where there is no such file.

    Raises:
        ModelError: the file is not a JSON object, or names no known family.
    """
    path, found = folder / ABOUT, read_about(folder)
    prompts = found.get("prompts", "instruct")
    for family in get_args(Family):
        if prompts == family:
            return family
    raise ModelError(f"{path}: found prompts {prompts!r}, expected one of {', '.join(get_args(Family))}")


def read_about(folder: Path) -> dict[str, Any]:
    """What `fairmem.json` in `folder` says of the model; {} where there is no such file.

    Raises:
        ModelError: the file is not a JSON object.
    """
    path = folder / ABOUT
    if not path.is_file():
        return {}
    with boundary(ModelError, f"{path}: cannot be read as JSON"):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ModelError(f"{path}: found {type(found).__name__}, expected an object with 'prompts'")
    return cast("dict[str, Any]", found)


def load_model(folder: Path, dtype: str) -> tuple[Any, Any]:
    """The model (on the CPU, in eval mode, weights as torch type `dtype`) and the tokenizer of `folder`.

    Raises:
        ModelError: files are missing or damaged, the architecture is not a causal language model known to
            transformers, or weights that the config asks for are absent (they would be random).
    """
    check_folder(folder)
    from fairmem.policy.torch_setup import import_torch

    torch = import_torch()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _loading(f"{folder}: the tokenizer cannot be loaded"):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with _loading(f"{folder}: the model cannot be loaded"), no_progress_bars():
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=getattr(torch, dtype), output_loading_info=True
        )
    model, report = loaded
    for problem in ("missing_keys", "mismatched_keys"):
        if report.get(problem):
            names = sorted(str(name) for name in report[problem])
            what = f"{len(names)} {problem.replace('_', ' ')}, first {names[0]}"
            raise ModelError(f"{folder}: the weights do not fit config.json ({what}); they are not of one model")
    return model, tokenizer


def read_reader(folder: Path) -> dict[str, Any]:
    """What reads and renders for the model in `folder`, without its weights: options of `ServedPolicy`.

    Raises:
        ModelError: files are missing or damaged, or nothing names an end-of-message token.
    """
    check_folder(folder)
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    from fairmem.policy.sampled import end_ids

    with _loading(f"{folder}: the tokenizer or the configuration cannot be loaded"):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
        there = (folder / "generation_config.json").is_file()
        sampling: Any = GenerationConfig.from_pretrained(folder, local_files_only=True) if there else GenerationConfig()
    return {
        "tokenizer": tokenizer,
        "eos": end_ids(sampling, tokenizer, str(folder)),
        "family": read_family(folder),
        "context": getattr(config.get_text_config(), "max_position_embeddings", None),
    }


@contextmanager
def _loading(what: str) -> Generator[None, None, None]:
    """A boundary whose message is one line; those of transformers are paragraphs of advice."""
    try:
        with boundary(ModelError, what):
            yield
    except ModelError as error:
        line = " ".join(str(error).split())
        raise ModelError(line if len(line) <= _LINE else f"{line[:_LINE]}...") from error.__cause__


@contextmanager
def no_progress_bars() -> Generator[None, None, None]:
    """No bars of transformers, while loading or writing weights: they tear the run's own display."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
