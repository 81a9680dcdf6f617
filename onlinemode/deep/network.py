"""Multilayer networks of mode-decomposed or dense layers: ReLU between the layers, no biases, linear outputs."""

import math
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from onlinemode import checks
from onlinemode.deep.arrays import PRECISIONS, array_module, flat_views, to_numpy
from onlinemode.deep.layers import Dense, Modes
from onlinemode.deep.losses import LOSSES, make_loss
from onlinemode.deep.streams import Stream, generator
from onlinemode.errors import ParameterError, ShapeError
from onlinemode.memory import too_large
from onlinemode.storage import write_archive

KIND = "network"
RUN = "training run"  # a file of onlinemode.deep.runs, which holds a network, too
VARIANTS = ("dense", "1L2P", "1L1P", "two-factor", "SVD")
"""Kinds of layers, see :class:`Network`."""
MOST_PARAMETERS = 10**12
ROWS = 1000  # samples that are evaluated at a time


class Network:
    """A fully connected network a ← relu(W a), with W as modes or as itself.

    docs/theory, sections 10.1 and 10.2.

    Parameters
    ----------
    sizes : sequence of int, default (784, 100, 100, 10)
        Inputs, hidden units of each layer, outputs.
    variant : {"1L2P", "1L1P", "two-factor", "SVD", "dense"}, default "1L2P"
        ``"dense"``: W itself is trained.  ``"1L2P"``: ξ_in, Σ and ξ_out of every layer.  ``"1L1P"``: ξ_out of a
        layer is the transpose of the next layer's ξ_in, only the last is free.  ``"two-factor"``: Σ is 1 and
        not trained.  ``"SVD"``: |Σ|, with as many modes as W has rank, under penalties (docs/theory, section 10.3).
    modes : int or sequence of int, default 30
        P of all layers, or of each.  Not used by ``"dense"`` and ``"SVD"``.
    seed : int, default 0
        Of the initial factors: entries (N_in ln N_in)^(−1/6) N(0, 1), so that Var W = P/(N_in ln N_in);
        the strengths of ``"SVD"`` are uniform in (0, 1) times the same; dense weights are N(0, 2/N_in).
    precision : {"float32", "float64"}, default "float32"
        Of all arrays; initial values are drawn in float64 whatever it is.
    loss : {"cross-entropy", "mse"}, default "cross-entropy"
        Of the softmax of the outputs; or ½ Σ_k (f_k − y_k)².
    device : {"cpu", "cuda"}, default "cpu"
        Where the arrays are; "cuda" needs CuPy.

    Attributes
    ----------
    layers : list
        Each has ``xi_in`` (P, N_in), ``strengths`` (P,) and ``xi_out`` (N_out, P), a dense one ``weights``
        (N_out, N_in); change these arrays in place.  ``matrix()`` is a copy of W.
    parameters : dict
        Name to array, of all that is trained: ``xi_in_0``, ``strengths_0``, ``xi_out_0``, ``weights_0``, ...

    Raises
    ------
    ParameterError, ShapeError
        If a value is out of range, or sizes and modes do not fit.
    EngineError
        If the device cannot be used.

    Notes
    -----
    Layers and their initial values are those of C. Li and H. Huang, Phys. Rev. Research 5, L022011 (2023); dense
    ones begin as in K. He et al., ICCV 2015.
    """

    sizes: tuple[int, ...]
    variant: str
    modes: tuple[int, ...] | None
    layers: list[Any]
    parameters: dict[str, np.ndarray]

    def __init__(self, sizes: Iterable[int] | int = (784, 100, 100, 10), variant: str = "1L2P",
                 modes: int | Sequence[int] = 30, seed: int = 0, precision: str = "float32",
                 loss: str = "cross-entropy", device: str = "cpu") -> None:
        self.sizes = checked_sizes(sizes)
        self.variant = checks.choice("variant", variant, VARIANTS)
        self.modes = checked_modes(modes, self.sizes, variant)
        self.seed = checks.integer("seed", seed, 0)
        self.precision = checks.choice("precision", precision, PRECISIONS)
        self.loss_name = checks.choice("loss", loss, LOSSES)
        if loss == "cross-entropy" and self.sizes[-1] < 2:
            raise ParameterError(f"the cross-entropy needs at least 2 outputs, one a class; got sizes {self.sizes}: "
                                 "use loss mse for one output")
        self.device = device
        self.xp = array_module(device)
        self._loss = make_loss(loss)
        shapes = parameter_shapes(self.sizes, self.variant, self.modes)
        if sum(math.prod(shape) for shape in shapes.values()) > MOST_PARAMETERS:
            raise ParameterError(f"a network has at most {MOST_PARAMETERS:,} parameters; got more: give smaller sizes, "
                                 "or fewer modes")
        if self.xp is np:
            _check_memory(shapes, precision)
        self.flat, self.parameters = flat_views(self.xp, shapes, precision)
        self.flat_gradient, self._gradients = flat_views(self.xp, shapes, precision)
        self._frozen = {f"strengths_{l}": self.xp.ones(P, precision) for l, P in enumerate(self.modes or ())
                        if variant == "two-factor"}
        self.layers = [self._layer(l) for l in range(len(self.sizes) - 1)]
        self._draw()
        self._work: dict[int, _Workspace] = {}

    def __repr__(self) -> str:
        modes = f", modes={list(self.modes)}" if self.modes else ""
        return f"Network(sizes={self.sizes}, variant={self.variant!r}{modes}, loss={self.loss_name!r})"

    # -- what it is made of -------------------------------------------------------------------

    def _layer(self, l):
        if self.variant == "dense":
            return Dense(self.xp, self.parameters[f"weights_{l}"], self._gradients[f"weights_{l}"])

        def find(name, arrays):
            if name == "xi_out" and f"xi_out_{l}" not in arrays:  # shared with the next layer
                return arrays[f"xi_in_{l + 1}"].T
            return arrays[f"{name}_{l}"]

        factors = {name: find(name, self.parameters | self._frozen) for name in ("xi_in", "strengths", "xi_out")}
        trained = [name for name in factors if not (name == "strengths" and self._frozen)]
        return Modes(self.xp, **factors, gradients={name: find(name, self._gradients) for name in trained},
                     absolute=self.variant == "SVD", shared_out=f"xi_out_{l}" not in self.parameters)

    def _draw(self):
        """The initial values, in float64 whatever the precision, so that it does not change them otherwise."""
        rng = generator(Stream.WEIGHTS, self.seed)
        for name, array in self.parameters.items():
            N_in = self.sizes[int(name.rpartition("_")[2])]
            if self.variant == "dense":
                values = math.sqrt(2.0 / N_in) * rng.standard_normal(array.shape)
            elif self.variant == "SVD" and name.startswith("strengths"):
                values = (N_in * math.log(N_in)) ** (-1.0 / 6.0) * rng.uniform(0.0, 1.0, array.shape)
            else:
                values = (N_in * math.log(N_in)) ** (-1.0 / 6.0) * rng.standard_normal(array.shape)
            array[...] = self.xp.asarray(values.astype(self.precision))

    def count_parameters(self) -> int:
        """Number of trained parameters.

        Returns
        -------
        int
            Of all layers together; shared modes count once.
        """
        return sum(array.size for array in self.parameters.values())

    def multiplications(self) -> int:
        """Cost of the forward pass.

        Returns
        -------
        int
            Multiplications for one sample, all layers together.
        """
        return sum(layer.multiplications for layer in self.layers)

    def specification(self) -> dict[str, Any]:
        """The arguments that make a network of this shape again.

        Returns
        -------
        dict
            Of plain types, as files have them.
        """
        return {"sizes": list(self.sizes), "variant": self.variant, "modes": list(self.modes) if self.modes else None,
                "seed": self.seed, "precision": self.precision, "loss": self.loss_name}

    # -- what it computes ---------------------------------------------------------------------

    def workspace(self, rows: int) -> "_Workspace":
        """Buffers for batches of one size.

        Parameters
        ----------
        rows : int
            Samples in a batch.

        Returns
        -------
        object
            Made once and kept.
        """
        if rows not in self._work:
            if len(self._work) > 3:  # odd sizes come and go
                self._work.clear()
            self._work[rows] = _Workspace(self, rows)
        return self._work[rows]

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Outputs: the fields of the last layer, before the softmax.

        Parameters
        ----------
        x : array (samples, n_in)
            Inputs.

        Returns
        -------
        array (samples, n_out)
            On the network's device.

        Raises
        ------
        ShapeError
            If the inputs have another shape.
        """
        return self._blockwise(x, lambda work: [work.outputs[-1]])[0]

    def activities(self, x: ArrayLike) -> list[np.ndarray]:
        """Activities relu(z) of the hidden layers.

        Parameters
        ----------
        x : array (samples, n_in)
            Inputs.

        Returns
        -------
        list of arrays (samples, width)
            The first layer's first.

        Raises
        ------
        ShapeError
            If the inputs have another shape.
        """
        return self._blockwise(x, lambda work: work.outputs[:-1])

    def loss(self, x: ArrayLike, y: ArrayLike) -> float:
        """Mean loss of samples.

        Parameters
        ----------
        x : array (samples, n_in)
            Inputs.
        y : array (samples,) or (samples, n_out)
            As for :meth:`evaluate`.

        Returns
        -------
        float
            In float64 whatever the precision.

        Raises
        ------
        ShapeError, ParameterError
            If inputs or targets do not fit.
        """
        return self.evaluate(x, y)[0]

    def accuracy(self, x: ArrayLike, y: ArrayLike) -> float:
        """Share of the samples whose class is right; for one output, whose sign agrees with that of y.

        Parameters
        ----------
        x : array (samples, n_in)
            Inputs.
        y : array (samples,) or (samples, n_out)
            As for :meth:`evaluate`.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        ShapeError, ParameterError
            If inputs or targets do not fit.
        """
        return self.evaluate(x, y)[1]

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
        """Mean loss and accuracy of samples and targets.

        Parameters
        ----------
        x : array (samples, n_in)
            Inputs.
        y : array (samples,) or (samples, n_out)
            Class numbers, or for the mean square also numbers.

        Returns
        -------
        loss : float
            Mean over the samples.
        accuracy : float
            Share of the samples whose class is right.

        Raises
        ------
        ShapeError, ParameterError
            If inputs or targets do not fit.
        """
        x = self._inputs(x)
        targets = self._targets(y, len(x))
        losses, hits = self.xp.empty(len(x), self.precision), self.xp.empty(len(x), bool)
        for begin in range(0, len(x), ROWS):
            block = slice(begin, min(begin + ROWS, len(x)))
            z = self._forward(x[block]).outputs[-1]
            self._loss.gradient(self.xp, z, targets[block], losses[block], hits[block])
        return float(losses.mean(dtype=np.float64)), float(hits.mean(dtype=np.float64))

    def gradients(self, x: ArrayLike, y: ArrayLike) -> dict[str, np.ndarray]:
        """Gradients of the mean loss, for samples that are one batch.

        The penalties of ``"SVD"`` are not among them: they do not go through Adam's moments.

        Parameters
        ----------
        x : array (samples, n_in)
            Inputs.
        y : array (samples,) or (samples, n_out)
            As for :meth:`evaluate`.

        Returns
        -------
        dict of arrays
            By the names of ``parameters``.

        Raises
        ------
        ShapeError, ParameterError
            If inputs or targets do not fit.
        """
        x = self._inputs(x)
        losses, hits = self.xp.empty(len(x), self.precision), self.xp.empty(len(x), bool)
        self.backward(x, self._targets(y, len(x)), losses, hits)
        return {name: gradient.copy() for name, gradient in self._gradients.items()}

    def backward(self, x: np.ndarray, targets: np.ndarray, losses: np.ndarray, hits: np.ndarray) -> None:
        """Forward and backward pass of one batch; leaves the gradients in ``flat_gradient``.

        Parameters
        ----------
        x : array (samples, n_in)
            Of the network's precision and device, as are the others.
        targets : array
            As :meth:`prepared_targets` gives them.
        losses, hits : arrays (samples,)
            Receive the loss of each sample, and whether its class is right.
        """
        xp, work = self.xp, self._forward(x)
        delta = work.outputs[-1]
        self._loss.gradient(xp, delta, targets, losses, hits)
        for l in range(len(self.layers) - 1, 0, -1):
            below = work.deltas[l - 1]
            self.layers[l].backward(work.outputs[l - 1], delta, below, work.layers[l])
            xp.multiply(below, work.active[l - 1], out=below)
            delta = below
        self.layers[0].backward(x, delta, None, work.layers[0])

    def _forward(self, x):
        xp, work, a = self.xp, self.workspace(len(x)), x
        last = len(self.layers) - 1
        for l, layer in enumerate(self.layers):
            z = work.outputs[l]
            layer.forward(a, z, work.layers[l])
            if l < last:  # relu; a product with a mask is faster than a maximum, and the way back needs the mask
                xp.greater(z, 0.0, out=work.active[l])
                xp.multiply(z, work.active[l], out=z)
            a = z
        return work

    def _blockwise(self, x, pick):
        x = self._inputs(x)
        parts = [[array.copy() for array in pick(self._forward(x[begin:begin + ROWS]))]
                 for begin in range(0, len(x), ROWS)]
        return [self.xp.concatenate(arrays) for arrays in zip(*parts)]

    def _inputs(self, x) -> np.ndarray:
        if not _on_card(x):  # which has arrays of numbers alone
            x = checks.real("inputs", x)
        x = self.xp.asarray(x, dtype=self.precision)
        if x.ndim != 2 or x.shape[1] != self.sizes[0] or len(x) == 0:
            raise ShapeError(f"inputs must have shape (samples, {self.sizes[0]}); got {x.shape}")
        return x

    def _targets(self, y, samples):
        targets = self.prepared_targets(y)
        if len(targets) != samples:
            raise ShapeError(f"inputs and targets must be equally many; got {samples} and {len(targets)}")
        return targets

    def prepared_targets(self, y: ArrayLike) -> np.ndarray:
        """Targets as the loss takes them, on the network's device.

        Parameters
        ----------
        y : array (samples,) or (samples, n_out)
            As for :meth:`evaluate`.

        Returns
        -------
        array
            Class numbers, or numbers (samples, n_out) of the network's precision.

        Raises
        ------
        ShapeError, ParameterError
            If they do not fit.
        """
        given: Any = y
        given = given.get() if _on_card(given) else given
        return self.xp.asarray(self._loss.targets(given, self.sizes[-1], self.precision))

    # -- copies and files ---------------------------------------------------------------------

    def copy(self) -> "Network":
        """A network of its own with the same values.

        Returns
        -------
        Network
            On the same device.
        """
        other = Network(**self.specification(), device=self.device)
        other.flat[:] = self.flat
        return other

    def state(self) -> dict[str, np.ndarray]:
        """The trained arrays in the processor's memory.

        Returns
        -------
        dict of arrays
            Copies, by the names of ``parameters``.
        """
        return {name: to_numpy(array).copy() for name, array in self.parameters.items()}

    def set_state(self, arrays: dict[str, Any]) -> None:
        """Take the values that :meth:`state` gave.

        Parameters
        ----------
        arrays : dict of arrays
            By the names of ``parameters``.

        Raises
        ------
        ShapeError
            If one is missing or has another shape.
        """
        for name, array in self.parameters.items():
            if name not in arrays or np.shape(arrays[name]) != array.shape:
                found: Any = arrays.get(name)
                raise ShapeError(f"{name} must have shape {array.shape}; got {np.shape(found)}")
            array[...] = self.xp.asarray(checks.real(name, arrays[name]))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to an .npz file (no pickle), whole or not at all.

        Parameters
        ----------
        path : str or path
            Of the file; one that is there is replaced.

        Raises
        ------
        FileError
            If the file cannot be written.
        """
        write_archive(path, KIND, {"network": self.specification()}, self.state())


