"""PyTorch models that torch quantised, or prepared for it, as float models of the same weights.

Torch's quantised layers hold their weights in an opaque form and call kernels of torch's own; layers under
quantisation-aware training round weights and activations at each call. Phones take neither. Here each layer becomes its
float counterpart with the weights as they were rounded; activations are not rounded. Precisions of 8 bits are made of
that as of every float model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from packager.errors import PackagingError


def hold_floats(model: Any, where: str) -> bool:
    """Put float layers in place of quantised ones, in place.

    Args:
        model: A module; it is replaced from within, so it must not be a quantised layer itself.
        where: The source, for messages.

    Returns:
        Whether there were any.

    Raises:
        PackagingError: A quantised layer has no counterpart here; names it.
    """
    import torch

    found = _widen_weights(model)
    found = _replace_within(model, where, "") or found
    for module in model.modules():
        if isinstance(module, torch.ao.nn.quantized.FXFloatFunctional | torch.ao.nn.quantized.FloatFunctional):
            module.activation_post_process = torch.nn.Identity()
    return found


def _replace_within(module: Any, where: str, path: str) -> bool:
    found = False
    for name, child in list(module._modules.items()):
        new = None if child is None else _find_float(child, f"{where}: {path}{name}")
        if new is not None:
            module._modules[name] = new
        found = new is not None or (child is not None and _replace_within(child, where, f"{path}{name}.")) or found
    return found


def call_on_floats() -> dict[Any, Callable[..., Any]]:
    """What a model calls on quantised tensors, as it is on floats."""
    import torch

    quantized = torch.ops.quantized
    same = (torch.quantize_per_tensor, torch.quantize_per_channel, torch.quantize_per_tensor_dynamic, torch.dequantize)
    return {
        **{call: lambda x, *_, **__: x for call in (*same, torch.Tensor.dequantize)},
        quantized.add: lambda a, b, *_: a + b,
        quantized.add_relu: lambda a, b, *_: torch.relu(a + b),
        quantized.mul: lambda a, b, *_: a * b,
        quantized.cat: lambda several, _scale, _zero, dim: torch.cat(several, dim),
    }


def _widen_weights(model: Any) -> bool:
    """Weights that are tensors of a class of their own which can be taken as floats, as torchao's are."""
    import torch
    from torch.utils._python_dispatch import is_traceable_wrapper_subclass

    found = False
    for module in model.modules():
        held: dict[str, Any] = dict(module._parameters)
        for name, weight in held.items():
            own = weight is not None and is_traceable_wrapper_subclass(weight)
            if own and hasattr(type(weight), "dequantize"):
                module._parameters[name] = torch.nn.Parameter(weight.dequantize().detach(), requires_grad=False)
                found = True
    return found


def _find_float(module: Any, where: str) -> Any:
    """What stands for a layer; None where it stays."""
    import torch
    from torch.ao.quantization import FakeQuantizeBase, ObserverBase

    if isinstance(module, FakeQuantizeBase):
        return _make_rounding(module) if where.endswith("weight_fake_quant") else torch.nn.Identity()
    if isinstance(module, ObserverBase):
        return torch.nn.Identity()
    kind = type(module)
    if not kind.__module__.startswith(("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")):
        return None
    counterparts = _counterparts()
    for base in kind.__mro__:
        if base in counterparts:
            made = counterparts[base](module)
            return (
                made.eval()
                if type(module).__name__.find("ReLU") < 1
                else torch.nn.Sequential(made, torch.nn.ReLU()).eval()
            )
    raise PackagingError(
        f"{where} is a {kind.__module__}.{kind.__name__}, quantised by torch, and no float layer is known here that "
        "has its weights; give the model as it was before it was quantised, and ask for a precision of 8 bits"
    )


