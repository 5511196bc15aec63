"""Activations that a network learns to live with before it is converted.

Each stands for a ReLU and bounds it; the bound is one number a layer, in the units of the
activation, and becomes the full scale of the spiking population.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class QCFS(nn.Module):
    """Quantisation, clip, floor, shift: ``lam * clip(floor(z * L / lam + 1/2) / L, 0, 1)``.

    The gradient passes the floor as if it were not there. Then the one of `lam` is (h - z) / lam
    inside the range, 1 above and 0 below, and the one of z is 1 inside and 0 outside.
    Source: Bu et al., "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking
    neural networks", ICLR 2022.
    """

    def __init__(self, bound: float, levels: int) -> None:
        super().__init__()
        self.bound = nn.Parameter(torch.tensor(bound))
        self.levels = float(levels)

    def forward(self, z: Tensor) -> Tensor:
        steps = z * self.levels / self.bound + 0.5
        whole = torch.floor(steps)
        if self.training:
            whole = steps + (whole - steps).detach()
        return torch.clamp(whole / self.levels, 0, 1) * self.bound


class ThresholdReLU(nn.Module):
    """``min(max(z, 0), bound)``, with a bound that is not trained.

    Source: Deng and Gu, "Optimal conversion of conventional artificial neural networks to spiking
    neural networks", ICLR 2021.
    """

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, z: Tensor) -> Tensor:
        return torch.clamp(z, 0, self.bound)


class Rate(nn.Module):
    """A firing rate in [0, 1] and back: ``theta * clip(z / theta, 0, 1)``, theta constant."""

    theta: Tensor

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.register_buffer("theta", theta)

    def forward(self, z: Tensor) -> Tensor:
        return torch.clamp(z / self.theta, 0, 1) * self.theta


class RateNorm(nn.Module):
    """A rate norm layer, ``theta = sigmoid(scale) * maximum``, followed by theta times its rate.

    The rate is ``clip(z / theta, 0, 1)``. It is multiplied by theta at once, so that a residual
    addition meets two numbers of the same unit; theta may equally be folded into the weights after
    it. `maximum` is the running maximum of the activation in training and stands still otherwise.
    Source: Ding et al., "Optimal ANN-SNN conversion for fast and accurate inference in deep spiking
    neural networks", IJCAI 2021.
    """

    maximum: Tensor

    def __init__(self, maximum: float) -> None:
        super().__init__()
        # Theta begins at 92 % of the maximum; the scale is for the second stage to train.
        self.scale = nn.Parameter(torch.tensor(2.5), requires_grad=False)
        self.register_buffer("maximum", torch.tensor(maximum))

    def theta(self) -> Tensor:
        """The threshold, in units of the activation."""
        return torch.sigmoid(self.scale) * self.maximum

    def rate(self, z: Tensor) -> Tensor:
        """The share of steps with a spike."""
        return torch.clamp(z / self.theta(), 0, 1)

    def forward(self, z: Tensor) -> Tensor:
        if self.training:
            self.maximum.lerp_(z.detach().max().float(), 0.1)
        return self.rate(z) * self.theta()

    def frozen(self) -> Rate:
        """The same with a constant threshold."""
        return Rate(self.theta().detach())
