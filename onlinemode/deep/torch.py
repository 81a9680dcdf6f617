"""Drop-in PyTorch layers of modes, for networks of your own: the extra ``torch`` (pip install onlinemode[torch]).

    from onlinemode.deep.torch import ModeLinear, convert
    model = convert(model, modes=30)

A layer is W = ξ_out diag(Σ) ξ_in in factor form, so that its cost is P(N_in + N_out) and W is never formed.
"""

import copy
import math

from onlinemode import checks
from onlinemode.deep import factors, importance
from onlinemode.errors import EngineError, ParameterError

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    raise EngineError("onlinemode.deep.torch needs PyTorch, which is not installed; install onlinemode[torch], or use "
                      "onlinemode.deep without it") from None

__all__ = ["ModeConv2d", "ModeLinear", "convert", "from_dense", "importances", "mode_layers"]


class _Modes(nn.Module):
    """What both kinds of layer share: the factors, their initial values and views.

    Initial values are those of :class:`onlinemode.deep.Network`: entries (N_in ln N_in)^(−1/6) N(0, 1) in every
    factor, and a bias of 0; ``torch.manual_seed`` selects them.
    """

    def __init__(self, N_in, N_out, modes, bias, device, dtype):
        super().__init__()
        self.N_in = checks.integer("N_in (the initial values need ln N_in > 0)", N_in, 2)
        self.N_out = checks.integer("N_out", N_out, 1)
        self.modes = checks.integer("the number of modes P", modes, 1)
        options = {"device": device, "dtype": dtype}
        self.xi_in = nn.Parameter(torch.empty((self.modes, self.N_in), **options))
        self.strengths = nn.Parameter(torch.empty(self.modes, **options))
        self.xi_out = nn.Parameter(torch.empty((self.N_out, self.modes), **options))
        self.bias = nn.Parameter(torch.empty(self.N_out, **options)) if bias else None
        self.reset_parameters()

    def reset_parameters(self):
        """Draw new factors."""
        size = (self.N_in * math.log(self.N_in)) ** (-1.0 / 6.0)
        for parameter in (self.xi_in, self.strengths, self.xi_out):
            nn.init.normal_(parameter, std=size)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def factors(self):
        """A copy of the factors as :class:`onlinemode.deep.factors.Factors`, NumPy arrays in float64."""
        return factors.checked(*(each.detach().to("cpu", torch.float64).numpy()
                                 for each in (self.xi_in, self.strengths, self.xi_out)))

    @property
    def matrix(self):
        """W formed, (N_out, N_in), with its gradient."""
        return (self.xi_out * self.strengths) @ self.xi_in

    def _load(self, found, bias):
        """Take the values of NumPy factors and of a bias or None."""
        with torch.no_grad():
            for name, values in found._asdict().items():
                getattr(self, name).copy_(torch.from_numpy(values.copy()))
            if bias is not None:
                self.bias.copy_(bias)


class ModeLinear(_Modes):
    """``nn.Linear`` in modes.

    Parameters
    ----------
    in_features, out_features : int
    modes : int
        P; a cheaper layer than the dense one where P < N_in N_out / (N_in + N_out).
    bias : bool, default False
    device, dtype : optional
        As for every PyTorch layer.

    Attributes
    ----------
    xi_in : Parameter (P, N_in)
    strengths : Parameter (P,)
    xi_out : Parameter (N_out, P)
    bias : Parameter (N_out,) or None

    Raises
    ------
    ParameterError
    """

    def __init__(self, in_features, out_features, modes, bias=False, device=None, dtype=None):
        super().__init__(in_features, out_features, modes, bias, device, dtype)
        self.in_features, self.out_features = self.N_in, self.N_out

    def forward(self, x):
        """(..., N_in) to (..., N_out)."""
        return functional.linear(functional.linear(x, self.xi_in) * self.strengths, self.xi_out, self.bias)

    def extra_repr(self):
        return (f"in_features={self.in_features}, out_features={self.out_features}, modes={self.modes}, "
                f"bias={self.bias is not None}")


