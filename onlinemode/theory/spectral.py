"""The mean-field equations for inputs with a covariance, resolved by its eigenvalues: docs/theory, section 18."""

from typing import NamedTuple

import numpy as np

from onlinemode.blocks import StateLayout
from onlinemode.errors import EngineError
from onlinemode.theory import averaging
from onlinemode.theory.few_directions import FewDirections
from onlinemode.theory.masks import Masks
from onlinemode.theory.meanfield import make_aid, teacher_of
from onlinemode.theory.quadrature import DEFAULT_NODES, NODE_SEED
from onlinemode.theory.spectral_sphere import KeptLengths

SAME = 1e-8  # eigenvalues that differ by less, relative to themselves, are one
NOISE = 1e-12  # of the largest: what rounding makes of equal eigenvalues of a matrix, and of 0
NODE_ERROR = 1e-5  # of ε_g, for the usual number of nodes
NODES_BESIDE = 6.0  # those that the error takes, see usual_nodes
ALIKE = 1e-9  # range of ln(ω + ω_c)
CUTOFF = 0.3  # of η α ω: directions that learn less than that differ little
AT_ONCE = 2**16  # coordinates
EXACT = 1e-12  # of the one eigenvalue of independent inputs, which is 1


class Shares(NamedTuple):
    """The overlaps of a start, resolved by the eigenvalues of the inputs' covariance.

    Sums over l are the overlaps themselves; of a teacher that does not see the inputs the shares of T are those of its
    :func:`effective_teacher`.  At nodes of an interpolation single shares may be negative or indefinite.
    """

    eigenvalues: np.ndarray  # (L,)   ω_l
    traces: np.ndarray  # (L,)   τ_l, the part of tr Ω/N
    G: np.ndarray  # (L, P, P)
    S: np.ndarray  # (L, P, M)
    T: np.ndarray  # (L, M, M)
    exact: bool  # these are all eigenvalues, and not nodes of an interpolation
    squares: np.ndarray | None = None  # (P,)   |X_p|²/N in the plain metric, which a sphere keeps

    @property
    def isotropic(self) -> bool:
        """Whether there is nothing to resolve: all eigenvalues are 1."""
        return len(self.eigenvalues) == 1 and abs(self.eigenvalues[0] - 1.0) < EXACT


def participation(eigenvalues, multiplicities=1):
    """How many directions the inputs have, (Σω)²/Σω², where each eigenvalue stands for so many directions."""
    return float(np.sum(multiplicities * eigenvalues) ** 2 / np.sum(multiplicities * eigenvalues**2))


def distinct_eigenvalues(eigenvalues, noise=0.0):
    """The different ones among eigenvalues, ascending: the least of each group that rounding alone tells apart.

    A group is no wider than SAME of its largest, or than ``noise``.  A longer chain of close neighbours is a dense
    spectrum, all of which are different.
    """
    ascending = np.sort(eigenvalues)
    steps = np.diff(ascending, prepend=-np.inf)
    allowed = np.maximum(SAME * ascending, noise)
    begins = steps > allowed
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(ascending)) - 1
    chained = ascending[last] - ascending[first] > allowed[last]
    return ascending[begins | np.repeat(chained, last - first + 1) & (steps > 0.0)]


def eigenspace_of(eigenvalues, noise=0.0):
    """Which of :func:`distinct_eigenvalues` each of the eigenvalues has."""
    return np.searchsorted(distinct_eigenvalues(eigenvalues, noise), eigenvalues, side="right") - 1


def merged(eigenvalues, multiplicities):
    """The different ones, ascending, each the mean of its group, and how many directions have it."""
    space = eigenspace_of(eigenvalues)
    directions = np.zeros(space.max() + 1, np.int64)
    np.add.at(directions, space, multiplicities)
    return np.bincount(space, eigenvalues * multiplicities) / directions, directions


def without_rounding(eigenvalues):
    """Eigenvalues that were computed from a matrix, equal or 0 where no more than NOISE keeps them from it."""
    noise = NOISE * eigenvalues.max()
    there = np.where(eigenvalues > noise, eigenvalues, 0.0)
    return distinct_eigenvalues(there, noise)[eigenspace_of(there, noise)]


