"""Odd and damaged input against the real command: `python -m tests.fuzz --help`.

An input is a kind, a seed and an index: these three decide its bytes. It goes through `testpress.__main__.main` in a
process forked from one in which the light modules are imported already, in a folder of its own with canaries around
it. What comes of it is held against what the command promises: one of four exit codes, one message, no traceback, no
signal, an end within a minute, little memory, nothing written beside the output, and no sign that a terminal or a CI
log would obey.
"""
