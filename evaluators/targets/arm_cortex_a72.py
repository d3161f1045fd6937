"""LiteRT with the kernels that it picks on a Cortex-A72, which QEMU executes."""

from __future__ import annotations

from evaluators.emulators.arm.player import make_player

PLAYER = make_player("cortex_a72")
