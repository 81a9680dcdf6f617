"""What an engine is: its options, what it can do, and how it is called.

Light, so that the command line can say what the options are before anything heavy is imported.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

DEVICES = ("cpu", "cuda", "auto")


@dataclass(frozen=True)
class Choice:
    """One of a few names.

    Parameters
    ----------
    names : tuple of str
        Which.
    """

    names: tuple[str, ...]

    def checked(self, name: str, value: Any) -> Any:
        """The value, if it is right.

        Parameters
        ----------
        name : str
            Of the option, for the message.
        value : object
            What was given.

        Returns
        -------
        str
            The value.

        Raises
        ------
        ParameterError
            If it is none of the names.
        """
        from onlinemode import checks

        return checks.choice(name, value, self.names)


@dataclass(frozen=True)
class Device(Choice):
    """Where a run is made.

    Parameters
    ----------
    names : tuple of str, default ("cpu", "cuda", "auto")
        Which.
    """

    names: tuple[str, ...] = DEVICES

    def checked(self, name: str, value: Any) -> Any:
        """The value, if it is right.

        Parameters
        ----------
        name : str
            Of the option, for the message.
        value : object
            What was given.

        Returns
        -------
        str
            The value.

        Raises
        ------
        EngineError
            If it is none of the names.
        """
        from onlinemode import checks
        from onlinemode.errors import EngineError

        if not isinstance(value, str) or value not in self.names:
            raise EngineError(f"device must be one of {', '.join(self.names)}; got {checks.one_line(value)}")
        return value


@dataclass(frozen=True)
class Whole:
    """A whole number.

    Parameters
    ----------
    minimum : int
        The least.
    maximum : int, optional
        The largest; by default any.
    """

    minimum: int
    maximum: int | None = None

    def checked(self, name: str, value: Any) -> int:
        """The value, if it is right.

        Parameters
        ----------
        name : str
            Of the option, for the message.
        value : object
            What was given.

        Returns
        -------
        int
            The value.

        Raises
        ------
        ParameterError
            If it is no such number.
        """
        from onlinemode import checks

        return checks.integer(name, value, self.minimum, self.maximum)


@dataclass(frozen=True)
class PowerOfTwo:
    """A power of two in a range.

    Parameters
    ----------
    minimum, maximum : int
        Ends of the range, both counted.
    """

    minimum: int
    maximum: int

    def checked(self, name: str, value: Any) -> int:
        """The value, if it is right.

        Parameters
        ----------
        name : str
            Of the option, for the message.
        value : object
            What was given.

        Returns
        -------
        int
            The value.

        Raises
        ------
        ParameterError
            If it is no such number.
        """
        from onlinemode import checks

        return checks.power_of_two(name, value, self.minimum, self.maximum)


@dataclass(frozen=True)
class Positive:
    """A number above 0.

    Parameters
    ----------
    minimum, maximum : float, optional
        The least and the largest; by default any.
    """

    minimum: float | None = None
    maximum: float | None = None

    def checked(self, name: str, value: Any) -> float:
        """The value, if it is right.

        Parameters
        ----------
        name : str
            Of the option, for the message.
        value : object
            What was given.

        Returns
        -------
        float
            The value.

        Raises
        ------
        ParameterError
            If it is no such number.
        """
        from onlinemode import checks

        above = 0.0 if self.minimum is None else None
        return checks.number(name, value, self.minimum, above=above, maximum=self.maximum)


def option(kind: Choice | Whole | PowerOfTwo | Positive, default: Any, help: str, usual: str | None = None) -> Any:
    """A field of an engine's options.

    Parameters
    ----------
    kind : Choice, Whole, PowerOfTwo or Positive
        What values it takes.
    default : object
        None where it depends on the problem or the machine.
    help : str
        One line, as ``onlinemode simulate --help`` shows it.
    usual : str, optional
        What to show as the default where that is None.

    Returns
    -------
    dataclasses.Field
        For a class of :class:`Options`.
    """
    return field(default=default, metadata={"kind": kind, "help": help, "usual": usual or str(default)})


@dataclass(frozen=True)
class Options:
    """The options that one engine has, a dataclass of :func:`option`; each is checked where it is given."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None or each.default is not None:
                object.__setattr__(self, each.name, each.metadata["kind"].checked(each.name, value))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all options.

        Returns
        -------
        tuple of str
            In their order.
        """
        return tuple(each.name for each in fields(cls))

    @classmethod
    def kinds(cls) -> dict[str, Any]:
        """What values each option takes.

        Returns
        -------
        dict
            Name to :class:`Choice`, :class:`Whole`, :class:`PowerOfTwo` or :class:`Positive`.
        """
        return {each.name: each.metadata["kind"] for each in fields(cls)}


@dataclass(frozen=True)
class Capabilities:
    """What tells engines apart for those who call them.

    Attributes
    ----------
    theory : bool
        It integrates the mean-field equations: no steps, no samples, one replica a start, and its
        saved times are no whole steps.
    makes_vectors : bool
        Its state is N-dimensional, and kept where it is asked for alone.
    checkpoints : bool
        An unfinished run can be written to a file and resumed.
    inputs : {"any", "independent", "gaussian"}
        For which it holds: any, those with i.i.d. entries, or Gaussian ones alone.
    eigenvalues : int, optional
        How many different ones their covariance may have; by default any number.
    least_N : int, default 1
        The smallest number of inputs for which it holds.
    """

    theory: bool = False
    makes_vectors: bool = False
    checkpoints: bool = True
    inputs: str = "any"
    eigenvalues: int | None = None
    least_N: int = 1

    def require_N(self, name: str, N: int) -> None:
        """Raise EngineError for a number of inputs below the least.

        Parameters
        ----------
        name : str
            Of the engine.
        N : int
            Number of inputs.

        Raises
        ------
        EngineError
            If it is too small.
        """
        from onlinemode.errors import EngineError

        if N < self.least_N:
            raise EngineError(f"engine {name} approximates the chain for large N, and needs N ≥ {self.least_N:,}; got "
                              f"{N:,}: use engine chain, which is exact at any N")


@dataclass(frozen=True)
class Call:
    """Some of the replicas of a call of :func:`onlinemode.simulate`, with its checked arguments.

    Attributes
    ----------
    problem : Problem
        What is learned and how.
    starts : list
        Weights, OrderParameters or ReplicaState, one for each of these replicas.
    first_replica, replicas : int
        Number of the first of them, and how many the whole call has.
    alpha : float
        Last time.
    N : int or None
        Number of inputs.
    seed : int
        Key of the random samples.
    save_at : int or array
        As there.
    progress : callable or None
        As there.
    checkpoint : Checkpoint or None
        Where the unfinished run is written.
    store_final : bool
        As there.
    stop : uint8 array (1,)
        Not 0 after Ctrl-C: the engine then returns what it has.
    """

    problem: Any
    alpha: float
    N: int | None
    seed: int
    replicas: int
    save_at: Any
    progress: Callable | None
    stop: Any
    checkpoint: Any = None
    store_final: bool = False
    starts: list[Any] = field(default_factory=list)
    first_replica: int = 0


@dataclass(frozen=True)
class Engine:
    """An engine, as :func:`onlinemode.engines.get_engine` gives it.

    Attributes
    ----------
    name : str
        As users write it.
    Options : type
        A subclass of :class:`Options`.
    capabilities : Capabilities
        What it can do.
    run : callable
        ``run(call, options)`` makes the replicas of a Call and returns a Trajectory, whose RunInfo lacks what
        :func:`onlinemode.simulate` knows.
    at_the_end : callable, optional
        ``at_the_end(states, N)`` gives ReplicaStates of which no step is to be made again, where the engine
        keeps states that are some steps old.
    """

    name: str
    Options: type[Any]
    capabilities: Capabilities
    run: Callable
    at_the_end: Callable = lambda states, N: states
