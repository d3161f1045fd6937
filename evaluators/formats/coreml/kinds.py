"""Core ML models that are no ML Program: their kind, inputs and outputs, and what they say of themselves.

Neural networks, trees, pipelines and all that came before ML Programs have a description like theirs. A model that Core
ML compiled is a folder of its own, whose `metadata.json` says what Xcode shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_profiles.files import read_bytes
from evaluators.emulators.coreml.interface import ARRAY_TYPES, array_feature
from evaluators.emulators.coreml.package import COMPILED, open_package
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.errors import EvaluationError
from evaluators.formats.coreml.metadata import describe_coreml
from evaluators.formats.coreml.signatures import feature_port
from evaluators.formats.metadata import ModelMetadata, cut, with_rate
from evaluators.formats.reader import OtherKind
from evaluators.formats.signatures import Port, Signature
from packager.formats.coreml.floor import coreml_floor

_MOST = 256
_MOST_BYTES = 4 * 2**20


_PIPELINE = "pipeline of "


def read_other_kind(path: Path) -> OtherKind | None:
    """The interface of a Core ML model of another kind; none of an ML Program.

    Raises:
        TestpressError: The file is damaged.
    """
    if path.suffix == COMPILED:
        return _compiled(path)
    specification = open_package(path).specification
    model = parse_model(specification.read_bytes(), str(specification))
    which = model.WhichOneof("Type")
    if which in (None, "mlProgram"):
        return None
    description = model.description
    inputs, outputs = (
        tuple(_port(feature) for feature in list(side)[:_MOST]) for side in (description.input, description.output)
    )
    kind = _kind(model, which)
    return OtherKind(
        kind=kind,
        is_run=_is_run(kind),
        refusal=_refuse(kind),
        signature=Signature(name="main", inputs=inputs, outputs=outputs),
        floor=coreml_floor(model.specificationVersion),
        metadata=describe_coreml(model),
    )


def _kind(model: Any, which: str) -> str:
    held = getattr(model, which)
    parts = getattr(held, "pipeline", held)
    models = list(getattr(parts, "models", ()))[:_MOST]
    return f"{which} of {', '.join(str(part.WhichOneof('Type')) for part in models)}" if models else which


def _is_run(kind: str) -> bool:
    """Whether the emulator runs a model of another kind: pipelines of ML Programs alone."""
    return kind.startswith(_PIPELINE) and set(kind.removeprefix(_PIPELINE).split(", ")) == {"mlProgram"}


def _refuse(kind: str) -> str:
    return f"holds a {kind}; what is run and counted here is an ML Program (mlProgram)"


def _port(feature: Any) -> Port:
    kind = feature.type.WhichOneof("Type") or "untyped"
    note = "optional" if feature.type.isOptional else ""
    name = cut(feature.name)
    if kind == "multiArrayType" and feature.type.multiArrayType.dataType in ARRAY_TYPES:
        port = feature_port(array_feature(feature, feature.type.multiArrayType, name))
        return port.model_copy(update={"name": name})
    if kind == "imageType":
        image = feature.type.imageType
        return Port(name=name, shape=(image.height, image.width), dtype="image", note=note)
    return Port(name=name, shape=(), dtype=kind.removesuffix("Type"), note=note)


def _compiled(path: Path) -> OtherKind:
    place = path / "metadata.json"
    try:
        found = json.loads(read_bytes(place, error=EvaluationError, most=_MOST_BYTES))
        said = found[0]
        version, outputs, inputs = said["specificationVersion"], said["outputSchema"], said["inputSchema"]
        user = said.get("userDefinedMetadata") or {}
        metadata = ModelMetadata(
            description=cut(str(said.get("shortDescription", ""))),
            version=cut(str(said.get("version", ""))),
            author=cut(str(said.get("author", ""))),
            license=cut(str(said.get("license", ""))),
            others={**_computed(said), **{cut(str(key)): cut(str(user[key])) for key in sorted(user)[:_MOST]}},
        )
        kind = f"compiled {cut(_model_type(said))}"
        return OtherKind(
            kind=kind,
            is_run=_is_run(kind),
            refusal=_refuse(kind),
            signature=Signature(name="main", inputs=_schema_ports(inputs), outputs=_schema_ports(outputs)),
            floor=coreml_floor(int(version)),
            metadata=with_rate(metadata),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as fault:
        raise EvaluationError(f"{place}: not what Core ML writes ({type(fault).__name__}: {fault})") from None


def _computed(said: Mapping[str, Any]) -> dict[str, str]:
    """What Core ML counted when it compiled: precisions, and ops by kind."""
    ops = said.get("mlProgramOperationTypeHistogram") or said.get("neuralNetworkLayerTypeHistogram") or {}
    found = {
        "storage precision": str(said.get("storagePrecision") or ""),
        "compute precision": str(said.get("computePrecision") or ""),
        "ops": ", ".join(f"{kind} {count}" for kind, count in sorted(ops.items(), key=lambda item: -int(item[1]))),
    }
    return {key: cut(text) for key, text in found.items() if text}


def _model_type(said: Mapping[str, Any]) -> str:
    kind = said.get("modelType", "model")
    name = str(kind.get("name", "model") if isinstance(kind, dict) else kind)
    return name.removeprefix("MLModelType_")


def _schema_ports(features: Any) -> tuple[Port, ...]:
    return tuple(_schema_port(feature) for feature in list(features)[:_MOST])


def _schema_port(feature: Mapping[str, Any]) -> Port:
    shape = tuple(int(size) for size in re.findall(r"\d{1,12}", str(feature.get("shape", "")))[:_MOST])
    note = cut(str(feature.get("shapeFlexibility") or ""))
    optional = "optional" if str(feature.get("isOptional")) == "1" else ""
    return Port(
        name=cut(str(feature["name"])),
        shape=shape,
        dtype=cut(str(feature.get("dataType") or feature.get("type") or "")).lower(),
        note="; ".join(part for part in (note, optional) if part),
    )
