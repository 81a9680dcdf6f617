"""What the mean step has beside the mean-field rates where inputs have few directions; docs/theory, section 18.2."""

import numpy as np

STEP = 1e-4  # of differences, relative to the overlaps


class FewDirections:
    """The terms of order 1/N in the mean increment of the shares of G, which matter where one eigenvalue is large.

    |Π_l x|² is not independent of the fields, and with several samples a step their mean counts as well:

        (2/N) ω_l² ∂C(Z_l)  +  (1 − 1/n) (1/N) ω_l² [U, W] C_l [U, W]ᵀ

    with the random walk C = (η²/n) A_sᵀ V A_s as a function of the summed covariance of (u, ν), whose share is C_l.

    Parameters
    ----------
    layout : ShareLayout
        Of the states.
    shares : Shares
        Of the start.
    batch : int
        Samples n of a step.
    N : int
        Number of inputs.
    """

    def __init__(self, layout, shares, batch, N):
        self._layout, self._T, self._batch = layout, shares.T, batch
        self._weights = shares.eigenvalues**2 / N
        P, M = layout.P, layout.M
        self._walk = slice(P * P + P * M, 2 * P * P + P * M)  # in a generator
        self._pairs = [(a, b) for a in range(P + M) for b in range(a, P + M)]

    def rates(self, y, generator, generator_at):
        """What is added to the rates of the shares of G, in the order of a state.

        Parameters
        ----------
        y : array (d,)
            A state in which all shares move.
        generator : array
            What moves all shares alike there.
        generator_at : callable
            The same of a state and a matrix (M, M) that is added to T.
        """
        P, M, L = self._layout.P, self._layout.M, self._layout.L
        C = self._covariances(y)
        h = STEP * max(np.abs(C.sum(0)).max(), 1e-3)
        turned = np.zeros((L, P * P))
        for a, b in self._pairs:
            ends = [generator_at(*self._moved(y, a, b, step))[self._walk] for step in (h, -h)]
            turned += C[:, a, b, None] * np.subtract(*ends) / (2.0 * h)
        gain = np.hstack([generator[:P * P].reshape(P, P), generator[P * P:self._walk.start].reshape(P, M)])
        total = 2.0 * turned.reshape(L, P, P) + (1.0 - 1.0 / self._batch) * (gain @ C @ gain.T)
        upper = self._layout.of_sums.upper
        return (total * self._weights[:, None, None])[:, *upper].T.ravel()

    def _covariances(self, y):
        """C_l (L, P+M, P+M) of a state."""
        P, M, L = self._layout.P, self._layout.M, self._layout.L
        blocks = y[:self._layout.of_share * L].reshape(-1, L)
        upper = self._layout.of_sums.upper
        C = np.zeros((L, P + M, P + M))
        C[:, *upper] = C[:, *upper[::-1]] = blocks[:upper[0].size].T
        C[:, :P, P:] = blocks[upper[0].size:].T.reshape(L, P, M)
        C[:, P:, :P] = C[:, :P, P:].swapaxes(1, 2)
        C[:, P:, P:] = self._T
        return C

    def _moved(self, y, a, b, step):
        """The state, and what is added to T, where the entry (a, b) of the summed covariance is larger by a step."""
        P, M, L = self._layout.P, self._layout.M, self._layout.L
        more = np.zeros((M, M))
        if a >= P:
            more[a - P, b - P] = more[b - P, a - P] = step
            return y, more
        y = y.copy()
        entry = self._layout.of_sums.full_G[a, b] if b < P else P * (P + 1) // 2 + a * M + b - P
        y[entry * L] += step
        return y, more
