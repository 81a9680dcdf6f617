"""Real vectors that learn from the samples of the chain where the inputs' covariance has several eigenvalues."""

import chain_vectors
import numpy as np
import plain_sgd

from onlinemode.engines.chain.eigenspaces import EigenspaceStart, decomposition_of
from onlinemode.kernels.chain.markov import rotation_period
from onlinemode.kernels.random.chain_normals import fill_chain_normals, fill_chi
from onlinemode.kernels.random.chain_normals import fill_chi_of_stream as fill_chi_of
from onlinemode.kernels.random.philox import (
    STREAM_CHAIN_CHI_OF_EIGENSPACES,
    STREAM_CHAIN_NORMAL,
    STREAM_CHAIN_NORMAL_OF_EIGENSPACES,
)


class _Frame:
    """Orthonormal vectors of one eigenspace, to which samples add."""

    def __init__(self, vectors, variance, space):
        """Of the rows ``vectors``, teacher before modes."""
        self.vectors = np.linalg.qr(vectors.T)[0].T
        self.framed, self.variance, self.space = len(self.vectors), variance, space
        self.dimensions = vectors.shape[1]

    def sample(self, number, seed, generator):
        """The part of an input, and the normal of its label."""
        count, dof = len(self.vectors), self.dimensions - len(self.vectors)
        normals, length, noise = np.empty((count + 1, 1)), np.empty(1), np.empty(1)
        of_normals = STREAM_CHAIN_NORMAL_OF_EIGENSPACES + self.space if self.space else STREAM_CHAIN_NORMAL
        fill_chain_normals(normals, count, 1, of_normals, 0, number, 1, np.uint64(seed))
        if self.space:
            of_chi = STREAM_CHAIN_CHI_OF_EIGENSPACES + self.space
            fill_chi_of(length, noise, dof, 1, of_chi, 0, number, 1, np.uint64(seed))
        else:
            fill_chi(length, noise, dof, 1, 0, number, 1, np.uint64(seed))
        x = normals[:count, 0] @ self.vectors
        if dof:
            new = generator.standard_normal(self.dimensions)
            for _ in range(2):
                new -= self.vectors.T @ (self.vectors @ new)
            self.vectors = np.concatenate([self.vectors, new[None] / np.linalg.norm(new)])
            x = x + length * self.vectors[-1]
        return np.sqrt(self.variance) * x, noise[0]

    def rotate(self, components, modes):
        """As the kernel has rotated it; ``components`` are those of the modes in the frame now."""
        if len(self.vectors) == self.framed:
            return
        first = self.framed - components.shape[1]
        rotation, triangle = np.linalg.qr((modes @ self.vectors[first:].T).T)
        signs = np.where((triangle * components[first:self.framed]).sum(1) < 0.0, -1.0, 1.0)
        assert np.allclose(signs[:, None] * triangle, components[first:self.framed], rtol=0, atol=1e-9)
        self.vectors = np.concatenate([self.vectors[:first], signs[:, None] * rotation.T @ self.vectors[first:]])


def pairs(problem, weights, steps, seed):
    """The real student and the state of the chain after every step, a Pair each, with ``shares`` of the eigenspaces."""
    batch, N = problem.batch, weights.N
    eigenspaces = decomposition_of(problem, N)
    begin = EigenspaceStart(weights, eigenspaces, problem, N)
    period, _ = rotation_period(batch)
    paths = chain_vectors.chain_path(problem, weights, begin, steps, seed, len(begin.modes))
    generator, student = np.random.default_rng(1), plain_sgd.student_of(weights)
    vectors = np.concatenate([weights.teacher, weights.xi_in])
    frames = [_Frame(vectors[:, there], variance, space) for space, (variance, there)
              in enumerate(zip(eigenspaces.eigenvalues, eigenspaces.coordinates))]
    for step in range(steps):
        inputs, noises = np.zeros((batch, N)), np.zeros(batch)
        for j in range(batch):
            for frame, there in zip(frames, eigenspaces.coordinates):
                inputs[j, there], noises[j] = frame.sample(step * batch + j, seed, generator)
        student = chain_vectors.learned(problem, weights, student, step, inputs, noises, seed)
        modes, *factors = (path[step + 1] for path in paths)
        shares = begin.shares(modes)
        chain = {"G": shares.G.sum(0), "S": shares.S.sum(0), "strengths": factors[0], "xi_out": factors[1],
                 "readout": factors[2].reshape(weights.readout.shape), "shares": shares}
        yield chain_vectors.Pair(student, chain)
        if (step + 1) % period == 0:
            for frame, there, first in zip(frames, eigenspaces.coordinates, begin.first):
                frame.rotate(modes[first:first + frame.framed], student.xi_in[:, there] / np.sqrt(N))
