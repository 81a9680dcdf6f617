"""An experiment: everything that makes a run, by name and as plain values; its defaults stand here alone."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from onlinemode import checks
from onlinemode.activations import Activation, from_plain, word_or_value
from onlinemode.engines import ENGINES, capabilities_of, options_of
from onlinemode.errors import EngineError, ParameterError
from onlinemode.losses import LABELS, loss_of
from onlinemode.schedules import Schedule, schedule_of, to_plain
from onlinemode.task_options import HEADS, PROTOCOL, TASKS, TEACHERS, arguments_of, refuse_without_tasks, tasks_of

if TYPE_CHECKING:
    from onlinemode.beside import Theory
    from onlinemode.initial import Start
    from onlinemode.problem import Problem
    from onlinemode.state import OrderParameters
    from onlinemode.trajectory import Trajectory

OPTIONS_OF = {name: options_of(name).names() for name in ENGINES}
SIMULATED = tuple(name for name in ENGINES if not capabilities_of(name).theory)  # the engines at finite N
ACTIVATIONS = ("activation", "teacher_activation")
SCHEDULED = ("eta", "eta_strengths", "eta_xi_out", "eta_readout", "noise", "weight_decay", "flips", "dropout",
             "mode_dropout")  # may depend on α
OF_EACH_TASK = ("shares", "task_noise")  # a sequence of such numbers
DRAWN = ("init", "K", "M", "P", "readout", "student_size", *TEACHERS, "fresh_students")  # of student and teacher
OF_START = ("engine", "N", "seed", "inputs", "overlaps", *DRAWN, *PROTOCOL)  # all that a start depends on
CHOICES = {"engine": ENGINES, "init": ("showcase", "paper", "committee", "graded", TASKS),
           "readout": ("mean", "sum", "sqrt"), "overlap_of": ("features", "readouts", "units"),
           "keep": ("all", "summary"), "labels": LABELS, "constraint": ("sphere",),
           **{name: kind.names for each in ENGINES for name, kind in options_of(each).kinds().items()
              if hasattr(kind, "names")}}
VECTORS_UP_TO = 10**8  # entries of all weight vectors; beyond, ode and chain draw the overlaps alone


@dataclass(frozen=True, repr=False)
class Experiment:
    """Everything that makes a run, by the names that the options of the command line have.

    It can be varied (:meth:`replace`), run (:meth:`run`), swept (:func:`onlinemode.sweep`), compared with theory
    (:func:`onlinemode.compare`), and sent to another process. Names are checked here, whatever their capitals; numbers
    by :meth:`check` and where they are used.

    Parameters
    ----------
    alpha : float, default 80
        Last time, in steps/N.
    engine : {"micro", "chain", "leap", "ode"}, default "micro"
        SGD on N-vectors, the exact chain of the overlaps, its diffusion approximation for large N, or the mean-field
        equations.
    init : {"showcase", "paper", "committee", "graded", "tasks"}, default "showcase"
        How student and teacher are drawn: a function of ``onlinemode.initial``.
    N : int, default 10000
        Number of inputs.
    K : int, default 3
        Hidden units of the student.
    M : int, optional
        Hidden units of the teacher; by default K.  Of "tasks" those of ``task_units``.
    P : int, optional
        Number of modes; by default K, and ⌊ln N⌋ of "paper".
    readout : {"mean", "sum", "sqrt"}, default "mean"
        Second layers: 1/K, 1 or 1/√K for each unit.
    student_size : float, optional
        Size of the student's initial modes; by default that of ``init``.
    tasks : int, optional
        Of init "tasks": how many; by default as many as the options below speak of, or 2.
    task_units : int, optional
        Hidden units of the teacher in each task; by default 1.
    overlap : float, optional
        Of any two tasks; by default 0.5.
    overlap_of : {"features", "readouts", "units"}, optional
        What overlaps: see :func:`onlinemode.initial.tasks`; by default features.
    head_size : float, optional
        Standard deviation of the entries of the student's readouts; by default they are what ``readout`` says.
    fresh_students : bool, default False
        Another student for every replica, from the same teacher.
    overlaps : OrderParameters, optional
        What to begin from; nothing is drawn then.
    seed : int, default 0
        Of the initial weights and of the samples.
    activation : str or Activation, default "erf"
        Of both networks: a word, as ``--activation`` takes it, or a value.
    teacher_activation : str or Activation, optional
        By default that of the student.
    eta, eta_strengths, eta_xi_out, eta_readout : float, str, callable or Schedule, default 3, 0, 0, 0
        Learning rates of the input modes, the strengths, the output modes and the second layer: numbers, or schedules,
        such as "power:3,10,-1".
    noise : float, str, callable or Schedule, default 0
        Standard deviation of the label noise.
    weight_decay : float, str, callable or Schedule, default 0
        Decay κ of the input modes.
    loss : str, default "squared"
        Of one sample: a word, as ``--loss`` takes it.
    labels : {"real", "sign"}, default "real"
        What the teacher says, or its sign.
    flips : float, str, callable or Schedule, default 0
        Probability that a sign is negated.
    constraint : {"sphere"}, optional
        Whether every input mode keeps its length.
    dropout, mode_dropout : float, str, callable or Schedule, default 0
        Probability that a sample leaves out a hidden unit, or a mode.
    drift : float, default 0
        Rate δ at which the directions of the teacher drift.
    drift_every : int, default 1
        Steps between two moves of a teacher that drifts.
    heads : {"one", "own"} or sequence of int, optional
        Whether one readout answers to all tasks, or each has its own; or of each task the number of its head.
    turns : sequence of int, optional
        Numbers of the tasks, from 0, in the order in which they are learned; by default 0, 1, ..., and again.
    switch_at : float or sequence of float, optional
        The α at which each turn but the last one ends.  By default all tasks are mixed evenly.
    switch_below : float or sequence of float, optional
        In place of ``switch_at``: the ε_g of its task below which each turn but the last one ends.
    replay_every, replay_for : float, optional
        After ``switch_at``: at the end of every period of α the first of two tasks comes back for so long.
    shares : sequence of float, str, callable or Schedule, optional
        In place of turns: of each task, how often a sample is drawn from it.
    task_noise : sequence of float, str, callable or Schedule, optional
        Of each task, the standard deviation of its label noise; by default ``noise``.
    batch : int, default 1
        Samples a step.
    inputs : str, default "gaussian"
        In words, as ``--inputs`` takes them: "rademacher", "power-law:1.0", "images.npy", ...
    replicas : int, default 1
        Runs with different samples.
    keep : {"all", "summary"}, default "all"
        "summary": of all replicas but five only the statistics.
    quantiles : sequence of float, optional
        Probabilities of the quantiles over replicas; by default 0.025, 0.25, 0.5, 0.75, 0.975.
    save_at : int or sequence of float, default 200
        A count of saved times, log-spaced, or the times.
    precision : {"float64", "float32"}, default "float64"
        Of micro.
    device : {"cpu", "cuda", "auto"}, default "cpu"
        Of micro and chain.
    threads : int, optional
        Of micro, chain and leap; by default the machine's cores.
    test_samples : int, optional
        Of micro: fresh samples that measure ε_g.
    kick_samples : int, optional
        Of leap: samples from which the noise of a leap comes; by default 16, of polynomials 256.
    method : {"LSODA", "DOP853", "RK45", "Radau", "BDF", "exponential"}, optional
        Solver of ode, as are the next seven those of ode, also where it is the theory beside a simulation.
    rtol, atol : float, optional
        Its tolerances.
    averages : {"closed", "nodes"}, optional
        How averages are taken; by default in closed form, and over nodes where none is known.
    nodes, node_seed : int, optional
        Quadrature nodes, and their seed.
    spectral_nodes : int, optional
        At most so many eigenvalues of the inputs' covariance are followed.
    corrections : {"auto", "on", "off"}, optional
        Terms of order 1/N where inputs have few directions.
    resolve : int, optional
        Also save the overlaps in at most so many groups of these eigenvalues.

    Raises
    ------
    ParameterError
        If a name is none of those above.
    """

    alpha: float = 80.0
    engine: str = "micro"
    init: str = "showcase"
    N: int | None = 10_000
    K: int = 3
    M: int | None = None
    P: int | None = None
    readout: str = "mean"
    student_size: float | None = None
    tasks: int | None = None
    task_units: int | None = None
    overlap: float | None = None
    overlap_of: str | None = None
    head_size: float | None = None
    fresh_students: bool = False
    overlaps: "OrderParameters | None" = None
    seed: int = 0
    activation: str | Activation = "erf"
    teacher_activation: str | Activation | None = None
    eta: float | str | Callable | Schedule = 3.0
    eta_strengths: float | str | Callable | Schedule = 0.0
    eta_xi_out: float | str | Callable | Schedule = 0.0
    eta_readout: float | str | Callable | Schedule = 0.0
    noise: float | str | Callable | Schedule = 0.0
    weight_decay: float | str | Callable | Schedule = 0.0
    loss: str = "squared"
    labels: str = "real"
    flips: float | str | Callable | Schedule = 0.0
    constraint: str | None = None
    dropout: float | str | Callable | Schedule = 0.0
    mode_dropout: float | str | Callable | Schedule = 0.0
    drift: float = 0.0
    drift_every: int = 1
    heads: str | tuple[int, ...] | None = None
    turns: tuple[int, ...] | None = None
    switch_at: float | tuple[float, ...] | None = None
    switch_below: float | tuple[float, ...] | None = None
    replay_every: float | None = None
    replay_for: float | None = None
    shares: tuple[float | str | Schedule, ...] | None = None
    task_noise: tuple[float | str | Schedule, ...] | None = None
    batch: int = 1
    inputs: str = "gaussian"
    replicas: int = 1
    keep: str = "all"
    quantiles: tuple[float, ...] | None = None
    save_at: int | tuple[float, ...] = 200
    precision: str = "float64"
    device: str = "cpu"
    threads: int | None = None
    test_samples: int | None = None
    kick_samples: int | None = None
    method: str | None = None
    rtol: float | None = None
    atol: float | None = None
    averages: str | None = None
    nodes: int | None = None
    node_seed: int | None = None
    spectral_nodes: int | None = None
    corrections: str | None = None
    resolve: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if hasattr(value, "tolist") and value.tolist() is not None:  # of NumPy, and neither masked nor no date
                value = value.tolist()
            if isinstance(value, list):
                value = tuple(value)
            if each.name in CHOICES and value is not each.default:
                value = checks.choice(each.name, checks.spelled(value, CHOICES[each.name]), CHOICES[each.name])
            if each.name in ACTIVATIONS and value is not each.default:
                value = word_or_value(value, each.name)
            if each.name in SCHEDULED and not isinstance(value, (int, float)):
                value = self._schedule(each.name, value)
            if each.name == "loss" and value is not each.default:
                value = loss_of(value).word
            if each.name in PROTOCOL and value is not None:
                value = self._of_protocol(each.name, value)
            object.__setattr__(self, each.name, value)
        if not isinstance(self.inputs, str):
            raise ParameterError("inputs must be words, such as 'rademacher' or 'images.npy'; got "
                                 f"{checks.one_line(self.inputs)}: for an object of onlinemode.inputs call "
                                 "onlinemode.simulate")
        checks.flag("fresh_students", self.fresh_students)
        if self.overlaps is not None:
            from onlinemode.state import OrderParameters

            checks.instance("overlaps", self.overlaps, OrderParameters)

    def _of_protocol(self, name, value):
        """As a tuple, with schedules as words or tables; one time as a number, and heads in words as they are."""
        if name == "heads" and isinstance(value, str):
            return checks.choice(name, checks.spelled(value, HEADS), HEADS)
        if name in ("switch_at", "switch_below", "replay_every", "replay_for"):
            return value[0] if isinstance(value, tuple) and len(value) == 1 else value
        if not isinstance(value, tuple):
            words = "be numbers of tasks, as (0, 1, 0)" if name == "turns" else "have an entry a task, as (0, 1)"
            raise ParameterError(f"{name} must {words}; got {checks.one_line(value)}")
        if name in OF_EACH_TASK:
            return tuple(each if isinstance(each, (int, float)) else self._schedule(name, each) for each in value)
        return tuple(checks.integer(f"an entry of {name}", each, 0) for each in value)

    def _schedule(self, name, value):
        """As a word, or of a function its table, which reaches the last time: so it is plain."""
        value = schedule_of(value, name)
        if not isinstance(value, Schedule):
            return value
        return value.word or value.sampled(checks.number("alpha", self.alpha, above=0.0))

    def __repr__(self) -> str:
        changed = (each.name for each in fields(self) if getattr(self, each.name) != each.default)
        return f"Experiment({', '.join(f'{name}={getattr(self, name)!r}' for name in changed)})"

    def replace(self, **changes: Any) -> "Experiment":
        """The same experiment with some values changed.

        Parameters
        ----------
        **changes
            New values, by name.

        Returns
        -------
        Experiment
            A new one.

        Raises
        ------
        ParameterError
            If a name is not one of an experiment, or a value is not one of its names.
        """
        known = [each.name for each in fields(self)]
        for name in changes:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
                raise ParameterError(f"an experiment has no {name!r}; {hint}")
        return replace(self, **changes)

    def problem(self) -> "Problem":
        """What is learned and how.

        Returns
        -------
        Problem
            As :func:`onlinemode.simulate` takes it.

        Raises
        ------
        ParameterError, FileError
            If a number is out of range, or the inputs cannot be had.
        """
        from onlinemode.inputs import parse
        from onlinemode.problem import LearningRates, Problem

        rates = LearningRates(xi_in=self.eta, strengths=self.eta_strengths, xi_out=self.eta_xi_out,
                              readout=self.eta_readout)
        return Problem(activation=self.activation, noise=self.noise, weight_decay=self.weight_decay, batch=self.batch,
                       rates=rates, inputs=parse(self.inputs), teacher_activation=self.teacher_activation,
                       loss=self.loss, labels=self.labels, flips=self.flips, constraint=self.constraint,
                       dropout=self.dropout, mode_dropout=self.mode_dropout, drift=self.drift,
                       drift_every=self.drift_every, tasks=tasks_of(vars(self), self.overlaps))

    def start(self, vectors: bool | None = None) -> "Start | Callable[[int], Start]":
        """What the run begins from; with ``fresh_students`` a function that draws it for one replica.

        Parameters
        ----------
        vectors : bool, optional
            True: Weights; False: overlaps, from their exact law.  By default Weights for micro, and for chain
            and ode up to some 10^7 inputs. Given overlaps are what they are.

        Returns
        -------
        Weights, OrderParameters, ResolvedOverlaps or callable
            As :func:`onlinemode.simulate` takes it. Without vectors the eigenvalues of the inputs' covariance must be
            few.

        Raises
        ------
        ParameterError
            If a number is out of range, or one that this start does not have.
        EngineError, FileError
            If the inputs cannot be had.
        """
        return self._start(vectors, resolved=True)

    def _start(self, vectors: bool | None, resolved: bool) -> "Start | Callable[[int], Start]":
        """The same; without ``resolved`` overlaps are those of inputs with independent entries."""
        from onlinemode import initial

        if self.overlaps is not None:
            return self.overlaps
        draw = getattr(initial, self.init)
        arguments: dict[str, Any] = {"seed": self.seed, "readout": self.readout}
        if self.init == TASKS:
            if self.M is not None:
                raise ParameterError(f"the tasks start has task_units in each task; got M = {self.M}: leave M out")
            arguments |= arguments_of(vars(self))
        else:
            refuse_without_tasks(vars(self), TEACHERS)
            arguments["M"] = self.M
        N, K = checks.inputs(self.N), checks.integer("K", self.K, 1, initial.MAX_UNITS)
        if self.init in ("showcase", "paper"):
            arguments["P"] = self.P
        elif self.P is not None and checks.integer("P", self.P, 1) != K:
            raise ParameterError(f"the {self.init} start trains W itself, so P is K = {K}; got {self.P}: leave P out")
        if self.student_size is not None:
            if self.init == "paper":
                raise ParameterError(f"the paper start fixes the size of the student; got student_size = "
                                     f"{self.student_size}: leave it out")
            arguments["student_size"] = self.student_size
        if vectors is None:
            vectors = capabilities_of(self.engine).makes_vectors or 4 * N * K <= VECTORS_UP_TO
        arguments |= {"N": N, "K": K, "weights": vectors}
        if vectors:
            from onlinemode.inputs.words import latent_columns

            arguments["teacher_columns"] = latent_columns(self.inputs, N)
        elif resolved:
            from onlinemode.inputs import parse

            arguments["inputs"] = parse(self.inputs)
        if self.fresh_students:
            return lambda replica: draw(**arguments, student_seed=replica)
        return draw(**arguments)

    def options(self, engine: str | None = None) -> dict:
        """The options of an engine that have a value.

        Parameters
        ----------
        engine : {"micro", "chain", "leap", "ode"}, optional
            By default the experiment's own.

        Returns
        -------
        dict
            Name to value.

        Raises
        ------
        ParameterError
            If there is no such engine.
        """
        names = OPTIONS_OF[checks.choice("engine", self.engine if engine is None else engine, CHOICES["engine"])]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def call(self) -> dict:
        """The arguments of :func:`onlinemode.simulate` but problem and start.

        Returns
        -------
        dict
            Name to value.

        Raises
        ------
        EngineError
            If an option is given that the engine does not have.
        """
        of_simulations = {name for each in SIMULATED for name in OPTIONS_OF[each]}
        for name in sorted(of_simulations - {"threads"} - set(OPTIONS_OF[self.engine])):
            if getattr(self, name) != getattr(Experiment, name):
                raise EngineError(f"engine {self.engine} has no option {name!r}; leave it out")
        names = ("alpha", "engine", "N", "seed", "replicas", "keep", "save_at")
        quantiles = {} if self.quantiles is None else {"quantiles": self.quantiles}
        return {name: getattr(self, name) for name in names} | quantiles | self.options()

    def check(self) -> None:
        """Raise an error for what can be known to be wrong before the run; overlaps alone are drawn for it.

        Raises
        ------
        ParameterError, EngineError, FileError
            As :meth:`run` would raise them.
        """
        from onlinemode.ensemble import quantile_levels
        from onlinemode.inputs import require_few_eigenvalues, require_inputs
        from onlinemode.runtime.saved_times import save_times
        from onlinemode.simulation import MAX_REPLICAS, MAX_SEED, check_alpha
        from onlinemode.theory.spectral import require_theory

        if self.N is not None:
            checks.inputs(self.N)
        checks.integer("seed", self.seed, 0, MAX_SEED)
        check_alpha(self.alpha)
        checks.integer("replicas", self.replicas, 1, MAX_REPLICAS)
        if self.quantiles is not None:
            quantile_levels(self.quantiles)
        can = capabilities_of(self.engine)
        save_times(self.save_at, self.alpha, self.N, whole_steps=not can.theory)
        problem = self.problem()
        require_inputs(problem.inputs, self.engine, can.inputs)
        if can.eigenvalues is not None and self.N is not None:
            require_few_eigenvalues(problem.inputs, self.engine, can.eigenvalues, self.N)
        if self.N is not None:
            can.require_N(self.engine, self.N)
        if can.theory:
            require_theory(problem)
        self.call()
        for name in (self.engine, *(each for each in ENGINES if capabilities_of(each).theory)):
            options_of(name)(**self.options(name))
        outline_of(self)

    def run(self, progress: "Callable | bool | None" = None,
            start: "Start | Callable[[int], Start] | None" = None, **options: Any) -> "Trajectory":
        """Run it.

        Parameters
        ----------
        progress : bool or callable, optional
            As in :func:`onlinemode.simulate`.
        start : Weights, OrderParameters, ResolvedOverlaps or callable, optional
            By default :meth:`start`; one that several runs have in common need not be drawn for each of them.
        **options
            Others of :func:`onlinemode.simulate`: ``checkpoint``, ``store_weights``, ``store_final``, ...

        Returns
        -------
        Trajectory
            As :func:`onlinemode.simulate` returns it.

        Raises
        ------
        ParameterError, EngineError, FileError
            If a value is out of range or not one that the engine understands, or a file cannot be read or written.
        """
        from onlinemode.simulation import simulate

        call = self.call()
        start = self.start() if start is None else start
        return simulate(self.problem(), start, progress=progress, **call, **options)

    def theory(self, with_noise: bool = False, start: "Start | Callable[[int], Start] | None" = None) -> "Theory":
        """The mean-field equations beside this run: ``begin()`` them, run, and take their ``result()``.

        Parameters
        ----------
        with_noise : bool, default False
            Also follow the linear-noise theory.
        start : Weights, OrderParameters, ResolvedOverlaps or callable, optional
            By default :meth:`start`.

        Returns
        -------
        Theory
            Not begun yet.

        Raises
        ------
        ParameterError, EngineError
            If a number is out of range, or the equations do not hold for these inputs.
        """
        from onlinemode.beside import Theory
        from onlinemode.theory.spectral import require_theory

        problem = self.problem()
        require_theory(problem)
        start = self.start() if start is None else start
        return Theory(problem, start, self.call(), self.options("ode"), with_noise)

    def describe(self, without: Sequence[str] = ()) -> str:
        """One line about the run, as titles of pictures have it: start, sizes, activation, rates, seed.

        Parameters
        ----------
        without : sequence of str, default ()
            Names to leave out.

        Returns
        -------
        str
            Without a line break.

        Raises
        ------
        ParameterError
            If ``without`` are no names.
        """
        if checks.entries(without) is None:
            raise ParameterError(f"without must be names, such as ('N', 'eta'); got {checks.one_line(without)}")
        values = dict(vars(self))
        if self.overlaps is not None:
            values |= {"init": "given overlaps", "fresh_students": False}
        return describe(values, outline_of(self), without)

    def to_dict(self) -> dict:
        """All values as JSON knows them.

        Returns
        -------
        dict
            Name to value; overlaps as a dict of lists.
        """
        values = dict(vars(self))
        if self.overlaps is not None:
            values["overlaps"] = {each.name: getattr(self.overlaps, each.name).tolist()
                                  for each in fields(self.overlaps)}
        return {name: [to_plain(each) for each in value] if isinstance(value, tuple) else to_plain(value)
                for name, value in values.items()}

    @classmethod
    def from_dict(cls, saved: dict) -> "Experiment":
        """The inverse of :meth:`to_dict`.

        Parameters
        ----------
        saved : dict
            Names that are missing have their defaults.

        Returns
        -------
        Experiment
            Equal to the one that was saved.

        Raises
        ------
        ParameterError
            If a name is not one of an experiment.
        """
        checks.instance("saved", saved, dict)
        if saved.get("overlaps") is not None:
            from onlinemode.state import OrderParameters

            saved = {**saved, "overlaps": OrderParameters(**saved["overlaps"])}
        saved = saved | {name: from_plain(saved[name]) for name in ACTIVATIONS if name in saved}
        return cls().replace(**{str(name): value for name, value in saved.items()})


def outline_of(experiment: Experiment) -> "Start":
    """Overlaps of its sizes, soon drawn: as of inputs with independent entries."""
    return first_of(experiment._start(vectors=False, resolved=False))


def first_of(start: "Start | Callable[[int], Start]") -> "Start":
    """The start of replica 0, whose sizes are those of all."""
    return start(0) if callable(start) else start


def describe(values: dict[str, Any], sizes: "Start", without: Sequence[str] = ()) -> str:
    """One line about a run, as titles of pictures have it.

    Parameters
    ----------
    values : dict
        By the names of an :class:`Experiment`.
    sizes : Weights, OrderParameters or ResolvedOverlaps
        Student and teacher.
    without : sequence of str
        Names to leave out.
    """
    words = {"init": values["init"] + ":", "N": "no N" if values["N"] is None else f"N = {values['N']:,}",
             **{name: f"{name} = {getattr(sizes, name)}" for name in "KMP"}, "activation": str(values["activation"])}
    if values.get("teacher_activation") not in (None, values["activation"]):
        words["activation"] += f", of the teacher {values['teacher_activation']}"
    if values.get("loss", Experiment.loss) != Experiment.loss:
        words["loss"] = f"loss {values['loss']}"
    if values.get("labels", Experiment.labels) != Experiment.labels:
        flips = f", flips {_shown(values['flips'])}" if values["flips"] else ""
        words["labels"] = f"labels {values['labels']}{flips}"
    if values.get("constraint") is not None:
        words["constraint"] = f"constraint {values['constraint']}"
    for symbol, name in (("η", "eta"), ("η_s", "eta_strengths"), ("η_A", "eta_xi_out"), ("η_v", "eta_readout"),
                         ("σ", "noise"), ("κ", "weight_decay")):
        if values[name] or name == "eta":
            words[name] = f"{symbol} = {_shown(values[name])}"
    for name in ("dropout", "mode_dropout"):
        if values.get(name):
            words[name] = f"{name.replace('_', ' ')} {_shown(values[name])}"
    if values.get("drift"):
        words["drift"] = f"drift {_shown(values['drift'])}"
        if values["drift_every"] > 1:
            words["drift"] += f" every {values['drift_every']:,} steps"
    if sizes.tasks is not None:
        words["tasks"] = f"{sizes.tasks} tasks"
        if values.get("overlap") is not None:
            of = "" if values["overlap_of"] is None else f" of {values['overlap_of']}"
            words["overlap"] = f"overlap {values['overlap']:g}{of}"
        tasks = tasks_of(values, sizes)
        if tasks is not None and not set(without) & {*PROTOCOL, "alpha"}:
            words["protocol"] = tasks.words
    if values["batch"] > 1:
        words["batch"] = f"batch {values['batch']}"
    for name, value in (("inputs", values["inputs"]), ("readout", _convention(sizes, values))):
        if value != getattr(Experiment, name):
            words[name] = f"{name} {value}"
    if values.get("fresh_students"):
        words["fresh_students"] = "fresh students"
    words["seed"] = f"seed {values['seed']}"
    shown = [text for name, text in words.items() if name not in without]
    return ", ".join(shown).replace(":,", ":", 1)


def _shown(value: "float | str | Schedule") -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _convention(sizes: "Start", values: dict[str, Any]) -> str:
    """Of the second layers, by its name; "own" where there is none that student and teacher agree with."""
    if sizes.tasks is not None:  # whose teacher has units that not all tasks need
        return values.get("readout", Experiment.readout)
    import numpy as np  # not needed for the help of commands

    from onlinemode.initial import readout_vector

    layers = (sizes.readout, sizes.teacher_readout)
    return next((kind for kind in CHOICES["readout"] if all(
        np.allclose(layer, readout_vector(kind, len(layer)), rtol=1e-12, atol=0.0) for layer in layers)), "own")