def _counterparts() -> dict[Any, Callable[[Any], Any]]:
    import torch
    from torch import nn
    from torch.ao.nn import quantized as layers
    from torch.ao.nn.quantized import dynamic

    quantized: Any = layers
    embedding: Any = nn.Embedding
    convolutions = {
        getattr(package, name): _convolution(getattr(nn, name))
        for package in (quantized,)
        for name in ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
    }
    identity: Callable[[Any], Any] = lambda _: nn.Identity()  # noqa: E731
    return {
        **convolutions,
        quantized.Linear: _linear,
        dynamic.Linear: _linear,
        quantized.Embedding: lambda m: embedding.from_pretrained(m.weight().dequantize()),
        dynamic.LSTM: _recurrence(nn.LSTM),
        dynamic.GRU: _recurrence(nn.GRU),
        quantized.Quantize: identity,
        quantized.DeQuantize: identity,
        quantized.Dropout: identity,
        quantized.QFunctional: lambda _: quantized.FloatFunctional(),
        quantized.ReLU6: lambda _: nn.ReLU6(),
        quantized.Hardswish: lambda _: nn.Hardswish(),
        quantized.ELU: lambda m: nn.ELU(m.alpha),
        quantized.LeakyReLU: lambda m: nn.LeakyReLU(m.negative_slope),
        quantized.Sigmoid: lambda _: nn.Sigmoid(),
        quantized.Softmax: lambda m: nn.Softmax(m.dim),
        quantized.MaxPool2d: lambda m: nn.MaxPool2d(m.kernel_size, m.stride, m.padding, m.dilation),
        quantized.LayerNorm: _norm(nn.LayerNorm, "normalized_shape"),
        quantized.GroupNorm: _norm(nn.GroupNorm, "num_groups", "num_channels"),
        quantized.PReLU: lambda m: _filled(nn.PReLU(m.weight.numel()), m.weight.dequantize()),
        torch.ao.nn.quantized.BatchNorm2d: _batch_norm(nn.BatchNorm2d),
        torch.ao.nn.quantized.BatchNorm3d: _batch_norm(nn.BatchNorm3d),
    }


def _filled(layer: Any, weight: Any, bias: Any = None) -> Any:
    """A layer with weights given."""
    import torch

    layer.weight = torch.nn.Parameter(weight.detach().clone(), requires_grad=False)
    layer.bias = None if bias is None else torch.nn.Parameter(bias.detach().clone(), requires_grad=False)
    return layer


def _linear(module: Any) -> Any:
    import torch

    weight = module.weight().dequantize()
    return _filled(torch.nn.Linear(weight.shape[1], weight.shape[0]), weight, module.bias())


def _convolution(kind: Any) -> Callable[[Any], Any]:
    def make(module: Any) -> Any:
        options = {name: getattr(module, name) for name in ("stride", "padding", "dilation", "groups")}
        if module.transposed:
            options["output_padding"] = module.output_padding
        else:
            options["padding_mode"] = module.padding_mode
        made = kind(module.in_channels, module.out_channels, module.kernel_size, **options)
        return _filled(made, module.weight().dequantize(), module.bias())

    return make


def _recurrence(kind: Any) -> Callable[[Any], Any]:
    def make(module: Any) -> Any:
        import torch

        names = ("num_layers", "bias", "batch_first", "bidirectional")
        made = kind(module.input_size, module.hidden_size, **{name: getattr(module, name) for name in names})
        values = {**module.get_weight(), **module.get_bias()}
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                value = values[name]
                parameter.copy_(value.dequantize() if value.is_quantized else value)
        return made

    return make


def _norm(kind: Any, *names: str) -> Callable[[Any], Any]:
    return lambda m: _filled(kind(*(getattr(m, name) for name in names), eps=m.eps), m.weight, m.bias)


def _batch_norm(kind: Any) -> Callable[[Any], Any]:
    def make(module: Any) -> Any:
        made = _filled(kind(module.num_features, eps=module.eps), module.weight, module.bias)
        made.running_mean.copy_(module.running_mean)
        made.running_var.copy_(module.running_var)
        return made

    return make


def _make_rounding(quantizer: Any) -> Any:
    """What quantisation-aware training does to a weight, in plain ops of constants, which are folded."""
    import torch

    if not int(quantizer.fake_quant_enabled[0]):
        return torch.nn.Identity()

    class Rounding(torch.nn.Module):
        scale: Any
        zero_point: Any

        def __init__(self) -> None:
            super().__init__()
            self.axis = quantizer.ch_axis if quantizer.is_per_channel else None
            self.least, self.most = int(quantizer.quant_min), int(quantizer.quant_max)
            self.register_buffer("scale", quantizer.scale.detach().clone().float())
            self.register_buffer("zero_point", quantizer.zero_point.detach().clone().float())

        def forward(self, x: Any) -> Any:
            shape = [-1 if axis == self.axis else 1 for axis in range(x.ndim)]
            scale, zero = self.scale.reshape(shape), self.zero_point.reshape(shape)
            return (torch.clamp(torch.round(x / scale) + zero, self.least, self.most) - zero) * scale

    return Rounding()
