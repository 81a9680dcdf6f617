"""Local maxima and prominences, against SciPy's."""

import numpy as np
import pytest
from scipy.signal import find_peaks

from onlinemode.peaks import peaks


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_as_scipy_finds_them(seed, levels):
    """With flat tops and equal heights, where there are few levels."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, rng.integers(3, 60)).astype(float)
    expected, found_with = find_peaks(values, prominence=0.0)
    places, prominences = peaks(values)
    assert np.array_equal(places, expected) and np.array_equal(prominences, found_with["prominences"])


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [2.0, 2.0, 1.0]])
def test_curves_without_a_peak(values):
    places, prominences = peaks(values)
    assert places.size == prominences.size == 0 and places.dtype == int


def test_only_high_ones():
    places, prominences = peaks([0.0, 3.0, 1.0, 2.0, 0.5, 5.0, 4.0], above=2.0)
    assert places.tolist() == [1, 5] and prominences.tolist() == [2.5, 1.0]


def test_feet_lie_on_either_side():
    places, prominences = peaks([0.0, 3.0, 1.0, 2.0, 0.5, 5.0, 4.0])
    assert places.tolist() == [1, 3, 5] and prominences.tolist() == [2.5, 1.0, 1.0]
