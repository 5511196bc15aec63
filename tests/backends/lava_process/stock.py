"""Runs a single connection process of Lava, as it is or as the backend builds it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from snnc.backends.lava_process.plan import ConvPlan, DensePlan, SparsePlan
from snnc.backends.lava_process.recording import shared_zeros
from snnc.ir import Array, Integrator

BITS = {"num_message_bits": 24}


def delivered(make: Callable[[], Any], payload: Array, *, fast: bool = False) -> Array:
    """Return what a connection delivers for one payload, as Lava lays it out.

    Args:
        make: Creates the process, or the process and the port at which it sends.
        payload: What it receives, once.
        fast: Whether it runs on our model of it.
    """
    import_module("snnc.backends.lava_process.runtime")  # mends the import of Lava
    return _delivered(make, payload, fast)


def _delivered(make: Callable[[], Any], payload: Array, fast: bool) -> Array:
    from lava.magma.compiler.compiler import Compiler

    from snnc.backends.lava_process.runtime import models, processes, run_config, simulation
    from snnc.backends.lava_process.runtime.containment import contained

    with contained():
        made = make()
        process, port = made if isinstance(made, tuple) else (made, made.a_out)
        totals, clock = shared_zeros((1, 1, *port.shape), np.int64), shared_zeros((1,), np.int64)
        first = models.Schedule(start=1, timesteps=1, samples=1)
        source = processes.SampleSource(samples=payload[None, None], once=True, schedule=first)
        node = Integrator(name="y", inputs=("c",), bias=np.zeros(1, int), scale=np.ones(1))
        readout = processes.Readout(
            bias=np.zeros(port.shape, int),
            node=node,
            schedule=models.Schedule(start=2, timesteps=1, samples=1),
            totals=totals,
            clock=clock,
        )
        source.s_out.connect(process.s_in)
        port.connect(readout.a_in)
        compiler = Compiler({"pypy_channel_size": 2}, logging.WARNING)
        executable = compiler.compile(source, run_config.FixedPointConfig(fast=fast))
        session = simulation.Session(executable)
        try:
            session.run(2, advanced=lambda: int(clock[0]), timeout=20)
        finally:
            session.close()
    return np.array(totals[0, 0])


def dense(weight: Any, **options: Any) -> Callable[[], Any]:
    """Return what makes a stock Dense."""

    def make() -> Any:
        from lava.proc.dense.process import Dense

        return Dense(weights=np.array(weight), **{**BITS, **options})

    return make


def sparse(weight: Any, **options: Any) -> Callable[[], Any]:
    """Return what makes a stock Sparse."""

    def make() -> Any:
        from lava.proc.sparse.process import Sparse
        from scipy.sparse import csr_matrix

        return Sparse(weights=csr_matrix(np.array(weight)), **{**BITS, **options})

    return make


def conv(weight: Array, shape: tuple[int, int, int], **options: Any) -> Callable[[], Any]:
    """Return what makes a stock Conv; weight and shape in Lava's layout."""

    def make() -> Any:
        from lava.proc.conv.process import Conv

        return Conv(weight=weight, input_shape=shape, **{**BITS, **options})

    return make


def ours(plan: DensePlan | SparsePlan | ConvPlan) -> Callable[[], Any]:
    """Return what makes the process that the backend builds for a plan."""

    def make() -> Any:
        from snnc.backends.lava_process.runtime import network

        ends = network.conv(plan) if isinstance(plan, ConvPlan) else network.matrix(plan)
        return ends.process, ends.sends

    return make


def dense_plan(weight: Any) -> DensePlan:
    matrix = np.array(weight, np.int32)
    return DensePlan(name="l", wires=(), shape=matrix.shape[:1], depth=1, weight=matrix)


def sparse_plan(weight: Any) -> SparsePlan:
    matrix = np.array(weight, np.int32)
    rows, columns = np.nonzero(matrix)
    return SparsePlan(
        name="l",
        wires=(),
        shape=matrix.shape[:1],
        depth=1,
        rows=rows,
        columns=columns,
        weight=matrix[rows, columns],
        inputs=matrix.shape[1],
    )
