"""Is the law of engine leap that of the chain?

    python benchmarks/leap_exactness.py [CASE,...] [N] [REPLICAS]

For each case (all of them; N = 1000, 4,000 replicas) ensembles of leap and of chain from the same overlaps are compared
in all order parameters that scatter and in ε_g at five times: Kolmogorov-Smirnov tests, the smallest p times their
number (Bonferroni), differences of the means in standard errors, ratios of the spreads.  "escape" compares when runs of
two, three and four erf units leave their plateau, and the overlaps on the way; "theory" the mean escape time of K = 2
with the law that docs/theory, section 19.3 has for it, at N = 10^6, 10^9 and 10^15.
"""

import sys
import time
from dataclasses import replace

import numpy as np
from common import machine
from scipy import stats

import onlinemode as om

ALPHA, TIMES = 6.0, (0.5, 1.0, 2.0, 3.0, 6.0)
ESCAPES = {2: (1.0, 0.01, 240.0), 3: (0.7, 0.02, 400.0), 4: (0.5, 0.03, 600.0)}  # K to η, level of ε_g, last α


def general():
    """K = M = 3, P = 2: all factors may be trained, and no unit is like another."""
    r = np.random.default_rng(4)
    A, X, B = r.standard_normal((3, 2)), 0.5 * r.standard_normal((2, 60)), r.standard_normal((3, 60))
    return om.OrderParameters(G=X @ X.T / 60, S=X @ B.T / 60, T=B @ B.T / 60, strengths=np.array([1.0, 0.6]), xi_out=A,
                              readout=np.full(3, 1 / 3), teacher_readout=np.full(3, 1 / 3))


def committee(K):
    """Symmetric overlaps, which only noise leads away from the plateau."""
    return om.initial.from_overlaps(Q=0.1 * np.eye(K), R=np.zeros((K, K)), T=np.eye(K), readout="sum")


def rates(xi_in, strengths=0.0, xi_out=0.0, readout=0.0):
    return om.LearningRates(xi_in, strengths, xi_out, readout)


PROBLEMS = {
    "all factors": om.Problem(noise=0.1, weight_decay=0.05, rates=rates(2.0, 0.5, 0.5, 0.3)),
    "decay": om.Problem(weight_decay=2.0, rates=rates(2.0)),
    "batch of 4": om.Problem(noise=0.3, weight_decay=0.3, batch=4, rates=rates(4.0, 0.5, 0.5, 0.3)),
    "batch of 10": om.Problem(weight_decay=1.0, batch=10, rates=rates(10.0)),
    "schedules": om.Problem(noise=0.2, weight_decay="steps:0.2,2=0.05",
                            rates=rates("power:3,2,-1", "steps:1,1.5=0.2,4=0.6", 0.2, 0.2)),
    "sphere": om.Problem(noise=0.2, rates=rates(2.0, 0.3, 0.2, 0.2), constraint="sphere"),
    "sphere, batch of 3": om.Problem(noise=0.2, weight_decay=0.3, batch=3, rates=rates(4.0), constraint="sphere"),
    "relu": om.Problem("relu", noise=0.1, rates=rates(0.5, 0.2, 0.2, 0.2)),
    "tanh": om.Problem("tanh", noise=0.1, rates=rates(1.0, 0.2, 0.2, 0.2)),
    "linear": om.Problem("linear", noise=0.1, rates=rates(0.3, 0.1, 0.1, 0.1)),
    "he:2": om.Problem("he:2", noise=0.1, rates=rates(0.05, 0.02, 0.02, 0.02)),
    **{name: om.Problem(weight_decay=0.05, rates=rates(2.0, 0.5, 0.5, 0.3),
                        tasks=om.Tasks.in_turn((0, 1, 0), (1.5, 3.0), heads=heads, noise=(0.1, 0.3)))
       for name, heads in (("tasks in turn", None), ("a head each", (0, 1)))},
    "correlation loss": om.Problem(loss="correlation", noise=0.3, weight_decay=0.5, rates=rates(0.5)),
}


def start_of(problem):
    """Two tasks have a second layer of the teacher each, and the student as many as heads."""
    if problem.tasks is None:
        return general()
    readout = np.array([[1 / 3, 1 / 3, 1 / 3], [0.2, -0.1, 0.3]])
    return replace(general(), teacher_readout=np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, -0.4, 0.1]]),
                   readout=readout[0] if problem.tasks.heads is None else readout)


