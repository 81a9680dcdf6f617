"""Losses and labels: words and limits, every engine against plain references, what theory does and refuses."""

import dataclasses
import math

import chain_vectors
import numpy as np
import plain_sgd
import pytest
from scipy import stats

import onlinemode as om
from onlinemode.activations import activation_of
from onlinemode.engines.ode.options import Options
from onlinemode.errors import EngineError, ParameterError
from onlinemode.losses import NAMES, WORDS, Loss, loss_of
from onlinemode.problem import Problem
from onlinemode.theory.averaging import method_of
from onlinemode.theory.classification import classification_error

ALL = ", ".join(WORDS)
# loss, and what else of the problem
KINDS = [(word, dict(labels="sign", flips=0.2, noise=0.3)) for word in plain_sgd.SLOPE_OF_LOSS]
KINDS += [(word, dict(noise=0.3)) for word in ("squared", "correlation", "huber:0.4")]
KINDS += [("squared", dict(labels="sign")), ("perceptron", dict(labels="sign", flips=0.5))]
IDS = [f"{word}-{'-'.join(fields)}" for word, fields in KINDS]


@pytest.mark.parametrize("given, word", [
    ("Squared", "squared"), (" hinge ", "hinge"), ("hinge:1", "hinge"), ("HINGE:.5", "hinge:0.5"),
    ("hinge:2.0", "hinge:2"), ("hinge:0", "perceptron"), ("huber:1", "huber"), ("huber:0.25", "huber:0.25"),
    (Loss("huber"), "huber"),
    (Loss("hinge", 0.5), "hinge:0.5"), ("adatron", "adatron")])
def test_words(given, word):
    assert loss_of(given).word == str(loss_of(given)) == word
    assert loss_of(word) == loss_of(given)
    assert om.Problem(loss=given, labels="sign").loss == word


@pytest.mark.parametrize("value, message", [
    ("l2", f"'l2' is no loss: it must be one of {ALL}"), ("hinge:", f"'hinge:' is no loss: it must be one of {ALL}"),
    ("", f"'' is no loss: it must be one of {ALL}"),
    ("hinge:much", "the number of a loss follows its colon, as in hinge:0.5; got 'hinge:much'"),
    ("hinge:-1", "the margin of the loss hinge must be a finite number ≥ 0 and ≤ 1e+06; got -1.0"),
    ("huber:0", "the width of the loss huber must be a finite number ≥ 1e-06 and ≤ 1e+06; got 0.0"),
    ("huber:nan", "the width of the loss huber must be a finite number ≥ 1e-06 and ≤ 1e+06; got nan"),
    ("squared:1", "the loss squared takes no number; got 1.0"),
    (3, f"loss must be one of {ALL}, or an onlinemode.losses.Loss; got 3"),
    (None, f"loss must be one of {ALL}, or an onlinemode.losses.Loss; got None")])
def test_bad_losses(value, message):
    with pytest.raises(ParameterError) as caught:
        om.Problem(loss=value, labels="sign")
    assert str(caught.value) == message


@pytest.mark.parametrize("fields, message", [
    (dict(labels="class"), "labels must be one of real, sign; got 'class'"),
    (dict(labels="sign", flips=0.6), "flips must be a finite number ≥ 0 and ≤ 0.5; got 0.6"),
    (dict(labels="sign", flips=-0.1), "flips must be a finite number ≥ 0 and ≤ 0.5; got -0.1"),
    (dict(labels="sign", flips=math.nan), "flips must be a finite number ≥ 0 and ≤ 0.5; got nan"),
    (dict(flips=0.1), "only labels that are signs are flipped: give labels = 'sign' with flips, or noise"),
    *((dict(loss=word), f"the loss {word} needs labels that are signs: give labels = 'sign', or another loss")
      for word in ("logistic", "hinge", "hinge:0.5", "perceptron", "adatron"))])
def test_bad_labels(fields, message):
    with pytest.raises(ParameterError) as caught:
        om.Problem(**fields)
    assert str(caught.value) == message


