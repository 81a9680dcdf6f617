"""Initial conditions: how a student and its teacher are drawn before learning.

Every function returns :class:`~onlinemode.Weights` (real N-vectors), or with ``weights=False``
:class:`~onlinemode.OrderParameters` drawn from the exact law of the overlaps of such vectors, at
any N and without making a vector (docs/theory, section 5.5).  The two are different draws of
one law.  For inputs with a covariance of few eigenvalues, ``inputs=..., weights=False`` draws
:class:`~onlinemode.ResolvedOverlaps`, the overlaps in each eigenspace (docs/theory, section 18.10).

``student_seed`` draws another student for the same teacher: ``lambda r: paper(30, student_seed=r)``
is a start that :func:`onlinemode.simulate` calls once a replica.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onlinemode import checks
from onlinemode.activations import Activation, activation_of
from onlinemode.checks import MAX_N
from onlinemode.errors import ParameterError
from onlinemode.inputs import Inputs, check_inputs
from onlinemode.linear_forms import committee_of, polynomial_of
from onlinemode.overlap_laws import Rows, isotropic, resolved
from onlinemode.resolved_overlaps import MOST_EIGENVALUES, ResolvedOverlaps, require_seen
from onlinemode.state import OrderParameters, Weights, check_covariance, symmetric
from onlinemode.task_banks import FEATURES, bank
from onlinemode.tasks import MOST as MOST_TASKS
from onlinemode.tasks import Tasks

READOUTS = ("mean", "sum", "sqrt")
TEACHERS = ("orthogonal", "random")
RECIPES = ("showcase", "paper", "committee", "graded", "polynomial_teacher", "tasks")  # that ``Weights.origin`` names
MAX_SIZE = 1e100  # of entries: overlaps have its square
MAX_UNITS = 10_000  # and modes: the overlaps alone have as many squared

COUNTED_UP_TO = 10**7  # inputs N up to which eigenvalues are counted one by one

Start = Weights | OrderParameters | ResolvedOverlaps


def readout_vector(kind: str, units: int) -> NDArray[np.float64]:
    """The second layer of a committee (docs/theory, section 1.4).

    Parameters
    ----------
    kind : {"mean", "sum", "sqrt"}
        Entries 1/K, 1 or 1/√K for K units.
    units : int
        Number of hidden units K.

    Returns
    -------
    array (K,)
        All entries the same.

    Raises
    ------
    ParameterError
        If there is no such convention, or ``units`` is no number of units.
    """
    checks.choice("readout", kind, READOUTS)
    units = checks.integer("units", units, 1, MAX_UNITS)
    value = {"mean": 1.0 / units, "sum": 1.0, "sqrt": 1.0 / math.sqrt(units)}[kind]
    return np.full(units, value)


def from_overlaps(Q: ArrayLike, R: ArrayLike, T: ArrayLike, readout: str | ArrayLike = "mean",
                  teacher_readout: str | ArrayLike | None = None) -> OrderParameters:
    """Order parameters of ordinary SGD on W from the overlaps Q, R, T of a paper's table.

    Ordinary SGD is the special case P = K, A = I, s = 1, so G = Q and S = R (docs/theory, section 1.4).

    Parameters
    ----------
    Q : array (K, K)
        Overlaps of the student's units, WWᵀ/N.
    R : array (K, M)
        Overlaps of student and teacher units, WBᵀ/N.
    T : array (M, M)
        Overlaps of the teacher's units, BBᵀ/N.
    readout : {"mean", "sum", "sqrt"} or array (K,), default "mean"
        Second layer of the student; see :func:`readout_vector`.
    teacher_readout : {"mean", "sum", "sqrt"} or array (M,), optional
        Of the teacher; by default the name given for ``readout``.

    Returns
    -------
    OrderParameters
        With G = Q and S = R.

    Raises
    ------
    ShapeError, OverlapError, ParameterError
        If the arrays do not fit, are not symmetric or are no covariance.
    """
    Q = checks.array("Q", Q, (None, None), symbols="(K, K)")
    K = Q.shape[0]
    Q = checks.array("Q", Q, (K, K), symbols="(K, K)")
    T = checks.array("T", T, (None, None), symbols="(M, M)")
    M = T.shape[0]
    T = checks.array("T", T, (M, M), symbols="(M, M)")
    R = checks.array("R", R, (K, M), symbols="(K, M)")
    if teacher_readout is None:
        if not isinstance(readout, str):
            raise ParameterError("teacher_readout must be given when readout is an array; got None")
        teacher_readout = readout
    v = readout_vector(readout, K) if isinstance(readout, str) else readout
    v_star = readout_vector(teacher_readout, M) if isinstance(teacher_readout, str) else teacher_readout
    Q, T = symmetric("Q", Q), symmetric("T", T)
    check_covariance("[[Q, R], [Rᵀ, T]]", np.block([[Q, R], [R.T, T]]))
    return OrderParameters(G=Q, S=R, T=T, strengths=np.ones(K), xi_out=np.eye(K), readout=v,  # type: ignore[arg-type]
                           teacher_readout=v_star)  # type: ignore[arg-type]


def paper(N: int, K: int = 8, M: int | None = None, P: int | None = None, seed: int = 0, readout: str = "mean",
          weights: bool = True, student_seed: int | None = None,
          teacher_columns: int | None = None, inputs: Inputs | None = None) -> Start:
    """The setting of Li and Huang, figure 4: student and teacher share output modes and strengths.

    Every entry of A, s, X and X* is drawn from N(0, 1)/(ln N)^(1/6); B = A diag(s) X* (docs/theory, section 5.1).

    Parameters
    ----------
    N : int
        Number of inputs, at least 3.
    K : int, default 8
        Hidden units of the student; the teacher, which shares A, has as many.
    M : int, optional
        Must equal K where given.
    P : int, optional
        Number of modes; by default ⌊ln N⌋.
    seed : int, default 0
        Of the weights, at least 0.
    readout : {"mean", "sum", "sqrt"}, default "mean"
        Second layers of student and teacher; see :func:`readout_vector`.
    weights : bool, default True
        False: overlaps alone, from their exact law; N up to 10^15, N ≥ 2P.
    student_seed : int, optional
        Draws the student's input modes from a generator of their own; everything else stays that of ``seed``.
    teacher_columns : int, optional
        How many numbers the teacher sees, by default N: see :meth:`Inputs.teacher_columns
        <onlinemode.inputs.Inputs.teacher_columns>`.
    inputs : Inputs, optional
        Of ``weights=False``: whose covariance resolves the overlaps; by default Ω = I.

    Returns
    -------
    Weights, OrderParameters or ResolvedOverlaps
        Of student and teacher.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    """
    N = checks.integer("N", N, 3, MAX_N)
    K, M = _units(K, M)
    _require_shared(K, M, "paper")
    P = int(math.log(N)) if P is None else checks.integer("P", P, 1, MAX_UNITS)
    seed = checks.integer("seed", seed, 0)
    generator = np.random.default_rng(seed)
    scale = math.log(N) ** (-1.0 / 6.0)
    xi_out = scale * generator.standard_normal((K, P))
    strengths = scale * generator.standard_normal(P)
    origin = {"name": "paper", "arguments": {"N": N, "K": K, "P": P, "seed": seed, "readout": readout}}
    return _draw(generator, N, student_size=scale, teacher_modes=P, teacher_size=scale, orthogonal=False,
                 teacher_map=xi_out * strengths, strengths=strengths, xi_out=xi_out, readout=readout,
                 weights=weights, student_seed=student_seed, teacher_columns=teacher_columns, inputs=inputs,
                 origin=origin)


def committee(N: int, K: int = 3, M: int | None = None, seed: int = 0, teacher: str = "orthogonal",
              student_size: float = 0.1, readout: str = "mean", weights: bool = True,
              student_seed: int | None = None, teacher_columns: int | None = None,
              inputs: Inputs | None = None) -> Start:
    """An ordinary soft committee machine: W itself is trained (P = K, A = I, s = 1).

    That of Saad and Solla, Phys. Rev. E 52, 4225 (1995), with readout "sum"; docs/theory, sections 1.4 and 5.2.

    Parameters
    ----------
    N : int
        Number of inputs.
    K : int, default 3
        Hidden units of the student.
    M : int, optional
        Hidden units of the teacher; by default K.
    seed : int, default 0
        Of the weights, at least 0.
    teacher : {"orthogonal", "random"}, default "orthogonal"
        "orthogonal": T is the identity exactly; "random": entries of B are N(0, 1).
    student_size : float, default 0.1
        Standard deviation of the entries of X.
    readout : {"mean", "sum", "sqrt"}, default "mean"
        Second layers of student and teacher; see :func:`readout_vector`.
    weights : bool, default True
        False: overlaps alone, from their exact law; N up to 10^15, N ≥ K + M.
    student_seed : int, optional
        Draws the student's input modes from a generator of their own; everything else stays that of ``seed``.
    teacher_columns : int, optional
        How many numbers the teacher sees, by default N: see :meth:`Inputs.teacher_columns
        <onlinemode.inputs.Inputs.teacher_columns>`.
    inputs : Inputs, optional
        Of ``weights=False``: whose covariance resolves the overlaps; by default Ω = I.

    Returns
    -------
    Weights, OrderParameters or ResolvedOverlaps
        Of student and teacher.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    """
    K, M = _units(K, M)
    checks.choice("teacher", teacher, TEACHERS)
    origin = {"name": "committee", "arguments": {"N": N, "K": K, "M": M, "seed": seed, "teacher": teacher,
                                                 "student_size": student_size, "readout": readout}}
    return _committee(N, K, M, seed, np.ones(M), teacher == "orthogonal", student_size, readout, weights, student_seed,
                      teacher_columns, inputs, origin)


def graded(N: int, K: int = 4, M: int | None = None, seed: int = 0, teacher_norms: ArrayLike | None = None,
           student_size: float = 0.1, readout: str = "mean", weights: bool = True,
           student_seed: int | None = None, teacher_columns: int | None = None, inputs: Inputs | None = None) -> Start:
    """A soft committee machine whose orthogonal teacher units differ in strength.

    docs/theory, section 5.3.

    Parameters
    ----------
    N : int
        Number of inputs.
    K : int, default 4
        Hidden units of the student.
    M : int, optional
        Hidden units of the teacher; by default K.
    seed : int, default 0
        Of the weights, at least 0.
    teacher_norms : sequence of M floats, optional
        T_mm, the squared norms over N of the teacher units; by default 4, 2, 1, 1/2, ...
    student_size : float, default 0.1
        Standard deviation of the entries of X.
    readout : {"mean", "sum", "sqrt"}, default "mean"
        Second layers of student and teacher; see :func:`readout_vector`.
    weights : bool, default True
        False: overlaps alone, from their exact law; N up to 10^15, N ≥ K + M.
    student_seed : int, optional
        Draws the student's input modes from a generator of their own; everything else stays that of ``seed``.
    teacher_columns : int, optional
        How many numbers the teacher sees, by default N: see :meth:`Inputs.teacher_columns
        <onlinemode.inputs.Inputs.teacher_columns>`.
    inputs : Inputs, optional
        Of ``weights=False``: whose covariance resolves the overlaps; by default Ω = I.

    Returns
    -------
    Weights, OrderParameters or ResolvedOverlaps
        Of student and teacher.

    Raises
    ------
    ParameterError, ShapeError
        If an argument is out of range, or there are not M norms.
    """
    K, M = _units(K, M)
    norms = 4.0 * 0.5 ** np.arange(M) if teacher_norms is None else checks.array(
        "teacher_norms", teacher_norms, (M,), symbols="(M,)")
    if norms.min() < 0.0:
        raise ParameterError(f"teacher_norms must be ≥ 0; got {norms.tolist()}")
    origin = {"name": "graded", "arguments": {"N": N, "K": K, "M": M, "seed": seed, "teacher_norms": norms.tolist(),
                                              "student_size": student_size, "readout": readout}}
    return _committee(N, K, M, seed, np.sqrt(norms), True, student_size, readout, weights, student_seed,
                      teacher_columns, inputs, origin)


def showcase(N: int, K: int = 3, M: int | None = None, P: int | None = None, seed: int = 0, student_size: float = 0.3,
             mixing: float = 0.05, readout: str = "mean", weights: bool = True,
             student_seed: int | None = None, teacher_columns: int | None = None,
             inputs: Inputs | None = None) -> Start:
    """A mode-decomposed student that specializes unit by unit: the default of the command line.

    As many modes as units; A is the identity plus Gaussian entries of size ``mixing`` and is shared
    with the teacher, as are the strengths, which fall evenly from 2 to 1.  The teacher's modes X*
    have entries N(0, 1), the student's N(0, student_size²).  docs/theory, section 5.4.

    Parameters
    ----------
    N : int
        Number of inputs.
    K : int, default 3
        Hidden units of the student; the teacher, which shares A, has as many.
    M, P : int, optional
        Must equal K where given.
    seed : int, default 0
        Of the weights, at least 0.
    student_size : float, default 0.3
        Standard deviation of the entries of X.
    mixing : float, default 0.05
        Standard deviation of the entries of A − I.
    readout : {"mean", "sum", "sqrt"}, default "mean"
        Second layers of student and teacher; see :func:`readout_vector`.
    weights : bool, default True
        False: overlaps alone, from their exact law; N up to 10^15, N ≥ 2K.
    student_seed : int, optional
        Draws the student's input modes from a generator of their own; everything else stays that of ``seed``.
    teacher_columns : int, optional
        How many numbers the teacher sees, by default N: see :meth:`Inputs.teacher_columns
        <onlinemode.inputs.Inputs.teacher_columns>`.
    inputs : Inputs, optional
        Of ``weights=False``: whose covariance resolves the overlaps; by default Ω = I.

    Returns
    -------
    Weights, OrderParameters or ResolvedOverlaps
        Of student and teacher.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    """
    N = checks.inputs(N)
    K, M = _units(K, M)
    _require_shared(K, M, "showcase")
    if P is not None and checks.integer("P", P, 1, MAX_UNITS) != K:
        raise ParameterError(f"the showcase start has as many modes as units: P must equal K = {K}; got {P}: "
                             "leave P out, or use the paper start, where P is free")
    seed = checks.integer("seed", seed, 0)
    student_size = checks.number("student_size", student_size, 0.0, maximum=MAX_SIZE)
    mixing = checks.number("mixing", mixing, 0.0, maximum=MAX_SIZE)
    generator = np.random.default_rng(seed)
    xi_out = np.eye(K) + mixing * generator.standard_normal((K, K))
    strengths = np.linspace(2.0, 1.0, K)
    origin = {"name": "showcase", "arguments": {"N": N, "K": K, "seed": seed, "student_size": student_size,
                                                "mixing": mixing, "readout": readout}}
    return _draw(generator, N, student_size=student_size, teacher_modes=K, teacher_size=1.0, orthogonal=False,
                 teacher_map=xi_out * strengths, strengths=strengths, xi_out=xi_out, readout=readout,
                 weights=weights, student_seed=student_seed, teacher_columns=teacher_columns, inputs=inputs,
                 origin=origin)


def polynomial_teacher(N: int, terms: Mapping[tuple[int, ...], float] | Sequence[Any], activation: str | Activation,
                       K: int | None = None, seed: int = 0, student_size: float = 0.1, readout: str = "mean",
                       weights: bool = True, student_seed: int | None = None, hermite: bool = False,
                       forms: ArrayLike | None = None,
                       teacher_columns: int | None = None, inputs: Inputs | None = None) -> Start:
    """A soft committee machine that learns a polynomial of fields of orthogonal directions.

    The label Σ c Π_i ν_i^(n_i) is that of a committee of few units of a polynomial activation, whose rows are linear
    forms of the directions: ν₁ν₂ with "he:2" is half the difference of He₂((ν₁ ± ν₂)/√2).  docs/theory, section 5.7.

    Parameters
    ----------
    N : int
        Number of inputs.
    terms : dict, or sequence of pairs
        Exponents n_1, ..., n_r of all r fields, and the coefficient c: {(1, 1): 1.0} is ν₁ν₂, and
        {(1, 0): 1.0, (1, 1): 1.0} is ν₁ + ν₁ν₂.  Of degree 10 at most.
    activation : str or Activation
        Of the teacher, a polynomial such as "he:2" or "poly:0,1,1,1"; it must have every power that is the degree of a
        term, and the problem must have the same one: :func:`onlinemode.simulate` warns where the weights go with
        another.
    K : int, optional
        Hidden units of the student; by default as many as the teacher has.
    seed : int, default 0
        Of the weights, at least 0.
    student_size : float, default 0.1
        Standard deviation of the entries of X.
    readout : {"mean", "sum", "sqrt"}, default "mean"
        Second layer of the student; see :func:`readout_vector`.
    weights : bool, default True
        False: overlaps alone, from their exact law; N up to 10^15, N ≥ K + r.
    student_seed : int, optional
        Draws the student's input modes from a generator of their own; everything else stays that of ``seed``.
    hermite : bool, default False
        Whether the exponents are degrees of Hermite polynomials, Π_i He_{n_i}(ν_i).
    forms : array (M, r), optional
        The teacher's units in terms of the directions, if you know a sum of powers of your own; by default few of them
        are searched for, and kept in ``origin``.
    teacher_columns : int, optional
        How many numbers the teacher sees, by default N: see :meth:`Inputs.teacher_columns
        <onlinemode.inputs.Inputs.teacher_columns>`.
    inputs : Inputs, optional
        Of ``weights=False``: whose covariance resolves the overlaps; by default Ω = I.

    Returns
    -------
    Weights, OrderParameters or ResolvedOverlaps
        Of student and teacher.

    Raises
    ------
    ParameterError, ShapeError
        If an argument is out of range, the activation lacks a power, the forms do not give the polynomial, or there
        would be more than 256 of them.
    """
    N = checks.inputs(N)
    seed = checks.integer("seed", seed, 0)
    student_size = checks.number("student_size", student_size, 0.0, maximum=MAX_SIZE)
    hermite = checks.flag("hermite", hermite)
    polynomial = polynomial_of(terms, hermite)
    units, teacher_readout = committee_of(polynomial, activation, forms)
    M, fields = units.shape
    K = M if K is None else checks.integer("K", K, 1, MAX_UNITS)
    pairs = terms.items() if isinstance(terms, Mapping) else terms
    origin = {"name": "polynomial_teacher", "arguments": {
        "N": N, "terms": [[[int(n) for n in exponents], float(c)] for exponents, c in pairs],
        "activation": activation_of(activation).word, "K": K, "seed": seed, "student_size": student_size,
        "readout": readout, "hermite": hermite, "forms": units.tolist()}}
    return _draw(np.random.default_rng(seed), N, student_size=student_size, teacher_modes=fields, teacher_size=1.0,
                 orthogonal=True, teacher_map=units, strengths=np.ones(K), xi_out=np.eye(K), readout=readout,
                 teacher_readout=teacher_readout, weights=weights, student_seed=student_seed,
                 teacher_columns=teacher_columns, inputs=inputs, origin=origin)


def tasks(N: int, K: int = 2, units: int = 1, tasks: int = 2, overlap: float | ArrayLike = 0.5,
          kind: str = FEATURES, heads: Sequence[int] | None = None, head_size: float | None = None, seed: int = 0,
          student_size: float = 0.1, readout: str = "sum", weights: bool = True,
          student_seed: int | None = None, teacher_columns: int | None = None, inputs: Inputs | None = None) -> Start:
    """A soft committee machine that learns several tasks, whose overlaps are exact.

    That of Lee, Goldt and Saxe, Proc. ICML 2021, where features differ and each task has a head; docs/theory, section
    16.4.  The problem says with :class:`onlinemode.Tasks` which task teaches when.

    Parameters
    ----------
    N : int
        Number of inputs.
    K : int, default 2
        Hidden units of the student.
    units : int, default 1
        Hidden units of the teacher in each task.
    tasks : int, default 2
        How many tasks there are.
    overlap : float or array (tasks, tasks), default 0.5
        Cosine between any two tasks, or those of all pairs.  Of kind "units" the share of units that all have.
    kind : {"features", "readouts", "units"}, default "features"
        "features": unit m of one task and unit m of another have this cosine, all others are orthogonal.  "readouts":
        the tasks have the same units, and their second layers these cosines.  "units": tasks have some units in common,
        and others of their own.
    heads : sequence of int, optional
        Of each task the number of its head, as of the problem's ``tasks``; by default all share one readout.
    head_size : float, optional
        Standard deviation of the Gaussian entries of the student's readouts; by default they are what ``readout`` says.
    seed : int, default 0
        Of the weights, at least 0.
    student_size : float, default 0.1
        Standard deviation of the entries of X.
    readout : {"mean", "sum", "sqrt"}, default "sum"
        Second layers of student and tasks; see :func:`readout_vector`.
    weights : bool, default True
        False: overlaps alone, from their exact law; N up to 10^15.
    student_seed : int, optional
        Draws the student's input modes from a generator of their own; everything else stays that of ``seed``.
    teacher_columns : int, optional
        How many numbers the teacher sees, by default N: see :meth:`Inputs.teacher_columns
        <onlinemode.inputs.Inputs.teacher_columns>`.
    inputs : Inputs, optional
        Of ``weights=False``: whose covariance resolves the overlaps; by default Ω = I.

    Returns
    -------
    Weights, OrderParameters or ResolvedOverlaps
        Of student and teacher, whose ``teacher_readout`` is (tasks, M).

    Raises
    ------
    ParameterError, ShapeError, OverlapError
        If an argument is out of range, or no tasks have these overlaps.
    """
    N, K = checks.inputs(N), checks.integer("K", K, 1, MAX_UNITS)
    units, count = checks.integer("units", units, 1, MAX_UNITS), checks.integer("tasks", tasks, 2, MOST_TASKS)
    seed = checks.integer("seed", seed, 0)
    student_size = checks.number("student_size", student_size, 0.0, maximum=MAX_SIZE)
    if units * count > MAX_UNITS:
        raise ParameterError(f"tasks have at most {MAX_UNITS:,} units together; got {count} of {units:,} each")
    forms, teacher_readout = bank(kind, count, units, overlap, readout_vector(readout, units))
    fields = forms.shape[1]
    generator = np.random.default_rng(seed)
    of_student = _heads(generator, heads, count, head_size, readout_vector(readout, K))
    origin = {"name": "tasks", "arguments": {
        "N": N, "K": K, "units": units, "tasks": count, "overlap": np.asarray(overlap, float).tolist(), "kind": kind,
        "heads": None if heads is None else [int(head) for head in heads], "head_size": head_size, "seed": seed,
        "student_size": student_size, "readout": readout}}
    return _draw(generator, N, student_size=student_size, teacher_modes=fields, teacher_size=1.0, orthogonal=True,
                 teacher_map=forms, strengths=np.ones(K), xi_out=np.eye(K), readout=of_student,
                 teacher_readout=teacher_readout, weights=weights, student_seed=student_seed,
                 teacher_columns=teacher_columns, inputs=inputs, origin=origin)


def _heads(generator, heads, tasks, size, readout):
    """Readouts of the student, (K,) or (heads, K)."""
    shape = readout.shape
    if heads is not None:
        shape = (Tasks((1.0,) * tasks, heads).head_count, *shape)
    if size is None:
        return np.broadcast_to(readout, shape).copy()
    return checks.number("head_size", size, 0.0, maximum=MAX_SIZE) * generator.standard_normal(shape)


def _units(K, M):
    K = checks.integer("K", K, 1, MAX_UNITS)
    return K, K if M is None else checks.integer("M", M, 1, MAX_UNITS)


def _require_shared(K, M, name):
    if M != K:
        raise ParameterError(f"in the {name} start the teacher shares the student's output modes, so M must equal "
                             f"K = {K}; got {M}: leave M out, or use the committee start, where M is free")


def _committee(N, K, M, seed, teacher_lengths, orthogonal, student_size, readout, weights, student_seed,
               teacher_columns, inputs, origin):
    N = checks.inputs(N)
    seed = checks.integer("seed", seed, 0)
    student_size = checks.number("student_size", student_size, 0.0, maximum=MAX_SIZE)
    generator = np.random.default_rng(seed)
    return _draw(generator, N, student_size=student_size, teacher_modes=M, teacher_size=1.0, orthogonal=orthogonal,
                 teacher_map=np.diag(teacher_lengths), strengths=np.ones(K), xi_out=np.eye(K), readout=readout,
                 weights=weights, student_seed=student_seed, teacher_columns=teacher_columns, inputs=inputs,
                 origin=origin)


def _draw(generator, N, *, student_size, teacher_modes, teacher_size, orthogonal, teacher_map, strengths, xi_out,
          readout, weights, student_seed, teacher_columns, inputs, origin, teacher_readout=None):
    """Student modes X and teacher modes Y, Gaussian rows (Y orthogonal on request); B = teacher_map Y."""
    weights = checks.flag("weights", weights)
    if inputs is not None:
        check_inputs(inputs)
        inputs.check(N)
        if not weights:
            require_seen(inputs)
    D = _columns_of_teacher(N, teacher_columns, teacher_modes if orthogonal else 1)
    if teacher_columns is not None:
        origin["arguments"]["teacher_columns"] = D
        if not weights:
            raise ParameterError("weights=False draws the overlaps of a teacher that sees the inputs; got "
                                 f"teacher_columns = {D}: use weights=True")
    K, P = xi_out.shape
    of_student = generator
    if student_seed is not None:
        student_seed = checks.integer("student_seed", student_seed, 0)
        of_student = np.random.default_rng([student_seed, origin["arguments"]["seed"], 2])
        origin["arguments"]["student_seed"] = student_seed
    origin["arguments"] = {name: value.item() if isinstance(value, np.generic) else value
                           for name, value in origin["arguments"].items()}
    if teacher_readout is None:
        teacher_readout = readout_vector(readout, teacher_map.shape[0])
    small = {"strengths": strengths, "xi_out": xi_out, "teacher_readout": teacher_readout,
             "readout": readout_vector(readout, K) if isinstance(readout, str) else readout}
    if weights:
        rows = generator.standard_normal((teacher_modes, D))
        if orthogonal:
            rows = math.sqrt(D) * np.linalg.qr(rows.T)[0].T
        xi_in = student_size * of_student.standard_normal((P, N))
        return Weights(xi_in=xi_in, teacher=teacher_map @ (teacher_size * rows), origin=origin, **small)
    rows = Rows(P, student_size, teacher_modes, teacher_size, teacher_map, orthogonal)
    spaces = None if inputs is None else _spaces(inputs, N)
    if spaces is not None:
        G, S, T = resolved(generator, of_student, spaces, rows)
        there = np.flatnonzero(spaces.eigenvalues)
        return ResolvedOverlaps(N=N, eigenvalues=spaces.eigenvalues[there],
                                multiplicities=spaces.multiplicities[there], G=G, S=S, T=T, **small)
    if N < teacher_modes + P:
        raise ParameterError(f"with weights=False, N must be at least {teacher_modes + P} (student plus teacher "
                             f"modes); got {N}: use weights=True")
    G, S, T = isotropic(generator, of_student, N, rows)
    return OrderParameters(G=G, S=S, T=T, **small)


def _spaces(inputs, N):
    """Eigenvalues that resolve the overlaps; None of independent entries, which have nothing to resolve."""
    if inputs.independent:
        return None
    if N > COUNTED_UP_TO and not inputs.few_eigenvalues:
        raise ParameterError(f"overlaps without vectors need inputs of few eigenvalues, such as Blocks, for N above "
                             f"{COUNTED_UP_TO:,}; got {inputs!r} and N = {N:,}: take a smaller N, and vectors")
    spaces = inputs.eigenspaces(N)
    count = len(spaces.eigenvalues)
    if count > MOST_EIGENVALUES:
        raise ParameterError("too long a spectrum: overlaps without vectors are resolved by at most "
                             f"{MOST_EIGENVALUES:,} eigenvalues; got {count:,} of {inputs!r}: take vectors "
                             "(weights=True), or a smaller N")
    return spaces


def _columns_of_teacher(N, teacher_columns, orthogonal):
    """N, or as many as are given; at least the number of orthogonal directions."""
    name, columns = "N", N
    if teacher_columns is not None:
        name, columns = "teacher_columns", checks.integer("teacher_columns", teacher_columns, 1, MAX_N)
    if columns < orthogonal:
        raise ParameterError(f"{name} must be at least {orthogonal} for {orthogonal} orthogonal directions; "
                             f"got {columns}")
    return columns
