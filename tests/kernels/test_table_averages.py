"""Averages of tables: against sums over fine grids, in singular states too."""

import numpy as np
import pytest
from scipy import special

from onlinemode.activations import Activation
from onlinemode.kernels.averages import units as kernels
from onlinemode.theory.averaging import units_of
from onlinemode.theory.panels import panels_of

FUNCTIONS = {  # with their breaks; the last one is steep, where nothing says so
    "softplus": (lambda z: np.logaddexp(0.0, z), []),
    "relu": (lambda z: np.maximum(z, 0.0), [0.0]),
    "jump": (lambda z: np.where(z < 0.5, 0.5 * np.sin(z), 1.0 + 0.1 * z), [0.5]),
    "ripples": (lambda z: np.clip(z, -1.0, 1.0) + 0.2 * np.cos(3.0 * z), [-1.0, 1.0]),
    "steep": (lambda z: np.tanh(30.0 * (z - 0.3)) + 0.1 * z**2, []),
}
PLACES, WEIGHTS = np.polynomial.legendre.leggauss(20)


def mean(units, *arguments):
    return kernels.mean(units, *arguments, units.table)


def mean_slope(units, *arguments):
    return kernels.mean_slope(units, *arguments, units.table)


def moment(units, *arguments):
    return kernels.moment(units, *arguments, units.table)


def moment_with_erf(units, *arguments):
    return kernels.moment_with_erf(units, *arguments, units.table)


@pytest.fixture(params=FUNCTIONS, scope="module")
def case(request):
    """A function, its breaks and steep places, and units of its table."""
    function, breaks = FUNCTIONS[request.param]
    units = units_of(Activation.from_function(function, breaks=breaks, name=request.param), 3)
    return function, breaks or [0.3], units


def grid(special_places, step):
    """Places and weights of a standard normal, fine about the given places."""
    about = np.concatenate([[0.0], *(place + np.linspace(-0.5, 0.5, 51) for place in special_places)])
    edges = np.unique(np.concatenate([np.arange(-10.0, 10.01, step), about[np.abs(about) < 10.0]]))
    half, centre = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    x = (centre[:, None] + half[:, None] * PLACES).ravel()
    return x, (half[:, None] * WEIGHTS).ravel() * np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)


@pytest.mark.parametrize("a", [0.01, 1.0, 30.0])
def test_one_unit(case, a):
    g, breaks, units = case
    x, weights = grid([place / np.sqrt(a) for place in breaks], 0.02)
    values, slope = g(np.sqrt(a) * x), 1.1 * mean_slope(units, a)
    size = np.sqrt(weights @ values**2)
    assert abs(mean(units, a) - weights @ values) < 5e-11 * size
    assert abs(mean_slope(units, a) * np.sqrt(a) - weights @ (x * values)) < 5e-11 * size
    assert abs(moment(units, a, a, a) - size**2) < 5e-11 * size**2
    assert abs(slope * np.sqrt(a) - weights @ (x * values)) > 1e-3 * size or abs(slope) < 1e-2  # 10 % are seen


@pytest.mark.parametrize("width, a, correlation", [(1.0, 1.0, 0.3), (0.1, 2.0, 0.95), (1e-3, 1.0, -0.999),
                                                   (1e-6, 3.0, 1.0), (0.5, 1.0, -1.0), (0.0, 1.0, 0.9)])
def test_with_an_erf(case, width, a, correlation):
    g, breaks, units = case
    for b in (1.0, 6.0):
        c = correlation * np.sqrt(a * b)
        rest = width + a * (1.0 - correlation**2)
        x, weights = grid([place / np.sqrt(b) for place in breaks], 0.02)
        size = np.sqrt(weights @ g(np.sqrt(b) * x) ** 2)
        if rest < 1e-2:  # a steep erf
            x, weights = grid([*(place / np.sqrt(b) for place in breaks), 0.0,
                               *np.sqrt(rest * b) / c * np.arange(-9.0, 9.0)], 0.02)
        expected = weights @ (g(np.sqrt(b) * x) * special.erf(x * c / np.sqrt(2.0 * b * rest)))
        assert abs(moment_with_erf(units, width, a, b, c) - expected) < 5e-11 * size


@pytest.mark.parametrize("a, b, correlation", [(1.0, 2.0, 0.5), (0.5, 2.0, -0.9), (1.0, 1.0, 0.99), (1.2, 1.0, 0.9999)])
def test_two_units(case, a, b, correlation):
    g, breaks, units = case
    c = correlation * np.sqrt(a * b)
    slope, spread = c / np.sqrt(a), np.sqrt(b * (1.0 - correlation**2))
    smoothed = [(place + spread * each) / slope for place in breaks for each in range(-8, 9, 2)]
    x, weights = grid([place / np.sqrt(a) for place in breaks] + smoothed, 0.5)
    inner = np.empty(x.size)
    for i, centre in enumerate(slope * x):
        y, of_y = _inner([(place - centre) / spread for place in breaks], spread)
        inner[i] = of_y @ g(centre + spread * y)
    expected = weights @ (g(np.sqrt(a) * x) * inner)
    size = np.sqrt((weights @ g(np.sqrt(a) * x) ** 2) * (weights @ g(np.sqrt(b) * x) ** 2))
    assert abs(moment(units, a, b, c) - expected) < 5e-11 * size
    assert abs(moment(units, b, a, c) - expected) < 5e-11 * size


