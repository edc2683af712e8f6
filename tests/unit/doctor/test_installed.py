from __future__ import annotations

from importlib import metadata

import pytest

from fairmem.doctor import Finding, Requirement, extras, failed, package_findings, read_requirement, torch_findings
from fairmem.doctor import installed as module
from fairmem.doctor.windows import PINNED_TORCH


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numpy>=2", Requirement("numpy", ">=2", "", "")),
        ('torch>=2.11; extra == "train"', Requirement("torch", ">=2.11", "train", "")),
        ("verl[verl-core]==0.9.1; extra == 'verl'", Requirement("verl", "==0.9.1", "verl", "")),
        ("Foo_Bar (>=1,<2)", Requirement("foo-bar", ">=1,<2", "", "")),
        ('xgrammar<1; platform_machine == "x86_64"', Requirement("xgrammar", "<1", "", 'platform_machine == "x86_64"')),
        (
            'harbor; python_version >= "3.12" and extra == "h"',
            Requirement("harbor", "", "h", 'python_version >= "3.12"'),
        ),
        ("pkg @ https://example.org/pkg.whl", None),
    ],
)
def test_a_requirement_is_read_in_its_parts(line: str, expected: Requirement | None) -> None:
    assert read_requirement(line) == expected


def errors(installed: dict[str, str]) -> list[Finding]:
    return [finding for finding in package_findings(installed) if finding.level == "error"]


def test_versions_that_go_together_are_no_error() -> None:
    base = {"torch": "2.13.0+cpu", "transformers": "5.10.4", "numpy": "2.4.6"}
    assert errors(base) == []
    assert errors({**base, "verl": "0.9.1", "tensordict": "0.10.0", "ray": "2.60.0"}) == []
    assert errors({**base, "transformers": "5.23.0"}) == []  # the base works there; only verl does not


def test_a_version_outside_a_window_names_holder_window_and_remedy() -> None:
    (found,) = errors({"verl": "0.9.1", "transformers": "5.23.0"})
    assert "verl 0.9.1 wants transformers>=5.5.3,!=5.6.0,<5.11, found 5.23.0" in found.found
    assert found.remedy.startswith("pip install 'transformers>=5.5.3") and failed([found])


def test_a_window_of_another_release_is_not_applied() -> None:
    assert errors({"vllm": "0.30.0", "torch": "2.14.0"}) == []
    assert len(errors({"vllm": "0.24.0", "torch": "2.14.0", "transformers": "5.9.0"})) == 1


def test_verl_and_trl_cannot_share_an_environment() -> None:
    (found,) = errors({"verl": "0.9.1", "trl": "1.16.0", "accelerate": "1.15.0", "datasets": "4.8.0"})
    assert "verl 0.9.1 beside trl 1.16.0" in found.found
    # verl's own extra brings an old trl, which does not hurt it; but then --engine trl does not go
    assert ["fairmem wants trl" in f.found for f in errors({"verl": "0.9.1", "trl": "0.27.0"})] == [True]


def test_what_installed_packages_say_themselves_is_held_too(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "wandb": ["protobuf>=5,<6", "click; python_version < '3.9'", "gql>=9; extra == 'x'", "odd>=1.0.dev*"],
    }

    def requires(name: str) -> list[str]:
        if name not in said:
            raise metadata.PackageNotFoundError(name)
        return said[name]

    monkeypatch.setattr(module.metadata, "requires", requires)
    (found,) = errors({"wandb": "0.20", "protobuf": "6.1", "click": "1", "gql": "1", "odd": "1"})
    assert found.found == "wandb 0.20 wants protobuf>=5,<6, found 6.1 (its metadata)"


def test_a_transformers_that_was_never_tried_is_noted() -> None:
    notes = [f.found for f in package_findings({"transformers": "5.30.0"}) if f.level == "note"]
    assert notes == ["transformers 5.30.0: fairmem was tried with 5.5.3 to 5.23.0 only"]


def test_extras_say_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "numpy>=2",
        'torch>=2.11; extra == "train"',
        'peft>=0.17; extra == "lora"',
        'trl>=1.16,<1.17; extra == "trl"',
    ]
    monkeypatch.setattr(module.metadata, "requires", lambda name: lines if name == "fairmem" else [])
    found = {extra.name: extra for extra in extras({"torch": "2.13.0", "trl": "1.15.0"})}
    assert found["train"].ready and found["train"].lacking == ()
    assert found["lora"].lacking == ("peft",) and found["lora"].lines[-1].endswith("[train,lora]'")
    assert found["trl"].lacking == ("trl 1.15.0 (wants >=1.16,<1.17)",)


def test_a_cpu_build_of_torch_beside_gpus_is_an_error() -> None:
    (found,) = torch_findings({"torch": f"{PINNED_TORCH}+cpu"}, gpus=2)
    assert found.level == "error" and "is a CPU build, but there are 2 GPUs" in found.found
    assert list(torch_findings({"torch": f"{PINNED_TORCH}+cpu"}, gpus=0)) == []
    assert list(torch_findings({}, gpus=2)) == []


def test_another_torch_than_the_tested_is_noted() -> None:
    assert [f.level for f in torch_findings({"torch": "2.12.0+cpu"}, gpus=0)] == ["note"]
    (other,) = torch_findings({"torch": f"{PINNED_TORCH}+cu130"}, gpus=0)
    assert "is built for cu130, but no GPU is found" in other.found
