"""How fast is the mean-field theory, against solve_ivp with a vectorised NumPy right-hand side?

    python benchmarks/ode_speed.py

First the drift alone; then solvers, K = M = 4 at four starts; then K = M = 4 to α = 1000 at rtol 1e-8, with the error
of ε_g beside the time (largest relative error over the run, against DOP853 at rtol 1e-12).
"""

import time

import numpy as np
from common import machine, median_seconds
from scipy.integrate import solve_ivp

import onlinemode as om
from onlinemode.theory.meanfield import MeanFieldDrift, generalization_error

TIMES = np.concatenate(([0.0], np.geomspace(0.01, 1000.0, 100)))


def numpy_drift(y, T, v, v_star, eta):
    """dQ, dR of ordinary SGD on W with erf units, in vectorised NumPy (Saad and Solla's integrals)."""
    K, M = v.size, v_star.size
    Q, R = y[:K * K].reshape(K, K), y[K * K:].reshape(K, M)
    Z = np.block([[Q, R], [R.T, T]])
    w = np.concatenate([v, -v_star])
    one = 1.0 + np.diagonal(Z)
    # I3(k, l, j) = E[g'(h_k) h_l g(h_j)]
    L3 = one[:K, None] * one[None, :] - Z[:K] ** 2
    I3 = (2.0 / np.pi / np.sqrt(L3)[:, None, :]
          * (Z.T[None, :, :] * one[:K, None, None] - Z[:K, :, None] * Z[:K, None, :]) / one[:K, None, None])
    H = v[:, None] * np.einsum("klj,j->kl", I3, w)
    # I4(k, l, i, j) = E[g'(h_k) g'(h_l) g(h_i) g(h_j)]
    k, l = np.arange(K)[:, None, None, None], np.arange(K)[None, :, None, None]
    i, j = np.arange(K + M)[None, None, :, None], np.arange(K + M)[None, None, None, :]
    L4 = one[k] * one[l] - Z[k, l] ** 2
    L0 = (L4 * Z[i, j] - Z[l, i] * Z[l, j] * one[k] - Z[k, i] * Z[k, j] * one[l]
          + Z[k, l] * (Z[k, i] * Z[l, j] + Z[l, i] * Z[k, j]))
    L1 = L4 * one[i] - Z[l, i] ** 2 * one[k] - Z[k, i] ** 2 * one[l] + 2.0 * Z[k, l] * Z[k, i] * Z[l, i]
    L2 = L4 * one[j] - Z[l, j] ** 2 * one[k] - Z[k, j] ** 2 * one[l] + 2.0 * Z[k, l] * Z[k, j] * Z[l, j]
    I4 = 4.0 / np.pi**2 / np.sqrt(L4) * np.arcsin(L0 / np.sqrt(L1 * L2))
    V = np.outer(v, v) * np.einsum("klij,i,j->kl", I4, w, w)
    dQ = -eta * (H[:, :K] + H[:, :K].T) + eta**2 * V
    return np.concatenate([dQ.ravel(), (-eta * H[:, K:]).ravel()])


def drift_table():
    print(f"{'drift':>22} {'µs an evaluation':>17}")
    for K, P in ((4, 4), (8, 3)):
        start = om.initial.paper(300, K=K, P=P).order_parameters()
        drift = MeanFieldDrift(om.Problem(rates=om.LearningRates(xi_in=1.0)), start)
        y = drift.full[drift.active]
        drift(y)

        def many(drift=drift, y=y):
            for _ in range(2000):
                drift(y)

        seconds = median_seconds({"drift": many})["drift"] / 2000
        print(f"{f'K = M = {K}, P = {P}':>22} {seconds * 1e6:17.1f}")


SOLVED = {  # start, readout, rate, decay
    "committee, mean, η = 5": (om.initial.committee, "mean", 5.0, 0.0),
    "graded, mean, η = 5": (om.initial.graded, "mean", 5.0, 0.0),
    "committee, sum, η = 0.3": (om.initial.committee, "sum", 0.3, 0.0),
    "committee, mean, η = 3, κ = 0.1": (om.initial.committee, "mean", 3.0, 0.1)}
