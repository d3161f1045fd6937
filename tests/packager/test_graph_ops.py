"""Ops of TensorFlow: each one of its registry is classed, and those that leave the graph's memory are refused."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest

from packager.jobs.workers import Job, Limits, run_job
from packager.sources.graph_ops import HARMLESS, REFUSED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="tf-keras is not installed"),
]


REFUSED_OPS = """
    ReadFile WriteFile MatchingFiles SaveV2 RestoreV2 MergeV2Checkpoints PyFunc EagerPyFunc PyFuncStateless DumpTensor
    InitializeTableFromTextFileV2 TFRecordDataset TextLineDataset SnapshotDataset LoadDataset CacheDatasetV2 IteratorV2
    WholeFileReaderV2 GeneratorDataset DatasetFromGraph DebugIdentityV3 ImmutableConst DecodeProtoV2 ImportEvent
    CreateSummaryFileWriter WriteSummary RpcCall RemoteCall _Send XlaCustomCallV2 XlaCallModule LoadAndRemapMatrix
    FixedUnigramCandidateSampler CalibrationStatisticsSaver Abort
"""
HARMLESS_OPS = """
    MatMul Conv2D Einsum FFT RFFT ReadVariableOp VarHandleOp AssignVariableOp StatefulPartitionedCall While If Const
    Placeholder TensorListSetItem TensorArrayWriteV3 RandomUniform StringJoin LookupTableFindV2 ResourceGather Bucketize
    FakeQuantWithMinMaxVars CudnnRNNV3 Assert Print NoOp Identity SymbolicGradient
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("graphs")
    request = {"folder": str(folder)}
    return run_job(Job("tests.packager.registry_jobs:walk_graphs", request, folder / "log.txt", Limits(time_s=300)))


def test_every_op_is_classed_and_every_rule_covers_one(walked: list[dict[str, Any]]) -> None:
    """An op of a newer TensorFlow fails here: look at what it does, and name it in a rule."""
    ops = walked[0]["ops"]
    assert len(ops) > 1000
    unknown = {"is not known here", "is not an op of this TensorFlow"}
    assert [name for name, reason in ops.items() if reason in unknown] == []
    for rule in (*REFUSED, *HARMLESS):
        assert any(re.fullmatch(rule.names, name) for name in ops), rule
    assert [name for name in REFUSED_OPS.split() if ops[name] is None] == []
    assert [name for name in HARMLESS_OPS.split() if ops[name] is not None] == []


def test_savers_of_ordinary_models_are_passed_over(walked: list[dict[str, Any]]) -> None:
    assert len(walked) > 1
    for event in walked[1:]:
        assert event["saves"], event["name"]
        assert event["fault"] is None
