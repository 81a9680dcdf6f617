"""What do the mean-field equations for inputs with a covariance take, and the chain, and how right are the solvers?

    python benchmarks/spectral_speed.py
    python benchmarks/spectral_speed.py chain    # a step of the chain by the number of eigenvalues alone

Power laws, N = 1000, erf, K = M = P, to α = 1000: one evaluation of the drift beside that for isotropic inputs; seconds
of each solver, and the largest relative error of ε_g at 60 times against LSODA at 1e-9.
"""

import sys
import time

import numpy as np
from common import machine

import onlinemode as om
from onlinemode.theory.meanfield import MeanFieldDrift, generalization_error
from onlinemode.theory.spectral import SpectralDrift, resolve

N, ALPHA, CALLS = 1000, 1000.0, 3000
TIMES = np.geomspace(0.05, ALPHA, 60)
CASES = ((1.0, 2, 0.5, 0.0, 24), (1.5, 4, 1.0, 0.1, 32), (1.0, 6, 1.0, 0.1, 33))  # exponent, K, η, σ, nodes
SOLVERS = (("LSODA", 1e-9), ("LSODA", 1e-7), ("LSODA", 1e-6), ("BDF", 1e-6), ("exponential", 1e-5),
           ("exponential", 1e-6), ("exponential", 1e-7))
CHAIN_STEPS, ROUNDS = 6_000_000, 5
EIGENVALUES = (1, 2, 4, 8, 16, 32)  # for the chain; 1: isotropic


def start_of(K, N=N):
    rng = np.random.default_rng(1)
    student, teacher = 0.3 * rng.standard_normal((K, N)), rng.standard_normal((K, N))
    return om.Weights(xi_in=student, strengths=np.ones(K), xi_out=np.eye(K), readout=np.ones(K), teacher=teacher,
                      teacher_readout=np.ones(K))


def microseconds(drift):
    state = drift.full[drift.active]
    began = time.process_time()
    for _ in range(CALLS):
        drift(state)
    return 1e6 * (time.process_time() - began) / CALLS


def seconds(problem, start, shares, method, rtol):
    """CPU seconds of one integration without that at more nodes, and ε_g."""
    from onlinemode.engines.ode import engine
    from onlinemode.engines.ode.options import Options

    options = Options(method=method, rtol=rtol, atol=1e-3 * rtol)
    overlaps = start.order_parameters(problem.inputs)
    drift = SpectralDrift(problem, overlaps, shares)
    began = time.process_time()
    integration = engine._Integration(problem, drift, overlaps, options, method, 0.0, TIMES)
    integration.run(None, np.zeros(1, np.uint8))
    took = time.process_time() - began
    states = np.repeat(drift.full[None], len(TIMES), 0)
    states[:, drift.active] = integration.moving
    G, S, strengths, xi_out, readout = drift.layout.unpack(states)
    return took, generalization_error("erf", G, S, overlaps.T, strengths, xi_out, readout, overlaps.teacher_readout)


def steps_of_the_chain():
    """CPU time of a step of the chain with code for these sizes, the least of some rounds in turns; and of micro."""
    from onlinemode.engines.chain import engine

    engine.STEPS_WORTH_COMPILING = 0
    print(f"{'K = M = P':>10} {'eigenvalues':>12} {'µs a step':>10} {'an eigenvalue':>14} {'to isotropic':>13}")
    for K in (2, 4, 8):
        start, best = start_of(K, 4000), {}
        for _ in range(ROUNDS + 1):  # the first compiles
            for L in EIGENVALUES:
                inputs = om.inputs.Blocks(np.geomspace(1.0, 0.2, L), np.ones(L))
                steps = CHAIN_STEPS // (2 * L * K)
                best[L] = min(best.get(L, np.inf), cpu_of_a_step(start, inputs, "chain", steps))
        for L, took in best.items():
            print(f"{K:10} {L:12} {took:10.3f} {took / L:14.3f} {took / best[1]:13.2f}", flush=True)
    inputs = om.inputs.Blocks((1.0, 0.2), (1.0, 1.0))
    took = min(cpu_of_a_step(start_of(4, 1000), inputs, "micro", 50_000) for _ in range(ROUNDS))
    print(f"micro, N = 1000, K = M = P = 4: {took:.2f} µs a step")


def cpu_of_a_step(start, inputs, engine, steps):
    problem = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=0.5), inputs=inputs)
    began = time.process_time()
    om.simulate(problem, start, steps / start.N, engine, save_at=2, threads=1)
    return 1e6 * (time.process_time() - began) / steps


if __name__ == "__main__":
    print(machine())
    if sys.argv[1:] == ["chain"]:
        steps_of_the_chain()
        sys.exit()
    for exponent, K, eta, noise, nodes in CASES:
        inputs, start = om.inputs.PowerLaw(exponent), start_of(K)
        problem = om.Problem(noise=noise, rates=om.LearningRates(xi_in=eta), inputs=inputs)
        shares = resolve(start.xi_in, start.teacher, inputs.spectrum(N), nodes, eta, ALPHA)
        overlaps = start.order_parameters(inputs)
        resolved, isotropic = SpectralDrift(problem, overlaps, shares), MeanFieldDrift(problem, overlaps)
        one, other = microseconds(resolved), microseconds(isotropic)
        print(f"exponent {exponent}, K = {K}, {nodes} nodes, {resolved.active.size} order parameters; drift "
              f"{one:.1f} µs, isotropic {other:.1f} µs")
        best = None
        for method, rtol in SOLVERS if K < 6 else [each for each in SOLVERS if each[0] != "BDF"]:
            took, error = seconds(problem, start, shares, method, rtol)
            best = error if best is None else best
            print(f"  {method:11} {rtol:.0e}  {took:6.2f} s  {np.abs(error / best - 1.0).max():.1e}", flush=True)