def usual_nodes(eigenvalues, rate, alpha):
    """How many shares resolve a spectrum to NODE_ERROR up to a time: the largest eigenvalues alone, and nodes.

    Parameters
    ----------
    eigenvalues : array (L,)
        The different ones, ascending.
    rate, alpha : float
        As in :func:`resolve`.

    Returns
    -------
    int
    """
    gain = _gain_of_a_node(eigenvalues, len(eigenvalues), rate, alpha)
    nodes = np.where(np.isinf(gain), 1.0, np.ceil(NODES_BESIDE - np.log(NODE_ERROR) / gain))
    return int(np.min(np.arange(len(nodes)) + nodes))


def effective_teacher(image, eigenvalues):
    """The teacher on the inputs whose fields have the covariances with x that those of another teacher have.

    √N E[ν xᵀ] Ω⁺; what is left of ν is independent of Gaussian inputs (docs/theory, section 18.9).

    Parameters
    ----------
    image : array (M, N)
        √N E[ν xᵀ], in the eigenbasis of the covariance.
    eigenvalues : array (N,)
        Those that vanish give no field.

    Returns
    -------
    array (M, N)
    """
    there = eigenvalues > 0.0
    return np.where(there, image / np.where(there, eigenvalues, 1.0), 0.0)


def resolve(modes, teacher, eigenvalues, count, rate, alpha, more=0):
    """The shares of vectors, at the eigenvalues themselves where these are few, else at the largest and at nodes.

    Nodes interpolate the smaller ones; as many stand alone as makes the error least (docs/theory, section 18.3).

    Parameters
    ----------
    modes, teacher : array (P, N), (M, N)
        In the eigenbasis of the covariance.
    eigenvalues : array (N,)
        In the order of the coordinates, at least 0; those that vanish give no field and are left out.
    count : int or None
        Largest number of shares; None: as many as :func:`usual_nodes` says.
    rate, alpha : float
        Largest learning rate of the modes, and last time: nodes lie at Chebyshev's points of ln(ω + 0.3/(rate·alpha)).
    more : int, default 0
        Shares beyond that number.

    Returns
    -------
    Shares
    """
    from onlinemode.kernels.micro.inputs import add_products

    N, P = eigenvalues.size, len(modes)
    there = eigenvalues > 0.0
    eigenvalues = eigenvalues[there]
    vectors = np.concatenate([modes, teacher])[:, there]
    distinct = distinct_eigenvalues(eigenvalues)
    places = _places(distinct, count, rate, alpha, more)
    one, other = np.triu_indices(len(vectors))
    L = len(places.eigenvalues)
    sums, traces = np.zeros((L, one.size)), np.zeros(L)
    for first in range(0, eigenvalues.size, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        values, rows = eigenvalues[part], vectors[:, part]
        weights = places.weights(values) * (values / N)
        add_products(np.ascontiguousarray(weights), rows[one] * rows[other], sums, False)
        traces += weights.sum(1)
    shares = np.empty((L, len(vectors), len(vectors)))
    shares[:, one, other] = shares[:, other, one] = sums
    parts = shares[:, :P, :P], shares[:, :P, P:], shares[:, P:, P:]
    return Shares(places.eigenvalues, traces, *(np.ascontiguousarray(part) for part in parts), places.alone == L)


def at_nodes(shares, count, rate, alpha, more=0):
    """Shares of all eigenvalues, at the largest and at nodes where there are more than ``count`` of them.

    Parameters
    ----------
    shares : Shares
    count, rate, alpha, more
        As in :func:`resolve`.

    Returns
    -------
    Shares
    """
    places = _places(np.sort(shares.eigenvalues), count, rate, alpha, more)
    if places.alone == len(shares.eigenvalues):
        return shares
    weights = places.weights(shares.eigenvalues)
    parts = (np.einsum("jl,l...->j...", weights, part) for part in (shares.traces, shares.G, shares.S, shares.T))
    return Shares(places.eigenvalues, *parts, False)


class _Places(NamedTuple):
    """Where shares stand: at nodes between the smaller eigenvalues, and at each of the largest itself."""

    eigenvalues: np.ndarray  # (L,)   nodes, then these eigenvalues, ascending
    alone: int  # how many of the last are eigenvalues
    cutoff: float

    def weights(self, eigenvalues):
        """What each eigenvalue adds to each share, (L, n)."""
        between = len(self.eigenvalues) - self.alone
        nodes, largest = self.eigenvalues[:between], self.eigenvalues[between:]
        number = np.searchsorted(largest, eigenvalues, side="right") - 1
        out = np.zeros((len(self.eigenvalues), eigenvalues.size))
        out[between:] = number == np.arange(self.alone)[:, None]
        if between:
            out[:between, number < 0] = _polynomials(eigenvalues[number < 0], nodes, self.cutoff)
        return out


def _places(distinct, count, rate, alpha, more):
    """The _Places of different eigenvalues, ascending, with as many alone as resolve them best."""
    if count is None:
        count = usual_nodes(distinct, rate, alpha)
    count += more
    cutoff = _cutoff(rate, alpha)
    if len(distinct) <= count:
        return _Places(distinct, len(distinct), cutoff)
    gain = _gain_of_a_node(distinct, count, rate, alpha)
    one = np.isinf(gain)
    digits = (count - np.arange(len(gain)) - NODES_BESIDE) * np.where(one, 1.0, gain)
    alone = int(np.argmax(np.where(one, np.inf, digits)))
    between, largest = np.split(distinct, [len(distinct) - alone])
    nodes = _nodes(between, 1 if one[alone] else count - alone, cutoff)
    return _Places(np.concatenate([nodes, largest]), alone, cutoff)


def _gain_of_a_node(distinct, most, rate, alpha):
    """By what factor, its logarithm, a node lessens the error where the 0, 1, ..., most - 1 largest stand alone.

    Infinite where rounding hardly tells the others apart: they learn alike, and have one node.
    """
    y = np.log(distinct + _cutoff(rate, alpha))
    reach = y[::-1][:most] - y[0]
    return np.where(reach > ALIKE, np.arcsinh(np.pi / np.maximum(reach, ALIKE)), np.inf)


def _cutoff(rate, alpha):
    return CUTOFF / max(rate * alpha, 1e-12)


def _angles(count):
    return np.pi * (np.arange(count) + 0.5) / count


def _nodes(eigenvalues, count, cutoff):
    """Chebyshev's points of y = ln(ω + cutoff), stretched to both ends of the spectrum."""
    y = np.log(eigenvalues + cutoff)
    low, high, angles = y.min(), y.max(), _angles(count)
    at = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angles) / np.cos(angles[0])
    return np.maximum(np.exp(at) - cutoff, 0.0)


