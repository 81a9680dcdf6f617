"""Engines from the same overlaps against the mean-field equations and the linear-noise theory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from onlinemode import agreement, checks
from onlinemode.display import Described
from onlinemode.engines import ENGINES, capabilities_of
from onlinemode.errors import EngineError, ParameterError
from onlinemode.experiment import SIMULATED, Experiment
from onlinemode.progress import shown
from onlinemode.run_info import spectrum_words
from onlinemode.simulation import simulate
from onlinemode.theory.fluctuations import Fluctuations
from onlinemode.trajectory import Status, Trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 5  # times in a printed comparison


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Described):
    """Simulations beside what theory expects of them; prints as a table.

    Attributes
    ----------
    experiment : Experiment
        What was run.
    runs : list of Trajectory
        One an engine.
    theory : Trajectory or None
        The mean-field equations at the same times; None where an interrupt came before they had anything.
    noise : Fluctuations or None
        Linear noise at the same times.
    reason : str or None
        Why there is no linear noise.
    """

    experiment: Experiment
    runs: list[Trajectory]
    theory: Trajectory | None
    noise: Fluctuations | None
    reason: str | None

    @cached_property
    def z_scores(self) -> dict[str, np.ndarray]:
        """Deviation of ε_g from the linear-noise prediction in standard errors, of each engine an array (n,).

        docs/theory, section 8.5; see :func:`onlinemode.agreement.z_scores`.
        """
        return {} if self.noise is None else {run.info.engine: agreement.z_scores(run, self.noise)
                                              for run in self.runs}

    @cached_property
    def z_overlaps(self) -> dict[str, dict | None]:
        """What :func:`onlinemode.agreement.z_summary` says of Q and R, of each engine."""
        return {} if self.noise is None else {run.info.engine: agreement.z_summary(run, self.noise)
                                              for run in self.runs}

    @cached_property
    def trusted(self) -> np.ndarray | None:
        """Whether linear noise can be trusted at each time, bool (n,); None without it."""
        return None if self.noise is None else agreement.trusted(self.noise, self.runs[0].N)

    @cached_property
    def deviation(self) -> dict[str, dict | None]:
        """Deviation from the mean-field equations of each engine; see :func:`onlinemode.agreement.deviation`."""
        return {} if self.theory is None else {run.info.engine: agreement.deviation(run, self.theory)
                                               for run in self.runs}

    def plot(self, path: str | PathLike[str] | None = None, title: str | None = None) -> "Figure":
        """The picture: ε_g, overlaps and deviation with their theory (:func:`onlinemode.plotting.comparison`).

        Parameters
        ----------
        path : str or path, optional
            Where to save it, too.
        title : str, optional
            By default what was run.

        Returns
        -------
        matplotlib.figure.Figure
            To be changed, or saved with :func:`onlinemode.plotting.save_figure`.

        Raises
        ------
        ParameterError
            If there is no theory.
        FileError
            If the picture cannot be written.
        """
        from onlinemode import plotting

        if self.theory is None:
            raise ParameterError("the picture of a comparison needs the theory; it was stopped before it had any")
        figure = plotting.comparison(self.runs, self.theory, self.experiment.describe() if title is None else title,
                                     self.noise)
        if path is not None:
            plotting.save_figure(figure, path)
        return figure

    def _described(self):
        rows = [("Comparison", self.experiment.describe())]
        for run in self.runs:
            engine = run.info.engine
            rows += [(f"{engine}, α = {run.alpha[i]:.4g}", self._words_at(run, i)) for i in _shown(run)]
            if (apart := self.deviation.get(engine)) is not None:
                rows.append((f"{engine}, (Q, R)", f"{apart['rms_overlaps']:.3g} rms from the ODE, "
                             f"{apart['rms_overlaps_sqrt_N']:.3g} in units of N^-1/2"))
            if run.gaussian_equivalence is not None:
                rows.append((f"{engine}, Gaussian equivalence", run.gaussian_equivalence.words))
            if self.theory is not None and (spectrum := spectrum_words(self.theory.info)) is not None:
                rows.append(("spectrum of inputs", spectrum))
            if (z := self.z_overlaps.get(engine)) is not None:
                rows.append((f"{engine}, z of Q and R", f"rms {z['rms']:.2f} (1 expected), largest {z['largest']:.1f}, "
                             f"up to α = {z['up_to_alpha']:.3g}"))
        return rows if self.reason is None else [*rows, ("no z-scores", self.reason)]

    def _words_at(self, run, i):
        words = f"ε_g = {run.ensemble.mean['generalization_error'][i]:.3e}"
        if self.theory is not None:
            words += f", ODE {self.theory.ensemble.mean['generalization_error'][i]:.3e}"
        if self.noise is not None:
            z = self.z_scores[run.info.engine][i]
            words += f", z {z:+.2f}" if np.isfinite(z) else ""
            words += "" if self.trusted[i] else " (linear noise does not hold here)"
        return words


def _shown(run):
    """A few of the times that the run reached, the last one among them."""
    reached = np.flatnonzero(np.isfinite(run.ensemble.mean["generalization_error"]) & (run.alpha > 0.0))
    if reached.size == 0:
        return []
    last = run.alpha[reached[-1]]
    wanted = np.geomspace(max(run.alpha[reached[0]], last * 1e-2), last, SHOWN)
    return np.unique(reached[np.abs(run.alpha[reached][:, None] / wanted - 1.0).argmin(0)])


def compare(experiment: Experiment, engines: str | Sequence[str] = ("micro",),
            progress: bool | Callable | None = None) -> Comparison:
    """Run engines from the same overlaps, beside the mean-field equations and the linear-noise theory.

    Parameters
    ----------
    experiment : Experiment
        Its engine counts for nothing here. With ``fresh_students`` there are no z-scores.
    engines : sequence of {"micro", "chain", "leap"}, default ("micro",)
        Or their names with commas; the mean-field equations are always there.
    progress : bool or callable, optional
        As in :func:`onlinemode.simulate`, of each engine.

    Returns
    -------
    Comparison
        After an interrupt with what there is.

    Raises
    ------
    ParameterError, EngineError
        If an engine is none of those, or the theory does not hold for these inputs, cannot be made or needs more memory
        than there is.
    """
    checks.instance("experiment", experiment, Experiment)
    names = names_of(engines)
    each = {name: experiment.replace(engine=name) for name in names}
    calls = {name: each[name].call() for name in names}
    problem = experiment.problem()
    start = experiment.start(any(capabilities_of(name).makes_vectors for name in names) or None)
    beside = each[names[0]].theory(with_noise=True, start=start)
    if reason := beside.too_much(memory_alone=True):
        raise EngineError(f"{reason}: take fewer units, or simulate without theory")
    runs = []
    try:
        for name in names:
            runs.append(_run_beside(beside, problem, start, calls[name], progress))
            if Status.INTERRUPTED in runs[-1].status:
                beside.stop()
                break
    except BaseException:
        beside.stop()
        raise
    try:
        theory = beside.result()
    except (EngineError, KeyboardInterrupt):
        if Status.INTERRUPTED not in runs[-1].status:
            raise
        theory = None
    return Comparison(experiment, runs, theory, beside.noise, beside.reason)


def _run_beside(beside, problem, start, call, progress):
    """A simulation; the theory begins when its kernel is compiled and running."""
    begun = False
    with shown(progress, call["engine"]) as show:
        def report(state):
            nonlocal begun
            if begun:
                beside.begin()
            begun = True
            if show is not None:
                show(state)

        return simulate(problem, start, progress=report, **call)


def names_of(engines: str | Sequence[str]) -> list[str]:
    """The simulating engines that are meant, each once; ode may be named, too.

    Raises
    ------
    ParameterError
    """
    names = engines.split(",") if isinstance(engines, str) else engines
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        names = []
    simulated = [name for name in names if name not in ENGINES or not capabilities_of(name).theory]
    if not simulated or set(simulated) - set(SIMULATED) or len(set(names)) < len(names):
        raise ParameterError(f"engines must be at least one of {', '.join(SIMULATED)}, each once; got "
                             f"{checks.one_line(engines)}")
    return simulated
