"""The chain's update, pathwise against real vectors; its random numbers; the rotation."""

import numpy as np
import pytest
from scipy import stats

from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi

COUNT = 200_000


def chi(degrees, count=COUNT, seed=3):
    out = np.empty(count)
    fill_chi(out, np.empty(count), degrees, count, 0, 0, 1, seed)
    return out


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 100, 10**6])
def test_chi(degrees):
    """KS of 2e5 draws; false-alarm rate 1e-3 a case."""
    assert stats.kstest(chi(degrees) ** 2, stats.chi2(degrees).cdf).pvalue > 1e-3


def test_chi_of_no_and_of_huge_degrees():
    assert np.all(chi(0, 100) == 0.0)
    huge = (chi(10**12) ** 2 - 1e12) / np.sqrt(2e12)
    assert abs(huge.mean()) < 5.0 / np.sqrt(COUNT)
    assert huge.std() == pytest.approx(1.0, abs=0.01)


def test_chi_does_not_depend_on_the_buffer():
    whole, parts = chi(3, 1000), np.empty(1000)
    for first in range(0, 1000, 64):
        count = min(64, 1000 - first)
        piece = np.empty(64)
        fill_chi(piece, np.empty(64), 3, count, 0, first, 1, 3)
        parts[first:first + count] = piece[:count]
    assert np.array_equal(parts, whole)
    third = np.empty(333)
    fill_chi(third, np.empty(333), 3, 333, 0, 1, 3, 3)
    assert np.array_equal(third, whole[1::3][:333])


@pytest.mark.parametrize("degrees", [0, 1, 3, 100])
def test_the_noise_beside_chi(degrees):
    """A normal that is independent of chi and the same for all degrees; KS at 1e-3, correlations at 5 errors."""
    length, noise, other = np.empty((3, COUNT))
    fill_chi(length, noise, degrees, COUNT, 0, 0, 1, 3)
    fill_chi(length.copy(), other, 7, COUNT, 0, 0, 1, 3)
    assert np.array_equal(noise, other)
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    if degrees:
        for x in (noise, noise**2):
            assert abs(np.corrcoef(x, length)[0, 1]) < 5.0 / np.sqrt(COUNT)


def normals(rows, count, seed=1, first=0, replica=0, stride=1):
    out = np.empty((rows, count))
    fill_chain_normals(out, rows, count, 2, replica, first, stride, seed)
    return out


def test_chain_normals():
    """Moments to order 6 within 5 standard errors, KS at 1e-3, no correlations beyond 5 standard errors."""
    values = normals(4, COUNT)
    flat = values.ravel()
    for order, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((flat**order).mean() - moment) < 5.0 * np.sqrt(spread / flat.size)
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(values) - np.eye(4)).max() < 5.0 / np.sqrt(COUNT)
    for other in (normals(4, COUNT, seed=2), normals(4, COUNT, replica=1), normals(4, COUNT, first=1)):
        assert np.abs(np.corrcoef(values, other)[:4, 4:]).max() < 5.0 / np.sqrt(COUNT)


def test_chain_normals_do_not_depend_on_the_buffer():
    assert np.array_equal(normals(6, 10, first=2**40 + 5), normals(6, 20, first=2**40)[:, 5:15])
    assert np.array_equal(normals(4, 5, first=2**40 + 5, stride=3), normals(6, 20, first=2**40)[:4, 5:20:3])


def orthonormal_to(rows, generator):
    """A unit vector orthogonal to orthonormal rows."""
    vector = generator.standard_normal(rows.shape[1])
    for _ in range(2):
        vector -= rows.T @ (rows @ vector)
    return vector / np.linalg.norm(vector)


def nearest_orthonormal(rows):
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    return left @ right


@pytest.mark.parametrize("N, K, M, P, batch", [(31, 3, 2, 2, 1), (40, 2, 3, 4, 1), (30, 2, 2, 2, 3), (9, 2, 3, 3, 1),
                                              (40, 3, 2, 6, 1), (50, 2, 2, 9, 2)])
