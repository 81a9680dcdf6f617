"""Runs as labelled arrays of xarray and as tables of pandas: the values of the run, under the right names."""

import json
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import xarray
from matplotlib import pyplot

import onlinemode as om
from onlinemode import ensemble, labelled
from onlinemode.errors import MissingPackageError, ParameterError

PROBLEM = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0))
TIMES = [0.0, 0.5, 1.0, 3.0]
PAGE = (Path(__file__).parents[1] / "docs" / "howto" / "labelled.md").read_text("utf-8")
INDICES = {"student_unit", "student_unit_2", "teacher_unit", "teacher_unit_2", "mode", "mode_2"}


def simulated(engine="chain", start=None, problem=PROBLEM, alpha=3.0, save_at=TIMES, **options):
    """By default with K = 3, M = 2, P = 4, so that no two sizes are equal."""
    if start is None:
        rng = np.random.default_rng(1)
        start = om.Weights(xi_in=rng.standard_normal((4, 20)), strengths=rng.uniform(0.5, 1.5, 4),
                           xi_out=rng.standard_normal((3, 4)) / 2.0, readout=rng.uniform(0.4, 1.2, 3),
                           teacher=rng.standard_normal((2, 20)), teacher_readout=rng.uniform(0.4, 1.2, 2))
    return om.simulate(problem, start, alpha, engine, save_at=save_at, **options)


@pytest.fixture(scope="module")
def several():
    return simulated(replicas=6)


@pytest.fixture(scope="module")
def summary():
    return simulated(replicas=8, keep="summary", quantiles=(0.1, 0.5, 0.75))


@pytest.fixture(scope="module")
def diverged():
    """The first of two replicas."""
    return simulated("micro", om.initial.committee(20, K=2, M=3, seed=1), alpha=4.0, save_at=[0.0, 2.0, 3.5, 4.0],
                     replicas=2, problem=om.Problem(activation="relu", rates=om.LearningRates(xi_in=30.0)))


@pytest.fixture(scope="module")
def measured():
    """ε_g from fresh samples, with its standard error."""
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=om.inputs.Rademacher())
    return simulated("micro", om.initial.committee(10, K=2), problem, test_samples=500, replicas=2)


def test_what_each_observable_is():
    """Against the shapes that Trajectory documents, by the sizes of a run where they all differ."""
    run, sizes = simulated(), labelled.dimensions(3, 2, 4)
    assert set(sizes) == INDICES
    for name, observable in labelled.OBSERVABLES.items():
        if name not in ("mode_residuals", "task_errors"):
            assert getattr(run, name).shape[2:] == tuple(sizes[dim] for dim in observable.dims), name


def test_what_each_observable_is_of_several_tasks():
    """The same where there are 3 of 2 units each, and 2 heads."""
    heads = (0, 0, 1)
    start = om.initial.tasks(20, K=5, units=2, tasks=3, heads=heads, seed=1)
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0, readout=1.0), tasks=om.Tasks((1, 1, 1), heads))
    run, sizes = simulated(start=start, problem=problem), labelled.dimensions(5, 6, 5, 3, 2)
    assert set(sizes) == INDICES | {"task", "head"}
    for name in labelled.OBSERVABLES:
        if name != "mode_residuals":
            dims = labelled.dims_of(name, heads=True)
            assert getattr(run, name).shape[2:] == tuple(sizes[dim] for dim in dims), name
            if name not in ensemble.METRICS:
                assert run.to_xarray()[name].dims == ("alpha", *dims)


