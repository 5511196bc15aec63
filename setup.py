"""Builds the simulator's compiled kernels, where there is a C compiler; all else is pyproject.toml.

Without them the simulator runs on NumPy and ONNX Runtime, more slowly, with the same results.
"""

from setuptools import Extension, setup

NATIVE = "backends/numpy_sim/native"

setup(
    ext_modules=[
        Extension(
            "snnc.backends.numpy_sim.native._kernels",
            [f"{NATIVE}/kernels.c"],
            depends=[
                f"{NATIVE}/{name}"
                for name in (
                    *("dense.h", "dense_real.h", "fire_avx512.h", "fire_block.h", "gather.h"),
                    *("layout.h", "product.h", "strip.h", "tile.h", "vectors.h", "widened.h"),
                    *("channelwise.inc", "events.inc", "fire_integer.inc", "fire_real.inc"),
                    *("level.inc", "lists.inc", "pool.inc", "population.inc", "scratch.inc"),
                    *("strip.inc", "traffic.inc", "vectors.inc"),
                )
            ],
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
