"""The loopback endpoint and the small model of the policy tests."""

from __future__ import annotations

from tests.unit.policy.conftest import endpoint, model_folder

__all__ = ["endpoint", "model_folder"]
