"""What figure scripts keep: a run is taken from figures/data on every processor, if it is the one asked for."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om

FOLDER = Path(__file__).resolve().parents[1] / "figures"
NAME, PROBLEM, ALPHA = "fig4_limit_ode", om.Problem(rates=om.LearningRates(xi_in=3.0)), 50.0


class Anew(Exception):
    """A run is computed."""


@pytest.fixture(scope="module")
def common():
    spec = importlib.util.spec_from_file_location("figures_common", FOLDER / "common.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kept():
    return om.load(FOLDER / "data" / f"{NAME}.npz")


@pytest.fixture
def ask(common, monkeypatch):
    def simulate(*_, **__):
        raise Anew

    monkeypatch.setattr(common.om, "simulate", simulate)
    monkeypatch.setattr("sys.argv", ["fig4_limit.py"])
    return lambda start, save_at, problem=PROBLEM, alpha=ALPHA, **call: common.run(
        NAME, problem, start, alpha, "ode", save_at=save_at, **call)


def moved(overlaps, S):
    """The same overlaps, but for S."""
    return om.OrderParameters(G=overlaps.G, S=S, T=overlaps.T, strengths=overlaps.strengths, xi_out=overlaps.xi_out,
                              readout=overlaps.readout, teacher_readout=overlaps.teacher_readout)


def test_another_processor_has_other_last_bits(ask, kept):
    times = np.nextafter(kept.meta["call"]["save_at"], np.inf)
    start = moved(kept.initial, np.nextafter(kept.initial.S, np.inf))
    assert np.array_equal(ask(start, times.tolist()).G, kept.G)


@pytest.mark.parametrize("change", ["times", "fewer times", "count", "overlaps", "problem", "alpha", "engine's option"])
def test_another_run_is_computed(ask, kept, change):
    times, start, other = np.array(kept.meta["call"]["save_at"]), kept.initial, {}
    if change == "times":
        times = times * (1.0 + 1e-6)
    elif change == "fewer times":
        times = times[:-1]
    elif change == "overlaps":
        start = moved(start, start.S * (1.0 + 1e-6))
    else:
        other = {"count": {}, "problem": {"problem": om.Problem(rates=om.LearningRates(xi_in=3.1))},
                 "alpha": {"alpha": 51.0}, "engine's option": {"rtol": 1e-8}}[change]
    with pytest.raises(Anew):
        ask(start, 60 if change == "count" else times.tolist(), **other)


def test_all_figures_are_drawn_from_what_is_kept(ask, kept):
    """As the scripts ask: the overlaps of the default run, and times that are powers."""
    times = np.concatenate([[0.0], np.geomspace(0.05, ALPHA, 59)]).tolist()
    assert np.array_equal(ask(om.initial.showcase(10**4).order_parameters(), times).R, kept.R)
