"""Our episodes inside verl: one prompt of verl's is one conversation, rolled out with all its branches.

Global rollouts, local rerollouts and the quiz are one schedule (`fairmem.episodes.EpisodeRunner`), run in a thread
while the worker's event loop carries the calls to the servers. So a comparison group is never spread over workers, and
`rollout.n` of verl stays 1. Every role turn with credit becomes one output; what verl has no field for is in
`extra_fields["fairmem"]`. One output more per conversation carries the tree to the trainer: verl drops a prompt
without outputs, and a conversation without contrast has none.
"""

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import functools
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput, register

from fairmem.learner.engines.base import Rolled, open_rollouts
from fairmem.learner.engines.verl.servers import ServerPolicy
from fairmem.learner.rows import Row
from fairmem.policy.model_folder import read_family
from fairmem.policy.sampled import end_ids

KEY = "fairmem"
"""Where outputs carry what is ours, and the section of verl's configuration with our settings."""
_IN_ROW = ("prompt_ids", "ids", "logprobs")
"""Fields of `Row` that verl has fields for."""


@register(KEY)
class TreeAgentLoop(AgentLoopBase):
    """Rolls out one conversation and returns one output per role turn that has credit."""

    def __init__(self, **options: Any) -> None:
        # verl would look for the chat tokens of the model's family; prompts are rendered by our own `Renderer`.
        super().__init__(**{**options, "hf_model_type": None})

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> list[AgentLoopOutput]:
        """Outputs of the conversation that the dataset item (`step`, `number`) names; the last carries the tree."""
        config: Any = self.config
        rollouts = open_rollouts(config[KEY].episodes, Path(config[KEY].folder))
        folder = Path(config.actor_rollout_ref.model.path)
        step, number = int(kwargs["step"]), int(kwargs["number"])
        policy = ServerPolicy(
            self.server_manager.generate,
            asyncio.get_running_loop(),
            self.tokenizer,
            read_family(folder),
            _ends(folder, self.tokenizer),
            int(config[KEY].context),
            version=step,
            name=f"{step}/{number}",
        )
        rolled = await asyncio.to_thread(rollouts.roll, step, number, policy)
        return outputs_of(rolled, int(self.tokenizer.eos_token_id), version=step)


@functools.cache
def _ends(folder: Path, tokenizer: Any) -> tuple[int, ...]:
    from transformers import GenerationConfig

    return end_ids(GenerationConfig.from_pretrained(folder), tokenizer, str(folder))


def outputs_of(rolled: Rolled, filler: int, version: int) -> list[AgentLoopOutput]:
    """Verl's outputs for what was rolled out; the last one holds no turn, but the facts of the conversation.

    Args:
        rolled: Rows and facts.
        filler: A token id for the output that holds no turn.
        version: Of the weights that sampled.
    """
    outputs = [
        _output(
            row.prompt_ids,
            row.ids,
            row.logprobs,
            1,
            version,
            {k: v for k, v in asdict(row).items() if k not in _IN_ROW},
        )
        for row in rolled.rows
    ]
    return [*outputs, _output((filler,), (filler,), (0.0,), 0, version, {"facts": dict(rolled.facts)})]


def row_of(ours: dict[str, Any], prompt: Any, reply: Any, logprobs: Any) -> Row:
    """The row that `outputs_of` made an output of; the last three are verl's tensors."""
    each = ours.get("advantages")
    ours = {**ours, "advantages": None if each is None else tuple(each)}  # a list where it went through JSON
    return Row(tuple(prompt.tolist()), tuple(reply.tolist()), tuple(logprobs.tolist()), **ours)


def _output(
    prompt: tuple[int, ...], ids: tuple[int, ...], logprobs: tuple[float, ...], learned: int, version: int, ours: Any
) -> AgentLoopOutput:
    return AgentLoopOutput(
        prompt_ids=list(prompt),
        response_ids=list(ids),
        response_mask=[learned] * len(ids),
        response_logprobs=list(logprobs),
        reward_score=0.0,  # rewards are in the tree: verl would copy the last output's to all
        num_turns=2,
        metrics=AgentLoopMetrics(),
        extra_fields={
            KEY: ours,
            "min_global_steps": version,
            "max_global_steps": version,
            "reward_extra_info": {},
            "turn_scores": [],
            "tool_rewards": [],
        },
    )


class Steps(Dataset[dict[str, Any]]):
    """verl's dataset: item i is conversation `number` of training step `step`; what it says is made where it is played.

    Args:
        data_files: Not used.
        tokenizer: Not used.
        config: verl's `data` section, with `train_batch_size` (conversations per step) and `steps`.
        options: Not used.
    """

    def __init__(self, data_files: Any, tokenizer: Any, config: Any, **options: Any) -> None:
        self._per_step, self._steps = int(config.train_batch_size), int(config.steps)

    def __len__(self) -> int:
        return self._per_step * self._steps

    def __getitem__(self, item: int) -> dict[str, Any]:
        step, number = divmod(item, self._per_step)
        prompt = [{"role": "user", "content": f"step {step}, conversation {number}"}]
        return {"raw_prompt": prompt, "index": item, "step": step, "number": number, "data_source": KEY}
