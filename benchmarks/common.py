"""What the benchmark scripts share: medians of interleaved runs, and a line about the machine."""

import os
import platform
import statistics
import time


def median_seconds(tasks, rounds=5):
    """Median seconds of each callable; rounds are interleaved, so that all meet the same noise.

    Parameters
    ----------
    tasks : dict
        Name to callable without arguments.
    rounds : int

    Returns
    -------
    dict
        Name to median seconds.
    """
    seconds = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def machine():
    """Processor, cores and versions, in one line."""
    import numba
    import numpy
    import scipy

    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            lines = file.read().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return (f"{model}, {os.cpu_count()} cores, LLVM target {numba.core.config.CPU_NAME or _cpu_name()}; "
            f"Python {platform.python_version()}, NumPy {numpy.__version__}, Numba {numba.__version__}, "
            f"SciPy {scipy.__version__}")


def _cpu_name():
    import llvmlite.binding

    return llvmlite.binding.get_host_cpu_name()
