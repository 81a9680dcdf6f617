"""A student and a teacher with different activations, in every engine."""

import numpy as np
import pytest
from activation_formulas import FORMULAS

import onlinemode as om
from onlinemode.errors import ParameterError
from onlinemode.theory.meanfield import MeanFieldDrift, generalization_error

PAIRS = [("erf", "tanh"), ("tanh", "relu"), ("relu", "erf"), ("linear", "erf"), ("erf", "linear"), ("linear", "relu"),
         ("he:2", "he:3"), ("poly:0.1,1,0.2,-0.1", "linear"), ("erf:0.5", "sign"), ("sigmoid", "erf:0.5"),
         ("tanh", "he:2"), ("leaky:0.2", "relu"), ("relu", "linear"), ("linear", "poly:0.1,1,0.2,-0.1"),
         ("linear", "sigmoid"),
         ("sigmoid", "poly:0.1,1,0.2,-0.1"), ("erfs:0.6,0.5,0.4,2", "leaky:0.2"), ("relu", "sign"), ("he:2", "tanh")]
OVER_NODES = [("relu", "erf"), ("relu", "sign"), ("he:2", "tanh")]
RATES = om.LearningRates(xi_in=0.8, strengths=0.3, xi_out=0.2, readout=0.1)


def table_of(function, breaks=()):
    return om.Activation.from_function(function, breaks=breaks, name="mine")


@pytest.fixture(scope="module")
def relu_table():
    return table_of(lambda z: np.maximum(z, 0.0), [0.0])


@pytest.mark.parametrize("student", ["erf", "tanh", "linear"])
def test_a_table_teacher_is_what_it_stands_for(random_overlaps, relu_table, student):
    """All entries of the drift, beside those of the same word; ε_g of tables with all kinds of words, too."""
    o = random_overlaps(3, 2, 2, seed=5)
    rates, errors = [], []
    for teacher in ("relu", relu_table, table_of(lambda z: 1.1 * np.maximum(z, 0.0), [0.0])):
        drift = MeanFieldDrift(om.Problem(student, teacher_activation=teacher, noise=0.1, rates=RATES), o)
        rates.append(drift(drift.full[drift.active]))
        errors.append(drift.last_error)
        assert drift.method != "nodes" and drift.last_error == pytest.approx(
            float(generalization_error(student, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout,
                                       teacher)), rel=1e-12)
    assert rates[1] == pytest.approx(rates[0], rel=1e-11, abs=1e-12 * np.abs(rates[0]).max())
    assert errors[1] == pytest.approx(errors[0], rel=1e-12)
    assert np.abs(rates[2] - rates[0]).max() > 1e-2 * np.abs(rates[0]).max()


@pytest.mark.parametrize("other", ["relu", "leaky:0.2", "linear", "he:3", "tanh", "sigmoid", "sign", "erf:0.5"])
def test_error_of_tables_beside_words(random_overlaps, relu_table, other):
    o = random_overlaps(2, 2, 2, seed=7)
    error = lambda student, teacher: float(generalization_error(  # noqa: E731
        student, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout, teacher))
    assert error(relu_table, other) == pytest.approx(error("relu", other), rel=1e-11)
    assert error(other, relu_table) == pytest.approx(error(other, "relu"), rel=1e-11)
    assert error(relu_table, relu_table) == pytest.approx(error("relu", "relu"), rel=1e-11)


def test_runs_with_a_table_teacher(relu_table):
    """The equations of motion of an erf student, past its plateau: a table of relu, and the word."""
    start = om.initial.committee(500, K=2, M=2, seed=2).order_parameters()
    runs = [om.simulate(om.Problem("erf", teacher_activation=teacher, rates=RATES), start, 20.0, "ode", save_at=9)
            for teacher in ("relu", relu_table)]
    assert np.abs(runs[1].R - runs[0].R).max() < 1e-8 and np.abs(runs[0].R[:, -1] - runs[0].R[:, 0]).max() > 0.1
    assert runs[1].generalization_error == pytest.approx(runs[0].generalization_error, rel=1e-8)
    assert runs[1].info.quadrature_error is None and runs[1].info.nodes is None


def test_error_of_a_table_that_converges(relu_table):
    """Students that come close to their teacher: right to the rounding of what cancels."""
    T, near = np.array([[1.0, 0.3], [0.3, 1.0]]), 10.0 ** -np.arange(1.0, 7.0)
    S, G = np.repeat(T[None], 6, 0), T + near[:, None, None] * np.eye(2)
    arrays = (G, S, T, np.ones((6, 2)), np.repeat(np.eye(2)[None], 6, 0), np.ones((6, 2)), np.ones(2))
    found, exact = generalization_error(relu_table, *arrays), generalization_error("relu", *arrays)
    assert np.abs(found - exact).max() < 1e-14 and exact[0] > 1e-2