class ModeConv2d(_Modes):
    """``nn.Conv2d`` in modes: P filters, their strengths, and a 1 × 1 convolution.

    With N_in = C_in k_h k_w and N_out = C_out the modes are those of the matrix (C_out, C_in k_h k_w) of the filters.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or (int, int)
    modes : int
    stride, padding, dilation : default 1, 0, 1
        As for ``nn.Conv2d``; padding is with zeros.
    bias : bool, default False
    device, dtype : optional

    Attributes
    ----------
    xi_in : Parameter (P, C_in k_h k_w)
    strengths : Parameter (P,)
    xi_out : Parameter (C_out, P)
    bias : Parameter (C_out,) or None

    Raises
    ------
    ParameterError
    """

    def __init__(self, in_channels, out_channels, kernel_size, modes, stride=1, padding=0, dilation=1, bias=False,
                 device=None, dtype=None):
        kernel = (kernel_size, kernel_size) if not isinstance(kernel_size, tuple | list) else tuple(kernel_size)
        if len(kernel) != 2:
            raise ParameterError(f"kernel_size must be one or two whole numbers; got {kernel_size!r}")
        kernel = tuple(checks.integer("kernel_size", size, 1) for size in kernel)
        in_channels = checks.integer("in_channels", in_channels, 1)
        super().__init__(in_channels * math.prod(kernel), out_channels, modes, bias, device, dtype)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, self.N_out, kernel
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def forward(self, x):
        """([samples,] C_in, height, width) to ([samples,] C_out, height, width)."""
        filters = self.xi_in.reshape(self.modes, self.in_channels, *self.kernel_size)
        fields = functional.conv2d(x, filters, None, self.stride, self.padding, self.dilation)
        return functional.conv2d(fields * self.strengths[:, None, None], self.xi_out[:, :, None, None], self.bias)

    def extra_repr(self):
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, modes={self.modes}, "
                f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, bias={self.bias is not None}")


def from_dense(layer, modes):
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
        With the layer's bias, device, dtype and training mode; orthonormal modes, strengths in descending order.

    Raises
    ------
    ParameterError
    """
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise ParameterError(f"only nn.Linear and nn.Conv2d can be made of modes; got {type(layer).__name__}")
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
    new._load(found, layer.bias)
    return new.train(layer.training)


def convert(model, modes, skip=()):
    """A copy of a model whose dense layers are made of modes by :func:`from_dense`.

    Replaced is every ``nn.Linear`` and every ``nn.Conv2d`` with one group and zero padding, of exactly these
    types: subclasses may be read by other code in a way of their own (attention reads the weight of its output
    layer) and stay.  A layer that is used twice stays one layer.  So do layers with a single input.

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

    Raises
    ------
    ParameterError
        If a name in ``skip`` is no layer of the model, or there is nothing to convert.
    """
    modes = checks.integer("modes", modes, 1)
    skip = (skip,) if isinstance(skip, str) else tuple(skip)
    model = copy.deepcopy(model)
    names = dict(model.named_modules(remove_duplicate=False))
    unknown = [name for name in skip if name not in names]
    if unknown:
        raise ParameterError(f"skip names layers of the model; {', '.join(unknown)} is none: see model.named_modules()")
    kept = {id(layer) for name, layer in names.items() if any(f"{name}.".startswith(f"{each}.") for each in skip)}
    made = {}
    for layer in names.values():
        if id(layer) not in kept and id(layer) not in made and _convertible(layer):
            made[id(layer)] = from_dense(layer, min(modes, len(layer.weight), layer.weight[0].numel()))
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


def _convertible(layer):
    if type(layer) is nn.Conv2d:
        return layer.groups == 1 and layer.padding_mode == "zeros" and layer.weight[0].numel() > 1
    return type(layer) is nn.Linear and layer.in_features > 1


def mode_layers(model):
    """Factors of every layer of modes of a model, name to :class:`onlinemode.deep.factors.Factors`."""
    return {name: layer.factors() for name, layer in model.named_modules() if isinstance(layer, _Modes)}


def importances(model, ranking="tau"):
    """Importance of the modes of every layer of modes, name to array (P,).

    Parameters
    ----------
    model : torch.nn.Module
    ranking : str, default "tau"
        As in :func:`onlinemode.deep.importance.importance`.
    """
    return {name: importance.importance(*found, ranking) for name, found in mode_layers(model).items()}
