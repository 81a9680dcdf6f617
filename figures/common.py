"""What the figure scripts share: runs that are computed once and kept in figures/data."""

import sys
from pathlib import Path

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
    asked = {"alpha": alpha, "engine": engine, **call}
    asked["save_at"] = list(call["save_at"]) if hasattr(call.get("save_at"), "__len__") else call.get("save_at", 200)
    same_call = all(kept.meta["call"].get(name) == value for name, value in asked.items())
    first = start(0) if callable(start) else start
    first = first.order_parameters() if isinstance(first, om.Weights) else first
    return same_call and kept.problem == problem and (kept.initial.S == first.S).all()


def save(figure, name):
    """Write figures/NAME.png."""
    path = FOLDER / f"{name}.png"
    om.plotting.save_figure(figure, path)
    print(path.relative_to(FOLDER.parent))
