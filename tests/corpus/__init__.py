"""Audio architectures with random weights, to convert: `catalog.py` lists them.

Each is written as its author would write it, awkward parts included, and none is simplified so that it converts. A
recipe in this folder names one as `source = "python:keyword_spotting:ds_cnn"`.
"""
