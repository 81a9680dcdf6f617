"""Runs that are stopped in the middle, however fast or busy the machine is."""

import time

from onlinemode.engines.chain import engine as chain
from onlinemode.engines.micro import engine as micro
from onlinemode.runtime import replicas


class StopAt:
    """A progress callback that presses Ctrl-C once a share of the work is done."""

    reports = 0  # of all of them

    def __init__(self, share):
        self.share = share

    def __call__(self, report):
        StopAt.reports += 1
        if report.fraction >= self.share:
            raise KeyboardInterrupt


def keep_step(monkeypatch):
    """Short kernel calls; after each a replica whose progress is reported waits for the next report."""
    begin, look = replicas.Replica.__init__, replicas.Replica.look

    def begin_with_call(self, number, overlaps, call, *more):
        begin(self, number, overlaps, call, *more)
        self.call = call

    def look_and_wait(self, copy_state):
        look(self, copy_state)
        seen = StopAt.reports
        while self.call.progress is not None and StopAt.reports == seen and not self.call.stop[0]:
            time.sleep(0.0005)

    monkeypatch.setattr(replicas.Replica, "__init__", begin_with_call)
    monkeypatch.setattr(replicas.Replica, "look", look_and_wait)
    monkeypatch.setattr(replicas, "LOOK_SECONDS", 0.002)
    monkeypatch.setattr(micro, "WORK_PER_CALL", 2e5)
    monkeypatch.setattr(chain, "STEPS_PER_CALL", 10_000)
