"""The same run of SGD on the CPU and on a CUDA device, or in the simulator."""

import numpy as np

from onlinemode.kernels import micro_cpu, micro_cuda, plan_cuda
from onlinemode.kernels.activations import ACTIVATION_CODES
from onlinemode.kernels.device import SIMULATED
from onlinemode.kernels.rule import Factors, Rates

SEED = np.uint64(987654321)
ALL = Rates(0.7, 0.3, 0.5, 0.2)
STEPS = 11 if SIMULATED else 1003
SMALL = {"samples": 4, "coordinates": 8, "threads": 4, "blocks": 2}  # what the simulator can do in a second


class Pair:
    """The same run on the CPU and on the device."""

    def __init__(self, weights, kind=np.float64, batch=1, keep=True, **layout):
        self.N, self.kind = weights.N, kind
        self.xi_in, self.teacher = (micro_cpu.to_tiles(rows, kind) for rows in (weights.xi_in, weights.teacher))
        make = lambda: Factors(*(np.array(value) for value in (  # noqa: E731
            weights.strengths, weights.xi_out, weights.readout, weights.teacher_readout)))
        self.factors = make()
        self.plan = plan_cuda.make_plan(kind, self.N, weights.P, weights.M, batch, keep,
                                         **(layout or (SMALL if SIMULATED else {})))
        self.state = micro_cuda.make_state(*(micro_cuda.to_device(rows, kind, self.plan)
                                             for rows in (weights.xi_in, weights.teacher)), make(), self.plan)

    def advance(self, rates=ALL, kappa=0.0, sigma=0.0, activation="erf", batch=1, first=0, steps=STEPS, replica=0):
        """Steps made by both."""
        code = ACTIVATION_CODES[activation]
        on_cpu = micro_cpu.advance(self.xi_in, self.teacher, self.factors, rates, kappa, sigma, code, self.N, batch, 4,
                                   first, steps, SEED, replica)
        on_device = micro_cuda.advance(self.state, self.plan, rates, kappa, sigma, code, self.N, batch, first, steps,
                                       SEED, replica)
        return on_cpu, on_device

    def differences(self):
        """Of X, s, A, v: relative to their largest entry."""
        on_cpu = self.xi_in.transpose(1, 0, 2).reshape(self.xi_in.shape[1], -1)[:, :self.N], *self.factors[:3]
        factors = [value.copy_to_host() for value in self.state.factors[:3]]
        on_device = micro_cuda.to_host(self.state.xi_in, self.N), *factors
        assert all(np.all(np.isfinite(value)) for value in on_device)
        return [np.abs(one - other).max() / np.abs(one).max() for one, other in zip(on_cpu, on_device)]
