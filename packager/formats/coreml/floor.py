"""The oldest iOS that runs a Core ML model: the specification version ties a model to a release."""

from __future__ import annotations

from packager.bundle import Floor
from packager.errors import PackagingError
from packager.versions import version_key

IOS_OF_SPECIFICATION = {1: "11", 2: "11.2", 3: "12", 4: "13", 5: "14", 6: "15", 7: "16", 8: "17", 9: "18", 10: "26"}
"""Core ML specification version → the release of iOS that brought it.

Source: coremltools 9.0, `Model.proto` (versions 1 to 9) and `coremltools.target` (10).
"""

IOS_OF_OPSET = {"CoreML5": "15", "CoreML6": "16", "CoreML7": "17", "CoreML8": "18", "CoreML9": "26"}
"""op set of an ML Program's function → release of iOS. Source: coremltools 9.0, `coremltools._OPSET`."""


def coreml_floor(specification_version: int, *, opset: str | None = None) -> Floor:
    """The oldest iOS that can run a Core ML model.

    Args:
        specification_version: `specificationVersion` of the model.
        opset: Op set of an ML Program's main function, for example `CoreML7`; it may be later than the specification.

    Raises:
        PackagingError: The version or the op set is unknown.
    """
    release = IOS_OF_SPECIFICATION.get(specification_version)
    if release is None:
        raise PackagingError(
            f"Core ML specification version {specification_version} is unknown; "
            f"right is 1 to {max(IOS_OF_SPECIFICATION)}"
        )
    because = f"specification version {specification_version} came with iOS {release}"
    if opset is not None:
        if opset not in IOS_OF_OPSET:
            raise PackagingError(f"Core ML op set {opset!r} is unknown; right is one of {', '.join(IOS_OF_OPSET)}")
        if version_key(IOS_OF_OPSET[opset]) > version_key(release):
            release = IOS_OF_OPSET[opset]
            because = f"op set {opset} came with iOS {release}"
    return Floor(platform="ios", minimum_os=f"iOS{release}", minimum_runtime=None, because=because)
