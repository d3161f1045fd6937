"""TensorFlow to Core ML, as an ML Program."""

from __future__ import annotations

from pathlib import Path

from packager.compression import Context
from packager.compression.coreml import converter_options
from packager.converters import Write
from packager.errors import PackagingError
from packager.mlpackage import import_coremltools, save_package
from packager.rewrites.tensorflow import register_tensorflow_lowerings
from packager.sources.tensorflow import INPUT_NAME, TensorFlowSource


def prepare(source: TensorFlowSource, context: Context) -> Write:
    """Convert with coremltools, once a precision; the features carry the source's names."""
    ct = import_coremltools()

    def write(precision: str, path: Path) -> tuple[str, ...]:
        applied = register_tensorflow_lowerings()
        try:
            model = ct.convert(
                [source.function],
                source="tensorflow",
                convert_to="mlprogram",
                inputs=[ct.TensorType(name=INPUT_NAME, shape=source.input.shape)],
                skip_model_load=True,
                **converter_options(precision, context.minimum_deployment_target),
            )
            spec = model.get_spec()
            for name, native in source.native_names.items():
                ct.utils.rename_feature(spec, native, name)
        except PackagingError:
            raise
        except Exception as fault:
            raise PackagingError(f"coremltools: {type(fault).__name__}: {fault}") from fault
        save_package(spec, Path(model.weights_dir), path)
        return tuple(sorted(applied))

    return write
