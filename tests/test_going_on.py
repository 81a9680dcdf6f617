"""Going on: a run in pieces is the run in one piece, and nothing of it is learned twice."""

import subprocess
import sys

import numpy as np
import pytest
from stopping import StopAt

import onlinemode as om
from onlinemode.continuing import mean_field
from onlinemode.errors import EngineError, ParameterError, RepeatError, ShapeError
from onlinemode.runtime import parts

N = 61
RATES = om.LearningRates(xi_in=1.0, strengths=0.2, xi_out=0.1, readout=0.1)
PROBLEM = om.Problem(noise=0.3, weight_decay=0.05, rates=RATES)
TIMES = np.array([0.0, 0.1, 0.5, 1.0, 1.25, 2.0, 3.1, 3.12, 5.0])
PATHS = ("alpha", "G", "S", "strengths", "xi_out", "readout", "generalization_error")


def fresh(replica):
    return om.initial.committee(N, K=2, M=3, seed=1, student_seed=replica)


def assert_same(run, reference):
    for name in PATHS:
        assert np.array_equal(getattr(run, name), getattr(reference, name), equal_nan=True), name
    assert (run.status, run.message, run.problem) == (reference.status, reference.message, reference.problem)
    assert run.meta["steps"] == reference.meta["steps"]


def in_pieces(problem, start, engine, tmp_path=None, **options):
    """Three pieces, joined; each one from a file where a folder is given."""
    run = om.simulate(problem, start, 1.0, engine, save_at=TIMES[:4], store_final=True, **options)
    pieces = [run]
    for first, last in ((4, 8), (8, 9)):
        if tmp_path is not None:
            pieces[-1].save(tmp_path / "piece.npz")
            pieces[-1] = om.load(tmp_path / "piece.npz")
        pieces.append(om.go_on(pieces[-1], TIMES[last - 1], save_at=TIMES[first:last]))
    assert [piece.alpha[0] for piece in pieces[1:]] == [run.alpha[-1], pieces[1].alpha[-1]]
    assert pieces[2].meta["steps_before"] == pieces[1].meta["steps"]
    return om.join(*pieces)


@pytest.mark.parametrize("engine, options", [
    ("micro", {}), ("micro", {"precision": "float32"}), ("micro", {"test_samples": 50}), ("chain", {}),
])
@pytest.mark.parametrize("start, replicas", [("one", 1), ("one", 3), ("fresh", 3)])
def test_pieces_are_equal_to_one_run_to_the_bit(engine, options, start, replicas, tmp_path):
    """TIMES has joins within a block of steps of micro and of the chain."""
    start = fresh if start == "fresh" else fresh(0)
    call = dict(seed=7, replicas=replicas, **options)
    whole = om.simulate(PROBLEM, start, 5.0, engine, save_at=TIMES, **call)
    joined = in_pieces(PROBLEM, start, engine, tmp_path, **call)
    assert_same(joined, whole)
    if whole.error_se is not None:
        assert np.array_equal(joined.error_se, whole.error_se)
    assert_same(om.repeat(joined), whole)
    assert (joined.starts is None) == (whole.starts is None)


@pytest.mark.parametrize("batch", [3, 5])
@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_batches(engine, batch):
    problem = om.Problem(noise=0.3, batch=batch, rates=RATES)
    whole = om.simulate(problem, fresh(0), 5.0, engine, save_at=TIMES)
    assert_same(in_pieces(problem, fresh(0), engine), whole)


@pytest.mark.parametrize("inputs", [om.inputs.Rademacher(), om.inputs.PowerLaw(1.0),
                                    om.inputs.HiddenManifold(20)])
def test_other_inputs(inputs):
    """final is Weights, whose overlaps are those of the fields."""
    problem = om.Problem(noise=0.1, rates=RATES, inputs=inputs)
    whole = om.simulate(problem, fresh(0), 5.0, save_at=TIMES, test_samples=50, store_final=True)
    assert_same(in_pieces(problem, fresh(0), "micro", test_samples=50), whole)
    overlaps = whole.final.order_parameters(inputs)
    assert np.allclose(overlaps.G, whole.G[0, -1], rtol=1e-12, atol=1e-14)
    assert np.allclose(overlaps.S, whole.S[0, -1], rtol=1e-12, atol=1e-14)


