"""The table of datasets and the one function that loads any of them.

To add a dataset: write `data/NAME.py` with `load(path, ...) -> list[Conversation]`, add a loader here that
imports it when called, and a row to `DATASETS`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fairmem.errors import ConfigError
from fairmem.types import Conversation

REFUSAL = "no information"
"""The answer that counts as right when the conversation does not hold what a question asks for."""

Loader = Callable[..., list[Conversation]]
"""Takes the path (or None) first, the dataset's own options as keywords."""


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One row of the table of datasets.

    Attributes:
        name: What a recipe and the command line call it.
        licence: Licence of the data, as its publisher states it.
        where: Where a user gets it; fairmem never downloads data and ships none of it.
        loader: Called with the path and the options given to `load`.
        description: One sentence.
        files: Names that its files or folders usually have, as patterns, to see whether a copy is present.
        checksums: SHA-256 of a published file -> its name.
        stream: Texts as a stream of chunks; train and test are checked for shared originals.
        questions: Of the whole published set, to tell a part from it; 0 where releases or sizes differ.
    """

    name: str
    licence: str
    where: str
    loader: Loader
    description: str
    files: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: bool = False
    questions: int = 0

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options the loader takes besides the path."""
        return tuple(inspect.signature(self.loader).parameters)[1:]


def load(source: str, path: Path | None = None, **options: Any) -> list[Conversation]:
    """Load the dataset called `source`, from `path` if it is one that lies in files.

    Raises:
        ConfigError: no such dataset, an option it does not have, or a path missing or given in vain.
        DataError: the file is missing, unreadable or not of the dataset's schema.
    """
    spec = DATASETS.get(source)
    if spec is None:
        raise ConfigError(f"unknown dataset '{source}'; known: {', '.join(sorted(DATASETS))}")
    for name in options:
        if name not in spec.options:
            raise ConfigError(f"dataset '{source}' has no option '{name}'; it takes: {', '.join(spec.options)}")
    return spec.loader(path, **options)


def _required(path: Path | None, source: str) -> Path:
    if path is None:
        raise ConfigError(f"dataset '{source}' needs a path; get the file from {DATASETS[source].where}")
    return path


def _load_locomo(path: Path | None, conversations: Sequence[str] | None = None) -> list[Conversation]:
    from fairmem.data import locomo

    return locomo.load(_required(path, "locomo"), conversations)


def _load_msc(
    path: Path | None, conversations: Sequence[str] | None = None, split: str = "valid"
) -> list[Conversation]:
    from fairmem.data import msc

    return msc.load(_required(path, "msc"), conversations, split)


def _by_path(source: str) -> Loader:
    """The loader of a dataset whose module has `load(path, conversations)` and no options of its own."""

    def loader(path: Path | None, conversations: Sequence[str] | None = None) -> list[Conversation]:
        module = importlib.import_module(f"fairmem.data.{source}")
        return module.load(_required(path, source), conversations)

    return loader


def _load_village(
    path: Path | None,
    seed: int = 0,
    split: str = "train",
    conversations: int = 8,
    sessions: int = 8,
    difficulty: float = 0.5,
    start: int = 0,
) -> list[Conversation]:
    from fairmem.data.village import Split, generate

    if path is not None:
        raise ConfigError(f"dataset 'village' is generated and takes no path, found {path}")
    return generate(seed, cast("Split", split), conversations, sessions, difficulty, start)


