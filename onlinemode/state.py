"""The two descriptions of a student and its teacher: N-dimensional weights and N-free overlaps."""

import hashlib
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onlinemode import checks
from onlinemode.display import Described
from onlinemode.errors import OverlapError, ParameterError
from onlinemode.inputs import Gaussian, Inputs, check_inputs
from onlinemode.inputs.base import mean_products

if TYPE_CHECKING:
    from onlinemode.kernels.rule.step import Factors

# Overlaps from a paper's table have about six digits; a covariance may miss positivity by as much.
COVARIANCE_TOLERANCE = 1e-5
ROUNDING = 1e-12  # eigenvalues of double precision below this share of the largest are zero


class Sizes(Described):
    """K, M and P, read from the arrays that both descriptions have."""

    strengths: np.ndarray
    xi_out: np.ndarray
    readout: np.ndarray
    teacher_readout: np.ndarray

    @property
    def K(self) -> int:
        """Number of hidden units of the student."""
        return self.xi_out.shape[0]

    @property
    def M(self) -> int:
        """Number of hidden units of the teacher."""
        return self.teacher_readout.shape[-1]

    @property
    def P(self) -> int:
        """Number of modes."""
        return self.strengths.size

    @property
    def heads(self) -> int | None:
        """Number of readouts of the student; None where it has one that is no array of several."""
        return self.readout.shape[0] if self.readout.ndim == 2 else None

    @property
    def tasks(self) -> int | None:
        """Number of readouts of the teacher; None where it has one that is no array of several."""
        return self.teacher_readout.shape[0] if self.teacher_readout.ndim == 2 else None

    def factors(self) -> "Factors":
        """Fresh, writable copies of strengths, xi_out and both readouts, flat, for the kernels.

        Returns
        -------
        Factors
            A record of ``onlinemode.kernels.rule.step``.
        """
        from onlinemode.kernels.rule.step import Factors

        strengths, xi_out, *readouts = (np.array(getattr(self, name)) for name in Factors._fields)
        return Factors(strengths, xi_out, *map(np.ravel, readouts))

    def _described(self):
        sizes = f"K = {self.K}, M = {self.M}, P = {self.P}"
        sizes += "".join(f", {count} {name}" for name, count in (("heads", self.heads), ("tasks", self.tasks))
                         if count is not None)
        return [("strengths", _range(self.strengths)), ("readout", _range(self.readout)),
                ("teacher readout", _range(self.teacher_readout))], sizes

    def _check_factors(self):
        """Validate and freeze strengths, xi_out and both readouts; returns K, M, P."""
        set_field = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        set_field("xi_out", checks.array("xi_out", self.xi_out, (None, None), symbols="(K, P)"))
        K, P = self.xi_out.shape
        set_field("strengths", checks.array("strengths", self.strengths, (P,), symbols="(P,)"))
        heads, tasks = (checks.real(name, getattr(self, name)).ndim == 2 for name in ("readout", "teacher_readout"))
        set_field("readout", checks.array("readout", self.readout, (None, K) if heads else (K,),
                                          symbols="(heads, K)" if heads else "(K,)"))
        set_field("teacher_readout", checks.array("teacher_readout", self.teacher_readout,
                                                  (None, None) if tasks else (None,),
                                                  symbols="(tasks, M)" if tasks else "(M,)"))
        return K, self.M, P

    def _of_task(self, task, head):
        tasks, heads = self.tasks, self.heads
        if tasks is None:
            raise ParameterError("there is one task: teacher_readout is no array (tasks, M)")
        checks.integer("task", task, 0, tasks - 1)
        readout = self.readout if heads is None else self.readout[checks.integer("head", head, 0, heads - 1)]
        return {"readout": readout, "teacher_readout": self.teacher_readout[task]}


