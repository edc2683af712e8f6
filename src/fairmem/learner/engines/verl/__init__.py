"""verl 0.9.1 as the engine: its trainer, its workers and its servers, our episodes, credit and loss.

    engine.py       `fairmem train --engine verl`: starts verl in a process of its own, exports the model it leaves
    driver.py       that process: the run's settings into verl, and the loop
    settings.py     a recipe as verl's settings, and what cannot be said in them
    plugin.py       what verl loads through its entry point `verl.plugins`: the three names below
    episodes.py     `fairmem` agent loop: one conversation's whole tree, one output per role turn
    servers.py      verl's generation servers as a policy
    trainer.py      `fairmem` trainer: takes our advantages, makes mini-batches of what the recipe says
    update.py       loss and optimizer of the workers: the embedded learner's, on verl's tensors
    cpu.py          a platform and a rollout replica for machines without a GPU; tests and small models

Nothing of verl is copied or patched. What is verl's: parallelism, weight sync, memory, checkpoints of the shards.
"""
