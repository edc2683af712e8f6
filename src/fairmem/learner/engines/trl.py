"""TRL 1.16 as the engine: a `GRPOTrainer` with one method of ours (extra `trl`).

TRL samples a number of completions per prompt, scores them and compares those of one prompt. `TreeGRPOTrainer`
replaces that method: it plays the step's conversations and hands TRL one row per role turn, with the advantage the
turn came with. The loss, the optimizer, checkpoints and logging are TRL's; the recipe's learner section is said in its
words:

    learner.ratio turn, token          importance_sampling_level sequence, token
    learner.aggregation turn, token    loss_type grpo, bnpo
    learner.dual_clip                  delta (TRL caps the ratio, which bounds negative advantages alike)
    learner.epochs                     num_iterations

Simplified: one process, one optimizer step over all rows of a step in one forward pass; TRL's warmup starts at 0. Past
that, use verl.
"""

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmem.config import CHECKPOINTS, LearnerConfig, Recipe
from fairmem.errors import CreditError, MissingExtraError
from fairmem.learner.engines.base import (
    Job,
    Journal,
    Rollouts,
    common_refusals,
    open_journal,
    open_rollouts,
    stage_of,
)
from fairmem.learner.rows import Row, check_rows
from fairmem.policy import folder_of
from fairmem.policy.model_folder import load_model, read_family

if TYPE_CHECKING:
    from trl import GRPOTrainer as Base
else:
    try:
        from trl import GRPOTrainer as Base
    except ImportError:  # the module is opened to say so; see `TrlEngine.check`
        Base = object

TESTED = "1.16"
"""The release series this was written for; the method it replaces is not public."""


_LOGGED = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clip_fraction",
}
"""What TRL logs of an update -> its name in the run's metrics."""


