"""User's code that a type checker passes; no test runs it, tests/test_types.py and CI check it."""

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import onlinemode as om

problem = om.Problem(activation="erf", rates=om.LearningRates(xi_in=1.0), inputs=om.inputs.Rademacher())
run: om.Trajectory = om.simulate(om.Problem(), om.initial.committee(10), 1.0)
several = om.simulate(problem, lambda replica: om.initial.paper(50, K=2, student_seed=replica), 1.0, "chain", N=50,
                      replicas=20, keep="summary", save_at=[0.5, 1.0], progress=True, threads=1)
assert_type(run.generalization_error, NDArray[np.float64])
assert_type(run.status[0] is om.Status.COMPLETED, bool)
final: om.OrderParameters = om.OrderParameters(run.G[0, -1], run.S[0, -1], run.T, run.strengths[0, -1],
                                               run.xi_out[0, -1], run.readout[0, -1], run.teacher_readout)
longer = om.join(run, om.go_on(run, 2.0, engine="ode"), om.go_on(run, 3.0, save_at=np.array([2.5, 3.0])))
longer.save(Path("run.npz"))
again: om.Trajectory = om.repeat(om.load("run.npz"))
anew = om.simulate(problem, run.final, 1.0, "chain", seed=1)
resumed = om.resume("checkpoint.npz", checkpoint_every=60.0)
for plateau in run.plateaus(smoothing=0.2):
    print(plateau.start, run.ensemble.mean["Q"].shape, run.info.seed + 1, run.problem.rates.xi_in)

labelled = run.to_xarray(observables=["R", "generalization_error"])
labelled.generalization_error.mean("alpha").to_netcdf("run.nc")
mean_error = several.to_dataframe(("R",)).groupby("alpha").mean()

overlaps = om.initial.from_overlaps([[1.0]], [[0.1]], np.eye(1), readout=[1.0], teacher_readout="mean")
assert_type(overlaps.Q, NDArray[np.float64])
noise = om.fluctuations(problem, overlaps, [0.0, 1.0])
low, high = noise.band("generalization_error", N=100)
z: NDArray[np.float64] = om.agreement.z_scores(run, noise)
rho = om.observables.normalized_overlaps(run.Q, run.R, run.T)

experiment: om.Experiment = om.presets.paper.replace(N=100, eta=0.5)
swept = om.sweep(experiment, {"eta": [0.5, 1.0]}, seeds=2, store="sweep", progress=False)
compared = om.compare(experiment, engines=("micro", "chain"))
compared.plot("comparison.png")
by_hand = om.simulate(experiment.problem(), experiment.start(), progress=print, **experiment.call())
om.plotting.save_figure(om.plotting.overview([run, several], title="two runs"), Path("runs.png"))

data: om.deep.Dataset = om.deep.data.gaussian_mixture(40, 40)
network = om.deep.Network((2, 3, 1), modes=3, loss="mse")
trained: om.deep.TrainingRun = om.deep.train(network, data, epochs=1)
loss, accuracy = trained.network.evaluate(data.test_x, data.test_y)
assert_type(loss, float)
assert_type(network.sizes, tuple[int, ...])
assert_type(noise.active.ndim, int)
try:
    om.load("nothing.npz")
except om.errors.FileError as problem_with_file:
    assert isinstance(problem_with_file, om.OnlineModeError)