def test_files_of_problems():
    """Those that have the defaults are as before; others have what they need."""
    before = om.Problem().to_dict()
    assert before.keys().isdisjoint({"loss", "labels", "flips"}) and Problem.from_dict(before) == om.Problem()
    problem = om.Problem(loss="hinge:.5", labels="sign", flips=0.1)
    saved = problem.to_dict()
    assert (saved["loss"], saved["labels"], saved["flips"]) == ("hinge:0.5", "sign", 0.1)
    assert Problem.from_dict(saved) == problem
    assert "flips" not in om.Problem(loss="huber").to_dict()
    assert dataclasses.replace(problem, loss="squared", labels="real", flips=0.0) == om.Problem()


def test_a_run_keeps_its_loss(tmp_path):
    problem = om.Problem(loss="logistic", labels="sign", flips=0.1, rates=om.LearningRates(1.0))
    run = om.simulate(problem, om.initial.committee(20, K=2, seed=1), 1.0, save_at=3)
    run.save(tmp_path / "run.npz")
    loaded = om.load(tmp_path / "run.npz")
    again = om.repeat(loaded)
    assert loaded.problem == problem and np.array_equal(again.G, run.G)
    assert np.array_equal(loaded.classification_error, run.classification_error)
    assert "loss logistic, sign labels with flips 0.1" in repr(run)


@pytest.mark.parametrize("activation, teacher, batch", [("erf", None, 1), ("tanh", "relu", 3)])
@pytest.mark.parametrize("word, fields", KINDS, ids=IDS)
def test_micro_is_the_rule_sample_by_sample(word, fields, activation, teacher, batch, random_weights, all_rates):
    """60 steps in NumPy with the same samples, normals and uniform numbers."""
    problem = om.Problem(activation, loss=word, teacher_activation=teacher, batch=batch, weight_decay=0.2,
                         rates=all_rates, **fields)
    start = random_weights(23, 3, 2, 2, seed=3)
    start = dataclasses.replace(start, teacher_readout=start.teacher_readout * [1.0, -1.0])
    run = om.simulate(problem, start, 60 / 23, seed=8, save_at=[60 / 23])
    expected = plain_sgd.run(problem, start, 60, 8).overlaps(start.teacher)
    for name, value in expected.items():
        assert np.abs(getattr(run, name)[0, -1] - value).max() < 1e-11 * max(1.0, np.abs(value).max()), name


@pytest.mark.parametrize("word, fields", [KINDS[1], KINDS[3], KINDS[5], KINDS[9], KINDS[11]])
def test_chain_is_the_rule_of_real_vectors(word, fields, random_weights, all_rates):
    """100 steps: real vectors that have the chain's fields, lengths and uniform numbers learn to the same overlaps."""
    problem = om.Problem(loss=word, weight_decay=0.2, rates=all_rates, **fields)
    start = random_weights(31, 3, 2, 2, seed=4)
    start = dataclasses.replace(start, teacher_readout=start.teacher_readout * [1.0, -1.0])
    made = 0
    for vectors, chain in chain_vectors.pairs(problem, start, steps=100, seed=5):
        for name, expected in vectors.overlaps(start.teacher).items():
            assert np.abs(chain[name] - expected).max() < 1e-11 * max(1.0, np.abs(expected).max()), name
        made += 1
    assert made == 100


def test_compiled_sizes_of_the_chain_make_the_same_run(random_weights, all_rates, monkeypatch):
    problem = om.Problem(loss="hinge", labels="sign", flips=0.1, noise=0.2, rates=all_rates)
    start = random_weights(40, 2, 2, 2, seed=4)
    runs = []
    for worth in (1.0, 1e18):
        monkeypatch.setattr("onlinemode.engines.chain.engine.STEPS_WORTH_COMPILING", worth)
        runs.append(om.simulate(problem, start, 5.0, "chain", seed=1, save_at=3))
    assert np.allclose(runs[0].G, runs[1].G, rtol=1e-10)


def smallest_p(one, other):
    """The smallest KS p-value over all entries, times their number (Bonferroni)."""
    values = []
    for name in ("G", "S", "strengths", "xi_out", "readout"):
        a, b = (getattr(run, name)[:, -1].reshape(run.replicas, -1) for run in (one, other))
        values += [stats.ks_2samp(x, y).pvalue for x, y in zip(a.T, b.T)]
    return min(values) * len(values)


