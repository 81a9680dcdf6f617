"""What a unit of α costs engine leap at any N, and the chain.

    python benchmarks/leap_speed.py

CPU time of one core, erf committees of K = 2, 3, 4 with X trained, at N from 10^3 to 10^15.  How exact
that is says leap_exactness.py, whose last words in each line are the CPU times of both.
"""

import time
from functools import partial

import numpy as np
from common import machine
from leap_exactness import ESCAPES, committee, rates

import onlinemode as om

ALPHA, ROUNDS = 200.0, 7
CHAIN_STEPS = 3_000_000


def cpu_seconds(call):
    """The median of some."""
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        call()
        found.append(time.process_time() - begun)
    return float(np.median(found))


def main():
    print(machine())
    print(f"{'K = M':>6} {'N':>8} {'leap: µs a unit of α':>22} {'leaps':>6} {'chain: µs a unit of α':>22} "
          f"{'ratio':>12}")
    for K, (rate, _, _) in ESCAPES.items():
        problem, start, of_chain = om.Problem(rates=rates(rate)), committee(K), None
        for N in (10**3, 10**4, 10**6, 10**9, 10**15):
            call = partial(om.simulate, problem, start, engine="leap", N=N, save_at=2, threads=1)
            leaps = call(alpha=ALPHA).meta["leaps"][0]
            begin = cpu_seconds(partial(call, alpha=1e-3))
            leap = (cpu_seconds(partial(call, alpha=ALPHA)) - begin) / ALPHA * 1e6
            if of_chain is None:
                run = partial(om.simulate, problem, start, CHAIN_STEPS / N, "chain", N=N, save_at=2, threads=1)
                run()
                of_chain = cpu_seconds(run) / CHAIN_STEPS * 1e6
            print(f"{K:6} {f'10^{round(np.log10(N))}':>8} {leap:22.1f} {leaps / ALPHA:6.2f} {of_chain * N:22.4g} "
                  f"{of_chain * N / leap:12.4g}", flush=True)


if __name__ == "__main__":
    main()
