"""Does an integration that ends as converged leave Q and R right, and at what cost?

    python benchmarks/ode_convergence.py [PROBLEMS]

Random problems without noise: erf and linear units, one to four of them, every set of factors trained, α from 300 to
10^9, both kinds of solver, rtol 1e-6 and the default 1e-9.  The error is the largest of Q and R at the last α,
relative to the largest entry of Q, against a run of LSODA at rtol 1e-12, atol 1e-15.
"""

import collections
import statistics
import sys

import numpy as np
from common import machine

import onlinemode as om

PROBLEMS = 300


def random_problem(seed):
    """Problem, start, α and options."""
    draw = np.random.default_rng(seed)
    K = int(draw.integers(1, 5))
    M, readout = int(draw.integers(1, K + 1)), str(draw.choice(["sum", "mean", "sqrt"]))
    others = draw.integers(0, 2, 3) * draw.choice([0.01, 0.1, 1.0], 3)
    problem = om.Problem(str(draw.choice(["erf", "linear"])),
                         rates=om.LearningRates(float(draw.choice([0.1, 0.5, 1.0])), *map(float, others)))
    if draw.random() < 0.5:
        start = om.initial.committee(200, K=K, M=M, seed=seed, readout=readout).order_parameters()
    else:
        B = draw.standard_normal((K, 50)) / 7.0
        X = B + float(draw.choice([1e-7, 1e-5, 1e-3, 1e-1])) * draw.standard_normal((K, 50)) / 7.0
        start = om.initial.from_overlaps(X @ X.T, X @ B.T, B @ B.T, readout=readout)
    options = {"method": str(draw.choice(["LSODA", "DOP853"])), "rtol": float(draw.choice([1e-6, 1e-9]))}
    return problem, start, float(draw.choice([300.0, 1e3, 1e4, 1e6, 1e9])), options


def error(run, reference):
    """Largest deviation of Q and R at the end, relative to the largest entry of Q."""
    Q, R = reference.Q[0, -1], reference.R[0, -1]
    return max(np.abs(run.Q[0, -1] - Q).max(), np.abs(run.R[0, -1] - R).max()) / np.abs(Q).max()


def main(problems=PROBLEMS):
    print(machine())
    statuses, errors = collections.defaultdict(collections.Counter), collections.defaultdict(list)
    evaluations = collections.defaultdict(list)
    for seed in range(int(problems)):
        problem, start, alpha, options = random_problem(seed)
        run = om.simulate(problem, start, alpha, "ode", save_at=2, **options)
        statuses[options["method"]][run.status[0].value] += 1
        if run.status == [om.Status.CONVERGED]:
            reference = om.simulate(problem, start, alpha, "ode", save_at=2, rtol=1e-12, atol=1e-15)
            evaluations[options["method"]].append(run.meta["evaluations"])
            if np.isfinite(reference.Q[0, -1]).all():
                errors[options["method"], options["rtol"]].append(error(run, reference))
    for method, counts in sorted(statuses.items()):
        print(f"{method}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
              + f"; evaluations of the converged: median {statistics.median(evaluations[method]):,.0f}, "
              f"largest {max(evaluations[method]):,}")
    for (method, rtol), values in sorted(errors.items()):
        print(f"{method} at rtol {rtol:g}: {len(values)} converged, error median {statistics.median(values):.1e}, "
              f"largest {max(values):.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
