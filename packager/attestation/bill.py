"""The bill of materials of a bundle: what it holds, what it was made from and what made it, as CycloneDX JSON.

It says nothing of when or where, so that the same input gives the same bytes. It holds the SHA-256 of every file but
the manifest's, which holds the bill's own.
"""

from __future__ import annotations

import importlib.metadata
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packager.bundle import FileDigest, Manifest
from packager.licences import LICENSE_NAME
from packager.model import ModelSource
from packager.storage import digest_bytes

if TYPE_CHECKING:
    from cyclonedx.model import HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

BILL_NAME = "sbom.cdx.json"
WRITERS = ("cyclonedx-python-lib", "testpress")
"""the packages that write the bill; all other tools of a manifest had a hand in the conversion"""


def add_bill(folder: Path, manifest: Manifest, source: ModelSource) -> Manifest:
    """Write a bundle's bill of materials.

    Args:
        folder: The bundle's, with all its files but the manifest.
        manifest: What will be written as its manifest.
        source: What the bundle was made from.

    Returns:
        The manifest with the bill among its files.
    """
    data = dump_bill(manifest, source).encode()
    (folder / BILL_NAME).write_bytes(data)
    digest = FileDigest(sha256=digest_bytes(data), size_bytes=len(data))
    return manifest.model_copy(update={"files": {**manifest.files, BILL_NAME: digest}})


def dump_bill(manifest: Manifest, source: ModelSource) -> str:
    """A bundle's bill of materials as CycloneDX 1.6 JSON: same manifest and source, same bytes.

    Source: CycloneDX 1.6 (ECMA-424).
    """
    from cyclonedx.output.json import JsonV1Dot6

    bill = json.loads(JsonV1Dot6(_make_bill(manifest, source)).output_as_string())
    del bill["metadata"]["timestamp"]  # the library always writes one
    return json.dumps(bill, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _make_bill(manifest: Manifest, source: ModelSource) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.tool import ToolRepository

    tools = {name: _describe_tool(name, version) for name, version in manifest.tools.items()}
    bundle = _describe_bundle(manifest)
    parts = [
        _describe_source(manifest, source),
        *(_describe_weights(name, digest) for name, digest in source.weights_files.items()),
        *_describe_files(manifest),
        *(tool for name, tool in tools.items() if name not in WRITERS),
    ]
    writers = [tools[name] for name in WRITERS if name in tools]
    bill = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, manifest.key),
        metadata=BomMetaData(component=bundle, tools=ToolRepository(components=writers)),
        components=parts,
    )
    bill.register_dependency(bundle, parts)
    return bill


def _describe_bundle(manifest: Manifest) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    facts = {
        "key": manifest.key,
        "variant": manifest.variant,
        "format": manifest.format,
        "precision": manifest.precision,
    }
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"bundle:{manifest.variant}",
        name=manifest.model.name,
        version=manifest.model.version,
        licenses=_name_licences([manifest.model.license]),
        properties=[*_properties(facts), *(_property("rewrite", name) for name in manifest.rewrites)],
    )


def _describe_source(manifest: Manifest, source: ModelSource) -> Component:
    """The source model, with its files within it."""
    from cyclonedx.model.component import Component, ComponentScope, ComponentType

    stated = manifest.source
    facts = {"role": "source", "framework": stated.framework, "digest": stated.sha256}
    if stated.signature is not None:
        facts["signature"] = stated.signature
    files = [
        Component(type=ComponentType.FILE, bom_ref=f"source:{name}", name=name, hashes=_hashes(digest))
        for name, digest in source.files.items()
    ]
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref="source",
        name=stated.uri,
        version=manifest.model.version,
        description="What the bundle was made from; its digest is over all its files, by name and content",
        scope=ComponentScope.EXCLUDED,
        licenses=_name_licences([manifest.model.license]),
        properties=_properties(facts),
        components=files,
    )


def _describe_weights(name: str, digest: FileDigest) -> Component:
    from cyclonedx.model.component import Component, ComponentScope, ComponentType

    return Component(
        type=ComponentType.FILE,
        bom_ref=f"weights:{name}",
        name=name,
        description="The checkpoint that the source model was built with",
        scope=ComponentScope.EXCLUDED,
        hashes=_hashes(digest),
        properties=_properties({"role": "source weights"}),
    )


def _describe_files(manifest: Manifest) -> Iterator[Component]:
    from cyclonedx.model.component import Component, ComponentScope, ComponentType

    roles = _find_roles(manifest)
    for name, digest in manifest.files.items():
        yield Component(
            type=ComponentType.FILE,
            bom_ref=f"file:{name}",
            name=name,
            scope=ComponentScope.REQUIRED if name in roles else ComponentScope.OPTIONAL,
            hashes=_hashes(digest),
            properties=_properties({"role": roles.get(name, "golden vector"), "size_bytes": str(digest.size_bytes)}),
        )


def _find_roles(manifest: Manifest) -> dict[str, str]:
    """Which files are the model's, which hold its weights, where these are files of their own, and its licence."""
    model = [name for name in manifest.files if PurePosixPath(name).parts[0] == manifest.file]
    weights = [name for name in model if "weights" in PurePosixPath(name).parts]
    whole = "model" if weights else "model with weights"
    licence = {LICENSE_NAME: "licence"} if LICENSE_NAME in manifest.files else {}
    return {**{name: "weights" if name in weights else whole for name in model}, **licence}


def _describe_tool(name: str, version: str) -> Component:
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from packageurl import PackageURL

    try:
        licences = read_licences(importlib.metadata.metadata(name))
    except importlib.metadata.PackageNotFoundError:
        return Component(type=ComponentType.LIBRARY, bom_ref=f"tool:{name}", name=name, description=version)
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=f"tool:{name}",
        name=name,
        version=version,
        scope=ComponentScope.EXCLUDED,
        purl=PackageURL("pypi", None, name, version),
        licenses=_name_licences(licences),
        properties=_properties({"role": "tool"}),
    )


def read_licences(metadata: importlib.metadata.PackageMetadata) -> list[str]:
    """What an installed package says of its licence: the expression, else one line of text, else its classifiers.

    Source: core metadata 2.4, License-Expression, License and Classifier.
    """
    said: Sequence[str] = [metadata["License-Expression"] or "", metadata["License"] or ""]
    lines = [text.strip() for text in said if text.strip() and "\n" not in text.strip()]
    if lines:
        return lines[:1]
    classifiers = [text for text in metadata.get_all("Classifier", []) if text.startswith("License ::")]
    return sorted({text.rpartition(" :: ")[2] for text in classifiers})


def _name_licences(said: Sequence[str]) -> list[License]:
    """SPDX ids and expressions as such, anything else as a name."""
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(text) for text in said if text.strip()]


def _hashes(digest: FileDigest) -> list[HashType]:
    from cyclonedx.model import HashAlgorithm, HashType

    return [HashType(alg=HashAlgorithm.SHA_256, content=digest.sha256)]


def _properties(facts: Mapping[str, str]) -> list[Property]:
    return [_property(name, value) for name, value in facts.items()]


def _property(name: str, value: str) -> Property:
    from cyclonedx.model import Property

    return Property(name=f"testpress:{name}", value=value)
