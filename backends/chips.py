"""Neuromorphic chips as data: what one core and one chip hold, who says so, how certain it is.

A figure is worth what its source is worth, so each stands with its source and its certainty.
What is not public does not stand here as a number; ``Chip.unchecked`` says what that leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from ..ir.errors import OptionError, suggestion

WORD_BITS = 64
"""Bits of one word of synaptic memory, on both chips."""


class Certainty(Enum):
    """How much a figure can be relied on."""

    PUBLISHED = "published"
    """In a paper, a brief or an announcement of the vendor; read there or in who quotes it."""
    DOCUMENTED = "vendor software"
    """Not stated, but in the vendor's software, its logs, or a driver written against it."""
    FITTED = "fitted"
    """Chosen by us so that it explains, or bounds, what was logged."""
    UNVERIFIED = "unverified"
    """An assumption; nothing confirms it."""


@dataclass(frozen=True)
class Limit:
    """One figure about a chip.

    Attributes:
        value: In ``unit``.
        unit: What is counted, e.g. ``64-bit words a core``.
        certainty: How much the figure can be relied on.
        source: Where it is from.
    """

    value: float
    unit: str
    certainty: Certainty
    source: str


@dataclass(frozen=True)
class SharedKernels:
    """Synaptic memory where a core stores the kernel of a convolution once.

    A convolution takes one row for each input channel and kernel element, and a row holds one
    weight for each output channel on the core, rounded up to whole words. A dense map takes one
    row for each input.

    Attributes:
        dense_bits: Bits of one synapse of a dense map, its index included.
        convolution_axons: Input axons of one convolution on one core.
    """

    dense_bits: Limit
    convolution_axons: Limit


@dataclass(frozen=True)
class SynapseRows:
    """Synaptic memory where every synapse is stored: one row for each neuron that sends.

    A row is a list of blocks; a block has a header and up to ``block`` synapses of weight and
    index, and is rounded up to whole words.

    Attributes:
        block: Synapses of a block.
        header_bits: Bits in front of a block.
        weight_formats: Widths a weight can have, bits, ascending.
        index_formats: Widths an index can have, bits, ascending.
    """

    block: Limit
    header_bits: Limit
    weight_formats: tuple[int, ...]
    index_formats: tuple[int, ...]


@dataclass(frozen=True)
class Registers:
    """What a neuron with fixed registers holds: mantissas and exponents, in units of its membrane.

    Attributes:
        shift: Bits by which a weight is shifted at most before it reaches the membrane.
        threshold: Bits of the mantissa of a threshold.
        threshold_exponent: The exponent of all thresholds.
        bias: Bits of the mantissa of a bias, without its sign.
        bias_exponent: Largest exponent of a bias; each neuron has its own.
        membrane: Bits of the membrane, without its sign.
    """

    shift: Limit
    threshold: Limit
    threshold_exponent: Limit
    bias: Limit
    bias_exponent: Limit
    membrane: Limit