@pytest.mark.parametrize("replicas", [1, 6])
@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
def test_values_are_those_of_the_run(engine, replicas):
    start = None  # K = 3, M = 2, P = 4
    if engine == "ode" and replicas > 1:  # which has replicas for different students alone
        start = lambda replica: om.initial.graded(20, K=3, M=2, student_seed=replica)  # noqa: E731
    run = simulated(engine, start, replicas=replicas)
    data = run.to_xarray()
    outer = ("replica",) if replicas > 1 else ()
    assert run.draws == replicas
    for name, observable in labelled.OBSERVABLES.items():
        if name in ensemble.METRICS:  # tests/test_metrics.py
            assert name not in data
            continue
        values = getattr(run, name)
        if values is None:
            assert name not in data
            continue
        assert data[name].dims == (*outer, "alpha", *observable.dims)
        assert np.array_equal(data[name].values, values if outer else values[0], equal_nan=True), name  # no partner
        assert data[name].attrs == {"long_name": observable.long_name, "units": "1"}
    assert data["T"].dims == ("teacher_unit", "teacher_unit_2") and np.array_equal(data["T"], run.T)
    assert data["teacher_readout"].dims == ("teacher_unit",)
    assert np.array_equal(data["teacher_readout"], run.teacher_readout)
    assert data["status"].dims == data["message"].dims == outer
    assert data["status"].values.tolist() == ("completed" if replicas == 1 else ["completed"] * replicas)
    assert data["message"].values.tolist() == (run.message[0] if replicas == 1 else run.message)
    assert ("replica" in data.coords) == (replicas > 1)


def test_coordinates(several):
    data = several.to_xarray()
    assert set(data.coords) == {"alpha", "replica"} | INDICES
    assert np.array_equal(data["alpha"], TIMES)
    assert data["alpha"].attrs == {"long_name": "time α = steps/N", "units": "steps/N"}
    for name, size in {"replica": 6, **labelled.dimensions(3, 2, 4)}.items():
        assert data[name].values.tolist() == list(range(size)), name
        assert data[name].dtype.kind == "i"
        assert data[name].attrs["long_name"]
    assert len({data[name].attrs["long_name"] for name in data.coords}) == len(data.coords)


def test_every_variable_says_what_it_is(summary, measured):
    for data in (summary.to_xarray(), measured.to_xarray()):
        for name, variable in data.data_vars.items():
            assert variable.attrs["units"] == "1" and variable.attrs["long_name"], name
        assert len({variable.attrs["long_name"] for variable in data.data_vars.values()}) == len(data.data_vars)


def test_one_entry_by_its_labels(several):
    data = several.to_xarray()
    entry = data["R"].sel(replica=4, student_unit=2, teacher_unit=1).sel(alpha=0.9, method="nearest")
    assert float(entry) == several.R[4, 2, 2, 1]
    assert float(entry["alpha"]) == 1.0
    assert float(data["xi_out"].isel(replica=1, alpha=0).sel(student_unit=0, mode=3)) == several.xi_out[1, 0, 0, 3]
    assert float(data["S"].isel(replica=1, alpha=3).sel(teacher_unit=0, mode=3)) == several.S[1, 3, 3, 0]


def test_one_line_of_xarray(several):
    data = several.to_xarray()
    mean = data.generalization_error.mean("replica")
    assert mean.dims == ("alpha",)
    assert np.allclose(mean, several.generalization_error.mean(0), rtol=1e-14)
    overlap = abs(data.rho).max("teacher_unit")
    assert overlap.dims == ("replica", "alpha", "student_unit")
    assert np.array_equal(overlap, np.abs(several.rho).max(-1))
    product = xarray.dot(data.R, data.teacher_readout, dim="teacher_unit")  # dimensions meet by their names
    assert np.allclose(product, several.R @ several.teacher_readout, rtol=1e-13)


def test_changing_the_arrays_leaves_the_run(several):
    data = several.to_xarray()
    single = simulated()
    for run, given in ((several, data), (single, single.to_xarray())):
        before = {name: np.array(getattr(run, name)) for name in ("alpha", "R", "T", "teacher_readout")}
        given["R"][:] = 0.0
        for name in ("T", "teacher_readout"):
            given[name].values[:] = 0.0
        assert all(np.array_equal(getattr(run, name), values) for name, values in before.items())
        assert not np.shares_memory(given["alpha"].values, run.alpha)


