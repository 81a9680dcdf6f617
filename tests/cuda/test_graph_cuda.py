"""Recorded launches: what is recorded, how often it is launched, and what a driver that refuses leaves behind."""

from types import SimpleNamespace

import pytest
from pairs_cuda import SMALL, Pair

from onlinemode.kernels import graph_cuda, micro_cuda


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
    from onlinemode.kernels.rule import Rates

    monkeypatch.setattr(micro_cuda, "BLOCKS_A_GRAPH", 2)
    monkeypatch.setattr(micro_cuda, "record", Recording)
    pair = Pair(random_weights(7, 2, 2, 2, seed=7), **SMALL)
    made, on_device = pair.advance(rates=Rates(60.0, 0.0, 0.0, 0.0), activation="linear", steps=60)
    assert 0 < made == on_device < 60
    assert max(pair.differences()) < 1e-10


class Driver:
    """The calls that a recording makes, in their order; one of them may return an error."""

    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_RELAXED=2)

    def __init__(self, refuses=None):
        self.calls, self.refuses = [], refuses

    def __getattr__(self, name):
        def function(*arguments):
            self.calls.append((name, *arguments))
            answer = {"cuStreamEndCapture": ("graph",), "cuGraphInstantiate": ("executable",)}.get(name, ())
            return (900 if name == self.refuses else 0, *answer)

        function.__name__ = name
        return function


STREAM = SimpleNamespace(handle=5)


def test_the_calls_of_a_recording(monkeypatch):
    driver = Driver()
    graph = graph_cuda._record(lambda stream: driver.calls.append(("launches", stream.handle)), STREAM, driver)
    monkeypatch.setattr(graph_cuda.cuda, "default_stream", lambda: SimpleNamespace(handle=0), raising=False)
    graph.launch()
    graph.launch()
    del graph
    assert driver.calls == [
        ("cuStreamBeginCapture", 5, 2), ("launches", 5), ("cuStreamEndCapture", 5), ("cuGraphInstantiate", "graph", 0),
        ("cuGraphDestroy", "graph"), ("cuGraphLaunch", "executable", 0), ("cuGraphLaunch", "executable", 0),
        ("cuGraphExecDestroy", "executable")]


@pytest.mark.parametrize("refuses, last", [("cuStreamBeginCapture", "cuStreamBeginCapture"),
                                           ("cuStreamEndCapture", "cuStreamEndCapture"),
                                           ("cuGraphInstantiate", "cuGraphDestroy")])
def test_a_driver_that_refuses(refuses, last):
    driver = Driver(refuses)
    with pytest.raises(graph_cuda._Refused, match=refuses):
        graph_cuda._record(lambda stream: None, STREAM, driver)
    assert driver.calls[-1][0] == last


def test_a_failing_launch_ends_the_recording():
    driver = Driver()

    def launches(stream):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        graph_cuda._record(launches, STREAM, driver)
    assert driver.calls[-1][0] == "cuStreamEndCapture"