def test_threads_inside_a_trajectory():
    start, times = om.initial.committee(6000, K=2, seed=1), [0.0, 0.01, 0.0201, 0.03]
    whole = om.simulate(PROBLEM, start, 0.03, save_at=times, threads=1)
    first = om.simulate(PROBLEM, start, 0.0201, save_at=times[:3], threads=2, store_final=True)
    assert_same(om.join(first, om.go_on(first, 0.03, save_at=[0.03], threads=2)), whole)


def test_parts_and_summaries(monkeypatch):
    """keep = "summary" goes on with store_final, also in parts of one replica."""
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    call = dict(seed=3, replicas=9, keep="summary", threads=2)
    for engine in ("micro", "chain"):
        whole = om.simulate(PROBLEM, fresh, 5.0, engine, save_at=TIMES, **call)
        joined = in_pieces(PROBLEM, fresh, engine, **call)
        assert_same(joined, whole)
        for name, values in whole.summary.to_arrays().items():
            assert np.array_equal(joined.summary.to_arrays()[name], values), name
        with pytest.raises(ParameterError, match="kept 5 of its 9 replicas one by one, and not where the others ended"):
            om.go_on(whole, 6.0)


def test_ode_goes_on_to_its_tolerance():
    whole = om.simulate(PROBLEM, fresh(0), 5.0, "ode", save_at=TIMES)
    joined = in_pieces(PROBLEM, fresh(0), "ode")
    assert np.array_equal(joined.alpha, whole.alpha)
    assert np.allclose(joined.G, whole.G, rtol=1e-7, atol=1e-8)
    assert joined.meta["steps"] == [0]


SCRATCH = om.Problem(noise=0.3, rates=om.LearningRates(xi_in=1.0))


def test_samples_are_not_learned_again():
    """K = 1, σ = 0.3, N = 200, from α = 10 to 15 in pieces: gone on with, and restarted with the same seed.

    Restarts of ten steps learn the noise of ten samples by heart: above all of the 21 errors of the one run.
    """
    start, seed = om.initial.committee(200, K=1, seed=1), 0
    joins = np.linspace(10.0, 15.0, 21)
    whole = om.simulate(SCRATCH, start, 15.0, save_at=joins, seed=seed)
    first = run = om.simulate(SCRATCH, start, 10.0, save_at=2, seed=seed, store_final=True)
    for alpha in joins[1:]:
        run = om.go_on(run, alpha, save_at=[alpha])
    for name in ("G", "S", "generalization_error"):
        assert np.array_equal(getattr(run, name)[:, -1], getattr(whole, name)[:, -1])

    restarted, errors = first.final, []
    for _ in range(100):
        piece = om.simulate(SCRATCH, restarted, 0.05, save_at=2, seed=seed, store_final=True)
        restarted = piece.final
        errors.append(piece.generalization_error[0, -1])
    of_one_run = whole.generalization_error
    assert np.mean(errors[50:]) > 1.2 * of_one_run.mean() and errors[-1] > of_one_run.max()


@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_another_problem_from_the_join_on(engine, tmp_path):
    """No more rates: the state stays; a Trajectory has one problem, so the pieces are not joined."""
    run = om.simulate(PROBLEM, fresh(0), 63 / N, engine, store_final=True)  # within a block of steps
    still = om.go_on(run, 2.0, problem=om.Problem(noise=0.1), save_at=3)
    for i in range(3):
        assert np.allclose(still.G[:, i], run.G[:, -1], rtol=1e-14) and np.allclose(still.S[:, i], run.S[:, -1])
    assert still.problem.noise == 0.1
    assert still.message == ["nothing is trained: the state is constant"]
    again = om.go_on(still, 3.0, problem=PROBLEM, save_at=[2.3, 3.0], store_weights=True)
    assert not np.allclose(again.G[:, -1], run.G[:, -1])
    in_steps = om.go_on(om.go_on(still, 2.3, problem=PROBLEM, save_at=[2.3]), 3.0, save_at=[3.0])
    assert np.allclose(in_steps.G[:, -1], again.G[:, -1], rtol=1e-8 if engine == "ode" else 0.0)
    with pytest.raises(ParameterError, match="has another problem, and a Trajectory has one"):
        om.join(run, still)
    again.save(tmp_path / "again.npz")
    loaded = om.load(tmp_path / "again.npz")
    assert_same(om.repeat(loaded), again)
    assert np.array_equal(om.go_on(loaded, 3.5).G[:, 0], again.G[:, -1])


