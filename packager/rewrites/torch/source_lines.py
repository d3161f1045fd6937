"""Where in the user's source a node of a program comes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.fx import Node

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+?)(?:, code:|\n)(?P<code>[^\n]*)')


def source_line(node: Node) -> str:
    """Say where in the user's source a node comes from: the innermost line outside torch, as `file:line: code`."""
    frames = [match.groupdict() for match in _FRAME.finditer(str(node.stack_trace or ""))]
    users = [frame for frame in frames if "/site-packages/torch/" not in frame["file"]]
    if not frames:
        return f"node {node.name}"
    frame = (users or frames)[-1]
    return f"{Path(frame['file']).name}:{frame['line']} in {frame['function']}: {frame['code'].strip()}"
