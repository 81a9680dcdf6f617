"""The other array module: a stand-in for CuPy that refuses what CuPy refuses, and rounds in its own way."""

import sys
import types

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep.arrays import array_module, flat_views
from onlinemode.errors import EngineError

ROUNDED_ELSEWISE = ("matmul", "exp", "log", "power")  # no two libraries, or processors, need give the same bits here


class CardArray(np.ndarray):
    """An array that does not mix with NumPy's, and is taken to them by ``get`` alone.

    What libraries need not round alike is one unit in the last place larger than NumPy's.
    """

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        for array in (*inputs, *(out or ())):
            if type(array) is np.ndarray and array.ndim > 0:
                raise TypeError(f"Unsupported type {type(array)}")
        plain = [array.view(np.ndarray) if isinstance(array, CardArray) else array for array in inputs]
        if out is not None:
            options["out"] = tuple(array.view(np.ndarray) for array in out)
        result = getattr(ufunc, method)(*plain, **options)
        if ufunc.__name__ in ROUNDED_ELSEWISE:
            result = np.nextafter(result, np.inf, **options)
        return out[0] if out is not None else np.asarray(result).view(CardArray)

    def __array_function__(self, function, types, arguments, options):
        raise TypeError(f"np.{function.__name__} was called instead of the module's own")

    def get(self):
        return np.array(self.view(np.ndarray))


def card_module(cards=1):
    """NumPy's functions, returning such arrays."""
    module = types.ModuleType("cupy")

    def wrap(function):
        def call(*arguments, **options):
            return np.asarray(function(*(plain(value) for value in arguments), **options)).view(CardArray)
        return call

    def plain(value):
        if isinstance(value, (list, tuple)):
            return type(value)(plain(entry) for entry in value)
        return value.view(np.ndarray) if isinstance(value, CardArray) else value

    for name in ("zeros", "zeros_like", "empty", "empty_like", "ones", "eye", "arange", "asarray", "concatenate"):
        setattr(module, name, wrap(getattr(np, name)))
    for name in ("matmul", "multiply", "add", "subtract", "divide", "sqrt", "exp", "log", "abs", "sign", "greater",
                 "isfinite"):
        setattr(module, name, getattr(np, name))

    def total(a):
        return a.sum()

    def take(a, indices, axis=None, out=None):  # no mode, as in CuPy
        out[...] = a[indices]

    module.sum, module.take = total, take
    module.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=lambda: cards))
    return module


@pytest.mark.parametrize("precision, tolerance", [("float64", 1e-9), ("float32", 1e-4)])
@pytest.mark.parametrize("variant", deep.VARIANTS)
def test_the_same_code_runs_on_other_arrays(variant, precision, tolerance, small_images, monkeypatch, tmp_path):
    """To rounding: only arrays of one kind, on one processor, need give the same bits."""
    monkeypatch.setitem(sys.modules, "cupy", card_module())
    monkeypatch.setattr("onlinemode.deep.training.SHUFFLED_WHOLE", 0)  # gather batch by batch
    arguments = {"epochs": 2, "batch": 20, "rate": 3e-3, "halve_every": 1}
    card, cpu = (deep.Network((16, 7, 4), variant, 3, precision=precision, device=device) for device in ("cuda", "cpu"))
    assert isinstance(card.flat, CardArray) and card.flat.dtype == precision
    assert isinstance(card.forward(small_images.test_x), CardArray)
    one, other = (deep.train(network, small_images, **arguments) for network in (card, cpu))
    moved = np.abs(other.network.flat - cpu.flat).max()
    assert np.abs(one.network.flat.get() - other.network.flat).max() < tolerance * moved
    assert np.abs(one.test_accuracy - other.test_accuracy).max() < (0.05 if precision == "float32" else 1e-9)
    one.save(tmp_path / "r.npz")
    assert np.array_equal(deep.load(tmp_path / "r.npz").flat, one.network.flat.get())
    assert isinstance(deep.load(tmp_path / "r.npz", device="cuda").flat, CardArray)


def test_the_stand_in_refuses_numpy():
    with pytest.raises(TypeError, match="Unsupported type"):
        np.zeros(3).view(CardArray) + np.zeros(3)


def test_without_cupy_or_a_card(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(EngineError, match="device cuda needs CuPy, which is not installed; install a cupy-cuda"):
        array_module("cuda")
    monkeypatch.setitem(sys.modules, "cupy", card_module(cards=0))
    with pytest.raises(EngineError, match="finds no graphics card; use device cpu"):
        array_module("cuda")
    broken = card_module()
    broken.cuda.runtime.getDeviceCount = lambda: 1 / 0
    monkeypatch.setitem(sys.modules, "cupy", broken)
    with pytest.raises(EngineError, match=r"no usable graphics card \(division by zero\)"):
        array_module("cuda")


def test_views_do_not_overlap():
    flat, views = flat_views(np, {"a": (3, 5), "b": (1,), "c": (16,)}, "float64")
    for number, view in enumerate(views.values(), start=1):
        assert not view.any()
        view[...] = number
    assert [view.shape for view in views.values()] == [(3, 5), (1,), (16,)]
    assert flat.sum() == 15 + 2 + 3 * 16
    assert all(view.ctypes.data % 64 == flat.ctypes.data % 64 for view in views.values())