def test_theory_from_where_a_run_ended():
    run = om.simulate(PROBLEM, fresh, 1.0, replicas=3, save_at=TIMES[:4], store_final=True)
    theory = om.go_on(run, 3.0, engine="ode", save_at=5)
    assert theory.begin.arrays == {} and theory.begin.teacher is None
    assert theory.meta["steps"] == theory.meta["steps_before"] == [0, 0, 0]
    assert np.allclose(theory.G[:, 0], run.G[:, -1], rtol=1e-15) and theory.alpha[0] == run.alpha[-1]
    alone = om.simulate(PROBLEM, run.final(2), 3.0 - run.alpha[-1], "ode", save_at=theory.alpha - run.alpha[-1])
    assert np.allclose(theory.G[2], alone.G[0], rtol=1e-6, atol=1e-8)


def test_final():
    """The same as the last saved time, of the engine's kind."""
    for engine, kind in (("chain", om.OrderParameters), ("ode", om.OrderParameters), ("micro", om.OrderParameters)):
        run = om.simulate(PROBLEM, fresh(0), 1.0, engine)
        assert isinstance(run.final, kind)
        assert np.allclose(run.final.G, run.G[0, -1], rtol=1e-15) and np.array_equal(run.final.S, run.S[0, -1])
    run = om.simulate(PROBLEM, fresh, 1.0, replicas=3, store_final=True)
    assert isinstance(run.final(2), om.Weights)
    assert np.allclose(run.final(2).order_parameters().G, run.G[2, -1], rtol=1e-12)
    om.simulate(PROBLEM, run.final, 1.0, replicas=3, seed=1, save_at=3)
    with pytest.raises(ParameterError, match="replica must be a whole number ≥ 0 and ≤ 2; got 3"):
        run.final(3)
    with pytest.raises(ParameterError, match="final needs the vectors .* make it with store_final=True"):
        _ = om.simulate(om.Problem(rates=RATES, inputs=om.inputs.PowerLaw(1.0)), fresh(0), 1.0, test_samples=2).final


def test_the_file_of_a_piece(tmp_path):
    for engine, options in (("chain", {}), ("micro", {"store_weights": True})):
        run = om.simulate(PROBLEM, fresh, 1.0, engine, replicas=2, store_final=True)
        piece = om.go_on(run, 2.0, save_at=5, **options)
        piece.save(tmp_path / "piece.npz")
        again = om.load(tmp_path / "piece.npz")
        assert_same(om.repeat(again), piece)
        assert_same(om.go_on(again, 3.0, save_at=4), om.go_on(piece, 3.0, save_at=4))
    piece = om.go_on(run, 2.0, save_at=5)
    with pytest.raises(RepeatError, match="goes on from another one at α = 1, from vectors that its file does not"):
        om.repeat(piece)


def test_a_file_of_an_older_version(tmp_path):
    """No ends in it: overlaps are the last ones, and the chain does not go on."""
    run = om.simulate(PROBLEM, fresh(0), 1.0, "chain")
    run.end = None
    del run.meta["call"]["store_final"]
    run.save(tmp_path / "old.npz")
    old = om.load(tmp_path / "old.npz")
    assert np.array_equal(old.final.S, run.S[0, -1])
    assert_same(om.repeat(old), run)
    with pytest.raises(ParameterError, match="of an older version, does not hold: make the run again with repeat"):
        om.go_on(old, 2.0)


@pytest.mark.parametrize("engine, alpha", [("micro", 3000.0), ("chain", 12_000.0)])
def test_interrupted_runs_go_on_and_pieces_are_resumed(engine, alpha, slow_looks, tmp_path):
    whole = om.simulate(PROBLEM, fresh(0), alpha, engine, save_at=20)
    stopped = om.simulate(PROBLEM, fresh(0), alpha, engine, save_at=20, store_final=True, progress=StopAt(0.2))
    assert stopped.status == [om.Status.INTERRUPTED]
    later = whole.alpha[whole.alpha > stopped.end.alpha[0]]
    assert len(later)
    piece = om.go_on(stopped, alpha, save_at=later, store_weights=True)
    joined = om.join(stopped, piece)
    known = np.isin(joined.alpha, whole.alpha)
    assert np.array_equal(joined.G[:, known], whole.G[:, np.isin(whole.alpha, joined.alpha)])
    assert np.array_equal(joined.G[:, -1], whole.G[:, -1]) and joined.meta["steps"] == whole.meta["steps"]

    file = tmp_path / "run.ckpt"
    om.go_on(stopped, alpha, save_at=later, store_weights=True, checkpoint=file, progress=StopAt(0.3))
    assert_same(om.resume(file), piece)
    assert_same(om.go_on(om.resume(file), alpha + 10, save_at=3), om.go_on(piece, alpha + 10, save_at=3))


