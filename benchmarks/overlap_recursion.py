"""The law of the overlaps in double-double: what the chain is held against, here and in the tests.

The reference is the recursion of the overlaps themselves (docs/theory, section 7.1, "in terms of overlaps"),

    G' = φ²G + φ/N (c uᵀ + u cᵀ) + c cᵀ |x|²/N²,      O' = φO + c ω_Bᵀ/N,      S = O L_Bᵀ,

with c = −η s∘a, and the rule of section 1.2 for s, A and v.  It updates no factor L_X and rotates nothing.  All of
it is in double-double (106 bits); only erf and its slope are the package's float64 functions, of a rounded field.
Numbers are those of the chain: its normals, its χ variates, its label noise.  The fields u come either

- from the chain's own factors: then nothing contracts, and every rounding error of the chain stays in the
  difference for ever, unless weight decay takes it out; or
- from the reference: at every rotation L_X is the Cholesky factor of G − O Oᵀ, and is carried on to the next. Then
  it is a second chain with the same noise, and the difference holds what the dynamics makes of the rounding errors.
  The one thing it takes from the chain is the sign of each frame vector (of each diagonal element of L_X), which is
  a convention.

A double-double number is kept as a complex number, the high part real and the low part imaginary.
"""

import math

import numpy as np
from numba import njit

from onlinemode.engines.chain.engine import ChainStart
from onlinemode.kernels.chain.markov import ANY, Frame, Networks, Progress, Saved, make_advance, rotation_period
from onlinemode.kernels.mathematics.error_function import erf_and_slope
from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi
from onlinemode.kernels.random.philox import STREAM_CHAIN_NORMAL, Key

BLOCK = 4096  # steps whose factors are kept at once


@njit(nogil=True)
def quick_sum(a, b):
    total = a + b
    return complex(total, b - (total - a))


@njit(nogil=True)
def two_sum(a, b):
    total = a + b
    rest = total - a
    return complex(total, (a - (total - rest)) + (b - rest))


@njit(nogil=True)
def two_product(a, b):
    product = a * b
    t = 134217729.0 * a
    a1 = t - (t - a)
    a2 = a - a1
    t = 134217729.0 * b
    b1 = t - (t - b)
    b2 = b - b1
    return complex(product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2)


@njit(nogil=True)
def plus(a, b):
    high, low = two_sum(a.real, b.real), two_sum(a.imag, b.imag)
    high = quick_sum(high.real, high.imag + low.real)
    return quick_sum(high.real, high.imag + low.imag)


@njit(nogil=True)
def times(a, b):
    product = two_product(a.real, b.real)
    return quick_sum(product.real, product.imag + (a.real * b.imag + a.imag * b.real))


@njit(nogil=True)
def over(a, b):
    first = a.real / b.real
    rest = plus(a, -times(b, complex(first, 0.0)))
    second = rest.real / b.real
    rest = plus(rest, -times(b, complex(second, 0.0)))
    return plus(quick_sum(first, second), complex(rest.real / b.real, 0.0))


@njit(nogil=True)
def root(a):
    if a.real <= 0.0:
        return complex(0.0, 0.0)
    first = math.sqrt(a.real)
    return plus(complex(first, 0.0), complex(0.5 * plus(a, -two_product(first, first)).real / first, 0.0))


@njit(nogil=True)
def dot(a, b, count):
    total = complex(0.0, 0.0)
    for i in range(count):
        total = plus(total, times(a[i], b[i]))
    return total


@njit(nogil=True)
def cholesky(G, O, signs, L):
    """Fill L, lower triangular with L Lᵀ = G − O Oᵀ and a diagonal of the given signs."""
    P, r_B = O.shape
    for j in range(P):
        for p in range(j, P):
            rest = plus(plus(G[p, j], -dot(O[p], O[j], r_B)), -dot(L[p], L[j], j))
            if p == j:
                diagonal = root(rest)
                L[j, j] = -diagonal if signs[j] < 0.0 else diagonal
            else:
                L[p, j] = over(rest, L[j, j])


