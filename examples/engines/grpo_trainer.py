"""LoGo-GRPO in a TRL training script: our episodes and credit, TRL's trainer. Needs the extra `trl`.

    pip install 'fairmem[train,trl]'
    python examples/engines/grpo_trainer.py --steps 2

`fairmem train RECIPE --engine trl` does the same and evaluates before and after. Use a script like this one to bring
arguments, callbacks or a model of your own. `TreeGRPOTrainer` replaces one method of `GRPOTrainer`: instead of sampling
completions of prompts, it plays the step's conversations, and every role turn becomes a row with its advantage.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

from fairmem.config import RESOLVED, load_recipe, save_resolved
from fairmem.episodes.engine_side import Rollouts
from fairmem.learner.engines.trl import tree_trainer
from fairmem.policy import folder_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled", help="bundled, or the folder of a causal language model")
    parser.add_argument("--steps", type=int, default=2)
    args = parser.parse_args()

    stages = f"stages=[{{sessions = 2, steps = {args.steps}}}]"
    smaller = ["data.conversations_per_step=1", "rollout.global_group=3", "rollout.local_group=2"]
    recipe = load_recipe("memory_r2_small", [stages, *smaller, "model.device=cpu", f"model.path={args.model}"])
    folder = folder_of(args.model) or Path(args.model)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as run:
        save_resolved(recipe, Path(run) / RESOLVED)
        trainer = tree_trainer(recipe, Path(run), Rollouts(Path(run)), None, model, tokenizer)
        trainer.train()
    for line in trainer.state.log_history:
        if "entropy" in line:
            print(f"step {line['step']}: loss {line['loss']:.4f}, entropy {line['entropy']:.3f} nats")


if __name__ == "__main__":
    main()