def test_some_observables(several):
    data = several.to_xarray(observables=("R", "specialization", "R"))
    assert set(data.data_vars) == {"R", "specialization", "T", "teacher_readout", "status", "message"}
    assert set(data.coords) == {"replica", "alpha", "student_unit", "teacher_unit", "teacher_unit_2"}
    assert set(several.to_xarray("G").data_vars) == {"G", "T", "teacher_readout", "status", "message"}
    assert set(several.to_xarray(iter(["Q"])).data_vars) == {"Q", "T", "teacher_readout", "status", "message"}


@pytest.mark.parametrize("method", ["to_xarray", "to_dataframe"])
@pytest.mark.parametrize("observables", [("R", "nonsense"), "nonsense", ("T",), [["R"]]])
def test_unknown_observables(several, method, observables):
    with pytest.raises(ParameterError, match="must be one of generalization_error, specialization, .*, readout; got"):
        getattr(several, method)(observables)


@pytest.mark.parametrize("method", ["to_xarray", "to_dataframe"])
def test_observables_that_are_no_names(several, method):
    with pytest.raises(ParameterError, match=r"observables must be names, such as \('R', 'Q'\); got 3"):
        getattr(several, method)(3)


@pytest.mark.parametrize("method", ["to_xarray", "to_dataframe"])
def test_mode_residuals_where_they_are_defined_alone(method):
    rates = om.LearningRates(xi_in=1.0, strengths=0.2)
    without = simulated(start=om.initial.paper(20, K=3, P=2), problem=om.Problem(rates=rates))
    having = simulated(start=om.initial.paper(20, K=3, P=2))
    assert without.mode_residuals is None
    assert "mode_residuals" not in without.to_xarray() and "mode_residuals" in having.to_xarray()
    with pytest.raises(ParameterError, match="this run has no mode_residuals, .* strengths or output modes are tr"):
        getattr(without, method)(["mode_residuals"])
    getattr(having, method)(["mode_residuals"])


def test_runs_that_diverged(diverged):
    data = diverged.to_xarray()
    assert data["status"].values.tolist() == ["diverged", "completed"]
    assert data["message"].values.tolist() == diverged.message
    assert data["message"].values[0].startswith("diverged at α = ")
    assert np.isnan(data.generalization_error).sum("alpha").values.tolist() == [2, 0]
    assert np.array_equal(data.G, diverged.G, equal_nan=True)
    assert np.isnan(diverged.to_dataframe().generalization_error).sum() == 2


def test_measured_errors(measured, several):
    data = measured.to_xarray()
    assert data["generalization_error_se"].dims == ("replica", "alpha")
    assert np.array_equal(data["generalization_error_se"], measured.error_se)
    assert (data["generalization_error_se"] > 0.0).all()
    assert "generalization_error_se" in measured.to_xarray("generalization_error")
    assert "generalization_error_se" not in measured.to_xarray("R")
    assert "generalization_error_se" not in several.to_xarray()


def test_statistics_over_all_replicas(summary, several):
    data = summary.to_xarray()
    assert summary.draws == 5 and data.sizes["replica"] == 5 and data.attrs["replicas"] == 8
    assert data["status"].sizes == {"replica": 5}
    assert data["count"].dims == ("alpha",) and data["count"].values.tolist() == [8] * 4
    assert data["quantile"].values.tolist() == [0.1, 0.5, 0.75]
    of_names = {"mean": summary.summary.mean, "sd": summary.summary.standard_deviation,
                "quantile": summary.summary.quantiles}
    for name in ensemble.OBSERVABLES:
        for suffix, values in of_names.items():
            given = data[f"{name}_{suffix}"]
            outer = ("quantile", "alpha") if suffix == "quantile" else ("alpha",)
            assert given.dims == (*outer, *labelled.OBSERVABLES[name].dims)
            assert np.array_equal(given, values[name])
    assert data["R_sd"].attrs["long_name"] == "overlap of student and teacher units, standard deviation over replicas"
    median = data.generalization_error_quantile.sel(quantile=0.5)
    assert np.array_equal(median, summary.ensemble.quantiles["generalization_error"][1])
    assert {name for name in summary.to_xarray(["Q", "G"]).data_vars if name.startswith(("Q", "R", "G", "c"))} == {
        "Q", "G", "Q_mean", "Q_sd", "Q_quantile", "count"}
    assert not any(name.endswith(("_mean", "_sd", "_quantile", "count")) for name in several.to_xarray().variables)


