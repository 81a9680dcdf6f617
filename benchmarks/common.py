"""What the benchmark scripts share: medians of interleaved runs, and a line about the machine."""

import os
import statistics
import time

from onlinemode.benchmark import machine as describe
from onlinemode.benchmark import median_seconds

__all__ = ["machine", "median_seconds", "quiet_median_seconds"]

TICKS = os.sysconf("SC_CLK_TCK")


def machine():
    """Processor, cores and versions, in one line."""
    return ", ".join(f"{name} {value}" for name, value in describe().items())


def quiet_median_seconds(tasks, rounds=5, most_rounds=60, others=0.1):
    """Median seconds of each callable over rounds in which other processes were idle.

    Parameters
    ----------
    tasks : dict
        Name to callable without arguments; one that returns a float has taken its own time.
    rounds, most_rounds : int
        Quiet rounds wanted, and rounds to try.
    others : float, default 0.1
        Cores that other processes may use in a quiet round.

    Returns
    -------
    dict or None
        Name to median seconds; None where fewer than three rounds were quiet.
    """
    seconds = []
    for _ in range(most_rounds):
        round_, busy, own, begin = {}, _busy_seconds(), time.process_time(), time.perf_counter()
        for name, task in tasks.items():
            started = time.perf_counter()
            own_time = task()
            round_[name] = own_time if isinstance(own_time, float) else time.perf_counter() - started
        elsewhere = _busy_seconds() - busy - (time.process_time() - own)
        if elsewhere < others * (time.perf_counter() - begin):
            seconds.append(round_)
            if len(seconds) == rounds:
                break
    if len(seconds) < 3:
        return None
    return {name: statistics.median(round_[name] for round_ in seconds) for name in tasks}


def _busy_seconds():
    """CPU seconds of all processes since the machine started; nan where /proc does not tell, which is never quiet."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, steal = (int(word) for word in file.readline().split()[1:9])
    except OSError:
        return float("nan")
    return (user + nice + system + irq + softirq + steal) / TICKS


def print_costs(title, kind, seconds, reference, unit):
    """A table of times in units of 1/``unit`` seconds, beside those of the reference."""
    width = max(map(len, [kind, *seconds]))
    print(f"\n{title}\n{kind:>{width}} {'time':>9} {'more':>8} {'ratio':>6}")
    for name, taken in seconds.items():
        more = (taken - seconds[reference]) * unit
        print(f"{name:>{width}} {taken * unit:9.1f} {more:8.1f} {taken / seconds[reference]:6.3f}")
