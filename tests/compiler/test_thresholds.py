"""Threshold rules on distributions whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from snnc.backends import get_backend
from snnc.backends.numpy_sim import histogram as histogram_module
from snnc.backends.numpy_sim.histogram import BINS, Histogram
from snnc.compiler import calibration, thresholds
from snnc.compiler.calibration import Moments, Statistics, collect, collect_moments
from snnc.compiler.demo import bundled
from snnc.compiler.onnx_import import load
from snnc.compiler.options import Options
from snnc.compiler.pipeline import SIMPLIFY, run_passes, watched_values
from snnc.compiler.thresholds import FEWEST, GRID, RULES, ThresholdRule, iterated
from snnc.ir import Array, Graph
from snnc.ir.errors import DataError, OptionError
from snnc.ir.reference import evaluate
from tests.ann_graphs import AnnBuilder


def network() -> Graph:
    net = AnnBuilder(np.random.default_rng(0))
    here = net.relu(net.conv(net.input(2, 6, 6), 3))
    return net.graph(net.linear(net.flat(here), 4))


def statistics(values: Array) -> Statistics:
    """Return the statistics of ``(samples, channels)`` magnitudes."""
    histogram = Histogram(values.shape[1])
    histogram.add(values.astype(np.float32))
    return Statistics(*histogram.in_common(), histogram.largest)


def samples(count: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(1).standard_normal((count, 2, 6, 6)).astype(np.float32)}


def test_statistics_are_those_of_the_activations() -> None:
    graph, data = network(), samples(50)
    found = collect(graph, ["clip2"], data)["clip2"]
    values = evaluate(graph, data)["clip2"]
    assert found.edges[-1] == pytest.approx(values.max(), rel=1e-6)
    assert found.counts.shape == (3, len(found.edges))
    assert len(found.edges) > BINS // 2
    np.testing.assert_allclose(found.largest, values.max(axis=(0, 2, 3)), rtol=1e-5)
    assert found.counts.sum() == values.size
    # float32 rounding may move a value across zero: at most a handful
    assert abs(found.counts[:, 0].sum() - (values == 0).sum()) <= 3
    mean = (found.pooled()[1:] * (found.edges[:-1] + found.edges[1:]) / 2).sum() / values.size
    assert mean == pytest.approx(values.mean(), rel=1e-3)


@pytest.mark.parametrize("threads", [1, 3])
def test_statistics_do_not_depend_on_the_batch(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """The smallest batch has one sample for each thread."""
    whole = collect(network(), ["clip2"], samples(50))["clip2"]
    monkeypatch.setattr(calibration, "BATCH_BYTES", 1)
    monkeypatch.setattr(calibration, "threads", lambda: threads)
    seen: list[tuple[int, int]] = []
    single = collect(
        network(), ["clip2"], samples(50), lambda done, total: seen.append((done, total))
    )["clip2"]
    np.testing.assert_array_equal(whole.counts, single.counts)
    np.testing.assert_array_equal(whole.edges, single.edges)
    np.testing.assert_array_equal(whole.largest, single.largest)
    assert seen == [(min(done, 50), 50) for done in range(threads, 50 + threads, threads)]


@pytest.fixture(scope="module")
def of_digits() -> Callable[[Array, int], list[Statistics]]:
    """Return what collects statistics of LeNet-5's values of 100 places or more."""
    ann = run_passes(load(bundled().model).graph, SIMPLIFY)
    (node,) = (node for node in ann if not node.inputs)
    code = Options().code_for(get_backend("numpy").target)
    watched = watched_values(ann, code)[0]
    values = [name for name in watched if math.prod(ann.types[name].shape[1:]) >= 100]

    def collected(digits: Array, enough: int) -> list[Statistics]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(histogram_module, "ENOUGH", enough)
            return list(collect(ann, values, {node.name: digits}).values())

    return collected


