"""Engine ``chain``: the exact Markov chain of the overlaps at finite N; a step costs the same at any N."""

import dataclasses
import time

import numpy as np

from onlinemode.blocks import FACTORS, OF_GROUPS, OVERLAPS, nothing, shapes_of
from onlinemode.engines.base import Engine
from onlinemode.engines.chain import cuda, states
from onlinemode.engines.chain.eigenspaces import EigenspaceStart, decomposition_of
from onlinemode.engines.chain.options import CAPABILITIES, Options
from onlinemode.errors import EngineError, ParameterError
from onlinemode.inputs import require_few_eigenvalues, require_inputs
from onlinemode.replica_states import ReplicaState, lengths_to_keep
from onlinemode.resolved_overlaps import ResolvedOverlaps
from onlinemode.run_info import RunInfo
from onlinemode.runtime.device import choose, lacks, run_there
from onlinemode.runtime.drifting import teacher_drift
from onlinemode.runtime.progress import Progress
from onlinemode.runtime.replicas import (
    Replica,
    collect,
    each_once,
    restore,
    run_in_threads,
    thread_count,
)
from onlinemode.runtime.saved_times import save_times
from onlinemode.runtime.timetable import RuleInTime
from onlinemode.state import Weights, attainable
from onlinemode.theory.quadrature import teacher_factor
from onlinemode.theory.spectral_groups import EigenvalueGroups, require_covariance
from onlinemode.trajectory import Trajectory

# Below this many steps of all replicas together the one kernel for all sizes is used: compiling one
# for these sizes takes longer than it saves.  A count, not a look into the cache, so that the same
# call always runs the same code.
STEPS_WORTH_COMPILING = 2e7
STEPS_PER_CALL = 2**20  # between two looks for a checkpoint: a fraction of a second
LARGEST_COMPILED = 32  # sizes and batch up to which there is a kernel for these sizes
REPLICAS_WORTH_A_DEVICE = 10_000  # for device "auto"


