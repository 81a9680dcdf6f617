"""``onlinemode benchmark``: time the engines on this machine."""

import json
from datetime import UTC, datetime

import click

from onlinemode.cli.names import PICTURE, claim_file
from onlinemode.cli.options import WHOLE

RECORD = ".json"


class Sizes(click.ParamType):
    """Comma-separated whole numbers."""

    name = "N,N,..."

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            return value
        return [WHOLE.convert(part, parameter, context) for part in value.split(",")]


@click.command("benchmark", short_help="Time the engines on this machine.")
@click.option("--N", "sizes", type=Sizes(), default="1000,10000,100000", help="Numbers of inputs.  [1000,10000,100000]")
@click.option("--K", "K", type=WHOLE, default=4, help="Hidden units and modes, K = M = P.  [4]")
@click.option("--rounds", type=WHOLE, default=5, help="Timed runs of each; the median counts.  [5]")
@click.option("--out", type=click.Path(), help="Results (.json); the picture takes the same name.  [benchmark.json]")
@click.option("--overwrite", is_flag=True, help="Replace files of this name.  [refuse, or take a new name]")
@click.option("--plot/--no-plot", "plot", default=True, help="Write a picture (.png).  [plot]")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No table.")
def command(sizes, K, rounds, out, overwrite, plot, as_json, quiet):
    """Time one step of every engine on one core, against plain NumPy and Numba loops.

    PyTorch is timed where it is installed. All of them first learn from the same inputs and must agree.
    For micro the table gives the share reached of what this core can do, measured in the same run:
    drawing the normals, then moving the bytes or doing the multiply-adds, whichever takes longer.
    """
    import sys

    from onlinemode import checks
    from onlinemode.benchmark import benchmark, machine
    from onlinemode.cli import report
    from onlinemode.cli.pictures import plotting
    from onlinemode.storage import replacing

    sizes = [checks.integer("N", N, 10, 10**8) for N in sizes]
    K, rounds = checks.integer("K", K, 1, 64), checks.integer("rounds", rounds, 1, 1000)
    claim = claim_file(out, "benchmark", RECORD, overwrite, [PICTURE] if plot else [])
    say = None if quiet or as_json else lambda line: print(line, file=sys.stderr, flush=True)
    here = machine()
    timings = benchmark(sizes, K, rounds, progress=say)
    record = {"machine": here, "date": datetime.now(UTC).isoformat(timespec="seconds"), "K": K, "rounds": rounds,
              "timings": [timing._asdict() for timing in timings]}

    def save(path):
        with replacing(path, "w") as file:
            json.dump(report.as_json_has_it(record), file, indent=2, allow_nan=False)

    files = {"results": claim.write(RECORD, save)}
    if plot:
        figure = plotting.benchmark_figure(timings, f"{here['processor']}, one core, K = M = P = {K}")
        files["picture"] = claim.write(PICTURE, lambda path: plotting.save_figure(figure, path))
    if as_json:
        report.print_json(record)
    elif not quiet:
        print(", ".join(f"{name} {value}" for name, value in here.items()))
        _print_table(timings)
        report.print_files(files)


def _print_table(timings):
    print(f"{'N':>11}  {'engine':<14} {'µs a step':>10} {'ns a coord.':>11} {'steps/s':>11} {'ratio':>7} {'differs':>8}"
          f"   {'normals':>8} {'bytes':>8} {'sums':>8} {'share':>6}")
    for timing in timings:
        each = timing.seconds
        line = (f"{timing.N:11,}  {timing.engine:<14} {each * 1e6:10.4g} {each / timing.N * 1e9:11.3g} "
                f"{1.0 / each:11,.0f} {timing.ratio:7.3g} "
                + (f"{timing.difference:8.0e}" if timing.difference == timing.difference else f"{'-':>8}"))
        if timing.roofline is not None:
            line += "   " + " ".join(f"{timing.roofline[name] * 1e6:8.3g}" for name in ("normals", "bytes",
                                                                                      "multiply-adds"))
            line += f" {timing.roofline['share']:6.0%}"
        print(line)
    print("ratio: times faster than the Numba loop; differs: G from the NumPy loop on the same inputs; normals,\n"
          "bytes, sums: µs a step that these alone would take here; share: normals plus the larger of the others,\n"
          "over the time measured")