@pytest.mark.parametrize("name", ["mmse", "percentile"])
def test_counting_a_part_moves_full_scales_less_than_other_images_do(
    of_digits: Callable[[Array, int], list[Statistics]], name: str
) -> None:
    """A twelfth of the places of the largest value, on digits that a trained network saw."""
    rule = ThresholdRule(name, per_channel=True)
    part_of_places, every = 1 << 13, 1 << 40
    digits = bundled().calibration

    def scales(found: list[Statistics]) -> Array:
        return np.concatenate([rule.full_scale(statistics, 8, 1) for statistics in found])

    by_part, by_images = [], []
    for here, other in ((digits[:128], digits[128:]), (digits[128:], digits[:128])):
        whole, part = of_digits(here, every), of_digits(here, part_of_places)
        for one, all_of_it in zip(part, whole, strict=True):
            assert one.counts[0].sum() <= all_of_it.counts[0].sum()
            np.testing.assert_array_equal(one.largest, all_of_it.largest)
        wanted = scales(whole)
        by_part.append(np.abs(scales(part) / wanted - 1))
        by_images.append(np.abs(scales(of_digits(other, every)) / wanted - 1))
    assert np.mean(by_part) < np.mean(by_images)


def test_percentile_100_is_the_largest_of_all_values(
    of_digits: Callable[[Array, int], list[Statistics]],
) -> None:
    part = of_digits(bundled().calibration[:64], 1 << 10)[0]
    assert ThresholdRule("percentile", 100).full_scale(part, 8, 1) == part.largest.max()


def test_max_is_the_largest_magnitude() -> None:
    values = np.tile([[0.5, 3.0], [0.0, 2.0], [1.5, 0.1]], (FEWEST // 3 + 1, 1))
    assert ThresholdRule("max").full_scale(statistics(values), 8, 1) == pytest.approx([3.0])
    each = ThresholdRule("max", per_channel=True).full_scale(statistics(values), 8, 1)
    assert each == pytest.approx([1.5, 3.0])


def test_percentile_leaves_the_given_share_above() -> None:
    values = np.abs(np.random.default_rng(0).standard_normal((20000, 5)))
    found = statistics(values)
    for percentile in (50.0, 90.0, 99.9):
        got = ThresholdRule("percentile", percentile).full_scale(found, 8, 1)[0]
        assert got == pytest.approx(np.percentile(values, percentile), abs=2 * found.edges[1])


def test_percentile_counts_zeros() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(0.01, 1, 100)])[:, None]
    got = ThresholdRule("percentile", 95).full_scale(statistics(values), 8, 1)[0]
    assert got == pytest.approx(np.percentile(values, 95), abs=0.02)


def test_mmse_is_the_best_of_the_grid() -> None:
    """Brute force on the values themselves, not on their histogram."""
    values = np.random.default_rng(0).exponential(1.0, (20000, 1))
    largest = values.max()
    for timesteps, payload in ((4, 1), (4, 4), (32, 1)):
        levels = timesteps * payload
        errors = []
        for share in GRID:
            step = share * largest / levels
            quantized = step * np.clip(np.rint(values / step), 0, levels)
            errors.append(((quantized - values) ** 2).mean())
        got = ThresholdRule("mmse").full_scale(statistics(values), timesteps, payload)[0]
        chosen = int(np.argmin(np.abs(GRID * largest - got)))
        assert errors[chosen] <= min(errors) * 1.01


def test_mmse_clips_more_where_there_are_fewer_levels() -> None:
    found = statistics(np.random.default_rng(0).exponential(1.0, (20000, 1)))
    scales = [ThresholdRule("mmse").full_scale(found, t, 1)[0] for t in (2, 4, 8, 16, 64)]
    assert scales == sorted(scales)
    assert scales[0] < 0.5 * scales[-1]


