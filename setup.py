"""Builds the simulator's compiled kernels, where there is a C compiler; all else is pyproject.toml.

Without them the simulator runs on NumPy and ONNX Runtime, more slowly, with the same results.
"""

from glob import glob

from setuptools import Extension, setup

NATIVE = "backends/numpy_sim/native"

setup(
    ext_modules=[
        Extension(
            "snnc.backends.numpy_sim.native._kernels",
            [f"{NATIVE}/kernels.c"],
            depends=sorted(glob(f"{NATIVE}/*.h") + glob(f"{NATIVE}/*.inc")),
            # No product may be fused with a sum: results must not depend on the processor.
            extra_compile_args=[
                "-O3",
                "-std=c11",
                "-fno-math-errno",
                "-fno-trapping-math",
                "-ffp-contract=off",
                "-fvisibility=hidden",
                "-g0",
            ],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
