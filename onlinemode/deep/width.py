"""The least number of modes that reaches a given share of the dense accuracy, against the width.

At every width the modes climb a fixed grid, several seeds each, until their mean test accuracy reaches the target,
the share times the mean accuracy of dense networks of this width.  Between the last number of modes below the target
and the first one that reaches it, the crossing is interpolated, linearly in accuracy against ln P.

Formulas and how they were checked: docs/theory, section 11.4.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onlinemode import checks, records
from onlinemode.array_files import read_json
from onlinemode.deep.network import Network
from onlinemode.deep.presets import preset
from onlinemode.deep.training import train
from onlinemode.display import short_repr
from onlinemode.errors import FileError, ParameterError
from onlinemode.storage import is_there, replacing

if TYPE_CHECKING:
    from onlinemode.deep.data import Dataset

__all__ = ["Crossing", "cached", "least_modes", "make_training", "sweep"]

WIDTHS = (20, 32, 50, 80, 140, 240, 400, 640)
GRID = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
SHARE = 0.97
SEEDS = 2


class Crossing(NamedTuple):
    """The least number of modes at one width.

    Attributes
    ----------
    width : int
        Of the hidden layers.
    target : float
        The accuracy asked for.
    modes : float
        Interpolated; NaN where the grid does not contain the crossing.
    standard_error : float
        Of ln modes; NaN where seeds do not show it.
    reached : {"crossed", "always", "never"}
        "always": by the first of the grid already.
    tried : int array (n,)
        Numbers of modes in the order of the grid.
    accuracy : array (n, seeds)
        Of the networks with these modes.
    dense : array (seeds,)
        Of the dense networks.
    """

    width: int
    target: float
    modes: float
    standard_error: float
    reached: str
    tried: np.ndarray
    accuracy: np.ndarray
    dense: np.ndarray

    def __repr__(self) -> str:
        return short_repr(self)


def least_modes(accuracy_of: Callable[[int, int | None, int], float], width: int, share: float = SHARE,
                grid: Sequence[int] = GRID, seeds: int = SEEDS) -> Crossing:
    """Climb the grid at one width (docs/theory, section 11.4).

    Parameters
    ----------
    accuracy_of : callable
        ``accuracy_of(width, modes, seed)``, test accuracy of a trained network; ``modes`` None means dense.
    width : int
        Of the hidden layers.
    share : float, default 0.97
        Of the dense accuracy, above 0 and at most 1.
    grid : sequence of int, default (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
        Increasing.
    seeds : int, default 2
        Networks of each kind, with seeds 0, 1, ...

    Returns
    -------
    Crossing
        The standard error is that of the interpolated ln P, from the spread between seeds at this width: of the
        target and of both ends, to first order.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    """
    width, share, grid, seeds = _checked(width, share, grid, seeds)
    dense = np.array([accuracy_of(width, None, seed) for seed in range(seeds)])
    target = share * dense.mean()
    tried, rows = [], []
    for modes in grid:
        tried.append(modes)
        rows.append([accuracy_of(width, modes, seed) for seed in range(seeds)])
        if np.mean(rows[-1]) >= target:
            break
    accuracy = np.array(rows)
    reached = "never" if accuracy[-1].mean() < target else "always" if len(tried) == 1 else "crossed"
    modes, error = float("nan"), float("nan")  # type: ignore[assignment]
    if reached == "crossed":
        low, high = accuracy[-2].mean(), accuracy[-1].mean()
        fraction, step = (target - low) / (high - low), math.log(tried[-1] / tried[-2])
        modes = tried[-2] * math.exp(fraction * step)  # type: ignore[assignment]
        if seeds > 1:
            variances = [each.var(ddof=1) / seeds for each in (dense, accuracy[-2], accuracy[-1])]
            weights = [share, 1.0 - fraction, fraction]
            error = float(step / (high - low) * math.sqrt(sum(w**2 * v for w, v in zip(weights, variances))))
    return Crossing(width, float(target), float(modes), error, reached, np.array(tried), accuracy, dense)


def sweep(accuracy_of: Callable[[int, int | None, int], float], widths: Sequence[int] = WIDTHS, share: float = SHARE,
          grid: Sequence[int] = GRID, seeds: int = SEEDS,
          report: Callable[[Crossing], object] | None = None) -> list[Crossing]:
    """The least number of modes at every width, by :func:`least_modes`.

    Parameters
    ----------
    accuracy_of : callable
        As for :func:`least_modes`; :func:`cached` makes one that survives an interruption.
    widths : sequence of int, default (20, 32, 50, 80, 140, 240, 400, 640)
        Different ones.
    share : float, default 0.97
        Of the dense accuracy, above 0 and at most 1.
    grid : sequence of int, default (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
        Numbers of modes, increasing.
    seeds : int, default 2
        Networks of each kind, with seeds 0, 1, ...
    report : callable, optional
        Called with every Crossing.

    Returns
    -------
    list of Crossing
        One a width.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    """
    widths, grid = list(widths), list(grid)
    check_sweep(widths, share, grid, seeds)
    out = []
    for width in widths:
        out.append(least_modes(accuracy_of, width, share, grid, seeds))
        if report is not None:
            report(out[-1])
    return out


def check_sweep(widths: Sequence[int], share: float, grid: Sequence[int], seeds: int) -> None:
    """Raise ParameterError for arguments of :func:`sweep` that cannot be."""
    widths = [_checked(width, share, grid, seeds)[0] for width in widths]
    if not widths or len(set(widths)) < len(widths):
        raise ParameterError(f"widths must be named once each, at least one; got {widths}")


def _checked(width, share, grid, seeds):
    share = checks.number("share", share, above=0.0, maximum=1.0)
    grid = [checks.integer("every number of modes P", modes, 1) for modes in grid]
    if not grid or any(b <= a for a, b in zip(grid, grid[1:])):
        raise ParameterError(f"the grid of modes must increase; got {grid}")
    return checks.integer("width", width, 1), share, grid, checks.integer("seeds", seeds, 1)


def make_training(dataset: "Dataset", depth: int = 2, variant: str = "1L2P", reduced: bool = True,
                  values: dict[str, Any] | None = None, precision: str = "float32", device: str = "cpu",
                  progress: Callable | None = None) -> tuple[Callable[..., dict[str, Any]], dict[str, Any]]:
    """What :func:`cached` needs for networks with ``depth`` hidden layers of the same width.

    Parameters
    ----------
    dataset : Dataset
        Samples to learn from, and to be tested on.
    depth : int, default 2
        Number of hidden layers.
    variant : {"1L2P", "1L1P", "two-factor"}, default "1L2P"
        Those that have a number of modes to choose.
    reduced : bool, default True
        A tenth of the paper's epochs, as in :func:`onlinemode.deep.preset`.
    values : dict, optional
        Hyperparameters in place of the presets'.  ``rate`` and ``decay`` are those of the networks with modes
        alone, the dense ones keep theirs; the others hold for all.
    precision : {"float32", "float64"}, default "float32"
        As for :class:`onlinemode.deep.Network`.
    device : {"cpu", "cuda"}, default "cpu"
        As for :class:`onlinemode.deep.Network`.
    progress : callable, optional
        ``progress(width, modes, seed)`` is called before each network, and gives the progress callback of its
        training, or None.

    Returns
    -------
    train : callable
        ``train(width, modes, seed)``: a dict with "accuracy" after the last epoch, "seconds", "epochs", "parameters".
        Raises KeyboardInterrupt where the user stops it, ParameterError where a run diverges.
    settings : dict
        What the results depend on besides width, modes and seed.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    """
    checks.choice("variant", variant, ("1L2P", "1L1P", "two-factor"))
    depth, values = checks.integer("the number of hidden layers", depth, 1), dict(values or {})
    numbers = dataset.train_y.dtype.kind == "f"
    outputs = dataset.classes if not numbers else 1 if dataset.train_y.ndim == 1 else dataset.train_y.shape[1]
    loss = "mse" if numbers else "cross-entropy"

    def make(width, modes, seed):
        return Network((dataset.inputs, *[width] * depth, outputs), "dense" if modes is None else variant, modes or 1,
                       seed=seed, precision=precision, loss=loss, device=device)

    def hyperparameters(modes):
        own = () if modes is not None else ("rate", "decay")
        return preset(make(2, modes, 0), dataset, reduced=reduced) | {name: value for name, value in values.items()
                                                                      if name not in own}

    both = {"dense": hyperparameters(None), variant: hyperparameters(1)}

    def train_one(width, modes, seed):
        report = None if progress is None else progress(width, modes, seed)
        run = train(make(width, modes, seed), dataset, **both["dense" if modes is None else variant], seed=seed,
                    progress=report)
        if run.status.value == "interrupted":
            raise KeyboardInterrupt
        if run.status.value != "completed":
            which = "dense" if modes is None else f"P = {modes}"
            raise ParameterError(f"width {width}, {which}, seed {seed}: {run.message}")
        return {"accuracy": float(run.test_accuracy[-1]), "seconds": float(run.seconds.sum()), "epochs": run.epochs,
                "parameters": run.network.count_parameters()}

    return train_one, {"data": dataset.fingerprint, "depth": depth, "variant": variant, "loss": loss,
                       "precision": precision, "hyperparameters": both}


def cached(train: Callable[[int, int | None, int], dict[str, Any]], folder: str | PathLike[str],
           settings: dict[str, Any]) -> Any:
    """An ``accuracy_of`` that keeps each result in a file of its own, written whole or not at all.

    Parameters
    ----------
    train : callable
        ``train(width, modes, seed)`` gives a dict of plain numbers with the key "accuracy".
    folder : str or path
        Made where it is missing.
    settings : dict
        All that the results depend on besides width, modes and seed, as plain JSON types: another setting gets
        other files.

    Returns
    -------
    callable
        With the attribute ``trained``, the number of networks trained so far and not read.

    Raises
    ------
    FileError
        If a file cannot be read or written, or holds something else.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(f"cannot make the folder {folder}: {problem.strerror}; name another (folder, "
                        "--cache)") from None
    settings = json.loads(json.dumps(settings))
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]

    def accuracy_of(width, modes, seed):
        which = {"width": width, "modes": modes, "seed": seed, "settings": settings}
        path = folder / f"{key}_w{width}_{'dense' if modes is None else f'P{modes}'}_s{seed}.json"
        if is_there(path):
            return _read(path, which)
        accuracy_of.trained += 1
        result = train(width, modes, seed)
        with replacing(path, "w") as file:
            json.dump({**which, "result": result}, file, indent=1)
        return float(result["accuracy"])

    accuracy_of.trained = 0  # type: ignore[attr-defined]
    return accuracy_of


def _read(path, which):
    try:
        kept = read_json(path)
        records.check(kept, {"result": records.record})
        result = kept.pop("result")
        records.check(result, {"accuracy": records.number}, name="result")
        accuracy = float(result["accuracy"])
    except (OSError, ValueError) as problem:
        raise FileError(f"cannot read {path}: no result of a width sweep ({str(problem) or type(problem).__name__}); "
                        "delete it, and it is made again") from None
    if kept != which:
        raise FileError(f"{path} holds the result of another network; delete it, and it is made again")
    return accuracy
