"""A TFLite runtime in a process with a Python of its own: `program.py` is what runs there, `process.py` asks it."""
