"""Local maxima of a curve, and how far they stand out."""

import numpy as np


def peaks(values, above=-np.inf):
    """The local maxima of a curve, as ``scipy.signal.find_peaks`` finds them, whose import takes half a second.

    Parameters
    ----------
    values : array (n,)
        Finite.
    above : float, optional
        Only of maxima that are higher.

    Returns
    -------
    places : int array (peaks,)
        Ascending; the middle of a flat top, and neither end of the curve.
    prominences : array (peaks,)
        Height over the higher of two feet: the lowest values on either side, as far as no value is higher than the
        peak.
    """
    values = np.asarray(values, float)
    if values.size < 3:
        return np.array([], int), np.array([])
    begins = np.flatnonzero(np.diff(values, prepend=np.nan) != 0.0)  # of stretches of one value
    ends = np.append(begins[1:], values.size) - 1
    heights = values[begins]
    tops = 1 + np.flatnonzero((heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:]))
    tops = tops[heights[tops] > above]
    places = (begins[tops] + ends[tops]) // 2
    return places, np.array([_prominence(values, place) for place in places])


def _prominence(values, place):
    height = values[place]
    higher = np.flatnonzero(values > height)
    begin, end = higher[higher < place].max(initial=-1) + 1, higher[higher > place].min(initial=values.size)
    return height - max(values[begin:place + 1].min(), values[place:end].min())
