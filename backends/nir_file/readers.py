"""What readers of NIR make of an exported file, as data.

Each rule is restated from the reader's source, named beside it. What of it was held against a run
of the package itself says ``checked`` (``examples/benchmarks/nir_readers``, docs/nir.md); the
others are what the source says and nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass

from .neuron_rules import NeuronRule


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One reader of NIR.

    Attributes:
        name: What it is called in tables and on command lines.
        version: The version whose source was read.
        source: Where in it.
        rule: What its ``IF`` node does.
        reads: The ``nir`` packages it works with.
        ignored: Fields that it leaves out.
        unreadable: What of our files it cannot run, in words; empty for nothing.
        checked: Whether the rule was held against the package itself, spike for spike.
        correction: How to make it do what the file means, after reading; empty where it cannot.
    """

    name: str
    version: str
    source: str
    rule: NeuronRule
    reads: str = "any"
    ignored: tuple[str, ...] = ()
    unreadable: str = ""
    checked: bool = False
    correction: str = ""

    @property
    def basis(self) -> str:
        """How sure the rule is, in words."""
        return "modelled, checked against the package" if self.checked else "modelled"


JOINS = "several edges into one node with nirtorch 2.0, which hands them on as arguments; loops"
LATE = "several edges into one node as meant: nirtorch.load takes some from the step before; loops"

READERS = (
    Reader(
        name="NIR, current spec",
        version="nir 1.0.8",
        source="nir/ir/neuron.py: IF",
        rule=NeuronRule(reset="value", strict=True),
        correction="compile with --reset zero: then this is what the file means",
    ),
    Reader(
        name="NIR, old spec",
        version="nir 1.0.4",
        source="nir/ir/neuron.py: IF",
        rule=NeuronRule(strict=True),
    ),
    Reader(
        name="snntorch",
        version="1.0.0",
        source="snntorch/import_nir.py, snntorch/_neurons/leaky.py",
        rule=NeuronRule(strict=True, decay=0.9, owes=True),
        unreadable=f"anything before init_hidden = True is set on its neurons; {JOINS}",
        checked=True,
        correction="for each snn.Leaky: beta.fill_(1.0), reset_delay = True, init_hidden = True",
    ),
    Reader(
        name="sinabs",
        version="3.1.3",
        source="sinabs/nir.py, sinabs/activation/spike_generation.py, sinabs/layers/functional",
        rule=NeuronRule(several=True, floor=-1.0),
        reads="nir <= 1.0.4: compile with --nir-version 1.0.4",
        unreadable=LATE,
        checked=True,
        correction="for each IAFSqueeze: spike_fn = SingleSpike, min_v_mem = None",
    ),
    Reader(
        name="spikingjelly",
        version="2.0.0",
        source="spikingjelly/activation_based: nir_exchange/from_nir.py, neuron/",
        rule=NeuronRule(reset="value"),
        reads="nir >= 1.0.7, with import_from_nir(file, dt=1.0)",
        unreadable=JOINS,
        checked=True,
        correction="for each IFNode: v_reset = None",
    ),
    Reader(
        name="norse",
        version="1.1.0",
        source="norse/torch/utils/import_nir.py, norse/torch/functional/iaf.py",
        rule=NeuronRule(reset="value", strict=True),
        unreadable=LATE,
        checked=True,
        correction="compile with --reset zero",
    ),
    Reader(
        name="lava",
        version="paper script nir_to_lava.py, lava-nc 0.10.0",
        source="docs/source/examples/lava/nir_to_lava.py; lava/proc/lif/models.py: LIF, float",
        rule=NeuronRule(reset="value", strict=True),
        ignored=("Conv2d.bias",),
        unreadable="AvgPool2d, which our files do not use; its script expects 7 outputs",
        correction="compile with --target lava",
    ),
)


def reader(name: str) -> Reader:
    """Return the reader of a name.

    >>> reader("norse").rule.reset
    'value'
    """
    return next(each for each in READERS if each.name == name)