class TreeGRPOTrainer(Base):
    """`GRPOTrainer` that learns from the role turns of episode trees.

    Args:
        rollouts: Plays the conversations.
        journal: Writes the steps down; None writes nothing.
        conversations: How many are played per step.
        options: Of `GRPOTrainer`.
    """

    def __init__(self, *, rollouts: Rollouts, journal: Journal | None, conversations: int, **options: Any) -> None:
        super().__init__(reward_funcs=_rewarded_where_played, **options)
        self._rollouts, self._journal, self._conversations = rollouts, journal, conversations
        self._played: tuple[list[Any], dict[str, float]] | None = None
        self._started = time.perf_counter()

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """Rows of the present step in TRL's tensors; what `inputs` says is made where it is played."""
        from fairmem.policy.hf import HFPolicy

        self.write_down()
        self._started = time.perf_counter()
        step = self.state.global_step // self.num_iterations
        model = self.accelerator.unwrap_model(self.model)
        family = read_family(Path(model.config.name_or_path))
        policy = HFPolicy(model, self.processing_class, name="trl", family=family)
        rolled = [self._rollouts.roll(step, number, policy) for number in range(self._conversations)]
        rows = [row for one in rolled for row in one.rows]
        check_rows(rows)
        self._played = [one.facts for one in rolled], {"rows": float(len(rows)), "rolled": time.perf_counter()}
        batch = tensors_of(rows, self.processing_class.pad_token_id or 0, self.accelerator.device)
        if self.beta:
            batch["ref_per_token_logps"] = self._reference_logprobs(batch)
        return batch

    def _reference_logprobs(self, batch: dict[str, Any]) -> Any:
        import torch

        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        width = batch["completion_ids"].shape[1]
        with torch.no_grad():
            return self._get_per_token_logps_and_entropies(self.ref_model, ids, mask, width)[0]

    def write_down(self) -> None:
        """Write the step that was learned from last, if it is not written yet."""
        if self._played is None or self._journal is None:
            return
        facts, learned = self._played
        self._played = None
        rolled = learned.pop("rolled")
        seconds = {"rollout": rolled - self._started, "learn": time.perf_counter() - rolled}
        logged = next((line for line in reversed(self.state.log_history) if "entropy" in line), {})
        learned |= {ours: float(logged[theirs]) for theirs, ours in _LOGGED.items() if theirs in logged}
        self._journal.record(self.state.global_step // self.num_iterations - 1, facts, learned, seconds)


def _rewarded_where_played(**_: Any) -> list[float]:
    raise AssertionError("TRL asks that there be a reward function, and only the method replaced above calls it")


def tensors_of(rows: Sequence[Row], padding: int, device: Any) -> dict[str, Any]:
    """One step's rows as the batch TRL computes its loss on: prompts padded left, replies right.

    Without rows there is one of padding alone, from which nothing is learned.

    Raises:
        CreditError: rows weigh differently, or have advantages per token, for which TRL's loss has no place.
    """
    import torch

    if len({row.weight for row in rows}) > 1:
        raise CreditError("rows of different weights; TRL's loss has none, use --engine embedded or verl")
    if any(row.advantages is not None for row in rows):
        raise CreditError("rows with advantages per token; TRL's loss has one per reply, use --engine embedded or verl")
    prompts = [row.prompt_ids for row in rows] or [(padding,)]
    replies = [row.ids for row in rows] or [(padding,)]
    old = [row.logprobs for row in rows] or [(0.0,)]
    width, length = max(map(len, prompts)), max(map(len, replies))

    def padded(values: Sequence[Sequence[Any]], size: int, left: bool, fill: Any) -> Any:
        out = [[fill] * (size - len(v)) * left + list(v) + [fill] * (size - len(v)) * (not left) for v in values]
        return torch.tensor(out, device=device)

    learned = [[1] * len(reply) for reply in replies] if rows else [[0]]
    advantages = [row.advantage for row in rows] or [0.0]
    return {
        "prompt_ids": padded(prompts, width, True, padding),
        "prompt_mask": padded([[1] * len(p) for p in prompts], width, True, 0),
        "completion_ids": padded(replies, length, False, padding),
        "completion_mask": padded(learned, length, False, 0),
        "advantages": torch.tensor(advantages, device=device),
        "old_per_token_logps": padded(old, length, False, 0.0),
        "num_items_in_batch": torch.tensor(sum(map(len, learned)), device=device),
    }


def _schedule(learner: LearnerConfig) -> dict[str, Any]:
    """The learning rate after the warm-up: as it is, or falling linearly to a tenth (`learner.decay_steps`)."""
    if not learner.decay_steps:
        return {"lr_scheduler_type": "constant_with_warmup"}
    falls = {"num_decay_steps": learner.decay_steps, "num_stable_steps": 0, "decay_type": "linear", "min_lr_ratio": 0.1}
    return {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": falls}


def arguments_of(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """The recipe in the words of `GRPOConfig`; checkpoints go below `folder`."""
    stage = stage_of(recipe)
    learner = recipe.at(stage).learner
    return {
        "output_dir": str(folder),
        "max_steps": stage.steps * learner.epochs,
        "num_iterations": learner.epochs,
        # TRL asks that a prompt be sampled more than once; ours are placeholders, and rows need not match them.
        "per_device_train_batch_size": 2,
        "num_generations": 2,
        "gradient_accumulation_steps": 1,
        "learning_rate": learner.lr,
        **_schedule(learner),
        "warmup_steps": learner.warmup_steps,
        "adam_beta1": learner.betas[0],
        "adam_beta2": learner.betas[1],
        "weight_decay": learner.weight_decay,
        "max_grad_norm": learner.grad_clip,
        "beta": learner.kl,
        "epsilon": learner.clip_low,
        "epsilon_high": learner.clip_high,
        "delta": learner.dual_clip or None,
        "importance_sampling_level": "sequence" if learner.ratio == "turn" else "token",
        "loss_type": "grpo" if learner.aggregation == "turn" else "bnpo",
        "entropy_coef": learner.entropy,
        "temperature": recipe.rollout.temperature,
        "max_completion_length": max(recipe.agents.extractor_max_tokens, recipe.agents.manager_max_tokens),
        "save_strategy": "steps" if recipe.checkpoint.every else "no",
        "save_steps": max(1, recipe.checkpoint.every) * learner.epochs,
        "save_total_limit": recipe.checkpoint.keep,
        "ignore_data_skip": True,  # a step's conversations follow from its number
        "logging_steps": 1,
        "report_to": [name for name in ("tensorboard", "wandb") if getattr(recipe.log, name)] or "none",
        "seed": recipe.seed % 2**32,
        "bf16": False,
        "use_cpu": recipe.model.device == "cpu",
        "gradient_checkpointing": recipe.model.device != "cpu",
        "disable_tqdm": True,
    }


class TrlEngine:
    """TRL as an engine; see `Engine`."""

    def refusals(self, recipe: Recipe) -> Iterator[tuple[bool, str, str]]:
        """What the recipe asks for that TRL does not do here."""
        from fairmem.credit import CREDIT_RULES, Need

        yield from common_refusals(recipe, "trl")
        learner, path = recipe.learner, recipe.model.path
        yield folder_of(path) is None, f"model.path is '{path}'", "TRL trains a model in a folder; give one"
        yield (
            any(recipe.at(stage).learner.minibatches > 1 for stage in recipe.stages),
            "learner.minibatches is above 1",
            "TRL draws its own mini-batches; use minibatches=1, or --engine verl",
        )
        yield (
            recipe.credit.local_weight not in (0.0, 1.0),
            f"credit.local_weight is {recipe.credit.local_weight}",
            "TRL's loss has no row weights; use 1, or --engine verl",
        )
        yield (
            Need.OP_VALUES in CREDIT_RULES[recipe.credit.rule].needs,
            f"credit.rule is '{recipe.credit.rule}'",
            "it credits tokens, and TRL's loss a reply as one; use another rule, or --engine embedded or verl",
        )
        yield (
            learner.ratio == "turn" and learner.aggregation == "token",
            "learner.aggregation is 'token' with learner.ratio 'turn'",
            "TRL's loss has no such mean; use aggregation=turn, or --engine verl",
        )

    def check(self) -> None:
        """Raise MissingExtraError unless TRL is installed, in the release series this was written for."""
        try:
            found = version("trl")
        except PackageNotFoundError as error:
            raise MissingExtraError.of("trl", "trl", "--engine trl") from error
        if not found.startswith(f"{TESTED}."):
            raise MissingExtraError(
                f"--engine trl is written for TRL {TESTED}, found {found}; run: pip install 'fairmem[trl]'"
            )

    def train(self, job: Job) -> None:
        """Train in this process with TRL's loop, from the newest of its checkpoints if the job resumes."""
        from fairmem.learner.checkpoint import export

        source = folder_of(job.recipe.model.path) or Path(job.recipe.model.path)
        model, tokenizer = load_model(source, "float32")
        root = job.folder / CHECKPOINTS / "trl"
        saved = newest(root) if job.resume else None
        updates = int(saved.name.rpartition("-")[2]) if saved else 0
        done = updates // job.recipe.learner.epochs if job.resume else None
        with open_journal(job.episodes, job.folder, done) as journal:
            trainer = tree_trainer(
                job.recipe, root, open_rollouts(job.episodes, job.folder), journal, model, tokenizer, job.options
            )
            trainer.train(resume_from_checkpoint=str(saved) if saved else None)
            trainer.write_down()
        about = {"run": job.recipe.name, "from": job.recipe.model.path, "engine": f"trl {version('trl')}"}
        agents = job.recipe.agents.model_dump(mode="json")
        export(
            trainer.model, tokenizer, job.folder / "model", {"prompts": read_family(source), **about, "agents": agents}
        )


def tree_trainer(
    recipe: Recipe,
    folder: Path,
    rollouts: Rollouts,
    journal: Journal | None,
    model: Any,
    tokenizer: Any,
    options: Sequence[str] = (),
) -> TreeGRPOTrainer:
    """A trainer for `recipe`; `options` are further arguments of `GRPOConfig`, as `key=value` in TOML."""
    from datasets import Dataset
    from trl import GRPOConfig

    from fairmem.config import parse_value

    given = {key: parse_value(value) for key, _, value in (option.partition("=") for option in options)}
    prompts = Dataset.from_list([{"prompt": "episodes"}] * 2)
    conversations = recipe.at(stage_of(recipe)).data.conversations_per_step
    return TreeGRPOTrainer(
        rollouts=rollouts,
        journal=journal,
        conversations=conversations,
        model=model,
        args=GRPOConfig(**{**arguments_of(recipe, folder), **given}),
        processing_class=tokenizer,
        train_dataset=prompts,
    )


def newest(root: Path) -> Path | None:
    """TRL's newest checkpoint below `root`, None if there is none."""
    found = sorted(root.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return found[-1] if found else None


ENGINE = TrlEngine()