def _load_patterns(
    path: Path | None,
    seed: int = 0,
    split: str = "train",
    conversations: int = 10,
    sessions: int = 8,
    difficulty: float = 0.5,
    start: int = 0,
    patterns: Sequence[str] = (),
) -> list[Conversation]:
    from fairmem.data.village import Split
    from fairmem.data.village.patterns import generate_patterns

    if path is not None:
        raise ConfigError(f"dataset 'village_patterns' is generated and takes no path, found {path}")
    return generate_patterns(seed, cast("Split", split), conversations, sessions, difficulty, start, patterns)


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            "locomo",
            "CC BY-NC 4.0",
            "https://github.com/snap-research/locomo (data/locomo10.json)",
            _load_locomo,
            "Ten long two-speaker conversations of 19-32 dated sessions with 1,986 questions in five categories.",
            ("locomo*.json",),
            {"79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4": "locomo10.json"},
            questions=1986,
        ),
        DatasetSpec(
            "longmemeval",
            "MIT",
            "https://huggingface.co/datasets/xiaowu0162/longmemeval-cleaned (oracle, S and M: one JSON file each)",
            _by_path("longmemeval"),
            "500 questions, each about its own user-and-assistant history of up to 500 sessions, with abstention.",
            ("longmemeval_*.json", "*longmemeval*/*.json"),
            questions=500,
        ),
        DatasetSpec(
            "msc_self_instruct",
            "Apache-2.0",
            "https://huggingface.co/datasets/MemGPT/MSC-Self-Instruct (msc_self_instruct.jsonl)",
            _by_path("msc_self_instruct"),
            "500 multi-session chats with one question each: the deep memory retrieval task (DMR) of MemGPT.",
            ("msc_self_instruct*.json*",),
            questions=500,
        ),
        DatasetSpec(
            "membench",
            "see its repository",
            "https://github.com/import-myself/Membench (JSON files)",
            _by_path("membench"),
            "Short histories with one multiple-choice question each, by kind of memory.",
            ("FirstAgent*.json", "ThirdAgent*.json", "*membench*.json"),
        ),
        DatasetSpec(
            "memory_agent_bench",
            "MIT",
            "https://huggingface.co/datasets/ai-hyz/MemoryAgentBench (Parquet; write it as JSON lines first)",
            _by_path("memory_agent_bench"),
            "Long texts read piece by piece, then many questions: retrieval, learning, understanding, conflicts.",
            ("*Accurate_Retrieval*.json*", "*Test_Time_Learning*.json*", "*Conflict_Resolution*.json*"),
            stream=True,
        ),
        DatasetSpec(
            "beam",
            "see its repository",
            "https://github.com/mohammadtavakoli78/BEAM (folder chats, or one size of it)",
            _by_path("beam"),
            "100 generated chats of 128 K to 10 M tokens with 20 questions each, graded by rubrics.",
            ("chat.json",),
        ),
        DatasetSpec(
            "personamem",
            "see its repository",
            "https://huggingface.co/datasets/bowen-upenn/PersonaMem (questions_SIZE.csv, shared_contexts_SIZE.jsonl)",
            _by_path("personamem"),
            "Multiple choice about a user's changing preferences; no judge needed.",
            ("questions_*.csv",),
        ),
        DatasetSpec(
            "squad",
            "CC BY-SA 4.0",
            "https://rajpurkar.github.io/SQuAD-explorer (train-v2.0.json, dev-v2.0.json)",
            _by_path("squad"),
            "Articles read out paragraph by paragraph, then their questions: single-hop reading.",
            ("train-v*.json", "dev-v*.json", "squad*.json"),
            stream=True,
        ),
        DatasetSpec(
            "hotpotqa",
            "CC BY-SA 4.0",
            "https://hotpotqa.github.io (hotpot_train_v1.1.json, hotpot_dev_distractor_v1.json)",
            _by_path("hotpotqa"),
            "Paragraphs read out, then questions that need two of them: multi-hop reading.",
            ("hotpot*.json*",),
            stream=True,
        ),
        DatasetSpec(
            "perltqa",
            "see its repository (LICENSE.txt)",
            "https://github.com/Elvin-Yiming-Du/PerLTQA (folder Dataset/en_v2)",
            _by_path("perltqa"),
            "The life of a character, its relations, events and dialogues, then questions about it.",
            ("perltqa*.json",),
            stream=True,
        ),
        DatasetSpec(
            "nlu",
            "HWU64 CC BY 4.0, CLINC150 CC BY 3.0",
            "https://github.com/alexa/dialoglue (hwu) and https://github.com/clinc/oos-eval (data_full.json)",
            _by_path("nlu"),
            "Utterances with their intent as a number, then others to be labelled: learning from a stream.",
            ("*hwu*.csv", "data_full.json", "*banking*.csv"),
            stream=True,
        ),
        DatasetSpec(
            "trec",
            "not stated",
            "https://cogcomp.seas.upenn.edu/Data/QA/QC (train_5500.label, TREC_10.label)",
            _by_path("trec"),
            "Questions with the class of what they ask for as a number, then others to be labelled.",
            ("train_5500.label", "TREC_10.label"),
            stream=True,
        ),
        DatasetSpec(
            "pubmed_rct",
            "see its repository",
            "https://github.com/Franck-Dernoncourt/pubmed-rct (PubMed_20k_RCT/train.txt)",
            _by_path("pubmed_rct"),
            "Sentences of medical abstracts with their section as a number, then others to be labelled.",
            ("*pubmed*rct*.txt",),
            stream=True,
        ),
        DatasetSpec(
            "booksum",
            "BSD-3-Clause (the books are in the public domain)",
            "https://github.com/salesforce/booksum (as JSON lines with chapter and summary_text)",
            _by_path("booksum"),
            "A chapter read out, then one request for a summary, scored by its keywords.",
            ("*booksum*.json*",),
            stream=True,
        ),
        DatasetSpec(
            "msc",
            "none stated (ParlAI code MIT, PersonaChat part CC BY 4.0)",
            "https://parl.ai/projects/msc (PersonaSummary: session_1_valid.jsonl ... session_4_valid.jsonl)",
            _load_msc,
            "Multi-Session Chat with a human-written fact per utterance; no questions. For evaluation only.",
            ("session_1_*.jsonl",),
        ),
        DatasetSpec(
            "village",
            "Apache-2.0 (generated by fairmem)",
            "generated from a seed; nothing to download",
            _load_village,
            "Seeded conversations with known changes to what is worth remembering, and questions about them.",
        ),
        DatasetSpec(
            "village_patterns",
            "Apache-2.0 (generated by fairmem)",
            "generated from a seed; nothing to download",
            _load_patterns,
            "The village in Mem-alpha's patterns: reading, two hops, dialogue, labels, keywords.",
        ),
    )
}
"""Every dataset fairmem can load, by name."""
