"""Front ends: what an app computes of a window of audio before it calls a model that takes features.

`packager/frontend_spec.py` says every choice that changes a number, `computation.py` carries them out, on numpy
(`opening.py`: what an app would do) or inside a model's own graph (`folding.py`). `feeding.py` is the one place where a
window becomes what a model's input takes. `flavours.py` tells which choice another front end made differently.
"""