@dataclass(frozen=True)
class Chip:
    """What a chip holds.

    Attributes:
        name: The name on the command line.
        title: The name in a sentence.
        neurons: Neurons a core updates; a neuron of large state counts as several.
        state_bits: State that counts as one neuron.
        soft_reset: Neurons that one neuron with soft reset counts as.
        synaptic_memory: Words a core has for synapses.
        axons_in: Input axons of a core.
        axons_out: Output axons of a core: one for each neuron and core it sends to. None where
            it is not public what a core holds.
        weight_bits: Width of a weight with its sign.
        payload_bits: Width of the payload of an event; 1 for spikes without payload.
        signed_payloads: Whether an event can be negative.
        programmable: Whether the neuron is a program, or one fixed circuit.
        registers: What a neuron's parameters are kept in, or None where that is not public.
        storage: How synapses are laid out in memory.
        tiling: How an image is cut: into ``any`` tiles, or into ``columns``: whole ones as long
            as one fits a core, a power of two of them.
        cores: Cores a chip.
        columns: Routers of the mesh from west to east.
        rows: Routers of the mesh from north to south.
        cores_per_router: Cores that share a router.
        mesh: Where the shape of the mesh is from; its value is the number of routers.
        systems: Boards and larger systems, with their number of chips.
        unchecked: What could keep a network from fitting and cannot be checked, and why.
    """

    name: str
    title: str
    neurons: Limit
    state_bits: Limit
    soft_reset: Limit
    synaptic_memory: Limit
    axons_in: Limit
    axons_out: Limit | None
    weight_bits: Limit
    payload_bits: Limit
    signed_payloads: bool
    programmable: bool
    registers: Registers | None
    storage: SharedKernels | SynapseRows
    tiling: str
    cores: Limit
    columns: int
    rows: int
    cores_per_router: int
    mesh: Limit
    systems: Mapping[str, Limit]
    unchecked: tuple[str, ...]

    def with_neurons(self, neurons: int | None) -> Chip:
        """Return the chip with another number of neurons a core, if one is given."""
        if neurons is None:
            return self
        given = Limit(neurons, self.neurons.unit, Certainty.UNVERIFIED, "given by the user")
        return replace(self, neurons=given)

    @property
    def limits(self) -> Mapping[str, Limit]:
        """Every figure a verdict rests on, by name."""
        storage = self.storage
        if isinstance(storage, SharedKernels):
            memory = {"bits of a dense synapse": storage.dense_bits}
            memory["axons of a convolution"] = storage.convolution_axons
        else:
            memory = {"synapses of a block": storage.block}
            memory["header of a block"] = storage.header_bits
        registers = self.registers
        fields = (
            {
                "shift of a weight": registers.shift,
                "threshold": registers.threshold,
                "exponent of a threshold": registers.threshold_exponent,
                "bias": registers.bias,
                "exponent of a bias": registers.bias_exponent,
                "membrane": registers.membrane,
            }
            if registers
            else {}
        )
        found = {
            "neurons": self.neurons,
            "state of a neuron": self.state_bits,
            "soft reset": self.soft_reset,
            "synaptic memory": self.synaptic_memory,
            "axons in": self.axons_in,
            **({"axons out": self.axons_out} if self.axons_out else {}),
            **memory,
            **fields,
            "weights": self.weight_bits,
            "payloads": self.payload_bits,
            "cores": self.cores,
            "mesh": self.mesh,
        }
        return found | dict(self.systems)


DAVIES = "M. Davies et al., Loihi, IEEE Micro 38(1), 2018"
NENGO = "nengo-loihi 001283a, nengo_loihi/block.py"
DISCRETIZE = "nengo-loihi, nengo_loihi/builder/discretize.py"
BRIEF = "Intel, Taking neuromorphic computing to the next level with Loihi 2, brief, 2021"
LOGS = "logs of Intel's compiler in the lava-dl notebooks (d825ac5)"
HALA_POINT = "Intel, announcement of Hala Point, April 2024"
PILOTNET = f"{LOGS}: pilotnet, oxford, mnist"


def _published(value: float, unit: str, source: str) -> Limit:
    return Limit(value, unit, Certainty.PUBLISHED, source)


def _documented(value: float, unit: str, source: str) -> Limit:
    return Limit(value, unit, Certainty.DOCUMENTED, source)


def _unverified(value: float, unit: str, source: str) -> Limit:
    return Limit(value, unit, Certainty.UNVERIFIED, source)


_STATE = _unverified(
    48,
    "bits a neuron",
    "current and voltage of 24 bits each; that larger states count in proportion is assumed",
)
_MESH = "8 x 4 routers with 4 cores each"

