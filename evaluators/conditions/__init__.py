"""What happens to audio before a model hears it, one file each: `CONDITION` is the class.

A package of somebody else's adds one by an entry point of the group `testpress.conditions`.
"""
