"""Does a run that is killed at a random moment go on to the same bits?

    python benchmarks/kill_and_resume.py [kills]

SIGKILL at random times after the first checkpoint was written, 50 times by default for each engine; every
time the file is read, resumed, and the result compared with that of the run without a break.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import onlinemode as om
from onlinemode.runtime.checkpoint import read_checkpoint

ALPHA = {"micro": 3000.0, "chain": 30_000.0}


def learn(engine, **more):
    problem = om.Problem(noise=0.1, weight_decay=0.1, rates=om.LearningRates(xi_in=1.0, strengths=0.2))
    return om.simulate(problem, lambda r: om.initial.committee(400, K=2, student_seed=r), ALPHA[engine], engine,
                       replicas=4, save_at=50, threads=2, keep="summary", **more)


def same(run, reference):
    names = ("alpha", "G", "S", "strengths", "xi_out", "readout", "generalization_error")
    statistics = run.ensemble.to_arrays(), reference.ensemble.to_arrays()
    return (all(np.array_equal(getattr(run, name), getattr(reference, name), equal_nan=True) for name in names)
            and all(np.array_equal(statistics[0][name], statistics[1][name], equal_nan=True) for name in statistics[0])
            and run.status == reference.status)


def main(kills):
    rng = np.random.default_rng(0)
    for engine in ALPHA:
        reference = learn(engine)
        seconds, equal, unfinished = reference.meta["seconds_run"], 0, 0
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "run.ckpt"
            for _ in range(kills):
                file.unlink(missing_ok=True)
                process = subprocess.Popen([sys.executable, __file__, engine, str(file)])
                while not file.exists():
                    time.sleep(0.005)
                time.sleep(rng.uniform(0.0, 0.8 * seconds))
                process.kill()
                process.wait()
                unfinished += not read_checkpoint(file)["header"]["completed"]
                equal += same(om.resume(file), reference)
        print(f"{engine}: {kills} kills, {unfinished} in the middle of the run, {equal} identical results", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        learn(sys.argv[1], checkpoint=sys.argv[2], checkpoint_every=0.05)
    else:
        main(int(sys.argv[1]) if len(sys.argv) == 2 else 50)
