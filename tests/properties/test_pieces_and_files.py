"""Random runs: saved, read, repeated, stopped and resumed, made in pieces, labelled; to the bit in every case."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from properties.problems import GAUSSIAN, OVERLAPS, SEEDS, examples, kinds_of_inputs, recipes, same_bits

import onlinemode as om
from onlinemode.ensemble import METRICS, observables_of
from onlinemode.labelled import OBSERVABLES
from onlinemode.runtime import parts

ENGINES = st.sampled_from(["micro", "chain", "ode"])
STARTS = st.sampled_from(["weights", "overlaps", "drawn", "one a replica"])
INPUTS = st.one_of(GAUSSIAN, GAUSSIAN, kinds_of_inputs().filter(lambda kind: kind[0] != "rows"))  # no file tells rows


def make(recipe, engine, start="weights", replicas=2, **options):
    """A run of a Recipe of some engine from some kind of start; the options that the engine has."""
    problem = recipe.problem(inputs=om.inputs.Gaussian()) if engine != "micro" else recipe.problem()
    if engine == "ode":
        replicas, options = (replicas if start == "one a replica" else 1), {"nodes": 256, **options}
    elif engine == "micro" and recipe.inputs != ("gaussian",):
        options = {"test_samples": 5, **options}
    drawn = partial(om.initial.committee, recipe.N, K=recipe.K, M=recipe.M, teacher="random", seed=recipe.seed)
    starts = {"weights": recipe.start, "overlaps": lambda: recipe.start().order_parameters(), "drawn": drawn,
              "one a replica": lambda: lambda replica: drawn(student_seed=replica)}
    assume(start != "overlaps" or problem.inputs.independent)
    return om.simulate(problem, starts[start](), options.pop("alpha", 1.0), engine, N=recipe.N, replicas=replicas,
                       **{"save_at": 4, **options})


def same_runs(one, other):
    """Assert that two runs are equal: the bits, the call, and the statistics over replicas."""
    same_bits(one, other)
    assert one.problem == other.problem and one.meta["call"] == other.meta["call"]
    assert np.array_equal(one.T, other.T) and one.replicas == other.replicas
    for name, values in other.ensemble.to_arrays().items():
        assert np.array_equal(one.ensemble.to_arrays()[name], values, equal_nan=True), name


@examples(30)
@given(recipes(inputs=INPUTS), ENGINES, STARTS, st.integers(1, 7), st.sampled_from(["all", "summary"]), st.booleans(),
       SEEDS)
def test_a_file_gives_the_run_and_makes_it_again(recipe, engine, start, replicas, keep, stored, seed):
    stored = stored and start in ("weights", "drawn")
    run = make(recipe, engine, start, replicas, keep=keep, seed=seed, store_weights=stored, store_final=stored)
    with tempfile.TemporaryDirectory() as folder:
        run.save(Path(folder) / "run.npz")
        read = om.load(Path(folder) / "run.npz")
        assert [path.name for path in Path(folder).iterdir()] == ["run.npz"]
    same_runs(read, run)
    assert read.meta == run.meta
    if start == "weights" and not stored:
        try:
            om.repeat(read)
        except om.errors.RepeatError:
            return
        raise AssertionError("a run from weights that no file holds cannot be repeated")
    same_runs(om.repeat(read), run)


@examples(20)
@given(recipes(inputs=INPUTS), ENGINES, st.lists(st.integers(1, 30), min_size=3, max_size=6, unique=True).map(sorted),
       st.integers(1, 3), SEEDS)
def test_a_run_in_pieces_is_the_run_in_one(recipe, engine, steps, replicas, seed):
    """micro and the chain to the bit, the ode to its tolerance."""
    times, middle = np.array([0, *steps]) / recipe.N, len(steps) // 2
    options = {"replicas": replicas, "seed": seed, "store_final": True}
    whole = make(recipe, engine, alpha=times[-1], save_at=times, **options)
    assume(set(whole.status) == {om.Status.COMPLETED})
    first = make(recipe, engine, alpha=times[middle], save_at=times[:middle + 1], **options)
    pieces = [first, om.go_on(first, times[-2], save_at=times[middle:-1]) if middle < len(steps) - 1 else None]
    pieces = [piece for piece in pieces if piece is not None]
    pieces.append(om.go_on(pieces[-1], times[-1], save_at=times[-2:]))
    joined = om.join(*pieces)
    assert np.array_equal(joined.alpha, whole.alpha)
    for name in (*OVERLAPS, "generalization_error"):
        one, other = getattr(joined, name), getattr(whole, name)
        if engine == "ode":
            assert np.allclose(one, other, rtol=1e-3, atol=1e-3), name
        else:
            assert np.array_equal(one, other), name
    assert joined.meta["steps"] == whole.meta["steps"]


class StopAt:
    """A progress callback that presses Ctrl-C once a share of the work is done."""

    def __init__(self, share):
        self.share = share

    def __call__(self, report):
        if report.fraction >= self.share:
            raise KeyboardInterrupt


@examples(15)
@given(recipes(N=st.integers(3, 20)), st.sampled_from(["micro", "chain"]), STARTS, st.integers(1, 7),
       st.sampled_from(["all", "summary"]), st.floats(0.01, 1.0), SEEDS)
def test_a_run_that_is_stopped_and_resumed_is_the_run(recipe, engine, start, replicas, keep, share, seed):
    """Wherever it was stopped, also between parts of its replicas, which are made three at a time here."""
    from onlinemode.engines.chain import engine as chain
    from onlinemode.engines.micro import engine as micro
    from onlinemode.runtime import replicas as runtime

    options = dict(start=start, replicas=replicas, keep=keep, seed=seed, alpha=40.0, save_at=7)
    kept = micro.WORK_PER_CALL, chain.STEPS_PER_CALL, runtime.LOOK_SECONDS, parts._replicas_a_part
    micro.WORK_PER_CALL, chain.STEPS_PER_CALL, runtime.LOOK_SECONDS = 2e3, 64, 5e-4
    try:
        whole = make(recipe, engine, **options)
        parts._replicas_a_part = lambda *arguments: 3
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "run.ckpt"
            make(recipe, engine, **options, checkpoint=file, checkpoint_every=1e-3, progress=StopAt(share))
            resumed = om.resume(file, progress=StopAt(0.5 * (1.0 + share)))
            if om.Status.INTERRUPTED in resumed.status:
                resumed = om.resume(file)
    finally:
        micro.WORK_PER_CALL, chain.STEPS_PER_CALL, runtime.LOOK_SECONDS, parts._replicas_a_part = kept
    same_runs(resumed, whole)
    assert resumed.meta["steps"] == whole.meta["steps"] and resumed.meta["start"] == whole.meta["start"]


@examples(15)
@given(recipes(inputs=INPUTS), ENGINES, st.integers(1, 7), st.sampled_from(["all", "summary"]), SEEDS)
def test_labelled_arrays_are_those_of_the_run(recipe, engine, replicas, keep, seed):
    """Also through a table, and as a file of xarray would hold them."""
    run = make(recipe, engine, replicas=replicas, keep=keep, seed=seed)
    labelled = run.to_xarray()
    assert np.array_equal(labelled.alpha, run.alpha) and np.array_equal(labelled.T, run.T)
    for name in OBSERVABLES:
        values = getattr(run, name) if name not in METRICS or name in observables_of(run.problem) else None
        assert (name in labelled) == (values is not None)
        if values is not None:
            given = values if run.draws > 1 else values[0]
            assert np.array_equal(labelled[name].values, given, equal_nan=True), name
    again = type(labelled).from_dict(labelled.to_dict())
    assert again.equals(labelled) and again.attrs == labelled.attrs
    if keep == "summary":
        assert np.array_equal(labelled.Q_mean, run.ensemble.mean["Q"], equal_nan=True)
    table = run.to_dataframe(["generalization_error", "R"])
    assert np.array_equal(table.generalization_error, run.generalization_error.ravel(), equal_nan=True)
    assert np.array_equal(table[f"R_{recipe.K - 1}_0"], run.R[..., -1, 0].ravel(), equal_nan=True)
