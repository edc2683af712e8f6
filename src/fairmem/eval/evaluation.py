"""What `fairmem eval` does: open models and data, run the pipeline for each memory asked for, write the reports."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from fairmem.config import AgentsConfig, AnswererConfig, Recipe, parse_recipe
from fairmem.data import load
from fairmem.episodes import EpisodeRunner, build_runner
from fairmem.errors import ConfigError, DataError, MissingExtraError
from fairmem.eval.backend import MemoryBackend
from fairmem.eval.backends import BACKENDS, BackendSetup, build_backend
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.folder_lock import locked
from fairmem.eval.gateway import Gateway
from fairmem.eval.judge import with_earlier_verdicts
from fairmem.eval.live import LiveLines
from fairmem.eval.memories_page import format_memories, write_memories
from fairmem.eval.peers import PEERS, PeerMemory
from fairmem.eval.pipeline import Asking, run_pipeline
from fairmem.eval.report import format_result, write_eval_report
from fairmem.eval.rescore import BadKeys, read_bad_keys
from fairmem.eval.result import EvalResult
from fairmem.eval.runner import make_header
from fairmem.memory import Bm25Retriever, build_embedder, build_retriever
from fairmem.metrics import ANSWER_SCORES
from fairmem.policy import Family, Policy, folder_of, is_pair, of_role, open_ready, open_writers, read_about
from fairmem.trace import Role
from fairmem.types import CATEGORIES, Category, Conversation

CALLS, GATEWAY, EVALUATION = "calls.jsonl", "gateway.jsonl", "eval.jsonl"
# Results on LoCoMo are given without its adversarial questions; elsewhere abstention is part of the benchmark.
_WITHOUT_ADVERSARIAL = ("locomo", "village")
_GENERATED = ("village", "village_patterns")


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """One `fairmem eval`.

    Attributes:
        dataset: Key of `fairmem.data.DATASETS`; `path` is the user's copy.
        model: What keeps the memory; `answerer` answers (each with its address).
        prompts: What endpoints understand; a served model that fairmem trained may be `compact`.
        memories: Keys of `BACKENDS`.
        conversations: Only these; `sessions` and `limit` take the first, `questions` so many per conversation.
        categories: Those that count; empty: all, on LoCoMo and village all but adversarial.
        score: Key of `ANSWER_SCORES`; empty: `bag`, for multiple choice `em`.
        top_k: Entries shown per speaker; None: as the model was trained.
        distill: Whether the answerer first lists the entries it keeps, which is then scored.
        budget: Most tokens of entries shown; 0: no limit.
        prices: Per million prompt and reply tokens, in one currency.
        out: Folder of the evaluation; None keeps nothing.
        exclude: File of known-bad keys.
    """

    dataset: str
    path: Path | None = None
    model: str = "bundled"
    base_url: str = ""
    answerer: str = ""
    answerer_base_url: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    prompts: Family = "instruct"
    memories: tuple[str, ...] = ("ours",)
    conversations: tuple[str, ...] = ()
    sessions: int | None = None
    limit: int | None = None
    questions: int | None = None
    categories: tuple[str, ...] = ()
    score: str = ""
    top_k: int | None = None
    distill: bool = False
    budget: int = 0
    concurrency: int = 16
    prices: tuple[float, float] | None = None
    seed: int = 0
    out: Path | None = None
    exclude: Path | None = None


def evaluate_dataset(asked: EvalRequest, progress: Callable[[str], None] | None = None) -> str:
    """Run the evaluation, write its files to `asked.out`, and return the report as text.

    With several memories each has a folder of its own below `out`, beside a table of all.

    Raises:
        ConfigError, DataError, EndpointError, ModelError: something in the request is wrong, before work starts; or
            `out` holds an evaluation with other settings.
    """
    _check(asked)
    categories = categories_of(asked.categories, asked.dataset)
    bad = read_bad_keys(asked.exclude) if asked.exclude is not None else None
    talks = conversations_of(asked)
    with locked(asked.out):
        return _evaluate_and_report(asked, categories, bad, talks, progress)


def _evaluate_and_report(
    asked: EvalRequest,
    categories: tuple[Category, ...],
    bad: BadKeys | None,
    talks: Sequence[Conversation],
    progress: Callable[[str], None] | None,
) -> str:
    answerer, address = asked.answerer or asked.model, asked.answerer_base_url or asked.base_url
    same = (answerer, address) == (asked.model, asked.base_url)
    if is_pair(answerer):
        raise ConfigError(f"'{answerer}' holds a model per role and none that answers; add --answerer, as in bundled")
    endpoint: dict[str, Any] = {"family": asked.prompts, "concurrency": asked.concurrency}
    keepers = open_writers(asked.model, asked.base_url, asked.api_key_env, **endpoint)
    teller = keepers["manager"] if same else open_ready(answerer, address, asked.api_key_env, **endpoint)
    try:
        results, skipped = _evaluate(asked, categories, talks, keepers, teller, answerer, progress)
    finally:
        for policy in (*keepers.values(), teller):  # closing twice is safe
            policy.close()
    several = len(asked.memories) > 1
    for name, result in results.items():
        if asked.out is not None:
            folder = asked.out / name if several else asked.out
            result = results[name] = with_earlier_verdicts(result, folder / EVALUATION)
            result.save(folder / EVALUATION)
            write_eval_report(result, folder, bad)
    if not several:
        return format_result(results[asked.memories[0]], bad)
    if asked.out is not None:
        return write_memories(results, skipped, asked.out, bad)
    return format_memories(results, skipped, bad)


def _evaluate(
    asked: EvalRequest,
    categories: tuple[Category, ...],
    talks: Sequence[Conversation],
    keepers: Mapping[Role, Policy],
    teller: Policy,
    answerer: str,
    progress: Callable[[str], None] | None,
) -> tuple[dict[str, EvalResult], dict[str, str]]:
    """(memory -> result, memory -> why it was skipped)."""
    agents = agents_of(keepers["manager"], of_role(asked.model, "manager"))
    agents = answering_of(agents, answerer, asked.distill)
    if asked.top_k is not None:
        agents = agents.model_copy(update={"shown_per_speaker": asked.top_k})
    base = Recipe(name="eval", seed=asked.seed, agents=agents, answerer=AnswererConfig(path=answerer))
    recipe = base.model_copy(update={"eval": base.eval.model_copy(update={"categories": categories})})
    file = asked.out / CALLS if asked.out is not None else None
    live = None if progress is None else LiveLines(progress, asked.prices)
    recorded: dict[int, RecordedCalls] = {}

    def record(policy: Policy, spec: str) -> RecordedCalls:
        if id(policy) not in recorded:
            stamp = weights_stamp(spec)
            recorded[id(policy)] = RecordedCalls(
                policy, file, concurrency=asked.concurrency, identity=stamp, progress=live
            )
        return recorded[id(policy)]

    policies: dict[Role, Policy] = {role: record(p, of_role(asked.model, role)) for role, p in keepers.items()}
    keeping, telling = record(keepers["manager"], ""), record(teller, answerer)
    policies["answerer"] = telling
    runner = build_runner(recipe, policies)
    ours = runner.agents.answerer
    choice = bool(talks) and all(question.options for talk in talks for question in talk.questions)
    score = ANSWER_SCORES[asked.score or ("em" if choice else "bag")]
    name = asked.dataset if asked.path is None else f"{asked.dataset} {asked.path.name}"
    keeper_name = " + ".join(dict.fromkeys(keeper.name for keeper in keepers.values()))
    header = make_header(recipe, runner, name, keeper_name, telling.name)
    header = header.model_copy(update={"signature": str(score.signature), "budget": asked.budget})
    weights = " ".join(weights_stamp(spec) for spec in (*(of_role(asked.model, role) for role in keepers), answerer))
    asking = Asking(telling, ours, score, keeping.count_tokens, asked.questions or 0, weights=weights)
    results: dict[str, EvalResult] = {}
    skipped: dict[str, str] = {}
    with backend_setup(asked, agents, runner, keeping, keepers["manager"], recipe.eval.temperature) as setup:
        for memory in asked.memories:
            backend = _backend(memory, setup, len(asked.memories) > 1, skipped)
            if backend is not None:
                folder = asked.out
                if folder is not None and len(asked.memories) > 1:
                    folder = folder / memory
                part = header.model_copy(update={"memory": memory})
                try:
                    found = run_pipeline(backend, talks, part, asking, folder, progress)
                finally:
                    if isinstance(backend, PeerMemory):
                        backend.close()
                results[memory] = _priced(found, asked.prices)
    return results, skipped


@contextmanager
def backend_setup(
    asked: EvalRequest,
    agents: AgentsConfig,
    runner: EpisodeRunner,
    keeping: Policy,
    keeper: Policy,
    temperature: float,
) -> Generator[BackendSetup, None, None]:
    """What backends are made from; products get a server and a folder while it lasts."""
    ours = runner.agents.answerer
    embedder = build_embedder(agents.embedder)
    setup = BackendSetup(
        runner,
        keeping,
        replace(ours, retriever=Bm25Retriever(), min_score=0.0),
        replace(ours, retriever=build_retriever("dense", embedder)),
        agents.shown_per_speaker,
        temperature,
        asked.seed,
    )
    if not PEERS.keys() & set(asked.memories):
        yield setup
        return
    with TemporaryDirectory(ignore_cleanup_errors=True) as passing:
        folder = asked.out or Path(passing)
        stamp = weights_stamp(of_role(asked.model, "manager"))
        with Gateway(keeper, embedder, folder / GATEWAY, identity=stamp, seed=asked.seed) as gateway:
            yield replace(setup, gateway=gateway, folder=folder)


def _backend(name: str, setup: BackendSetup, several: bool, skipped: dict[str, str]) -> MemoryBackend | None:
    """The backend; among several, one that cannot work with these models is skipped with the reason."""
    try:
        return build_backend(name, setup)
    except (ConfigError, MissingExtraError) as error:
        if not several:
            raise
        skipped[name] = str(error)
        return None


def _priced(result: EvalResult, prices: tuple[float, float] | None) -> EvalResult:
    if prices is None:
        return result
    header = result.header
    cost = (header.prompt_tokens * prices[0] + header.reply_tokens * prices[1]) / 1e6
    return result.model_copy(update={"header": header.model_copy(update={"cost": round(cost, 6)})})


def weights_stamp(spec: str) -> str:
    """What tells the weights in a model's folder from others there before; "" for what is not in a folder here."""
    folder = folder_of(spec)
    if folder is None or not folder.is_dir():
        return ""
    files = sorted(path for pattern in ("*.safetensors", "*.json") for path in folder.glob(pattern))
    seen = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:16]


