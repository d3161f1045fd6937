"""The report as text: one file a renderer."""
