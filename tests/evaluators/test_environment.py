from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys

from device_profiles.record import dump_json
from evaluators.environment import describe_environment


def test_it_says_what_is_installed_and_nothing_else() -> None:
    environment = describe_environment({"mir_eval": importlib.metadata.version("mir_eval")})
    assert environment.packages["numpy"] == importlib.metadata.version("numpy")
    assert environment.packages["mir_eval"] == importlib.metadata.version("mir_eval")
    for name, version in environment.packages.items():
        assert importlib.metadata.version(name) == version
    assert environment.python == platform.python_version()
    assert environment.cores == os.cpu_count()
    assert environment.platform.startswith(platform.system())
    assert environment.processor.strip()


def test_it_is_the_same_the_second_time() -> None:
    """Results are kept under it."""
    assert dump_json(describe_environment()) == dump_json(describe_environment())


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from evaluators.environment import describe_environment; describe_environment();"
        "print(*(name for name in ('torch', 'tensorflow', 'coremltools', 'ai_edge_litert') if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
