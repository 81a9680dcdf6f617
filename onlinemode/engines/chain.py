"""Engine ``chain``: the exact Markov chain of the overlaps at finite N; a step costs the same at any N."""

import time

import numpy as np

from onlinemode import checks
from onlinemode.engines.grid import save_times
from onlinemode.engines.progress import Progress
from onlinemode.engines.replicas import (
    Replica,
    collect,
    each_once,
    kernel_rates,
    run_in_threads,
    small_factors,
    thread_count,
)
from onlinemode.errors import EngineError, ParameterError
from onlinemode.inputs import Gaussian
from onlinemode.state import Weights
from onlinemode.theory.quadrature import normal_nodes, teacher_factor
from onlinemode.trajectory import Trajectory

OPTIONS = ("threads",)
DETERMINISTIC = False
MAKES_VECTORS = False

# Below this many steps of all replicas together the one kernel for all sizes is used: compiling one
# for these sizes takes longer than it saves.  A count, not a look into the cache, so that the same
# call always runs the same code.
STEPS_WORTH_COMPILING = 2e7
RANK_TOLERANCE = 1e-12
EXACT_BELOW = 1e-9  # ε_g below this, in units of Σ_i w_i², is computed from the factors
ERROR_NODES = 2**13


class ChainStart:
    """The factors of a start: X/√N = L_XB O_B + L_X O_X, B/√N = L_B O_B; docs/theory.md, section 7.

    Attributes
    ----------
    teacher_factor : array (M, r_B)
        L_B.
    along : array (r_B, P)
        L_XBᵀ.
    across : array (r_X, P)
        L_Xᵀ, r_X = min(P, N − r_B).
    dof : int
        N − r_B − r_X, dimensions of the input outside the frame.
    """

    def __init__(self, start, N):
        overlaps = start.order_parameters() if isinstance(start, Weights) else start
        self.overlaps = overlaps
        self.teacher_factor, inverse = teacher_factor(overlaps.T)
        r_B = self.teacher_factor.shape[1] if np.any(self.teacher_factor) else 0
        self.teacher_factor, inverse = self.teacher_factor[:, :r_B], inverse[:r_B]
        if N < r_B:
            raise ParameterError(f"N must be at least the rank of the overlaps, {r_B} for the teacher alone; got {N}")
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
        scale = max(np.trace(overlaps.G), np.trace(overlaps.T))
        rank = r_B + int(np.sum(lengths**2 > RANK_TOLERANCE * scale))
        if N < rank:
            raise ParameterError(f"N must be at least {rank}, the rank of the overlaps; got {N}: no {N}-dimensional "
                                 "vectors have these overlaps")
        self.across = np.zeros((r_X, overlaps.P))
        rows = min(r_X, across.shape[0])
        self.across[:rows] = across[:rows]
        if r_X == overlaps.P:  # triangular, as after every rotation of the frame
            triangular = np.linalg.qr(self.across)[1]
            self.across = np.where(np.diag(triangular) < 0.0, -1.0, 1.0)[:, None] * triangular
        self.dof = N - r_B - r_X


def run(problem, starts, *, alpha, N, seed, replicas, first_replica, save_at, progress, stop, threads=None):
    """Run the chain; see :func:`onlinemode.simulate` for the common arguments.

    Parameters
    ----------
    threads : int, optional
        Replicas that run at the same time (default: the machine's cores); no influence on the result.
    """
    from onlinemode.kernels.philox import MAX_REPLICAS

    checks.integer("replicas", replicas, 1, MAX_REPLICAS)
    threads = thread_count(threads)
    if problem.inputs != Gaussian():
        raise EngineError(f"engine chain needs inputs with independent Gaussian entries; got {problem.inputs!r}: use "
                          "engine micro")
    if N is None:
        raise EngineError("engine chain needs N when it starts from overlaps; got None: give N=..., or Weights")
    alphas, steps = save_times(save_at, alpha, N)
    factors = each_once(lambda start: ChainStart(start, N), starts)
    if progress is not None:
        progress(Progress(0.0, 0.0, 0, float("nan")))

    began = time.perf_counter()
    simulation = _Simulation(problem, factors[0], N, steps, seed, replicas)
    compiled_at = time.perf_counter()
    results = [_ChainReplica(number, start, simulation) for number, start in enumerate(factors, first_replica)]
    run_in_threads(results, threads, progress, stop, steps[-1])
    ended = time.perf_counter()
    return Trajectory(
        alpha=alphas, **collect(results), problem=problem, initial=factors[0].overlaps,
        error=np.stack([result.error for result in results]),
        meta={"N": N, "device": "cpu", "precision": "float64", "steps": [result.steps_made for result in results],
              "seconds_compile": compiled_at - began, "seconds_run": ended - compiled_at})


