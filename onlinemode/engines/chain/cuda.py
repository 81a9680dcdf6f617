"""Engine ``chain`` on a CUDA device: one replica a thread, for large ensembles."""

import time

import numpy as np

from onlinemode.blocks import OVERLAPS, joined, missing_like
from onlinemode.engines.chain import states
from onlinemode.errors import DeviceError, EngineError
from onlinemode.run_info import RunInfo
from onlinemode.runtime.device import lacks
from onlinemode.runtime.progress import Progress
from onlinemode.runtime.replicas import NEVER_BEGUN, outcome, within_bounds
from onlinemode.trajectory import Status, Trajectory

# Steps of all replicas together between two looks at the interrupt flag, and of each: a fraction of a second.
STEPS_PER_LAUNCH = 5e8
STEPS_OF_A_REPLICA = 20_000
USED = 0.8  # share of the free memory that one group of replicas may take


def run(call, factors, alphas, steps):
    """Run the chain on the device; see :func:`onlinemode.engines.chain.engine.run`, which has checked the arguments.

    Parameters
    ----------
    call : onlinemode.engines.base.Call
    factors : list of ChainStart
        One for each replica.
    alphas, steps : array (n,)
        The saved times.

    Raises
    ------
    EngineError
        If the device cannot make this run.
    """
    from onlinemode.kernels.cuda import device

    problem, N, progress, stop = call.problem, call.N, call.progress, call.stop
    if lacks(problem) is not None:
        raise EngineError(lacks(problem))
    if call.checkpoint is not None:
        raise EngineError("engine chain has no checkpoints on device cuda: leave checkpoint out, or use device cpu")
    simulation = _Simulation(call, factors[0], steps)
    if progress is not None:
        progress(Progress(0.0, 0.0, 0, float("nan")))
    began = time.perf_counter()
    simulation.compile()
    compiled_at = time.perf_counter()
    groups = []
    length = simulation.replicas_at_once()
    try:
        for first in range(0, len(factors), length):
            group = _Group(simulation, factors[first:first + length], call.first_replica + first)
            groups.append(group)
            while not stop[0] and not group.advance():
                if progress is not None:
                    made = sum(each.steps.sum() for each in groups)
                    share = (first + len(group.starts) * group.made / max(1, steps[-1])) / len(factors)
                    progress(Progress(group.made / N, share, int(made), float("nan")))
            group.collect()
    except KeyboardInterrupt:
        stop[0] = 1
        if not groups:
            raise
        groups[-1].collect()
    ended = time.perf_counter()
    fields = _together(groups, len(factors))
    return Trajectory(
        alpha=alphas, **{name: fields[name] for name in fields if name != "steps"}, problem=problem,
        initial=factors[0].overlaps,
        info=RunInfo("chain", N, device="cuda", device_name=device.name(), steps=fields["steps"],
                     seconds_compile=compiled_at - began, seconds_run=ended - compiled_at,
                     seconds_device=sum(group.seconds for group in groups)))


class _Simulation:
    """What all replicas share: the problem, the saved steps, the constants of the kernel."""

    def __init__(self, call, start, steps):
        from onlinemode.kernels.cuda import chain as kernel
        from onlinemode.kernels.cuda import device

        self.problem, self.N = problem, N = call.problem, call.N
        self.kernel, self.start = kernel, start
        self.save_steps, self.seed, self.rule = steps, np.uint64(call.seed), device.rule_on_device(problem.rule(N))
        o = start.overlaps
        sizes = kernel.Sizes(o.K, o.M, o.P, len(start.along), len(start.across), problem.batch, 0,
                             problem.constraint is not None)
        self.sizes = sizes._replace(fresh=min(sizes.samples, start.dof))
        if self.sizes.bytes_of_a_thread > kernel.LOCAL_BYTES:
            raise DeviceError(f"device cuda gives each replica one thread, which has room for smaller sizes; got K = "
                              f"{o.K}, M = {o.M}, P = {o.P}, batch = {problem.batch}: use device cpu")
        self._frame = None

    def compile(self):
        """Compile the kernel, by a launch that saves a start."""
        _Group(self, [self.start], 0, np.zeros(1, np.int64)).advance()

    def replicas_at_once(self):
        """As many as fit into the device's memory with the states that they save."""
        from onlinemode.kernels.cuda import device

        K, P = self.sizes.K, self.sizes.P
        entries = self.sizes.rows * P + P + K * P + K
        each = 8 * (entries * (len(self.save_steps) + 1) + 3)
        return max(1, int(USED * device.free_bytes() / each))

    def frame(self):
        """What no replica changes, on the device."""
        if self._frame is None:
            from onlinemode.kernels.cuda import device

            self._frame = self.kernel.Frame(device.to_device(self.start.teacher_factor), device.to_device(
                np.array(self.start.overlaps.teacher_readout)), self.start.dof)
        return self._frame