def test_a_silent_channel_takes_the_scale_of_the_population() -> None:
    values = np.tile([[0.0, 3.0], [0.0, 2.0]], (FEWEST // 2, 1))
    for name in ("max", "percentile", "mmse", "local", "spike-norm"):
        each = ThresholdRule(name, per_channel=True).full_scale(statistics(values), 64, 1)
        assert each[0] == ThresholdRule(name).full_scale(statistics(values), 64, 1)[0]
    assert ThresholdRule("max").full_scale(statistics(np.zeros((4, 2))), 8, 1) == [1.0]


def test_few_values_of_a_channel_speak_for_the_population() -> None:
    values = np.tile([[0.5, 3.0]], (FEWEST - 1, 1))
    rule = ThresholdRule("max", per_channel=True)
    assert rule.full_scale(statistics(values), 8, 1) == pytest.approx([3.0])


def test_a_percentile_of_zero_falls_back_to_the_maximum() -> None:
    values = np.zeros((5000, 1))
    values[0] = 87.0
    assert ThresholdRule("percentile", 99.9).full_scale(statistics(values), 8, 1) == [87.0]


def test_activations_that_overflow_are_refused() -> None:
    data = {"x": np.full((2, 2, 6, 6), 3e38, np.float32)}
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(DataError, match=r"^clip2: "):
        collect(network(), ["clip2"], data)


@pytest.mark.parametrize("fields", [{"name": "best"}, {"percentile": 0.0}, {"percentile": 101.0}])
def test_bad_rules_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(OptionError) as caught:
        ThresholdRule(**fields)  # type: ignore[arg-type]
    assert caught.value.hint


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("per_channel", [False, True])
def test_no_rule_exceeds_the_bound_of_a_clip(name: str, per_channel: bool) -> None:
    """A threshold ReLU (Deng and Gu): what lies above its bound is cut off in the ANN already."""
    net = AnnBuilder(np.random.default_rng(0))
    clip = net.relu(net.conv(net.input(2, 6, 6), 3), high=0.3)
    found = collect(net.graph(net.linear(net.flat(clip), 4)), [clip], samples(100))[clip]
    rule = ThresholdRule(name, per_channel=per_channel)
    for timesteps, payload in ((2, 1), (8, 1), (32, 4)):
        assert np.all(rule.full_scale(found, timesteps, payload) <= np.float32(0.3))


def test_convergence_of_known_rates() -> None:
    """The coefficient of the optimal fit curve: sum of rates over sum of their squares."""
    values = np.random.default_rng(0).exponential(1.0, (20000, 3))
    values[values < 0.3] = 0
    found = statistics(values)
    for full_scale in (np.full(1, 2.0), np.array([1.0, 2.0, 3.0])):
        rates = np.minimum(values / full_scale, 1)
        expected = rates.sum() / np.square(rates).sum()
        assert found.convergence(full_scale) == pytest.approx(expected, rel=2e-3)


def test_rates_of_0_and_1_converge_at_once_and_smaller_ones_slowly() -> None:
    full = statistics(np.tile([[0.0, 2.0]], (500, 1)))
    assert full.convergence(np.full(1, 1.0)) == pytest.approx(1)
    assert full.convergence(np.full(1, 20.0)) == pytest.approx(10, rel=1e-3)
    assert statistics(np.zeros((4, 2))).convergence(np.ones(1)) is None


# -- local ----------------------------------------------------------------------------------------


def local_scale(values: Array, iterations: int, monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(thresholds, "ITERATIONS", iterations)
    return float(ThresholdRule("local").full_scale(statistics(values), 8, 1)[0])


def test_local_balancing_approaches_the_maximum_from_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """More iterations clip less: the fixed point of the squared clipping error is the maximum."""
    rng = np.random.default_rng(0)
    values = np.maximum(rng.standard_normal((20000, 1)), 0)
    found = [local_scale(values, n, monkeypatch) for n in (1, 10, 100, 1000, 10000)]
    # the first step takes twice the mean, for there is nothing yet to clip at
    assert found[0] == pytest.approx(2 * values.mean(), rel=1e-3)
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert 0.5 * values.max() < found[3] < found[4] < values.max()


def test_local_balancing_follows_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step as it is written down, on the values themselves."""
    values = np.abs(np.random.default_rng(1).standard_normal((5000, 1)))
    full_scale = 0.0
    for _ in range(7):
        full_scale += 2 * np.maximum(values - full_scale, 0).mean()
    assert local_scale(values, 7, monkeypatch) == pytest.approx(full_scale, rel=1e-3)


def test_local_balancing_never_overshoots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all values are near the maximum the first step would lead to twice as much."""
    values = np.random.default_rng(2).uniform(0.9, 1.0, (5000, 1))
    assert local_scale(values, 1000, monkeypatch) == pytest.approx(values.max(), rel=1e-3)


# -- threshold iteration --------------------------------------------------------------------------


def quantised(x: Array, full_scale: float, levels: int) -> Array:
    step = full_scale / levels
    return np.asarray(step * np.clip(np.floor(x / step + 0.5), 0, levels))


def published_factor(mean: float, deviation: float, levels: int, theta: float) -> float:
    """Return k(theta) as the threshold iteration is published (methods, F11)."""
    i = np.arange(1, levels + 1)
    c = ((2 * i - 1) * theta / (2 * levels) - mean) / (np.sqrt(2) * deviation)
    erf = np.vectorize(math.erf)(c)
    below = 1 - np.sum((2 * i - 1) * erf) / levels**2
    level = mean / theta * (1 - erf.mean())
    spread = deviation * np.sqrt(2 / np.pi) / theta * np.exp(-(c**2)).mean()
    return float((level + spread) / below)


MOMENTS = [(0.0, 1.0), (-0.8, 0.7), (1.5, 0.5), (-0.2, 3.0)]


@pytest.mark.parametrize(("mean", "deviation"), MOMENTS)
@pytest.mark.parametrize("levels", [1, 4, 8, 32, 255])
def test_threshold_iteration_ends_where_the_published_factor_is_one(
    mean: float, deviation: float, levels: int
) -> None:
    found = iterated(mean, deviation, levels, 3.0)
    assert published_factor(mean, deviation, levels, found) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("mean", "deviation"), MOMENTS)
@pytest.mark.parametrize("levels", [1, 4, 16])
def test_threshold_iteration_finds_the_least_squared_error(
    mean: float, deviation: float, levels: int
) -> None:
    """By Monte Carlo: E[q x] = E[q**2], and no other full scale rounds the ReLU better."""
    x = np.random.default_rng(0).normal(mean, deviation, 400_000)
    found = iterated(mean, deviation, levels, 3.0)
    q = quantised(x, found, levels)
    assert (q * x).mean() / np.square(q).mean() == pytest.approx(1, abs=0.01)

    def error(full_scale: float) -> float:
        return float(np.square(quantised(x, full_scale, levels) - np.maximum(x, 0)).mean())

    others = [error(found * factor) for factor in (0.5, 0.7, 0.85, 1.2, 1.5, 2.0)]
    assert error(found) < min(others)


def test_threshold_iteration_does_not_depend_on_its_start() -> None:
    found = [iterated(-0.5, 1.0, 8, start) for start in (0.5, 3.0, 20.0)]
    np.testing.assert_allclose(found, found[0], rtol=1e-6)


def test_a_value_that_is_never_active_keeps_its_start() -> None:
    assert iterated(-50.0, 1.0, 8, 3.0) == 3.0


def test_moments_are_those_of_each_channel() -> None:
    graph, data = network(), samples(50)
    found = collect_moments(graph, ["conv1"], data)["conv1"]
    values = evaluate(graph, data)["conv1"]
    np.testing.assert_allclose(found.mean, values.mean(axis=(0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.deviation, values.std(axis=(0, 2, 3)), rtol=1e-4)
    whole = found.pooled()
    assert whole.mean == pytest.approx(values.mean(), rel=1e-4)
    assert whole.deviation == pytest.approx(values.std(), rel=1e-4)


def test_threshold_iteration_keeps_to_what_was_seen() -> None:
    """A clip bounds what was seen: a full scale above it would let values pass that it cuts."""
    values = np.clip(np.random.default_rng(0).normal(3, 5, (FEWEST, 2)), 0, 6)
    moments = Moments(np.array([3.0, -4.0]), np.array([5.0, 1.0]))
    for per_channel in (False, True):
        rule = ThresholdRule("iteration", per_channel=per_channel)
        found = rule.full_scale(statistics(values), 8, 4, moments)
        assert found.shape == ((2,) if per_channel else (1,))
        assert found[0] == pytest.approx(6.0)
    assert found[1] < 3  # the second channel is hardly ever active


def test_a_constant_value_has_no_deviation_to_iterate_on() -> None:
    moments = Moments(np.array([2.0]), np.zeros(1))
    values = np.full((10, 1), 2.0)
    found = ThresholdRule("iteration").full_scale(statistics(values), 8, 1, moments)
    assert found == pytest.approx([2.0])


def test_spike_norm_begins_at_the_maximum() -> None:
    values = np.random.default_rng(0).exponential(1.0, (2000, 1))
    found = [
        ThresholdRule(name).full_scale(statistics(values), 8, 1) for name in ("max", "spike-norm")
    ]
    assert found[0] == found[1]
