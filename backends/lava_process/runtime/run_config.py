"""Names the model of every process.

Left to itself, Lava executes every Python file beside a process in search of models. It asks
``exception_proc_model_map`` first, by process; here the map answers by the process's class.
"""

from __future__ import annotations

import importlib
from typing import Any

from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import Dense
from lava.proc.sparse.models import PySparseModelBitAcc
from lava.proc.sparse.process import Sparse

from . import connections, models, processes

OWN: dict[type, type] = {
    processes.SampleSource: models.SampleSourceModel,
    processes.IntegrateAndFire: models.IntegrateAndFireModel,
    processes.TrackingIntegrateAndFire: models.TrackingModel,
    processes.MaxPool: models.MaxPoolModel,
    processes.Concat: models.ConcatModel,
    processes.Delay: models.DelayModel,
    processes.Readout: models.ReadoutModel,
    Sparse: PySparseModelBitAcc,
}
STOCK: dict[type, type] = {Conv: PyConvModelFixed, Dense: PyDenseModelBitAcc}
FAST: dict[type, type] = {Conv: connections.FastConvModel, Dense: connections.FastDenseModel}


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
    """

    def __init__(self, *, fast: bool) -> None:
        if not fast:
            importlib.import_module("scipy.signal")  # once here, not in every forked process
        chosen = ModelByClass(OWN | (FAST if fast else STOCK))
        super().__init__(select_tag="fixed_pt", exception_proc_model_map=chosen)
