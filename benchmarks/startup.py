"""What a user waits for before anything runs, beside another version of onlinemode.

    python benchmarks/startup.py OLD_PYTHON [ROUNDS]

OLD_PYTHON is the interpreter of a virtual environment that holds the older version.  The first run of every engine
with an empty folder for machine code, and the command line's help; old and new in turns, medians of ROUNDS.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from common import machine

ROUNDS = 5
FIRST_RUN = """
import onlinemode as om
problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
om.simulate(problem, om.initial.committee(1000, K=3), 0.1, {engine!r}, save_at=3)
"""
CASES = {**{f"first run of {engine}": ["-c", FIRST_RUN.format(engine=engine)] for engine in ("micro", "chain", "ode")},
         "onlinemode --help": ["-c", "from onlinemode.cli.main import main; main(['--help'])"],
         "onlinemode simulate --help": ["-c", "from onlinemode.cli.main import main; main(['simulate', '--help'])"],
         "import onlinemode": ["-c", "import onlinemode"]}


def seconds(python, arguments):
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "OPENBLAS_NUM_THREADS": "1"}
        began = time.perf_counter()
        subprocess.run([python, *arguments], env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def main(old_python, rounds=ROUNDS):
    print(machine())
    print(f"{'case':>28} {'old, s':>8} {'new, s':>8} {'new / old':>10}")
    for name, arguments in CASES.items():
        pairs = [[seconds(python, arguments) for python in (old_python, sys.executable)] for _ in range(int(rounds))]
        before, after = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(new / old for old, new in pairs)
        print(f"{name:>28} {before:8.3f} {after:8.3f} {ratio:10.3f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