class ChainStart:
    """The factors of a start: X/√N = L_XB O_B + L_X O_X, B/√N = L_B O_B; docs/theory, section 7.

    Attributes
    ----------
    mean_T : array (M, M)
        T at the beginning of the run.
    teacher_factor : array (M, r_B)
        L_B; of a teacher that drifts, that of ``mean_T``.
    directions : array (frame vectors, r_B)
        Components of the directions of a teacher that drifts, B = L_B times these; at the beginning O_B.
    along : array (r_B, P)
        L_XBᵀ.
    across : array (r_X, P)
        L_Xᵀ, r_X = min(P, N − r_B).
    modes : array (r_B + r_X, P)
        Both.
    dof : int
        N − r_B − r_X, dimensions of the input outside the frame.
    factors : OrderParameters
        Holds the strengths, output modes and readouts that go with ``modes``.
    first_step : int
        Steps that have been made.
    squared_lengths : array (P,)
        |X_p|²/N, which a constraint keeps.
    """

    def __init__(self, start, N):
        overlaps = start.order_parameters() if isinstance(start, Weights) else attainable(start, N)
        self.overlaps = overlaps
        self.teacher_factor, inverse = teacher_factor(overlaps.T)
        r_B = self.teacher_factor.shape[1] if np.any(self.teacher_factor) else 0
        self.teacher_factor, inverse = self.teacher_factor[:, :r_B], inverse[:r_B]
        self.mean_T = overlaps.T
        self.along = inverse @ overlaps.S.T
        r_X = min(overlaps.P, N - r_B)
        if isinstance(start, Weights):
            basis = inverse @ start.teacher / np.sqrt(N)
            rest = start.xi_in / np.sqrt(N) - self.along.T @ basis
            left, lengths, _ = np.linalg.svd(rest, full_matrices=False)
            across = (left * lengths).T
        else:
            rest = overlaps.G - self.along.T @ self.along
            eigenvalues, vectors = np.linalg.eigh(rest)
            lengths = np.sqrt(np.maximum(eigenvalues[::-1], 0.0))
            across = (vectors[:, ::-1] * lengths).T
        self.across = np.zeros((r_X, overlaps.P))
        rows = min(r_X, across.shape[0])
        self.across[:rows] = across[:rows]
        if r_X == overlaps.P:  # triangular, as after every rotation of the frame
            triangular = np.linalg.qr(self.across)[1]
            self.across = np.where(np.diag(triangular) < 0.0, -1.0, 1.0)[:, None] * triangular
        self.modes = np.concatenate([self.along, self.across])
        self.directions = np.eye(len(self.modes), r_B)
        self.dof = N - r_B - r_X
        self.first_step, self.factors = 0, overlaps
        self.squared_lengths = (self.modes**2).sum(0)

    @classmethod
    def of_state(cls, state, N):
        """The factors of a replica that goes on."""
        start = cls.__new__(cls)
        start.overlaps, start.modes = state.overlaps, state.arrays["modes"]
        start.mean_T = state.mean_T
        teacher, _ = teacher_factor(start.mean_T)
        r_B = teacher.shape[1] if np.any(teacher) else 0
        start.teacher_factor = teacher[:, :r_B]
        frame = r_B + min(state.P, N - r_B)
        if len(start.modes) != frame:
            raise ParameterError(f"a state of the chain must have {frame} vectors in its frame; got "
                                 f"{len(start.modes)}: it is damaged, start anew")
        start.along, start.across = start.modes[:r_B], start.modes[r_B:]
        start.directions = state.arrays.get("directions", np.eye(frame, r_B))
        if start.directions.shape != (frame, r_B):
            raise ParameterError(f"a state of the chain must have {r_B} directions of its teacher with {frame} "
                                 "components; it is damaged, start anew")
        start.dof = N - len(start.modes)
        start.first_step = state.steps
        start.squared_lengths = state.squared_lengths((start.modes**2).sum(0))
        start.factors = dataclasses.replace(state.overlaps, **{name: state.arrays[name] for name in FACTORS})
        return start

    @property
    def r_B(self):
        """Frame vectors that span the teacher."""
        return len(self.along)

    def frame_vectors(self, samples):
        """How many there are within a block of so many samples."""
        return len(self.modes) + min(samples, self.dof)

    def fits_constants(self, samples):
        """Whether the kernel for these sizes takes it."""
        return len(self.across) == self.overlaps.P and self.dof >= samples

    def frame(self):
        """What the kernel knows of the frame."""
        from onlinemode.kernels.chain.markov import Frame

        return Frame(self.teacher_factor, len(self.across), self.dof)

    def in_fields(self, modes):
        """Modes (..., frame vectors, P) in units of the normals behind the fields, which are themselves."""
        return modes

    def groups(self, most):
        """All directions are one group, and have one eigenvalue."""
        return EigenvalueGroups(np.ones(1), np.array([self.dof + len(self.modes)]), np.ones(1),
                                self.overlaps.T[None]), None

    def of_groups(self, modes, spaces):
        """G and S of the only group at modes (..., frame vectors, P)."""
        G, S = states.overlaps(modes, self.teacher_factor)
        return G[..., None, :, :], S[..., None, :, :]

    def between_blocks(self, modes):
        """Modes at the end, as a state keeps them: :func:`onlinemode.engines.chain.states.at_the_end` rotates."""
        return modes

    def to_keep(self):
        """Arrays that a state holds besides those that the kernel changes."""
        return {}


