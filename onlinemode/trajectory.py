"""The result of every engine: order parameters at the saved times, with all that made them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks, labelled, observables
from onlinemode.blocks import OF_GROUPS, OVERLAPS
from onlinemode.display import Described
from onlinemode.ensemble import PROBABILITIES, Ensemble, ensemble_of, observables_of
from onlinemode.equivalence import GaussianEquivalence, gaussian_equivalence
from onlinemode.errors import ParameterError
from onlinemode.initial import Start
from onlinemode.problem import Problem
from onlinemode.replica_states import ReplicaStates, resolved_overlaps_of, tells_resolved
from onlinemode.resolved import Resolved
from onlinemode.resolved_overlaps import ResolvedOverlaps
from onlinemode.run_info import FORMAT, RunInfo, spectrum_words
from onlinemode.run_starts import SHARES, start_arrays
from onlinemode.run_tables import write_csv
from onlinemode.schedules import Schedule
from onlinemode.state import OrderParameters, Weights
from onlinemode.storage import write_archive
from onlinemode.theory.classification import classification_error
from onlinemode.theory.mean_loss import mean_loss
from onlinemode.theory.meanfield import mean_error, task_errors
from onlinemode.theory.spectral_groups import EigenvalueGroups

if TYPE_CHECKING:
    import pandas
    import xarray

KIND = "trajectory"
LEAST_ERROR = 1e-12  # ε_g below which order parameters are rounding, or factors still approach the teacher
_DERIVED = ("Q", "R", "generalization_error", "specialization")
MOST_DERIVED = 2**22  # entries of Q and R up to which the file holds them: they follow from the other arrays
# What an engine may give along the saved times, beside order parameters.
BESIDE = ("error", "error_se", "switches", "teacher_overlaps", *OF_GROUPS)


class Status(Enum):
    """How a replica ended; ``message`` of the trajectory says what to do about it.

    Attributes
    ----------
    COMPLETED
        It reached the last α; ``value`` is "completed".
    CONVERGED
        Nothing is left to move; the last state is held to the last α.  "converged".
    DIVERGED
        It left all bounds; NaN from there on.  "diverged".
    INTERRUPTED
        It was stopped by the user; NaN from there on.  "interrupted".
    FAILED
        The integrator gave up; NaN from there on.  "failed".
    """

    COMPLETED = "completed"
    CONVERGED = "converged"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(eq=False, repr=False)
class Trajectory(Described):
    """Order parameters of one or more replicas at the saved times.

    All engines return this, with the same shapes; ``n`` is the number of saved times.  ``draws`` is
    the number of replicas kept one by one: all, or the first few of a run with ``keep="summary"``.
    Symbols are those of docs/theory, section 1.1; all order parameters are dimensionless.

    Attributes
    ----------
    alpha : array (n,)
        The saved times α = steps/N.
    G : array (draws, n, P, P)
        Overlaps of the input modes, XXᵀ/N.
    S : array (draws, n, P, M)
        Overlaps of input modes and teacher units, XBᵀ/N.
    strengths : array (draws, n, P)
        Of the modes, s.
    xi_out : array (draws, n, K, P)
        Output modes A.
    readout : array (draws, n, K) or (draws, n, heads, K)
        Second layer v of the student, or its heads.
    problem : Problem
        What was learned and how.
    initial : OrderParameters
        The start of replica 0, common to all unless ``starts`` is there.
    status : list of Status
        How each replica ended.
    message : list of str
        Of each replica, why, where there is something to say.
    info : RunInfo
        Engine, N, seed, device, precision, versions, seconds to compile and to run, steps, and the
        arguments of the call, so that :func:`onlinemode.repeat` can make the run again.
    weights : Weights, optional
        The initial weights, where storing them was asked for.
    error : array (draws, n) or (draws, n, tasks), optional
        ε_g, of each task where there are several, where the engine knows it better than the overlaps do
        (chain: from the factors, right also far below 1e-16; micro with fields that are not Gaussian:
        measured on fresh samples).
    error_se : array as error, optional
        Standard error of ``error`` where that was measured.
    starts : dict of arrays (replicas, ...), optional
        G, S, strengths, xi_out and readout of every replica's start, where replicas began from
        different students; and T where a run goes on with teachers that drift, ``share_G`` and ``share_S`` where they
        began from ResolvedOverlaps.
    initial_resolved : ResolvedOverlaps, optional
        ``initial`` by eigenvalues of the inputs' covariance, where the run began from such.
    summary : Ensemble, optional
        Statistics over all replicas, where not all are kept; read them as ``ensemble``.
    begin, end : ReplicaStates, optional
        Where every replica stood when the run went on from another one, and where it stands now:
        what :func:`onlinemode.go_on` needs.
    switches : array (draws, n, turns − 1), optional
        Where tasks wait for an error, the α at which each turn had ended by then; NaN of those to come.
    teacher_overlaps : array (draws, n, M, M), optional
        Overlaps of the teacher's units, BBᵀ/N, where the teacher drifts and N is finite; read them as ``T``.
    groups : EigenvalueGroups, optional
        Groups of eigenvalues of the inputs' covariance, where overlaps by group were asked for (``resolve=``); read
        this and the next two as ``resolved``.
    group_G : array (draws, n, R, P, P), optional
        The share of each group in G.
    group_S : array (draws, n, R, P, M), optional
        In S.
    """

    alpha: np.ndarray
    G: np.ndarray
    S: np.ndarray
    strengths: np.ndarray
    xi_out: np.ndarray
    readout: np.ndarray
    problem: Problem
    initial: OrderParameters
    status: list[Status]
    message: list[str]
    info: RunInfo
    weights: Weights | None = field(default=None, repr=False)
    error: np.ndarray | None = None
    error_se: np.ndarray | None = None
    starts: dict[str, np.ndarray] | None = field(default=None, repr=False)
    initial_resolved: ResolvedOverlaps | None = field(default=None, repr=False)
    summary: Ensemble | None = field(default=None, repr=False)
    begin: ReplicaStates | None = field(default=None, repr=False)
    end: ReplicaStates | None = field(default=None, repr=False)
    switches: np.ndarray | None = field(default=None, repr=False)
    teacher_overlaps: np.ndarray | None = field(default=None, repr=False)
    groups: EigenvalueGroups | None = field(default=None, repr=False)
    group_G: np.ndarray | None = field(default=None, repr=False)
    group_S: np.ndarray | None = field(default=None, repr=False)

    @property
    def meta(self) -> dict[str, Any]:
        """What ``info`` holds, as the file has it: a dict of plain values."""
        return self.info.to_dict()

    @property
    def T(self) -> np.ndarray:
        """Teacher overlaps, (M, M), constant; where the teacher drifts and N is finite (draws, n, M, M)."""
        return self.initial.T if self.teacher_overlaps is None else self.teacher_overlaps

    @property
    def teacher_readout(self) -> np.ndarray:
        """Second layer v* of the teacher, (M,), or of each task, (tasks, M); constant."""
        return self.initial.teacher_readout

    @property
    def replicas(self) -> int:
        """Number of replicas that were run."""
        return len(self.status)

    @property
    def draws(self) -> int:
        """Number of replicas that are kept one by one."""
        return self.G.shape[0]

    @cached_property
    def ensemble(self) -> Ensemble:
        """Means, standard deviations and quantiles over all replicas, an :class:`onlinemode.ensemble.Ensemble`."""
        if self.summary is not None:
            return self.summary
        quantiles = self.info.call.get("quantiles", PROBABILITIES)
        names = observables_of(self.problem)
        return ensemble_of(self.alpha, {name: getattr(self, name) for name in names}, quantiles)

    def _described(self):
        names = [status.value for status in self.status]
        counts = ", ".join(f"{names.count(name):,} {name}" for name in dict.fromkeys(names))
        sizes = ", ".join(f"{name} = {value:,}" for name, value in
                          (("N", self.N), ("K", self.initial.K), ("M", self.initial.M), ("P", self.initial.P))
                          if value is not None)
        problem = self.problem
        trained = [(name, rate) for name, rate in vars(problem.rates).items() if rate != 0.0]
        whose = "" if self.replicas == 1 else " (replica 0)"
        rows = [("Trajectory", f"engine {self.info.engine}, {sizes}"),
                ("replicas", counts if self.draws == self.replicas else f"{counts}; {self.draws} kept one by one"),
                ("problem", f"{problem.activation_words}{problem.label_words}"
                            f"{'' if problem.constraint is None else ', on the sphere'}, noise {problem.noise:g}, "
                            f"weight decay {problem.weight_decay:g}, {problem.dropout_words}{problem.drift_words}"
                            f"batch {problem.batch}, inputs {problem.inputs!r}"),
                ("learning rates", ", ".join(f"{name} {rate:g}" for name, rate in trained) or "none")]
        if problem.tasks is not None:
            rows.append(("tasks", problem.tasks.words))
        if self.switched_at is not None and self.draws:
            ends = ", ".join("never" if np.isnan(each) else f"{each:.4g}" for each in self.switched_at[0])
            rows.append(("turns ended" + whose, f"α = {ends}"))
        if (spectrum := spectrum_words(self.info)) is not None:
            rows.append(("spectrum of inputs", spectrum))
        if self.gaussian_equivalence is not None:
            rows.append(("Gaussian equivalence", self.gaussian_equivalence.words))
        if len(self.alpha) and self.draws:
            first = self._first()
            rows += [("α", f"{self.alpha[0]:.4g} to {self.alpha[-1]:.4g}, {len(self.alpha)} times"),
                     ("ε_g" + whose, _first_to_last(first.generalization_error[0])),
                     ("specialization" + whose, _first_to_last(first.specialization[0]))]
            if problem.tasks is not None:
                errors = (f"task {task}: {_first_to_last(first.task_errors[0, :, task])}"
                          for task in range(problem.tasks.count))
                return [*rows, ("ε_g of tasks" + whose, "; ".join(errors))]
            plateaus = first.plateaus()
            rows += [("plateaus" + whose, "; ".join(f"α = {each.start:.3g} to {each.stop:.3g} at ε_g = {each.level:.3g}"
                                                    for each in plateaus) or "none")]
        return rows

    def _first(self):
        """The first replica alone, whose observables are soon computed."""
        if self.draws == 1:
            return self
        names = [name for name in (*OVERLAPS, *BESIDE) if getattr(self, name) is not None]
        kept = {name: getattr(self, name)[:1] for name in names}
        return replace(self, **kept, summary=None)

    def start_of(self, replica: int) -> OrderParameters:
        """The order parameters from which a replica began.

        Parameters
        ----------
        replica : int
            Its number, from 0.

        Returns
        -------
        OrderParameters
            Common to all replicas unless they had different students.

        Raises
        ------
        ParameterError
            If there is no such replica.
        """
        replica = checks.integer("replica", replica, 0, self.replicas - 1)
        if self.starts is None:
            return self.initial
        own = {name: values[replica] for name, values in self.starts.items() if name not in SHARES}
        return OrderParameters(**{"T": self.initial.T, "teacher_readout": self.teacher_readout} | own)

    @property
    def began_together(self) -> bool:
        """Whether all replicas began from one start; those of a run that goes on may have."""
        recorded = self.info.start
        return recorded.get("together", False) if recorded["kind"] == "states" else self.starts is None

    @property
    def final(self) -> Start | Callable[[int], Start]:
        """Where the run ended, as a start that :func:`onlinemode.simulate` takes.

        Weights where the vectors were kept (micro with ``store_final=True``), ResolvedOverlaps of the chain where the
        inputs have a covariance, else OrderParameters; of several replicas a function of the
        replica's number.  A run that was interrupted ended there.

        A new run from it counts α from 0 and draws the samples of its seed from the first one on:
        another seed must be given, or it learns again from the samples that made its start.
        :func:`onlinemode.go_on` goes on with α, steps and samples.

        Raises
        ------
        ParameterError
            If there is no such start: a replica diverged, failed or was never begun, its state is not
            kept (``keep="summary"``), or the overlaps do not tell the vectors (inputs whose entries
            are not independent).
        """
        states = self.states_at_end()
        inputs, batch = self.problem.inputs, self.problem.batch
        told = inputs.independent or self.N is not None and tells_resolved(states, inputs)
        if states.teacher is None and not told:
            raise ParameterError("final needs the vectors where the entries of inputs are not independent, and this "
                                 "run kept none: make it with store_final=True (engine micro)")

        first = resolved_overlaps_of(states.one(0, self.initial), inputs, self.N, batch)

        def final_of(replica):
            state = states.one(checks.integer("replica", replica, 0, len(states) - 1), self.initial)
            resolved = resolved_overlaps_of(state, inputs, self.N, batch)
            if resolved is None or first is None:
                return state.start()
            if self.problem.drifts:
                return resolved
            return replace(resolved, T=first.T)  # the same teacher, which every replica has with a rounding of its own

        return final_of if self.replicas > 1 else final_of(0)

    def states_at_end(self) -> ReplicaStates:
        """Where all replicas stand.

        Returns
        -------
        ReplicaStates
            Overlaps alone where no more is known.

        Raises
        ------
        ParameterError
            If one stands nowhere, or not all are kept.
        """
        self._check_whole("goes on")
        for number, (status, message) in enumerate(zip(self.status, self.message)):
            if status in (Status.DIVERGED, Status.FAILED):
                raise ParameterError(f"{self._which(number)} has no end to go on from: {message}")
        states = self.end
        if states is None:
            if self.draws < self.replicas:
                raise ParameterError(f"this run kept {self.draws} of its {self.replicas:,} replicas one by one, and "
                                     "not where the others ended: make it with store_final=True")
            states = ReplicaStates.of_rows(self.alpha, self.info.steps, self.overlaps())
        for number, alpha in enumerate(states.alpha):
            if not np.isfinite(alpha):
                raise ParameterError(f"{self._which(number)} has no end to go on from: it was stopped before its first "
                                     "saved time; make the run again with repeat, or resume its checkpoint")
        return states

    def overlaps(self) -> dict[str, np.ndarray]:
        """The order parameters at the saved times.

        Returns
        -------
        dict of arrays (draws, n, ...)
            G, S, strengths, xi_out and readout; and T where the teacher drifts and N is finite.
        """
        own = {} if self.teacher_overlaps is None else {"T": self.teacher_overlaps}
        return {name: getattr(self, name) for name in OVERLAPS} | own

    def _check_whole(self, what):
        """Raise ParameterError if this is one task of a run of several."""
        if self.info.start["kind"] == "task":
            raise ParameterError(f"this is task {self.info.start['task']} of a run of several, which {what} as a "
                                 "whole: take the run itself")

    def _which(self, number):
        return f"replica {number} of this run" if self.replicas > 1 else "this run"

    @property
    def N(self) -> int | None:
        """Number of inputs; None for a mean-field run from overlaps."""
        return self.info.N

    @property
    def _scaled(self):
        with np.errstate(over="ignore", invalid="ignore"):
            return self.xi_out * self.strengths[..., None, :]

    @cached_property
    def Q(self) -> NDArray[np.float64]:
        """Overlaps of the student's units, Q = A diag(s) G diag(s) Aᵀ, (draws, n, K, K); docs/theory, section 2.1."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._scaled @ self.G @ np.swapaxes(self._scaled, -1, -2)

    @cached_property
    def R(self) -> NDArray[np.float64]:
        """Overlaps of student and teacher units, R = A diag(s) S, (draws, n, K, M); docs/theory, section 2.1."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._scaled @ self.S

    @cached_property
    def generalization_error(self) -> NDArray[np.float64]:
        """Generalization error ε_g = ½ E[(f − y)²] without label noise, (draws, n); docs/theory, section 6.1.

        Of several tasks the mean over what a sample is drawn from at that time; ``task_errors`` are those of each.
        """
        if self.problem.tasks is not None:
            return self._mean_over_tasks(self.task_errors)
        if self.error is not None:
            return self.error
        return mean_error(self.problem, self.alpha, *self._state(self.T))

    @cached_property
    def task_errors(self) -> NDArray[np.float64] | None:
        """Generalization error of each task, (draws, n, tasks); None where there is one.  docs/theory, section 16.3."""
        if self.problem.tasks is None or self.error is not None:
            return None if self.problem.tasks is None else self.error
        G, S, strengths, xi_out, readout = self._whole
        return task_errors(self.problem, G, S, self.T, strengths, xi_out, readout, self.teacher_readout)

    @property
    def generalization_error_se(self) -> NDArray[np.float64] | None:
        """Standard error of ``generalization_error`` where that was measured, (draws, n); of tasks an upper bound."""
        if self.error_se is None or self.problem.tasks is None:
            return self.error_se
        return self._mean_over_tasks(self.error_se)  # all were measured on the same samples

    def of_task(self, task: int) -> "Trajectory":
        """The run as one of a single task: with its teacher units, its head, and its errors.

        Parameters
        ----------
        task : int
            Its number, from 0.

        Returns
        -------
        Trajectory
            At the same times, with all observables and pictures of a run of one task, and nothing to go on from.  Its
            teacher has those units alone that the task's labels need.  Of replicas it has those kept one by one.

        Raises
        ------
        ParameterError
            If the run has one task, or there is no such task.
        """
        problem = self.problem.of_task(task)
        tasks = self.problem.tasks
        head = None if tasks is None or tasks.heads is None else tasks.heads[task]
        of_task = self.initial.of_task(task, head)
        used = np.flatnonzero(of_task.teacher_readout) if np.any(of_task.teacher_readout) else np.arange(of_task.M)
        initial = replace(of_task, S=of_task.S[:, used], T=of_task.T[np.ix_(used, used)],
                          teacher_readout=of_task.teacher_readout[used])

        def own(blocks):
            teacher = {"T": blocks["T"][..., used[:, None], used]} if "T" in blocks else {}
            blocks = {name: values for name, values in blocks.items() if name not in SHARES}
            return {**blocks, **teacher, "S": blocks["S"][..., used],
                    "readout": blocks["readout"] if head is None else blocks["readout"][..., head, :]}

        errors = {name: getattr(self, name)[..., task] for name in ("error", "error_se")
                  if getattr(self, name) is not None}
        if self.teacher_overlaps is not None:
            errors["teacher_overlaps"] = self.T[..., used[:, None], used]
        groups: dict[str, Any] = {}
        if self.groups is not None and self.group_S is not None:
            groups = {"groups": self.groups.of_teacher_units(used), "group_S": self.group_S[..., used]}
        draws, call = self.draws, {**self.info.call, "replicas": self.draws, "keep": "all"}
        steps = {name: getattr(self.info, name)[:draws] for name in ("steps", "steps_before")
                 if getattr(self.info, name) is not None}
        starts = None if self.starts is None else {name: each[:draws] for name, each in own(self.starts).items()}
        return replace(self, **own({name: getattr(self, name) for name in OVERLAPS}), **errors, **groups,
                       problem=problem, initial=initial, starts=starts, status=self.status[:draws],
                       message=self.message[:draws], weights=None, initial_resolved=None, summary=None, begin=None,
                       end=None, switches=None,
                       info=replace(self.info, call=call, start={"kind": "task", "task": task}, **steps))

    def forgetting(self, task: int, switch: float) -> NDArray[np.float64]:
        """How much worse a task is known than when it was left: ε_g − ε_g(switch); docs/theory, section 16.3.

        Parameters
        ----------
        task : int
            Its number, from 0.
        switch : float
            The saved α at which it was left.

        Returns
        -------
        array (draws, n)
            At the saved times; negative where the task is known better.

        Raises
        ------
        ParameterError
            If the run has one task, no such task, or did not save that time.
        """
        errors, at = self._errors_and_switch(task, switch)
        return errors - errors[:, at, None]

    def transfer(self, task: int, switch: float) -> NDArray[np.float64]:
        """How much better a task is known than when it was begun: ε_g(switch) − ε_g; docs/theory, section 16.3.

        Parameters
        ----------
        task : int
            Its number, from 0.
        switch : float
            The saved α at which it was begun.

        Returns
        -------
        array (draws, n)
            At the saved times.

        Raises
        ------
        ParameterError
            If the run has one task, no such task, or did not save that time.
        """
        errors, at = self._errors_and_switch(task, switch)
        return errors[:, at, None] - errors

    def _errors_and_switch(self, task, switch):
        if self.task_errors is None:
            raise ParameterError("this run has one task, which it cannot forget")
        errors = self.task_errors[..., checks.integer("task", task, 0, self.task_errors.shape[-1] - 1)]
        switch = checks.number("switch", switch, 0.0)
        at = int(np.abs(self.alpha - switch).argmin())
        if abs(self.alpha[at] - switch) > max(1e-9 * switch, 0.0 if self.N is None else 0.5 / self.N):
            raise ParameterError(f"no saved time is α = {switch:g}; give save_at of the run this time, too")
        return errors, at

    def _mean_over_tasks(self, values):
        """Over what a sample is at each time, of (draws, n, tasks)."""
        if self.switches is None:
            return (self.problem.shares_at(self.alpha) * values).sum(-1)
        taught = np.array(self.problem.tasks.order)[np.isfinite(self.switches).sum(-1)]
        return np.take_along_axis(values, taught[..., None], -1)[..., 0]

    @property
    def switched_at(self) -> NDArray[np.float64] | None:
        """When turns of tasks ended that waited for an error, (draws, turns − 1), NaN of those to come; else None."""
        if self.switches is None:
            return None
        return np.fmax.reduce(self.switches, axis=1)

    def _mean_of(self, name):
        """The same of an observable of each task alone."""
        return self._mean_over_tasks(np.stack([getattr(self.of_task(task), name)
                                               for task in range(self.problem.tasks.count)], -1))

    def _state(self, T):
        return self.G, self.S, T, self.strengths, self.xi_out, self.readout, self.teacher_readout

    @property
    def _whole(self):
        """G, S, strengths, xi_out and readout of the students whose errors count, of which nothing is left out."""
        strengths, readout = self.problem.whole_student(self.alpha, self.strengths, self.readout)
        return self.G, self.S, strengths, self.xi_out, readout

    @cached_property
    def classification_error(self) -> NDArray[np.float64]:
        """Share of Gaussian inputs at which f and the clean y differ in sign, (draws, n); docs/theory, section 12.5."""
        if self.problem.tasks is not None:
            return self._mean_of("classification_error")
        G, S, strengths, xi_out, readout = self._whole
        return classification_error(self.problem.activations, G, S, self.T, strengths, xi_out, readout,
                                    self.teacher_readout)

    @cached_property
    def mean_loss(self) -> NDArray[np.float64]:
        """Mean of the problem's loss over Gaussian inputs, noise and flips, (draws, n); docs/theory, section 12.6.

        ``generalization_error`` + σ²/2 where the loss is squared and labels are real.
        """
        problem = self.problem
        if problem.tasks is not None:
            return self._mean_of("mean_loss")
        if problem.plain:
            noise = problem.numbers_at(self.alpha)[:, list(problem.numbers).index("noise")]
            return self.generalization_error + 0.5 * noise**2

        whole = self._whole

        def at(problem, *place):
            G, S, *factors = (each[place] for each in whole)
            T = self.T if self.teacher_overlaps is None else self.T[place]
            return mean_loss(problem, G, S, T, *factors, self.teacher_readout)

        if not any(isinstance(each, Schedule) for each in (problem.noise, problem.flips)):
            return at(problem)
        return np.stack([at(problem.at(alpha), slice(None), i) for i, alpha in enumerate(self.alpha)], 1)

    @cached_property
    def resolved(self) -> Resolved | None:
        """Overlaps by group of eigenvalues, an :class:`onlinemode.resolved.Resolved`; None without ``resolve=``.

        docs/theory, section 18.7.
        """
        if self.groups is None or self.group_G is None or self.group_S is None:
            return None
        return Resolved(*self.groups, self.group_G, self.group_S, self._scaled, self.rho, self.signed)

    @cached_property
    def gaussian_equivalence(self) -> GaussianEquivalence | None:
        """How far ε_g measured on fresh samples is from its closed form at the run's own overlaps.

        A :class:`onlinemode.equivalence.GaussianEquivalence`; None where nothing was measured, or of several tasks,
        of which each has it (:meth:`of_task`).  docs/theory, section 18.8.
        """
        if self.error_se is None or self.problem.tasks is not None:
            return None
        closed = mean_error(self.problem, self.alpha, *self._state(self.T))
        return gaussian_equivalence(self.alpha, self.generalization_error, self.error_se, closed)

    @property
    def signed(self) -> bool:
        """Whether matching uses ρ itself; |ρ| where the signs of the readout are trained, or g or g* is even."""
        return self.problem.signed

    @cached_property
    def rho(self) -> NDArray[np.float64]:
        """Normalized overlaps ρ_km = R_km/√(Q_kk T_mm), (draws, n, K, M); docs/theory, section 6.2."""
        return observables.normalized_overlaps(self.Q, self.R, self.T)

    @cached_property
    def specialization(self) -> NDArray[np.float64]:
        """Normalized specialization, (draws, n): 0 unspecialized, 1 a perfect student; docs/theory, section 6.2."""
        return observables.specialization(self.Q, self.R, self.T, self.signed)

    @cached_property
    def unit_margins(self) -> NDArray[np.float64]:
        """Matched ρ minus the largest other |ρ| of each unit, (draws, n, K); docs/theory, section 6.2."""
        return observables.unit_margins(self.Q, self.R, self.T, self.signed)

    @cached_property
    def mode_residuals(self) -> NDArray[np.float64] | None:
        """Mode residuals r_p = |X_p − X*_p|²/|X*_p|², (draws, n, P).

        0 for a mode found, 1 + |X_p|²/|X*_p|² for one without overlap; None where they are not defined (docs/theory,
        section 6.3).
        """
        rates, start, (activation, of_teacher) = self.problem.rates, self.initial, self.problem.activations
        trained = rates.readout != 0.0
        if rates.strengths != 0.0 or rates.xi_out != 0.0 or activation != of_teacher or self.problem.tasks is not None:
            return None
        if self.starts is not None and any(np.ptp(self.starts[name], 0).any() for name in ("strengths", "xi_out")):
            return None  # replicas differ in their factors, so no common modes of the teacher
        if self.teacher_overlaps is not None:
            return None  # the modes of the teacher would change with its overlaps
        if activation.even:
            return None  # a mode and its negative are told apart by nothing
        if (activation.linear and start.P > 1) or (activation.homogeneous and trained):
            return None  # many students are perfect
        return observables.mode_residuals(
            self.G, self.S, self.T, start.strengths, start.xi_out, None if trained else self.readout[:, 0],
            self.teacher_readout, odd=activation.odd)

    def plateaus(self, replica: int = 0, **options: float) -> list[observables.Plateau]:
        """Plateaus of ε_g of one replica (docs/theory, section 6.4).

        Simulated curves are smoothed over 0.3 decades of α, and the least prominence is 0.2, unless
        ``smoothing`` or ``prominence`` are given; by default ``floor`` is 1e-12, or the solver's atol if that is more.

        Parameters
        ----------
        replica : int, default 0
            One of those that are kept one by one.
        **options : float
            ``slope``, ``prominence``, ``smoothing``, ``floor`` of :func:`onlinemode.observables.find_plateaus`.

        Returns
        -------
        list of Plateau
            In the order of time; none where there are several tasks, between which ε_g jumps: :meth:`of_task` has them.

        Raises
        ------
        ParameterError
            If the replica is not kept, or an option is out of range.
        """
        if self.problem.tasks is not None:
            return []
        options = {"floor": max(LEAST_ERROR, self.info.atol or 0.0)} | options
        if not self.info.theory:
            options = {"smoothing": 0.3, "prominence": 0.2} | options
        replica = checks.integer("replica", replica, 0, self.draws - 1)
        return observables.find_plateaus(self.alpha, self.generalization_error[replica], **options)

    def specialization_steps(self, replica: int = 0, **options: float) -> NDArray[np.float64]:
        """Times at which the specialization of one replica rises fastest (docs/theory, section 6.4).

        Parameters
        ----------
        replica : int, default 0
            One of those that are kept one by one.
        **options : float
            ``smoothing``, ``height`` of :func:`onlinemode.observables.specialization_steps`.

        Returns
        -------
        array of floats
            The α of each step, ascending.

        Raises
        ------
        ParameterError
            If the replica is not kept, or an option is out of range.
        """
        replica = checks.integer("replica", replica, 0, self.draws - 1)
        return observables.specialization_steps(self.alpha, self.specialization[replica], **options)

    def specialized_at(self, level: float = 0.5) -> NDArray[np.float64]:
        """Times at which the specialization first reaches a level, linear between the saved times.

        Parameters
        ----------
        level : float, default 0.5
            What the specialization has to reach.

        Returns
        -------
        array (draws,)
            The α of each draw; NaN where it never does.
        """
        return observables.first_time(self.alpha, self.specialization, level)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the run to an .npz file (no pickle), whole or not at all.

        For readers in other languages it holds Q, R, generalization_error and specialization, too, where Q and R
        have no more than 2^22 entries.  :func:`onlinemode.load` computes them from the other arrays.

        Parameters
        ----------
        path : str or path
            Of the file; one that is there is replaced.

        Raises
        ------
        FileError
            If the file cannot be written.
        """
        header = {"problem": self.problem.to_dict(), "status": [s.value for s in self.status],
                  "message": list(self.message), "meta": self.meta, "format": FORMAT}
        arrays = {"alpha": self.alpha, **{name: getattr(self, name) for name in OVERLAPS}}
        arrays |= {name: getattr(self, name) for name in BESIDE if getattr(self, name) is not None}
        if self.summary is not None:
            arrays |= self.summary.to_arrays()
        arrays |= start_arrays(self.initial, self.starts, self.weights, self.begin, self.initial_resolved)
        if self.groups is not None:
            arrays |= self.groups.to_arrays()
        if self.end is not None:
            arrays |= self.end.to_arrays("end_")
        o = self.initial
        if self.draws * len(self.alpha) * o.K * (o.K + o.M) <= MOST_DERIVED:
            arrays |= {name: getattr(self, name) for name in _DERIVED}
        write_archive(path, KIND, header, arrays)

    def to_csv(self, path: str | PathLike[str], theory: "Trajectory | None" = None) -> None:
        """Write one row a replica and saved time, for readers that know no .npz.

        Columns: replica, alpha, generalization_error (with its standard error where it was measured), specialization,
        where labels are signs classification_error, where the loss is not the squared one of real labels mean_loss,
        where there are tasks task_errors, Q, R, readout, and where they are trained strengths and xi_out; of a theory
        its generalization_error, specialization, classification_error, mean_loss, task_errors, Q and R with the prefix
        ``theory_``; then what is the same in all rows: T, unless it changes and is a column above, teacher_readout and
        the parameters of the run.  Indices count from 0, as in Python.

        Parameters
        ----------
        path : str or path
            Of the file; one that is there is replaced.
        theory : Trajectory, optional
            At the same times.

        Raises
        ------
        FileError
            If the file cannot be written.
        ParameterError
            If the theory has other times or sizes.
        """
        if theory is not None:
            checks.instance("theory", theory, Trajectory)
        write_csv(path, self, theory)

    def to_xarray(self, observables: Iterable[str] | None = None) -> "xarray.Dataset":
        """The run as labelled arrays, copies of its own (docs/howto/labelled.md).

        Dimensions are replica, only where several are kept, then alpha, then those of units and modes.  T,
        teacher_readout, status and message are always there; with ``keep="summary"`` so are ``count`` and, of each
        observable, ``_mean``, ``_sd`` and ``_quantile`` over all replicas.  What made the run is in ``attrs``.

        Parameters
        ----------
        observables : sequence of str, optional
            Some of generalization_error (with its standard error where it was measured), specialization,
            classification_error, mean_loss, task_errors, unit_margins, mode_residuals, Q, R, rho, G, S, strengths,
            xi_out, readout.  Default: all that the run has; the classification error where labels are signs, the mean
            loss where the loss is not the squared one of real labels.

        Returns
        -------
        xarray.Dataset
            With long names, and what the run has under its usual names.

        Raises
        ------
        MissingPackageError
            If xarray is not installed.
        ParameterError
            If there is no such observable, or this run does not have it.
        """
        return labelled.dataset(self, observables)

    def to_dataframe(self, observables: Iterable[str] | None = None) -> "pandas.DataFrame":
        """The run as a table, one row a replica and saved time.

        Columns: replica, only where several are kept, alpha, then one for every entry: R_0_1 is that of student
        unit 0 and teacher unit 1.

        Parameters
        ----------
        observables : sequence of str, optional
            Those of :meth:`to_xarray`.  Default: generalization_error and specialization, and of the
            classification error and the mean loss those of :meth:`to_xarray`.

        Returns
        -------
        pandas.DataFrame
            Rows are in the order of the replicas, then of time.

        Raises
        ------
        MissingPackageError
            If pandas is not installed.
        ParameterError
            If there is no such observable, or this run does not have it.
        """
        return labelled.dataframe(self, observables)


def _first_to_last(values):
    finite = values[np.isfinite(values)]
    return f"{finite[0]:.4g} → {finite[-1]:.4g}" if finite.size else "not finite"
