"""Which objects a Keras file may name without trust: Keras' own that compute, and no others.

A Keras model is stored as JSON that names classes and functions, and both versions of Keras look those up and call
them: by the name of a module that is imported, by a name that is registered, from a layer's own text. So each object is
held against a list of what is known, wherever in the JSON it stands and whatever key leads to it. A layer of a newer
Keras is refused until it stands here; the test of this module walks Keras' registries and asks for it.

Source: the registries of Keras 3.15 and tf-keras 2.21, and the `from_config` and `__init__` of each class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packager.sources.trust import refuse


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = _words(
    """
    AbstractRNNCell Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AddLoss AddMetric
    AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
    AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BaseRandomLayer BatchNormalization BatchNormalizationBase
    BatchNormalizationV1 BatchNormalizationV2 Bidirectional CategoryEncoding CenterCrop Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose
    ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose Convolution2D Convolution2DTranspose
    Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM CutMix Dense
    DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten Functional
    GRU GRUCell GRUCellV1 GRUCellV2 GRUV1 GRUV2 GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D
    GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
    GroupQueryAttention GroupedQueryAttention HashedCrossing Hashing Identity Input InputLayer InputSpec LSTM LSTMCell
    LSTMCellV1 LSTMCellV2 LSTMV1 LSTMV2 Layer LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D Masking
    MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram
    Minimum MixUp Model MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization RNN
    RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
    RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue
    RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
    RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding
    STFTSpectrogram SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D Sequential SimpleRNN
    SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization
    StackedRNNCells Subtract SyncBatchNormalization ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D
    UpSampling2D UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D add average concatenate dot maximum
    minimum multiply subtract
    """
)

REFUSED_LAYERS = {
    **dict.fromkeys(("Lambda", "__lambda__"), "is stored as Python code that runs when the model is loaded"),
    **dict.fromkeys(("TFSMLayer",), "loads a SavedModel from wherever the file says"),
    **dict.fromkeys(("TorchModuleWrapper",), "holds a pickle, which can run any code"),
    **dict.fromkeys(("JaxLayer", "FlaxLayer"), "calls functions that the file names"),
    **dict.fromkeys(
        ("StringLookup", "IntegerLookup", "TextVectorization"), "can read its vocabulary from any file that it names"
    ),
    **dict.fromkeys(
        ("ResidualWrapper", "DropoutWrapper", "_RNNCellWrapper", "DeviceWrapper"),
        "can hold Python code, or names devices",
    ),
    **dict.fromkeys(("TensorFlowOpLayer",), "holds any op of TensorFlow, also one that opens files"),
    **dict.fromkeys(
        ("InstanceMethod", "InstanceProperty", "ClassMethod"), "calls whatever attribute of an object the file names"
    ),
    **dict.fromkeys(
        ("DenseFeatures", "SequenceFeatures", "LinearModel", "WideDeepModel"),
        "is made of feature columns, which can read vocabularies from files",
    ),
}
"""layers of Keras that need trust, and why"""

_PARTS = _words(
    """
    Constant ConstantV2 GlorotNormal GlorotNormalV2 GlorotUniform GlorotUniformV2 HeNormal HeNormalV2 HeUniform
    HeUniformV2 Identity IdentityInitializer IdentityV2 Initializer LecunNormal LecunNormalV2 LecunUniform
    LecunUniformV2 Ones OnesV2 Orthogonal OrthogonalInitializer OrthogonalV2 RandomNormal RandomNormalV2 RandomUniform
    RandomUniformV2 STFT STFTInitializer TruncatedNormal TruncatedNormalV2 VarianceScaling VarianceScalingV2 Zeros
    ZerosV2 constant glorot_normal glorot_normalV2 glorot_uniform glorot_uniformV2 he_normal he_normalV2 he_uniform
    he_uniformV2 identity initializer lecun_normal lecun_normalV2 lecun_uniform lecun_uniformV2 normal one ones
    orthogonal random_normal random_uniform stft truncated_normal uniform variance_scaling zero zeros
    L1 L1L2 L2 OrthogonalRegularizer Regularizer l1 l1_l2 l1l2 l2 orthogonal_regularizer regularizer
    Constraint MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm constraint max_norm maxnorm min_max_norm non_neg
    nonneg radial_constraint unit_norm unitnorm
    """
)
"""initialisers, regularisers and constraints"""

_ACTIVATIONS = _words(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    sparsemax squareplus swish tanh tanh_shrink threshold
    """
)

_TRAINING = _words(
    """
    Adadelta Adafactor Adagrad Adam Adamax AdamW Ftrl Lion LossScaleOptimizer Muon Nadam RMSprop SGD
    CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay PolynomialDecay
    BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalHinge
    Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh LossFunctionWrapper MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy
    SquaredHinge Tversky AUC Accuracy BinaryAccuracy BinaryIoU CategoricalAccuracy ConcordanceCorrelation F1Score
    FBetaScore FalseNegatives FalsePositives IoU LogCoshError Mean MeanIoU MeanMetricWrapper OneHotIoU OneHotMeanIoU
    PearsonCorrelation Precision PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
    SensitivityAtSpecificity SparseCategoricalAccuracy SparseTopKCategoricalAccuracy SpecificityAtSensitivity Sum
    TopKCategoricalAccuracy TrueNegatives TruePositives
    """
)
"""optimisers, losses and metrics: a model within a model may have been compiled"""

