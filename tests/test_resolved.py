"""Overlaps by group of eigenvalues: against projectors, between engines, in files and pictures; what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import EngineError, FileError, ParameterError
from onlinemode.theory.meanfield import generalization_error
from onlinemode.theory.spectral_groups import members_of

N, GROUPS = 60, 4
RATES = om.LearningRates(xi_in=0.5, readout=0.2)
WEIGHTS = om.initial.committee(N, K=2, seed=0, readout="sum", student_size=0.3)
TIMES = [0.0, 0.3, 3.0, 10.0]
INPUTS = om.inputs.PowerLaw(1.0)


def problem_of(inputs=INPUTS, **changes):
    return om.Problem(**{"noise": 0.1, "rates": RATES, "inputs": inputs, **changes})


def simulated(inputs=INPUTS, engine="micro", start=WEIGHTS, alpha=10.0, **options):
    return om.simulate(problem_of(inputs), start, alpha, engine,
                       **{"save_at": TIMES, "resolve": GROUPS, **options})


@pytest.fixture(scope="module")
def run():
    return simulated(replicas=3, store_final=True)


@pytest.fixture(scope="module")
def theory():
    return simulated(engine="ode")


def rows(count, seed=5):
    """Of a data set of bytes whose columns differ in size, the last ten equal to the first."""
    values = np.random.default_rng(seed).integers(0, 256, (count, N)) * np.linspace(0.1, 1.0, N)
    values[:, -10:] = values[:, :10]
    return values.astype(np.uint8)


# -- groups ----------------------------------------------------------------------------------------


def test_few_eigenvalues_are_the_groups():
    eigenvalues = np.array([2.0, 0.5, 2.0, 0.0, 0.5, 7.0])
    assert members_of(eigenvalues, 3).tolist() == [1, 2, 1, -1, 2, 0]  # those that vanish have no field


def test_many_eigenvalues_have_equal_sums_of_their_roots():
    eigenvalues = INPUTS.spectrum(1000)
    members = members_of(eigenvalues, 8)
    assert np.all(np.diff(members) >= 0) and set(members) == set(range(8))
    sums = np.bincount(members, np.sqrt(eigenvalues))
    assert np.ptp(sums) < 0.2 * sums.mean() < np.ptp(np.bincount(members, eigenvalues))
    repeated = np.repeat([9.0, 1.0, 0.9, 0.8, 0.1], [1, 500, 1, 1, 1])  # an eigenvalue is never divided
    assert [len(set(members_of(repeated, most)[1:501])) for most in (2, 3, 4)] == [1, 1, 1]
    assert members_of(repeated, 4).max() + 1 < 4


def test_shares_are_those_of_projectors():
    """In a basis of the covariance of its own, and with directions of no variance; the plain coordinates are wrong."""
    inputs = om.inputs.Rows(rows(300), standardise=False)
    found = simulated(inputs, replicas=1, store_final=True, alpha=1.0, save_at=[0.0, 1.0], test_samples=2).resolved
    covariance = inputs.covariance(N)(np.eye(N))
    eigenvalues, vectors = np.linalg.eigh(covariance)
    assert found.multiplicities.sum() == N - 10 and found.traces.sum() == pytest.approx(1.0)
    ends = np.cumsum(found.multiplicities)
    for group, (first, last) in enumerate(zip([0, *ends[:-1]], ends)):
        own = N - 1 - np.arange(first, last)  # descending
        of_group = (vectors[:, own] * eigenvalues[own]) @ vectors[:, own].T
        assert found.eigenvalues[group] == pytest.approx(np.sum(eigenvalues[own] ** 2) / np.sum(eigenvalues[own]))
        for shares, one, other in ((found.G[0, 0], WEIGHTS.xi_in, WEIGHTS.xi_in),
                                   (found.S[0, 0], WEIGHTS.xi_in, WEIGHTS.teacher),
                                   (found.T, WEIGHTS.teacher, WEIGHTS.teacher)):
            assert np.allclose(shares[group], one @ of_group @ other.T / N, rtol=0.0, atol=1e-12)
        unrotated = (WEIGHTS.xi_in * np.diag(covariance))[:, first:last] @ WEIGHTS.xi_in[:, first:last].T / N
        assert not np.allclose(found.G[0, 0, group], unrotated, rtol=0.0, atol=1e-3)


def test_sums_are_the_overlaps(run, theory):
    for each in (run, theory):
        assert np.allclose(each.resolved.G.sum(2), each.G, rtol=0.0, atol=1e-12)
        assert np.allclose(each.resolved.S.sum(2), each.S, rtol=0.0, atol=1e-12)
        assert np.allclose(each.resolved.T.sum(0), each.T, rtol=0.0, atol=1e-12)
        assert np.allclose(each.resolved.Q.sum(2), each.Q) and np.allclose(each.resolved.R.sum(2), each.R)
    for name in ("eigenvalues", "multiplicities", "traces", "T"):
        assert np.allclose(getattr(run.resolved, name), getattr(theory.resolved, name), rtol=0.0, atol=1e-12)


# -- engines ---------------------------------------------------------------------------------------


def test_theory_of_a_group_is_exact_at_any_time(theory):
    """Against one share a direction; and a group has nodes of its own, which those of the whole spectrum are not."""
    exact = simulated(engine="ode", spectral_nodes=N)
    assert exact.info.spectral_error is None and theory.info.spectral_error < 1e-5
    assert theory.info.spectral_nodes < N == exact.info.spectral_nodes
    for name in ("G", "S"):
        expected, found = getattr(exact.resolved, name), getattr(theory.resolved, name)
        assert np.abs(found - expected).max() < 1e-5 < 1e-2 < np.abs(expected - expected[:, :1]).max()


def test_micro_agrees_with_theory():
    """Mean over runs within four standard errors and 2 % in every group, which neighbouring groups are not."""
    inputs, replicas = om.inputs.PowerLaw(0.7), 16
    start = om.initial.committee(600, K=2, seed=0, readout="sum", student_size=0.3)
    micro = simulated(inputs, start=start, replicas=replicas).resolved
    theory = simulated(inputs, "ode", start).resolved
    mean, error = micro.S.mean(0), micro.S.std(0, ddof=1) / np.sqrt(replicas)

    def agrees(expected):
        return np.all(np.abs(mean - expected) <= 4.0 * error + 0.02 * np.abs(mean).max())

    assert agrees(theory.S[0]) and not agrees(np.roll(theory.S[0], 1, axis=1))


def test_one_eigenvalue_is_one_group():
    for engine in ("micro", "ode"):
        one = simulated(om.inputs.PowerLaw(0.0), engine, alpha=1.0, save_at=[0.0, 1.0])
        assert one.resolved.multiplicities.tolist() == [N] and np.allclose(one.resolved.G[:, :, 0], one.G)


def test_nothing_else_changes(run, theory):
    assert np.array_equal(simulated(replicas=3, resolve=None).G, run.G)
    plain = simulated(engine="ode", resolve=None)
    assert plain.resolved is None and np.allclose(plain.G, theory.G, rtol=0.0, atol=1e-5)


# -- what is learned -------------------------------------------------------------------------------


def test_what_is_learned():
    """1 for the teacher itself with its units exchanged, 1/2 for the mean of both, and of half the spectrum in it."""
    large = np.arange(N) < 12
    students = {"teacher": WEIGHTS.teacher[::-1], "mean": np.tile(WEIGHTS.teacher.mean(0), (2, 1)),
                "large": WEIGHTS.teacher * large, "nothing": np.zeros((2, N))}
    still = om.Problem(rates=om.LearningRates(xi_in=0.0), inputs=om.inputs.Blocks((3.0, 0.5), (0.2, 0.8)))
    found = {}
    for name, modes in students.items():
        start = om.Weights(xi_in=modes, strengths=WEIGHTS.strengths, xi_out=WEIGHTS.xi_out, readout=WEIGHTS.readout,
                           teacher=WEIGHTS.teacher, teacher_readout=WEIGHTS.teacher_readout)
        found[name] = om.simulate(still, start, 1.0, save_at=[0.0, 1.0], resolve=2).resolved.learned[0]
    assert np.allclose(found["teacher"], 1.0) and np.allclose(found["large"], [1.0, 0.0])
    assert np.allclose(found["nothing"], 0.0)
    T = simulated(still.inputs, resolve=2, alpha=1.0, save_at=2).resolved.T
    assert np.allclose(found["mean"], 0.5 + T[:, 0, 1] / np.trace(T, axis1=1, axis2=2))


def test_a_run_that_diverged_has_no_groups_later():
    wild = om.simulate(problem_of(rates=om.LearningRates(xi_in=1e4), activation="linear", noise=0.0), WEIGHTS, 10.0,
                       save_at=TIMES, resolve=3)
    assert wild.status[0] is om.Status.DIVERGED
    learned = wild.resolved.learned[0]
    assert np.isfinite(learned[0]).all() and np.isnan(learned[-1]).all()


# -- files -----------------------------------------------------------------------------------------


def test_files_repeats_and_pieces(run, theory, tmp_path):
    for number, each in enumerate((run, theory)):
        path = tmp_path / f"{number}.npz"
        each.save(path)
        loaded = om.load(path)
        for name in ("eigenvalues", "multiplicities", "traces", "T", "G", "S"):
            assert np.array_equal(getattr(loaded.resolved, name), getattr(each.resolved, name))
        assert np.array_equal(om.repeat(loaded).resolved.S, each.resolved.S)
    later = om.go_on(run, 12.0, save_at=[12.0])
    whole = om.join(run, later)
    assert np.array_equal(whole.resolved.G[:, :4], run.resolved.G) and whole.resolved.G.shape[1] == 5
    assert om.go_on(run, 12.0, save_at=[12.0], resolve=2).resolved.groups == 2
    beside = om.go_on(run, 12.0, save_at=[12.0], engine="ode", resolve=3)
    assert np.allclose(beside.resolved.G[:, 0].sum(1), run.G[:, -1])
    assert np.array_equal(run.to_xarray().group_learned.values, run.resolved.learned)
    assert dict(theory.to_xarray().group_S.sizes) == {"alpha": 4, "group": 4, "mode": 2, "teacher_unit": 2}
    assert "group_G" not in run.to_xarray("Q")


def test_summaries_and_checkpoints(run, tmp_path):
    path = tmp_path / "run.ckpt"
    kept = simulated(replicas=7, keep="summary", checkpoint=path)
    assert kept.resolved.G.shape[0] == 5 and np.array_equal(kept.resolved.G[:3], run.resolved.G)
    assert np.array_equal(om.resume(path).resolved.learned, kept.resolved.learned)


@pytest.mark.parametrize("change", ["groups", "paths", "shape", "numbers"])
def test_damaged_files_are_refused(run, change, tmp_path):
    from onlinemode.storage import read_archive, write_archive

    run.save(tmp_path / "run.npz")
    header, arrays = read_archive(tmp_path / "run.npz", "trajectory")
    if change == "groups":
        del arrays["group_eigenvalues"]
    elif change == "paths":
        del arrays["group_S"]
    elif change == "shape":
        arrays["group_G"] = arrays["group_G"][:, :, :-1]
    else:
        arrays["group_T"] = arrays["group_T"] * np.nan
    write_archive(tmp_path / "bad.npz", "trajectory", header, arrays)
    with pytest.raises(FileError, match="an entry is missing or damaged"):
        om.load(tmp_path / "bad.npz")


# -- pictures --------------------------------------------------------------------------------------


def test_maps(run, theory):
    ax = plotting.plot_resolved(Figure().subplots(), run)
    assert np.allclose(ax.collections[0].get_array().reshape(GROUPS, 3), run.resolved.learned[:, 1:].mean(0).T)
    assert ax.get_ylim() == (GROUPS - 0.5, -0.5)  # the largest eigenvalue at the top
    figure = plotting.resolved_figure([run, theory], "both")
    assert [each.get_title() for each in figure.axes[:2]] == [
        "SGD, $N = 60$, 3 draws, their mean", "ODE, $N\\to\\infty$"]
    with_maps, without = (len(plotting.overview(each).axes) for each in ([run, theory], simulated(resolve=None)))
    assert with_maps == without + 3
    with pytest.raises(ParameterError, match="this one is not: make it with resolve=8"):
        plotting.resolved_figure(simulated(resolve=None, alpha=1.0, save_at=2))


def test_commands(onlinemode, monkeypatch):
    settings = ("--N", N, "--K", 2, "--alpha", 3, "--eta", 0.5, "--inputs", "power-law:1", "--save-at", 8)
    code, _, _ = onlinemode("simulate", *settings, "--resolve", 3, "--no-plot", "--out", "run")
    assert code == 0 and om.load("run.npz").resolved.groups == 3
    drawn = []
    monkeypatch.setattr(plotting, "overview", lambda runs, title: drawn.extend(runs) or Figure())
    code, _, err = onlinemode("plot", "run.npz")  # the vectors are drawn again from their recipe
    assert code == 0 and not err and [each.info.engine for each in drawn] == ["micro", "ode"]
    assert drawn[1].resolved.groups == 3
    for engine in ("micro", "ode"):
        code, _, _ = onlinemode("sweep", *settings, "--resolve", 2, "--engine", engine, "--over", "noise=0,0.1",
                                "--out", engine, "--no-plot", "--quiet")
        assert code == 0 and (om.open_sweep(engine).status == "completed").all()
    simulated(start=replace(WEIGHTS, origin=None), alpha=1.0, save_at=2).save("own.npz")
    code, _, err = onlinemode("plot", "own.npz", "--out", "own")
    assert code == 0 and err.startswith("no theory: this run began from weights of your own")


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("call, error, message", [
    (lambda: simulated(om.inputs.Rademacher()), EngineError,
     r"resolve needs inputs with a covariance; Rademacher\(\) have one eigenvalue, and nothing to resolve: leave it"),
    (lambda: simulated(om.inputs.Gaussian(), "ode"), EngineError, "resolve needs inputs with a covariance"),
    (lambda: simulated(resolve=0), ParameterError, "resolve must be"),
    (lambda: simulated(om.inputs.Gaussian(), "chain"), EngineError, "resolve needs inputs with a covariance"),
    (lambda: om.fluctuations(problem_of(), WEIGHTS, 1.0), ParameterError, "i.i.d. Gaussian inputs"),
], ids=["signs", "ode", "none", "chain", "fluctuations"])
def test_refused(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# -- in the metric of the covariance ---------------------------------------------------------------


def test_mode_residuals_are_in_the_metric_of_the_covariance():
    """|X_p − X*_p|²/|X*_p|² as E[(u_p − u*_p)²]/E[u*_p²] of the vectors at the end; plain lengths are wrong."""
    run = om.simulate(problem_of(rates=om.LearningRates(xi_in=0.5)), WEIGHTS, 10.0, save_at=TIMES, store_final=True)
    modes, near = run.end.arrays["xi_in"][0], np.abs(run.R[0, -1]).argmax(1)
    teacher = WEIGHTS.teacher[near]
    in_metric, plain = (((modes - teacher) ** 2 @ weights) / (teacher**2 @ weights)
                        for weights in (INPUTS.spectrum(N), np.ones(N)))
    assert sorted(near) == [0, 1] and np.allclose(run.mode_residuals[0, -1], in_metric)
    assert not np.allclose(run.mode_residuals[0, -1], plain, rtol=0.05)


# -- Gaussian equivalence --------------------------------------------------------------------------


def test_deviation_from_the_closed_form(onlinemode):
    """Fields of three latent variables are not Gaussian; Gaussian inputs of the same covariance are the control."""
    inputs = om.inputs.HiddenManifold(3, "sign")
    measured = om.simulate(problem_of(inputs, noise=0.0), WEIGHTS, 10.0, save_at=TIMES, replicas=2)
    found = measured.gaussian_equivalence
    closed = generalization_error("erf", measured.G, measured.S, measured.T, measured.strengths, measured.xi_out,
                                  measured.readout, measured.teacher_readout)
    assert np.allclose(found.deviation, closed.mean(0) / measured.error.mean(0) - 1.0)
    assert not found.holds and found.deviation[found.worst] > 0.2 and found.alpha[found.worst] == 10.0
    assert "above 10% the fields are not Gaussian enough for the theory" in found.words and "\n" not in found.words
    eigenvalues, basis = inputs.eigenbasis(N)
    rotated = replace(WEIGHTS, xi_in=WEIGHTS.xi_in @ basis, teacher=WEIGHTS.teacher @ basis)
    control = om.simulate(problem_of(om.inputs.Spectrum(eigenvalues), noise=0.0), rotated, 10.0, save_at=TIMES,
                          replicas=2, test_samples=10_000)
    assert np.allclose(control.Q[:, 0], measured.Q[:, 0])
    assert control.gaussian_equivalence.holds and np.abs(control.gaussian_equivalence.deviation).max() < 0.05
    assert simulated(resolve=None).gaussian_equivalence is None  # nothing was measured
    options = ("--N", N, "--K", 2, "--alpha", 10, "--eta", 0.5, "--readout", "sum", "--save-at", 5, "--no-plot",
               "--inputs", "manifold:D=3,sign")
    code, out, _ = onlinemode("simulate", *options)
    assert code == 0 and "warning: closed form of ε_g at the run's own overlaps +" in out
    code, out, _ = onlinemode("compare", *options, "--json")
    assert code == 0 and json.loads(out)["gaussian_equivalence"]["holds"] is False


def test_chain_resolves_as_micro_does():
    """Three eigenvalues in two groups: the start to rounding, the mean of 40 runs within 4.5 standard errors."""
    inputs = om.inputs.Blocks((4.0, 1.0, 0.3), (10, 20, 30))
    chain, micro = (simulated(inputs, engine=engine, resolve=2, replicas=40, alpha=3.0, save_at=[0.0, 3.0]).resolved
                    for engine in ("chain", "micro"))
    for name in ("eigenvalues", "multiplicities", "traces", "T"):
        np.testing.assert_allclose(getattr(chain, name), getattr(micro, name), atol=1e-12)
    np.testing.assert_allclose(chain.S[:, 0], micro.S[:, 0], atol=1e-12)
    apart = chain.S[:, 1].mean(0) - micro.S[:, 1].mean(0)
    error = np.sqrt((chain.S[:, 1].var(0) + micro.S[:, 1].var(0)) / 40)
    assert np.abs(apart / error).max() < 4.5 < np.abs((chain.S[:, 1].mean(0) - micro.S[:, 0].mean(0)) / error).max()


def test_one_eigenvalue_is_one_group_of_the_chain():
    run = simulated(om.inputs.PowerLaw(0.0), engine="chain", replicas=1)
    found = run.resolved
    assert found.groups == 1 and found.multiplicities.tolist() == [N]
    np.testing.assert_array_equal(found.G[:, :, 0], run.G)
