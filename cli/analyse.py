"""``onlinemode analyse``: plateaus, critical rate, noise floor and the law of escape of a problem."""

import math

import click

from onlinemode.cli.names import check_numbers
from onlinemode.cli.options import OVERLAPS_ALONE, PROBLEM, START, resolve, shared_options, with_file
from onlinemode.cli.running import announce, experiment_with_overlaps
from onlinemode.cli.starts import with_overlaps


@click.command("analyse", short_help="Plateaus, critical rate, noise floor, escape.")
@shared_options(*START, "alpha", *PROBLEM, "json", "quiet", replaced={"start": OVERLAPS_ALONE})
@click.option("--level", type=click.FloatRange(0, min_open=True), metavar="FLOAT",
              help="ε_g below which a run has left its plateau.  [midway to where it goes]")
def command(level, **given):
    """Say where a run of the mean-field equations stands still, how stable that is, and what follows from it.

    Prints the fixed points that the run passes up to --alpha (level, rates, unstable directions, how far away), the
    learning rate above which a perfect student is unstable, the error that label noise leaves after infinite time, and
    when runs of --N inputs leave the plateau, which a start leads to that has nothing along the unstable directions
    (--start with R = 0). What cannot be found is said with the reason. Writes no file.
    """
    from onlinemode import critical_rate, escape_law, fixed_points, noise_floor
    from onlinemode.errors import ParameterError
    from onlinemode.experiment import describe, first_of

    given = with_file(given)
    settings = with_overlaps(resolve(given), given)
    check_numbers(settings)
    experiment = experiment_with_overlaps(settings | {"engine": "chain"})
    problem, start = experiment.problem(), experiment.start()
    title = describe(settings, first_of(start))
    announce(settings, title)
    points = fixed_points(problem, start, settings["alpha"])
    rate, floor = critical_rate(problem, start), noise_floor(problem, start)
    try:
        law = escape_law(problem, start, settings["N"], level, settings["alpha"])
        law_message = law.message
    except ParameterError as why:  # no linear noise for such a problem
        law, law_message = None, str(why)
    if settings["json"]:
        from onlinemode.cli.report import print_json

        print_json(_summary(title, points, rate, floor, law, law_message))
    elif not settings["quiet"]:
        _print(points, rate, floor, law, law_message)


def _print(points, rate, floor, law, law_message):
    print(f"{'α':>9}  {'ε_g':>11}  {'unstable':>8}  {'rate':>11}  {'times':>5}  {'distance':>8}")
    for point in points:
        if point.state is None:
            print(f"{point.alpha:9.4g}  {point.status.value}: {point.message}")
        else:
            print(f"{point.alpha:9.4g}  {point.level:11.4e}  {point.unstable:8d}  {point.rate:11.4e}  "
                  f"{point.multiplicity:5d}  {point.distance:8.1e}")
    if not points.complete:
        print("the run diverges")
    print(f"critical rate  {_or_why(rate.rate, rate.message)}")
    print(f"noise floor    {_or_why(floor.level, floor.message)}")
    if law is None or math.isnan(law.mean):
        print(f"escape         {law_message}")
    else:
        low, high = law.quantile([0.05, 0.95])
        print(f"escape         α = {law.mean:.4g} ± {law.sd:.3g} at N = {law.N:,}, ε_g < {law.level:.3g} "
              f"(90 %: {low:.4g} to {high:.4g}); {0.5 / law.rate:.4g} ln N")


def _or_why(number, message):
    if not math.isfinite(number):
        return message
    return f"{number:.6g}{f' ({message})' if message else ''}"


def _summary(title, points, rate, floor, law, law_message):
    found = law is not None and not math.isnan(law.mean)
    return {"command": "analyse", "title": title, "complete": points.complete,
            "fixed_points": [{"alpha": point.alpha, "status": point.status.value, "message": point.message,
                              "generalization_error": point.level, "distance": point.distance,
                              "rates": [[each.real, each.imag] for each in point.rates.tolist()],
                              "unstable": point.unstable, "zero": point.zero, "multiplicity": point.multiplicity}
                             for point in points],
            "critical_rate": rate.rate, "critical_rate_message": rate.message,
            "noise_floor": floor.level, "noise_floor_message": floor.message,
            "escape": {"mean": law.mean, "sd": law.sd, "level": law.level, "rate": law.rate, "N": law.N} if found else
            None, "escape_message": law_message}
