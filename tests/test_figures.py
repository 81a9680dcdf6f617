"""Figure scripts: a kept run is taken on every processor, if it is the one asked for; new ones are drawn."""

import importlib.util
import sys
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


@pytest.mark.parametrize("fresh", [False, True])
def test_the_limit_is_drawn(fresh, tmp_path, monkeypatch):
    """From what is kept, and from small runs, of which those at N = 30 save less often than theory does."""
    for name in ("common", "fig4_limit"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    drawn = []
    monkeypatch.setattr(module, "save", lambda figure, name: drawn.append(figure))
    monkeypatch.setattr(sys, "argv", ["fig4_limit.py"])
    if fresh:
        monkeypatch.setattr(sys.modules["common"], "DATA", tmp_path)
        monkeypatch.setattr(module, "REPLICAS", {30: 20, 100: 10, 300: 6, 1000: 4})
        monkeypatch.setattr(module, "SGD_REPLICAS", {30: 10, 100: 5})
    module.main()
    chain = om.load((tmp_path if fresh else FOLDER / "data") / "fig4_limit_chain_30.npz")
    assert (len(chain.alpha) < len(module.TIMES)) == fresh
    first, second = drawn[0].axes[:2]
    (circles, crosses, dotted), *_ = [first.lines[i:i + 3] for i in range(0, len(first.lines), 3)]
    expected = dotted.get_ydata()[0]
    assert 0.7 * expected < circles.get_ydata()[0] < 1.5 * expected  # α = 1 at N = 30
    assert len(crosses.get_xdata()) == len(module.SGD_REPLICAS)
    assert len(second.lines) == len(module.REPLICAS) + 1


@pytest.mark.parametrize("name, curves", [("spectrum_resolved", 5), ("fashion_theory", 2), ("plateau_exponent", 7)])
def test_figures_of_structured_inputs_are_drawn_from_what_is_kept(name, curves, tmp_path, monkeypatch):
    """Also without the images; nothing is computed again."""
    def simulate(*_, **__):
        raise Anew

    for each in ("common", name):
        spec = importlib.util.spec_from_file_location(each, FOLDER / f"{each}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, each, module)
        spec.loader.exec_module(module)
    drawn = []
    monkeypatch.setattr(module, "save", lambda figure, _: drawn.append(figure))
    monkeypatch.setattr(om, "simulate", simulate)
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    monkeypatch.setenv("ONLINEMODE_DATA", str(tmp_path))
    if name == "fashion_theory":
        monkeypatch.setattr(module, "inputs_of", lambda kind: None)  # wherever else the images may be
    module.main()
    labelled = [line for ax in drawn[0].axes for line in ax.lines if not line.get_label().startswith("_")]
    assert len([line for line in labelled if line.get_linestyle() == "-"]) == curves


def test_closed_boundary_of_learning_rates(monkeypatch):
    """That of docs/gallery/rate-phases.md is what the Jacobian of the equations gives, for any number of units."""
    for each in ("common", "rate_phases"):
        spec = importlib.util.spec_from_file_location(each, FOLDER / f"{each}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, each, module)
        spec.loader.exec_module(module)
    for units in module.UNITS:
        found = om.critical_rate(module.problem_of(1.0), module.near_perfect(units)).rate
        assert module.closed_boundary(units) == pytest.approx(found, rel=1e-9)
    drawn = []
    monkeypatch.setattr(module, "save", lambda figure, _: drawn.append(figure))
    monkeypatch.setattr(module, "floors", None)  # nothing is computed again
    monkeypatch.setattr(sys, "argv", ["rate_phases.py"])
    module.main()
    good, bad = drawn[0].axes[0].lines[2:4]
    closed = [module.closed_boundary(each) for each in module.UNITS]
    for line, ratios in ((good, module.RATIOS[:4]), (bad, module.RATIOS[4:])):
        assert sorted(line.get_ydata()) == pytest.approx(sorted(each * rate for each in closed for rate in ratios))


def test_theory_of_images():
    """What docs/gallery/structured-inputs.md says of them: from α = 1 on within 10 %, and the control within 4.2 %."""
    for kind in ("standardised", "centred"):
        for seed in (1, 2):
            images, control, theory = (om.load(FOLDER / "data" / f"fashion_theory_{kind}_{seed}_{name}.npz")
                                       for name in ("images", "control", "ode"))
            apart, none = (theory.generalization_error[0] / each.generalization_error.mean(0) - 1.0
                           for each in (images, control))
            assert np.abs(apart[theory.alpha > 0.9]).max() < 0.1 and np.abs(none).max() < 0.042
            assert not images.gaussian_equivalence.holds
