"""Signatures print what a number means."""

from __future__ import annotations

from fairmem.metrics import F1_VARIANTS, SIGNATURES, Signature, f1_signature


def test_the_default_f1_prints_its_signature() -> None:
    assert str(f1_signature("bag")) == "F1[bag|squad-norm|no-stem|v1]"


def test_every_part_of_a_signature_shows() -> None:
    assert str(Signature("F1", "official", "locomo-norm", True, 2)) == "F1[official|locomo-norm|stem|v2]"


def test_scores_computed_differently_have_different_signatures() -> None:
    printed = [str(signature) for signature in SIGNATURES.values()]
    assert len(set(printed)) == len(printed)
    assert {f1_signature(variant) for variant in F1_VARIANTS} <= set(SIGNATURES.values())