class _Workspace:
    """Outputs of every layer, what flows back, and what the layers need, for batches of one size."""

    def __init__(self, network, rows):
        new = lambda width: network.xp.empty((rows, width), network.precision)  # noqa: E731
        self.outputs = [new(width) for width in network.sizes[1:]]
        self.deltas = [new(width) for width in network.sizes[1:-1]]
        self.active = [network.xp.empty((rows, width), bool) for width in network.sizes[1:-1]]
        self.layers = [layer.workspace(rows) for layer in network.layers]


def _check_memory(shapes, precision):
    """Raise ParameterError where there is not enough for the parameters, their gradient, and the initial values."""
    bytes_each = 2 * np.dtype(precision).itemsize + 8
    if reason := too_large(bytes_each * sum(math.prod(shape) for shape in shapes.values())):
        raise ParameterError(f"the parameters of this network would take {reason}: give fewer units or modes")


def parameter_shapes(sizes, variant, modes):
    """Name to shape of every trained array."""
    shapes = {}
    for l, (N_in, N_out) in enumerate(zip(sizes, sizes[1:])):
        if variant == "dense":
            shapes[f"weights_{l}"] = (N_out, N_in)
            continue
        P = modes[l]
        shapes[f"xi_in_{l}"] = (P, N_in)
        if variant != "two-factor":
            shapes[f"strengths_{l}"] = (P,)
        if variant != "1L1P" or l == len(sizes) - 2:
            shapes[f"xi_out_{l}"] = (N_out, P)
    return shapes


