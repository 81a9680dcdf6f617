"""Drop-in PyTorch layers of modes, for networks of your own: the extra ``torch`` (pip install onlinemode[torch]).

    from onlinemode.deep.torch import ModeLinear, convert
    model = convert(model, modes=30)

A layer is W = ξ_out diag(Σ) ξ_in in factor form, so that its cost is P(N_in + N_out) and W is never formed.
"""

from __future__ import annotations  # texts, so that the documentation is built where PyTorch is not installed

import copy
import math
from collections import deque
from collections.abc import Collection, Mapping, Set
from types import MethodType
from typing import Any

import numpy as np

from onlinemode import checks
from onlinemode.deep import factors, importance
from onlinemode.deep.factors import Factors
from onlinemode.errors import EngineError, ParameterError

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    raise EngineError("onlinemode.deep.torch needs PyTorch, which is not installed; install onlinemode[torch], or use "
                      "onlinemode.deep without it") from None

__all__ = ["ModeConv2d", "ModeLinear", "convert", "from_dense", "importances", "mode_layers"]


_HOOKS = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks",
          "_forward_pre_hooks_with_kwargs", "_backward_hooks", "_backward_pre_hooks")
_STATE_HOOKS = ("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
                "_load_state_dict_post_hooks")
_OF_DENSE = frozenset(vars(nn.Conv2d(1, 1, 1))) | frozenset(vars(nn.Linear(1, 1)))


