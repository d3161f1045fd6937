"""The program that loads a model with a runtime and plays it, beside testpress or inside an emulation.

It is run by a Python of its own, which has numpy and the runtime and nothing of testpress. It is asked on standard
input and answers on what was standard output; whatever libraries print goes to standard error. A message is the length
of its head in four bytes, the head as JSON, and the bytes of the arrays that the head's `arrays` lists, in their order.
The first question says which model.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

BEGIN, END = 0x5EED0001, 0x5EED0002
"""what the counter of instructions looks for, as the process of a call that does nothing else"""


def main() -> None:
    """Answer until nobody asks."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions = os.fdopen(os.dup(0), "rb")
    first = receive_head(questions)
    if first is None:
        return
    sys.path.insert(0, first["site"])
    try:
        model = Model(first["model"], first["threads"], first["signature"], first["module"])
        send(answers, model.describe(), [])
    except (ValueError, RuntimeError) as fault:
        send(answers, {"fault": str(fault)}, [])
        return
    while True:
        asked = receive(questions)
        if asked is None:
            return
        head, inputs = asked
        try:
            if head["do"] == "reset":
                model.reset()
                send(answers, {"arrays": []}, [])
            else:
                outputs = model.run(inputs, marked=head["do"] == "count")
                send(answers, {"arrays": [describe(name, value) for name, value in outputs]}, [v for _, v in outputs])
        except (ValueError, RuntimeError) as fault:
            send(answers, {"fault": str(fault)}, [])


class Model:
    """The model, called by the names of a signature, or where it has none by those of its tensors."""

    def __init__(self, path: str, threads: int, signature: str | None, module: str) -> None:
        """Load it."""
        self.interpreter = importlib.import_module(module).Interpreter(model_path=path, num_threads=threads)
        signatures = self.interpreter.get_signature_list()
        if signatures:
            self.runner = self.interpreter.get_signature_runner(signature)
            self.inputs, self.outputs = self.runner.get_input_details(), self.runner.get_output_details()
        else:
            self.runner = None
            self.inputs = name(self.interpreter.get_input_details(), "input")
            self.outputs = name(self.interpreter.get_output_details(), "output")
        self.has_run = False

    def reset(self) -> None:
        """Begin anew; before the first call variables have no memory, which the runtime takes for a fault."""
        if self.has_run:
            self.interpreter.reset_all_variables()

    def describe(self) -> dict[str, Any]:
        """Its inputs and outputs."""
        return {"inputs": list(map(explain, self.inputs.items())), "outputs": list(map(explain, self.outputs.items()))}

    def run(self, inputs: Mapping[str, Any], *, marked: bool) -> list[tuple[str, Any]]:
        """One call; marked, the instructions of the invocation alone are counted."""
        self.has_run = True
        if marked:
            wrapper = self.interpreter._interpreter
            self.run(inputs, marked=False)  # what is done once is not counted
            # Signature runners hold the wrapper by themselves.
            holder = self.interpreter if self.runner is None else self.runner
            field = "_interpreter" if self.runner is None else "_interpreter_wrapper"
            setattr(holder, field, Marked(wrapper))
            try:
                return self.run(inputs, marked=False)
            finally:
                setattr(holder, field, wrapper)
        if self.runner is not None:
            return [(key, as_array(value)) for key, value in self.runner(**inputs).items()]
        for key, value in inputs.items():
            detail = self.inputs[key]
            if tuple(value.shape) != tuple(detail["shape"]):
                self.interpreter.resize_tensor_input(detail["index"], value.shape, strict=True)
        self.interpreter.allocate_tensors()
        for key, value in inputs.items():
            self.interpreter.set_tensor(self.inputs[key]["index"], value)
        self.interpreter.invoke()
        return [(key, as_array(self.interpreter.get_tensor(one["index"]))) for key, one in self.outputs.items()]


class Marked:
    """The runtime, whose invocations stand between two marks."""

    def __init__(self, wrapper: Any) -> None:
        """Stand in front of it."""
        self.wrapper = wrapper

    def __getattr__(self, called: str) -> Any:
        return getattr(self.wrapper, called)

    def Invoke(self, *given: Any) -> Any:  # noqa: N802  (the runtime's name)
        """As the runtime's."""
        mark(BEGIN)
        try:
            return self.wrapper.Invoke(*given)
        finally:
            mark(END)


def mark(number: int) -> None:
    """Ask the kernel for the priority of a process that there is not."""
    with contextlib.suppress(OSError):
        os.getpriority(os.PRIO_PROCESS, number)


def as_array(value: Any) -> Any:
    """An output; text, which the runtime gives as objects, as bytes."""
    import numpy as np

    array = np.asarray(value)
    return array.astype(np.bytes_) if array.dtype.kind in "OU" else array


def name(details: Sequence[Mapping[str, Any]], role: str) -> dict[str, Any]:
    """Tensors by their names; those that have none or share one by their place."""
    names = [detail["name"] for detail in details]
    unique = [each if each and names.count(each) == 1 else f"{role}_{place}" for place, each in enumerate(names)]
    return dict(zip(unique, details, strict=True))


def explain(item: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An input or output, as the other side reads it."""
    import numpy as np

    called, detail = item
    scale, zero = detail.get("quantization", (0.0, 0))
    shape = detail.get("shape_signature", detail["shape"])
    return {
        "name": called,
        "shape": [int(size) for size in shape],
        "dtype": np.dtype(detail["dtype"]).name,
        "scale": float(scale),
        "zero_point": int(zero),
    }


def describe(called: str, value: Any) -> dict[str, Any]:
    """An array, as the other side reads it."""
    return {"name": called, "dtype": value.dtype.str, "shape": list(value.shape)}


def send(stream: BinaryIO, head: Mapping[str, Any], arrays: Sequence[Any]) -> None:
    """Write one message."""
    import numpy as np

    text = json.dumps(head).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    for value in arrays:
        stream.write(np.ascontiguousarray(value).tobytes())
    stream.flush()


def receive_head(stream: BinaryIO) -> dict[str, Any] | None:
    """Read the head of a message; None where nobody asks any more."""
    length = stream.read(4)
    if len(length) < 4:
        return None
    head: dict[str, Any] = json.loads(stream.read(struct.unpack("<I", length)[0]))
    return head


def receive(stream: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Read one message; None where nobody asks any more."""
    import numpy as np

    head = receive_head(stream)
    if head is None:
        return None
    arrays = {}
    for one in head.get("arrays", ()):
        dtype = np.dtype(one["dtype"])
        size = dtype.itemsize
        for axis in one["shape"]:
            size *= axis
        arrays[one["name"]] = np.frombuffer(stream.read(size), dtype).reshape(one["shape"])
    return head, arrays


if __name__ == "__main__":
    main()
