"""A small world of tool calls: scenarios, and a planted bias, that a model of a few million parameters can learn.

words.py           what its tools are and how a bias sounds
world.py           scenarios, in the words of one split
plant.py           the planted bias in closed form
demonstrations.py  what a model imitates to have it (`fairmem drift plant`)
"""

from __future__ import annotations

from fairmem.drift.small.demonstrations import Lesson, lessons
from fairmem.drift.small.plant import CertainPlant, Plant, PlantModel
from fairmem.drift.small.world import Cells, small_scenario, small_world

__all__ = ["Cells", "CertainPlant", "Lesson", "Plant", "PlantModel", "lessons", "small_scenario", "small_world"]
