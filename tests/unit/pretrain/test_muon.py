"""The optimizer of the imitation loop beside torch's own and numbers worked by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from fairmem.pretrain.muon import Muon, orthogonalized  # noqa: E402


def _through(value: float) -> float:
    """A singular value after five Newton-Schulz steps."""
    for _ in range(5):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    return value


def test_singular_values_go_through_the_polynomial_five_times() -> None:
    # diag(3, 4) has norm 5, so its singular values start at 0.6 and 0.8.
    found = orthogonalized(torch.diag(torch.tensor([3.0, 4.0]))[None])
    expected = torch.diag(torch.tensor([_through(0.6), _through(0.8)]))[None]
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)  # bfloat16 where a device has it
    assert 0.6 < _through(0.6) < 1.3


def test_a_tall_matrix_is_the_transpose_of_a_wide_one() -> None:
    wide = torch.randn(3, 4, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalized(wide.mT), orthogonalized(wide).mT)


def test_a_matrix_without_gradient_stays_zero_and_finite() -> None:
    assert orthogonalized(torch.zeros(1, 2, 3)).tolist() == [[[0.0] * 3] * 2]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_three_steps_are_those_of_torchs_muon_but_for_the_rounding_of_bfloat16(weight_decay: float) -> None:
    shapes = [(4, 6), (6, 4), (4, 6)]
    random = torch.Generator().manual_seed(1)
    starts = [torch.randn(shape, generator=random) for shape in shapes]
    grads = [[torch.randn(shape, generator=random) for shape in shapes] for _ in range(3)]
    results = []
    for make in (
        lambda ps: Muon(ps, lr=0.1, weight_decay=weight_decay),
        lambda ps: torch.optim.Muon(ps, lr=0.1, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
    ):
        parameters = [torch.nn.Parameter(start.clone()) for start in starts]
        optimizer = make(parameters)
        for step in grads:
            for parameter, grad in zip(parameters, step, strict=True):
                parameter.grad = grad.clone()
            optimizer.step()
        results.append([p.detach() for p in parameters])
    for ours, torchs, start in zip(*results, starts, strict=True):
        moved, expected = ours - start, torchs - start
        assert float((moved - expected).norm() / expected.norm()) < 0.03
        assert float(expected.norm()) > 0.1


def test_a_checkpoint_of_torchs_muon_goes_on_here() -> None:
    parameter = torch.nn.Parameter(torch.eye(2))
    before = torch.optim.Muon([parameter], lr=0.1, adjust_lr_fn="match_rms_adamw")
    parameter.grad = torch.ones(2, 2)
    before.step()
    after = Muon([parameter], lr=0.1, weight_decay=0.0)
    after.load_state_dict(before.state_dict())
    # The buffer of one gradient of ones is 0.05; a second one makes it 0.95 * 0.05 + 0.05.
    after.step()
    held = after.state[parameter]["momentum_buffer"]
    torch.testing.assert_close(held, torch.full((2, 2), 0.0975))


def test_a_parameter_without_gradient_is_left_alone() -> None:
    still, moving = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2, 2))
    moving.grad = torch.ones(2, 2)
    Muon([still, moving], lr=0.1, weight_decay=0.5).step()
    assert still.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert moving.tolist() != still.tolist()