def agents_of(keeper: Policy, model: str) -> AgentsConfig:
    """The settings the model was trained under, where its folder says so.

    Other compact models keep the small setting; larger ones get the paper's 30 entries, 6 chunks and room to write.
    """
    folder = folder_of(model)
    if folder is not None and (trained := read_about(folder).get("agents")) is not None:
        return parse_recipe({"agents": trained}, where=f"{folder}: fairmem.json").agents
    if keeper.family == "compact":
        return AgentsConfig()
    return AgentsConfig(
        chunks_per_session=6,
        shown_per_speaker=30,
        extractor_max_tokens=1024,
        manager_max_tokens=1024,
        answerer_max_tokens=512,
    )


def answering_of(agents: AgentsConfig, answerer: str, distill: bool) -> AgentsConfig:
    """`agents` with what concerns the answerer as it was trained, where its folder says that it was; or as asked."""
    folder = folder_of(answerer)
    about = read_about(folder) if folder is not None else {}
    if about.get("role") == "answerer":
        own = parse_recipe({"agents": about["agents"]}, where=f"{folder}: fairmem.json").agents
        names = ("distill", "shown_per_speaker", "shown_per_store", "answerer_max_tokens")
        agents = agents.model_copy(update={name: getattr(own, name) for name in names})
    return agents.model_copy(update={"distill": True}) if distill else agents


