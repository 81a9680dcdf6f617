"""What made a run, beside problem and start: engine, sizes, seed, times, versions."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from onlinemode import records

FORMAT = 2  # of a trajectory's file; 1 (version 0.1.0) does not say so, nor whether it is a theory


_WHOLE, _NUMBER, _TEXT = (records.or_nothing(kind) for kind in (records.whole, records.number, records.text))
_KINDS = {
    "N": _WHOLE, "theory": records.flag, "seed": records.whole,
    "device": records.text, "precision": records.one_of("float32", "float64"), "steps": records.list_of(records.whole),
    "steps_before": records.or_nothing(records.list_of(records.whole)), "seconds_compile": records.number,
    "seconds_run": records.number, "seconds_device": _NUMBER, "call": records.record, "start": records.record,
    "versions": records.record, "date": records.text, "method": _TEXT, "rtol": _NUMBER, "atol": _NUMBER,
    "evaluations": _WHOLE, "averages": _TEXT, "activation_error": _NUMBER, "nodes": _WHOLE, "node_seed": _WHOLE,
    "quadrature_error": _NUMBER, "test_samples": _WHOLE, "device_name": _TEXT,
    "spectral_nodes": _WHOLE, "spectral_error": _NUMBER, "participation": _NUMBER,
    "corrected": records.flag,
    "launch": records.or_nothing(records.record),
    "leaps": records.or_nothing(records.list_of(records.whole)),
    "halved_kicks": records.or_nothing(records.list_of(records.whole))}


FEW_DIRECTIONS = 20  # participation number below which runs differ from the mean-field equations at any N


def spectrum_words(info: "RunInfo") -> str | None:
    """What was resolved of the inputs' covariance, in a line; None where nothing was."""
    if info.participation is None:
        return None
    words = f"participation number {info.participation:.3g}, {info.spectral_nodes} "
    words += "eigenvalues" if info.spectral_error is None else f"nodes, ε_g right to {info.spectral_error:.1e}"
    few = f"; below {FEW_DIRECTIONS} the N → ∞ theory is not exact"
    few += f", here with terms of order 1/N at N = {info.N:,}" if info.corrected else ""
    return words + (few if info.participation < FEW_DIRECTIONS else "")


@dataclass(frozen=True)
class RunInfo:
    """How a :class:`onlinemode.Trajectory` came about.

    Attributes
    ----------
    engine : {"micro", "chain", "leap", "ode"}
        What made the run.
    N : int or None
        Number of inputs; None for a mean-field run from overlaps.
    theory : bool
        Whether these are the mean-field equations, and no simulation.
    seed : int
        Key of the random samples.
    device : {"cpu", "cuda"}
        Where it was made.
    precision : {"float64", "float32"}
        Of the N-dimensional weights.
    steps : list of int
        Steps made by each replica, counted from the beginning of the first piece of a run in pieces.
    steps_before : list of int, optional
        Those of the earlier pieces.
    seconds_compile, seconds_run : float
        To compile and to run.
    seconds_device : float, optional
        Of the kernels alone, where a device made them.
    call : dict
        The arguments of :func:`onlinemode.simulate`, from which :func:`onlinemode.repeat` makes the run again.
    start : dict
        How replicas began: ``kind`` ("weights", "overlaps", "resolved" or "states") and recipes.
    versions : dict
        Of the packages and of Python, and the machine.
    date : str
        ISO 8601, UTC.
    method : str, optional
        Solver of ode.
    rtol, atol : float, optional
        Its tolerances.
    evaluations : int, optional
        Of the right-hand side of ode.
    averages : str, optional
        How those of ode were taken: "erf", "linear", "relu", "sums of erfs", "linear student", "kinked units",
        "polynomials" or "nodes".
    activation_error : float, optional
        The largest difference of the sums of erfs from the activations that they stand for.
    nodes, node_seed : int, optional
        Quadrature nodes of ode, and their seed.
    quadrature_error : float, optional
        Error of the drift over these nodes, over its largest entry, measured with other ones: the largest at the first,
        a middle and the last saved time of the first start.
    spectral_nodes : int, optional
        Shares of ode, each at an eigenvalue of the inputs' covariance, or at a node of an interpolation between them.
    spectral_error : float, optional
        How far ε_g is from that with eight nodes more, relative to it: the largest over all saved times, of the first
        start; None where all eigenvalues are followed.
    participation : float, optional
        (Σω)²/Σω² of the eigenvalues ω of the inputs' covariance: the mean-field equations need a large one.
    corrected : bool
        Whether ode has added the terms of order 1/N of few directions.
    test_samples : int, optional
        Fresh samples that measured ε_g.
    device_name : str, optional
        Model of the device.
    launch : dict, optional
        The layout of the work on a device.
    leaps : list of int, optional
        Made by each replica of leap, whose ``steps`` are those of the chain that it leapt over.
    halved_kicks : list of int, optional
        How many of its kicks of noise were halved, since they led to overlaps that no vectors have.
    """

    engine: str
    N: int | None = None
    theory: bool = False
    seed: int = 0
    device: str = "cpu"
    precision: str = "float64"
    steps: list[int] = field(default_factory=list)
    steps_before: list[int] | None = None
    seconds_compile: float = 0.0
    seconds_run: float = 0.0
    seconds_device: float | None = None
    call: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    date: str = ""
    method: str | None = None
    rtol: float | None = None
    atol: float | None = None
    evaluations: int | None = None
    averages: str | None = None
    activation_error: float | None = None
    nodes: int | None = None
    node_seed: int | None = None
    quadrature_error: float | None = None
    spectral_nodes: int | None = None
    spectral_error: float | None = None
    participation: float | None = None
    corrected: bool = False
    test_samples: int | None = None
    device_name: str | None = None
    launch: dict[str, Any] | None = None
    leaps: list[int] | None = None
    halved_kicks: list[int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """All entries that are known, as they are saved.

        Returns
        -------
        dict
            By the names of the attributes, without those that are None; N always.
        """
        return {name: value for name, value in asdict(self).items() if value is not None or name == "N"}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`.

        Parameters
        ----------
        saved : dict
            Entries that there are no longer are left out.

        Returns
        -------
        RunInfo
            Of the saved run.

        Raises
        ------
        ValueError
            If an entry is missing or of another kind.
        """
        records.check(saved, {"engine": records.text}, _KINDS, "meta")
        names = {each.name for each in fields(cls)}
        saved = {"theory": saved["engine"] == "ode"} | {name: saved[name] for name in saved if name in names}
        return cls(**saved)