def _polynomials(eigenvalues, nodes, cutoff):
    """Lagrange's polynomials of y for these nodes, (nodes, eigenvalues), by the barycentric formula."""
    angles = _angles(len(nodes))
    barycentric = (-1.0) ** np.arange(len(nodes)) * np.sin(angles)
    apart = np.log(eigenvalues + cutoff) - np.log(nodes + cutoff)[:, None]
    hit = apart == 0.0
    parts = barycentric[:, None] / np.where(hit, 1.0, apart)
    parts[:, hit.any(0)] = hit[:, hit.any(0)]
    return parts / parts.sum(0)


class ShareLayout:
    """Order of the entries of a full state: the upper triangle of G and S, each entry for all shares, then the factors.

    Parameters
    ----------
    K, M, P, L : int
        Hidden units of student and teacher, modes, and shares.
    heads : int, optional
        Readouts of the student; by default one, (K,).

    Attributes
    ----------
    size : int
        Entries of a full state.
    shares : slice
        Where those of all shares stand.
    strengths, xi_out, readout : slice
        Where each small factor stands.
    """

    def __init__(self, K, M, P, L, heads=None):
        self.of_sums = StateLayout(K, M, P, heads)
        self.K, self.M, self.P, self.L = K, M, P, L
        self.of_share = self.of_sums.strengths.start
        shift = (L - 1) * self.of_share
        self.shares = slice(0, L * self.of_share)
        self.strengths, self.xi_out, self.readout = (
            slice(each.start + shift, each.stop + shift)
            for each in (self.of_sums.strengths, self.of_sums.xi_out, self.of_sums.readout))
        self.size = self.of_sums.size + shift

    def pack(self, G, S, strengths, xi_out, readout):
        """One full state vector of G (L, P, P), S (L, P, M) and the small factors."""
        shares = np.hstack([G[:, *self.of_sums.upper], S.reshape(self.L, -1)])
        return np.concatenate([shares.T.ravel(), strengths, xi_out.ravel(), readout.ravel()])

    def sums(self, states):
        """States (..., size) with the sum over all shares in place of them, in the order of StateLayout."""
        shares = states[..., self.shares].reshape(states.shape[:-1] + (self.of_share, self.L))
        return np.concatenate([shares.sum(-1), states[..., self.shares.stop:]], -1)

    def unpack(self, states):
        """The order parameters of states: G and S summed over all shares, strengths, xi_out and readout."""
        return self.of_sums.unpack(self.sums(states))

    def unpack_groups(self, states, first):
        """G (..., R, P, P) and S (..., R, P, M) of states, summed over the shares from each of ``first`` (R,) on."""
        shares = states[..., self.shares].reshape(states.shape[:-1] + (self.of_share, self.L))
        groups = np.moveaxis(np.add.reduceat(shares, first, -1), -1, -2)
        G, S = groups[..., self.of_sums.full_G], groups[..., self.of_sums.S]
        return G, S.reshape(S.shape[:-1] + (self.P, self.M))


