from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fairmem.errors import MissingExtraError
from fairmem.policy import import_torch, torch_setup


def test_threads_wait_passively_as_soon_as_a_model_can_be_opened() -> None:
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = "import os, fairmem.policy.hf; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert done.stdout == "PASSIVE\n"


def test_a_wait_policy_the_user_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    import_torch()

    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        return None

    monkeypatch.setattr(torch_setup, "find_spec", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'fairmem\[train\]'"):
        import_torch()
