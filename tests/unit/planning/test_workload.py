from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.config import load_recipe
from fairmem.episodes import choose_local
from fairmem.errors import ConfigError
from fairmem.planning import DEFAULTS, RoleWork, StepWork, workload
from fairmem.seeds import derive

LOCOMO = Path(__file__).parents[4] / "shared" / "data" / "locomo" / "locomo_dev3.json"


def role(step: StepWork, name: str) -> RoleWork:
    return next(work for work in step.roles if work.role == name)


@pytest.fixture(scope="module")
def paper() -> tuple[StepWork, ...]:
    return workload(load_recipe("memory_r2_paper", ["data.path=absent.json"]), DEFAULTS).stages


def test_calls_of_the_published_settings_are_those_worked_by_hand(paper: tuple[StepWork, ...]) -> None:
    # 16 rollouts of 8 sessions in 6 chunks by 2 roles = 1,536; 4 sessions rolled out 4 times more = 192. At 16 sessions
    # twice that. LoCoMo's 29 sessions: 16*29*6*2 = 5,568, and round(0.5*29) = 15 sessions, 15*4*6*2 = 720.
    assert [step.calls for step in paper] == [1728, 3456, 6288]
    assert [step.branches for step in paper] == [16 + 16, 16 + 32, 16 + 60]
    assert [step.local_groups for step in paper] == [4, 8, 15]
    assert [role(step, "extractor").calls for step in paper] == [864, 1728, 3144]


def test_waves_are_one_per_chunk_after_those_of_the_extractor(paper: tuple[StepWork, ...]) -> None:
    # With history the extractor goes through the 6 chunks of all sessions at once; then one manager wave per chunk:
    # 6 + 174 at 29 sessions, where the published code makes 348 calls one after the other.
    assert [len(step.waves) for step in paper] == [6 + 48, 6 + 96, 6 + 174]
    assert sum(wave.calls for wave in paper[0].waves) == 1728
    assert paper[0].waves[0].calls == 16 * 8 + 4 * 4  # first chunks of all sessions, and of the 16 rerollouts


def test_questions_are_those_of_all_rollouts_and_of_every_local_group(paper: tuple[StepWork, ...]) -> None:
    # LoCoMo's averages hold 5.1 questions a session. 16 rollouts are asked those of the end, at most 64; 4 members of a
    # local group those by its session, at most 16.
    def asked(sessions: int, first_step: int) -> int:
        groups = choose_local(sessions, 16, 0.5, derive(0, "step", first_step, 0))
        local = sum(4 * min(16, int(5.1 * group.session + 0.5)) for group in groups)
        return 16 * min(64, int(5.1 * sessions + 0.5)) + local

    assert [step.questions for step in paper] == [asked(8, 0), asked(16, 10), asked(29, 15)]


def test_rows_are_at_most_all_turns_and_leave_out_sessions_without_a_question(paper: tuple[StepWork, ...]) -> None:
    assert paper[0].rows.rows == 1728  # every session has questions, and 41 are below the 64 that are asked
    assert paper[2].rows.rows <= 6288 and paper[2].rows.rows % 12 == 0
    assert paper[0].rows.shared == paper[0].rows.tokens  # with history no two prompts are alike


def test_prompts_grow_with_memory_and_are_cut_where_the_recipe_cuts(paper: tuple[StepWork, ...]) -> None:
    first, last = paper[0], paper[2]
    assert last.entries > 3 * first.entries
    assert 1.0 < role(last, "manager").prompt / last.calls / (role(first, "manager").prompt / first.calls) < 1.3


def test_a_prefix_cache_saves_most_of_the_extractors_prompts_and_part_of_the_managers(
    paper: tuple[StepWork, ...],
) -> None:
    extractor, manager = role(paper[0], "extractor"), role(paper[0], "manager")
    assert extractor.fresh < 0.25 * extractor.prompt < extractor.distinct
    assert 0.3 * manager.prompt < manager.fresh < 0.9 * manager.prompt
    assert manager.distinct == manager.prompt


SMALL = ("memory_r2_small", ["stages=[{sessions = 3, steps = 1}]", "data.test_conversations=0"])


def small(*overrides: str) -> StepWork:
    return workload(load_recipe(SMALL[0], [*SMALL[1], *overrides]), DEFAULTS).stages[0]


