"""A small sweep for several test files, and when two results are the same."""

from pathlib import Path

import onlinemode as om

SMALL = om.Experiment(engine="ode", init="committee", K=2, N=50, alpha=4.0, save_at=6)
OVER = {"eta": [0.5, 1.0, 2.0], "noise": [0.0, 0.1]}
LONG = SMALL.replace(alpha=60.0, K=3)  # a longer one
MANY = {"eta": "0.5:2:40", "noise": [0.0, 0.1, 0.2]}


def identical(one, other):
    """Whether two results have the same numbers to the bit, and the same coordinates; times of the clock apart."""
    one, other = (each.drop_vars("seconds").load() for each in (one, other))
    return one.equals(other) and all(one[name].dtype == other[name].dtype for name in one.variables)


def local_cluster(workers=2):
    """A local scheduler with workers in processes of their own."""
    from distributed import LocalCluster

    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50)


def is_running(pid):
    """Whether there is such a process, and it is no corpse."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
