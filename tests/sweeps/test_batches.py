"""Batches of points: each point once, about as long as they should be by what is known of their cost."""

import itertools
import math
import random
from types import SimpleNamespace

import pytest

import onlinemode as om
from onlinemode.sweeps import batches as module
from onlinemode.sweeps.axes import grid_of
from onlinemode.sweeps.batches import Batches, estimate, sampled
from onlinemode.sweeps.cost import A_RUN, LONGEST, seconds_of
from onlinemode.sweeps.quantities import QUANTITIES
from onlinemode.sweeps.recipe import ExperimentRecipe, FunctionRecipe
from onlinemode.sweeps.tiles import Tiles

EXPERIMENT = om.Experiment(N=40, K=2, alpha=1.0, engine="chain")
NOTHING = SimpleNamespace(quantities=())  # kept of the theory of a point


def make(eta):
    return EXPERIMENT.replace(eta=eta)


def plan_over(experiment, over):
    """What batches need of a Plan."""
    recipe = ExperimentRecipe(experiment)
    return SimpleNamespace(recipe=recipe, grid=grid_of(over, None, recipe), kept=NOTHING)


EQUAL = plan_over(EXPERIMENT, {"noise": "0:1:10000"})
COST = estimate(EQUAL, 0)


def batches_of(tiles, plan=EQUAL, seconds=1.0):
    tiles = [list(tile) for tile in tiles]
    return Batches(plan, tiles, sum(len(tile) for tile in tiles), seconds)


def all_of(batches, workers=1, seconds_of_point=None):
    """All batches, each of which takes so long."""
    found = []
    while (batch := batches.next(workers)) is not None:
        assert batch
        found.append(batch)
        if seconds_of_point is not None:
            batches.learn(batch, sum(map(seconds_of_point, batch)))
    return found


# -- which points --------------------------------------------------------------------------------


@pytest.mark.parametrize("costs", ["small", "large", "wild", "growing"])
@pytest.mark.parametrize("measured", [None, 1e-9, 1e-3, 1e3])
def test_every_point_comes_out_once_and_in_order(costs, measured, monkeypatch):
    """Whatever the estimates, the measured times and the number of workers are."""
    draw = random.Random(0)
    of_point = {"small": lambda number: 1e-9, "large": lambda number: 1e6,
                "growing": lambda number: 1e-4 * (number + 1), "wild": lambda number: 10 ** draw.uniform(-8, 8)}[costs]
    monkeypatch.setattr(module, "estimate", lambda plan, number: of_point(number))
    tiles = [list(range(500)), [], [505, 507], [9000], list(range(600, 3600, 3))]
    missing = [number for tile in tiles for number in tile]
    for workers in (1, 7, 500):
        found = all_of(batches_of(tiles), workers, measured and (lambda number: measured * draw.uniform(0.1, 10)))
        assert [number for batch in found for number in batch] == missing
        for batch in found:
            assert 0 < len(batch) <= module.MOST_POINTS and any(set(batch) <= set(tile) for tile in tiles)


def test_tiles_are_taken_one_by_one():
    """Not all at once: of 10^8 points the list would be long."""
    taken = []

    def tiles():
        for first in range(0, 100, 10):
            taken.append(first)
            yield list(range(first, first + 10))

    batches = Batches(EQUAL, tiles(), 100, 1e9)
    batches.learn([0], 1e-9)
    batches.next(1)
    assert taken == [0]
    assert len(all_of(batches)) >= 9 and len(taken) == 10


def test_nothing_left():
    batches = batches_of([])
    assert batches.next(1) is None and batches.next(1) is None


def test_the_numbers_of_a_batch_are_few():
    batches = batches_of([range(10_000)], seconds=1e9)
    batches.learn([0], 1e-12)
    assert max(map(len, all_of(batches))) == module.MOST_POINTS


# -- how many ------------------------------------------------------------------------------------


def test_the_first_batch_is_short_and_all_before_anything_is_known():
    expected = int(module.FIRST_SECONDS / COST)
    assert 1 < expected < 100
    batches = batches_of([range(10_000)], seconds=60.0)
    assert [abs(len(batches.next(1)) - expected) <= 1 for _ in range(3)] == [True] * 3
    assert len(batches_of([range(10_000)], seconds=COST * 3.5).next(1)) == 3


