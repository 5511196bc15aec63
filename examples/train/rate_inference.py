"""The second stage of rate norm layers: thresholds for a fast spiking network.

A network of rates converges the faster, the smaller ``Omega = |r|_1 / |r|_2^2`` of each layer's
rates r is: high rates need fewer steps to show. Only the scales of the thresholds are trained, on

    1 - cos(logits of the teacher, logits) + 0.1 * mean over the layers of Omega.

Source: Ding et al., IJCAI 2021. Of the paper and the authors' code, which differ, this follows the
paper where the teacher is concerned: it is the network after the first stage, frozen (in the code
teacher and pupil are one network, and the cosine says nothing). As in the code each layer has its
scale, and the descent ends when the accuracy has fallen by a tolerance; it is measured on training
images without augmentation. The last layer has no rates here, hence no term.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.train.activations import RateNorm
from examples.train.classifier import accuracy

WEIGHT = 0.1  # of Omega
TOLERANCE = 0.01  # accuracy that may be lost on training images
WATCHED = 2000  # training images that accuracy is measured on
STEPS, EVERY, BATCH, RATE = 400, 10, 128, 0.02


def shrink_thresholds(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Trains the scales of the rate norm layers in place.

    Args:
        model: The network after the first stage.
        x: Training images.
        y: Their labels.
    """
    teacher = copy.deepcopy(model).eval()
    model.eval().requires_grad_(False)
    layers = [module for module in model.modules() if isinstance(module, RateNorm)]
    scales = [layer.scale.requires_grad_() for layer in layers]
    optimizer = torch.optim.Adam(scales, lr=RATE)
    watched = x[:WATCHED], y[:WATCHED]
    lowest = accuracy(teacher, *watched) - TOLERANCE
    good = [scale.detach().clone() for scale in scales]
    for step in range(1, STEPS + 1):
        images = x[torch.randint(len(x), (BATCH,))].contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            expected = teacher(images)
        logits, mean = outputs_and_omega(model, layers, images)
        distance = 1 - functional.cosine_similarity(expected, logits).mean()
        optimizer.zero_grad()
        torch.autograd.backward(distance + WEIGHT * mean)
        optimizer.step()
        if step % EVERY == 0:
            share = accuracy(model, *watched)
            print(
                f"step {step:3}/{STEPS}  cosine distance {distance.item():.4f}  "
                f"Omega {mean.item():.3f}  accuracy {share:.2%}, at least {lowest:.2%}",
                flush=True,
            )
            if share < lowest:
                break
            good = [scale.detach().clone() for scale in scales]
    with torch.no_grad():
        for scale, value in zip(scales, good, strict=True):
            scale.copy_(value)


def outputs_and_omega(
    model: nn.Module, layers: list[RateNorm], images: Tensor
) -> tuple[Tensor, Tensor]:
    """The logits, and the mean of Omega over the layers."""
    omegas: list[Tensor] = []

    def note(layer: RateNorm, inputs: tuple[Tensor]) -> None:
        rate = layer.rate(inputs[0])
        omegas.append(rate.sum() / (rate.square().sum() + 1e-5))

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    logits = model(images)
    for hook in hooks:
        hook.remove()
    return logits, torch.stack(omegas).mean()