def test_what_cannot_go_on():
    run = om.simulate(PROBLEM, fresh(0), 1.0)
    with pytest.raises(ParameterError, match=r"which this one did not keep: make it with store_final=True"):
        om.go_on(run, 2.0)
    with pytest.raises(ParameterError, match="run must be a Trajectory, such as load"):
        om.go_on("run.npz", 2.0)
    run = om.simulate(PROBLEM, fresh(0), 1.0, "chain")
    with pytest.raises(ParameterError, match="alpha must be beyond the end of the run, α = 1 .* got 1"):
        om.go_on(run, 1.0)
    with pytest.raises(ParameterError, match="ascending times between the end of the run, α = 1, and alpha = 2; got"):
        om.go_on(run, 2.0, save_at=[0.5, 2.0])
    with pytest.raises(ShapeError, match="save_at must be an array of numbers; got"):
        om.go_on(run, 2.0, save_at=[[1.0], [1.0, 2.0]])
    assert len(om.go_on(run, 2.0, save_at=np.array(5)).alpha) == 5
    with pytest.raises(ParameterError, match="replica must be a whole number ≥ 0 and ≤ 2; got 1.5"):
        om.simulate(PROBLEM, fresh, 1.0, "chain", replicas=3).final(1.5)
    with pytest.raises(ParameterError, match="theory must be an onlinemode.Trajectory; got int"):
        run.to_csv("run.csv", theory=3)
    with pytest.raises(ParameterError, match="run and theory must be results of onlinemode; got int"):
        om.agreement.rms_deviation(run, 3)
    with pytest.raises(EngineError, match="go_on has no option 'device'; engine chain has threads"):
        om.go_on(run, 2.0, device="cpu")
    with pytest.raises(EngineError, match="engine must be that of the run, chain, or ode; got 'micro'"):
        om.go_on(run, 2.0, engine="micro")
    for other, name in ((om.Problem(batch=2), "batch"), (om.Problem(inputs=om.inputs.Rademacher()), "inputs")):
        with pytest.raises(ParameterError, match=f"{name} must be that of the run, .* start anew from run.final"):
            om.go_on(run, 2.0, problem=other)
    unstable = om.Problem(activation="linear", rates=om.LearningRates(xi_in=50.0))
    diverged = om.simulate(unstable, fresh(0), 500.0, "chain")
    for action in (lambda: om.go_on(diverged, 600.0), lambda: diverged.final):
        with pytest.raises(ParameterError, match="this run has no end to go on from: diverged"):
            action()
    piece = om.go_on(run, 2.0, save_at=3)
    with pytest.raises(ParameterError, match="does not go on where the one before it ends, at α = 2: give them in the"):
        om.join(run, piece, piece)
    with pytest.raises(ParameterError, match="does not go on where"):
        om.join(om.simulate(PROBLEM, fresh(1), 1.0, "chain"), piece)
    with pytest.raises(ParameterError, match="join takes a run and the pieces .* got nothing"):
        om.join()


OVERLAPS = """
Q = [[0.2, 0.0], [0.0, 0.3]]
R = [[1e-3, 0.0], [0.0, 2e-3]]
T = [[1.0, 0.0], [0.0, 1.0]]
readout = "sum"
"""
MODES = """
G = [[0.2, 0.0], [0.0, 0.3]]
S = [[1e-3, 0.0], [0.0, 2e-3]]
T = [[1.0, 0.0], [0.0, 1.0]]
strengths = [2.0, 1.0]
xi_out = [[1.0, 0.1], [0.0, 1.0]]
readout = [0.5, 0.5]
teacher_readout = "mean"
"""


@pytest.mark.parametrize("name, value", [("xi_out", "[[1.0], [0.0, 1.0]]"), ("T", "[[1.0, 0.0], 1.0]")])
def test_unequal_rows_of_a_file_of_overlaps(onlinemode, tmp_path, name, value):
    lines = [line for line in MODES.splitlines() if not line.startswith((name, "readout"))]
    (tmp_path / "odd.toml").write_text("\n".join([*lines, 'readout = "sum"', f"{name} = {value}"]))
    code, out, err = onlinemode("ode", "--no-plot", "--start", "odd.toml", "--alpha", 1)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert f"odd.toml: {name} must be an array of numbers; got " in err