@pytest.mark.parametrize("word, fields", [("logistic", dict(labels="sign", flips=0.1, noise=0.2)),
                                          ("perceptron", dict(labels="sign", flips=0.05))])
def test_law_of_micro(word, fields, random_weights, all_rates):
    """N = 12, 500 runs each: KS with Bonferroni, false-alarm rate 1e-3 a case; flips of one half are seen."""
    start = random_weights(12, 2, 2, 2, seed=12)
    problem = om.Problem(loss=word, rates=all_rates, **fields)
    micro, chain, other = (om.simulate(each, start, 3.0, engine, replicas=500, seed=seed, save_at=[0.0, 3.0])
                           for each, engine, seed in ((problem, "micro", 1), (problem, "chain", 2),
                                                      (dataclasses.replace(problem, flips=0.5), "chain", 2)))
    assert smallest_p(micro, chain) > 1e-3
    assert smallest_p(micro, other) < 1e-6


def one_unit(Q=0.5, R=0.1, T=1.0):
    return om.OrderParameters(G=[[Q]], S=[[R]], T=[[T]], strengths=[1.0], xi_out=[[1.0]], readout=[1.0],
                              teacher_readout=[1.0])


@pytest.mark.filterwarnings("ignore:averages over")
@pytest.mark.parametrize("word, alpha, exponent, factor, tolerance", [
    ("correlation", 2000.0, -1 / 2, 1 / math.sqrt(2 * math.pi), 0.002),
    ("perceptron", 200.0, -1 / 3, (2 / 3) ** (1 / 3) / math.pi, 0.03), ("adatron", 100.0, -1.0, 1.5, 0.03)])
def test_asymptotic_laws_of_the_perceptron(word, alpha, exponent, factor, tolerance):
    """ε = θ/π of one linear unit and sign labels at η = 1 falls as α^(−1/2), α^(−1/3), α^(−1), with known factors."""
    problem = om.Problem("linear", loss=word, labels="sign", rates=om.LearningRates(1.0))
    smooth = {"rtol": 1e-6, "atol": 1e-9} if word != "perceptron" else {}
    run = om.simulate(problem, one_unit(), alpha, "ode", save_at=[alpha], **smooth)
    assert run.info.averages == "nodes"
    assert run.classification_error[0, -1] / alpha**exponent == pytest.approx(factor, rel=tolerance)


@pytest.mark.filterwarnings("ignore:averages over")
@pytest.mark.parametrize("word", ["correlation", "perceptron", "adatron"])
def test_finite_size_runs_follow_the_equations(word):
    """Chain at N = 20,000 to α = 5, 20 runs: means within 5 standard errors and 0.3 % (1/N, nodes) of the ODE."""
    problem = om.Problem("linear", loss=word, labels="sign", flips=0.1, rates=om.LearningRates(1.0))
    theory = om.simulate(problem, one_unit(), 5.0, "ode", save_at=[1.0, 5.0], rtol=1e-5, atol=1e-7)
    runs = om.simulate(problem, one_unit(), 5.0, "chain", N=20_000, replicas=20, save_at=[1.0, 5.0], seed=3)
    for name in ("G", "S", "classification_error"):
        values, expected = getattr(runs, name), getattr(theory, name)[0]
        error = values.std(0, ddof=1) / math.sqrt(20)
        assert np.all(np.abs(values.mean(0) - expected) < 5.0 * error + 0.003 * np.abs(expected)), name


@pytest.mark.parametrize("word, labels, activation, method", [
    ("squared", "real", "erf", "erf"), ("squared", "sign", "erf", "nodes"), ("huber", "real", "erf", "nodes"),
    ("correlation", "real", "erf", "erf"), ("correlation", "real", "he:3", "polynomials"),
    ("correlation", "real", "relu", "nodes"), ("correlation", "sign", "erf", "nodes")])
def test_methods(word, labels, activation, method):
    problem = om.Problem(activation, loss=word, labels=labels)
    assert method_of(problem) == method
    if method == "nodes":
        with pytest.raises(EngineError, match=f"no closed form is known for the loss {word} with {labels} labels"):
            method_of(problem, "closed")