def test_without_history_the_extractor_reads_everything_in_one_wave() -> None:
    step = small("data.conversations_per_step=1")
    # 4 rollouts and 3*4 rerollouts of one session: (4*3 + 12) sessions in 2 chunks by 2 roles
    assert step.calls == 96 and len(step.waves) == 1 + 6
    assert step.waves[0].calls == 48
    extractor = role(step, "extractor")
    assert extractor.distinct == pytest.approx(extractor.prompt / 8)  # 6 different chunks for 48 calls


def test_an_ablation_changes_the_counts_as_it_should() -> None:
    base = small("data.conversations_per_step=1")
    assert small("data.conversations_per_step=2").calls == 2 * base.calls
    assert small("data.conversations_per_step=1", "rollout.local_fraction=0", "credit.rule=grpo").calls == 48
    assert small("data.conversations_per_step=1", "agents.roles=single").calls == 48
    assert small("data.conversations_per_step=1", "model.train=manager").rows.rows == base.rows.rows / 2
    # every session again from each of 4 rollouts: 4*3 + 4*3*4 sessions
    every = small("data.conversations_per_step=1", "rollout.local_sources=all")
    assert every.calls == (12 + 48) * 4
    # rerollouts go on for one session more, but for those of the last
    further = small("data.conversations_per_step=1", "rollout.local_horizon=1", "rollout.questions=cumulative")
    assert further.calls == (12 + 4 * (2 + 2 + 1)) * 4


def test_reuse_brings_rows_and_questions_and_no_calls() -> None:
    base, reused = (
        small("data.conversations_per_step=1"),
        small("data.conversations_per_step=1", "rollout.local_reuse=true"),
    )
    assert reused.calls == base.calls and reused.branches == base.branches
    assert reused.questions > base.questions
    assert reused.rows.rows == base.rows.rows + 3 * 2 * 2


def test_quizzes_on_the_way_ask_every_memory_what_the_last_is_asked() -> None:
    def asked(*more: str) -> int:
        return small("data.conversations_per_step=1", "rollout.local_fraction=0", *more, "credit.rule=grpo").questions

    assert asked("rollout.state_values=true") == 4 * asked()  # after 0, 1, 2 and 3 sessions


def test_what_the_generator_knows_of_its_facts_replaces_the_assumption() -> None:
    assert small("data.conversations_per_step=1").entries < 15
    forced = DEFAULTS.with_values({"facts.per_turn": 3.0})
    recipe = load_recipe(SMALL[0], [*SMALL[1], "data.conversations_per_step=1"])
    assert workload(recipe, forced).stages[0].entries > 30


def test_many_conversations_are_scaled_from_some() -> None:
    few, many = small("data.conversations_per_step=4"), small("data.conversations_per_step=12")
    assert many.conversations == 12 and many.calls == 3 * few.calls and many.branches == 3 * few.branches


def test_data_that_is_absent_and_unknown_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"msc\.json is not there, and only of locomo are averages known"):
        workload(load_recipe("memory_r2_small", ["data.source=msc", "data.path=msc.json"]), DEFAULTS)


def test_a_critic_learns_from_every_turn() -> None:
    one = ("data.conversations_per_step=1", "rollout.local_fraction=0", "rollout.max_questions=1")
    assert small(*one, "credit.rule=grpo").rows.rows < 48  # one question is about few of the three sessions
    assert small(*one, "credit.rule=ppo").rows.rows == 48


def test_planning_with_averages_comes_near_to_planning_with_the_data() -> None:
    if not LOCOMO.exists():
        pytest.skip(f"LoCoMo absent: {LOCOMO}")
    settings = ["stages=[{sessions = 16, steps = 1}]", "data.test=[]"]
    (real,) = workload(load_recipe("memory_r2_qwen2.5_7b", [*settings, f"data.path={LOCOMO}"]), DEFAULTS).stages
    (mean,) = workload(load_recipe("memory_r2_qwen2.5_7b", [*settings, "data.path=absent.json"]), DEFAULTS).stages
    assert mean.calls == pytest.approx(real.calls, rel=0.1)
    assert mean.rows.tokens == pytest.approx(real.rows.tokens, rel=0.1)
    assert mean.sampled == pytest.approx(real.sampled, rel=0.1)


def test_stages_without_steps_are_left_out() -> None:
    recipe = load_recipe("memory_r2_small", ["stages=[{sessions = 2, steps = 0}, {sessions = 3, steps = 1}]"])
    assert [step.stage for step in workload(recipe, DEFAULTS).stages] == [2]