METHODS = (("LSODA", 1e-9), ("compiled", 1e-9), ("DOP853", 1e-9), ("DOP853", 1e-10))


def solver_table():
    """Evaluations, seconds, and the largest error of ε_g against DOP853 at rtol 1e-13."""
    print(f"{'K = M = 4 to α = 1000':>32} {'method':>9} {'rtol':>6} {'evaluations':>12} {'seconds':>9} {'error':>8}")
    for name, (draw, readout, rate, decay) in SOLVED.items():
        start = draw(1000, K=4, seed=0, readout=readout).order_parameters()
        problem = om.Problem(rates=om.LearningRates(xi_in=rate), weight_decay=decay)

        def run(method, rtol, problem=problem, start=start):
            return om.simulate(problem, start, TIMES[-1], "ode", save_at=TIMES, method=method, rtol=rtol,
                               atol=1e-3 * rtol)

        exact = run("DOP853", 1e-13).generalization_error[0]
        tasks = {each: lambda each=each: run(*each) for each in METHODS}
        made = {each: task() for each, task in tasks.items()}
        seconds = median_seconds(tasks, rounds=5)
        for each in METHODS:
            error = np.abs(made[each].generalization_error[0] - exact).max()
            print(f"{name:>32} {each[0]:>9} {each[1]:6.0e} {made[each].info.evaluations:12,} {seconds[each]:9.4f} "
                  f"{error:8.1e}")


def main():
    print(machine())
    drift_table()
    solver_table()
    start = om.initial.committee(1000, K=4, seed=0).order_parameters()
    problem = om.Problem(rates=om.LearningRates(xi_in=5.0))

    def engine(method, rtol):
        return om.simulate(problem, start, TIMES[-1], "ode", save_at=TIMES, method=method, rtol=rtol, atol=1e-3 * rtol)

    exact = engine("DOP853", 1e-12).generalization_error[0]
    initial = np.concatenate([start.G.ravel(), start.S.ravel()])
    arguments = (start.T, start.readout, start.teacher_readout, 5.0)

    def plain(method):
        return solve_ivp(lambda _, y: numpy_drift(y, *arguments), (0.0, TIMES[-1]), initial, method=method,
                         t_eval=TIMES, rtol=1e-8, atol=1e-11)

    def error(value):
        usable = exact > 1e-10
        return np.max(np.abs(value - exact)[usable] / exact[usable])

    rows = {}
    for method in ("LSODA", "DOP853"):
        rows[f"onlinemode {method}"] = lambda method=method: engine(method, 1e-8).generalization_error[0]

        def reference(method=method):
            solution = plain(method)
            Q = solution.y[:16].T.reshape(-1, 4, 4)
            R = solution.y[16:].T.reshape(-1, 4, 4)
            ones = np.ones(Q.shape[:1] + (4,))
            return generalization_error("erf", Q, R, start.T, ones, np.broadcast_to(np.eye(4), Q.shape),
                                        np.broadcast_to(start.readout, ones.shape), start.teacher_readout)

        rows[f"NumPy {method}"] = reference
    errors = {name: error(task()) for name, task in rows.items()}
    seconds = median_seconds(rows, rounds=3)
    print(f"{'K = M = 4 to α = 1000':>22} {'seconds':>9} {'largest error of ε_g':>21} {'ratio':>6}")
    for method in ("LSODA", "DOP853"):
        for kind in ("onlinemode", "NumPy"):
            name = f"{kind} {method}"
            ratio = seconds[f"NumPy {method}"] / seconds[name]
            print(f"{name:>22} {seconds[name]:9.3f} {errors[name]:21.1e} {ratio:6.1f}")


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"(whole script: {time.perf_counter() - began:.0f} s)")
