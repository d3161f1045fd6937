"""An Android phone's CPU: the phone's own build of the runtime, executed by QEMU as a core of a named type would.

QEMU translates Arm's instructions one by one, with the rounding that Arm's manual asks for, so that float16 arithmetic,
dot products and the kernels that XNNPACK picks for a core are those of the phone. It tells nothing of time.
"""
