"""An app as somebody else writes it: numpy, the manifest's JSON and a runtime, and nothing of testpress.

It does what the manifest asks, or commits one of the six faults that are planted.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import soxr

FAULTS = (
    "outputs swapped",
    "hop off by one",
    "gain 0.5",
    "symmetric window",
    "state not reset",
    "wrong resampler",
)
TYPES = {"f32": "<f4", "f16": "<f2", "i32": "<i4", "i64": "<i8"}
Call = Callable[[dict[str, Any]], dict[str, Any]]


class PhoneApp:
    """Plays a bundle's vectors.

    `call` takes and gives values by the file's own names; the features are those of the manifest's front end, as far as
    `spotter`'s recipe uses it.
    """

    def __init__(self, bundle: Path, call: Call, fault: str = "", *, writes_stages: bool = True) -> None:
        self.bundle, self.call, self.fault, self.writes_stages = bundle, call, fault, writes_stages
        self.manifest = json.loads((bundle / "manifest.json").read_text())
        self.states: dict[str, Any] = {}

    def write(self, out: Path) -> Path:
        for vector in self.manifest["vectors"]:
            made = {"call": self.one, "calls": self.several, "recording": self.recording}[vector["kind"]](vector)
            for name, values in made.items():
                if self.writes_stages or "/" not in name:
                    path = out / vector["name"] / f"{self.swap(name)}.f32"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    values.astype("<f4").tofile(path)
        return out

    def swap(self, name: str) -> str:
        return {"onset": "frame", "frame": "onset"}.get(name, name) if self.fault == "outputs swapped" else name

    def read(self, tensor: dict[str, Any]) -> Any:
        kind = tensor["file"].rpartition(".")[2]
        return np.fromfile(self.bundle / tensor["file"], TYPES[kind]).reshape(tensor["shape"])

    def begin(self) -> None:
        if self.fault != "state not reset" or not self.states:
            contracts = {one["name"]: one for one in self.manifest["inputs"]}
            self.states = {name: np.zeros(contracts[name]["shape"], np.float32) for name in self.manifest["state"]}

    def run(self, features: Any) -> dict[str, Any]:
        native = {one["name"]: one["native_name"] for one in self.manifest["inputs"]}
        found = self.call({native["features"]: features, **{native[n]: v for n, v in self.states.items()}})
        outputs = {one["name"]: found[one["native_name"]] for one in self.manifest["outputs"]}
        self.states = {name: outputs[output] for name, output in self.manifest["state"].items()}
        return outputs

    def one(self, vector: dict[str, Any]) -> dict[str, Any]:
        self.begin()
        features = self.features(self.gain * self.read(vector["audio"])[0])
        return {"inputs/features": features, **self.run(features)}

    def several(self, vector: dict[str, Any]) -> dict[str, Any]:
        outputs = []
        for index, features in enumerate(self.read(vector["inputs"]["features"])):
            if index in vector["resets"]:
                self.begin()
            outputs.append(self.run(features))
        return {name: np.stack([one[name] for one in outputs]) for name in ("onset", "frame")}

    def recording(self, vector: dict[str, Any]) -> dict[str, Any]:
        stitching = self.manifest["integration"]["stitching"]
        samples = self.gain * self.resample(self.bundle / vector["recording"]["file"])
        lead_in, hop = stitching["lead_in_samples"], stitching["hop_samples"]
        count = -(-(len(samples) + lead_in) // hop)
        hop += self.fault == "hop off by one"
        padded = np.concatenate([np.zeros(lead_in), samples, np.zeros(stitching["window_samples"] + count)])
        self.begin()
        fed = [self.features(padded[i * hop :][: stitching["window_samples"]].astype(np.float32)) for i in range(count)]
        outputs = [self.run(features) for features in fed]
        made = {"recording/samples": samples, "inputs/features": np.stack(fed)}
        for name, how in stitching["outputs"].items():
            first, kept, step = how["first_frame"], how["kept_frames"], how["samples_per_frame"]
            frames = np.concatenate([one[name][0, first : first + kept] for one in outputs])
            kept_of = [(w, f) for w in range(count) for f in range(first, first + kept)]
            places = [w * stitching["hop_samples"] + f * step - lead_in for w, f in kept_of]
            made[name] = frames[: sum(place < len(samples) for place in places)]
        return made

    @property
    def gain(self) -> np.float32:
        return np.float32(0.5 if self.fault == "gain 0.5" else 1)

    def resample(self, path: Path) -> Any:
        with wave.open(str(path)) as file:
            rate, values = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
        wanted, samples = self.manifest["audio"]["sample_rate_hz"], values.astype(np.float32) / 32768
        if self.fault == "wrong resampler":
            times = np.arange(len(samples) * wanted // rate) * rate / wanted
            return np.interp(times, np.arange(len(samples)), samples).astype(np.float32)
        return soxr.resample(samples, rate, wanted, quality=self.manifest["integration"]["resampler"]["quality"])

    def features(self, window: Any) -> Any:
        spec = self.manifest["frontend"]["spec"]
        assert (spec["kind"], spec["edges"], spec["padding"], spec["log"]) == ("spectrogram", "centre", "zero", "ln")
        n_fft, hop = spec["n_fft"], spec["hop_length"]
        periodic = spec["window_symmetry"] == "periodic" and self.fault != "symmetric window"
        hann = np.hanning(n_fft + periodic)[:n_fft].astype(np.float32)
        padded = np.pad(window.astype(np.float32), n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop] * hann
        power = np.abs(scipy.fft.rfft(frames, axis=1)) ** 2  # in float32, as an app computes it
        return np.log(power + np.float32(spec["floor"])).astype(np.float32)[None]


def call_tflite(bundle: Path) -> Call:
    """LiteRT by places, as the manifest tells them."""
    from ai_edge_litert.interpreter import Interpreter

    manifest = json.loads((bundle / "manifest.json").read_text())
    places = manifest["integration"]["call"]
    interpreter = Interpreter(model_path=str(bundle / manifest["file"]))
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def call(given: dict[str, Any]) -> dict[str, Any]:
        for name, place in places["inputs"].items():
            interpreter.set_tensor(inputs[place]["index"], given[name])
        interpreter.invoke()
        return {name: interpreter.get_tensor(outputs[place]["index"]) for name, place in places["outputs"].items()}

    return call
