"""The phase diagram: its script runs, and what is kept for it is what the code makes now."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om
from onlinemode.summaries import summary_of

ROOT = Path(__file__).resolve().parents[1]
SAME = {"chain": 1e-9, "ode": 1e-5}  # solvers differ between versions of SciPy within their tolerances


@pytest.fixture
def script(monkeypatch):
    """The module, beside the ``common`` of its own folder; that of benchmarks has the same name."""
    for name in ("common", "phase_diagram"):
        spec = importlib.util.spec_from_file_location(name, ROOT / "figures" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def kept(script, tmp_path, monkeypatch):
    """The chain and theory in the repository; they are not made again here."""
    monkeypatch.setattr(om, "sweep", _no_sweep)
    return dict(zip(("chain", "ode"), script.kept("phase_diagram", script.BASE, script.OVER, tmp_path)))


def _no_sweep(*arguments, **options):
    raise AssertionError("the kept sweep is of other settings: run figures/phase_diagram.py")


@pytest.mark.parametrize("engine", SAME)
@pytest.mark.parametrize("noise, eta", [(0.05, 1.7071), (0.3162, 0.0969), (0.7953, 0.7062), (0.1583, 5.1455)])
def test_kept_points_are_what_an_experiment_gives(script, kept, engine, noise, eta):
    run = script.BASE.replace(engine=engine, noise=noise, eta=eta).run()
    point = kept[engine].sel(noise=noise, eta=eta)
    same = {"rtol": SAME[engine], "atol": 1e-3 * SAME[engine]}
    assert np.allclose(point.final_error, run.generalization_error[:, -1].mean(), **same)
    assert np.allclose(point.final_specialization, run.specialization[:, -1].mean(), **same)
    assert np.allclose(point.final_specialization_se, run.specialization[:, -1].std(ddof=1) / 10**0.5, **same)
    assert np.allclose(point.specialized_at, summary_of(run)["specialized_at"], **same, equal_nan=True)
    assert point.status.values.tolist() == [status.value for status in run.status]


def test_numbers_of_the_caption(script, kept):
    """Those of docs/gallery/phase-diagram.md; s.e. of a median as of a normal variate, 1.25 times that of the mean."""
    near = {"noise": 0.05, "eta": 3.3095}
    assert [round(float(kept[engine].specialized_at.sel(near))) for engine in SAME] == [145, 278]
    errors, escaped = [], []
    for engine in SAME:
        below = script.BASE.replace(engine=engine, **near).run()
        first = below.alpha[(below.specialization >= 0.5).argmax(1)]
        errors.append(1.25 * first.std(ddof=1) / 10**0.5)
        beyond = script.BASE.replace(engine=engine, noise=0.05, eta=4.1266).run()
        escaped.append(int((beyond.specialization >= 0.5).any(1).sum()))
    assert np.allclose(errors, [23, 21], atol=2.0)  # not between saved times, as there
    assert escaped == [8, 1]
    rates = script.critical_rates(script.BASE, [0.05, 0.5, 2.0])
    assert np.allclose(rates, [3.62, 2.50, 0.44], atol=0.005)


def test_the_critical_rate_ends_the_plateau(script):
    """Below η_c a student whose units are alike keeps finite norms, above they grow on."""
    critical, = script.critical_rates(script.BASE, [0.4])
    K = script.BASE.K
    alike = om.initial.from_overlaps(np.eye(K), np.full((K, K), 0.1), np.eye(K), "sum")
    norms = []
    for factor in (0.7, 1.1):
        problem = script.BASE.replace(eta=factor * critical, noise=0.4).problem()
        run = om.simulate(problem, alike, 1000.0, "ode", save_at=[500.0, 1000.0])
        assert np.allclose(run.R[0], run.R[0, :, :1, :1])  # later rounding breaks the symmetry
        norms.append(run.Q[0, -2:, 0, 0])
    assert np.isclose(*norms[0], rtol=0.02) and norms[1][1] > 1.2 * norms[1][0]


def test_the_script_draws_and_keeps(script, tmp_path, monkeypatch, capsys):
    """A small sweep, its picture, the same from the file, and anew."""
    common = script.common
    monkeypatch.setattr(common, "FOLDER", tmp_path)
    monkeypatch.setattr(common, "DATA", tmp_path / "data")
    monkeypatch.setattr(script, "QUICK_BASE", script.BASE.replace(N=30, alpha=10.0, replicas=2))
    monkeypatch.setattr(script, "QUICK_OVER", {"noise": [0.1, 0.3, 1.0], "eta": [0.3, 1.0, 3.0]})
    picture, data = tmp_path / "phase_diagram_quick.png", tmp_path / "data" / "phase_diagram_quick.npz"
    script.main(["--quick", "--store", str(tmp_path / "mine")])
    assert picture.read_bytes()[:4] == b"\x89PNG" and (tmp_path / "mine" / "chain").is_dir()
    first, drawn = data.read_bytes(), picture.read_bytes()

    sweep = om.sweep
    monkeypatch.setattr(om, "sweep", _no_sweep)
    script.main(["--quick"])
    assert data.read_bytes() == first and picture.read_bytes() == drawn

    monkeypatch.setattr(om, "sweep", sweep)
    script.main(["--quick", "--fresh", "--store", str(tmp_path / "mine")])
    assert picture.read_bytes() == drawn
