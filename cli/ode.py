"""``onlinemode ode``: the mean-field equations alone."""

import click

from onlinemode.cli.names import claim_runs
from onlinemode.cli.options import ODE, OUTPUT, PROBLEM, START, resolve, shared_options
from onlinemode.cli.running import ProgressBar, announce, chosen, describe, make_problem, make_start
from onlinemode.cli.simulate import finish

_OUTPUT = tuple(name for name in OUTPUT if name != "store_weights")


@click.command("ode", short_help="The mean-field equations, N to infinity.")
@shared_options(*START, "alpha", *PROBLEM, *ODE, *_OUTPUT)
def command(**given):
    """Integrate the mean-field equations from the overlaps of a start of finite N.

    N fixes the initial overlaps alone: from an exactly symmetric start nothing but rounding errors would end
    the plateau.
    Writes one .npz and one .png, prints a table, and says where the files are.
    """
    from onlinemode import simulate

    settings = resolve(given)
    claim = claim_runs(settings, "ode")
    problem = make_problem(settings)
    start = make_start(settings, vectors=False)
    bar = ProgressBar(settings["quiet"] or settings["json"])
    reports = []

    def progress(state):
        if not reports:  # the arguments are right
            announce(settings, describe(settings, start))
        reports.append(state)
        bar(state)

    try:
        run = simulate(problem, start, settings["alpha"], "ode", N=settings["N"], seed=settings["seed"],
                       save_at=settings["save_at"], progress=progress, **chosen(settings, ODE))
    finally:
        bar.close()
    return finish(settings, "ode", claim, [(run, "")], None, describe(settings, start))
