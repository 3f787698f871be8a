import pytest
import torch

from better_ai.training.muon import Muon, orthogonalize

SHAPES = ((96, 32), (96, 32), (32, 64), (48, 48), (32, 64))


def parameters(*shapes: tuple[int, ...], seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator) * 0.1) for shape in shapes]


def train(optimizer: torch.optim.Optimizer, weights: list[torch.nn.Parameter], steps: int = 4) -> None:
    for step in range(steps):
        generator = torch.Generator().manual_seed(100 + step)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator) + weight.detach()
        optimizer.step()


def test_equals_torch_muon_on_every_matrix() -> None:
    ours, theirs = parameters(*SHAPES), parameters(*SHAPES)
    train(Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.1), ours)
    train(torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.1), theirs)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, atol=2e-5, rtol=0)


def test_a_stack_of_experts_is_updated_as_its_matrices_are() -> None:
    (stack,) = parameters((3, 40, 16))
    singles = [torch.nn.Parameter(matrix.detach().clone()) for matrix in stack]
    stack.grad = torch.randn(stack.shape, generator=torch.Generator().manual_seed(1))
    for single, gradient in zip(singles, stack.grad, strict=True):
        single.grad = gradient.clone()
    Muon([stack]).step()
    Muon(singles).step()
    torch.testing.assert_close(stack.detach(), torch.stack([single.detach() for single in singles]), atol=1e-6, rtol=0)


def test_parts_are_updated_as_separate_matrices() -> None:
    (fused,) = parameters((64, 16))
    parts = [torch.nn.Parameter(part.detach().clone()) for part in fused.split([32, 16, 16])]
    train_fused = Muon([{"params": [fused], "parts": [32, 16, 16]}], newton_schulz_dtype=torch.float32)
    train_parts = Muon(parts, newton_schulz_dtype=torch.float32)
    for seed in range(3):
        fused.grad = torch.randn(64, 16, generator=torch.Generator().manual_seed(seed))
        for part, gradient in zip(parts, fused.grad.split([32, 16, 16]), strict=True):
            part.grad = gradient.clone()
        train_fused.step()
        train_parts.step()
    torch.testing.assert_close(fused.detach(), torch.cat([part.detach() for part in parts]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (32, 32)])
def test_orthogonalize_keeps_singular_vectors_and_levels_singular_values(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(shape[0], min(shape), generator=generator))
    right, _ = torch.linalg.qr(torch.randn(shape[1], min(shape), generator=generator))
    values = torch.linspace(0.05, 1, min(shape))
    result = orthogonalize((left * values) @ right.T, dtype=torch.float32)
    levelled = left.T @ result @ right
    torch.testing.assert_close(levelled, torch.diag(levelled.diagonal()), atol=1e-4, rtol=0)
    assert levelled.diagonal().min() > 0.6 and levelled.diagonal().max() < 1.3


def test_a_zero_gradient_only_decays() -> None:
    (weight,) = parameters((16, 8))
    before = weight.detach().clone()
    weight.grad = torch.zeros_like(weight)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), before * (1 - 0.1 * 0.5))


def test_goes_on_from_its_state_bit_for_bit() -> None:
    straight, stopped = parameters(*SHAPES), parameters(*SHAPES)
    optimizer = Muon(straight)
    train(optimizer, straight)
    train(optimizer, straight)
    first = Muon(stopped)
    train(first, stopped)
    second = Muon(stopped)
    second.load_state_dict(first.state_dict())
    train(second, stopped)
    assert all(torch.equal(a, b) for a, b in zip(straight, stopped, strict=True))
