"""The mean-field theory beside a simulation: whether it is worth its cost, and its integration meanwhile."""

import threading
import time

from onlinemode.cli.options import ODE
from onlinemode.cli.running import StatusLine, about, announce, chosen, clock, first_start, goes_on
from onlinemode.errors import EngineError

MOST_SECONDS = 600.0  # of theory beside a run that nobody asked for by itself
SECONDS_TO_STOP = 2.0  # given to the theory after Ctrl-C
SAVED = 200  # times, for an estimate of the memory


def too_much(problem, start, replicas, options, memory_alone=False):
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
    from onlinemode.engines.ode.engine import check_options
    from onlinemode.theory.cost import integration_bytes, integration_seconds, too_large

    *_, nodes = check_options(problem, **options)
    sizes = start.K, start.M, start.P
    memory = too_large(integration_bytes(problem, *sizes, options.get("method", "LSODA"), SAVED))
    words = f"the mean-field equations for K = {start.K}, M = {start.M}, P = {start.P}"
    if memory:
        return f"{words} need about {memory}"
    seconds = replicas * integration_seconds(problem, *sizes, nodes)
    if replicas > 1:
        words += f" and {replicas:,} starts"
    if seconds > MOST_SECONDS and not memory_alone:
        return f"{words} would take some {clock(seconds)}; onlinemode ode integrates them alone"
    return None


class Theory:
    """The mean-field equations from the same overlaps, integrated in a second thread.

    Options are checked at once.

    Parameters
    ----------
    problem : Problem
    start : Weights, OrderParameters, callable or GoingOn
    settings : dict
    with_noise : bool, default False
        Follow the linear-noise theory, too: then ``noise`` is a Fluctuations, or None for the
        ``reason`` given.
    """

    def __init__(self, problem, start, settings, with_noise=False):
        from onlinemode.engines.ode.engine import check_options

        self._problem, self._start, self._settings = problem, start, settings
        options = chosen(settings, ODE)
        check_options(problem, **options)
        self._options = options
        self._with_noise = with_noise
        self.noise, self.reason = None, None
        self._thread, self._outcome, self._stopped = None, None, False
        self._ended = threading.Event()  # a Thread whose join() is interrupted may call itself dead
        self._noise_report, self._noise_began = None, None

    def too_much(self, memory_alone=False):
        """Why the integration would need more memory (or time) than a user expects beside a run, else None."""
        return too_much(self._problem, first_start(self._start), self._students(), self._options, memory_alone)

    def _students(self):
        """How many there are, each with equations of its own."""
        return self._settings["replicas"] if callable(self._start) or goes_on(self._start) else 1

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
        from onlinemode import simulate
        from onlinemode.runtime.saved_times import later_times, save_times

        settings = self._settings
        saved = settings["save_at"], settings["alpha"], settings["N"]
        if goes_on(self._start):
            times = later_times(saved[0], self._start.first.alpha, *saved[1:])
        else:
            times, _ = save_times(*saved)
        theory = simulate(self._problem, self._start, settings["alpha"], "ode", N=settings["N"], save_at=times,
                          replicas=self._students(), keep=settings["keep"], progress=self._stop_if_asked,
                          **self._options)
        if self._with_noise and not self._stopped:
            self._add_noise(theory)
        return theory

    def _add_noise(self, theory):
        from onlinemode import fluctuations
        from onlinemode.errors import ParameterError

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

    def stop(self):
        """End the integration, which then returns what it has."""
        self._stopped = True

    def result(self):
        """Wait for the trajectory; Ctrl-C ends the integration, which then returns what it has.

        Raises
        ------
        EngineError
            If it does not end when it should, or cannot be made.
        """
        self.begin()
        bar = StatusLine(self._settings["quiet"] or self._settings["json"])
        said, began = set(), time.perf_counter()
        try:
            while not self._stopped and not self._ended.wait(0.1):
                waited = time.perf_counter() - began
                if waited > 1.0:
                    self._say_what_is_done(said, bar)
        except KeyboardInterrupt:
            self.stop()
        finally:
            bar.close()
        if self._stopped and not self._ended.wait(SECONDS_TO_STOP):
            raise EngineError("stopped by the user in the middle of an evaluation")
        theory, problem = self._outcome
        if isinstance(problem, MemoryError):
            o = first_start(self._start)
            raise EngineError(f"the mean-field equations for K = {o.K}, M = {o.M}, P = {o.P} need more memory than "
                              "there is: leave them out (simulate --no-theory), or take fewer units")
        if problem is not None:
            raise problem
        return theory

    def _say_what_is_done(self, said, bar):
        """One line for each stage on stderr, with the time it will take once that can be told; a bar on a terminal."""
        report = self._noise_report
        if report is None or not report.points:
            if "theory" not in said:
                said.add("theory")
                announce(self._settings, "waiting for the theory ...")
            return
        seconds = time.perf_counter() - self._noise_began
        if seconds < 1.0 or not report.fraction:
            return
        left = seconds * (1.0 - report.fraction) / report.fraction
        if "noise" not in said:
            said.add("noise")
            announce(self._settings, f"linear noise of {report.order_parameters} order parameters at {report.points} "
                                     f"points of the path, {about(left)} more (Ctrl-C leaves it out)")
        if bar.shown:
            bar.show(f"{bar.bar(report.fraction)} {report.fraction:4.0%}  {clock(left)} left")