def test_pathwise_equal_to_real_vectors(N, K, M, P, batch, random_weights):
    """400 steps: real N-vectors that have the chain's fields and lengths learn to the same overlaps.

    The chain's normals and chi variates are components in its frame.  Here the frame is made of real
    vectors, the input is put together from them, and ten lines of NumPy learn from it.
    """
    from scipy.special import erf

    from onlinemode.engines.chain.engine import ChainStart
    from onlinemode.kernels.chain.markov import ANY, Frame, Networks, Progress, Saved, make_advance, rotation_period
    from onlinemode.kernels.random.philox import Key
    from onlinemode.kernels.rule.activations import activation_named
    from onlinemode.kernels.rule.step import Rates, Rule

    steps, seed, eta, eta_s, eta_A, eta_v, kappa = 400, 5, 1.2, 0.3, 0.4, 0.2, 0.3
    start = random_weights(N, K=K, M=M, P=P, seed=N)
    begin = ChainStart(start, N)
    r_B, columns = len(begin.along), len(begin.across)
    _, extra = rotation_period(batch)
    rows = r_B + columns + min(extra, begin.dof)
    paths = tuple(np.full((steps + 1,) + shape, np.nan) for shape in ((rows, P), (P,), (K, P), (K,)))
    erf_units = activation_named("erf")
    make_advance(ANY)(
        Networks(begin.modes.copy(), start.factors()), Frame(begin.teacher_factor, columns, begin.dof),
        Rule(erf_units, erf_units, Rates(eta, eta_s, eta_A, eta_v), 0.0, kappa, batch, float(N)),
        Saved(np.arange(steps + 1), *paths), Progress(np.zeros(2, np.int64), steps, np.zeros(1, np.uint8)),
        Key(np.uint64(seed), 0))

    samples = steps * batch
    omega = normals(-(-(rows + 1) // 2) * 2, samples, seed=np.uint64(seed))
    generator = np.random.default_rng(1)
    B, X = start.teacher, start.xi_in.copy()
    s, A, v, v_star = start.strengths, start.xi_out, start.readout, start.teacher_readout
    frame_B = np.linalg.lstsq(begin.teacher_factor, B / np.sqrt(N), rcond=None)[0]
    frame_X = np.linalg.lstsq(begin.across.T, X / np.sqrt(N) - begin.along.T @ frame_B, rcond=None)[0]
    frame = np.concatenate([frame_B, frame_X])
    assert np.allclose(frame @ frame.T, np.eye(len(frame)), atol=1e-12)
    for step in range(steps):
        inputs = []
        for j in range(batch):
            t = step * batch + j
            dof = N - len(frame)
            length, new = np.empty(1), []
            fill_chi(length, np.empty(1), dof, 1, 0, t, 1, np.uint64(seed))
            x = omega[:len(frame), t] @ frame
            if dof > 0:
                new = [orthonormal_to(frame, generator)]
                x = x + length[0] * new[0]
                frame = np.concatenate([frame, new])
            inputs.append(x)
        dX, ds, dA, dv = 0.0, 0.0, 0.0, 0.0
        for x in inputs:
            u, nu = X @ x / np.sqrt(N), B @ x / np.sqrt(N)
            field = A @ (s * u)
            error = v @ erf(field / np.sqrt(2)) - v_star @ erf(nu / np.sqrt(2))
            delta = error * v * np.sqrt(2 / np.pi) * np.exp(-field**2 / 2)
            a = A.T @ delta
            dX, ds = dX + np.outer(s * a, x) / batch, ds + u * a / batch
            dA, dv = dA + np.outer(delta, s * u) / batch, dv + error * erf(field / np.sqrt(2)) / batch
        X = (1 - kappa / N) * X - eta / np.sqrt(N) * dX
        s, A, v = s - eta_s / N * ds, A - eta_A / N * dA, v - eta_v / N * dv
        along, now = np.split(paths[0][step + 1], [r_B])
        assert np.abs(along.T @ along + now.T @ now - X @ X.T / N).max() < 1e-12 * max(1.0, np.abs(X @ X.T / N).max())
        assert np.abs(along.T @ begin.teacher_factor.T - X @ B.T / N).max() < 1e-12
        for saved, value in zip(paths[1:], (s, A, v)):
            assert np.abs(saved[step + 1] - value).max() < 1e-12
        if (step + 1) * batch % extra == 0 and len(frame) > r_B + columns:  # the kernel has rotated its frame
            before = (X / np.sqrt(N)) @ frame[r_B:].T
            rotated = np.linalg.solve(now[:P].T, before) @ frame[r_B:]
            frame = np.concatenate([frame_B, nearest_orthonormal(rotated)])
