"""Quantisers whose step is trained, and layers with quantised weights.

A quantiser computes ``step * clip(round(x / step), low, high)``, ties to even, as QuantizeLinear
and DequantizeLinear do together. Its gradients are those of LSQ: rounding passes the gradient of x
inside the bounds, and the step gets ``round(x / step) - x / step`` inside and the bound outside,
times ``1 / sqrt(numbers * high)``.
Source: Esser et al., "Learned step size quantization", ICLR 2020.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CANDIDATES = 40
"""Steps tried at the beginning."""


class Rounding(torch.autograd.Function):
    """The function of the module and its gradients, in one pass over the numbers each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int, high: int, gain: float) -> Tensor:
        """Rounds to levels; `step` must broadcast to `x`."""
        scaled = x / step.to(x.dtype)
        levels = scaled.round().clamp_(low, high)
        ctx.save_for_backward(scaled, levels)
        ctx.bounds, ctx.gain, ctx.shape = (low, high), gain, step.shape
        return levels * step.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Gradients of `x` and `step`."""
        scaled, levels = ctx.saved_tensors
        inside = (scaled >= ctx.bounds[0]) & (scaled <= ctx.bounds[1])
        of_step = gradient * torch.where(inside, levels - scaled, levels)
        summed = of_step.sum_to_size(ctx.shape).float() * ctx.gain
        return gradient * inside, summed, None, None, None


def rounded(x: Tensor, step: Tensor, low: int, high: int, gain: float) -> Tensor:
    """`Rounding`, with types."""
    result: Tensor = Rounding.apply(x, step, low, high, gain)  # type: ignore[no-untyped-call]
    return result


class Quantizer(nn.Module):
    """A quantiser of activations with one step.

    Attributes:
        step: Distance of two levels.
        low: Smallest level.
        high: Largest level.
    """

    def __init__(self, step: float, low: int, high: int, trained: bool = True) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(step), requires_grad=trained)
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        gain = 1 / math.sqrt(x[0].numel() * self.high)
        return rounded(x, self.step, self.low, self.high, gain)


class Weights(nn.Module):
    """Rounds weights, each output channel with a step of its own; symmetric bounds.

    Attributes:
        step: ``(out,)``.
        high: Largest level; the smallest is ``-high``.
    """

    def __init__(self, weight: Tensor, bits: int) -> None:
        super().__init__()
        self.high = 2 ** (bits - 1) - 1
        self.step = nn.Parameter(best_step(weight.detach().flatten(1), -self.high, self.high))

    def forward(self, weight: Tensor) -> Tensor:
        gain = 1 / math.sqrt(weight[0].numel() * self.high)
        step = self.step.reshape(-1, *[1] * (weight.dim() - 1))
        return rounded(weight, step, -self.high, self.high, gain)

    def levels(self, weight: Tensor) -> Tensor:
        """The weights in steps, whole numbers."""
        step = self.step.reshape(-1, *[1] * (weight.dim() - 1))
        return (weight / step).round().clamp(-self.high, self.high)


class QuantizedConv(nn.Conv2d):
    """A convolution with quantised weights."""

    def __init__(self, layer: nn.Conv2d, bits: int) -> None:
        super().__init__(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            bias=layer.bias is not None,
        )
        self.load_state_dict(layer.state_dict())
        self.weights = Weights(self.weight, bits)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weights(self.weight)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class QuantizedLinear(nn.Linear):
    """A matrix product with quantised weights."""

    def __init__(self, layer: nn.Linear, bits: int) -> None:
        super().__init__(layer.in_features, layer.out_features)
        self.load_state_dict(layer.state_dict())
        self.weights = Weights(self.weight, bits)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weights(self.weight), self.bias)


def best_step(x: Tensor, low: int, high: int) -> Tensor:
    """The step of least squared error for each row, of `CANDIDATES` up to the largest magnitude.

    Args:
        x: ``(rows, numbers)``.
        low: Smallest level.
        high: Largest level.

    Returns:
        ``(rows,)``.
    """
    largest = x.abs().amax(1, keepdim=True).clamp_min(1e-8) / high
    best, least = largest.clone(), torch.full_like(largest, math.inf)
    for share in torch.linspace(1 / CANDIDATES, 1, CANDIDATES):
        step = largest * share
        error = ((x / step).round().clamp(low, high) * step - x).square().mean(1, keepdim=True)
        best, least = torch.where(error < least, step, best), torch.minimum(error, least)
    return best.squeeze(1)
