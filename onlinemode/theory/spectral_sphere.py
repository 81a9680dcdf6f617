"""Modes that keep their lengths where the overlaps are resolved by eigenvalues: docs/theory, section 18.11."""

import numpy as np


class KeptLengths:
    """Lets each mode lose what it would gain in length, |X_p|²/N in the plain metric.

    Parameters
    ----------
    layout : ShareLayout
        Of the states.
    squares : array (P,)
        |X_p|²/N of all directions, which stay.
    """

    def __init__(self, layout, squares):
        self._layout = layout
        self._there = squares > 0.0  # a mode of length 0 has nowhere to go
        self._squares = np.where(self._there, squares, 1.0)
        P, M = layout.P, layout.M
        one, other = layout.of_sums.upper
        of_S = np.repeat(np.arange(P), M)
        self._first, self._second = np.concatenate([one, of_S]), np.concatenate([other, np.full(P * M, P)])
        self._lift, self._walk = slice(P * P, P * P + P * M), slice(P * P + P * M, 2 * P * P + P * M)
        self._decay = 2 * P * P + P * M

    def keep(self, y, rates, generator):
        """Change the rates of the shares, in place.

        Parameters
        ----------
        y : array (d,)
            A state in which all shares move.
        rates : array (d,)
            Its rates without the constraint.
        generator : array
            Of which they were made, see ``onlinemode.kernels.averages.spectral``.
        """
        P, M, L = self._layout.P, self._layout.M, self._layout.L
        shares = y[:self._layout.of_share * L].reshape(-1, L)
        sums = shares.sum(1)
        G, S = sums[self._layout.of_sums.full_G], sums[-P * M:].reshape(P, M)
        pull, lift = generator[:P * P].reshape(P, P), generator[self._lift].reshape(P, M)
        gain = 2.0 * ((pull * G.T).sum(1) + (lift * S).sum(1)) + np.diag(generator[self._walk].reshape(P, P))
        loss = np.append(0.5 * gain / self._squares - generator[self._decay], 0.0)  # the last one of no mode
        moved = rates[:self._layout.of_share * L].reshape(-1, L)
        moved -= (loss[self._first] + loss[self._second])[:, None] * shares
        there = np.append(self._there, True)
        moved[~(there[self._first] & there[self._second])] = 0.0