def test_a_point_that_is_estimated_too_long_is_a_batch():
    plan = plan_over(EXPERIMENT, {"alpha": [1.0, 1e9, 2.0, 3.0]})
    assert all_of(batches_of([range(4)], plan)) == [[0], [1], [2, 3]]


def test_slow_points_shrink_batches_and_fast_ones_grow_them():
    lengths = []
    for factor in (0.01, 1.0, 100.0):
        batches = batches_of([range(10_000)], seconds=0.5)
        first = batches.next(1)
        for _ in range(5):
            batches.learn(first, len(first) * COST * factor)
        lengths.append(len(batches.next(1)))
    assert lengths[0] == module.MOST_POINTS
    assert lengths[1] == pytest.approx(0.5 / COST, abs=1) and lengths[2] == pytest.approx(0.005 / COST, abs=1)


def test_the_last_batches_are_shorter():
    """A worker gets a part of its share of what is left, down to the shortest batch."""
    found = all_of(batches_of([range(3000)], seconds=0.5), 4, lambda number: COST)
    for done, batch in zip(itertools.accumulate(len(batch) for batch in found), found[1:]):
        share, shortest = (3000 - done) / (4 * module.SHARES), module.SHORTEST_SECONDS / COST
        assert len(batch) == pytest.approx(max(share, shortest), abs=1) or batch == found[-1]
    assert len(found[1]) > 20 * len(found[-2])


def test_more_workers_have_shorter_batches():
    lengths = []
    for workers in (1, 10, 100):
        batches = batches_of([range(2000)], seconds=1e9)
        batches.learn([0], COST)
        lengths.append(len(batches.next(workers)))
    assert lengths == pytest.approx([2000 / module.SHARES, 200 / module.SHARES, 20 / module.SHARES], abs=1)


def test_batches_of_unlike_points_are_about_equally_long():
    """In seconds: many short runs, few long ones."""
    plan = plan_over(EXPERIMENT, {"alpha": range(1, 2000)})
    batches = batches_of([range(1999)], plan, seconds=0.5)
    batches.learn([0], estimate(plan, 0))
    lasting = [sum(estimate(plan, number) for number in batch) for batch in all_of(batches)][:3]
    assert all(0.3 < seconds <= 0.5 for seconds in lasting)


# -- what is learned -----------------------------------------------------------------------------


def test_the_rate_ignores_a_slow_first_batch():
    batches = batches_of([range(100)])
    assert batches.rate == 1.0
    batches.learn([0, 1], 1000.0)  # compiles
    for number in range(2, 6):
        batches.learn([number], 3.0 * COST)
    assert batches.rate == pytest.approx(3.0)


def test_the_rate_is_that_of_the_last_batches():
    batches = batches_of([range(100)])
    for factor in [7.0] * 50 + [2.0] * (module.REMEMBERED // 2 + 1):
        batches.learn([0], factor * COST)
    assert batches.rate == pytest.approx(2.0)


def test_seconds_left():
    batches = batches_of([range(100)], seconds=1e9)
    assert batches.seconds_left(10, 1) is None
    batch = batches.next(1)
    batches.learn(batch, 1e3)  # it has compiled
    assert batches.seconds_left(10, 1) is None and batches.rate == 1.0
    other = batches.next(1)
    batches.learn(other, 4.0 * COST * len(other))
    left = 100 - len(batch) - len(other)
    assert batches.seconds_left(0, 1) == pytest.approx(4.0 * COST * left)
    assert batches.seconds_left(10, 5) == pytest.approx(4.0 * COST * (left + 10) / 5)


# -- cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine, change", [
    *itertools.product(["chain", "micro"], [{"N": 4000}, {"alpha": 100.0}, {"replicas": 10}, {"K": 6}, {"batch": 4}]),
    ("micro", {"P": 5}), ("chain", {"M": 5}), ("ode", {"K": 6}), ("ode", {"M": 5}), ("ode", {"activation": "relu"}),
    ("ode", {"replicas": 10, "fresh_students": True})])
def test_cost_grows_with_sizes(engine, change):
    experiment = EXPERIMENT.replace(engine=engine, N=400, alpha=10.0)
    small, large = (seconds_of(vars(each)) for each in (experiment, experiment.replace(**change)))
    assert A_RUN < small < large