def _inner(places, spread):
    about = [place + step for place in places if abs(place) < 11.0
             for step in (0.0, *(sign * each / spread for each in (0.02, 0.05, 0.1, 0.2, 0.4) for sign in (-1.0, 1.0)))]
    edges = np.unique(np.concatenate([np.arange(-10.0, 10.1, 1.0), [each for each in about if abs(each) < 10.0]]))
    half, centre = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    y = (centre[:, None] + half[:, None] * PLACES).ravel()
    return y, (half[:, None] * WEIGHTS).ravel() * np.exp(-0.5 * y**2) / np.sqrt(2.0 * np.pi)


def test_singular_states(case):
    g, breaks, units = case
    for a, b in ((1.0, 1.0), (2.0, 0.5)):
        x, weights = grid([place / np.sqrt(each) for place in breaks for each in (a, b)], 0.02)
        both_sides = [sign * place / np.sqrt(each) for place in breaks for each in (a, b) for sign in (-1.0, 1.0)]
        x2, weights2 = grid(both_sides, 0.02)
        size = np.sqrt((weights @ g(np.sqrt(a) * x) ** 2) * (weights @ g(np.sqrt(b) * x) ** 2))
        root = np.sqrt(a * b)
        assert abs(moment(units, a, b, root) - weights @ (g(np.sqrt(a) * x) * g(np.sqrt(b) * x))) < 5e-11 * size
        assert abs(moment(units, a, b, -root) - weights2 @ (g(np.sqrt(a) * x2) * g(-np.sqrt(b) * x2))) < 5e-11 * size
        beyond = moment(units, a, b, root * (1.0 + 1e-12))  # as a solver rounds it
        assert abs(beyond - moment(units, a, b, root)) < 1e-10 * size
    origin = float(g(np.array([0.0]))[0])
    assert moment(units, 0.0, 1.0, 0.0) == pytest.approx(origin * mean(units, 1.0), abs=1e-10)
    assert moment(units, 0.0, 0.0, 0.0) == pytest.approx(origin**2, abs=1e-10)
    assert moment_with_erf(units, 1.0, 0.0, 1.0, 0.0) == moment_with_erf(units, 0.0, 0.0, 0.0, 0.0) == 0.0
    assert np.isfinite(mean_slope(units, 0.0)) and mean(units, 0.0) == pytest.approx(origin, abs=1e-10)
    assert np.isnan(moment(units, np.nan, 1.0, np.nan)) and np.isnan(moment_with_erf(units, 1.0, 1.0, np.nan, 0.1))


def test_sum_and_integral_agree():
    """On both sides of where Mehler's sum is given up the moments are one smooth curve."""
    units = units_of(Activation.from_function(*FUNCTIONS["relu"][:1], breaks=[0.0], name="relu"), 3)
    r = np.linspace(0.5, 0.9, 81)
    found = np.array([moment(units, 1.0, 1.0, each) for each in r])
    exact = (np.sqrt(1.0 - r**2) + r * (0.5 * np.pi + np.arcsin(r))) / (2.0 * np.pi)
    assert np.abs(found - exact).max() < 2e-14
    assert np.abs(1.1 * found - exact).max() > 1e-3


def test_a_spectrum_in_use_is_not_replaced():
    """Of a pair both are needed, whatever was asked for before."""
    softplus = Activation.from_function(FUNCTIONS["softplus"][0], name="softplus")
    used = units_of(softplus, 1)
    for a, b in np.random.default_rng(1).choice([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], (60, 2)):
        assert moment(used, a, b, 0.3) == moment(units_of(softplus, 1), a, b, 0.3)


def test_panels():
    """Few for smooth functions, more where one is narrow; breaks where the function has them."""
    made = {name: Activation.from_function(g, breaks=breaks, name=name) for name, (g, breaks) in FUNCTIONS.items()}
    assert [list(panels_of(made[name])[1]) for name in ("softplus", "relu", "steep")] == [[], [0.0], []]
    assert {-1.0, 1.0} < set(panels_of(made["ripples"])[1]) and 0.5 in panels_of(made["jump"])[1]
    assert len(panels_of(made["softplus"])[0]) <= 12 and np.diff(panels_of(made["steep"])[0]).min() < 0.2
    assert [list(panels_of(Activation.parse(word))[0]) for word in ("he:3", "sign", "relu")] == [[], [0.0], [0.0]]
