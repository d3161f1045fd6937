"""PyTorch's files: exported programs (.pt2), TorchScript, checkpoints. What can run code is refused without trust."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.sources.archives import check_zip
from packager.sources.torch_archives import HoldsCodeError, load_program, load_script
from packager.sources.trust import HOW_TO_TRUST


def load_checkpoint(path: Path, *, trust: bool) -> Any:
    """The contents of a checkpoint: tensors and plain containers, or, with `trust`, any pickle.

    Args:
        path: A `.safetensors` file, TorchScript, which is given as a module, or what `torch.save` wrote.
        trust: Whether pickled objects of any class may be made.

    Raises:
        PackagingError: It cannot be read, or holds a pickle and is not trusted.
    """
    import torch

    try:
        if path.suffix == ".safetensors":  # by its suffix, as torch.load has it too, whatever is in it
            from safetensors.torch import load_file

            return load_file(path)
        if is_torchscript(path):
            return load_script(path, trust=trust)
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except PackagingError:
        raise
    except Exception as fault:
        raise _refusal(path, fault, trust=trust) from fault


def load_module(path: Path, *, trust: bool) -> Any:
    """A model from a file: `torch.export.ExportedProgram`, `torch.jit.ScriptModule` or, with `trust`, a pickled module.

    Raises:
        PackagingError: It cannot be read, needs trust, or holds no model.
    """
    import torch

    try:
        if is_torchscript(path):
            return load_script(path, trust=trust)
        if path.suffix == ".pt2":
            return load_program(path, trust=trust)
    except PackagingError:
        raise
    except Exception as fault:
        raise _refusal(path, fault, trust=trust) from fault
    if not trust:
        raise PackagingError(_needs_trust(path))
    found = load_checkpoint(path, trust=True)
    if not isinstance(found, torch.nn.Module):
        raise PackagingError(
            f"{path}: holds a {type(found).__name__}, not a model: write a factory that builds the model and takes the "
            'checkpoint, as source = "python:module:factory", and name this file as model.weights'
        )
    return found


def reload_scripts(model: Any) -> Any:
    """A module whose scripted and traced parts, or which itself, are as their files would give them.

    What was scripted in this process still has its Python class, whose `forward` torch.export calls wrongly; and
    torch.export refuses TorchScript's weights, which are no nn.Parameter, where it sees them.

    Args:
        model: A module as a factory returns it; its scripted parts are replaced in place.
    """
    import io

    import torch

    class Hidden(torch.nn.Module):
        """A scripted part, whose weights are no part of the module's."""

        def __init__(self, script: Any) -> None:
            super().__init__()
            self.script = [script]

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return self.script[0](*args, **kwargs)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.__dict__["script"][0], name)

    if isinstance(model, torch.jit.ScriptModule):
        written = io.BytesIO()
        torch.jit.save(model, written)
        written.seek(0)
        return torch.jit.load(written, map_location="cpu")  # type: ignore[no-untyped-call]
    for name, part in model.named_children():
        found = reload_scripts(part)
        if found is not part:
            setattr(model, name, Hidden(found))
    return model


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, by torch's own rule and with its own reader.

    Raises:
        PackagingError: It is an archive that another reader would see otherwise, or that would exhaust memory.
    """
    import torch

    with path.open("rb") as file:
        starts = file.read(4) == b"PK\3\4"
    if not starts and zipfile.is_zipfile(path):
        raise PackagingError(
            f"{path}: has a ZIP archive behind something else, so that two readers see two files; give one that is "
            "either of them"
        )
    if not starts:
        return False
    check_zip(path)
    records = torch._C.PyTorchFileReader(str(path)).get_all_records()
    return "constants.pkl" in records and path.suffix != ".pt2"


def _refusal(path: Path, fault: Exception, *, trust: bool) -> PackagingError:
    import pickle

    cause: BaseException | None = fault
    while cause is not None and not isinstance(cause, HoldsCodeError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return PackagingError(_needs_trust(path, str(cause)))
    if isinstance(fault, pickle.UnpicklingError) and not trust and _is_pickle(path):
        return PackagingError(_needs_trust(path))
    first = (str(fault).strip().splitlines() or ["no message"])[0][:300]
    return PackagingError(
        f"{path}: PyTorch cannot load it; it may be damaged or of another version: {type(fault).__name__}: {first}"
    )


def _is_pickle(path: Path) -> bool:
    """Whether it is an archive of torch.save or a bare pickle, and not some other file that merely fails to load."""
    with path.open("rb") as file:
        return zipfile.is_zipfile(file) or (file.seek(0) == 0 and file.read(1) == b"\x80")


def _needs_trust(path: Path, what: str = "pickled Python objects") -> str:
    return f"{path}: holds {what}, and loading that can run any code; {HOW_TO_TRUST}"
