"""Is the chain exact, does it tend to the mean-field equations, and is the linear-noise theory right?

    python benchmarks/chain_exactness.py

1. Stability: 10^7 steps against the recursion of the overlaps in double-double (overlap_recursion.py).
2. Convergence: tr L_X L_Xᵀ, the student's part outside the teacher's span, without label noise.
3. Limit: log-log slope of the rms deviation of (Q, R) from the ODE, N = 10² to 10⁶.  Nothing is subtracted.
4. Linear noise: the predicted standard deviations against those of the ensemble, every entry of Q, R and ε_g.

The functions take their sizes as arguments: the tests call them with smaller ones.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from common import machine
from overlap_recursion import BLOCK, Chain, drift

import onlinemode as om
from onlinemode.theory.fluctuations import fluctuations

TRAINED = {
    "X": om.LearningRates(xi_in=1.0),
    "X+s": om.LearningRates(xi_in=1.0, strengths=4.0),
    "X+s+A": om.LearningRates(xi_in=1.0, strengths=4.0, xi_out=4.0),
}
DRIFT_CASES = {  # at N = 1,000, K = 2, M = 2, P = 3
    "X, κ = 0": om.Problem(noise=0.3, rates=TRAINED["X"]),
    "X+s+A+v, κ = 0.1": om.Problem(noise=0.3, weight_decay=0.1, rates=om.LearningRates(1.0, 0.3, 0.3, 0.2)),
}


def general_start():
    """K = 2, M = 2, P = 3, all factors random."""
    rng = np.random.default_rng(5)
    return om.Weights(xi_in=0.5 * rng.standard_normal((3, 12)), strengths=rng.uniform(0.5, 1.0, 3),
                      xi_out=rng.standard_normal((2, 3)) / np.sqrt(3.0), readout=np.full(2, 0.5),
                      teacher=rng.standard_normal((2, 12)), teacher_readout=np.full(2, 0.5)).order_parameters()


def matched_starts(N):
    """Realizable, K = M = P = 3, erf: name to start; the overlaps become singular, or are so nearly at once."""
    random = om.initial.committee(N, K=3, seed=1, teacher="random", student_size=0.5)
    span = np.random.default_rng(0).standard_normal((3, 3)) @ random.teacher / 2.0
    twins = np.array(random.xi_in)
    twins[1] = twins[0] + 1e-9 * twins[1]
    near = span + 1e-9 * random.xi_in
    change = lambda **fields: om.Weights(**{  # noqa: E731
        name: fields.get(name, getattr(random, name))
        for name in ("xi_in", "strengths", "xi_out", "readout", "teacher", "teacher_readout")})
    return {"random teacher": random, "orthogonal teacher": om.initial.committee(N, K=3, seed=1, student_size=0.5),
            "two student modes equal to 1e-9": change(xi_in=twins),
            "student in the teacher's span to 1e-9": change(xi_in=near)}


def outside(start, N, alpha, eta, seed=1, rows=200):
    """tr L_X L_Xᵀ at ``rows`` times, and whether all factors are finite."""
    chain = Chain(om.Problem(rates=om.LearningRates(xi_in=eta)), start, N, seed)
    last = int(alpha * N) // chain.period * chain.period
    save_steps = np.unique(np.linspace(0, last, rows).astype(int))
    paths = chain.advance(save_steps)
    return (paths[1] ** 2).sum((1, 2)), all(np.isfinite(path).all() for path in paths)


def limit(rates, sizes, replicas, alpha, seed):
    """How the chain tends to the ODE, for one set of trained factors.

    Returns
    -------
    rms : array (sizes,)
        Of the deviation of (Q, R) at ``alpha``, over entries and replicas.
    slope, error : float
        Of the line through log rms against log N; the error is that of the mean square over replicas.
    off : float
        Mean deviation at the last size in units of its standard error, the largest of all entries.  The bias, of
        order 1/N, is small against that error.
    """
    problem, start = om.Problem(noise=0.1, rates=rates), general_start()
    theory = om.simulate(problem, start, alpha, "ode", save_at=[alpha], rtol=1e-10, atol=1e-12)
    logs, errors = [], []
    for i, (N, count) in enumerate(zip(sizes, replicas)):
        run = om.simulate(problem, start, alpha, "chain", N=int(N), seed=seed + i, replicas=count, save_at=[alpha])
        deviation = np.concatenate([(run.Q - theory.Q).reshape(count, -1), (run.R - theory.R).reshape(count, -1)], 1)
        squares = (deviation**2).mean(1)
        logs.append(0.5 * np.log(squares.mean()))
        errors.append(0.5 * squares.std(ddof=1) / squares.mean() / np.sqrt(count))
    x = np.log(sizes) - np.log(sizes).mean()
    weights = x / (x**2).sum()
    off = np.abs(deviation.mean(0) / deviation.std(0, ddof=1)).max() * np.sqrt(count)
    return np.exp(logs), weights @ logs, np.sqrt((weights**2) @ np.square(errors)), off


def noise_start():
    """K = 3, P = 2, M = 3; with :data:`NOISE_PROBLEM` there is no plateau."""
    rng = np.random.default_rng(2)
    return om.Weights(xi_in=0.5 * rng.standard_normal((2, 60)), strengths=[1.0, 0.8],
                      xi_out=rng.standard_normal((3, 2)), readout=np.full(3, 0.6),
                      teacher=rng.standard_normal((3, 60)), teacher_readout=np.full(3, 0.6)).order_parameters()


NOISE_PROBLEM = om.Problem(noise=0.3, weight_decay=0.1, rates=om.LearningRates(xi_in=1.0, strengths=0.4, xi_out=0.4))


def spreads(theory, N, replicas, times, seed):
    """Standard deviation of the ensemble over the predicted one: name to array (times, entries...)."""
    run = om.simulate(NOISE_PROBLEM, noise_start(), times[-1], "chain", N=N, replicas=replicas, save_at=times,
                      seed=seed)
    return {name: values.std(0, ddof=1)[1:] / theory.standard_deviation(getattr(theory, name), N)[1:]
            for name, values in (("Q", run.Q), ("R", run.R), ("error", run.generalization_error))}


def show(what, result, target, met):
    print(f"{what:>82} {result:>16} {target:>16} {'yes' if met else 'NO':>4}", flush=True)


def main():
    print(machine())
    print(f"{'':>82} {'result':>16} {'target':>16} {'met':>4}")
    began = time.perf_counter()

    def lap():
        nonlocal began
        print(f"({time.perf_counter() - began:.0f} s)")
        began = time.perf_counter()

    steps, N = 10**7, 1000
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda problem: drift(problem, general_start(), N, steps, 1), DRIFT_CASES.values()))
    for name, (fed, own, _) in zip(DRIFT_CASES, results):
        show(f"drift in 10^7 steps, N = 1,000, {name}, fed with the chain's fields", f"{fed.max():.1e}", "1e-11",
             fed.max() < 1e-11)
        show("the same, the reference's own fields", f"{own.max():.1e}", "1e-11", own.max() < 1e-11)
        blocks = np.geomspace(2, len(fed), 5).astype(int)
        print(f"{'after ' + ', '.join(f'{n * BLOCK:.1g}' for n in blocks) + ' steps, fed:':>82} "
              + ", ".join(f"{fed[:n].max():.0e}" for n in blocks), flush=True)
    lap()
    for N, alpha in ((50, 8000.0), (100, 4000.0)):
        for name, start in matched_starts(N).items():
            trace, finite = outside(start, N, alpha, 3.0)
            show(f"tr L_X L_Xᵀ, N = {N}, {name}", f"{trace[-1]:.1e}", "1e-28, no NaN", finite and trace[-1] < 1e-28)
    floors = [outside(matched_starts(N)["random teacher"], N, 3000.0, 3.0)[0][-1] for N in (300, 1000)]
    print(f"{'(its floor rises as N², docs/theory, section 7.5: at N = 300 and 1,000 it is':>82} "
          f"{floors[0]:.1e} and {floors[1]:.1e})")
    lap()
    sizes, replicas = 10 ** np.arange(2, 7), (6000, 4000, 2000, 300, 64)
    for i, (name, rates) in enumerate(TRAINED.items()):
        rms, slope, error, off = limit(rates, sizes, replicas, 0.5, 100 * (i + 1))
        show(f"slope of the rms deviation of (Q, R), N = 10² to 10⁶, {name} trained", f"{slope:.4f} ± {error:.4f}",
             "-0.50 ± 0.03", abs(slope + 0.5) < 0.03 and error < 0.01)
        show("mean deviation at N = 10⁶ in standard errors, largest entry of Q and R", f"{off:.1f}", "4", off < 4.0)
        print(f"{'rms √N:':>82} " + ", ".join(f"{value:.4f}" for value in rms * np.sqrt(sizes)), flush=True)
    lap()
    times = np.array([0.0, 1.0, 2.0, 5.0])
    theory = fluctuations(NOISE_PROBLEM, noise_start(), times, nodes=2**16)
    for N, count, target in ((200, 20_000, 0.05), (2000, 24_000, 0.02)):
        for name, ratio in spreads(theory, N, count, times, 7).items():
            worst = np.abs(ratio - 1.0).max()
            show(f"sd of {name} at N = {N}, largest relative difference ({np.sqrt(0.5 / count):.2%} Monte Carlo)",
                 f"{worst:.2%}", f"{target:.0%}", worst < target)
    lap()


if __name__ == "__main__":
    main()
