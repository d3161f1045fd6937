"""testpress: package audio models for phones, play them on emulated targets, judge them before release."""

__version__ = "0.1.0"
