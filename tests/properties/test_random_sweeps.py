"""Random sweeps: every point is the run of its Experiment, to the bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import examples

import onlinemode as om
from onlinemode.sweeps.plan import times_of

AXES = {
    "eta": st.floats(0.0, 1.0), "eta_strengths": st.floats(0.0, 1.0), "eta_xi_out": st.floats(0.0, 1.0),
    "eta_readout": st.floats(0.0, 1.0), "noise": st.floats(0.0, 1.0), "weight_decay": st.floats(0.0, 1.0),
    "batch": st.integers(1, 4), "N": st.integers(8, 30), "K": st.integers(1, 3), "M": st.integers(1, 3),
    "activation": st.sampled_from(["erf", "linear", "relu"]), "readout": st.sampled_from(["mean", "sum", "sqrt"]),
    "student_size": st.floats(0.0, 1.0), "seed": st.integers(0, 2**64 - 1),
    "engine": st.sampled_from(["micro", "chain"]), "fresh_students": st.booleans(), "alpha": st.floats(0.5, 2.0),
    "init": st.sampled_from(["committee", "graded"])}
OBSERVABLES = ("generalization_error", "specialization", "Q", "R", "S", "strengths", "xi_out")
BASE = om.Experiment(N=12, K=2, alpha=1.0, eta=0.5, engine="chain", init="committee", save_at=4)


@st.composite
def sweeps(draw):
    """Names to values, and the experiment that is varied."""
    names = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=2, unique=True))
    over = {name: draw(st.lists(AXES[name], min_size=1, max_size=3 if len(names) == 1 else 2, unique=True))
            for name in names}
    others = draw(st.lists(st.sampled_from(sorted(set(AXES) - set(names))), max_size=3, unique=True))
    return over, BASE.replace(**{name: draw(AXES[name]) for name in others}, replicas=draw(st.integers(1, 2)))


@examples(25)
@given(sweeps(), st.booleans())
def test_points_are_single_runs(sweep, together):
    over, base = sweep
    names, several = list(over), len(over) == 2 and together
    if several:  # both vary along one axis
        count = min(len(values) for values in over.values())
        rows = [tuple(over[name][i] for name in names) for i in range(count)]
        grid, points = {tuple(names): rows}, [dict(zip(names, row)) for row in rows]
    else:
        grid, points = over, [{}]
        for name in names:
            points = [{**point, name: value} for point in points for value in over[name]]
    made = om.sweep(base, grid, keep=OBSERVABLES)
    dims = [dim for dim in made.status.dims if dim != "replica"]
    shape = [made.sizes[dim] for dim in dims]
    for number, point in enumerate(points):
        place = dict(zip(dims, (int(i) for i in np.unravel_index(number, shape))))
        assert_point(made.isel(place), base.replace(**point))


def assert_point(at, experiment):
    """Assert that a point has what the run of its experiment has, at the times that this one reaches."""
    times = at.alpha.values
    run = experiment.replace(save_at=times_of(experiment, tuple(times.tolist())), threads=1).run()
    assert np.atleast_1d(at.status.values).tolist() == [status.value for status in run.status]
    for i in np.flatnonzero(times <= run.alpha[-1] + 0.5 / run.N):
        j = np.abs(run.alpha - times[i]).argmin()
        for name in OBSERVABLES:
            mine = getattr(run, name)[:, j]
            values = at[name].isel(alpha=int(i)).values
            values = values if "replica" in at[name].dims else values[None]
            corner = tuple(slice(size) for size in mine.shape)  # there may be room for more units
            assert np.array_equal(values[corner], mine, equal_nan=True), name
