"""Running conversations: branches in waves, forks at session starts, quizzes, and the curriculum's stages."""

from __future__ import annotations

from fairmem.episodes.answering import answer_trees
from fairmem.episodes.assemble import build_agents, build_runner, evaluation_plan, training_plan
from fairmem.episodes.bandit import Pass, Snapshot, decision_plans, linked_questions, stored_memories, teach
from fairmem.episodes.collect import Collected, collect, keep_trace, tree_plans
from fairmem.episodes.contents import judge_contents
from fairmem.episodes.curriculum import Conversations
from fairmem.episodes.episode import reuse_branch, roll_branch
from fairmem.episodes.executor import Ask, AwaitMemory, MemoryBoard, Routine, WaveStats, run_waves, sample_once
from fairmem.episodes.group import EpisodeRunner, RunReport
from fairmem.episodes.hindsight import HindsightPolicy, hindsight_logprobs, outcome_text
from fairmem.episodes.plans import Agents, BranchPlan, BranchResult, Given, TreePlan
from fairmem.episodes.quiz import QuizJob, Quizzer, choose_questions
from fairmem.episodes.rerollout import LocalPlan, choose_local, identical_siblings, plan_branches
from fairmem.episodes.role_calls import apply_ops, apply_structured
from fairmem.episodes.scheduler import run_branches
from fairmem.episodes.stages import (
    Decision,
    Progress,
    StepPlan,
    after_step,
    first,
    next_step,
    steps_left,
    steps_of,
    validates,
)
from fairmem.episodes.state_values import answered_by_all, memories
from fairmem.episodes.step_metrics import sampled_tokens, step_metrics, step_timing
from fairmem.episodes.teaching import Demonstrations, Student, needs_teacher, open_teacher

__all__ = [
    "Agents",
    "Ask",
    "AwaitMemory",
    "BranchPlan",
    "BranchResult",
    "Collected",
    "Conversations",
    "Decision",
    "Demonstrations",
    "EpisodeRunner",
    "Given",
    "HindsightPolicy",
    "LocalPlan",
    "MemoryBoard",
    "Pass",
    "Progress",
    "QuizJob",
    "Quizzer",
    "Routine",
    "RunReport",
    "Snapshot",
    "StepPlan",
    "Student",
    "TreePlan",
    "WaveStats",
    "after_step",
    "answer_trees",
    "answered_by_all",
    "apply_ops",
    "apply_structured",
    "build_agents",
    "build_runner",
    "choose_local",
    "choose_questions",
    "collect",
    "decision_plans",
    "evaluation_plan",
    "first",
    "hindsight_logprobs",
    "identical_siblings",
    "judge_contents",
    "keep_trace",
    "linked_questions",
    "memories",
    "needs_teacher",
    "next_step",
    "open_teacher",
    "outcome_text",
    "plan_branches",
    "reuse_branch",
    "roll_branch",
    "run_branches",
    "run_waves",
    "sample_once",
    "sampled_tokens",
    "step_metrics",
    "step_timing",
    "steps_left",
    "steps_of",
    "stored_memories",
    "teach",
    "training_plan",
    "tree_plans",
    "validates",
]