class _Simulation:
    """What all replicas share: the problem, the saved steps, the compiled kernel."""

    def __init__(self, problem, start, N, steps, seed, replicas):
        from onlinemode.kernels.activations import ACTIVATION_CODES
        from onlinemode.kernels.chain_cpu import ANY, make_advance, rotation_period

        self.problem, self.N, self.steps, self.seed = problem, N, steps, seed
        self.rates = kernel_rates(problem)
        self.activation = ACTIVATION_CODES[problem.activation]
        self.rows = len(start.across) + (rotation_period(problem.batch)[1] if start.dof else 0)
        o = start.overlaps
        constants = (o.K, o.M, o.P, len(start.along), self.activation)
        worth = float(steps[-1]) * replicas * problem.batch >= STEPS_WORTH_COMPILING
        self._kernel = make_advance(*(constants if worth else (ANY,) * 5))
        state = _ChainState(start, self.rows, len(steps))
        self.advance(start, state, np.zeros(0, np.int64), np.zeros(2, np.int64), np.zeros(1, np.uint8), 0)  # compiles

    def advance(self, start, state, save_steps, counts, stop, replica):
        problem = self.problem
        return self._kernel(state.along, state.across, len(start.across), start.teacher_factor, state.factors,
                            self.rates, problem.weight_decay, problem.noise, self.activation, float(self.N),
                            float(start.dof), problem.batch, save_steps, counts, state.paths, stop,
                            np.uint64(self.seed), replica)


class _ChainState:
    """The factors of one replica, which the kernel changes, and the arrays into which it saves them."""

    def __init__(self, start, rows, times):
        o = start.overlaps
        self.along = np.array(start.along)
        self.across = np.zeros((rows, o.P))
        self.across[:len(start.across)] = start.across
        self.factors = small_factors(o)
        self.paths = (np.full((times,) + self.along.shape, np.nan), np.full((times,) + self.across.shape, np.nan),
                      np.full((times, o.P), np.nan), np.full((times, o.K, o.P), np.nan), np.full((times, o.K), np.nan))


class _ChainReplica(Replica):
    def __init__(self, number, start, simulation):
        super().__init__(number, start.overlaps, simulation.problem.activation, simulation.N, len(simulation.steps))
        self.start, self.simulation = start, simulation
        self.error = np.full(len(simulation.steps), np.nan)
        self.paths = None

    def advance(self, stop):
        simulation = self.simulation
        state = _ChainState(self.start, simulation.rows, len(simulation.steps))
        self.paths = state.paths
        diverged = simulation.advance(self.start, state, simulation.steps, self.counts, stop, self.number)
        self.G, self.S, self.strengths, self.xi_out, self.readout = self.state(slice(None))
        self.error[:self.saved] = self._errors()
        self.paths = None
        return diverged

    def state(self, rows):
        """From the factors while the kernel is running, from the order parameters later."""
        if self.paths is None:
            return super().state(rows)
        along, across, *factors = (path[rows] for path in self.paths)
        G = np.swapaxes(along, -1, -2) @ along + np.swapaxes(across, -1, -2) @ across
        return (G, np.swapaxes(along, -1, -2) @ self.start.teacher_factor.T, *factors)

    def _errors(self):
        """ε_g at the saved times; from the factors where the closed form would show its floor."""
        from onlinemode.kernels.averages import factor_errors

        errors = np.array(self.error_of(*super().state(slice(self.saved))))
        scale = (self.readout[:self.saved] ** 2).sum(-1) + (self.overlaps.teacher_readout**2).sum()
        small = np.flatnonzero(errors < EXACT_BELOW * scale)
        if len(small):
            along, across, strengths, xi_out, readout = (np.ascontiguousarray(path[small]) for path in self.paths)
            o = self.overlaps
            exact = np.empty(len(small))
            factor_errors(self.simulation.activation, along, across, strengths, xi_out, readout,
                          np.array(o.teacher_readout), self.start.teacher_factor,
                          normal_nodes(along.shape[1] + across.shape[1], ERROR_NODES), exact)
            errors[small] = exact
        return errors
