"""The same run of SGD on the CPU and on a CUDA device, or in the simulator."""

import numpy as np

from onlinemode.activations import activation_of
from onlinemode.engines.micro.cuda import ENTRIES
from onlinemode.kernels.cuda import micro as micro_cuda
from onlinemode.kernels.cuda import plan as plan_cuda
from onlinemode.kernels.cuda.device import SIMULATED
from onlinemode.kernels.micro import sgd
from onlinemode.kernels.random.philox import Key
from onlinemode.kernels.rule.activations import activation_data
from onlinemode.kernels.rule.step import Factors, Rates, Rule

SEED = np.uint64(987654321)
ALL = Rates(0.7, 0.3, 0.5, 0.2)
STEPS = 11 if SIMULATED else 1003
SMALL = {"samples": 4, "coordinates": 8, "threads": 4, "blocks": 2}  # what the simulator can do in a second


def rule_of(rates, kappa, sigma, activation, N, batch):
    return Rule(*[activation_data(activation_of(activation))] * 2, rates, sigma, kappa, batch, float(N))


class Pair:
    """The same run on the CPU and on the device."""

    def __init__(self, weights, kind=np.float64, batch=1, keep=True, sphere=False, inputs=None, **layout):
        self.N, self.kind = weights.N, kind
        self.xi_in, teacher = (sgd.to_tiles(rows, kind) for rows in (weights.xi_in, weights.teacher))
        make = lambda: Factors(*(np.array(value) for value in (  # noqa: E731
            weights.strengths, weights.xi_out, weights.readout, weights.teacher_readout)))
        self.factors = make()
        self.networks = sgd.Networks(self.xi_in, teacher, self.factors)
        self.lengths = lengths = sgd.vector_overlaps(self.xi_in, self.xi_in, self.N).diagonal() if sphere else None
        self.source = None if inputs is None else inputs.source(self.N)
        entries = "normal" if inputs is None else ENTRIES[type(inputs)]
        self.plan = plan_cuda.make_plan(kind, self.N, weights.P, weights.M, batch, keep, sphere, entries=entries,
                                         **(layout or (SMALL if SIMULATED else {})))
        deviations = None
        if entries == "scaled":
            deviations = micro_cuda.to_device(np.sqrt(inputs.spectrum(self.N))[None], np.float32, self.plan)
        self.state = micro_cuda.make_state(*(micro_cuda.to_device(rows, kind, self.plan)
                                             for rows in (weights.xi_in, weights.teacher)), make(), self.plan,
                                           None if lengths is None else weights.N * lengths, deviations)

    def advance(self, rates=ALL, kappa=0.0, sigma=0.0, activation="erf", batch=1, first=0, steps=STEPS, replica=0):
        """Steps made by both."""
        rule, key = rule_of(rates, kappa, sigma, activation, self.N, batch), Key(SEED, replica)
        on_cpu = sgd.advance(self.networks, rule, sgd.Stretch(first, steps, 4), key, self.source,
                             squared_lengths=self.lengths)
        on_device = micro_cuda.advance(self.state, self.plan, rule, first, steps, key)
        return on_cpu, on_device

    def differences(self):
        """Of X, s, A, v: relative to their largest entry."""
        on_cpu = self.xi_in.transpose(1, 0, 2).reshape(self.xi_in.shape[1], -1)[:, :self.N], *self.factors[:3]
        factors = [value.copy_to_host() for value in self.state.factors[:3]]
        on_device = micro_cuda.to_host(self.state.xi_in, self.N), *factors
        assert all(np.all(np.isfinite(value)) for value in on_device)
        return [np.abs(one - other).max() / np.abs(one).max() for one, other in zip(on_cpu, on_device)]
