"""The order parameters as named blocks: names, shapes, order in one vector, and what is done with all of them alike.

Blocks are a dict of arrays by name, with any axes in front.  What is not known is NaN, and 0 in whole numbers.
"""

import numpy as np

FACTORS = ("strengths", "xi_out", "readout")
OVERLAPS = ("G", "S", *FACTORS)
OF_GROUPS = ("group_G", "group_S")  # resolved by groups of eigenvalues of the inputs' covariance, where asked for


def shapes_of(K, M, P, heads=None):
    """Name to shape, of one state; of a student with so many heads, or with one readout."""
    return dict(zip(OVERLAPS, ((P, P), (P, M), (P,), (K, P), (K,) if heads is None else (heads, K))))


def blocks_of(source, names=OVERLAPS):
    """The attributes of these names."""
    return {name: getattr(source, name) for name in names}


def nothing(shapes, *lead):
    """Blocks of which nothing is known yet, with these axes in front."""
    return {name: np.full((*lead, *shape), np.nan) for name, shape in shapes.items()}


def missing_like(blocks, count):
    """So many rows of which nothing is known, in place of the first axis."""
    return {name: missing_rows(values, count) for name, values in blocks.items()}


def missing_rows(values, count):
    """The same for one array."""
    values = np.asarray(values)
    return np.full((count, *values.shape[1:]), np.nan if values.dtype.kind == "f" else 0, values.dtype)


def stacked(states):
    """Blocks with a new axis in front, of several that have the same names."""
    states = list(states)
    return {name: np.stack([each[name] for each in states]) for name in states[0]}


def joined(parts):
    """Blocks along the first axis, one part after the other."""
    parts = list(parts)
    return {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}


class StateLayout:
    """Order of the entries of a full state vector: upper triangle of G, S, strengths, xi_out, readout.

    Parameters
    ----------
    K, M, P : int
        Hidden units of student and teacher, and number of modes.
    heads : int, optional
        Readouts of the student, (heads, K); by default one, (K,).

    Attributes
    ----------
    size : int
        Entries of a full state.
    G, S, strengths, xi_out, readout : slice
        Where each block stands.
    """

    def __init__(self, K, M, P, heads=None):
        self.K, self.M, self.P = K, M, P
        self.upper = np.triu_indices(P)
        self._shapes = shapes_of(K, M, P, heads)
        sizes = [len(self.upper[0]), *(int(np.prod(shape)) for shape in list(self._shapes.values())[1:])]
        ends = np.cumsum(sizes)
        self.G, self.S, self.strengths, self.xi_out, self.readout = (
            slice(int(end - size), int(end)) for end, size in zip(ends, sizes))
        self.size = int(ends[-1])
        self.full_G = np.empty((P, P), np.intp)  # where each entry of the symmetric G stands
        self.full_G[self.upper] = np.arange(sizes[0])
        self.full_G.T[self.upper] = np.arange(sizes[0])

    def pack(self, G, S, strengths, xi_out, readout):
        """One full state vector.

        Parameters
        ----------
        G : array (P, P)
            Overlaps of the input modes.
        S : array (P, M)
            Of input modes and teacher units.
        strengths : array (P,)
            Of the modes.
        xi_out : array (K, P)
            Output modes.
        readout : array (K,) or (heads, K)
            Second layer of the student.

        Returns
        -------
        array (size,)
            In this order.
        """
        return np.concatenate([G[self.upper], S.ravel(), strengths, xi_out.ravel(), readout.ravel()])

    def unpack(self, states):
        """The blocks of states.

        Parameters
        ----------
        states : array (..., size)
            Full state vectors.

        Returns
        -------
        tuple of arrays
            G (..., P, P), S (..., P, M), strengths (..., P), xi_out (..., K, P) and readout (..., K) or
            (..., heads, K).
        """
        lead = states.shape[:-1]
        blocks = {name: states[..., getattr(self, name)] for name in OVERLAPS[1:]}
        return (states[..., self.full_G],
                *(each.reshape(lead + self._shapes[name]) for name, each in blocks.items()))
