"""Modes on a sphere on a CUDA device, or in the simulator: the runs of the CPU."""

import dataclasses

import numpy as np
import pytest
from pairs_cuda import SMALL, STEPS, Pair

import onlinemode as om
from onlinemode.engines.micro import cuda as micro_engine
from onlinemode.kernels.cuda import blocks
from onlinemode.kernels.cuda import chain as chain_kernel
from onlinemode.kernels.cuda import micro as micro_cuda
from onlinemode.kernels.cuda.device import SIMULATED
from onlinemode.kernels.rule.step import Rates

PATHS = ("G", "S", "strengths", "xi_out", "readout")
needs_python = pytest.mark.skipif(not SIMULATED, reason="functions of a compiled kernel cannot be replaced")


@pytest.fixture
def problem(all_rates):
    return om.Problem(noise=0.2, weight_decay=0.4, rates=all_rates, constraint="sphere")


def lengths(pair):
    return (micro_cuda.to_host(pair.state.xi_in, pair.N).astype(float)**2).sum(1) / pair.N


def differences(weights, kind=np.float64, batch=1, samples=4, keep=True, **run):
    """Of the CPU and the device, and of the lengths from those of the start."""
    layout = {**SMALL, "samples": samples, "threads": 16} if SIMULATED else {}
    pair = Pair(weights, kind, batch, keep, sphere=True, **layout)
    steps = run.pop("steps", STEPS)
    assert pair.advance(batch=batch, steps=steps, kappa=0.9, sigma=0.2, **run) == (steps, steps)
    return max(pair.differences()), np.abs(lengths(pair) / pair.lengths - 1.0).max()


@pytest.mark.parametrize("N, P, batch, samples, keep", [
    (1, 2, 1, 4, True), (13, 5, 1, 4, False), (13, 3, 2, 8, True), (9, 2, 3, 4, True)])
def test_vectors_are_those_of_the_cpu(random_weights, N, P, batch, samples, keep):
    """Blocks of several steps and of one, modes in one lane of four and in two, a last block that is not full."""
    found, drift = differences(random_weights(N, 2, 2, P, seed=N), batch=batch, samples=samples, keep=keep)
    assert found < 1e-10 and drift < 1e-13


def test_float32_weights(random_weights):
    found, drift = differences(random_weights(13, 2, 2, 3, seed=6), np.float32)
    assert found < 1e-5 and drift < 1e-6


@needs_python
@pytest.mark.parametrize("left_out", ["_back_after", "_back_to"])
def test_without_a_scaling_they_are_others(random_weights, monkeypatch, left_out):
    """Of each step, or of the beginning and the end of a block."""
    monkeypatch.setattr(blocks, left_out, lambda *arguments: 1.0)
    assert differences(random_weights(13, 2, 2, 3, seed=3), batch=2, samples=8)[0] > 1e-3


@pytest.mark.parametrize("rates", [Rates(0.0, 0.3, 0.0, 0.0), Rates(0.7, 0.0, 0.0, 0.0)])
def test_trained_factors(random_weights, rates):
    """Decay of modes that are not trained is undone."""
    weights = random_weights(7, 2, 2, 3, seed=2)
    assert differences(weights, rates=rates, steps=6)[0] < 1e-10


def test_a_mode_without_length_stays_so(random_weights):
    weights = random_weights(7, 2, 2, 3, seed=2)
    xi_in = weights.xi_in.copy()
    xi_in[1] = 0.0
    pair = Pair(dataclasses.replace(weights, xi_in=xi_in), sphere=True)
    pair.advance()
    assert max(pair.differences()) < 1e-10
    assert not micro_cuda.to_host(pair.state.xi_in, 7)[1].any()


def test_a_run_that_diverges_stops_before_the_step(random_weights):
    pair = Pair(random_weights(7, 2, 2, 2, seed=7), sphere=True)
    run = {"rates": Rates(0.0, 0.0, 0.0, 900.0), "activation": "linear"}
    made, on_device = pair.advance(steps=60, **run)
    assert 0 < made == on_device < 60
    assert pair.advance(first=made, steps=1, **run) == (0, 0)
    assert np.abs(lengths(pair) / pair.lengths - 1.0).max() < 1e-13