def _on_card(array):
    """Whether an array is one of a graphics card."""
    return hasattr(array, "get") and hasattr(array, "dtype")


def checked_sizes(sizes):
    """At least two sizes, as a tuple."""
    try:
        sizes = tuple(sizes)
    except TypeError:
        sizes = (sizes,)
    if len(sizes) < 2:
        raise ShapeError(f"sizes must name the inputs, the width of each hidden layer and the outputs; got {sizes}")
    return (*(checks.integer("every size but the last (the initial values need ln N > 0)", n, 2) for n in sizes[:-1]),
            checks.integer("the number of outputs", sizes[-1], 1))


def checked_modes(modes, sizes, variant):
    """P of every layer, or None."""
    if variant == "dense":
        return None
    if variant == "SVD":
        return tuple(min(pair) for pair in zip(sizes, sizes[1:]))
    several = checks.entries(modes)
    several = [modes] * (len(sizes) - 1) if several is None else several
    modes = tuple(checks.integer("the number of modes P", P, 1) for P in several)
    if len(modes) != len(sizes) - 1:
        raise ShapeError(f"modes must be one number, or one for each of the {len(sizes) - 1} layers; got {len(modes)}")
    if variant == "1L1P" and len(set(modes)) > 1:
        raise ShapeError(f"1L1P layers share their modes, so P must be the same everywhere; got {list(modes)}")
    return modes
