"""From a cause to the option that would help, given what the network was compiled with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .explanation import LayerError
from .settings import Settings

CAUSES: Mapping[str, str] = {
    "weights": "weight bits (weights rounded to integers)",
    "fit": "weights that are not the ANN's",
    "bias": "a bias that is not the ANN's",
    "clipping": "clipping (values beyond what the population can carry)",
    "guard": "the missing guard (negative values that the ANN cuts off)",
    "quantisation": "quantisation (rounding to the levels that T steps offer)",
    "initial": "the initial membrane (it shifts the rounding)",
    "transient": "transients (events that come too early or too late)",
    "pooling": "pooling (a max pool does not send the maximum)",
}
"""The causes in words."""


def advice(cause: str, layer: LayerError, settings: Settings) -> str:
    """Return what to do about a cause, an imperative sentence."""
    if layer.kind == "input":
        return _input(cause, settings)
    return _ADVICE[cause](settings)


def _more_steps(settings: Settings) -> str:
    return f"--timesteps {2 * settings.timesteps}"


def _input(cause: str, settings: Settings) -> str:
    if cause == "quantisation" and settings.input_bits < 8:
        return "compile with --input-bits 8"
    if cause == "quantisation":
        return "compile with --weight-bits float, which leaves the input as it is"
    return "give calibration samples that reach as far as these data: --calibration X.npz"


def _clipping(settings: Settings) -> str:
    if settings.synthetic:
        return "give real training samples with --calibration X.npz"
    rule = settings.thresholds.split(" ")[0]
    if rule == "percentile":
        return (
            f"raise --percentile (now {settings.percentile:g}), or compile with --thresholds mmse"
        )
    if rule == "max":
        return "give calibration samples that reach as far as these data: --calibration X.npz"
    return (
        f"compile with {_more_steps(settings)} or --thresholds max, or give more samples with "
        f"--calibration: at few steps the rule {rule} trades range for resolution"
    )


def _quantisation(settings: Settings) -> str:
    steps, rest = divmod(settings.levels, settings.max_payload)
    if settings.levels and not rest and steps != settings.timesteps:
        return f"compile with --timesteps {steps}: the ANN's activations have as many levels"
    finer = "--code augmented"
    if settings.max_payload > 1:
        finer = f"--max-payload {min(2 * settings.max_payload, 64)}"
    mmse = ["--thresholds mmse"] if settings.thresholds.startswith("max") else []
    return f"compile with {_or([*_correction(settings), _more_steps(settings), finer, *mmse])}"


def _transient(settings: Settings) -> str:
    if settings.code == "rate":
        signed = "--code ternary (negative events take back what came too early)"
        return f"compile with {_or([*_correction(settings), signed, _more_steps(settings)])}"
    if settings.deadband:
        return f"compile with --deadband 0 or {_more_steps(settings)}"
    more = ["--code augmented"] if settings.max_payload == 1 else []
    return f"compile with {_or([*_correction(settings), _more_steps(settings), *more])}"


def _correction(settings: Settings) -> list[str]:
    """Return the correction where it is not used: it makes up for what earlier layers lose."""
    if settings.correction != "none":
        return []
    data = " and --calibration X.npz" if settings.synthetic else ""
    return [f"--correction reconstruct{data}"]


def _weights(settings: Settings) -> str:
    if settings.weight_bits is not None and settings.weight_bits < 8:
        return f"compile with --weight-bits 8 (now {settings.weight_bits})"
    return "compile with --weight-bits float"


def _initial(settings: Settings) -> str:
    if settings.v_init == settings.default_v_init:  # half of a threshold of few steps is rounded
        return _weights(settings)
    return f"compile with --v-init {settings.default_v_init:g}"


def _fitted(cause: str, settings: Settings) -> str:
    if cause in settings.fitted:
        return (
            "give more samples with --calibration, like the ones the network will meet, or "
            "compile with --correction none"
        )
    return "compile the model again: nothing was fitted here, so they should be the ANN's own"


def _or(ways: list[str]) -> str:
    return ways[0] if len(ways) == 1 else f"{', '.join(ways[:-1])} or {ways[-1]}"


_ADVICE: Mapping[str, Callable[[Settings], str]] = {
    "weights": _weights,
    "fit": lambda settings: _fitted("fit", settings),
    "bias": lambda settings: _fitted("bias", settings),
    "clipping": _clipping,
    "guard": lambda settings: "compile with --guard",
    "quantisation": _quantisation,
    "initial": _initial,
    "transient": _transient,
    "pooling": lambda settings: "report this as a bug",
}
