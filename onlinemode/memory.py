"""How much memory there is, for what can tell beforehand how much it takes."""

import os

SHARE = 0.8  # of the machine's free memory that a computation may fill
UNKNOWN_MEMORY = 8 * 2**30  # taken where the machine does not tell


def free_memory():
    """Bytes that a new computation can have."""
    try:
        with open("/proc/meminfo") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN_MEMORY


def too_large(size):
    """What to say where ``size`` bytes are more than there is, else None."""
    free, size = free_memory(), min(size, 2**200)  # a float can be made of that
    return None if size <= SHARE * free else f"{size / 2**30:,.1f} GiB, and this machine has {free / 2**30:,.1f} free"