def samples_of(o, count, seed):
    """Mode fields and teacher fields of Gaussian inputs."""
    values, vectors = np.linalg.eigh(o.covariance)
    draws = np.random.default_rng(seed).standard_normal((count, len(values)))
    fields = draws @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return fields[:, :o.P], fields[:, o.P:]


@pytest.mark.parametrize("student, teacher", PAIRS)
def test_drift_and_error_against_samples(random_overlaps, student, teacher):
    """A million samples; within 5 standard errors, and over nodes the quadrature's 2 %: 1e-5 false alarms a case."""
    slack = 2e-2 if (student, teacher) in OVER_NODES else 0.0
    o = random_overlaps(3, 2, 2, seed=4)
    u, nu = samples_of(o, 1_000_000, 3)
    field = (u * o.strengths) @ o.xi_out.T
    g, slope = FORMULAS[student]
    error = g(field) @ o.readout - FORMULAS[teacher][0](nu) @ o.teacher_readout
    problem = om.Problem(student, teacher_activation=teacher, rates=RATES)
    drift = MeanFieldDrift(problem, o)
    found = drift.at_start()
    delta = error[:, None] * slope(field) * o.readout
    back = delta @ o.xi_out
    for value, each in ((found[2], -RATES.strengths * u * back), (found[4], -RATES.readout * error[:, None] * g(field)),
                        (found[1].ravel(), -RATES.xi_in * ((o.strengths * back)[:, :, None] * nu[:, None]).reshape(
                            len(u), -1))):
        spread = each.std(0) / 1000.0
        assert np.all(np.abs(value - each.mean(0)) < 5.0 * spread + slack * np.abs(value).max())
    loss = 0.5 * error**2
    exact = float(generalization_error(student, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout,
                                       teacher))
    assert abs(exact - loss.mean()) < 5.0 * loss.std() / 1000.0
    assert drift.last_error == pytest.approx(exact, rel=slack or 1e-12)
    alone = float(generalization_error(student, o.G, o.S, o.T, o.strengths, o.xi_out, o.readout, o.teacher_readout))
    assert abs(alone - exact) > 5e-3 * exact  # the teacher's activation matters


@pytest.mark.parametrize("student, teacher", [("relu", "he:2"), ("leaky:0.2", "poly:0.1,1,0.2,-0.1"), ("he:3", "relu"),
                                              ("poly:1,-2,0,0.5", "leaky:0.2"), ("relu", "sign"), ("he:2", "tanh")])
def test_error_of_all_pairs_of_words(random_overlaps, student, teacher):
    """ε_g against Gauss's rules over angle and radius, 1e-11; tanh is a sum of erfs that is 4e-8 from it."""
    o = random_overlaps(2, 2, 2, seed=7)
    scaled = o.xi_out * o.strengths
    Z = np.block([[scaled @ o.G @ scaled.T, scaled @ o.S], [(scaled @ o.S).T, o.T]])
    w, names = np.concatenate([o.readout, -o.teacher_readout]), [student] * 2 + [teacher] * 2
    expected = 0.5 * sum(w[i] * w[j] * moment(FORMULAS[names[i]][0], FORMULAS[names[j]][0], Z[i, i], Z[j, j], Z[i, j])
                         for i in range(4) for j in range(4))
    found, wrong = (float(generalization_error(student, o.G, o.S, o.T, gain * o.strengths, o.xi_out, o.readout,
                                               o.teacher_readout, teacher)) for gain in (1, 1.1))
    assert found == pytest.approx(expected, rel=1e-6 if "tanh" in (student, teacher) else 1e-11)
    assert abs(wrong - expected) > 1e-3 * expected


def moment(one, other, a, b, c):
    """E[g(h) g'(h')] over the angle and the radius: kinks and jumps at 0 are rays, between which all is smooth."""
    factor = np.linalg.cholesky([[a, c], [c, b]]) if a * b - c * c > 1e-12 * a * b else np.array(
        [[np.sqrt(a), 0.0], [c / np.sqrt(a), 0.0]])
    rays = sorted(np.mod([np.arctan2(-row[0], row[1]) + half for row in factor for half in (0.0, np.pi)], 2.0 * np.pi))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    radii, of_radii = 7.0 * (nodes + 1.0), 7.0 * weights
    of_radii = of_radii * radii * np.exp(-0.5 * radii**2) / (2.0 * np.pi)
    total = 0.0
    for low, high in zip(rays, [*rays[1:], rays[0] + 2.0 * np.pi]):
        angles = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        x, y = np.outer(radii, np.cos(angles)), np.outer(radii, np.sin(angles))
        h, other_h = (row[0] * x + row[1] * y for row in factor)
        total += 0.5 * (high - low) * of_radii @ (one(h) * other(other_h)) @ weights
    return total


