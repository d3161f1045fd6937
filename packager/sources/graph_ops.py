"""Which ops of a TensorFlow graph may run without trust: every op of its registry is classed here, with the reason.

A graph is data, but its ops are not all arithmetic: some read and write files by name, call Python, talk to other
processes or end this one. What is refused is listed first and has the last word; then what is harmless by name; what
neither list names is harmless if its own definition shows that it takes and gives nothing but numbers. An op that none
of this covers is refused, so that an op of a newer TensorFlow waits for somebody to look at it.

Source: the op registry of TensorFlow 2.21 (`TF_GetAllOpList`), read whole, and the kernels' sources where a name left
doubt.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """A reason, and a pattern that matches the whole names of the ops it covers."""

    reason: str
    names: str


REFUSED = (
    Rule("reads or writes a file by name", r"ReadFile|WriteFile|MatchingFiles"),
    Rule("writes a file by name", r"Save(V2|Slices)?|MergeV2Checkpoints|DistributedSave|DumpTensor|ImportEvent"),
    Rule("writes a file by name", r"CalibrationStatisticsSaver"),
    Rule("reads a file by name", r"Restore(V2|Slice)?|DTensorRestoreV2|LoadAndRemapMatrix|GenerateVocabRemapping"),
    Rule("reads a file by name", r"InitializeTableFromTextFile(V2)?|FixedUnigramCandidateSampler|Skipgram|RecordInput"),
    Rule("maps a file into memory", r"ImmutableConst"),
    Rule("reads a descriptor from a file", r"DecodeProtoV2|EncodeProto"),
    Rule("reads files", r"\w*Reader(V2)?|Reader\w+"),
    Rule("reads or writes files, or runs graphs that it holds as bytes", r"\w*Dataset\w*|\w*Iterator\w*"),
    Rule(
        "belongs to input pipelines, which read files", r"WindowOp|CompressElement|UncompressElement|\w*ThreadPool\w*"
    ),
    Rule(
        "belongs to input pipelines, which read files",
        r"GetElementAtIndex|GetOptions|ComputeBatchSize|\w*MemoryCache|\w*StatsAggr\w*",
    ),
    Rule(
        "belongs to input pipelines, which read files", r"\w*SeedGenerator|DummyIterationCounter|ListSnapshotChunks\w*"
    ),
    Rule("writes event files", r"\w*Summary\w*Writer|Write\w*Summary|CreateSummary\w+"),
    Rule("sends tensors to files or sockets", r"DebugIdentity(V\d)?|DebugNanCount|DebugNumericSummary|Copy(Host)?"),
    Rule("runs Python", r"(Eager)?PyFunc(Stateless)?"),
    Rule("sets up file systems", r"FileSystemSetConfiguration"),
    Rule("ends the process", r"Abort"),
    Rule("talks to other processes", r"Rpc\w+|DeleteRpcFutureResource|RemoteCall|_?(Host)?(Send|Recv)|WorkerHeartbeat"),
    Rule("talks to other processes", r"Collective\w+|_?Nccl\w+|AllToAll|CrossReplicaSum|DTensor\w+|SyncDevice"),
    Rule(
        "waits for other parts of a program", r"\w*Queue(V2)?|Queue\w+|Barrier\w*|(Ordered)?Map(Clear|Peek|Size|Stage)"
    ),
    Rule("waits for other parts of a program", r"(Ordered)?Map(IncompleteSize|Unstage(NoKey)?)|(Uns|S)tage\w*|Batch"),
    Rule("waits for other parts of a program", r"Unbatch(Grad)?|BatchFunction|\w*Mutex\w*|Sleep(Identity)?Op"),
    Rule("shares tensors between sessions", r"(Get|Delete)Session\w+"),
    Rule("drives TPUs", r"\w*T[Pp][Uu]\w*|Infeed\w+|Outfeed\w+|Prelinearize(Tuple)?|\w*Dedup\w*|\w*SparseCore\w*"),
    Rule("drives TPUs", r"XlaSparseDenseMatmul\w+|(Get|Store)Minibatch\w+|ConvertToCooTensor|GlobalIterId"),
    Rule("drives TPUs", r"UpdateTaskIdAndGlobalCoreArray"),
    Rule(
        "runs code that is not this graph's ops",
        r"XlaCallModule|XlaCustomCall(V2)?|MlirPassthroughOp|_Xla(Run|Compile)",
    ),
    Rule("runs code that is not this graph's ops", r"_XlaCompileMlir\w+|_?XlaHostCompute(Mlir)?|XlaLaunch(V2)?"),
    Rule("talks to other devices", r"_?Xla(Send|Recv)\w*|_XlaAotOnlyVarHandleOp"),
    Rule("places tensors on other devices", r"Relayout|CopyToMesh"),
    Rule(
        "is an op of TensorFlow's own tests", r"ResourceCreateOp|ResourceInitializedOp|ResourceUsingOp|StubResource\w+"
    ),
    Rule("is an op of TensorFlow's own tests", r"FuncAttr|FuncListAttr|TestAttr|TestStringOutput|KernelLabel\w*|Fact"),
    Rule("is an op of TensorFlow's own tests", r"Namespace>TestStringOutput|Attr(Default|\w*)|DefaultAttrs|Foo\d|Old"),
    Rule(
        "is an op of TensorFlow's own tests", r"DevicePlacementOp|DtypeWithDefaultOp|FloatOutputStringOutput|NegTrain"
    ),
    Rule("is an op of TensorFlow's own tests", r"NInTwice|NPolymorphicRestrict\w+|OutTypeListRestrict|Ref(In|Out)\w*"),
    Rule("is an op of TensorFlow's own tests", r"TypeListRestrict|TwoRefsIn|StringListAttr|RequiresOlderGraphVersion"),
    Rule("is an op of TensorFlow's own tests", r"Restrict|BoostedTreesExampleDebugOutputs"),
)
"""what touches files, runs code, or leaves the process"""

HARMLESS = (
    Rule("calls functions of the same graph", r"(Stateful)?PartitionedCall|_?(Stateless)?(If|While|Case)|For|MapDefun"),
    Rule(
        "calls functions of the same graph",
        r"SymbolicGradient|Risc(Condition|While)|Xla(If|While|Scatter|VariadicSort)",
    ),
    Rule("calls functions of the same graph", r"Xla(Variadic)?Reduce(V2|Window)?|XlaSelectAndScatter"),
    Rule("is a loop's or a condition's frame", r"(Ref)?(Enter|Exit|Merge|NextIteration|Switch|Select|Identity)"),
    Rule("passes values in and out of functions", r"_(Device)?(Arg|Retval)"),
    Rule(
        "holds a variable in memory", r"VarHandleOp|_VarHandlesOp|Variable(V2|Shape)?|VarIsInitializedOp|\w*VariableOp"
    ),
    Rule("holds a variable in memory", r"Assign(Add|Sub)?|_ReadVariablesOp|IsVariableInitialized|DestroyResourceOp"),
    Rule("holds a variable in memory", r"(Destroy)?TemporaryVariable|DisableCopyOnRead|ReadVariableXlaSplitND"),
    Rule(
        "holds a variable in memory",
        r"AssignVariableXlaConcatND|\w*CountUpTo|MakeWeakResourceHandle|IsResourceHandle\w+",
    ),
    Rule("changes or reads part of a variable", r"(Resource)?(Scatter|Gather|StridedSliceAssign)\w*|TensorScatter\w+"),
    Rule("trains a variable", r"(Resource)?(Sparse)?Apply\w+|SdcaShrinkL1|SdcaFprint"),
    Rule("gathers gradients in memory", r"(Resource|Sparse)*(Conditional)?Accumulator\w*"),
    Rule(
        "holds a list, map, stack or set in memory", r"TensorArray\w*|TensorList\w*|EmptyTensor(List|Map)|TensorMap\w+"
    ),
    Rule(
        "holds a list, map, stack or set in memory",
        r"Stack((Close|Pop|Push)?(V2)?)|Optional\w+|\w+SetOperation|SetSize",
    ),
    Rule("holds a table in memory", r"(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|LookupTable\w+"),
    Rule("holds a table in memory", r"InitializeTable(V2)?"),
    Rule(
        "holds sparse, ragged or composite tensors",
        r"\w*(CSR)?SparseMatrix\w*|CompositeTensorVariant\w+|RaggedTensor\w+",
    ),
    Rule("holds sparse, ragged or composite tensors", r"(Des|S)erialize(Many)?Sparse|(Add|Take)(Many)?Sparse\w+Map"),
    Rule(
        "draws random numbers", r"Random(StandardNormal|Uniform(Int)?|Gamma|Poisson(V2)?|Shuffle|Crop)|TruncatedNormal"
    ),
    Rule("draws random numbers", r"ParameterizedTruncatedNormal|Multinomial|Stateful\w+|NonDeterministicInts|Rng\w+"),
    Rule("draws random numbers", r"StatelessRandomGetAlg|\w+CandidateSampler|SampleDistortedBoundingBox(V2)?"),
    Rule(
        "checks values, and says so in an error or the log",
        r"Assert|CheckNumerics(V2)?|PreventGradient|Print|Timestamp",
    ),
    Rule("tells how it is run", r"DeviceIndex|GraphDefVersion|IsTensorFloat32Enabled|GuaranteeConst"),
    Rule(
        "makes or copies tensors",
        r"Empty|DeepCopy|_?ParallelConcatStart|_ScopedAllocator\w*|AddN|Conj|DebugGradientRef\w+",
    ),
    Rule(
        "is arithmetic whose form a text names",
        r"(Xla)?Einsum|_MklEinsum|CustomAggregator|DataFormat\w+|ExtractGlimpse\w*",
    ),
    Rule("is arithmetic whose form a text names", r"ImageProjectiveTransform\w+|ScaleAndTranslate(Grad)?|GatherNd"),
    Rule("is arithmetic whose form a text names", r"Xla(Conv|Dot)(V2)?|Xla(Gather|Svd|Dequantize|Sharding)|XlaSpmd\w+"),
    Rule("is arithmetic whose form a text names", r"UniformQuantizedConvolution(Hybrid)?|_Fused\w+|_QuantizedMatMul"),
    Rule("is arithmetic whose form a text names", r"_+Mkl\w*|_UnaryOpsComposition|CudnnRNN\w*|ScatterNdNonAliasingAdd"),
    Rule("is arithmetic on what may be text", r"Add|Reverse(V2)?|RaggedCross|SparseCross(Hashed|V2)?|Fingerprint"),
    Rule("makes text or numbers of text in memory", r"String\w+|Static?Regex\w+|Regex\w+|Unicode\w+|AsString|Substr"),
    Rule("makes text or numbers of text in memory", r"ReduceJoin|UnsortedSegmentJoin|ShardedFile(name|spec)"),
    Rule(
        "decodes or encodes bytes in memory",
        r"Decode(AndCropJpeg|Base64|Bmp|CSV|Compressed|Gif|Image|JSONExample|Jpeg)",
    ),
    Rule(
        "decodes or encodes bytes in memory", r"Decode(Jxl|PaddedRaw|Png|Raw|Wav|WebP)|Encode(Base64|Jpeg\w*|Png|Wav)"
    ),
    Rule("decodes or encodes bytes in memory", r"ExtractJpegShape|Parse(Single)?(Sequence)?Example(V2)?|ParseTensor"),
    Rule("decodes or encodes bytes in memory", r"SerializeTensor|\w*Summary(V2)?"),
    Rule("is a forest of decisions in memory", r"(Is)?BoostedTrees\w+"),
)
"""what keeps state or takes text, and still touches nothing but this graph's memory"""

