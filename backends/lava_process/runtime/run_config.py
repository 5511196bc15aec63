"""Names the model of every process.

Left to itself, Lava executes every Python file beside a process in search of models. It asks
``exception_proc_model_map`` first, by process; here the map answers by the process's class.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.models import PyConvModelFixed, PyConvModelFloat
from lava.proc.conv.process import Conv
from lava.proc.dense.models import PyDenseModelBitAcc, PyDenseModelFloat
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF
from lava.proc.sparse.models import PySparseModelBitAcc, PySparseModelFloat
from lava.proc.sparse.process import Sparse

from ..plan import Arithmetic
from . import (
    connections,
    float_models,
    hierarchy,
    inlet,
    models,
    previous,
    probe,
    processes,
    stateful,
)

OWN: dict[type, type] = {
    processes.SampleSource: models.SampleSourceModel,
    processes.IntegrateAndFire: models.IntegrateAndFireModel,
    processes.TrackingIntegrateAndFire: models.TrackingModel,
    processes.MaxPool: models.MaxPoolModel,
    processes.Concat: models.ConcatModel,
    previous.Previous: previous.PreviousModel,
    processes.Delay: models.DelayModel,
    stateful.Stateful: stateful.StatefulModel,
    stateful.Feedback: stateful.FeedbackModel,
    LIF: stateful.SampledLIFModel,
    processes.Readout: models.ReadoutModel,
    hierarchy.NetworkProcess: hierarchy.NetworkModel,
    inlet.Inlet: inlet.InletModel,
    probe.Probe: probe.ProbeModel,
    Sparse: PySparseModelBitAcc,
}
STOCK: dict[type, type] = {Conv: PyConvModelFixed, Dense: PyDenseModelBitAcc}
FAST: dict[type, type] = {Conv: connections.FastConvModel, Dense: connections.FastDenseModel}

FLOAT_OWN: dict[type, type] = {
    processes.SampleSource: float_models.FloatSampleSourceModel,
    processes.IntegrateAndFire: float_models.FloatIntegrateAndFireModel,
    processes.MaxPool: float_models.FloatMaxPoolModel,
    processes.Concat: float_models.FloatConcatModel,
    processes.Delay: float_models.FloatDelayModel,
    stateful.Stateful: stateful.FloatStatefulModel,
    stateful.Feedback: stateful.FloatFeedbackModel,
    processes.Readout: float_models.FloatReadoutModel,
    inlet.Inlet: inlet.FloatInletModel,
    Sparse: PySparseModelFloat,
}
"""Tracking neurons and what they carry are not among them: they are those of integer networks."""
FLOAT_STOCK: dict[type, type] = {Conv: PyConvModelFloat, Dense: PyDenseModelFloat}
FLOAT_FAST: dict[type, type] = {
    Conv: float_models.FastFloatConvModel,
    Dense: float_models.FastFloatDenseModel,
}

ALL_MODELS = (OWN, STOCK, FAST, FLOAT_OWN, FLOAT_STOCK, FLOAT_FAST)


class ModelByClass(dict[Any, Any]):
    """A map from process classes to models that is asked with processes."""

    def __contains__(self, process: object) -> bool:
        return super().__contains__(type(process))

    def __getitem__(self, process: Any) -> Any:
        model = super().__getitem__(type(process))
        many = issubclass(model, models.ManyPortsModel)
        return model.with_ports(process.proc_params["ports"]) if many else model


class FixedPointConfig(Loihi2SimCfg):  # type: ignore[misc]
    """Runs our processes and Lava's connections in fixed point on the CPU.

    Args:
        fast: Whether Conv and Dense run on our models of them.
        more: Models of further processes.
    """

    def __init__(self, *, fast: bool, more: Mapping[type, type] = MappingProxyType({})) -> None:
        chosen = ModelByClass({**OWN, **(FAST if fast else stock(STOCK)), **more})
        super().__init__(select_tag="fixed_pt", exception_proc_model_map=chosen)


class FloatConfig(Loihi2SimCfg):  # type: ignore[misc]
    """Runs our processes and Lava's connections in float64 on the CPU.

    Args:
        fast: Whether Conv and Dense run on our models of them.
    """

    def __init__(self, *, fast: bool) -> None:
        chosen = ModelByClass(FLOAT_OWN | (FLOAT_FAST if fast else stock(FLOAT_STOCK)))
        super().__init__(select_tag="floating_pt", exception_proc_model_map=chosen)


CONFIGS: Mapping[Arithmetic, type[FixedPointConfig | FloatConfig]] = {
    "integer": FixedPointConfig,
    "real": FloatConfig,
}
"""How to run a network, by its arithmetic."""


def stock(models: dict[type, type]) -> dict[type, type]:
    """Return Lava's own models, with what they need imported."""
    importlib.import_module("scipy.signal")  # once here, not in every forked process
    return models


class SnncSimCfg(Loihi2SimCfg):  # type: ignore[misc]
    """Runs graphs in which a ``NetworkProcess`` takes part; for all others it is a Loihi2SimCfg.

    Inside the network every model is ours or one of Lava's, in the arithmetic of the network. The
    user's own Processes find theirs as always, by ``select_tag``, and a Dense of theirs stays as
    they want it.

    Args:
        fast: Whether Conv and Dense inside a network run on our models of them.
        select_tag: Which models the user's own Processes take, where they have several.
        exception_proc_model_map: Models for Processes or for classes of them, before all else.
        options: What ``Loihi2SimCfg`` takes besides.
    """

    def __init__(
        self,
        *,
        fast: bool = True,
        select_tag: str | None = "fixed_pt",
        exception_proc_model_map: Mapping[Any, type] | None = None,
        **options: Any,
    ) -> None:
        ours = {kind: cfg(fast=fast).exception_proc_model_map for kind, cfg in CONFIGS.items()}
        super().__init__(select_tag=select_tag, **options)
        self.exception_proc_model_map = InsideOfNetworks(ours, exception_proc_model_map or {})


class InsideOfNetworks(dict[Any, Any]):
    """A map that is asked with processes or classes, and knows those of networks.

    Args:
        ours: Models by class, for each arithmetic of a network.
        theirs: The user's choices, by process or class.
    """

    def __init__(self, ours: Mapping[Arithmetic, ModelByClass], theirs: Mapping[Any, type]) -> None:
        super().__init__(theirs)
        self.ours = ours

    def __contains__(self, key: object) -> bool:
        ours = arithmetic_inside(key) or isinstance(key, (hierarchy.NetworkProcess, probe.Probe))
        return bool(ours) or super().__contains__(key) or super().__contains__(type(key))

    def __getitem__(self, key: Any) -> Any:
        if inside := arithmetic_inside(key):
            return self.ours[inside][key]
        for name in (key, type(key)):
            if super().__contains__(name):
                return super().__getitem__(name)
        return self.ours["integer"][key]


def arithmetic_inside(process: object) -> Arithmetic | None:
    """Return the arithmetic of the network that a process is part of, or None outside of any."""
    parent = getattr(process, "parent_proc", None)
    return parent.plan.arithmetic if isinstance(parent, hierarchy.NetworkProcess) else None