@dataclass(frozen=True, eq=False, repr=False)
class Weights(Sizes):
    """Student and teacher as N-dimensional weights, W = xi_out diag(strengths) xi_in (docs/theory, section 1.1).

    Parameters
    ----------
    xi_in : array (P, N)
        Input modes X.
    strengths : array (P,)
        Mode strengths s.
    xi_out : array (K, P)
        Output modes A.
    readout : array (K,) or (heads, K)
        Second layer v of the student, or its heads.
    teacher : array (M, N), or (M, D)
        First layer B of the teacher; of one that sees D numbers that are not the inputs
        (:meth:`Inputs.teacher_columns <onlinemode.inputs.Inputs.teacher_columns>`) a column for each of them.
    teacher_readout : array (M,) or (tasks, M)
        Second layer v* of the teacher, or of each task.
    origin : dict, optional
        The recipe of ``onlinemode.initial`` that made the weights, so that a saved run can be
        repeated without storing them.

    Raises
    ------
    ShapeError, ParameterError
        If shapes disagree or an entry is not finite.
    """

    xi_in: np.ndarray
    strengths: np.ndarray
    xi_out: np.ndarray
    readout: np.ndarray
    teacher: np.ndarray
    teacher_readout: np.ndarray
    origin: dict[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _, M, P = self._check_factors()
        object.__setattr__(self, "xi_in", checks.array("xi_in", self.xi_in, (P, None), symbols="(P, N)"))
        object.__setattr__(self, "teacher", checks.array("teacher", self.teacher, (M, None), symbols="(M, N)"))

    def _described(self):
        rows, sizes = super()._described()
        drawn = "no recipe of onlinemode.initial"
        if self.origin is not None:
            arguments = (f"{name} {checks.one_line(value) if isinstance(value, list) else value}"
                         for name, value in self.origin["arguments"].items())
            drawn = ", ".join([self.origin["name"], *arguments])
        D = self.teacher.shape[1]
        sizes += "" if D == self.N else f", a teacher that sees D = {D:,} numbers"
        return [("Weights", f"N = {self.N:,}, {sizes}"), ("drawn by", drawn), *rows]

    @property
    def N(self) -> int:
        """Number of inputs."""
        return self.xi_in.shape[1]

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone, and not what is remembered of them."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy holds arrays that cannot be written to, as the original does."""
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    def order_parameters(self, inputs: Inputs | None = None) -> "OrderParameters":
        """The overlaps of these weights: G = XΩXᵀ/N, S = XΩBᵀ/N, T = BΩBᵀ/N, and the small factors.

        Of a teacher that sees something else than the inputs S = E[u νᵀ], T = E[ν νᵀ] (docs/theory, section 9.6).

        Parameters
        ----------
        inputs : Inputs, optional
            Inputs of covariance Ω (see :class:`onlinemode.inputs.Inputs`); by default Ω = I.

        Returns
        -------
        OrderParameters
            For a run on these inputs.

        Raises
        ------
        ParameterError, ShapeError, FileError
            If the inputs are no Inputs or have another N, the teacher has another number of columns than they need, or
            their data cannot be had.
        """
        if inputs is not None:
            check_inputs(inputs)
        if (inputs is None or inputs.independent) and self.teacher.shape[1] == self.N:
            return self._isotropic_overlaps
        return self._overlaps(Gaussian() if inputs is None else inputs)

    def _overlaps(self, inputs):
        image, T = inputs.teacher_moments(self.teacher, self.N)
        return OrderParameters(
            G=mean_products(self.xi_in, inputs.covariance(self.N)(self.xi_in)), S=mean_products(self.xi_in, image), T=T,
            strengths=self.strengths, xi_out=self.xi_out,
            readout=self.readout, teacher_readout=self.teacher_readout)

    @cached_property
    def _isotropic_overlaps(self) -> "OrderParameters":
        return self._overlaps(Gaussian())

    def fingerprint(self) -> str:
        """SHA-256 of all arrays.

        Returns
        -------
        str
            In hexadecimal.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for value in (self.xi_in, self.strengths, self.xi_out, self.readout, self.teacher, self.teacher_readout):
            digest.update(repr(value.shape).encode())
            digest.update(np.ascontiguousarray(value).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False, repr=False)
class OrderParameters(Sizes):
    """The macroscopic state: everything that the generalization error depends on, for any N.

    Parameters
    ----------
    G : array (P, P)
        Overlaps of the input modes, XXᵀ/N.
    S : array (P, M)
        Overlaps of input modes and teacher, XBᵀ/N.
    T : array (M, M)
        Overlaps of the teacher, BBᵀ/N; may be rank-deficient.
    strengths : array (P,)
        Mode strengths s.
    xi_out : array (K, P)
        Output modes A.
    readout : array (K,) or (heads, K)
        Second layer v of the student, or its heads.
    teacher_readout : array (M,) or (tasks, M)
        Second layer v* of the teacher, or of each task.

    Raises
    ------
    ShapeError, ParameterError
        If shapes disagree or an entry is not finite.
    OverlapError
        If G or T is not symmetric, or if [[G, S], [Sᵀ, T]] has an eigenvalue below −1e-5 times its
        largest one and so cannot be a covariance (published tables have about six digits).

    Notes
    -----
    Why these close the equations of motion: docs/theory, section 2.1.
    """

    G: np.ndarray
    S: np.ndarray
    T: np.ndarray
    strengths: np.ndarray
    xi_out: np.ndarray
    readout: np.ndarray
    teacher_readout: np.ndarray

    def __post_init__(self) -> None:
        _, M, P = self._check_factors()
        G = symmetric("G", checks.array("G", self.G, (P, P), symbols="(P, P)"))
        T = symmetric("T", checks.array("T", self.T, (M, M), symbols="(M, M)"))
        object.__setattr__(self, "G", G)
        object.__setattr__(self, "T", T)
        object.__setattr__(self, "S", checks.array("S", self.S, (P, M), symbols="(P, M)"))
        check_covariance("[[G, S], [Sᵀ, T]]", self.covariance)

    def of_task(self, task: int, head: int | None = None) -> "OrderParameters":
        """The order parameters of one task alone.

        Parameters
        ----------
        task : int
            Which row of ``teacher_readout``, from 0.
        head : int, optional
            Which row of ``readout``, where there are several.

        Returns
        -------
        OrderParameters
            With readouts (K,) and (M,).

        Raises
        ------
        ParameterError
            If there is no such task or head.
        """
        return replace(self, **self._of_task(task, head))

    def is_close(self, other: "OrderParameters", rtol: float, atol: float) -> bool:
        """Whether others have the same sizes and entries.

        Parameters
        ----------
        other : OrderParameters
            What is compared.
        rtol, atol : float
            Tolerances of :func:`numpy.allclose`.

        Returns
        -------
        bool
            True where all entries are close.

        Raises
        ------
        ParameterError
            If it is no OrderParameters, or a tolerance is negative.
        """
        checks.instance("other", other, OrderParameters)
        rtol, atol = checks.number("rtol", rtol, 0.0), checks.number("atol", atol, 0.0)
        pairs = [(getattr(self, entry.name), getattr(other, entry.name)) for entry in fields(self)]
        return all(one.shape == two.shape and np.allclose(one, two, rtol=rtol, atol=atol) for one, two in pairs)

    def _described(self):
        rows, sizes = super()._described()
        return [("OrderParameters", sizes), ("student Q_kk", _range(self.Q.diagonal())),
                ("teacher T_mm", _range(self.T.diagonal())), ("overlaps R_km", _range(self.R)), *rows]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """C = [[G, S], [Sᵀ, T]], the covariance of mode fields and teacher fields, (P+M)×(P+M)."""
        return np.block([[self.G, self.S], [self.S.T, self.T]])

    @property
    def Q(self) -> NDArray[np.float64]:
        """Overlaps of the student's hidden units, Q = A diag(s) G diag(s) Aᵀ, (K, K)."""
        scaled = self.xi_out * self.strengths
        return scaled @ self.G @ scaled.T

    @property
    def R(self) -> NDArray[np.float64]:
        """Overlaps of student and teacher units, R = A diag(s) S, (K, M)."""
        return (self.xi_out * self.strengths) @ self.S


def _range(values):
    """Smallest and largest of some numbers, in words."""
    low, high = f"{values.min():.4g}", f"{values.max():.4g}"
    return low if low == high else f"{low} to {high}"


def check_covariance(name: str, C: NDArray[np.float64]) -> None:
    """Raise OverlapError unless the symmetric array ``C`` is positive semidefinite to the tolerance."""
    eigenvalues = np.linalg.eigvalsh(C)
    if eigenvalues[0] < -COVARIANCE_TOLERANCE * max(eigenvalues[-1], 0.0):
        raise OverlapError(
            f"the overlaps {name} must be a covariance (no negative eigenvalue, tolerance "
            f"{COVARIANCE_TOLERANCE:g} of the largest); the smallest eigenvalue is {eigenvalues[0]:.6g}, "
            f"the largest {eigenvalues[-1]:.6g}: check Q, R and T against each other")


def attainable(overlaps: OrderParameters, N: int) -> OrderParameters:
    """The overlaps themselves if vectors in N dimensions have them, else the nearest that such vectors have.

    What was rounded, as a table or in float32, may have negative eigenvalues, or a rank above N.  These eigenvalues
    become zero, within the tolerance of :func:`check_covariance` (docs/theory, section 5.6).

    Parameters
    ----------
    overlaps : OrderParameters
    N : int

    Returns
    -------
    OrderParameters

    Raises
    ------
    ParameterError
        If N is below the rank by more than rounding explains.
    """
    C, P = overlaps.covariance, overlaps.P
    nearest = nearest_covariance(C, N)
    if nearest is None:
        rank = next(n for n in range(N + 1, len(C) + 1) if nearest_covariance(C, n) is not None)
        raise ParameterError(f"N must be at least {rank}, the rank of the overlaps; got {N}: no {N}-dimensional "
                             "vectors have these overlaps")
    return overlaps if nearest is C else replace(overlaps, G=nearest[:P, :P], S=nearest[:P, P:], T=nearest[P:, P:])


def nearest_covariance(C: NDArray[np.float64], N: int) -> NDArray[np.float64] | None:
    """C without its negative eigenvalues and with at most N others; None if more than rounding would be lost.

    First of the correlations, so that a short vector keeps its digits beside a long one that was rounded.
    """
    limit = COVARIANCE_TOLERANCE * np.linalg.eigvalsh(C)[-1]
    for lengths in (_lengths(C), np.ones(len(C))):
        eigenvalues, vectors = np.linalg.eigh(C / np.outer(lengths, lengths))
        dropped = eigenvalues.copy()
        dropped[max(len(C) - N, 0):] = np.minimum(dropped[max(len(C) - N, 0):], 0.0)
        change = np.outer(lengths, lengths) * ((vectors * dropped) @ vectors.T)
        shortened = np.diag(change) > 0.5 * np.diag(C)  # to less than half its squared length: lost, not rounded
        if (shortened & (np.diag(C) > 0.0)).any():
            continue
        if np.abs(dropped).max() <= ROUNDING * max(eigenvalues[-1], 0.0):
            return C
        if np.linalg.norm(change, 2) <= limit:
            return C - change
    return None


def factor_of(C: NDArray[np.float64]) -> NDArray[np.float64]:
    """F with F Fᵀ = C, a column for each eigenvalue that is not rounding, ascending.

    Those are of C, or of its correlations, where a short vector beside a long one would lose its digits.
    """
    lengths = _lengths(C)
    factor = _factor(C, np.ones(len(C)))
    if np.any(np.abs(factor @ factor.T - C) > ROUNDING * np.outer(lengths, lengths)):  # short vectors beside long ones
        factor = _factor(C, lengths)
    return factor


def _factor(C, lengths):
    """F with F Fᵀ = C, a column for each eigenvalue of C in units of ``lengths`` that is not rounding."""
    eigenvalues, vectors = np.linalg.eigh(C / np.outer(lengths, lengths))
    kept = eigenvalues > ROUNDING * max(eigenvalues[-1], 0.0)
    return lengths[:, None] * vectors[:, kept] * np.sqrt(eigenvalues[kept])


def _lengths(C):
    """Square roots of the diagonal; 1 for a vector that vanishes."""
    diagonal = np.diag(C)
    return np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))


