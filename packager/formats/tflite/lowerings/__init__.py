"""Lowerings for the converter of litert-torch."""