@pytest.mark.parametrize("student, teacher", PAIRS[:2])
def test_simulations_follow_the_theory(student, teacher):
    """20 replicas at N = 2,000: means within 5 standard errors and a bias of 3/N, at every saved time."""
    problem = om.Problem(student, teacher_activation=teacher, noise=0.1, rates=RATES)
    start = om.initial.committee(2_000, K=2, seed=3, student_size=0.5)
    theory = om.simulate(problem, start, 3.0, "ode", save_at=8)
    for engine in ("micro", "chain"):
        run = om.simulate(problem, start, 3.0, engine, save_at=theory.alpha, replicas=20, seed=5)
        for name in ("Q", "R", "generalization_error"):
            mean, expected = run.ensemble.mean[name], getattr(theory, name)[0]
            error = run.ensemble.standard_error(name)
            assert np.all(np.abs(mean - expected) < 5.0 * error + 3.0 / 2000), name
        assert np.abs(run.R[:, -1] - run.R[:, 0]).max() > 0.05


def test_names_and_files(tmp_path):
    problem = om.Problem("erf", teacher_activation="Tanh")
    assert problem.teacher_activation == "tanh"
    assert om.Problem("erf", teacher_activation="erf") == om.Problem("erf")
    assert "teacher_activation" not in om.Problem("erf").to_dict()
    assert om.Problem.from_dict(problem.to_dict()) == problem
    with pytest.raises(ParameterError, match="'gelu' is no activation: it must be one of erf, linear, relu, tanh"):
        om.Problem(teacher_activation="gelu")
    run = om.simulate(om.Problem("erf", teacher_activation="tanh", rates=RATES), om.initial.committee(20, K=2), 1.0,
                      "chain", save_at=4)
    run.save(tmp_path / "run.npz")
    again = om.repeat(om.load(tmp_path / "run.npz"))
    assert np.array_equal(again.G, run.G) and "erf, of the teacher tanh" in repr(again)
    run.to_csv(tmp_path / "run.csv")
    head, first = (tmp_path / "run.csv").read_text().splitlines()[:2]
    assert dict(zip(head.split(","), first.split(",")))["teacher_activation"] == "tanh"


def test_the_linear_noise_knows_the_teacher(random_overlaps):
    """Its drift and its increments have the same mean."""
    o = random_overlaps(2, 2, 2, seed=6)
    problem = om.Problem("erf", teacher_activation="tanh", rates=RATES)
    from onlinemode.theory.fluctuations import Coefficients

    drift = MeanFieldDrift(problem, o)
    coefficients = Coefficients(problem, o, drift, 2**16)
    mean, covariance, correction = np.empty(drift.active.size), np.empty((drift.active.size,) * 2), np.empty((2, 2))
    from onlinemode.kernels.averages.fields import Overlaps
    from onlinemode.kernels.averages.increments import increment_moments

    increment_moments(coefficients.rule, Overlaps(np.array(o.G), np.array(o.S), coefficients.teacher), o.factors(),
                      coefficients.nodes, drift.active, mean, covariance, correction)
    rate = drift(drift.full[drift.active])
    assert np.abs(mean - rate).max() < 5e-3 * np.abs(rate).max()


def test_a_linear_student_of_another_teacher_is_measured():
    """Fields that are not Gaussian: ε_g follows from the overlaps only where both networks are linear."""
    problem = om.Problem("linear", teacher_activation="tanh", inputs=om.inputs.Rademacher(), rates=RATES)
    start = om.initial.committee(3, K=1, seed=1)
    run = om.simulate(problem, start, 1.0, save_at=[0.0, 1.0])
    exact = om.simulate(problem, start, 1.0, save_at=[0.0, 1.0], test_samples=200_000)
    assert run.info.test_samples == 10_000
    assert np.all(np.abs(run.error - exact.error) < 6.0 * run.error_se)
    both = om.Problem("linear", inputs=om.inputs.Rademacher(), rates=RATES)
    assert om.simulate(both, start, 1.0, save_at=[0.0, 1.0]).info.test_samples is None