def symmetric(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """``value`` made exactly symmetric; an asymmetry beyond rounding of a printed table is an error."""
    scale = np.abs(value).max()
    difference = np.abs(value - value.T)
    if difference.max() > COVARIANCE_TOLERANCE * max(scale, 1e-300):
        i, j = (int(n) for n in np.unravel_index(difference.argmax(), value.shape))
        raise OverlapError(f"{name} must be symmetric; got {name}[{i},{j}] = {value[i, j]:.6g} but "
                           f"{name}[{j},{i}] = {value[j, i]:.6g}")
    result = 0.5 * (value + value.T)
    result.flags.writeable = False
    return result


def weights_from_overlaps(overlaps: OrderParameters, N: int, seed: int) -> Weights:
    """N-dimensional weights that have the given overlaps, made :func:`attainable` (docs/theory, section 5.6).

    Parameters
    ----------
    overlaps : OrderParameters
    N : int
        At least the rank of the covariance [[G, S], [Sᵀ, T]], rounding apart.
    seed : int
        Seed of the random orthonormal frame in which the vectors lie.

    Raises
    ------
    ParameterError
        If N is below the rank.
    """
    overlaps = attainable(overlaps, N)
    factor = factor_of(overlaps.covariance)
    generator = np.random.default_rng([seed, 1])
    frame = np.linalg.qr(generator.standard_normal((N, factor.shape[1])))[0].T
    rows = np.sqrt(N) * factor @ frame
    return Weights(xi_in=rows[:overlaps.P], strengths=overlaps.strengths, xi_out=overlaps.xi_out,
                   readout=overlaps.readout, teacher=rows[overlaps.P:], teacher_readout=overlaps.teacher_readout)