def run(call, options):
    """Run the chain; its state is small, and kept at the end with or without ``call.store_final``.

    Parameters
    ----------
    call : onlinemode.engines.base.Call
    options : onlinemode.engines.chain.options.Options

    Returns
    -------
    Trajectory
    """
    problem, N = call.problem, call.N
    require_inputs(problem.inputs, "chain", CAPABILITIES.inputs)
    if N is None:
        raise EngineError("engine chain needs N when it starts from overlaps; got None: give N=..., or Weights")
    require_few_eigenvalues(problem.inputs, "chain", CAPABILITIES.eigenvalues, N)
    decomposition = decomposition_of(problem, N)
    if options.resolve is not None:
        require_covariance(problem.inputs)
    if decomposition is not None and options.device == "cuda":
        raise EngineError("device cuda has the chain for inputs with independent entries alone; got "
                          f"{problem.inputs!r}: use device cpu")
    worth = (call.replicas >= REPLICAS_WORTH_A_DEVICE and call.checkpoint is None and lacks(problem) is None
             and decomposition is None)
    device = choose(options.device, worth)
    alphas, steps = save_times(call.save_at, call.alpha, N)
    factors = each_once(lambda start: _factors(start, decomposition, problem, N), call.starts)
    if device == "cuda" and problem.trains:
        made = run_there(options.device, lambda: cuda.run(call, factors, alphas, steps))
        if made is not None:
            return made
    if call.progress is not None:
        call.progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    simulation = _Simulation(call, factors[0], steps, options.resolve)
    compiled_at = time.perf_counter()
    results = [_ChainReplica(number, start, simulation) for number, start in enumerate(factors, call.first_replica)]
    run_in_threads(results, thread_count(options.threads), call, steps[-1])
    ended = time.perf_counter()
    return Trajectory(
        alpha=alphas, **collect(results), problem=problem, initial=factors[0].overlaps, groups=simulation.groups,
        error=np.stack([result.error for result in results]),
        info=RunInfo("chain", N, steps=[result.steps_made for result in results], seconds_compile=compiled_at - began,
                     seconds_run=ended - compiled_at))


def _factors(start, decomposition, problem, N):
    if decomposition is not None:
        return EigenspaceStart(start, decomposition, problem, N)
    if isinstance(start, ResolvedOverlaps):
        start = start.order_parameters()
    return ChainStart.of_state(start, N) if isinstance(start, ReplicaState) else ChainStart(start, N)


