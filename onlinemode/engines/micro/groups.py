"""Overlaps of vectors resolved by groups of eigenvalues of the inputs' covariance."""

import numpy as np

from onlinemode.theory.spectral_groups import LEFT_OUT, groups_of, members_of, require_covariance


class GroupOverlaps:
    """The shares G_l = XΩΠ_lXᵀ/N and S_l = XΩΠ_lBᵀ/N of any modes X with one teacher B.

    Parameters
    ----------
    inputs : onlinemode.inputs.Inputs
    image : array (M, N)
        BΩ.
    most : int
        Largest number of groups.

    Attributes
    ----------
    groups : EigenvalueGroups
    count : int
        How many there are.

    Raises
    ------
    EngineError
        If the inputs have no covariance to resolve, or its eigenvalues cannot be had.
    """

    def __init__(self, inputs, image, most):
        require_covariance(inputs)
        N = image.shape[1]
        eigenvalues, vectors = inputs.eigenbasis(N)
        members = members_of(eigenvalues, most)
        there = np.flatnonzero(members != LEFT_OUT)
        self._order = there[np.argsort(members[there], kind="stable")]
        self._basis = None if vectors is None else np.ascontiguousarray(vectors.T[self._order])
        self._weights, self._one = eigenvalues[self._order] / N, 1.0 / N
        self._first = np.searchsorted(members[self._order], np.arange(members.max() + 1))
        self._image = self._coordinates(image)
        T = self._sums(self._image, self._image / eigenvalues[self._order], self._one)
        self.groups = groups_of(eigenvalues, members, T)
        self.count = len(self._first)

    def of(self, modes):
        """G (R, P, P) and S (R, P, M) of modes (P, N)."""
        own = self._coordinates(modes)
        return self._sums(own, own, self._weights), self._sums(own, self._image, self._one)

    def _coordinates(self, rows):
        """Coordinates (rows, directions) in the eigenbasis, group by group."""
        from onlinemode.kernels.micro.inputs import add_products

        rows = np.array(rows, np.float64, order="C")
        if self._basis is None:
            return rows[:, self._order]
        out = np.zeros((len(rows), len(self._order)))
        add_products(rows, self._basis, out, False)  # whose bits depend on no threads
        return out

    def _sums(self, rows, others, weights):
        """Weighted products Σ_i w_i a_i b_i over the directions of each group, (R, rows, others)."""
        sums = np.empty((len(self._first), len(rows), len(others)))
        for i, j in np.ndindex(sums.shape[1:]):
            sums[:, i, j] = np.add.reduceat(weights * rows[i] * others[j], self._first)
        return sums