@njit(nogil=True)
def recur(G, O, s, A, v, L, own, along, across, omega, chi, noise, period, teacher_factor, teacher_readout, rates,
          decay):
    """As many steps as there are in ``chi``, in place; the last four are double-double constants.

    ``along`` and ``across`` are the chain's factors before each step, L (P, P + period) the reference's own.
    ``rates`` are divided by N.  Of G the upper triangle is advanced and copied into the other.
    """
    P, r_B = O.shape
    K, M = v.size, teacher_readout.size
    zero = complex(0.0, 0.0)
    decay_squared = times(decay, decay)
    signs = np.empty(P)
    w, u, nu, c = np.zeros(omega.shape[0], np.complex128), np.zeros(P, np.complex128), zero, np.zeros(P, np.complex128)
    scaled, g, delta, a = u.copy(), v.copy(), v.copy(), u.copy()
    for t in range(chi.size):
        since = t % period
        columns = P + since
        if own and since == 0:
            L[:] = 0.0
            for p in range(P):
                signs[p] = across[t, p, p]
            cholesky(G, O, signs, L)
        square = two_product(chi[t], chi[t])
        for i in range(r_B + columns):
            w[i] = complex(omega[i, t], 0.0)
            square = plus(square, two_product(omega[i, t], omega[i, t]))
        for p in range(P):
            u[p] = zero
            for r in range(r_B):
                u[p] = plus(u[p], times(O[p, r] if own else complex(along[t, r, p], 0.0), w[r]))
            for r in range(columns):
                u[p] = plus(u[p], times(L[p, r] if own else complex(across[t, r, p], 0.0), w[r_B + r]))
            scaled[p] = times(s[p], u[p])
        error = complex(-noise[t], 0.0)
        for k in range(K):
            field = dot(A[k], scaled, P).real
            value, slope = erf_and_slope(field)
            g[k] = complex(value, 0.0)
            delta[k] = times(v[k], complex(slope, 0.0))
            error = plus(error, times(v[k], g[k]))
        for m in range(M):
            nu = dot(teacher_factor[m], w, r_B)
            value, _ = erf_and_slope(nu.real)
            error = plus(error, -times(teacher_readout[m], complex(value, 0.0)))
        for k in range(K):
            delta[k] = times(delta[k], error)
        for p in range(P):
            a[p] = zero
            for k in range(K):
                a[p] = plus(a[p], times(A[k, p], delta[k]))
            c[p] = -times(rates[0], times(s[p], a[p]))  # c/N
        for p in range(P):
            for q in range(p, P):
                change = times(decay, plus(times(c[p], u[q]), times(u[p], c[q])))
                change = plus(change, times(times(c[p], c[q]), square))
                G[p, q] = plus(times(decay_squared, G[p, q]), change)
                G[q, p] = G[p, q]
            for r in range(r_B):
                O[p, r] = plus(times(decay, O[p, r]), times(c[p], w[r]))
            if own:
                for r in range(columns):
                    L[p, r] = plus(times(decay, L[p, r]), times(c[p], w[r_B + r]))
                L[p, columns] = times(c[p], complex(chi[t], 0.0))
        for p in range(P):
            s[p] = plus(s[p], -times(rates[1], times(u[p], a[p])))
        for k in range(K):
            for p in range(P):
                A[k, p] = plus(A[k, p], -times(rates[2], times(delta[k], scaled[p])))
            v[k] = plus(v[k], -times(rates[3], times(error, g[k])))


def exact(value):
    """A float64 array as double-double."""
    return np.asarray(value, dtype=float).astype(np.complex128)


def products(a, b):
    """a bᵀ of two double-double matrices."""
    return np.array([[dot(x, y, len(x)) for y in b] for x in np.ascontiguousarray(a)])