def test_cost_grows_with_nodes_and_counts_one_integration_of_shared_starts():
    relu = EXPERIMENT.replace(engine="ode", activation="relu", teacher_activation="tanh")
    assert seconds_of(vars(relu.replace(nodes=256))) < seconds_of(vars(relu.replace(nodes=4096)))
    assert seconds_of(vars(relu.replace(replicas=10))) == seconds_of(vars(relu))


def test_cost_of_given_overlaps():
    """By their sizes, not by K."""
    start = om.initial.committee(40, K=3, M=4).order_parameters()
    for engine in ("chain", "ode", "micro"):
        drawn = EXPERIMENT.replace(engine=engine, init="committee", K=3, M=4)
        assert seconds_of(vars(drawn)) == seconds_of(vars(EXPERIMENT.replace(engine=engine, overlaps=start)))


@pytest.mark.parametrize("change", [
    {"alpha": -1e9}, {"alpha": 1e308, "N": 10**9}, {"alpha": math.nan}, {"alpha": 1e308, "N": 10**9, "batch": 0},
    {"N": None}, {"N": -5}, {"N": 10**400}, {"K": -3}, {"K": 0}, {"P": -10**9}, {"K": 10**200, "engine": "ode"},
    {"replicas": -1}, {"eta": -1.0, "engine": "ode"}, {"engine": "frob"}, {"activation": "frob", "engine": "ode"},
    {"nodes": -1, "engine": "ode", "activation": "relu", "teacher_activation": "tanh"}])
@pytest.mark.parametrize("engine", ["chain", "micro", "ode"])
def test_cost_of_what_cannot_be_run_is_finite(engine, change):
    assert A_RUN <= seconds_of(vars(EXPERIMENT) | {"engine": engine} | change) <= 2 * LONGEST


def test_impossible_points_leave_batches_as_they_are():
    plan = plan_over(EXPERIMENT, {"alpha": [-1e300, *(float(alpha) for alpha in range(1, 1000))]})
    batches = batches_of([range(1000)], plan, seconds=0.5)
    first = batches.next(1)
    assert first[0] == 0 and len(first) < 100
    batches.learn(first, 0.1)
    batches.learn(batches.next(1), 0.1)
    assert 0.0 < batches.rate < 100.0 and 0.0 < batches.seconds_left(0, 1) < 1e6


def test_points_of_a_function_are_alike():
    recipe = FunctionRecipe(make)
    plan = SimpleNamespace(recipe=recipe, grid=grid_of({"eta": [1, 2, 3]}, None, recipe), kept=NOTHING)
    assert [estimate(plan, number) for number in range(3)] == [A_RUN] * 3


def test_quantities_take_their_time():
    plan = plan_over(EXPERIMENT, {"eta": [1, 2, 3]})
    plan.kept = SimpleNamespace(quantities=("noise_floor", "escape_law"))
    more = QUANTITIES["noise_floor"].seconds + QUANTITIES["escape_law"].seconds
    assert estimate(plan, 0) == pytest.approx(COST + more)


def test_mean_cost_of_some_points():
    plan = plan_over(EXPERIMENT, {"alpha": "1:1000:5000"})
    every = [estimate(plan, number) for number in range(5000)]
    assert sampled(plan, 5000) == pytest.approx(sum(every) / 5000) == pytest.approx(sampled(plan), rel=0.01)
    assert sampled(plan, 1) == every[0]


def test_batches_of_a_grid_in_tiles():
    plan = plan_over(EXPERIMENT, {"noise": "0:1:70", "eta": "1:2:40"})
    tiles = Tiles(plan.grid.shape)
    found = all_of(Batches(plan, (tiles.numbers(place).ravel().tolist() for place in tiles.all()), 2800, 1e9), 3,
                   lambda number: 1e-7)
    assert sorted(itertools.chain.from_iterable(found)) == list(range(2800)) and len(list(tiles.all())) > 1
    assert all(len({tiles.place_of(number) for number in batch}) == 1 for batch in found)


def test_batches_whose_length_nobody_knows_teach_nothing():
    """Those of points whose processes died."""
    batches = batches_of([range(100)])
    first = batches.next(1)
    batches.learn(first, COST * len(first))
    batches.learn([50], COST)
    known = batches.rate
    batches.learn([51], float("nan"))
    assert batches.rate == known and math.isfinite(batches.seconds_left(0, 1))
