"""coremltools' own tests on this project's emulator: `python -m tests.conformance --help`.

coremltools ships its tests in its wheel. On macOS they convert a small ML Program, run it in Core ML and compare with
the expected arrays; elsewhere they compare nothing. Here they run where they are installed, with
`testpress.enable_coreml_predict` on. A case counts only if it had a model loaded or run. Cases of other model formats
than ML Programs do not count.
"""
