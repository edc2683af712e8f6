"""Running conversations: branches in waves, forks at session starts, quizzes, and the curriculum's stages."""

from __future__ import annotations

from fairmem.episodes.curriculum import Conversations, StepPlan, steps_of
from fairmem.episodes.episode import Agents, BranchPlan, BranchResult, apply_ops, roll_branch
from fairmem.episodes.executor import Ask, AwaitMemory, MemoryBoard, Routine, WaveStats, run_waves, sample_once
from fairmem.episodes.group import EpisodeRunner, RunReport, TreePlan
from fairmem.episodes.quiz import QuizJob, Quizzer, choose_questions
from fairmem.episodes.rerollout import LocalPlan, choose_local, identical_siblings, plan_branches

__all__ = [
    "Agents",
    "Ask",
    "AwaitMemory",
    "BranchPlan",
    "BranchResult",
    "Conversations",
    "EpisodeRunner",
    "LocalPlan",
    "MemoryBoard",
    "QuizJob",
    "Quizzer",
    "Routine",
    "RunReport",
    "StepPlan",
    "TreePlan",
    "WaveStats",
    "apply_ops",
    "choose_local",
    "choose_questions",
    "identical_siblings",
    "plan_branches",
    "roll_branch",
    "run_waves",
    "sample_once",
    "steps_of",
]
