"""How long `testpress package` takes beside the bare converters, whole commands, one after the other in one run.

    python -m benchmarks.conversion_overhead --rounds 3

"bare" is a script that imports the converter, makes the model, converts and writes the file, as one would by hand: no
golden vectors, no proof, no manifest. For four variants it is four such scripts, one a variant. Its palette is a
uniform one, as coremltools needs another package for its k-means. Ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PRECISIONS = {
    "tflite": ["float32", "float16", "dynamic_wi8_afp32", "weight_only_wi8_afp32"],
    "coreml": ["float32", "float16", "linear_w8", "palettized_w6"],
}
_FLOAT16 = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "granularity": "TENSORWISE", "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    }
]
"""the AI Edge Quantizer has no recipe of that name"""
_TFLITE = """
    import {module}
    import litert_torch
    model, inputs = {module}.{function}()
    content = litert_torch.convert(model, inputs).model_content()
    precision = {precision!r}
    if precision != "float32":
        from ai_edge_quantizer import quantizer, recipe
        rules = {float16!r} if precision == "float16" else getattr(recipe, precision)()
        content = quantizer.Quantizer(bytearray(content), rules).quantize().quantized_model
    open({path!r}, "wb").write(content)
"""
_COREML = """
    import torch, {module}
    import coremltools as ct
    import coremltools.optimize.coreml as cto
    model, inputs = {module}.{function}()
    precision = {precision!r}
    compute = ct.precision.FLOAT32 if precision == "float32" else ct.precision.FLOAT16
    types = [ct.TensorType(shape=tuple(each.shape)) for each in inputs]
    made = ct.convert(torch.jit.trace(model, inputs), inputs=types, compute_precision=compute, skip_model_load=True,
                      minimum_deployment_target=ct.target.iOS16)
    if precision == "linear_w8":
        config = cto.OptimizationConfig(global_config=cto.OpLinearQuantizerConfig(mode="linear_symmetric"))
        made = cto.linear_quantize_weights(made, config)
    if precision == "palettized_w6":
        config = cto.OptimizationConfig(global_config=cto.OpPalettizerConfig(nbits=6, mode="uniform"))
        made = cto.palettize_weights(made, config)
    made.save({path!r})
"""


def main(arguments: list[str]) -> int:
    """Time both and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion_overhead", description=__doc__)
    parser.add_argument("--model", default="tests.corpus.keyword_spotting:tc_resnet", metavar="MODULE:FUNCTION")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    print("format  variants  testpress s  bare s  ratio")
    for format_ in PRECISIONS:
        for count in (1, 4):
            ours, bare = [], []
            for _ in range(options.rounds):
                ours.append(_time_ours(options.model, format_, count))
                bare.append(sum(_time_bare(options.model, format_, one) for one in PRECISIONS[format_][:count]))
            ratio = statistics.median(ours) / statistics.median(bare)
            line = f"{statistics.median(ours):11.1f}  {statistics.median(bare):6.1f}  {ratio:5.2f}"
            print(f"{format_:6}  {count:8}  {line}", flush=True)
    return 0


def _time_ours(model: str, format_: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "testpress.toml"
        variants = json.dumps(PRECISIONS[format_][:count])
        recipe.write_text(
            f'[model]\nname = "m"\nversion = "1"\nlicense = "Apache-2.0"\nsource = "python:{model}"\n'
            f"[variants]\n{format_} = {variants}\n"
        )
        return _time([sys.executable, "-m", "testpress", "package", str(recipe), "-q"])


def _time_bare(model: str, format_: str, precision: str) -> float:
    module, _, function = model.partition(":")
    folder = Path(tempfile.mkdtemp())
    path = str(folder / ("model.tflite" if format_ == "tflite" else "Model.mlpackage"))
    text = textwrap.dedent(_TFLITE if format_ == "tflite" else _COREML)
    facts = {"module": module, "function": function, "precision": precision, "path": path, "float16": _FLOAT16}
    try:
        return _time([sys.executable, "-c", text.format(**facts)])
    finally:
        shutil.rmtree(folder)


def _time(command: list[str]) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)[:200]}\nended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
