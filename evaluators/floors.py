"""The floor of any model file, ready-made ones included."""

from __future__ import annotations

from pathlib import Path

from device_profiles.profile import DeviceProfile
from evaluators.costs.graph import Graph
from evaluators.emulators import format_of
from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.protobuf import parse_model
from packager.bundle import Floor
from packager.floors import coreml_floor, meets, tflite_floor


def read_floor(path: Path) -> Floor:
    """The oldest runtime or system that can run a model file.

    Raises:
        TestpressError: The file is damaged or of an unknown version.
    """
    if format_of(path) == "tflite":
        return tflite_floor(path.read_bytes())
    specification = open_package(path).specification
    model = parse_model(specification.read_bytes(), str(specification))
    functions = model.mlProgram.functions
    opset = functions["main"].opset if "main" in functions else None
    return coreml_floor(model.specificationVersion, opset=opset)


def runs_on(graph: Graph, floor: Floor, profile: DeviceProfile) -> tuple[bool, str]:
    """Whether a phone runs a model with what its runtime holds, and one sentence why or why not."""
    good, reason = meets(floor, profile)
    if good and graph.needs:
        return False, f"only with {' and '.join(graph.needs)}, which neither phone nor runtime brings. {reason}"
    return good, reason
