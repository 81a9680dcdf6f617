"""Random problems, one sample after the other: micro against a plain loop, the chain against real vectors."""

import chain_vectors
import numpy as np
import plain_sgd
from hypothesis import assume, given
from hypothesis import strategies as st
from properties.problems import OVERLAPS, SEEDS, close, examples, kinds_of_inputs, recipes

import onlinemode as om

EVERY_KIND = st.one_of(st.just(("gaussian",)), kinds_of_inputs())


@examples(25)
@given(recipes(N=st.integers(1, 60), inputs=EVERY_KIND), st.integers(1, 40), SEEDS, st.integers(1, 2))
def test_micro_is_the_plain_loop(recipe, steps, seed, replicas):
    """To 1e-10 of the largest entry, all kinds of inputs; no false alarms: given the seed nothing is random."""
    problem, start = recipe.problem(), recipe.start()
    run = om.simulate(problem, start, steps / recipe.N, seed=seed, replicas=replicas, test_samples=2,
                      save_at=[0.0, steps / recipe.N])
    covariance = problem.inputs.covariance(recipe.N)
    assume(run.status[-1] is om.Status.COMPLETED)
    student = plain_sgd.run(problem, start, steps, seed, replica=replicas - 1)
    for name, expected in student.overlaps(start.teacher, covariance).items():
        assert close(getattr(run, name)[-1, -1], expected, 1e-10), name


@examples(25)
@given(recipes(N=st.integers(1, 30)), st.integers(1, 30), SEEDS)
def test_the_chain_is_real_vectors(recipe, steps, seed):
    """The chain's numbers, as the components of real inputs in a frame of real vectors, to 1e-9 at every step."""
    problem, start = recipe.problem(), recipe.start()
    run = om.simulate(problem, start, steps / recipe.N, "chain", seed=seed, save_at=np.arange(steps + 1) / recipe.N)
    assume(run.status[0] is om.Status.COMPLETED)
    for step, (vectors, _) in enumerate(chain_vectors.pairs(problem, start, steps, seed), 1):
        expected = vectors.overlaps(start.teacher)
        for name in OVERLAPS:
            assert close(getattr(run, name)[0, step], expected[name], 1e-9), (name, step)


@examples(8)
@given(recipes(N=st.integers(1, 60)), st.integers(1, 20), SEEDS)
def test_float32_weights_are_those_of_float64_rounded(recipe, steps, seed):
    """To 1e-3 of the largest entry, over a few steps; not relu, whose fields may fall on the other side of the kink."""
    assume(not recipe.has_kinks)
    runs = [om.simulate(recipe.problem(), recipe.start(), steps / recipe.N, seed=seed, precision=precision,
                        save_at=[0.0, steps / recipe.N]) for precision in ("float32", "float64")]
    assume(runs[1].status[0] is om.Status.COMPLETED)
    for name in OVERLAPS:
        assert close(getattr(runs[0], name), getattr(runs[1], name), 1e-3), name