def test_a_summary_of_one(summary):
    data = simulated(keep="summary").to_xarray()
    assert "replica" not in data.dims and data["count"].values.tolist() == [1] * 4
    assert data["Q_mean"].dims == data["Q"].dims


def test_provenance(several):
    attrs = several.to_xarray().attrs
    info = several.info
    assert {name: attrs[name] for name in ("engine", "N", "theory", "seed", "device", "precision", "replicas", "date")
            } == {"engine": "chain", "N": 20, "theory": 0, "seed": 0, "device": "cpu", "precision": "float64",
                  "replicas": 6, "date": info.date}
    assert attrs["onlinemode"] == om.__version__
    assert attrs["steps"] == 60
    assert json.loads(attrs["problem"]) == several.problem.to_dict()
    assert json.loads(attrs["call"]) == info.call
    assert json.loads(attrs["versions"]) == info.versions
    assert json.loads(attrs["start"]) == info.start

    unknown = replace(several, info=replace(info, steps=[], versions={}))  # as a file of an older version may be
    assert {"steps", "onlinemode"}.isdisjoint(unknown.to_xarray().attrs)


def test_provenance_of_other_runs(random_overlaps, measured):
    theory = simulated("ode", random_overlaps(3, 2, 2, seed=1)).to_xarray().attrs
    assert "N" not in theory
    assert theory["theory"] == 1 and theory["method"] == "LSODA" and theory["rtol"] > 0.0
    assert measured.to_xarray().attrs["test_samples"] == 500
    students = simulated(start=lambda replica: om.initial.paper(20, K=3, P=2, student_seed=replica), replicas=3)
    assert len(students.info.start["origins"]) == 3
    assert json.loads(students.to_xarray().attrs["start"]) == {"kind": "weights"}  # no lists as long as the ensemble
    longer = om.go_on(students, 4.0).to_xarray().attrs
    assert (longer["steps"], longer["steps_before"]) == (80, 60)


@pytest.mark.parametrize("seed, attribute", [(2**31 - 1, 2**31 - 1), (2**31, 2.0**31), (2**63 - 1, str(2**63 - 1))])
def test_numbers_beyond_32_bits(seed, attribute):
    """netCDF-3 has no longer integers."""
    given = simulated(seed=seed).to_xarray("specialization").attrs["seed"]
    assert given == attribute and type(given) is type(attribute)
    assert int(given) == seed


@pytest.fixture(params=["several", "one", "summary", "diverged", "measured", "theory", "large"])
def any_run(request, random_overlaps):
    """Runs whose arrays or attributes are of different kinds."""
    if request.param == "one":
        return simulated()
    if request.param == "theory":
        return simulated("ode", random_overlaps(3, 2, 2, seed=1))
    if request.param == "large":
        start = om.initial.committee(10**12, K=2, weights=False)
        return simulated(start=start, N=10**12, alpha=1e-11, save_at=[0.0, 1e-11], seed=2**63 - 1)
    return request.getfixturevalue(request.param)


def test_attributes_are_plain(any_run):
    for value in any_run.to_xarray().attrs.values():
        assert type(value) in (str, int, float)
        assert not isinstance(value, int) or abs(value) < 2**31


def test_zarr_gives_back_the_same(any_run, tmp_path):
    data = any_run.to_xarray()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.to_zarr(tmp_path / "run.zarr", consolidated=False)  # consolidated, zarr itself warns
        again = xarray.open_zarr(tmp_path / "run.zarr", consolidated=False).load()
    xarray.testing.assert_identical(data, again)


