"""The rule that names a layer, a cause and a way out.

1. Weights and biases that were not fitted are the ANN's, but for rounding, and a max pool sends
   the maximum. The first layer where that is not so, by ``FAULT`` of its power, is named whatever
   the accuracy.
2. All is fine if the accuracy is within ``LOSS`` of the ANN's; without labels, if all but
   ``CHANGED`` of the answers are the ANN's; without classes, if the error of the outputs is below
   ``OUTPUT_ERROR``.
3. Else the network goes wrong in the first layer that adds ``JUMP`` of the outputs' squared
   error: what the outputs' error is with the network spiking up to this layer, less what it is
   with the network spiking up to the layer before (see ``hybrid``). Errors count up to 1, beyond
   which the answers are noise. Where no layer adds so much, the layer that adds most is named,
   and that errors of several layers add up.
4. The cause is the part of the layer's own error (all but what it inherits) that adds most to it;
   where errors of several layers add up, that of all layers, each weighted by what it adds.
   What was fitted to the ANN (``settings.FITTED``) makes up for inherited errors and counts as
   inherited, unless the layer is worse with it by ``HARM`` of its power; where ``reconstruct``
   shifted initial membranes, within a threshold, they count with the rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ir import Array
from ..wording import counted
from .advice import CAUSES, advice
from .explanation import LayerError, Moment, Verdict
from .settings import Settings
from .split import PARTS

LOSS = 0.01
"""Accuracy that may be lost: what a user would hardly act on."""

CHANGED = 0.02
"""Share of answers that may differ from the ANN's; most of them are wrong in both."""

OUTPUT_ERROR = 0.1
"""Relative error (root mean square) that outputs without classes may have."""

JUMP = 0.5
"""Share of the outputs' squared error that one layer must add to be named alone."""

FAULT = 1e-3
"""Squared error, as a share of a layer's power, that is no float32 noise of the stored model."""

HARM = 0.01
"""Squared error, as a share of a layer's power, that fitting to other samples may cost."""


def judge(
    layers: Sequence[LayerError],
    over_time: Sequence[Moment],
    ann_accuracy: float | None,
    settings: Settings,
    samples: int,
) -> Verdict:
    """Return the verdict.

    Args:
        layers: From the inputs to the outputs.
        over_time: The outputs after each prefix; the last is after all steps.
        ann_accuracy: Accuracy of the ANN, or None without labels.
        settings: What the network was compiled with.
        samples: Number of samples all that was found on.
    """
    fine, loss = _loss(over_time[-1], ann_accuracy, f"on {counted(samples, 'sample')}")
    if (fault := _fault(layers, settings)) is not None:
        layer, cause = fault
        where = f"{_words(layer)}: {CAUSES[cause]}, which no correction accounts for"
        return Verdict(
            False, layer.value, cause, False, f"{loss}; {where}", advice(cause, layer, settings)
        )
    if fine:
        return Verdict(True, None, None, False, f"nothing is wrong: {loss}", "")
    added = _added(layers)
    jumps = np.flatnonzero(added >= JUMP * added.sum())
    spread = not len(jumps)
    layer = layers[int(added.argmax()) if spread else int(jumps[0])]
    weights = added if spread else [float(other is layer) for other in layers]
    own = sum(w * own_parts(x, settings) for w, x in zip(weights, layers, strict=True))
    cause = PARTS[int(np.argmax(own))]
    share = f"{added[layers.index(layer)] / added.sum():.0%} of the outputs' squared error"
    if spread:
        where = f"errors of several layers add up; {_words(layer)} adds most, {share}"
    else:
        where = f"it goes wrong in {_words(layer)}, which adds {share}"
    message = f"{loss}; {where}; the main cause is {CAUSES[cause]}"
    return Verdict(False, layer.value, cause, spread, message, advice(cause, layer, settings))


def own_parts(layer: LayerError, settings: Settings) -> Array:
    """Return what each part adds to a layer's own error, as shares; 0 for what it inherits."""
    inherited, mended = _among("inherited"), _among("inherited", *settings.fitted)
    if _squared(layer, mended) <= _squared(layer, inherited) + HARM:
        inherited = mended
    own = layer.moments[:, ~inherited].sum(axis=1) * ~inherited
    if settings.correction == "reconstruct":
        own[PARTS.index("quantisation")] += own[PARTS.index("initial")]
        own[PARTS.index("initial")] = 0
    return np.asarray(own / own.sum() if own.sum() > 0 else own)


def _fault(layers: Sequence[LayerError], settings: Settings) -> tuple[LayerError, str] | None:
    """Return the first layer that computes what it should not, and which part of it."""
    kept = [part for part in ("bias", "fit", "pooling") if part not in settings.fitted]
    for layer in layers:
        cause = max(kept, key=lambda part: _squared(layer, _among(part)))
        if _squared(layer, _among(cause)) > FAULT:
            return layer, cause
    return None


def _among(*parts: str) -> Array:
    """Return which of ``PARTS`` are among some."""
    return np.isin(PARTS, parts)


def _words(layer: LayerError) -> str:
    """Return a layer in words."""
    if layer.kind == "input":
        return f"the input {layer.value}"
    kind = "population that the ANN does not have" if layer.added else layer.kind
    return f"{layer.value} ({kind})"


def _squared(layer: LayerError, parts: Array) -> float:
    """Return the squared error that some parts make together, relative to the layer's power."""
    return float(layer.moments[np.ix_(parts, parts)].sum())


def _added(layers: Sequence[LayerError]) -> Array:
    """Return what each layer adds to the outputs' squared error; nothing where it takes away."""
    fronts = np.minimum([layer.output_error**2 for layer in layers], 1)
    return np.maximum(np.diff(fronts, prepend=0), 0)


def _loss(last: Moment, ann_accuracy: float | None, samples: str) -> tuple[bool, str]:
    """Return whether the answers are good enough, and how good they are in words."""
    if ann_accuracy is not None and last.accuracy is not None:
        words = f"accuracy {last.accuracy:.1%} {samples}, the ANN's is {ann_accuracy:.1%}"
        return ann_accuracy - last.accuracy <= LOSS, words
    if last.agreement is not None:
        words = f"{last.agreement:.1%} of the answers {samples} are the ANN's"
        return 1 - last.agreement <= CHANGED, words
    words = f"the outputs are {last.output_error:.1%} off {samples}"
    return last.output_error <= OUTPUT_ERROR, words