def test_tolerances():
    for word in NAMES:
        expected = (1e-5, 1e-7) if word in ("hinge", "perceptron") else (1e-9, 1e-12)
        assert Options().tolerances(om.Problem(loss=word, labels="sign")) == expected


@pytest.mark.parametrize("fields", [dict(loss="huber"), dict(labels="sign")])
def test_the_linear_noise_refuses(fields):
    with pytest.raises(ParameterError, match="linear-noise theory needs the squared loss and real labels; got the "):
        om.fluctuations(om.Problem(rates=om.LearningRates(1.0), **fields), one_unit(), [0.0, 1.0])


def test_no_stop_by_the_error():
    """A perfect student: at rest with the squared loss, not with the correlation loss."""
    status = [om.simulate(om.Problem("linear", loss=word, rates=om.LearningRates(1.0)), one_unit(1.0, 1.0), 1.0, "ode",
                          save_at=[1.0]).status[0] for word in ("squared", "correlation")]
    assert status == [om.Status.CONVERGED, om.Status.COMPLETED]


def test_a_diverging_run_says_so():
    """By |f − y|, also where l' is bounded."""
    problem = om.Problem("linear", loss="correlation", rates=om.LearningRates(xi_in=1e7, readout=1e7))
    for engine in ("micro", "chain"):
        run = om.simulate(problem, om.initial.committee(10, K=1, seed=1), 5.0, engine, save_at=[5.0])
        assert run.status[0] is om.Status.DIVERGED and np.isnan(run.classification_error[0, -1])


def sampled_share(student, teacher, o, count=400_000):
    rng = np.random.default_rng(2)
    values, vectors = np.linalg.eigh(o.covariance)
    fields = rng.standard_normal((count, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    f = activation_of(student)((o.strengths * fields[:, :o.P]) @ o.xi_out.T) @ o.readout
    y = activation_of(teacher)(fields[:, o.P:]) @ o.teacher_readout
    share = np.mean(0.5 - 0.5 * np.sign(f) * np.sign(y))
    return share, math.sqrt(share / count)


@pytest.mark.parametrize("student, teacher, K, M", [
    ("erf", "erf", 2, 3), ("relu", "sign", 3, 2), ("he:2", "linear", 1, 2), ("tanh", "sign", 1, 1),
    ("leaky:.2", "erf", 1, 1)])
def test_classification_error(student, teacher, K, M, random_overlaps):
    """Against 4e5 samples within 5 standard errors and the nodes' .5 %; one unit each by its angle, with no nodes."""
    o = random_overlaps(K, M, 2, seed=9)
    if M > 1:
        o = dataclasses.replace(o, teacher_readout=o.teacher_readout * np.where(np.arange(M) == 0, -1.0, 1.0))
    arguments = [np.asarray(each)[None] for each in (o.G, o.S)] + [o.T] + [
        np.asarray(each)[None] for each in (o.strengths, o.xi_out, o.readout)] + [o.teacher_readout]
    found = classification_error((activation_of(student), activation_of(teacher)), *arguments)
    expected, error = sampled_share(student, teacher, o)
    assert found.shape == (1,)
    assert abs(found[0] - expected) < 5.0 * error + (0.0 if K == M == 1 else 0.005 * expected)


def test_classification_error_of_one_unit_is_its_angle():
    run = om.simulate(om.Problem("erf", rates=om.LearningRates(1.0)), one_unit(0.5, 0.2, 1.3), 2.0, "ode", save_at=5)
    expected = np.arccos(run.R / np.sqrt(run.Q * run.T))[..., 0, 0] / math.pi
    assert np.allclose(run.classification_error, expected, rtol=1e-12)
    one = (np.ones((1, 1)),) * 2
    zero = classification_error((activation_of("erf"),) * 2, np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)),
                                np.ones(1), one[0], np.ones(1), np.ones(1))
    assert zero == 0.5  # without a sign it guesses
    opposite = classification_error((activation_of("erf"),) * 2, *one, np.ones((1, 1)), np.ones(1), one[0], -np.ones(1),
                                    np.ones(1))
    assert opposite == 1.0