def test_netcdf_gives_back_the_same(any_run, tmp_path):
    """With SciPy's netCDF-3, which takes least."""
    data = any_run.to_xarray()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.to_netcdf(tmp_path / "run.nc", engine="scipy")
        with xarray.open_dataset(tmp_path / "run.nc", engine="scipy") as again:
            xarray.testing.assert_identical(data, again.load())


def test_a_run_from_its_file(several, tmp_path):
    several.save(tmp_path / "run.npz")
    xarray.testing.assert_identical(om.load(tmp_path / "run.npz").to_xarray(), several.to_xarray())


def test_table_of_several_replicas(several):
    table = several.to_dataframe()
    assert list(table.columns) == ["replica", "alpha", "generalization_error", "specialization"]
    assert table.shape == (6 * 4, 4)
    assert table["replica"].dtype.kind == "i"
    for row in (0, 3, 4, 23):
        replica, time = divmod(row, 4)
        assert table.loc[row].tolist() == [replica, TIMES[time], several.generalization_error[replica, time],
                                           several.specialization[replica, time]]
    mean = table.groupby("alpha")["generalization_error"].mean()
    assert np.allclose(mean, several.generalization_error.mean(0), rtol=1e-14)


def test_table_of_entries(several):
    table = several.to_dataframe(("R", "specialization"))
    entries = [(k, m) for k in range(3) for m in range(2)]
    assert list(table.columns) == ["replica", "alpha", *(f"R_{k}_{m}" for k, m in entries), "specialization"]
    for k, m in entries:
        assert np.array_equal(table[f"R_{k}_{m}"], several.R[:, :, k, m].ravel())
    assert list(several.to_dataframe("readout").columns) == ["replica", "alpha", "readout_0", "readout_1", "readout_2"]


def test_table_of_one_replica():
    run = simulated()
    table = run.to_dataframe()
    assert list(table.columns) == ["alpha", "generalization_error", "specialization"]
    assert isinstance(table, pandas.DataFrame)
    assert np.array_equal(table["alpha"], TIMES)
    assert np.array_equal(table["specialization"], run.specialization[0])


def test_changing_the_table_leaves_the_run(several):
    before = several.R.copy()
    table = several.to_dataframe("R")
    table["R_0_0"] = 0.0
    table.loc[:, "R_1_1"] = 0.0
    assert np.array_equal(several.R, before)


@pytest.mark.parametrize("method, package", [("to_xarray", "xarray"), ("to_dataframe", "pandas")])
def test_without_the_package(several, method, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError) as caught:
        getattr(several, method)()
    text = str(caught.value)
    assert text.startswith(f"sweeps and labelled results need {package}, which is not installed")
    assert 'pip install "onlinemode[sweep]"' in text and "\n" not in text
    assert isinstance(caught.value, ImportError)


def test_the_page(several, tmp_path, monkeypatch):
    """Its code runs, and its table has every dimension beside the variables that have it."""
    pyplot.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    for block in blocks:
        exec(compile(block, "labelled.md", "exec"), names)
    assert len(pyplot.get_fignums()) >= 3
    pyplot.close("all")
    assert len(blocks) == 4 and names["data"].sizes["replica"] == 4 and names["bands"].sizes["quantile"] == 5
    assert {path.name for path in tmp_path.iterdir()} == {"run.nc", "run.zarr"}
    assert list(names["entries"].columns[:4]) == ["replica", "alpha", "R_0_0", "R_0_1"]
    rows = re.findall(r"^\| (`[^|]*`) \|[^|]*\| ([^|]*) \|$", PAGE, re.M)
    dims = {name for row, _ in rows for name in re.findall(r"`(\w+)`", row)}
    assert dims == {"replica", "alpha", "quantile", "task", "head", "group"} | INDICES
    for name, variable in simulated(start=om.initial.paper(20, K=3, P=2)).to_xarray().data_vars.items():
        for row, where in rows[2:5]:
            first = re.findall(r"`(\w+)`", row)[0]
            assert (first in variable.dims) == (f"`{name}`" in where), (name, first)
