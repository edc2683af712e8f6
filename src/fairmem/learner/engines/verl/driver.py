"""The process that verl runs in: `python -m fairmem.learner.engines.verl.driver FOLDER EPISODES [key=value ...]`.

`engine.py` starts it. It has a process of its own because verl reads its environment when it is imported, prints a
great deal, and leaves Ray's processes behind it, which end with this one.
"""

# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fairmem.config import RESOLVED, load_recipe
from fairmem.errors import ConfigError, boundary
from fairmem.learner.engines.base import Job
from fairmem.learner.engines.verl.settings import on_cpu, settings_of

_CPU_MODULES = ("fairmem.learner.engines.verl.cpu_platform", "fairmem.learner.engines.verl.cpu_rollout")
"""The platform first: verl's engines ask for it when they are imported."""


def main(arguments: list[str] | None = None) -> int:
    """Run verl's training loop to its end."""
    args = parsed(arguments)
    _end_with_parent()
    job = Job(load_recipe(args.folder / RESOLVED), args.folder, args.resume, args.episodes, tuple(args.options))
    config = configured(job, cpu=on_cpu(job.recipe))
    from verl.trainer.main_ppo import TaskRunnerV1, run_ppo
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    validate_config(config, need_reference_policy(config), need_critic(config))
    run_ppo(config, TaskRunnerV1)
    return 0


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The words of the command line; those of this process where none are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("episodes")
    parser.add_argument("options", metavar="key=value", nargs="*")
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args(arguments)


def configured(job: Job, cpu: bool) -> Any:
    """Verl's configuration for `job`; sets this process's environment as verl needs it, so call it before verl loads.

    Raises:
        ConfigError: an engine option that verl does not know.
    """
    if cpu:
        os.environ |= {
            "VERL_PLATFORM": "cpu",
            "VERL_USE_EXTERNAL_MODULES": ",".join(_CPU_MODULES),
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
    os.environ |= {"HF_HUB_OFFLINE": "1", "HYDRA_FULL_ERROR": "1"}
    import verl
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(Path(str(verl.__file__)).parent / "trainer" / "config"), version_base=None):
        config = compose("ppo_trainer")
    for key, value in settings_of(job, cpu).items():
        OmegaConf.update(config, key, value, force_add=True)
    with boundary(ConfigError, f"engine options {' '.join(job.options)}"):
        return OmegaConf.merge(config, OmegaConf.from_dotlist(list(job.options)))


def _end_with_parent() -> None:
    """A run that is killed takes verl with it: Ray's processes end with this one, and this one with its parent."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
