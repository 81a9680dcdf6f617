"""The mean-field theory beside a simulation: whether it is worth its cost, and its integration meanwhile."""

import threading
import time
from collections.abc import Callable

from onlinemode.engines import options_of
from onlinemode.errors import EngineError, ParameterError
from onlinemode.memory import too_large
from onlinemode.progress import clock
from onlinemode.runtime.saved_times import later_times, save_times
from onlinemode.runtime.starts import GoingOn
from onlinemode.theory.cost import integration_bytes, integration_seconds

MOST_SECONDS = 600.0  # of theory beside a run that nobody asked for by itself
SECONDS_TO_STOP = 2.0  # given to the theory after Ctrl-C
SAVED = 200  # times, for an estimate of the memory


def too_much(problem, start, replicas: int, options: dict, memory_alone: bool = False) -> str | None:
    """Why the mean-field equations need more memory (or time) than a user expects beside something else.

    Parameters
    ----------
    problem : Problem
    start : Weights or OrderParameters
    replicas : int
        Integrations, one after the other.
    options : dict
        Those of engine ode that were given.
    memory_alone : bool, default False

    Returns
    -------
    str or None
    """
    checked = options_of("ode")(**options)
    sizes = start.K, start.M, start.P
    memory = too_large(integration_bytes(problem, *sizes, checked.method, SAVED))
    words = f"the mean-field equations for K = {start.K}, M = {start.M}, P = {start.P}"
    if memory:
        return f"{words} need about {memory}"
    seconds = replicas * integration_seconds(problem, *sizes, checked.nodes, checked.averages)
    if replicas > 1:
        words += f" and {replicas:,} starts"
    if seconds > MOST_SECONDS and not memory_alone:
        less = integration_seconds(problem, *sizes, checked.nodes, "nodes") < 0.5 * seconds / replicas
        return (f"{words} would take some {clock(seconds)}; onlinemode ode integrates them alone"
                + (", and averages over nodes (--averages nodes) take less" if less else ""))
    return None


class Theory:
    """The mean-field equations from the same overlaps, integrated in a second thread.

    Parameters
    ----------
    problem : Problem
        What is learned and how.
    start : Weights, OrderParameters, callable or GoingOn
        That of the simulation.
    call : dict
        Of the simulation: ``alpha``, ``N``, ``replicas``, ``keep``, ``save_at``.
    options : dict, optional
        Of engine ode; checked at once.
    with_noise : bool, default False
        Follow the linear-noise theory, too.

    Attributes
    ----------
    noise : Fluctuations or None
        Linear noise, where it was asked for, when the result is there.
    reason : str or None
        Why there is none.

    Raises
    ------
    ParameterError, EngineError
        If an option is out of range.
    """

    def __init__(self, problem, start, call: dict, options: dict | None = None, with_noise: bool = False):
        self._problem, self._start, self._call = problem, start, call
        self._options = {} if options is None else options
        options_of("ode")(**self._options)
        self._with_noise = with_noise
        self.noise, self.reason = None, None
        self._thread, self._outcome, self._stopped = None, None, False
        self._ended = threading.Event()  # a Thread whose join() is interrupted may call itself dead
        self._noise_report, self._noise_began = None, None

    @property
    def _goes_on(self):
        return isinstance(self._start, GoingOn)

    @property
    def _first(self):
        """The start of replica 0."""
        if self._goes_on:
            return self._start.first
        return self._start(0) if callable(self._start) else self._start

    def too_much(self, memory_alone: bool = False) -> str | None:
        """Why the integration would need more memory or time than a user expects beside a run.

        Parameters
        ----------
        memory_alone : bool, default False
            Any time is all right.

        Returns
        -------
        str or None
            None where nothing is wrong.
        """
        return too_much(self._problem, self._first, self._students(), self._options, memory_alone)

    def _students(self):
        """How many there are, each with equations of its own."""
        return self._call["replicas"] if callable(self._start) or self._goes_on else 1

    def begin(self):
        """Start the integration, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)  # nobody waits for one long evaluation
            self._thread.start()

    def _run(self):
        try:
            self._outcome = self._integrate(), None
        except BaseException as problem:
            self._outcome = None, problem
        self._ended.set()

    def _integrate(self):
        from onlinemode.simulation import simulate

        save_at, alpha, N = (self._call[name] for name in ("save_at", "alpha", "N"))
        if self._goes_on:
            times = later_times(save_at, self._first.alpha, alpha, N, switches=self._problem.switches)
        else:
            times, _ = save_times(save_at, alpha, N, switches=self._problem.switches)
        theory = simulate(self._problem, self._start, alpha, "ode", N=N, save_at=times, replicas=self._students(),
                          keep=self._call["keep"], progress=self._stop_if_asked, **self._options)
        if self._with_noise and not self._stopped:
            self._add_noise(theory)
        return theory

    def _add_noise(self, theory):
        from onlinemode.theory.fluctuations import fluctuations

        if callable(self._start):
            self.reason = "replicas began from different students"
            return
        if theory.status[0].value not in ("completed", "converged"):
            self.reason = "the mean-field equations do not reach the last α"
            return
        try:
            self.noise = fluctuations(self._problem, self._start, theory.alpha, progress=self._note_noise)
        except ParameterError as problem:
            self.reason = str(problem)
        except KeyboardInterrupt:
            self.reason = "it was stopped by the user"

    def _note_noise(self, report):
        if self._stopped:
            raise KeyboardInterrupt
        if report.points and self._noise_began is None:
            self._noise_began = time.perf_counter()
        self._noise_report = report

    def _stop_if_asked(self, progress):
        if self._stopped:
            raise KeyboardInterrupt

    @property
    def stopped(self) -> bool:
        """Whether the user ended the integration, or what waits for it."""
        return self._stopped

    def stop(self):
        """End the integration, which then returns what it has."""
        self._stopped = True

    def result(self, waiting: Callable | None = None):
        """Wait for the trajectory; Ctrl-C ends the integration, which then returns what it has.

        Parameters
        ----------
        waiting : callable, optional
            ``waiting(report, seconds)`` is called again and again from the second second on: the last report of
            :func:`onlinemode.fluctuations` and how long that has been at work; None and 0 before.

        Returns
        -------
        Trajectory
            At the saved times of the simulation.

        Raises
        ------
        EngineError
            If it does not end when it should, or cannot be made.
        """
        self.begin()
        began = time.perf_counter()
        try:
            while not self._stopped and not self._ended.wait(0.1):
                if waiting is not None and time.perf_counter() - began > 1.0:
                    report = self._noise_report
                    if report is None or not report.points:
                        waiting(None, 0.0)
                    else:
                        waiting(report, time.perf_counter() - self._noise_began)
        except KeyboardInterrupt:
            self.stop()
        if self._stopped and not self._ended.wait(SECONDS_TO_STOP):
            raise EngineError("stopped by the user in the middle of an evaluation")
        theory, problem = self._outcome
        if isinstance(problem, MemoryError):
            o = self._first
            raise EngineError(f"the mean-field equations for K = {o.K}, M = {o.M}, P = {o.P} need more memory than "
                              "there is: leave them out (simulate --no-theory), or take fewer units")
        if problem is not None:
            raise problem
        return theory