def _check(asked: EvalRequest) -> None:
    for name, value in (
        ("--sessions", asked.sessions),
        ("--limit", asked.limit),
        ("--questions", asked.questions),
        ("--top-k", asked.top_k),
    ):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}, expected at least 1")
    if asked.seed < 0:
        raise ConfigError(f"--seed is {asked.seed}, expected at least 0")
    if asked.prices is not None and not all(math.isfinite(price) and price >= 0 for price in asked.prices):
        raise ConfigError(f"--prices are {asked.prices[0]:g},{asked.prices[1]:g}; expected two numbers of at least 0")
    if asked.budget < 0 or asked.concurrency < 1:
        raise ConfigError(f"--budget is {asked.budget}, --concurrency {asked.concurrency}; expected at least 0 and 1")
    if asked.score and asked.score not in ANSWER_SCORES:
        raise ConfigError(f"score '{asked.score}' is unknown; expected one of {', '.join(ANSWER_SCORES)}")
    unknown = [name for name in asked.memories if name not in BACKENDS]
    if unknown or not asked.memories:
        raise ConfigError(f"memory '{(*unknown, '')[0]}' is unknown; expected some of {', '.join(BACKENDS)}")


def categories_of(names: Sequence[str], dataset: str) -> tuple[Category, ...]:
    """The categories that count: `names`, or without any all, on LoCoMo and village all but adversarial."""
    unknown = [name for name in names if name not in CATEGORIES]
    if unknown:
        raise ConfigError(f"category '{unknown[0]}' is unknown; expected some of {', '.join(CATEGORIES)}")
    if names:
        return cast("tuple[Category, ...]", tuple(names))
    return tuple(c for c in CATEGORIES if c != "adversarial" or dataset not in _WITHOUT_ADVERSARIAL)


def conversations_of(asked: EvalRequest) -> list[Conversation]:
    """The conversations that are asked for, truncated as asked."""
    if asked.dataset in _GENERATED:
        made = {"seed": asked.seed, "split": "test", "sessions": asked.sessions or 8}
        found = load(asked.dataset, asked.path, conversations=asked.limit or 32, **made)
    else:
        found = load(asked.dataset, asked.path)
    if asked.conversations:
        known = {c.id for c in found}
        unknown = [name for name in asked.conversations if name not in known]
        if unknown:
            held = ", ".join(sorted(known)[:20])
            raise ConfigError(
                f"--conversations names '{unknown[0]}', not in {asked.path or asked.dataset}; it holds {held}"
            )
        found = [c for c in found if c.id in set(asked.conversations)]
    if not found:
        raise DataError(f"{asked.path}: holds no conversation of {asked.dataset}; is it the whole file?")
    found = found[: asked.limit] if asked.limit else found
    return [c.truncated(asked.sessions) for c in found] if asked.sessions else found
