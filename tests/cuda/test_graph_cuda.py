"""Recorded launches: what is recorded, how often it is launched, and what a driver that refuses leaves behind."""

from types import SimpleNamespace

import numpy as np
import pytest
from pairs_cuda import ALL, SEED, SMALL, Pair, rule_of

from onlinemode.kernels.cuda import graph as graph_cuda
from onlinemode.kernels.cuda import micro as micro_cuda
from onlinemode.kernels.cuda.device import SIMULATED
from onlinemode.kernels.random.philox import Key


class Recording:
    """In place of a graph: launches again what it was given."""

    made = []

    def __init__(self, launches):
        self.launches, self.times = launches, 0
        Recording.made.append(self)

    def launch(self):
        self.times += 1
        self.launches(0)


@pytest.mark.parametrize("batch, samples", [(1, 4), (2, 4), (3, 8)])
def test_recorded_blocks_are_the_same_blocks(random_weights, monkeypatch, batch, samples):
    """Several calls, one graph; steps that fill no block at the end of each call."""
    monkeypatch.setattr(micro_cuda, "BLOCKS_A_GRAPH", 2)
    monkeypatch.setattr(micro_cuda, "record", Recording)
    monkeypatch.setattr(Recording, "made", [])
    pair = Pair(random_weights(9, 2, 2, 2, seed=1), batch=batch, **{**SMALL, "samples": samples, "threads": 8})
    block = samples // batch
    first = 0
    for steps in (6 * block + 1, 3 * block, 8 * block):  # 7, 3 and 8 blocks
        assert pair.advance(batch=batch, first=first, steps=steps, kappa=0.9, sigma=0.2) == (steps, steps)
        first += steps
    assert max(pair.differences()) < 1e-10
    assert [each.times for each in Recording.made] == [3 + 0 + 3]


def test_other_arguments_are_recorded_anew(random_weights, monkeypatch):
    monkeypatch.setattr(micro_cuda, "BLOCKS_A_GRAPH", 1)
    monkeypatch.setattr(micro_cuda, "record", Recording)
    monkeypatch.setattr(Recording, "made", [])
    pair = Pair(random_weights(9, 2, 2, 2, seed=1), **SMALL)
    for first, sigma in ((0, 0.2), (16, 0.9), (32, 0.2)):
        assert pair.advance(first=first, steps=16, sigma=sigma) == (16, 16)
    assert max(pair.differences()) < 1e-10
    assert [each.times for each in Recording.made] == [6, 3]


def test_a_run_that_diverged_stays_where_it_is(random_weights, monkeypatch):
    """The blocks that were handed out already do nothing."""
    from onlinemode.kernels.rule.step import Rates

    monkeypatch.setattr(micro_cuda, "BLOCKS_A_GRAPH", 2)
    monkeypatch.setattr(micro_cuda, "record", Recording)
    pair = Pair(random_weights(7, 2, 2, 2, seed=7), **SMALL)
    made, on_device = pair.advance(rates=Rates(60.0, 0.0, 0.0, 0.0), activation="linear", steps=60)
    assert 0 < made == on_device < 60
    assert max(pair.differences()) < 1e-10


def test_recorded_launches_go_into_the_stream_of_the_recording(random_weights, monkeypatch):
    stream, used, real = object(), [], micro_cuda.launched

    def launched(kernel, blocks, threads, stream=0):
        used.append(stream)
        return real(kernel, blocks, threads)

    def record(launches):
        used.clear()
        launches(stream)
        assert len(used) == 3 and all(each is stream for each in used)

    monkeypatch.setattr(micro_cuda, "launched", launched)
    monkeypatch.setattr(micro_cuda, "record", record)
    monkeypatch.setattr(micro_cuda, "BLOCKS_A_GRAPH", 1)
    assert Pair(random_weights(9, 2, 2, 2, seed=1), **SMALL).advance(steps=12) == (12, 12)


@pytest.mark.skipif(SIMULATED, reason="needs a device")
def test_graphs_of_the_device(random_weights):
    """The same bits as without; close to the CPU."""
    pairs = [Pair(random_weights(1001, 4, 4, 4, seed=1)) for _ in range(2)]
    steps = 100 * pairs[0].plan.samples + 3
    for pair, graphs in zip(pairs, (True, False)):
        if not graphs:
            launcher_of(pair).forget_graphs()
        assert pair.advance(rates=ALL, sigma=0.2, steps=steps) == (steps, steps)
        assert launcher_of(pair).has_graph == graphs
    assert max(pairs[0].differences()) < 1e-10
    assert np.array_equal(*(pair.state.xi_in.copy_to_host() for pair in pairs))


def launcher_of(pair):
    return micro_cuda.launcher(pair.state, pair.plan, rule_of(ALL, 0.0, 0.2, "erf", pair.N, 1), Key(SEED, 0))


class Refused(Exception):
    pass


class Driver:
    """The calls that a recording makes, in their order; one of them may fail."""

    names = SimpleNamespace(CUstream_flags=SimpleNamespace(CU_STREAM_NON_BLOCKING=1),
                            CUstreamCaptureMode=SimpleNamespace(CU_STREAM_CAPTURE_MODE_RELAXED=2))

    def __init__(self, refuses=None):
        self.calls, self.refuses = [], refuses

    def __getattr__(self, name):
        def function(*arguments):
            self.calls.append((name, *arguments))
            if name == self.refuses:
                raise Refused(name)
            return {"cuStreamCreate": 5, "cuStreamEndCapture": "graph", "cuGraphInstantiate": "executable"}.get(name)

        return function

    def record(self, launches):
        return graph_cuda._record(launches, self, self.names, lambda handle: ("stream", handle))


def test_the_calls_of_a_recording():
    driver = Driver()
    graph = driver.record(lambda stream: driver.calls.append(("launches", *stream)))
    graph.launch()
    graph.launch()
    del graph
    assert driver.calls == [
        ("cuStreamCreate", 1), ("cuStreamBeginCapture", 5, 2), ("launches", "stream", 5), ("cuStreamEndCapture", 5),
        ("cuGraphInstantiate", "graph", 0), ("cuGraphDestroy", "graph"), ("cuStreamDestroy", 5),
        ("cuGraphLaunch", "executable", 0), ("cuGraphLaunch", "executable", 0), ("cuGraphExecDestroy", "executable")]


@pytest.mark.parametrize("refuses, then", [
    ("cuStreamCreate", []), ("cuStreamBeginCapture", ["cuStreamDestroy"]), ("cuStreamEndCapture", ["cuStreamDestroy"]),
    ("cuGraphInstantiate", ["cuGraphDestroy", "cuStreamDestroy"])])
def test_a_driver_that_refuses(refuses, then):
    driver = Driver(refuses)
    with pytest.raises(Refused, match=refuses):
        driver.record(lambda stream: None)
    names = [name for name, *_ in driver.calls]
    assert names[names.index(refuses) + 1:] == then


@pytest.mark.parametrize("refuses", [None, "cuStreamEndCapture"])
def test_a_failing_launch_ends_the_recording(refuses):
    driver = Driver(refuses)

    def launches(stream):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        driver.record(launches)
    names = [name for name, *_ in driver.calls]
    assert names[2:] == ["cuStreamEndCapture", *(["cuGraphDestroy"] if refuses is None else []), "cuStreamDestroy"]


def test_a_driver_whose_launch_fails_says_so():
    driver = Driver("cuGraphLaunch")
    with pytest.raises(Refused, match="cuGraphLaunch"):
        driver.record(lambda stream: None).launch()
