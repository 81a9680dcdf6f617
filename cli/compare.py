"""``onlinemode compare``: several engines from the same overlaps, and how far they are apart."""

import click

from onlinemode.cli.names import claim_runs
from onlinemode.cli.options import (
    ODE,
    OUTPUT,
    OVERLAPS_ALONE,
    PROBLEM,
    SIMULATION,
    START,
    resolve,
    shared_options,
    with_file,
)
from onlinemode.cli.running import chosen, experiment_of
from onlinemode.cli.simulate import check_engine, finish, is_interrupted, run_simulation
from onlinemode.cli.starts import beginning, with_overlaps
from onlinemode.engines import capabilities_of
from onlinemode.errors import EngineError
from onlinemode.experiment import SIMULATED


@click.command("compare", short_help="SGD against theory, in units of N^-1/2.")
@shared_options(*START, "alpha", *PROBLEM, *SIMULATION, *ODE, *OUTPUT, replaced={"start": OVERLAPS_ALONE})
@click.option("--engines", "--engine", default="micro,ode", help="Comma-separated; ode and at least one of micro, "
              "chain, leap.  [micro,ode]")
def command(engines, **given):
    """Run SGD (or the exact chain of its overlaps, or leaps of it) and the mean-field equations from the same overlaps.

    Writes one .npz an engine and one .png. Prints, at a few times, the generalization error beside
    what theory expects of it at this N (mean with its 1/N shift, standard deviation) as a z-score, and
    the deviation of (Q, R), also in units of N^-1/2: for a theory that is right, that number does
    not grow with N.
    """
    from onlinemode.beside import Theory
    from onlinemode.theory.spectral import require_theory

    names = engines.split(",")
    simulated = [name for name in names if name != "ode"]
    if "ode" not in names or not simulated or set(simulated) - set(SIMULATED) or len(set(names)) < len(names):
        raise click.UsageError(f"--engine must be ode and at least one of {', '.join(SIMULATED)}, comma-separated; "
                               f"got {engines}")
    given = with_file(given)
    settings = with_overlaps(resolve(given), given)
    for name in simulated:
        check_engine(settings, name)
    claim = claim_runs(settings, "compare", [f"_{name}" for name in (*simulated, "ode")])
    require_theory(experiment_of(settings).problem())
    problem, start, title = beginning(settings, vectors=any(capabilities_of(name).makes_vectors for name in simulated))
    mean_field = Theory(problem, start, experiment_of(settings).call(), chosen(settings, ODE), with_noise=True)
    if mean_field.too_much(memory_alone=True):
        raise EngineError(f"{mean_field.too_much(memory_alone=True)}: take fewer units, or onlinemode simulate")
    results = []
    for name in simulated:
        run = run_simulation(problem, start, settings, name, mean_field, title)
        results.append((run, f"_{name}"))
        if is_interrupted(run):
            break
    return finish(settings, "compare", claim, results, mean_field, title, "_ode")