class _Modes(nn.Module):
    """What both kinds of layer share: the factors, their initial values and views.

    Initial values are those of :class:`onlinemode.deep.Network`: entries (N_in ln N_in)^(−1/6) N(0, 1) in every
    factor, and a bias of 0; ``torch.manual_seed`` selects them.
    """

    def __init__(self, N_in: int, N_out: int, modes: int, bias: bool, device: torch.device | str | None,
                 dtype: torch.dtype | None) -> None:
        super().__init__()
        self.N_in = checks.integer("N_in (the initial values need ln N_in > 0)", N_in, 2)
        self.N_out = checks.integer("N_out", N_out, 1)
        self.modes = checks.integer("the number of modes P", modes, 1)
        if not (torch.get_default_dtype() if dtype is None else dtype).is_floating_point:
            raise ParameterError(f"layers of modes hold real numbers; got dtype = {dtype}")
        options = {"device": device, "dtype": dtype}
        self.xi_in = nn.Parameter(torch.empty((self.modes, self.N_in), **options))
        self.strengths = nn.Parameter(torch.empty(self.modes, **options))
        self.xi_out = nn.Parameter(torch.empty((self.N_out, self.modes), **options))
        self.bias = nn.Parameter(torch.empty(self.N_out, **options)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new factors."""
        size = (self.N_in * math.log(self.N_in)) ** (-1.0 / 6.0)
        for parameter in (self.xi_in, self.strengths, self.xi_out):
            nn.init.normal_(parameter, std=size)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def factors(self) -> Factors:
        """A copy of the factors.

        Returns
        -------
        onlinemode.deep.factors.Factors
            NumPy arrays in float64.
        """
        return factors.checked(*(each.detach().to("cpu", torch.float64).numpy()
                                 for each in (self.xi_in, self.strengths, self.xi_out)))

    @property
    def matrix(self) -> torch.Tensor:
        """W formed, (N_out, N_in), with its gradient."""
        return (self.xi_out * self.strengths) @ self.xi_in

    @property
    def weight(self) -> torch.Tensor:
        """W formed in the shape of the dense layer's, with its gradient, for code that reads it; no parameter."""
        return self.matrix

    def _replace(self, layer, found):
        """Take what a dense layer has: values, what of it is trained, hooks, and attributes that the user gave it."""
        with torch.no_grad():
            for name, values in found._asdict().items():
                getattr(self, name).copy_(torch.from_numpy(values.copy())).requires_grad_(layer.weight.requires_grad)
            if layer.bias is not None:
                self.bias.copy_(layer.bias).requires_grad_(layer.bias.requires_grad)
        for name in _HOOKS:
            getattr(self, name).update(getattr(layer, name))
        self._is_full_backward_hook = layer._is_full_backward_hook
        for name, value in vars(layer).items():
            if name not in vars(self) and name not in _OF_DENSE:
                setattr(self, name, value)
        return self.train(layer.training)


class ModeLinear(_Modes):
    """``nn.Linear`` in modes.

    Parameters
    ----------
    in_features, out_features : int
        N_in and N_out.
    modes : int
        Number of modes P; the layer is cheaper than the dense one where P < N_in N_out / (N_in + N_out).
    bias : bool, default False
        Add a bias to the output.
    device : torch.device or str, optional
        As for every PyTorch layer.
    dtype : torch.dtype, optional
        As for every PyTorch layer.

    Attributes
    ----------
    xi_in : Parameter (P, N_in)
        Input modes.
    strengths : Parameter (P,)
        Of the modes.
    xi_out : Parameter (N_out, P)
        Output modes.
    bias : Parameter (N_out,) or None
        None without one.

    Raises
    ------
    ParameterError
        If a size is out of range, or the dtype is not real.

    Notes
    -----
    Initial factors have entries (N_in ln N_in)^(−1/6) N(0, 1), the bias is 0; ``torch.manual_seed`` selects them.
    """

    def __init__(self, in_features: int, out_features: int, modes: int, bias: bool = False,
                 device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__(in_features, out_features, modes, bias, device, dtype)
        self.in_features, self.out_features = self.N_in, self.N_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer.

        Parameters
        ----------
        x : Tensor (..., N_in)
            Inputs.

        Returns
        -------
        Tensor (..., N_out)
            Outputs.
        """
        return functional.linear(functional.linear(x, self.xi_in) * self.strengths, self.xi_out, self.bias)

    def extra_repr(self) -> str:
        """What ``print`` shows of the layer.

        Returns
        -------
        str
            Sizes and modes.
        """
        return (f"in_features={self.in_features}, out_features={self.out_features}, modes={self.modes}, "
                f"bias={self.bias is not None}")


class ModeConv2d(_Modes):
    """``nn.Conv2d`` in modes: P filters, their strengths, and a 1 × 1 convolution.

    With N_in = C_in k_h k_w and N_out = C_out the modes are those of the matrix (C_out, C_in k_h k_w) of the filters.

    Parameters
    ----------
    in_channels, out_channels : int
        C_in and C_out.
    kernel_size : int or (int, int)
        Height k_h and width k_w of the filters.
    modes : int
        Number of modes P.
    stride : int or (int, int), default 1
        As for ``nn.Conv2d``.
    padding : int, (int, int) or str, default 0
        As for ``nn.Conv2d``; with zeros.
    dilation : int or (int, int), default 1
        As for ``nn.Conv2d``.
    bias : bool, default False
        Add a bias to the output.
    device : torch.device or str, optional
        As for every PyTorch layer.
    dtype : torch.dtype, optional
        As for every PyTorch layer.

    Attributes
    ----------
    xi_in : Parameter (P, C_in k_h k_w)
        Input modes: the P filters.
    strengths : Parameter (P,)
        Of the modes.
    xi_out : Parameter (C_out, P)
        Output modes.
    bias : Parameter (C_out,) or None
        None without one.

    Raises
    ------
    ParameterError
        If a size is out of range, or the dtype is not real.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int], modes: int,
                 stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] | str = 0,
                 dilation: int | tuple[int, int] = 1, bias: bool = False, device: torch.device | str | None = None,
                 dtype: torch.dtype | None = None) -> None:
        kernel = (kernel_size, kernel_size) if not isinstance(kernel_size, tuple | list) else tuple(kernel_size)
        if len(kernel) != 2:
            raise ParameterError(f"kernel_size must be one or two whole numbers; got {kernel_size!r}")
        kernel = tuple(checks.integer("kernel_size", size, 1) for size in kernel)
        in_channels = checks.integer("in_channels", in_channels, 1)
        super().__init__(in_channels * math.prod(kernel), out_channels, modes, bias, device, dtype)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, self.N_out, kernel
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer.

        Parameters
        ----------
        x : Tensor ([samples,] C_in, height, width)
            Inputs.

        Returns
        -------
        Tensor ([samples,] C_out, height, width)
            Outputs.
        """
        filters = self.xi_in.reshape(self.modes, self.in_channels, *self.kernel_size)
        fields = functional.conv2d(x, filters, None, self.stride, self.padding, self.dilation)
        return functional.conv2d(fields * self.strengths[:, None, None], self.xi_out[:, :, None, None], self.bias)

    @property
    def weight(self) -> torch.Tensor:
        """The filters formed, (C_out, C_in, k_h, k_w), with their gradient, for code that reads them; no parameter."""
        return self.matrix.reshape(self.out_channels, self.in_channels, *self.kernel_size)

    def extra_repr(self) -> str:
        """What ``print`` shows of the layer.

        Returns
        -------
        str
            Sizes and modes.
        """
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, modes={self.modes}, "
                f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, bias={self.bias is not None}")


def from_dense(layer: nn.Linear | nn.Conv2d, modes: int) -> ModeLinear | ModeConv2d:
    """The best approximation of a trained dense layer by modes: its truncated singular value decomposition.

    Parameters
    ----------
    layer : torch.nn.Linear or torch.nn.Conv2d
        Stays as it is.  A convolution without groups, padded with zeros.
    modes : int
        At most min(N_in, N_out), where the approximation is exact.

    Returns
    -------
    ModeLinear or ModeConv2d
        With the layer's bias, device, dtype, training mode and hooks; orthonormal modes, strengths in descending
        order.  Where the weight is frozen, so are the factors.

    Raises
    ------
    ParameterError
        If the layer is another one, or more than its weight and bias: parametrized, normalized, pruned.
    """
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise ParameterError(f"only nn.Linear and nn.Conv2d can be made of modes; got {type(layer).__name__}")
    if not _is_plain(layer):
        raise ParameterError("a layer to be made of modes has a weight and a bias alone; this one has more (a "
                             "parametrization, weight_norm, pruning, or a forward of its own): remove that first")
    _check_parameter_hooks(layer, "the layer")
    if any(getattr(layer, hooks) for hooks in _STATE_HOOKS):
        raise ParameterError("a layer to be made of modes has another state_dict afterwards, which its state_dict "
                             "hooks do not know: remove them first")
    if not layer.weight.is_floating_point():
        raise ParameterError(f"a layer to be made of modes must be real; got {layer.weight.dtype}")
    if layer.weight.is_meta:
        raise ParameterError("a layer to be made of modes must have values; this one is on device meta")
    W = layer.weight.detach().to("cpu", torch.float64).numpy()
    found = factors.truncated(W.reshape(len(W), -1), modes)
    options = {"bias": layer.bias is not None, "device": layer.weight.device, "dtype": layer.weight.dtype}
    if isinstance(layer, nn.Conv2d):
        if layer.groups != 1 or layer.padding_mode != "zeros":
            raise ParameterError("a convolution of modes has groups = 1 and padding_mode = 'zeros'; got groups = "
                                 f"{layer.groups}, padding_mode = {layer.padding_mode!r}: leave this layer dense")
        new = ModeConv2d(layer.in_channels, layer.out_channels, layer.kernel_size, found.modes, layer.stride,
                         layer.padding, layer.dilation, **options)
    else:
        new = ModeLinear(layer.in_features, layer.out_features, found.modes, **options)
    return new._replace(layer, found)


def _is_plain(layer):
    """Whether a dense layer is no more than its weight and bias."""
    return (set(layer._parameters) == {"weight", "bias"} and layer.weight is not None and not layer._buffers
            and not layer._modules and "forward" not in vars(layer))


def _check_parameter_hooks(module, name):
    """Raise ParameterError where a parameter has hooks, which neither a copy nor a factor of it has."""
    for own, parameter in module.named_parameters(recurse=False):
        if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
            raise ParameterError(f"{own} of {name} has a hook, which a copy does not have: remove it, and register it "
                                 "anew on what is converted")


def convert(model: nn.Module, modes: int, skip: Collection[str] = ()) -> nn.Module:
    """A copy of a model whose dense layers are made of modes by :func:`from_dense`.

    Replaced is every ``nn.Linear`` and every ``nn.Conv2d`` with one group and zero padding, of exactly these
    types: subclasses may be read by other code in a way of their own (attention reads the weight of its output
    layer) and stay.  So do layers with a single input, and those that are more than a weight and a bias: with
    weight_norm, pruning, a parametrization or a forward of their own.

    What the model says of its layers is kept: one that is used twice stays one layer, layers with one weight share
    their modes, frozen weights give frozen modes, forward and backward hooks stay.  Code that reads ``weight`` gets
    the matrix formed, as PyTorch's fast path of a TransformerEncoderLayer does in evaluation.

    Parameters
    ----------
    model : torch.nn.Module
        Stays as it is.
    modes : int
        Of each layer; a layer that has fewer gets min(N_in, N_out), and is exact.
    skip : sequence of str
        Names of layers, or of blocks of them, to leave dense, as in ``model.named_modules()``.

    Returns
    -------
    torch.nn.Module
        The copy.

    Raises
    ------
    ParameterError
        If a name in ``skip`` is no layer of the model, if there is nothing to convert, or where something would be
        lost: a weight that is also that of a layer which stays dense, a layer or its weight in a list or dict of
        Python's, hooks of parameters or of the state_dict.
    """
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    modes = checks.integer("modes", modes, 1)
    skip = (skip,) if isinstance(skip, str) else skip
    if not isinstance(skip, list | tuple | set) or not all(isinstance(name, str) for name in skip):
        raise ParameterError(f"skip must be names of layers; got {skip!r}")
    for name, module in model.named_modules():
        _check_parameter_hooks(module, name or "the model")
    try:
        model = copy.deepcopy(model)
    except RuntimeError:
        raise ParameterError("PyTorch cannot copy this model, as is the case after torch.nn.utils.weight_norm or "
                             "pruning: remove these first (remove_weight_norm, prune.remove)") from None
    names = dict(model.named_modules(remove_duplicate=False))
    unknown = [name for name in skip if name not in names]
    if unknown:
        raise ParameterError(f"skip names layers of the model; {', '.join(unknown)} is none: see model.named_modules()")
    kept = {id(layer) for name, layer in names.items() if any(f"{name}.".startswith(f"{each}.") for each in skip)}
    chosen = {id(layer): name for name, layer in names.items() if id(layer) not in kept and _convertible(layer)}
    _check_references(names, chosen)
    made: dict[int, Any] = {}
    of_weight: dict[tuple[int, type], Any] = {}
    for key, name in chosen.items():
        layer = names[name]
        _check_ties(layer, name, names, chosen)
        new = from_dense(layer, min(modes, len(layer.weight), layer.weight[0].numel()))
        new.bias = layer.bias  # the copy's own, which other layers may have, too
        first = of_weight.setdefault((id(layer.weight), type(layer)), new)
        new.xi_in, new.strengths, new.xi_out = first.xi_in, first.strengths, first.xi_out
        made[key] = new
    if not made:
        raise ParameterError("the model has no nn.Linear or nn.Conv2d to convert (subclasses, grouped and "
                             f"otherwise padded convolutions stay); got {type(model).__name__}")
    if id(model) in made:
        return made[id(model)]
    for name, layer in names.items():
        if id(layer) in made:
            parent, _, own = name.rpartition(".")
            setattr(names[parent], own, made[id(layer)])
    return model


def _check_ties(layer, name, names, chosen):
    """Raise ParameterError if the weight is also one of a layer that does not get the same modes."""
    for other_name, other in names.items():
        for own, parameter in other._parameters.items():
            same_modes = own == "weight" and id(other) in chosen and type(other) is type(layer)
            if parameter is layer.weight and not same_modes:
                raise ParameterError(f"the weight of {name} is also {own} of {other_name}, which stays dense, and "
                                     "modes would part them: name both in skip, or give them weights of their own")


def _check_references(names, chosen):
    """Raise ParameterError if Python's own containers hold a chosen layer or its weight, which stay as they are."""
    held = {id(thing): f"{what}{name}" for key, name in chosen.items()
            for what, thing in (("", names[name]), ("the weight of ", names[name].weight))}
    for name, module in names.items():
        for attribute, value in vars(module).items():
            for thing in () if attribute in ("_modules", "_parameters") else _contents(value):
                if id(thing) in held:
                    raise ParameterError(f"attribute {attribute} of {name or 'the model'} holds {held[id(thing)]}, and "
                                         "would hold the dense one: name the layer in skip, or hold it in an "
                                         "nn.ModuleList or nn.ModuleDict")


