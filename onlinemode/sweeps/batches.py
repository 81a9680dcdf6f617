"""Points in batches of about equal length, so that scheduling costs little beside runs of less than a millisecond."""

import math
from collections import deque
from collections.abc import Iterable
from statistics import median

from onlinemode.sweeps.cost import A_RUN, seconds_of
from onlinemode.sweeps.quantities import QUANTITIES
from onlinemode.sweeps.recipe import ExperimentRecipe

FIRST_SECONDS = 0.1  # of batches until it is known how long points take
SHORTEST_SECONDS = 0.01
SHARES = 4  # a worker gets this part of its share of what is left, so that all end together
MOST_POINTS = 2000
REMEMBERED = 15  # batches


class Batches:
    """Makes batches from the points that are missing, tile by tile, and learns from those that are made.

    Parameters
    ----------
    plan : Plan
    tiles : iterable of lists of int
        Numbers of missing points; a batch stays inside a tile.
    missing : int
        How many they are.
    seconds : float
        Aimed at for a batch.
    """

    def __init__(self, plan, tiles: Iterable[list[int]], missing: int, seconds: float):
        self._plan, self._seconds = plan, seconds
        self._tiles, self._left = iter(tiles), missing
        self._tile: deque[int] = deque()
        self._ratios: deque[float] = deque(maxlen=REMEMBERED)
        self._estimated, self._known = 0.0, 0  # of the points that are made
        self._batches, self._compiling = 0, 1
        self._guessed: dict[int, tuple[int, float]] = {}  # of batches in the making: points and seconds

    def next(self, workers: int) -> list[int] | None:
        """Numbers of the points of another batch, None where nothing is left to begin."""
        self._compiling = workers
        while not self._tile:
            tile = next(self._tiles, None)
            if tile is None:
                return None
            self._tile.extend(tile)
        share = self._left * self._usual() / (SHARES * workers) if self._known else FIRST_SECONDS
        aim = min(self._seconds, max(share, SHORTEST_SECONDS))
        batch: list[int] = []
        total, rate = 0.0, self.rate
        while self._tile and len(batch) < MOST_POINTS:
            seconds = estimate(self._plan, self._tile[0])
            if batch and (total + seconds) * rate > aim:
                break
            total += seconds
            batch.append(self._tile.popleft())
        self._left -= len(batch)
        self._guessed[batch[0]] = len(batch), total
        return batch

    @property
    def rate(self) -> float:
        """Measured over estimated seconds, the median of the last batches: the first ones compile."""
        return median(self._ratios) if self._ratios else 1.0

    def _usual(self):
        """Seconds of a point, by those that are made."""
        return self.rate * self._estimated / self._known

    def learn(self, numbers: list[int], seconds: float) -> None:
        """These points have taken so long; NaN where nobody knows, since their processes died."""
        count, estimated = self._guessed.pop(numbers[0], (0, 0.0))
        if count != len(numbers):  # a batch that was divided
            estimated = sum(estimate(self._plan, number) for number in numbers)
        self._batches += 1
        # the first batch of each worker compiles, or reads what is compiled
        if self._batches > self._compiling and not math.isnan(seconds):
            self._ratios.append(seconds / estimated)
        self._estimated += estimated
        self._known += len(numbers)

    def seconds_left(self, others: int, workers: int) -> float | None:
        """For the missing points and ``others`` that are in the making; None before anything is measured."""
        left = self._left + others
        return 0.0 if not left else left * self._usual() / workers if self._ratios else None


def estimate(plan, number: int) -> float:
    """Seconds of a point, by the model; those of the experiments of functions are not known."""
    known = isinstance(plan.recipe, ExperimentRecipe)
    of_run = seconds_of(plan.recipe.values(plan.grid.point(number))) if known else A_RUN
    return of_run + sum(QUANTITIES[name].seconds for name in plan.kept.quantities)


def sampled(plan, most: int = 1000) -> float:
    """Mean seconds of a point, by the model, over some of them."""
    chosen = [estimate(plan, number) for number in range(0, plan.grid.size, max(plan.grid.size // most, 1))]
    return sum(chosen) / len(chosen)
