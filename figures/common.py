"""What the figure scripts share: runs that are computed once and kept in figures/data."""

import sys
from pathlib import Path

import numpy as np

import onlinemode as om
from onlinemode.errors import FileError

FOLDER = Path(__file__).resolve().parent
DATA = FOLDER / "data"


def run(name, problem, start, alpha, engine, **call):
    """``om.simulate`` with these arguments, from figures/data/NAME.npz where it holds exactly this run.

    ``--fresh`` on the command line computes everything anew.
    """
    path = DATA / f"{name}.npz"
    if path.exists() and "--fresh" not in sys.argv[1:]:
        try:
            kept = om.load(path)
        except FileError:
            kept = None
        if kept is not None and _is_this(kept, problem, start, alpha, engine, call):
            return kept
    print(f"{name}: computing ...", flush=True)
    result = om.simulate(problem, start, alpha, engine, **call)
    print(f"{name}: {result.meta['seconds_run']:.0f} s", flush=True)
    DATA.mkdir(exist_ok=True)
    result.save(path)
    return result


def _is_this(kept, problem, start, alpha, engine, call):
    asked, made = {"alpha": alpha, "engine": engine, "save_at": 200, **call}, kept.meta["call"]
    same_call = all(made.get(name) == value for name, value in asked.items() if name != "save_at")
    first = start(0) if callable(start) else start
    first = first.order_parameters(problem.inputs) if isinstance(first, om.Weights) else first
    return (same_call and kept.problem == problem and _same(made["save_at"], asked["save_at"])
            and _same(kept.initial.S, first.S))


def _same(one, other):
    """Whether numbers are equal to rounding: powers and products have other last bits on other processors."""
    return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=1e-9, atol=1e-12)


def save(figure, name):
    """Write figures/NAME.png."""
    path = FOLDER / f"{name}.png"
    om.plotting.save_figure(figure, path)
    print(path.relative_to(FOLDER.parent))