def _contents(value):
    """A value and what containers in it hold, each once; a bound method holds its object."""
    waiting, seen = [value], set()
    while waiting:
        each = waiting.pop()
        yield each
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Mapping):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | Set | deque):
            waiting += each
        elif isinstance(each, MethodType):
            waiting.append(each.__self__)


def _convertible(layer):
    if type(layer) not in (nn.Linear, nn.Conv2d) or not _is_plain(layer):
        return False
    if type(layer) is nn.Conv2d:
        return layer.groups == 1 and layer.padding_mode == "zeros" and layer.weight[0].numel() > 1
    return layer.in_features > 1 and layer.out_features > 0


def mode_layers(model: nn.Module) -> dict[str, Factors]:
    """Factors of every layer of modes of a model.

    Parameters
    ----------
    model : torch.nn.Module
        Any, also without such layers.

    Returns
    -------
    dict
        Name of the layer to its :class:`onlinemode.deep.factors.Factors`.
    """
    return {name: layer.factors() for name, layer in model.named_modules() if isinstance(layer, _Modes)}


def importances(model: nn.Module, ranking: str = "tau") -> dict[str, np.ndarray]:
    """Importance of the modes of every layer of modes.

    Parameters
    ----------
    model : torch.nn.Module
        Any, also without such layers.
    ranking : str, default "tau"
        As in :func:`onlinemode.deep.importance.importance`.

    Returns
    -------
    dict
        Name of the layer to the importances (P,).

    Raises
    ------
    ParameterError
        If there is no such ranking, or it does not suit a layer.
    """
    return {name: importance.importance(*found, ranking) for name, found in mode_layers(model).items()}