def entries(run):
    """All order parameters and ε_g, (replicas, times, entries)."""
    values = [getattr(run, name).reshape(run.replicas, len(run.alpha), -1)
              for name in ("G", "S", "strengths", "xi_out", "readout")]
    return np.concatenate([*values, run.generalization_error[..., None]], -1)


def compare(one, other):
    """A line about two samples (replicas, numbers)."""
    p = np.array([stats.ks_2samp(one[:, i], other[:, i]).pvalue for i in range(one.shape[1])])
    z = (one.mean(0) - other.mean(0)) / np.sqrt((one.var(0) + other.var(0)) / len(one))
    ratio = one.std(0) / other.std(0)
    return (f"{p.size:4} tests, smallest p {p.min():.4f}, corrected {min(1.0, p.min() * p.size):.2f}; "
            f"means rms {np.sqrt((z**2).mean()):.2f}, largest {np.abs(z).max():.2f} s.e.; "
            f"spreads {ratio.min():.3f} to {ratio.max():.3f}")


def both(problem, start, alpha, N, replicas, times):
    """Runs of leap and chain, and CPU seconds of each."""
    runs, seconds = {}, {}
    for engine, seed in (("leap", 7), ("chain", 1)):
        om.simulate(problem, start, times[0], engine, N=N, threads=1)  # compiles
        begun = time.process_time()
        runs[engine] = om.simulate(problem, start, alpha, engine, N=N, replicas=replicas, save_at=times, seed=seed,
                                   threads=1)
        seconds[engine] = time.process_time() - begun
    return runs, seconds


def one_case(name, N, replicas):
    runs, seconds = both(PROBLEMS[name], start_of(PROBLEMS[name]), ALPHA, N, replicas, TIMES)
    leap, chain = (entries(runs[engine]) for engine in ("leap", "chain"))
    scatters = (chain.std(0) > 1e-12).all(0)
    line = compare(*(each[..., scatters].reshape(replicas, -1) for each in (leap, chain)))
    meta = runs["leap"].meta
    print(f"{name:20} {line}; {np.mean(meta['leaps']):.1f} leaps and {np.mean(meta['halved_kicks']):.3f} halved kicks "
          f"a run; CPU {seconds['leap']:.1f} s, chain {seconds['chain']:.1f} s", flush=True)


def escape(K, N, replicas):
    rate, level, last = ESCAPES[K]
    times = np.arange(2.0, last + 1.0, 2.0)
    runs, seconds = both(om.Problem(rates=rates(rate)), committee(K), last, N, replicas, times)
    found = {}
    for engine, run in runs.items():
        some = run.generalization_error[:, np.searchsorted(times, np.linspace(0.05, 0.85, 6) * last)]
        total = run.R.sum((2, 3))[:, np.searchsorted(times, np.linspace(0.05, 0.85, 6) * last)]
        escaped = np.nan_to_num(om.escape_times(run, level), nan=last)
        found[engine] = np.concatenate([some, total, escaped[:, None]], 1)
    words = ", ".join(f"{engine} {values[:, -1].mean():.2f} ({values[:, -1].std() / replicas**0.5:.2f}) sd "
                      f"{values[:, -1].std():.2f}" for engine, values in found.items())
    print(f"escape, K = {K}, N = {N:,}: {words}; {compare(found['leap'], found['chain'])}; "
          f"CPU {seconds['leap']:.1f} s, chain {seconds['chain']:.1f} s", flush=True)


def theory(replicas=400):
    problem, last, times = om.Problem(rates=rates(1.0)), 480.0, np.arange(1.0, 481.0)
    for N in (10**6, 10**9, 10**15):
        law = om.escape_law(problem, committee(2), N, level=0.01)
        run = om.simulate(problem, committee(2), last, "leap", N=N, replicas=replicas, save_at=times, seed=5)
        escaped = om.escape_times(run, 0.01)
        print(f"escape, K = 2, N = {N:.0e}: {escaped.mean():.2f} ({escaped.std() / replicas**0.5:.2f}) sd "
              f"{escaped.std():.2f}; law {law.mean:.2f} sd {law.sd:.2f}; {np.isfinite(escaped).sum()} of "
              f"{replicas} escaped", flush=True)


def main():
    names = sys.argv[1].split(",") if len(sys.argv) > 1 else [*PROBLEMS, "escape", "theory"]
    N, replicas = (int(float(word)) for word in (*sys.argv[2:4], *("1000", "4000")[len(sys.argv[2:4]):]))
    print(machine())
    for name in names:
        if name == "escape":
            for K in ESCAPES:
                escape(K, N, replicas)
        elif name == "theory":
            theory()
        else:
            one_case(name, N, replicas)


if __name__ == "__main__":
    main()