LOIHI1 = Chip(
    name="loihi1",
    title="Loihi 1",
    neurons=_published(1024, "compartments a core", f"{DAVIES}; {NENGO}"),
    state_bits=_STATE,
    soft_reset=_unverified(
        2, "compartments a neuron", "the compartment resets to 0; a second one has to subtract"
    ),
    synaptic_memory=_published(16_384, "64-bit words a core", f"{DAVIES} (128 KB); {NENGO}"),
    axons_in=_documented(4096, "axons a core", NENGO),
    axons_out=_documented(4096, "axons a core", NENGO),
    weight_bits=_published(9, "bits with sign", DAVIES),
    payload_bits=_published(1, "bit an event", DAVIES),
    signed_payloads=False,
    programmable=False,
    registers=Registers(
        shift=_documented(7, "bits", f"{DISCRETIZE}: 6, and exponents up to 0 of weights * 2"),
        threshold=_documented(17, "bits", DISCRETIZE),
        threshold_exponent=_documented(6, "bits", DISCRETIZE),
        bias=_documented(12, "bits without sign", DISCRETIZE),
        bias_exponent=_documented(7, "bits", DISCRETIZE),
        membrane=_documented(23, "bits without sign", DISCRETIZE),
    ),
    storage=SynapseRows(
        block=_documented(64, "synapses", NENGO),
        header_bits=_documented(10, "bits", NENGO),
        weight_formats=(1, 2, 3, 4, 5, 6, 8),
        index_formats=(0, 6, 7, 8, 9, 10, 11, 12),
    ),
    tiling="any",
    cores=_published(128, "cores a chip", DAVIES),
    columns=8,
    rows=4,
    cores_per_router=4,
    mesh=_documented(32, _MESH, "SANA-FE, arch/loihi.yaml, after Davies et al. 2018"),
    systems={
        "Kapoho Bay": _published(2, "chips", "Intel; as quoted by Rutgers University"),
        "Nahuku": _published(32, "chips", "Intel; as quoted by Rutgers University"),
        "Pohoiki Springs": _published(768, "chips", "Intel, announcement of March 2020"),
    },
    unchecked=(
        "configurations a core: 32 of compartments and 8 of thresholds (nengo-loihi), so that many "
        "channels with thresholds of their own would have to be spread over cores",
        "kernels shared through population axons, which would take less synaptic memory",
    ),
)

LOIHI2 = Chip(
    name="loihi2",
    title="Loihi 2",
    neurons=_documented(
        4095, "neurons a core", f"{LOGS}: 2688 neurons are billed as 65.64 % (published: 8,192)"
    ),
    state_bits=_STATE,
    soft_reset=_unverified(1, "neurons a neuron", "microcode can subtract; nobody published it"),
    synaptic_memory=_documented(12_000, "64-bit words a core", LOGS),
    axons_in=_documented(16_000, "axons a core", LOGS),
    axons_out=None,
    weight_bits=_documented(8, "bits with sign", "lava-nc 0.10.0, Dense and Conv"),
    payload_bits=_published(32, "bits an event", BRIEF),
    signed_payloads=True,
    programmable=True,
    registers=None,
    storage=SharedKernels(
        dense_bits=Limit(
            20.3,
            "bits a synapse, whatever the width of its weight",
            Certainty.FITTED,
            f"{PILOTNET}: the least that bounds all 13 dense rows (they take 13 to 20.3)",
        ),
        convolution_axons=Limit(
            2, "axons a core", Certainty.FITTED, f"{PILOTNET}: convolutions have 1 or 2"
        ),
    ),
    tiling="columns",
    cores=_published(128, "cores a chip", f"{BRIEF}; Hala Point has 122 for each of its chips"),
    columns=8,
    rows=4,
    cores_per_router=4,
    mesh=_published(32, _MESH, f"{BRIEF}, as quoted by arXiv 2601.10035"),
    systems={
        "Oheo Gulch": _published(1, "chips", BRIEF),
        "Kapoho Point": _published(8, "chips", "Intel, announcement of September 2022"),
        "Hala Point": _published(1152, "chips", HALA_POINT),
    },
    unchecked=(
        "routing tables for output axons (AxonMap, 16,000 entries a core): what one axon takes "
        "is not public, and counting neurons times cores would forbid networks that were mapped",
        "the pool of about 15,300 words that synapses, axons and neurons share: what an axon and "
        "a neuron take of it is not public",
        "program memory for the microcode of the neurons, and the widths in which such a program "
        "keeps thresholds and biases",
    ),
)

CHIPS: Mapping[str, Chip] = {chip.name: chip for chip in (LOIHI1, LOIHI2)}


def get_chip(name: str) -> Chip:
    """Return the chip of that name.

    Raises:
        OptionError: There is none.
    """
    if name not in CHIPS:
        hint = f"{suggestion(name, CHIPS)}choose one of: {', '.join(CHIPS)}"
        raise OptionError(f"--chip {name!r} is unknown", hint=hint)
    return CHIPS[name]