def runs(problem, start, alpha, engine, **options):
    return [om.simulate(problem, start, alpha, engine, device=device, **options) for device in ("cuda", "cpu")]


def largest_difference(one, other):
    return max(np.abs(getattr(one, name) - getattr(other, name)).max() / np.abs(getattr(other, name)).max()
               for name in PATHS)


def drift(run):
    squares = np.diagonal(run.G, axis1=-2, axis2=-1)
    return np.abs(squares / squares[:, :1] - 1.0).max()


@pytest.mark.parametrize("N, batch", [(40, 1), (5, 1), (12, 2), (12, 3)])
def test_chain(problem, random_weights, N, batch):
    """Replicas whose lengths differ; at N = 5 a frame that fills all dimensions."""
    problem = om.Problem.from_dict({**problem.to_dict(), "batch": batch})
    teacher = random_weights(N, 2, 2, 2, seed=9)
    start = lambda replica: dataclasses.replace(  # noqa: E731
        random_weights(N, 2, 2, 2, seed=replica), teacher=teacher.teacher, teacher_readout=teacher.teacher_readout)
    one, other = runs(problem, start, 13 / N, "chain", replicas=3, seed=5, save_at=np.array([0, 1, 6, 9, 13]) / N)
    assert largest_difference(one, other) < 1e-10
    assert drift(one) < 1e-13


@needs_python
@pytest.mark.parametrize("left_out", ["_end_step", "_begin_block", "_add_pair", "_add_along_modes"])
def test_chain_without_a_scaling_is_another(problem, random_weights, monkeypatch, left_out):
    monkeypatch.setattr(chain_kernel, left_out, lambda *arguments: None)
    one, other = runs(problem, random_weights(12, 2, 2, 2, seed=1), 1.0, "chain", save_at=3)
    assert largest_difference(one, other) > 1e-4


@pytest.mark.parametrize("engine", ["micro", "chain"])
def test_runs_take_a_device_and_repeat(problem, engine, monkeypatch, tmp_path):
    """By "auto" where they are large."""
    monkeypatch.setattr("onlinemode.engines.micro.engine.N_WORTH_A_DEVICE", 5)
    monkeypatch.setattr("onlinemode.engines.chain.engine.REPLICAS_WORTH_A_DEVICE", 1)
    start = om.initial.showcase(7, K=2, seed=1)
    run = om.simulate(problem, start, 5 / 7, engine, save_at=np.array([0.0, 5.0]) / 7, device="auto")
    assert run.info.device == "cuda" and drift(run) < 1e-13
    run.save(tmp_path / "run.npz")
    again = om.repeat(om.load(tmp_path / "run.npz"))
    assert all(np.array_equal(getattr(run, name), getattr(again, name)) for name in PATHS)


def test_resumed_with_the_lengths_of_the_start(problem, random_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(micro_engine, "STEPS_PER_CALL", 4 if SIMULATED else 32)
    start, alpha = random_weights(9, K=2, M=2, P=2, seed=2), (16 if SIMULATED else 300_000) / 9
    options = {"save_at": [0.0, alpha], "device": "cuda", "precision": "float32"}
    whole = om.simulate(problem, start, alpha, **options)
    calls = []

    def stop(report):
        calls.append(report)
        if len(calls) > 1:
            raise KeyboardInterrupt

    path = tmp_path / "run.ckpt"
    monkeypatch.setattr("onlinemode.runtime.replicas.LOOK_SECONDS", 0.02)
    stopped = om.simulate(problem, start, alpha, **options, progress=stop, checkpoint=path)
    assert stopped.status == [om.Status.INTERRUPTED]
    resumed = om.resume(path)
    assert all(np.array_equal(getattr(resumed, name), getattr(whole, name)) for name in PATHS)
