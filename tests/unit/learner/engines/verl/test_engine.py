from __future__ import annotations

from pathlib import Path

from fairmem.config import load_recipe
from fairmem.learner.engines import Job
from fairmem.learner.engines.verl import driver
from fairmem.learner.engines.verl.engine import _last_word, command_of


def test_the_driver_reads_back_the_job_it_is_given(tmp_path: Path) -> None:
    recipe = load_recipe("memory_r2_small")
    job = Job(recipe, tmp_path, True, "fairmem.episodes.engine_side", ("a.b=1", "c=[x,y]"))
    args = driver.parsed(command_of(job)[3:])
    assert (args.folder, args.episodes, args.resume) == (tmp_path, job.episodes, True)
    assert tuple(args.options) == job.options


def test_a_failed_run_says_the_last_error_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "verl.log"
    log.write_text("ValueError: first\nUserWarning: a package is not available: ModuleNotFoundError('x')\nbye\n")
    assert _last_word(log) == "ValueError: first"
    log.write_text("nothing of the kind\n\n")
    assert _last_word(log) == "nothing of the kind"
