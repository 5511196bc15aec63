"""Populations that follow a schedule (``ir.scheduled``), in ONNX."""

from __future__ import annotations

import numpy as np

from ...ir import DifferentialIF, RadixIF, TwoPhaseIF
from ...ir.reference_neurons import ROUNDING
from .neurons import arithmetic, charged, power, whole
from .number import Number
from .step import StepWriter, write
from .value import Value, total


def at_step(to: StepWriter, table: list[int]) -> Value:
    """Return the number that a table has for this step, its last one behind its end.

    Args:
        to: The step.
        table: A number for each step, from the first.
    """
    numbers = to.scope.constant(np.array(table, np.int64), Number.INT64)
    return numbers.gather((to.t - 1).at_most(len(table) - 1), axis=0)


def digit_worths(base: int, digits: int, start: int) -> tuple[list[int], list[int]]:
    """Return for each step what its digit is worth: 0 where there is none, and 1 to divide by."""
    worth = [0] * (start - 1) + [base ** (digits - 1 - k) for k in range(digits)] + [0]
    return worth, [max(each, 1) for each in worth]


@write.register
def _(node: RadixIF, to: StepWriter, inputs: list[Value]) -> Value:
    number = arithmetic(node, to)
    membrane = to.state(node, "v", node.initial.astype(number.dtype) + node.bias, number)
    v = membrane.now + total(inputs, number)
    worth, divisor = digit_worths(node.base, node.digits, node.start)
    threshold = at_step(to, divisor).cast(number) * node.threshold
    digit = whole(v, threshold, 0, node.base - 1)
    event = digit * at_step(to, worth)
    membrane.next = v - event * node.threshold
    return event


@write.register
def _(node: DifferentialIF, to: StepWriter, inputs: list[Value]) -> Value:
    t = to.t.cast(Number.DOUBLE)
    left = to.state(node, "left", node.bias, Number.DOUBLE)
    said = to.state(node, "said", 0, Number.DOUBLE)
    due = left.now + total(inputs, Number.DOUBLE) / t
    v = due * t + node.initial
    if node.select == "count":
        event = (v >= node.threshold).cast(Number.DOUBLE) - (v < 0).cast(Number.DOUBLE)
    else:
        event = power(v, node.threshold, 2 ** (node.levels - 1), node.select)
    if node.guard:
        taken_back = (event < 0) & (said.now * t + event < -ROUNDING)
        event = taken_back.where(event.like(0), event)
    left.next = due - event * node.threshold / t
    said.next = said.now + event / t
    return event


@write.register
def _(node: TwoPhaseIF, to: StepWriter, inputs: list[Value]) -> Value:
    number = Number.DOUBLE if to.real else Number.INT64  # corrections have no static bound
    since = (to.t - 1).modulo(node.rehearsal)
    begins = since.equals(0) & (to.t <= node.stages * node.rehearsal + 1)
    judges = to.t.equals(node.stage * node.rehearsal)
    start = to.state(node, "start", node.initial, number)
    membrane = to.state(node, "v", node.initial, number)
    v = charged(begins.where(start.now, membrane.now), node.bias, to, inputs)
    fires = v >= node.threshold
    left = membrane.next = v - fires.cast(number) * node.threshold
    if node.rule == "residual":
        silent = to.state(node, "silent", 0, Number.BOOL)
        taken_for_zero = left * 1000 <= node.threshold
        silent.next = (judges & taken_for_zero) | (~judges & silent.now)
        return (fires & ~silent.now).cast(number)
    correction = _Correction(node, to, begins, fires, v)
    start.next = judges.where(start.now + correction.shift(left), start.now)
    return fires.cast(number)


class _Correction:
    """What a population notes in a rehearsal, and how its start moves after it."""

    def __init__(
        self, node: TwoPhaseIF, to: StepWriter, begins: Value, fires: Value, v: Value
    ) -> None:
        self.node, self.whole = node, not to.real
        never, always = np.inf, -np.inf
        sent = to.state(node, "sent", 0, Number.BOOL)
        fired = to.state(node, "fired", never, Number.DOUBLE)
        kept = to.state(node, "kept", always, Number.DOUBLE)
        sent.next = fires | (~begins & sent.now)
        before = begins.where(fired.now.like(never), fired.now)
        fired.next = fires.where(before.at_most(v), before)
        before = begins.where(kept.now.like(always), kept.now)
        kept.next = fires.where(before, before.at_least(v))
        self.sent, self.fired, self.kept = sent.next, fired.next, kept.next

    def shift(self, left: Value) -> Value:
        """Return by how much the start moves; ``left`` is the membrane after the last step."""
        theta = self.node.threshold.astype(np.float64)
        less = self._rounded(self.fired - 0.999 * theta).at_least(theta)
        more = self._rounded(-self.kept + 1.001 * theta).at_least(theta)
        too_many, too_few = (left < 0) & self.sent, left >= self.node.threshold
        shift = too_many.where(-less, too_few.where(more, 0))
        return shift.cast(left.number)

    def _rounded(self, shift: Value) -> Value:
        """Return a shift rounded up where the membrane is an integer; where infinite, 0."""
        finite = (shift.magnitude() < np.inf).where(shift, 0)
        return finite.then("Ceil") if self.whole else finite
