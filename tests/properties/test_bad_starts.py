"""Problems, starts and inputs in which one thing is broken: an error of one line, no warning, nothing passes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import examples
from properties.values import array, assert_refused, broken, flag, instance, name, number, whole

import onlinemode as om
from onlinemode.activations import NAMES, STUDENTS

K, M, P, N = 2, 3, 4, 12
WEIGHTS = dict(xi_in=np.ones((P, N)), strengths=np.ones(P), xi_out=np.ones((K, P)), readout=np.ones(K),
               teacher=np.ones((M, N)), teacher_readout=np.ones(M))
OVERLAPS = dict(G=np.eye(P), S=np.zeros((P, M)), T=np.eye(M), strengths=np.ones(P), xi_out=np.ones((K, P)),
                readout=np.ones(K), teacher_readout=np.ones(M))
TABLE = dict(Q=np.eye(K), R=np.zeros((K, M)), T=np.eye(M), readout=np.ones(K), teacher_readout=np.ones(M))
DRAWN = {"N": whole(1, 10**15), "K": whole(1, 10_000), "M": whole(1, 10_000, optional=True), "seed": whole(0),
         "readout": name("mean", "sum", "sqrt"), "weights": flag(), "student_seed": whole(0, optional=True)}
SIZE = number(0.0, maximum=1e100)
RATES = dict.fromkeys(("xi_in", "strengths", "xi_out", "readout"), number(0.0))
# function, arguments with which it works, and what should stand where
CALLS = {
    "LearningRates": (om.LearningRates, {}, RATES),
    "Problem": (om.Problem, {}, {
        "activation": name(*STUDENTS), "teacher_activation": name(*NAMES, optional=True), "noise": number(0.0),
        "weight_decay": number(0.0), "batch": whole(1, 10**9), "rates": instance(), "inputs": instance()}),
    "Weights": (om.Weights, WEIGHTS, {
        "xi_in": array((P, None)), "strengths": array((P,)), "xi_out": array((None, P)), "readout": array((K,)),
        "teacher": array((M, None)), "teacher_readout": array((M,))}),
    "OrderParameters": (om.OrderParameters, OVERLAPS, {
        "G": array((P, P)), "S": array((P, M)), "T": array((M, M)), "strengths": array((P,)), "xi_out": array((K, P)),
        "readout": array((K,)), "teacher_readout": array((M,))}),
    "from_overlaps": (om.initial.from_overlaps, TABLE, {
        "Q": array((K, K)), "R": array((K, M)), "T": array((M, M)), "readout": array((K,)),
        "teacher_readout": array((M,))}),
    "readout_vector": (om.initial.readout_vector, dict(kind="mean", units=2), {
        "kind": name("mean", "sum", "sqrt"), "units": whole(1, 10_000)}),
    "paper": (om.initial.paper, dict(N=N, K=K), {**DRAWN, "N": whole(3, 10**15), "P": whole(1, 10_000, optional=True)}),
    "committee": (om.initial.committee, dict(N=N, K=K), {
        **DRAWN, "student_size": SIZE, "teacher": name("orthogonal", "random")}),
    "graded": (om.initial.graded, dict(N=N, K=K), {
        **DRAWN, "student_size": SIZE, "teacher_norms": array((K,), optional=True)}),
    "showcase": (om.initial.showcase, dict(N=N, K=K), {
        **DRAWN, "P": whole(1, optional=True), "student_size": SIZE, "mixing": SIZE}),
    "PowerLaw": (om.inputs.PowerLaw, dict(exponent=1.0), {"exponent": number(0.0)}),
    "Spectrum": (om.inputs.Spectrum, dict(eigenvalues=np.ones(3)), {"eigenvalues": array((None,))}),
    "HiddenManifold": (om.inputs.HiddenManifold, dict(D=2), {
        "D": whole(1, 10**9), "activation": name("erf", "sign"), "seed": whole(0, 2**64 - 1)}),
    "Rows": (om.inputs.Rows, dict(source=np.random.default_rng(0).random((3, 3))), {"standardise": flag()}),
    "check": (om.inputs.Gaussian().check, dict(N=3), {"N": whole(1, 10**15)}),
    "parse": (om.inputs.parse, dict(text="gaussian"), {"text": name("gaussian", "rademacher", "uniform")}),
    "order_parameters": (om.Weights(**WEIGHTS).order_parameters, {}, {"inputs": instance(optional=True)}),
    "is_close": (om.OrderParameters(**OVERLAPS).is_close, dict(
        other=om.OrderParameters(**OVERLAPS), rtol=0.0, atol=0.0), {
        "other": instance(), "rtol": number(0.0), "atol": number(0.0)}),
}


def test_the_arguments_are_good():
    for function, good, _ in CALLS.values():
        function(**good)


@examples(400)
@given(broken(CALLS))
def test_one_broken_argument(call):
    each, arguments = call
    assert_refused(CALLS[each][0], arguments)


@examples(60)
@given(st.sampled_from(["G", "T"]), st.integers(0, 15), st.floats(1e-4, 1e300), st.booleans())
def test_overlaps_of_no_vectors(block, place, size, symmetric):
    """Not symmetric, or a covariance with a negative eigenvalue."""
    matrix = np.eye(len(OVERLAPS[block]))
    i, j = np.unravel_index(place % matrix.size, matrix.shape)
    if i == j:
        matrix[i, i] = -size
    else:
        matrix[i, j] = 1.0 + size
        matrix[j, i] = matrix[i, j] if symmetric else 0.0
    assert_refused(om.OrderParameters, {**OVERLAPS, block: matrix})


@examples(40)
@given(st.integers(0, P * M - 1), st.floats(1.001, 1e300), st.sampled_from([-1.0, 1.0]))
def test_overlaps_beyond_the_lengths_of_the_vectors(place, size, sign):
    S = np.zeros((P, M))
    S.flat[place] = sign * size
    assert_refused(om.OrderParameters, {**OVERLAPS, "S": S})


@examples(40)
@given(st.sampled_from(["paper", "showcase", "committee", "graded"]), st.integers(1, 40), st.integers(1, 6),
       st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_sizes_that_do_not_go_together(init, N, K, M, P, weights):
    """Drawn where they do, and refused where not; nothing else."""
    arguments = {"N": N, "K": K, "M": M, "weights": weights, **({"P": P} if init in ("paper", "showcase") else {})}
    shared, teacher = init in ("paper", "showcase"), P if init == "paper" else M
    modes = P if init == "paper" else K
    good = (not shared or M == K) and (init != "showcase" or P == K) and N >= (3 if init == "paper" else 1)
    good &= (N >= M or init in ("paper", "showcase")) and (weights or N >= teacher + modes)
    if good:
        drawn = getattr(om.initial, init)(**arguments)
        assert (drawn.K, drawn.M, drawn.P) == (K, M, modes)
    else:
        assert_refused(getattr(om.initial, init), arguments)
