"""Random valid problems: a Recipe says in plain values, which a failure prints, what is learned from which start."""

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import onlinemode as om
from onlinemode.activations import STUDENTS as ACTIVATIONS

OVERLAPS = ("G", "S", "strengths", "xi_out", "readout")
STUDENTS = ("random", "small", "zero", "copies", "within the teacher", "the teacher")
TEACHERS = ("random", "orthogonal", "copies", "zero")
A_FEW, BATCHES, GAUSSIAN = st.integers(3, 40), st.integers(1, 5), st.just(("gaussian",))
SEEDS = st.integers(0, 2**64 - 1)


def examples(count):
    """So many examples of a test, times what the profile of conftest.py says."""
    return settings(max_examples=count * settings().max_examples)


@dataclass(frozen=True)
class Recipe:
    """A problem and a start in a few numbers and words; the arrays are drawn from ``seed``."""

    N: int = 20
    K: int = 2
    M: int = 2
    P: int = 2
    activation: str = "erf"
    teacher_activation: str | None = None
    rates: tuple = (0.5, 0.0, 0.0, 0.0)
    noise: float = 0.0
    weight_decay: float = 0.0
    batch: int = 1
    inputs: tuple = ("gaussian",)
    student: str = "random"
    teacher: str = "random"
    seed: int = 0

    def problem(self, **changes):
        """The Problem, with some fields changed."""
        fields = {"activation": self.activation, "teacher_activation": self.teacher_activation, "noise": self.noise,
                  "weight_decay": self.weight_decay, "batch": self.batch, "rates": om.LearningRates(*self.rates),
                  "inputs": self.inputs_object()}
        return om.Problem(**{**fields, **changes})

    @property
    def has_kinks(self):
        """Whether g' of one of the networks jumps."""
        return not all(each.smooth for each in self.problem().activations)

    def inputs_object(self):
        """What ``inputs`` means."""
        kind, *arguments = self.inputs
        if kind == "spectrum":
            return om.inputs.Spectrum(np.random.default_rng(self.seed).exponential(size=self.N))
        if kind == "rows":
            return om.inputs.Rows(np.random.default_rng(self.seed).standard_normal((9, self.N)), *arguments)
        makers = {"gaussian": om.inputs.Gaussian, "rademacher": om.inputs.Rademacher, "uniform": om.inputs.Uniform,
                  "power-law": om.inputs.PowerLaw, "manifold": om.inputs.HiddenManifold}
        return makers[kind](*arguments)

    def start(self):
        """The Weights, with entries of X, A and v such that fields are of order one for any sizes."""
        rng = np.random.default_rng(self.seed)
        N, K, M, P = self.N, self.K, self.M, self.P
        teacher = rng.standard_normal((M, N))
        if self.teacher == "orthogonal" and M <= N:
            teacher = np.sqrt(N) * np.linalg.qr(teacher.T)[0].T
        teacher = {"copies": np.repeat(teacher[:1], M, 0), "zero": np.zeros((M, N))}.get(self.teacher, teacher)
        xi_in, mixing = rng.standard_normal((P, N)), rng.standard_normal((P, M)) / np.sqrt(M)
        xi_in = {"small": 1e-3 * xi_in, "zero": 0.0 * xi_in, "copies": np.repeat(xi_in[:1], P, 0),
                 "within the teacher": mixing @ teacher}.get(self.student, xi_in)
        strengths, xi_out = rng.uniform(0.5, 1.5, P), rng.standard_normal((K, P)) / np.sqrt(P)
        readout, teacher_readout = rng.uniform(0.4, 1.2, K) / np.sqrt(K), rng.uniform(0.4, 1.2, M) / np.sqrt(M)
        if self.student == "the teacher" and K == M == P:
            xi_in, strengths, xi_out, readout = teacher, np.ones(P), np.eye(K), teacher_readout
        return om.Weights(xi_in, strengths, xi_out, readout, teacher, teacher_readout)


def rates(largest=1.0):
    """Learning rates of any of the four factors."""
    rate = st.one_of(st.just(0.0), st.floats(0.05, largest))
    return st.tuples(rate, rate, rate, rate)


def kinds_of_inputs(independent=False):
    """Inputs of any kind, or of those with independent entries that are not Gaussian."""
    kinds = [st.just(("rademacher",)), st.just(("uniform",))]
    if not independent:
        kinds += [st.tuples(st.just("power-law"), st.floats(0.0, 2.0)), st.just(("spectrum",)),
                  st.tuples(st.just("manifold"), st.integers(1, 5), st.sampled_from(["erf", "sign"])),
                  st.tuples(st.just("rows"), st.booleans())]
    return st.one_of(kinds)


@st.composite
def recipes(draw, N=A_FEW, activations=ACTIVATIONS, inputs=GAUSSIAN, batch=BATCHES, largest_rate=1.0, students=STUDENTS,
            teachers=TEACHERS, trained=True):
    """A Recipe of small sizes; ``trained``: a step changes something."""
    recipe = Recipe(
        N=draw(N), K=draw(st.integers(1, 3)), M=draw(st.integers(1, 3)), P=draw(st.integers(1, 4)),
        activation=draw(st.sampled_from(activations)),
        teacher_activation=draw(st.one_of(st.none(), st.none(), st.sampled_from(activations))),
        rates=draw(rates(largest_rate)), noise=draw(st.one_of(st.just(0.0), st.floats(0.01, 1.0))),
        weight_decay=draw(st.one_of(st.just(0.0), st.floats(0.01, 1.0))),
        batch=draw(st.one_of(st.just(1), batch)), inputs=draw(inputs), student=draw(st.sampled_from(students)),
        teacher=draw(st.sampled_from(teachers)), seed=draw(st.integers(0, 2**32 - 1)))
    if trained and not recipe.problem().trains:
        recipe = Recipe(**{**vars(recipe), "rates": (draw(st.floats(0.05, largest_rate)), *recipe.rates[1:])})
    return recipe


def same_bits(one, other, names=OVERLAPS, rows=slice(None)):
    """Assert that two runs have equal times, states, errors and ends of their replicas."""
    assert np.array_equal(one.alpha, other.alpha)
    for name in (*names, "generalization_error"):
        assert np.array_equal(getattr(one, name)[rows], getattr(other, name)[rows], equal_nan=True), name
    assert (one.status, one.message) == (other.status, other.message)


def close(one, other, rtol):
    """Whether arrays agree to a share of their largest entry."""
    return np.abs(one - other).max() <= rtol * max(1.0, np.abs(other).max())
