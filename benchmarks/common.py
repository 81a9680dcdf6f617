"""What the benchmark scripts share: medians of interleaved runs, and a line about the machine."""

from onlinemode.benchmark import machine as describe
from onlinemode.benchmark import median_seconds

__all__ = ["machine", "median_seconds"]


def machine():
    """Processor, cores and versions, in one line."""
    return ", ".join(f"{name} {value}" for name, value in describe().items())