_LOSSES = _words(
    """
    binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy categorical_crossentropy
    categorical_focal_crossentropy categorical_hinge circle cosine_similarity ctc dice hinge huber kl_divergence
    log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error
    poisson sparse_categorical_accuracy sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge
    top_k_categorical_accuracy tversky
    """
)
"""functions that losses and metrics wrap"""

_OTHERS = _words(
    """
    DTypePolicy DTypePolicyMap FloatDTypePolicy Policy QuantizedDTypePolicy QuantizedFloat8DTypePolicy SeedGenerator
    TensorShape __bytes__ __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__ __tuple__
    """
)
"""kinds of numbers, and values that JSON has no form for"""

CLASSES = LAYERS | _PARTS | _TRAINING | _OTHERS

_OP_MODULES = re.compile(r"keras\.src\.ops\.(numpy|nn|math|image|linalg|core|einops)")
_CALLING_OPS = _words("AssociativeScan Cond ForiLoop JVP Map Operation Scan Switch VectorizedMap WhileLoop")
"""ops of Keras 3 that call functions they are given"""

_MODULES = re.compile(r"(tf_)?keras(\.\w+)*|builtins")
"""where Keras' own objects are; any other name is one of a module that Keras 2 would import"""

_PART_KEYS = re.compile(r"(\w+_)?(activation|initializer|regularizer|constraint)")
"""keys whose text Keras looks up, and Keras 2 among all that a module of its own holds, imports included"""

OP_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""layers of Keras 2 that stand for a function of TensorFlow, which is what is looked at"""

_FUNCTIONS = re.compile(
    r"""(compat\.v1\.)?(
        (math|nn|signal|linalg|bitwise|dtypes|quantization|__operators__)\.\w+
        | image\.(resize|per_image_standardization) | random\.(normal|uniform)
        | abs|acos|acosh|add|add_n|argmax|argmin|argsort|asin|asinh|atan|atan2|atanh|boolean_mask|broadcast_to
        | cast|ceil|clip_by_norm|clip_by_value|complex|concat|constant|convert_to_tensor|cos|cosh|cumsum
        | divide|einsum|equal|exp|expand_dims|eye|fill|floor|floor_div|floordiv|floormod|gather|gather_nd
        | greater|greater_equal|identity|less|less_equal|linspace|logical_and|logical_not|logical_or|matmul
        | maximum|meshgrid|minimum|mod|multiply|negative|norm|not_equal|one_hot|ones|ones_like|pad|pow|range
        | rank|realdiv|reduce_\w+|repeat|reshape|reverse|roll|round|rsqrt|scalar_mul|sequence_mask|shape
        | sigmoid|sign|sin|sinh|size|slice|sort|split|sqrt|square|squeeze|stack|stop_gradient|strided_slice
        | subtract|tan|tanh|tensordot|tile|transpose|truediv|unstack|where|zeros|zeros_like
    )""",
    re.VERBOSE,
)
"""TensorFlow's functions that a `TFOpLambda` of Keras 2 may call: arithmetic on the tensors it is given"""


def check_objects(config: Any, path: Path) -> None:
    """Refuse a model's description that names anything but Keras' own layers and their parts.

    Args:
        config: The description, as JSON.
        path: The file, for messages.

    Raises:
        PackagingError: It needs trust; with the object and the reason.
    """
    for table in _list_tables(config):
        if "class_name" in table:
            reason = _explain_object(table)
            if reason is not None:
                raise refuse(path, reason)
        for key, value in table.items():
            if isinstance(value, str) and _PART_KEYS.fullmatch(key) and value not in _ACTIVATIONS | _PARTS | LAYERS:
                raise refuse(path, f"has the {key} {value[:80]!r}, which is none of Keras' own and could be any code")


def _list_tables(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of the JSON; what the outermost says of its compilation is not read by `load_model`."""
    waiting = [{**config, "compile_config": None} if isinstance(config, dict) else config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _explain_object(table: Mapping[str, Any]) -> str | None:
    name, module = table["class_name"], table.get("module")
    registered, inner = table.get("registered_name"), table.get("config")
    shown = f"{str(name)[:80]!r}"
    if not isinstance(name, str):
        return f"names the class {shown}, which is no name"
    if name in REFUSED_LAYERS:
        kind = "Lambda" if name == "__lambda__" else name
        return f"holds the layer {kind}, which {REFUSED_LAYERS[name]}"
    if module is not None and (not isinstance(module, str) or not _MODULES.fullmatch(module)):
        return (
            f"names {shown} of the module {str(module)[:80]!r}, which Keras 2 would import and which can run any code"
        )
    if registered not in (None, "", name, inner):
        return f"names {shown} as {str(registered)[:80]!r}, which is none of Keras' own and could be any code"
    if name == "function":
        known = isinstance(inner, str) and (inner in _ACTIVATIONS or inner in _PARTS or _is_loss(inner, module))
        return None if known else f"names the function {str(inner)[:80]!r}, which is none that a layer of Keras needs"
    if name in OP_LAYERS:
        called = inner.get("function") if isinstance(inner, dict) else None
        known = isinstance(called, str) and _FUNCTIONS.fullmatch(called) is not None
        return None if known else f"holds the layer {name}, which calls {str(called)[:80]!r} and not only arithmetic"
    if isinstance(module, str) and _OP_MODULES.fullmatch(module) and name not in _CALLING_OPS:
        return None
    if name in CLASSES:
        return None
    return f"names the class {shown}, which is none of Keras' own layers known here and could run any code"


def _is_loss(name: str, module: Any) -> bool:
    return module in {"builtins", "keras.losses", "keras.metrics"} and name in _LOSSES