class SpectralDrift:
    """The right-hand side d/dα of the shares and factors that move, compiled and callable.

    As :class:`onlinemode.theory.meanfield.MeanFieldDrift`, for inputs with a covariance.

    Parameters
    ----------
    problem : Problem
    overlaps : OrderParameters
        Fixes the factors and the teacher's readout.
    shares : Shares
        Of its overlaps.
    N : int, optional
        Number of inputs, for the terms of order 1/N of few directions, which are known for averages in closed form
        (docs/theory, section 18.2); by default they are left out.
    nodes, node_seed, averages
        As there; losses other than the squared one, and labels that are signs, are averaged over nodes.

    Attributes
    ----------
    layout : ShareLayout
    full : array
        The full state of the start.
    active : int array (d,)
        Which entries of the full state move.
    method : str
        How averages are taken.
    """

    def __init__(self, problem, overlaps, shares, nodes=DEFAULT_NODES, node_seed=NODE_SEED, averages=None, N=None):
        from onlinemode.kernels.averages import spectral
        from onlinemode.kernels.jit import prepared

        rates = problem.rates
        K, M, P = overlaps.K, overlaps.M, overlaps.P
        self.layout = ShareLayout(K, M, P, len(shares.eigenvalues))
        self.full = self.layout.pack(shares.G, shares.S, overlaps.strengths, overlaps.xi_out, overlaps.readout)
        moves = np.zeros(self.layout.size, bool)
        moves[self.layout.shares] = rates.xi_in != 0.0 or problem.weight_decay != 0.0
        moves[self.layout.strengths] = rates.strengths != 0.0
        moves[self.layout.xi_out] = rates.xi_out != 0.0
        moves[self.layout.readout] = rates.readout != 0.0
        self.active = np.flatnonzero(moves)
        self.method = averaging.NODES if not problem.plain else averaging.method_of(problem, averages)
        self._error = np.empty(1)
        self._teacher_lengths = np.abs(shares.T).max((1, 2))
        teacher = teacher_of(overlaps.T)
        rule = problem.rule(1)._replace(dropout=None)  # which is in the masks: no other code is compiled for it
        if self.method != averaging.NODES:  # each array takes time to hand over
            rule = rule._replace(activation=None, teacher_activation=None, loss=None, labels=None)
        self._system = spectral.System(
            rule, (K, M, P), teacher, np.array(overlaps.teacher_readout),
            make_aid(self.method, problem, K, M, teacher.factor.shape[1] + P, nodes, node_seed),
            spectral.Spectrum(shares.eigenvalues, shares.traces, np.ascontiguousarray(np.moveaxis(shares.T, 0, -1))),
            self.full.copy(), self.active, self._error)
        self._generator = prepared(spectral.generator, self.full, self._system)
        self._rates = prepared(spectral.rates, self.full, self.full, self._system)
        self._flow = prepared(spectral.flow, self.full, self.full, self._system)
        self._problem = problem if problem.scheduled else None
        self._masks = Masks(problem, self) if problem.drops_out else None
        if self._masks is not None:  # what moves all shares alike moves them for every student that a sample may have
            matrices = 2 * P * P + P * M + 1
            of_factors = self._masks.learn(slice(self.layout.shares.stop, None))
            self._learn = np.hstack([np.ones((len(of_factors), matrices)), of_factors])
        self._few = None
        if N is not None and self.method != averaging.NODES and moves[self.layout.shares].all():
            self._few = FewDirections(self.layout, shares, problem.batch, N)
        self._sphere = None
        if problem.constraint is not None and moves[self.layout.shares].all():
            self._sphere = KeptLengths(self.layout, shares.squares)

    def generator(self, y, alpha=0.0):
        """What moves the shares at a state: a flat vector, see ``onlinemode.kernels.averages.spectral``."""
        y = np.ascontiguousarray(y, np.float64)
        generator = self._of_all_shares(y, alpha)
        if self._few is None:
            return generator
        error = self.last_error
        own = self._few.rates(y, generator, lambda state, more: self._of_all_shares(state, alpha, more))
        self._error[0] = error
        return np.concatenate([generator, own])

    def _of_all_shares(self, y, alpha, more_T=None):
        """The part that is the same for all shares, with ``more_T`` (M, M) added to the overlaps of the teacher."""
        system = self._system
        if more_T is not None:
            system = system._replace(teacher=system.teacher._replace(T=system.teacher.T + more_T))
        if self._problem is not None:
            from onlinemode.kernels.rule.step import rule_with_numbers

            system = system._replace(rule=rule_with_numbers(system.rule, self._problem.numbers_of(alpha)))
        if self._masks is None:
            return self._generator(y, system)
        return self._masks.mean(lambda state, y: self._generator(y, system._replace(state=state)), y, alpha,
                                self._learn)

    def after(self, y, generator):
        """Where a state is after a unit of time with a generator that is constant."""
        return self._flow(y, generator, self._system)

    def __call__(self, y, alpha=0.0):
        y = np.ascontiguousarray(y, np.float64)
        generator = self.generator(y, alpha)
        rates = self._rates(y, generator, self._system)
        if self._sphere is not None:
            self._sphere.keep(y, rates, generator)
        return rates

    @property
    def corrected(self):
        """Whether there are terms of order 1/N."""
        return self._few is not None

    @property
    def last_error(self):
        """Generalization error ε_g at the state of the last call."""
        return float(self._error[0])

    def sizes(self, y):
        """How large the entries are, (d,): each share as its largest entry, √|G_l| √|T_l| for S_l, and the factors.

        Parameters
        ----------
        y : array (d,)
            The entries that move.
        """
        full = self.full.copy()
        full[self.active] = y
        upper, shares = self.layout.P * (self.layout.P + 1) // 2, np.abs(full[self.layout.shares])
        lengths = shares.reshape(self.layout.of_share, -1)[:upper].max(0)
        sizes = np.abs(full)
        of_shares = sizes[self.layout.shares].reshape(self.layout.of_share, -1)
        of_shares[:upper], of_shares[upper:] = lengths, np.sqrt(lengths * self._teacher_lengths)
        return sizes[self.active]

    def at_start(self, alpha=0.0):
        """Derivatives d/dα of the order parameters at the start: of the sums G and S, strengths, xi_out and readout."""
        derivative = np.zeros(self.layout.size)
        if self.active.size:
            derivative[self.active] = self(self.full[self.active], alpha)
        return self.layout.unpack(derivative)


def require_theory(problem):
    """Raise EngineError unless mean-field equations are known for the inputs of a problem, and for it beside them."""
    inputs = problem.inputs
    if inputs.independent:
        return
    if problem.drifts:
        raise EngineError("the mean-field equations of a teacher that drifts need inputs with independent entries; got "
                          f"{inputs!r}: take Gaussian(), or leave drift out")
    if inputs.has_mean:
        raise EngineError(f"the mean-field equations need inputs of mean 0; the rows of {inputs!r} have another one: "
                          "take standardised rows, or subtract the means of the columns")
