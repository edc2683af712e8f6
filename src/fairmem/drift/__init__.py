"""Memory drift: does memory that has no bearing on a task move the parameters of tool calls?"""

from __future__ import annotations