def test_the_command_line_goes_on(onlinemode, tmp_path):
    options = ("--no-plot", "--N", 200)
    code, out, _ = onlinemode("simulate", *options, "--alpha", 1, "--out", "a", "--store-final", "--save-at", "0,1")
    assert code == 0 and "go on with: onlinemode simulate --start a.npz --alpha ..." in out
    code, out, err = onlinemode("simulate", "--no-plot", "--start", "a.npz", "--alpha", 2, "--out", "b",
                                "--save-at", "1,2")
    assert code == 0 and "showcase from α = 1: N = 200" in err
    onlinemode("simulate", *options, "--alpha", 2, "--out", "whole", "--save-at", "0,1,2")
    assert_same(om.join(om.load("a.npz"), om.load("b.npz")), om.load("whole.npz"))
    onlinemode("simulate", "--no-plot", "--start", "b.npz", "--alpha", 3, "--out", "c", "--eta", 1, "--noise", 0.2)
    changed = om.load("c.npz")
    assert (changed.problem.rates.xi_in, changed.problem.noise, changed.alpha[0]) == (1.0, 0.2, 2.0)
    code, _, _ = onlinemode("ode", "--no-plot", "--start", "c.npz", "--alpha", 4, "--out", "d")
    assert code == 0 and om.load("d.npz").alpha[0] == 3.0
    onlinemode("simulate", *options, "--engine", "chain", "--alpha", 1, "--out", "e")
    onlinemode("ode", "--no-plot", "--start", "e.npz", "--alpha", 2)
    assert om.load("ode_showcase_N200_seed0.npz").meta["engine"] == "ode"  # the name is none of a chain
    for given, message in (
            (("--N", 300), "--N must be that of the run in a.npz, 200; got 300: leave it out"),
            (("--seed", 3), "--seed must be that of the run in a.npz, 0; got 3"),
            (("--init", "paper"), "--init must be that of the run in a.npz, showcase; got paper"),
            (("--engine", "chain"), "--engine must be that of the run in a.npz, micro; got chain"),
            (("--preset", "paper"), "--preset does not go with --start: the settings are those of the run in a.npz"),
            (("--fresh-students",), "--fresh-students must be that of the run in a.npz, which has none; got True"),
            ((), "alpha must be beyond the end of the run, α = 1")):
        code, _, err = onlinemode("simulate", "--start", "a.npz", *given)
        assert code == 2 and message in err
    code, _, err = onlinemode("compare", "--start", "a.npz")
    assert code == 2 and "--start takes a file of overlaps here, OVERLAPS.toml; got a.npz" in err


def test_a_preset_in_a_file_does_not_go_with_a_run(onlinemode, tmp_path):
    onlinemode("simulate", "--no-plot", "--N", 200, "--alpha", 1, "--engine", "chain", "--out", "a", "--no-theory")
    (tmp_path / "c.toml").write_text('start = "a.npz"\npreset = "paper"\nalpha = 2\n', encoding="utf-8")
    code, _, err = onlinemode("simulate", "--config", "c.toml")
    assert code == 2 and "--preset does not go with --start: the settings are those of the run in a.npz" in err


def test_replicas_that_go_on_have_a_mean_if_they_began_together(onlinemode):
    call = ("simulate", "--engine", "chain", "--N", 500, "--replicas", 4, "--alpha", 1, "--no-plot")
    for options, words in (((), "(mean of 4 replicas)"),
                           (("--fresh-students",), "(the first of 4 replicas, which began from different students)")):
        onlinemode(*call, *options, "--out", "a", "--overwrite")
        _, out, _ = onlinemode("simulate", "--start", "a.npz", "--alpha", 2, "--out", "b", "--overwrite", "--no-plot")
        assert words in out
        b = om.load("b.npz")
        assert b.began_together == om.load("a.npz").began_together == (not options)
        theory = [om.go_on(om.load("a.npz"), 2.0, engine="ode", save_at=b.alpha).generalization_error[:, -1]]
        expected = np.mean(theory) if not options else theory[0][0]
        error = b.generalization_error[:, -1].mean() if not options else b.generalization_error[0, -1]
        last = [line for line in out.splitlines() if line.split() and line.split()[0] == "2"][0].split()
        assert last[1] == f"{error:.3e}" and f"{expected:.3e}" in last


