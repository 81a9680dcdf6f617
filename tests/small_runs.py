"""Runs of few steps that together pass through every kernel of the CPU.

    python small_runs.py FILE

writes what they give; tests/kernels/test_uncompiled.py does so with NUMBA_DISABLE_JIT, where kernels are plain Python.
"""

import sys

import numpy as np

import onlinemode as om
from onlinemode.blocks import OVERLAPS
from onlinemode.kernels.baselines import limits, plain
from onlinemode.kernels.random import normals, philox

N, ALPHA = 24, 0.5
EVERYTHING = om.LearningRates(xi_in=0.8, strengths=0.3, xi_out=0.2, readout=0.1)
INPUTS = {"signs": om.inputs.Rademacher(), "uniform": om.inputs.Uniform(), "power law": om.inputs.PowerLaw(1.0),
          "manifold of signs": om.inputs.HiddenManifold(5, "sign"),
          "manifold of erf": om.inputs.HiddenManifold(5, "erf"),
          "rows": om.inputs.Rows(np.random.default_rng(0).normal(size=(30, N)).astype(np.float32))}


def runs():
    """Name and a call that makes a trajectory."""
    start = om.initial.committee(N, K=2, seed=1)
    modes = om.initial.paper(N, K=3, P=2, seed=1)
    for activation in ("erf", "linear", "relu", "tanh"):
        problem = om.Problem(activation=activation, noise=0.1, weight_decay=0.1, rates=EVERYTHING)
        for engine in ("micro", "chain", "ode"):
            yield f"{activation} {engine}", (problem, modes, engine, {"nodes": 64} if engine == "ode" else {})
    other = om.Problem(activation="erf", teacher_activation="relu")
    for engine in ("micro", "chain", "ode"):
        yield f"another teacher {engine}", (other, start, engine, {"nodes": 64} if engine == "ode" else {})
    batches = om.Problem(batch=3, noise=0.2, rates=EVERYTHING)
    for engine in ("micro", "chain", "ode"):
        yield f"batches {engine}", (batches, modes, engine, {})
    for K in (1, 4, 5):
        wide = om.initial.committee(N, K=K, seed=2)
        for engine in ("micro", "chain", "ode"):
            yield f"K = {K} {engine}", (om.Problem(), wide, engine, {})
    few = om.initial.committee(5, K=2, seed=3)  # a frame that is as large as the space
    yield "full frame", (om.Problem(), few, "chain", {})
    for name, inputs in INPUTS.items():
        yield name, (om.Problem(inputs=inputs, noise=0.1), start, "micro", {"test_samples": 50})
    yield "float32", (om.Problem(), start, "micro", {"precision": "float32"})
    yield "two threads", (om.Problem(), om.initial.committee(5000, K=2, seed=4), "micro",
                          {"threads": 2, "alpha": 0.002})
    yield "replicas", (om.Problem(noise=0.1), start, "chain", {"replicas": 3, "threads": 2})


def results():
    """Name to array."""
    found = {}
    for name, (problem, start, engine, options) in runs():
        given = start.order_parameters() if engine == "ode" else start
        options = {"alpha": ALPHA, "save_at": 3, **options}
        run = om.simulate(problem, given, engine=engine, **options)
        for block in (*OVERLAPS, "generalization_error"):
            found[f"{name}: {block}"] = getattr(run, block)
    overlaps = om.initial.committee(N, K=2, seed=1).order_parameters()
    for name, rates in (("X", om.LearningRates(xi_in=1.0)), ("all", EVERYTHING)):
        noise = om.fluctuations(om.Problem(rates=rates, noise=0.1), overlaps, [0.0, ALPHA], nodes=64)
        found[f"linear noise {name}: covariance"], found[f"linear noise {name}: bias"] = noise.covariance, noise.bias
    found.update(random_numbers())
    return found


def learn(engine):
    """G of a run, in which two threads make a replica each; for tests of processes, which import it."""
    more = {} if engine == "ode" else {"threads": 2, "replicas": 2}
    problem = om.Problem(noise=0.1, rates=om.LearningRates(xi_in=1.0))
    return om.simulate(problem, om.initial.committee(60, K=2), 2.0, engine, save_at=5, **more).G


def random_numbers():
    out, words = np.empty(64, np.float32), np.empty((4, 16), np.uint32)
    normals.fill_normals(out, 3, philox.STREAM_INPUT, 2, 2**40 + 1, np.uint64(2**63 + 11), words)
    counter, key = np.array([1, 2, 3, 2**32 - 1], np.uint32), np.array([2**32 - 1, 7], np.uint32)
    numbers = {"normals": out, "words": philox.philox_words(counter, key)}
    buffer, other = np.linspace(0.1, 0.9, 64), np.linspace(0.5, 1.0, 64)
    limits.multiply_adds(buffer, 3)
    limits.move(buffer, other, 3)
    numbers.update(multiplied=buffer, moved=other)
    drawn = np.empty(64, np.float32)
    limits.draw(drawn, words, 2)
    numbers["drawn"] = drawn
    w = om.initial.committee(N, K=2, seed=1)
    X, given = w.xi_in.copy(), np.random.default_rng(1).normal(size=(10, N))
    plain.numba_loop(X, w.teacher, w.xi_out, w.strengths, w.readout, w.teacher_readout, 0.5, 10, given,
                     np.random.default_rng(2))
    return {**numbers, "plain loop": X}


if __name__ == "__main__":
    np.savez(sys.argv[1], **results())
