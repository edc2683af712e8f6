"""What could the manager of a recipe earn, with the recipe's extractor, answerer and conversations?

Plays the test conversations with three managers over the same extracted facts: the model training begins with, one
that inserts everything, and a careful one that knows the generator's sentences. Training can hardly lift the first
above the third, so a recipe whose first and third are equal has nothing to teach.

    python benchmarks/headroom.py [memory_r1_grpo key=value ...]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence

from fairmem.agents.careful import CarefulManager
from fairmem.config import load_recipe
from fairmem.episodes import Conversations, build_runner
from fairmem.eval import summarise
from fairmem.eval.runner import evaluate, make_header
from fairmem.learner.backbones import open_backbones
from fairmem.policy import Policy, Prompt, ScriptedPolicy, open_policy
from fairmem.trace import Role


def insert_all(prompt: Prompt, seed: int) -> str:
    """`a INSERT`, `b INSERT`, ... for every fact of a compact manager prompt."""
    del seed
    lines = "".join(message.content for message in prompt).splitlines()
    facts = lines[lines.index("<facts>") + 1 : lines.index("<out>")]
    return "\n".join(f"{line.partition(' ')[0]} INSERT" for line in facts) or "none"


def play(recipe_name: str, overrides: Sequence[str]) -> None:
    """Print one line per manager: score, by category, entries kept and operations."""
    recipe = load_recipe(recipe_name, overrides)
    backbones = open_backbones(recipe)
    answerer = open_policy(recipe.answerer.path)
    managers: Mapping[str, Policy] = {
        "before training": backbones.policies["manager"],
        "inserts everything": ScriptedPolicy(insert_all),
        "careful": CarefulManager(),
    }
    for name, manager in managers.items():
        policies: dict[Role, Policy] = {**backbones.policies, "manager": manager, "answerer": answerer}
        runner = build_runner(recipe, policies)
        header = make_header(recipe, runner, recipe.data.source, name, answerer.name)
        result = evaluate(runner, Conversations(recipe).test, header)
        found = summarise(result)
        ops: Counter[str] = Counter()
        for memory in result.memories:
            ops.update(memory.ops)
        kinds = ", ".join(f"{kind} {score.mean:.2f}" for kind, score in found.categories.items())
        done = ", ".join(f"{op} {count}" for op, count in sorted(ops.items()))
        print(f"{name}: {header.signature} {found.overall} ({kinds}); {found.size.entries.mean:.1f} entries; {done}")


def main() -> None:
    """Read the recipe from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="memory_r1_grpo")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_args()
    play(args.recipe, args.overrides)


if __name__ == "__main__":
    main()
