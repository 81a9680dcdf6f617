"""A spectrum cut into few groups of neighbouring eigenvalues: which directions are learned when.

docs/theory, section 18.7.
"""

from typing import NamedTuple

import numpy as np

from onlinemode.errors import EngineError
from onlinemode.theory.spectral import at_nodes, eigenspace_of, resolve

LEFT_OUT = -1  # in place of the number of a group: directions of no variance

_PER_EIGENVALUE = ("eigenvalues", "traces", "G", "S", "T")  # of Shares


class EigenvalueGroups(NamedTuple):
    """Groups of neighbouring eigenvalues of the inputs' covariance Ω, the largest first.

    Attributes
    ----------
    eigenvalues : array (R,)
        Of each group the mean Σω²/Σω, weighted by the trace.
    multiplicities : int array (R,)
        Directions in it; those of no variance are in none.
    traces : array (R,)
        τ_l = Σω/N, whose sum is 1.
    T : array (R, M, M)
        Shares of the teacher's overlaps, whose sum is T; of one that does not see the inputs what they tell of it
        (docs/theory, section 18.9).
    """

    eigenvalues: np.ndarray
    multiplicities: np.ndarray
    traces: np.ndarray
    T: np.ndarray

    def of_teacher_units(self, units: np.ndarray) -> "EigenvalueGroups":
        """The same of some of the teacher's units.

        Parameters
        ----------
        units : int array
            Their numbers, from 0.

        Returns
        -------
        EigenvalueGroups
            With a smaller T.
        """
        return self._replace(T=self.T[:, units[:, None], units])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays of a file.

        Returns
        -------
        dict of arrays
            By their names there.
        """
        return {f"group_{name}": values for name, values in self._asdict().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "EigenvalueGroups | None":
        """The inverse of :meth:`to_arrays`.

        Parameters
        ----------
        arrays : dict of arrays
            All of a file.

        Returns
        -------
        EigenvalueGroups or None
            None where the file has none.
        """
        if "group_eigenvalues" not in arrays:
            return None
        return cls(*(arrays[f"group_{name}"] for name in cls._fields))


def require_covariance(inputs):
    """Raise EngineError where there is nothing to resolve."""
    if inputs.independent:
        raise EngineError(f"resolve needs inputs with a covariance; {inputs!r} have one eigenvalue, and nothing to "
                          "resolve: leave it out, or take inputs such as PowerLaw(1.0)")


def members_of(eigenvalues, most, multiplicities=None):
    """The group of each direction, from 0 for the largest eigenvalues; LEFT_OUT for those that vanish.

    The distinct eigenvalues themselves where there are no more than ``most``, else groups of about equal sums of √ω.
    An eigenvalue is never divided, so groups may be fewer.

    Parameters
    ----------
    eigenvalues : array (N,)
        In the order of the directions.
    most : int
        Largest number of groups.
    multiplicities : int array (N,), optional
        How many directions each entry stands for; by default one.

    Returns
    -------
    int array (N,)
    """
    if multiplicities is None:
        multiplicities = np.ones(len(eigenvalues), np.int64)
    there = np.flatnonzero(eigenvalues)
    descending = there[np.argsort(-eigenvalues[there], kind="stable")]
    values = eigenvalues[descending]
    space = eigenspace_of(values)
    distinct = space[0] - space  # from 0 for the largest
    number = distinct
    if distinct[-1] >= most:
        roots = np.bincount(distinct, np.sqrt(values) * multiplicities[descending])
        middles = np.cumsum(roots) - 0.5 * roots
        cut = np.minimum((most * middles / roots.sum()).astype(int), most - 1)
        number = np.unique(cut, return_inverse=True)[1][distinct]
    members = np.full(len(eigenvalues), LEFT_OUT)
    members[descending] = number
    return members


def groups_of(eigenvalues, members, T, multiplicities=None, N=None):
    """What is the same at all times, an EigenvalueGroups.

    Parameters
    ----------
    eigenvalues, members : array (n,)
        As of :func:`members_of`.
    T : array (R, M, M)
        The teacher's shares.
    multiplicities : int array (n,), optional
        How many directions each entry stands for; by default one.
    N : int, optional
        Number of directions; by default n.

    Returns
    -------
    EigenvalueGroups
    """
    there = members != LEFT_OUT
    own, values = members[there], eigenvalues[there]
    counts = np.ones(len(values), np.int64) if multiplicities is None else multiplicities[there]
    traces, directions = np.bincount(own, counts * values), np.zeros(own.max() + 1, np.int64)
    np.add.at(directions, own, counts)
    return EigenvalueGroups(np.bincount(own, counts * values**2) / traces, directions,
                            traces / (len(eigenvalues) if N is None else N), np.ascontiguousarray(T))


def resolve_groups(modes, teacher, eigenvalues, members, count, rate, alpha, more=0):
    """The shares of vectors, each group at eigenvalues or nodes of its own, so that sums over a group have a meaning.

    Parameters
    ----------
    modes, teacher, eigenvalues, count, rate, alpha, more
        As in :func:`onlinemode.theory.spectral.resolve`; ``count`` and ``more`` are of each group.
    members : int array (N,)
        Of :func:`members_of`.

    Returns
    -------
    shares : Shares
        Those of all groups, one after the other.
    first : int array (R,)
        Where those of each group begin.
    """
    N, parts = len(eigenvalues), []
    for group in range(members.max() + 1):
        own = members == group
        part = resolve(modes[:, own], teacher[:, own], eigenvalues[own], count, rate, alpha, more)
        share = own.sum() / N  # resolve divides by the directions that it is given
        parts.append(part._replace(traces=share * part.traces, G=share * part.G, S=share * part.S, T=share * part.T))
    return _joined(parts)


def groups_at_nodes(shares, members, count, rate, alpha, more=0):
    """The same of shares of all eigenvalues; ``members`` (L,) are those of the eigenvalues."""
    parts = []
    for group in range(members.max() + 1):
        own = members == group
        part = shares._replace(**{name: getattr(shares, name)[own] for name in _PER_EIGENVALUE})
        parts.append(at_nodes(part, count, rate, alpha, more))
    return _joined(parts)


def _joined(parts):
    ends = np.cumsum([len(part.eigenvalues) for part in parts])
    joined = {name: np.concatenate([getattr(part, name) for part in parts])
              for name in _PER_EIGENVALUE}
    return parts[0]._replace(**joined, exact=all(part.exact for part in parts)), np.concatenate([[0], ends[:-1]])
