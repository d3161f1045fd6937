"""Versions of TFLite's runtime that apps ship, each in a process of its own with the packages it needs."""