class _Group:
    """Replicas that are on the device at the same time."""

    def __init__(self, simulation, starts, first_replica, save_steps=None):
        from onlinemode.kernels.cuda import device

        self.simulation, self.starts, self.first_replica = simulation, starts, first_replica
        save_steps = simulation.save_steps if save_steps is None else save_steps
        stacked = lambda values: np.stack([np.asarray(value) for value in values])  # noqa: E731
        overlaps = [start.overlaps for start in starts]
        self.state, self.paths = simulation.kernel.make_state(
            stacked(start.modes for start in starts), stacked(o.strengths for o in overlaps),
            stacked(o.xi_out for o in overlaps), stacked(o.readout for o in overlaps),
            stacked(start.squared_lengths for start in starts), simulation.sizes, len(save_steps))
        self.save_steps, self.on_device = save_steps, device.to_device(save_steps)
        self.made, self.counts = 0, np.zeros((3, len(starts)), np.int64)
        period = simulation.sizes.steps
        each = min(STEPS_PER_LAUNCH / len(starts) / simulation.problem.batch, STEPS_OF_A_REPLICA)
        self.steps_per_launch = max(1, int(each) // period) * period
        self.fields, self.seconds = None, 0.0

    @property
    def steps(self):
        """Steps made by each replica."""
        return self.counts[0]

    def advance(self):
        """One launch; returns whether all replicas are at their end."""
        from onlinemode.kernels.random.philox import Key

        simulation, began = self.simulation, time.perf_counter()
        self.made += self.steps_per_launch
        self.counts = simulation.kernel.advance(
            self.state, self.paths, simulation.sizes, simulation.frame(), simulation.rule, self.on_device, self.made,
            Key(simulation.seed, self.first_replica))
        self.seconds += time.perf_counter() - began
        return bool(np.all((self.counts[1] == len(self.save_steps)) | (self.counts[2] != 0)))

    def collect(self):
        """Fetch the saved states, once; the memory on the device is free then."""
        if self.fields is not None:
            return
        simulation, start = self.simulation, self.simulation.start
        modes, *factors = simulation.kernel.saved_states(self.paths, self.counts[1])
        state = (*states.overlaps(modes, start.teacher_factor), *factors)
        fields = dict(zip(OVERLAPS, state))
        steps, diverged = self.steps.copy(), self.counts[2] != 0
        beyond = ~within_bounds(*state)
        for replica, saved in enumerate(self.counts[1]):
            if beyond[replica, :saved].any():
                first = int(beyond[replica].argmax())
                steps[replica], diverged[replica] = self.save_steps[first], True
                for values in state:
                    values[replica, first:] = np.nan
        error = np.full(modes.shape[:2], np.nan)
        known = np.isfinite(state[0]).all((-2, -1))
        error[known] = states.errors(simulation.problem, start, [values[known] for values in state],
                                           modes[known])
        fields["error"] = error
        outcomes = [outcome(out, saved == len(self.save_steps), made / simulation.N)
                    for made, saved, out in zip(steps, self.counts[1], diverged)]
        fields["status"], fields["message"] = ([each[i] for each in outcomes] for i in range(2))
        fields["steps"] = [int(made) for made in steps]
        self.fields = fields  # all of them or none: an interrupt may come before
        self.state = self.paths = self.on_device = None


def _together(groups, replicas):
    """The fields of all groups; replicas that were never begun are NaN."""
    missing = replicas - sum(len(group.starts) for group in groups)
    parts = [{name: group.fields[name] for name in (*OVERLAPS, "error")} for group in groups]
    fields = joined([*parts, missing_like(parts[0], missing)])
    for name, rest in (("status", Status.INTERRUPTED), ("message", NEVER_BEGUN), ("steps", 0)):
        fields[name] = [value for group in groups for value in group.fields[name]] + [rest] * missing
    return fields