class Chain:
    """The chain of one replica as the kernel for all sizes makes it, with every step's factors laid open."""

    def __init__(self, problem, start, N, seed):
        self.problem, self.N, self.seed, self.made = problem, N, seed, 0
        self.begin = ChainStart(start, N)
        self.small = self.begin.overlaps.factors()
        self.rates = problem.rule(N).rates
        self.period, extra = rotation_period(problem.batch)
        self.along = np.array(self.begin.along)
        self.base = len(self.begin.across)
        self.across = np.zeros((self.base + extra, self.begin.overlaps.P))
        self.across[:self.base] = self.begin.across

    def advance(self, save_steps):
        """Go to the last of ``save_steps``, a rotation; returns along, across, s, A and v at all of them."""
        save_steps = np.asarray(save_steps, dtype=np.int64)
        assert save_steps[-1] % self.period == 0 and self.made % self.period == 0
        shapes = [self.along.shape, self.across.shape] + [part.shape for part in self.small[:3]]
        modes = np.concatenate([self.along, self.across[:self.base]])
        shapes = [(len(self.along) + len(self.across), modes.shape[1])] + [part.shape for part in self.small[:3]]
        paths = tuple(np.full((len(save_steps),) + shape, np.nan) for shape in shapes)
        diverged = make_advance(ANY)(
            Networks(modes, self.small), Frame(self.begin.teacher_factor, self.base, self.begin.dof),
            self.problem.rule(self.N), Saved(save_steps, *paths),
            Progress(np.array([self.made, 0]), 2**62, np.zeros(1, np.uint8)), Key(np.uint64(self.seed), 0), None)
        assert not diverged
        self.made = int(save_steps[-1])
        along, across = np.split(paths[0], [len(self.along)], axis=1)
        self.along, self.across = along[-1].copy(), across[-1].copy()
        return np.ascontiguousarray(along), np.ascontiguousarray(across), *paths[1:]

    def numbers(self, first, count):
        """Normals, χ variates and label noise of ``count`` samples (batch = 1), from a rotation on."""
        rows = len(self.along) + len(self.across)
        omega, chi, noise = np.zeros((-(-rows // 2) * 2, count)), np.empty(count), np.empty(count)
        seed = np.uint64(self.seed)
        fill_chain_normals(omega, rows, count, STREAM_CHAIN_NORMAL, 0, first, 1, seed)
        for since in range(self.period):
            own = slice(since, count, self.period)
            some, of_label = np.empty(len(chi[own])), np.empty(len(chi[own]))
            fill_chi(some, of_label, self.begin.dof - since, len(some), 0, first + since, self.period, seed)
            chi[own], noise[own] = some, of_label
        return omega, chi, self.problem.noise * noise


def drift(problem, start, N, steps, seed):
    """How far the chain gets from the recursion in double-double: largest difference of G, S, s, A and v.

    Parameters
    ----------
    problem : Problem
        erf, batch = 1.
    start : OrderParameters
    N : int
        With N − r_B − P > 3, so that every sample adds a column.
    steps : int
        Rounded down to a multiple of :data:`BLOCK`.
    seed : int

    Returns
    -------
    fed, own : arrays (steps // BLOCK,)
        At the end of every block; the reference's fields from the chain's factors, and its own.
    last : tuple
        The chain's G and S at the end, to be compared with those of :func:`onlinemode.simulate`.
    """
    assert problem.activation == "erf" and problem.batch == 1
    chain = Chain(problem, start, N, seed)
    begin, o = chain.begin, chain.begin.overlaps
    assert len(begin.across) == o.P and begin.dof > chain.period
    L_B = exact(begin.teacher_factor)
    inverse_N = over(complex(1.0, 0.0), complex(float(N), 0.0))
    rates = np.array([times(complex(rate, 0.0), inverse_N) for rate in chain.rates])
    decay = plus(complex(1.0, 0.0), -times(complex(problem.weight_decay, 0.0), inverse_N))
    references = []
    for own in (False, True):
        O, L = exact(begin.along.T), np.zeros((o.P, o.P + chain.period), np.complex128)
        both = np.concatenate([O, exact(begin.across.T)], 1)
        references.append((products(both, both), O, exact(o.strengths), exact(o.xi_out), exact(o.readout), L, own))
    differences = ([], [])
    for first in range(0, steps // BLOCK * BLOCK, BLOCK):
        paths = chain.advance(np.arange(first, first + BLOCK + 1))
        numbers = chain.numbers(first, BLOCK)
        factors = np.concatenate([chain.along, chain.across]).T
        now = (products(exact(factors), exact(factors)), products(exact(chain.along.T), L_B), *chain.small[:3])
        for reference, found in zip(references, differences):
            G, O, s, A, v = reference[:5]
            recur(*reference, *(path[:-1] for path in paths[:2]), *numbers, chain.period, L_B,
                  exact(chain.small.teacher_readout), rates, decay)
            then = (G, products(O, L_B), s, A, v)
            # a difference of two double-double numbers this close: the high parts first, they cancel exactly
            found.append(max(np.abs((x - y).real + (x - y).imag).max() for x, y in zip(map(np.asarray, now), then)))
    return np.array(differences[0]), np.array(differences[1]), tuple(part.real for part in now[:2])