_STREAMS = re.compile(rb"stdout|stderr|log\((info|warning|error)\)")
"""where `PrintV2` may write; it takes `file://` and a path too"""

_TEXT, _RESOURCE, _VARIANT = 7, 20, 21
"""numbers of `types.proto`"""


@functools.lru_cache(maxsize=4096)
def explain_refusal(op: str) -> str | None:
    """Why an op may not run without trust; None where it may.

    Args:
        op: Its name in the registry.
    """
    for rule in REFUSED:
        if re.fullmatch(rule.names, op):
            return rule.reason
    if op == "PrintV2" or any(re.fullmatch(rule.names, op) for rule in HARMLESS):
        return None
    definition = list_definitions().get(op)
    if definition is None:
        return "is not an op of this TensorFlow"
    return None if is_numeric(definition) else "is not known here"


def explain_node(node: Any) -> str | None:
    """As `explain_refusal`, of a `NodeDef`, whose attributes are looked at too."""
    if node.op == "PrintV2" and "output_stream" in node.attr:
        stream = node.attr["output_stream"].s
        return None if _STREAMS.fullmatch(stream) else "writes to a file"
    return explain_refusal(node.op)


def is_numeric(definition: Any) -> bool:
    """Whether an `OpDef` keeps no state and takes and gives numbers only, so that nothing in it can name a file.

    Where the type is open (`T`), text may pass through, as it does through a reshaping; it is not looked at.
    """
    if definition.is_stateful:
        return False
    attributes = {one.name: one for one in definition.attr}
    for argument in (*definition.input_arg, *definition.output_arg):
        kinds = {argument.type} if argument.type else set()
        if not argument.type:
            kinds = set(attributes[argument.type_attr or argument.type_list_attr].allowed_values.list.type)
        if argument.is_ref or kinds & {_TEXT, _RESOURCE, _VARIANT}:
            return False
    return not any(
        "func" in one.type or (one.type in {"string", "list(string)"} and not one.allowed_values.list.s)
        for one in definition.attr
    )


@functools.cache
def list_definitions() -> dict[str, Any]:
    """Every op that this TensorFlow has registered, by name, as `OpDef`."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    found = op_def_pb2.OpList()
    found.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {one.name: one for one in found.op}
