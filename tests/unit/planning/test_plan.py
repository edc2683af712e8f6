from __future__ import annotations

from dataclasses import replace

import pytest

from fairmem.config import Recipe, load_recipe
from fairmem.errors import ConfigError, ModelError
from fairmem.planning import DEFAULTS, SHAPES, Plan, Setup, Workload, compared, make_plan, read_machine, shape_from
from fairmem.planning.workload import workload

RECIPE = load_recipe(
    "memory_r2_qwen2.5_7b",
    ["stages=[{sessions = 2, steps = 3}]", "agents.chunks_per_session=2", "data.path=absent.json", "eval.every=2"],
)
VERL = Setup(read_machine("8xH100"), "verl")


@pytest.fixture(scope="module")
def work() -> Workload:
    return workload(RECIPE, DEFAULTS)


def planned(work: Workload, setup: Setup, recipe: Recipe = RECIPE) -> Plan:
    return make_plan(recipe, setup, work)


def test_a_plan_adds_up_its_phases_over_all_steps(work: Workload) -> None:
    plan = planned(work, replace(VERL, answerer_machine=read_machine("4xH100")))
    (stage,) = plan.stages
    known = [seconds for seconds in stage.phases.values() if seconds is not None]
    assert len(known) == 6 and stage.seconds == pytest.approx(sum(known))
    assert plan.seconds == pytest.approx(3 * stage.seconds)
    assert stage.phases[stage.bottleneck] == max(known)
    assert plan.fits and not plan.notes


def test_an_answerer_whose_servers_are_unknown_is_left_out_and_said_so(work: Workload) -> None:
    plan = planned(work, VERL)
    assert plan.stages[0].phases["answerer"] is None
    assert "--answerer-gpus" in plan.notes[0]


def test_more_answerer_servers_help_until_requests_in_flight_are_the_limit(work: Workload) -> None:
    def seconds(gpus: str, in_flight: float) -> float:
        assumptions = DEFAULTS.with_values({"answerer.in_flight": in_flight})
        plan = planned(work, replace(VERL, answerer_machine=read_machine(gpus), assumptions=assumptions))
        found = plan.stages[0].phases["answerer"]
        assert found is not None
        return found

    assert seconds("4xH100", 1000) < seconds("4xH100", 4)
    assert seconds("8xH100", 1000) <= seconds("4xH100", 1000)


def test_an_answerer_that_its_gpus_cannot_hold_is_refused(work: Workload) -> None:
    with pytest.raises(ConfigError, match="gpt-oss-120b needs 61 GiB and a cache"):
        planned(work, replace(VERL, answerer_machine=read_machine("1xL40S")))


def test_engine_options_are_read_in_the_engines_own_words(work: Workload) -> None:
    rollout, fsdp = "actor_rollout_ref.rollout.", "actor_rollout_ref.actor.fsdp_config."
    one = planned(work, replace(VERL, options=(f"{rollout}tensor_model_parallel_size=1",)))
    two = planned(work, VERL)
    assert one.memory is not None and two.memory is not None
    assert one.memory.parts["vLLM: weights (bfloat16)"] == 2 * two.memory.parts["vLLM: weights (bfloat16)"]
    offloaded = planned(work, replace(VERL, options=(f"{fsdp}param_offload=true", f"{fsdp}optimizer_offload=true")))
    assert offloaded.memory is not None and offloaded.memory.sampling < two.memory.sampling
    full = planned(work, replace(VERL, options=(f"{fsdp}offload_policy=true",)))
    assert full.memory is not None and full.memory.learning < two.memory.learning
    assert full.stages[0].phases["weights"] > two.stages[0].phases["weights"]  # type: ignore[operator]
    odd = planned(work, replace(VERL, options=("trainer.logger=console",)))
    assert "trainer.logger is not planned for" in odd.notes


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("actor_rollout_ref.rollout.tensor_model_parallel_size=3", "expected a divisor of the model's 28 heads"),
        ("actor_rollout_ref.rollout.gpu_memory_utilization=half", "found 'half', expected a number"),
        ("trainer.nnodes=2", "trainer.nnodes is 2, but 8xH100 are 1"),
    ],
)
def test_a_wrong_option_is_refused(work: Workload, option: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        planned(work, replace(VERL, options=(option,)))


def test_what_verl_would_refuse_of_the_recipe_is_told_beside_the_plan(work: Workload) -> None:
    refused = planned(work, VERL).refused
    assert any("eval.every is 2" in reason for reason in refused)
    assert not any("stages" in reason for reason in refused)  # this one has a single stage
    assert planned(work, Setup(read_machine("H200"))).refused == ()


def test_gpus_that_the_embedded_engine_cannot_use_are_named(work: Workload) -> None:
    assert "7 would be idle" in " ".join(planned(work, Setup(read_machine("8xH200"))).notes)


def test_a_recipe_that_is_too_large_for_one_gpu_does_not_fit_and_adapters_do(work: Workload) -> None:
    assert not planned(work, Setup(read_machine("H200"))).fits
    adapters = load_recipe(
        "memory_r2_qwen2.5_7b", ["model.lora_rank=16", "model.reference=start", "learner.micro_tokens=8192"]
    )
    assert planned(work, Setup(read_machine("H200")), adapters).fits


def test_the_shape_may_be_given_and_is_else_found_by_name(work: Workload) -> None:
    given = planned(work, replace(VERL, model=SHAPES["Qwen2.5-3B-Instruct"]))
    assert given.shape.parameters == 3_085_938_688
    unknown = load_recipe("memory_r2_qwen2.5_7b", ["model.path=my-own-model"])
    with pytest.raises(ConfigError, match="--model-config"):
        planned(work, VERL, unknown)
    with pytest.raises(ModelError, match="nothing there"):
        shape_from("no/such/config.json")
    assert shape_from(None) is None


def test_an_unknown_engine_is_refused(work: Workload) -> None:
    with pytest.raises(ConfigError, match="expected one of embedded, verl, trl"):
        planned(work, replace(VERL, engine="deepspeed"))


def test_without_gpus_only_the_work_is_planned(work: Workload) -> None:
    plan = planned(work, Setup())
    assert plan.memory is None and plan.stages == () and plan.fits and plan.work is work


def test_faster_and_more_gpus_never_take_longer(work: Workload) -> None:
    def seconds(gpus: str) -> float:
        return planned(work, Setup(read_machine(gpus), "verl")).seconds

    assert seconds("8xB200") < seconds("8xH200") <= seconds("8xH100") < seconds("8xA100-80") < seconds("8xL40S")
    assert seconds("16xH100") < seconds("8xH100") < seconds("4xH100")


def test_plans_that_are_compared_share_the_work() -> None:
    plans = compared(RECIPE, [VERL, Setup(read_machine("4xH200"), "verl")])
    assert plans[0].work is plans[1].work and plans[0].seconds != plans[1].seconds
