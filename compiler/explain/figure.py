"""An explanation as a picture: parts of the errors, errors over depth, errors over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...ir.errors import MissingDependencyError, OptionError
from .explanation import Explanation
from .split import PARTS

FORMATS = (".png", ".pdf", ".svg")

HEIGHT = 0.28
"""Inches a layer."""


def check_figure(path: Path) -> None:
    """Refuse a picture that could not be drawn or written, before the long work.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OptionError: The path cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise OptionError(f"--figure {path}: has no known suffix", hint=f"use {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise OptionError(f"--figure {path}: there is no folder {path.parent}", hint="create it")
    if path.is_dir():
        raise OptionError(f"--figure {path}: is a folder", hint="give a file")
    _new_figure(0)


def draw(explanation: Explanation, path: Path) -> None:
    """Write the picture of an explanation.

    Args:
        explanation: What to draw.
        path: The file; its suffix chooses the format.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OptionError: The file cannot be written.
    """
    figure = _new_figure(len(explanation.layers))
    parts, depth, time = figure.subplots(1, 3, width_ratios=(3, 1, 1.5))
    _draw_parts(explanation, parts)
    _draw_depth(explanation, depth)
    depth.sharey(parts)
    depth.tick_params(labelleft=False)
    _draw_time(explanation, time)
    figure.suptitle(explanation.verdict.message, fontsize="small", wrap=True)
    try:
        figure.savefig(path)
    except OSError as error:
        raise OptionError(
            f"--figure {path}: cannot be written: {error.strerror}", hint="give another file"
        ) from error


def _new_figure(layers: int) -> Any:
    """Return an empty figure that belongs to no window system."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            "drawing a figure", package="matplotlib", extra="figure"
        ) from None
    return Figure(figsize=(13, 2.5 + HEIGHT * layers), layout="constrained", dpi=120)


def _draw_parts(explanation: Explanation, axes: Any) -> None:
    """Draw the squared error of each layer as a bar of its parts, what makes it smaller left."""
    layers = explanation.layers
    places = range(len(layers))
    above, below = np.zeros(len(layers)), np.zeros(len(layers))
    for part in PARTS:
        widths = np.array([layer.shares[part] * layer.error**2 for layer in layers])
        if np.any(widths):
            colour = "lightgrey" if part == "inherited" else f"C{PARTS.index(part)}"
            starts = np.where(widths > 0, above, below)
            axes.barh(places, widths, left=starts, label=part, color=colour)
            above, below = above + np.maximum(widths, 0), below + np.minimum(widths, 0)
    axes.set_yticks(places, [layer.value for layer in layers], fontsize="small", parse_math=False)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("squared error, relative to the ANN's value")
    axes.legend(fontsize="small")


def _draw_depth(explanation: Explanation, axes: Any) -> None:
    """Draw what the outputs are off if the network spikes up to each layer."""
    places = range(len(explanation.layers))
    axes.plot([layer.output_error for layer in explanation.layers], places, "o-", label="error")
    if all(layer.agreement is not None for layer in explanation.layers):
        agreed = [layer.agreement for layer in explanation.layers]
        axes.plot(agreed, places, "s--", label="agreement")
    axes.set_xlim(left=0)
    axes.set_xlabel("outputs, spiking up to here")
    axes.legend(fontsize="small")


def _draw_time(explanation: Explanation, axes: Any) -> None:
    """Draw the error of each layer over time, from the first (dark) to the last (bright)."""
    from matplotlib import colormaps

    steps = [moment.timesteps for moment in explanation.over_time]
    colours = colormaps["viridis"]
    for index, layer in enumerate(explanation.layers):
        colour = colours(index / max(1, len(explanation.layers) - 1))
        axes.plot(steps, layer.over_time, "o-", color=colour, linewidth=1, markersize=3)
    axes.set_xscale("log", base=2)
    axes.set_xticks(steps, [str(t) for t in steps])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time steps")
    axes.set_ylabel("relative error (RMS), first layer dark, last bright")