class _Simulation:
    """What all replicas share: the problem, the saved steps, the compiled kernel."""

    def __init__(self, call, start, steps, resolve=None):
        from onlinemode.kernels.chain.drifting import advance
        from onlinemode.kernels.chain.markov import ANY, Constants, make_advance, rotation_period

        self.call, self.seed = call, call.seed
        self.problem, self.N = problem, N = call.problem, call.N
        self.drift = teacher_drift(problem, N, start.mean_T)
        self.groups, self.spaces = (None, None) if resolve is None else start.groups(resolve)
        period, samples = (1, 0) if problem.drifts else rotation_period(problem.batch)
        # Steps are made in blocks, and the state between two blocks is what a run goes on from: the beginning of the
        # last block is saved, too.
        self.last_block = int(steps[-1]) - (int(steps[-1]) - start.first_step) % period
        self.steps = np.union1d(steps, [self.last_block])
        self.shown = np.isin(self.steps, steps)
        self.rules = [RuleInTime(problem.stage(number), N, steps[-1]) for number in range(problem.stages)]
        rule = self.rules[0].rule
        o = start.overlaps
        self.rows = start.frame_vectors(samples)
        constants = Constants(o.K, o.M, o.P, start.r_B, rule.activation.kind, rule.teacher_activation.kind,
                              problem.batch)
        worth = float(steps[-1]) * call.replicas * problem.batch >= STEPS_WORTH_COMPILING
        small = max(o.K, o.M, o.P, problem.batch) <= LARGEST_COMPILED and start.fits_constants(samples)
        self._kernel = advance if problem.drifts else make_advance(constants if worth and small else ANY)
        # Steps between two looks of the kernel's caller; the bits do not depend on it.
        self.steps_per_call = self.rules[0].at_most(max(1, STEPS_PER_CALL // problem.batch))
        nothing = _ChainState(start, self.rows, np.zeros(0, np.int64), problem.drifts)
        self.advance(nothing, np.zeros(2, np.int64), np.zeros(1, np.uint8), 0)  # compiles

    def advance(self, state, counts, stop, replica, stage=0, look=None):
        """Make steps, those of a call or up to a look at the error."""
        from onlinemode.kernels.chain import drifting
        from onlinemode.kernels.chain.markov import BUFFER, Networks, Progress
        from onlinemode.kernels.random.philox import Key

        start = state.start
        rule = self.rules[stage].over(counts[0], self.steps_per_call + BUFFER)
        until = counts[0] + self.steps_per_call
        how_far = (Progress(counts, until if look is None else min(until, look), stop),
                   Key(np.uint64(self.seed), replica))
        if self.drift is not None:
            return self._kernel(drifting.Networks(state.modes, state.factors, state.directions), start.dof, rule,
                                self.drift, state.saved, *how_far, self.kept_lengths(start))
        return self._kernel(Networks(state.modes, state.factors), start.frame(), rule, state.saved, *how_far,
                            self.kept_lengths(start))

    def kept_lengths(self, start):
        """Squared lengths that the problem keeps; None where it keeps none."""
        return None if self.problem.constraint is None else start.squared_lengths


class _ChainState:
    """The modes in the frame and the factors of one replica, which the kernel changes, and the arrays of saved ones.

    And the directions of the teacher, if it drifts.
    """

    def __init__(self, start, rows, steps, drifts):
        from onlinemode.kernels.chain import drifting, markov

        o = start.overlaps
        self.start, self.modes, self.factors = start, start.modes.copy(), start.factors.factors()
        self.directions = start.directions.copy() if drifts else None
        of_state = shapes_of(o.K, o.M, o.P, o.heads)
        shapes = {"modes": (rows, o.P)} | {name: of_state[name] for name in FACTORS}
        if drifts:
            shapes["directions"] = start.directions.shape
        self.names, saved = tuple(shapes), drifting.Saved if drifts else markov.Saved
        self.paths = tuple(nothing(shapes, len(steps)).values())
        modes, strengths, xi_out, readout, *directions = self.paths
        self.saved = saved(steps, modes, strengths, xi_out, readout.reshape(len(steps), self.factors.readout.size),
                           *directions)
        self._readout_shape = of_state["readout"]

    def arrays(self):
        """The present state, in the order of ``names``."""
        factors, directions = self.factors, () if self.directions is None else (self.directions,)
        readout = factors.readout.reshape(self._readout_shape)
        return self.modes, factors.strengths, factors.xi_out, readout, *directions

    def copy(self, saved):
        """A snapshot: the state and the rows saved so far."""
        present = {name: value.copy() for name, value in zip(self.names, self.arrays())}
        return present | {f"path_{name}": path[:saved].copy() for name, path in zip(self.names, self.paths)}

    def restore(self, snapshot, saved):
        """The inverse of :meth:`copy`."""
        for name, value, path in zip(self.names, self.arrays(), self.paths):
            restore(value, snapshot[name])
            restore(path[:saved], snapshot[f"path_{name}"])


class _ChainReplica(Replica):
    path_names = (*OVERLAPS, "error")

    def __init__(self, number, start, simulation):
        super().__init__(number, start.overlaps, simulation.call, int(simulation.shown.sum()), start.first_step)
        self.start, self.simulation = start, simulation
        self.error = self.unknown_errors()
        if simulation.groups is not None:
            self.path_names = (*self.path_names, *OF_GROUPS)
        self.paths = None

    @property
    def saved(self):
        """Saved times that are shown; ``counts`` has all of them while the kernel is running."""
        rows = int(self.counts[1])
        return rows if self.paths is None else int(self.simulation.shown[:rows].sum())

    def advance(self, stop):
        simulation = self.simulation
        state = _ChainState(self.start, simulation.rows, simulation.steps, self.problem.drifts)
        if self.snapshot is not None:
            self.restore_counts(self.snapshot, simulation.steps)
            state.restore(self.snapshot, int(self.counts[1]))
        self.paths = state.paths
        diverged = False
        if not self.problem.trains:
            self._stand_still(state)
        while self.counts[1] < len(simulation.steps) and not diverged:
            self.look(lambda: state.copy(int(self.counts[1])))
            if stop[0]:
                break
            look = self.next_look
            diverged = simulation.advance(state, self.counts, stop, self.number, self.stage, look)
            if look is not None and self.counts[0] >= look and not diverged:
                modes, *factors = state.arrays()[:4]
                teacher, T = self._present_teacher(state)
                self.look_at_error(*states.overlaps(self.start.in_fields(modes), teacher), *factors, T)
        end = None if diverged else self._end(state)
        if self.switched.size:
            alphas = simulation.steps[simulation.shown][:self.saved, None] / self.N
            self.switches[:self.saved] = np.where(self.switched <= alphas, self.switched, np.nan)
        self.G, self.S, self.strengths, self.xi_out, self.readout = self.state(slice(None))
        if self.problem.drifts:
            self.teacher_overlaps = self.teacher_at(slice(None))
        self.error[:self.saved] = self._errors()
        if simulation.groups is not None:
            self.group_G, self.group_S = self.start.of_groups(self.paths[0][self._shown()], simulation.spaces)
        self.counts[1], self.paths = self.saved, None
        if self.cut_beyond_bounds():
            self.counts[0] = simulation.steps[simulation.shown][self.saved]
            return True
        self.end = end
        return diverged

    def _stand_still(self, state):
        for path, value in zip(self.paths, state.arrays()):
            path[...] = 0.0
            path[:, :len(value)] = value
        self.counts[:] = self.simulation.steps[-1], len(self.simulation.steps)

    def state(self, rows):
        """At shown saved times: from the factors while the kernel is running, from the order parameters later."""
        if self.paths is None:
            return super().state(rows)
        shown = self._shown()[rows]
        modes, *factors = (path[shown] for path in self.paths[:4])
        return (*states.overlaps(self.start.in_fields(modes), self._teacher_factor(shown)), *factors)

    def teacher_at(self, rows):
        """The same of T."""
        if self.paths is None or not self.problem.drifts:
            return super().teacher_at(rows)
        factor = self._teacher_factor(self._shown()[rows])
        return factor @ np.swapaxes(factor, -1, -2)

    def _teacher_factor(self, rows):
        """L_B, or where the teacher drifts its components in the frame at these rows of the paths."""
        if not self.problem.drifts:
            return self.start.teacher_factor
        return states.drifted_factor(self.start.teacher_factor, self.paths[4][rows])

    def _present_teacher(self, state):
        """L_B and T where the kernel stands."""
        if not self.problem.drifts:
            return self.start.teacher_factor, self.overlaps.T
        factor = states.drifted_factor(self.start.teacher_factor, state.directions)
        return factor, factor @ factor.T

    def _shown(self):
        return np.flatnonzero(self.simulation.shown)

    def _end(self, state):
        """At the last saved time, with the state at the beginning of its block; or where the kernel stopped."""
        values, steps = state.arrays(), self.steps_made
        last_modes = np.zeros((self.simulation.rows, state.modes.shape[1]))
        last_modes[:len(state.modes)] = state.modes
        if self.counts[1] == len(self.simulation.steps):
            steps = self.simulation.last_block
            row = int(np.searchsorted(self.simulation.steps, steps))
            values = [path[row] for path in self.paths]
            last, last_modes = self.state(-1), self.paths[0][-1]
        else:
            present = self.start.in_fields(state.modes)
            last = (*states.overlaps(present, self._present_teacher(state)[0]), *values[1:4])
        arrays = {name: np.array(value) for name, value in zip(state.names, values)}
        arrays |= {"modes": arrays["modes"][:len(state.modes)],
                   "last_modes": np.array(self.start.between_blocks(last_modes)), **self.start.to_keep()}
        return {"alpha": self.steps_made / self.N, "steps": steps, **dict(zip(OVERLAPS, last)),
                **{f"state_{name}": value for name, value in arrays.items()}, **self._drifted(arrays),
                **lengths_to_keep(self.simulation.kept_lengths(self.start))}

    def _drifted(self, arrays):
        """What the end of a teacher that drifts has besides."""
        if not self.problem.drifts:
            return {}
        factor = states.drifted_factor(self.start.teacher_factor, arrays["directions"])
        return {"T": factor @ factor.T, "state_mean_T": self.start.mean_T}

    def _errors(self):
        """ε_g at the saved times; from the factors where the closed form would show its floor."""
        rows = slice(self.saved)
        shown = self._shown()[rows]
        G, S, strengths, xi_out, readout = super().state(rows)
        strengths, readout = self.problem.whole_student(self.simulation.steps[shown] / self.N, strengths, readout)
        drifted = self._teacher_factor(shown) if self.problem.drifts else None
        return states.errors(self.problem, self.start, (G, S, strengths, xi_out, readout),
                             self.start.in_fields(self.paths[0][shown]), drifted)


ENGINE = Engine("chain", Options, CAPABILITIES, run, states.at_the_end)