@pytest.mark.parametrize("text", [OVERLAPS, MODES])
@pytest.mark.parametrize("command", [("simulate", "--no-theory"), ("ode",), ("compare",),
                                     ("sweep", "--over", "eta=1,2", "--runs")])
def test_the_command_line_starts_from_overlaps(command, text, onlinemode, tmp_path):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    code, _, err = onlinemode(*command, "--start", "mine.toml", "--N", 100, "--alpha", 1, "--no-plot",
                              "--save-at", "0,1")
    assert code == 0, err
    file = next(path for path in tmp_path.rglob("*.npz"))
    run = om.load(file)
    assert np.allclose(run.G[0, 0], [[0.2, 0.0], [0.0, 0.3]]) and np.allclose(run.S[0, 0], [[1e-3, 0.0], [0.0, 2e-3]])
    assert run.readout[0, 0, 0] == (1.0 if text is OVERLAPS else 0.5)
    assert "mine" in str(file.relative_to(tmp_path))


@pytest.mark.parametrize("text, message", [
    ("Q = [[1.0]]", "mine.toml: R is missing; a file of overlaps has Q, R, T"),
    ("G = [[1.0]]\nT = [[1.0]]", "mine.toml: S is missing; a file of overlaps has G, S, T, strengths, xi_out"),
    (OVERLAPS + "q = 1", "mine.toml: unknown key 'q'; a file of overlaps has Q, R, T of the units, or"),
    (OVERLAPS.replace("[[1e-3", "[[2.0"), "mine.toml: the overlaps [[Q, R], [Rᵀ, T]] must be a covariance"),
    (OVERLAPS.replace('"sum"', "[1.0, 1.0]"), "mine.toml: teacher_readout is missing; it is needed"),
    (OVERLAPS.replace("[0.0, 0.3]", "[0.0]"), "mine.toml: Q must be an array of numbers"),
    (MODES.replace("[2.0, 1.0]", '"two"'), "mine.toml: strengths must be an array of numbers"),
    ("Q = ", "mine.toml is not valid TOML"),
])
def test_a_bad_file_of_overlaps(text, message, onlinemode, tmp_path):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    code, _, err = onlinemode("ode", "--start", "mine.toml")
    assert code == 2 and message in err and err.count("\n") == 1


def test_overlaps_beside_options_that_say_the_same(onlinemode, tmp_path):
    (tmp_path / "mine.toml").write_text(OVERLAPS, encoding="utf-8")
    for given in (("--K", 2), ("--init", "paper"), ("--student-size", 0.1)):
        code, _, err = onlinemode("simulate", "--start", "mine.toml", *given)
        assert code == 2 and f"{given[0]} does not go with --start" in err
    code, _, err = onlinemode("ode", "--start", "there_is_none.toml")
    assert code == 2 and "cannot read there_is_none.toml" in err


def test_nothing_is_imported_for_it():
    code = "import sys, onlinemode as om; om.go_on, om.join; assert 'numba' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("engine, replicas", [("micro", 1), ("chain", 3), ("ode", 1)])
def test_theory_beside_a_piece_begins_where_the_piece_does(engine, replicas):
    options = {} if engine == "ode" else {"replicas": replicas, "seed": 2}
    run = om.simulate(PROBLEM, fresh(0), 1.0, engine, store_final=True, **options)
    piece = om.go_on(run, 2.0, save_at=5)
    theory = mean_field(piece)
    assert theory.draws == replicas and theory.alpha[0] == 1.0
    assert np.allclose(theory.Q[:, 0], piece.Q[:, 0], rtol=1e-12)
    assert np.allclose(mean_field(run).Q[:, 0], run.Q[:1, 0], rtol=1e-12)


def test_pieces_have_the_quantiles_of_the_run():
    run = om.simulate(PROBLEM, fresh(0), 1.0, "chain", replicas=6, keep="summary", store_final=True,
                      quantiles=(0.1, 0.9))
    piece = om.go_on(run, 2.0)
    assert piece.ensemble.probabilities.tolist() == [0.1, 0.9]
    assert om.join(run, piece).ensemble.quantiles["R"].shape[0] == 2
