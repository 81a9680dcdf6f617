"""Every command and every Python block of the README and of the pages by example runs, in order, in one folder."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import onlinemode as om
from onlinemode.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
NAMED = re.compile(r"# (\S+\.(?:toml|py))\n")  # the first line of a block that is a file


def blocks(page):
    """(language, text) of the blocks of a page."""
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def commands(page):
    """Command lines of onlinemode in the blocks without a language; others (pip, python) are not run here."""
    lines = [line for language, text in blocks(page) if language == "" for line in text.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("onlinemode ")]


def shortened(arguments):
    """Simulations with a smaller α, the benchmark at one small N, one epoch; the rest as printed."""
    command, *rest = arguments
    if command in ("simulate", "compare") and "--config" not in rest:
        rest += ["--alpha", "3" if "--start" in rest else "2"]
    if command == "benchmark":
        rest += ["--N", "200", "--rounds", "1"]
    if command == "deep":
        rest += ["--epochs", "1"]
    return [command, *rest]


def run_command(line, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(shortened(line[1:]))
    assert exit_info.value.code == 0, f"{shlex.join(line)}\n{capsys.readouterr().err}"


def run_page(page, capsys, names=None):
    """What the Python blocks of a page leave behind; its files are written before anything is run."""
    names = {} if names is None else names
    for language, text in blocks(page):
        if language in ("toml", "python") and (name := NAMED.match(text)):
            Path(name[1]).write_text(text, encoding="utf-8")
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page, "exec"), names)
        elif language == "":
            for line in text.splitlines():
                if line.startswith("onlinemode "):
                    run_command(shlex.split(line, comments=True), capsys)
    return names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty one, with the table of overlaps of docs/howto/going-on.md."""
    monkeypatch.chdir(tmp_path)
    overlaps, = [text for language, text in blocks("docs/howto/going-on.md") if language == "toml"]
    Path("overlaps.toml").write_text(overlaps, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("page, lines, programs", [
    ("README.md", 8, 1), ("docs/howto/command-line.md", 19, 0), ("docs/howto/python.md", 0, 8),
    ("docs/concepts/conventions.md", 0, 4), ("docs/concepts/files.md", 1, 1)])
def test_pages_have_what_is_run(page, lines, programs):
    assert len(commands(page)) >= lines
    assert [language for language, _ in blocks(page)].count("python") == programs
    assert {language for language, _ in blocks(page)} <= {"", "python", "toml"}
    assert (ROOT / page).read_text(encoding="utf-8").count("```") == 2 * len(blocks(page))


@pytest.mark.slow
def test_readme(folder, capsys):
    names = run_page("README.md", capsys)
    assert names["run"].replicas == 20 and names["run"].N == 1000
    assert dict(names["swept"].sizes)["eta"] == 3 and (names["swept"].status == "completed").all()
    assert list(names["compared"].z_scores) == ["micro", "chain"]


@pytest.mark.slow
def test_commands_by_example(folder, capsys):
    run_page("docs/howto/command-line.md", capsys)
    configured = om.load("configured.npz")
    assert (configured.info.engine, configured.N, configured.problem.noise) == ("chain", 5000, 0.05)
    assert configured.problem.rates.xi_in == 2.0 and configured.info.seed == 1
    assert {"five.csv", "five_ensemble.csv", "five_plot.png"} <= {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_python_by_example(folder, capsys):
    names = run_page("docs/howto/python.md", capsys)
    assert (names["again"].G == names["run"].G).all()
    assert names["ode"].status[0].value == "completed" or names["ode"].status[0].value == "converged"
    assert names["sgd"].N == 500
    assert names["many"].replicas == 200 and names["many"].draws == 5
    assert dict(names["swept"].sizes) | {"alpha": 0} == {"eta": 3, "seed": 5, "alpha": 0} and names["one"].N == 500
    assert (names["swept"].status == "completed").all()
    assert list(names["compared"].z_scores) == ["micro", "chain"]
    assert {"etas.png", "compared.png"} <= {path.name for path in folder.iterdir()}
    assert names["trained"].test_accuracy.shape == (3,)
    assert names["on_images"].error_se.shape == names["on_images"].generalization_error.shape


def test_schedules(folder, capsys):
    names = run_page("docs/howto/schedules.md", capsys)
    again = om.repeat(om.load("annealed.npz"))
    assert (again.G == names["run"].G).all() and f"{again.problem.rates.xi_in}" == "function of α"
    assert names["theory"].problem.jumps == tuple(range(2, 40, 2))


def test_plateaus(folder, capsys):
    """The numbers that the page prints."""
    names = run_page("docs/howto/plateaus.md", capsys)
    times = om.escape_times(names["runs"], 0.01)
    assert (round(times.mean(), 1), round(names["law"].at(100).mean, 1)) == (78.5, 79.3)
    assert names["data"].critical_rate.values[:, 0] == pytest.approx([2.3068, 1.6207], abs=1e-4)
    assert [point.unstable for point in names["found"]] == [3, 1, 0]
    law = names["law"]
    assert (round(law.mean, 1), round(law.sd, 1), round(law.at(10**15).mean)) == (98.7, 18.8, 332)
    assert names["drift"].names[:3] == ["G[0,0]", "G[0,1]", "G[1,1]"]
    assert names["found"][-1].level == pytest.approx(0.0263408, abs=1e-6)


def test_translations_of_papers(folder, capsys):
    """The page asserts that sum and mean are one process; its runs leave their plateaus."""
    names = run_page("docs/concepts/conventions.md", capsys)
    assert names["run"].generalization_error[0, -1] < 0.3 * names["run"].generalization_error[0, 0]
    assert names["committee"].specialization[0, -1] > 0.99 and len(names["committee"].plateaus()) == 1
    assert names["two_layers"].initial.K == 4 and names["two_layers"].specialization[0, -1] > 0.8
    assert (names["paper"].N, names["paper"].K, names["paper"].eta) == (30, 8, 5.0)
    assert (names["paper"].start().order_parameters().S == names["weights"].order_parameters().S).all()
    assert names["rates"].shape == (8, 8) and np.linalg.matrix_rank(names["rates"]) == 3


def test_files_without_onlinemode(folder, capsys):
    """The page's reader needs NumPy alone, and the arrays of its table are those of files."""
    names = run_page("docs/concepts/files.md", capsys)
    run = om.load("run.npz")
    assert (names["alpha"] == run.alpha).all() and (names["R"] == run.R).all()
    assert (names["mean"] == run.ensemble.mean["generalization_error"]).all()
    meta, rates = names["header"]["meta"], names["header"]["problem"]["rates"]
    assert (meta["engine"], meta["N"], rates["xi_in"]) == ("chain", 500, 3.0)
    assert names["header"]["status"] == [status.value for status in run.status]


# of arrays that a row of the table stands for
PREFIXES = {"initial", "starts", "weights", "begin", "end", "ensemble", "resolved"}


def of_table(name):
    return name.split("_")[0] if name.split("_")[0] in PREFIXES else name


def test_the_table_of_arrays(tmp_path):
    """docs/concepts/files.md names what files have, and nothing else."""
    page = (ROOT / "docs/concepts/files.md").read_text(encoding="utf-8")
    table = page.split("| array | shape |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    learning = om.LearningRates(xi_in=1.0)
    start = om.initial.committee(20, K=2)
    signs = om.Problem(rates=learning, inputs=om.inputs.Rademacher())
    measured = om.simulate(signs, start, 1.0, save_at=3, store_weights=True, store_final=True, test_samples=10)
    students = om.simulate(om.Problem(rates=learning), lambda r: om.initial.committee(20, K=2, student_seed=r), 1.0,
                           "chain", replicas=7, save_at=3, keep="summary")
    found = set()
    later = om.go_on(measured, 2.0, save_at=3, store_weights=True)
    waiting = om.Problem(rates=learning, drift=0.1, tasks=om.Tasks.until_known((0, 1), 0.1))
    tasks = om.simulate(waiting, om.initial.tasks(20), 1.0, "chain", save_at=3)
    power_law = om.Problem(rates=learning, inputs=om.inputs.PowerLaw(1.0))
    resolved = om.simulate(power_law, start, 1.0, "ode", save_at=3, resolve=2)
    blocks = om.inputs.Blocks((1.0, 2.0), (0.5, 0.5))
    shared = om.simulate(om.Problem(rates=learning, inputs=blocks), lambda r: om.initial.committee(
        20, K=2, student_seed=r, inputs=blocks, weights=False), 1.0, "chain", replicas=2, save_at=3)
    for number, run in enumerate((measured, later, students, tasks, resolved, shared)):
        run.save(tmp_path / f"{number}.npz")
        with np.load(tmp_path / f"{number}.npz") as file:
            found |= set(file.files) - {"header"}
    assert {of_table(name) for name in found} == {of_table(name) for name in named}
    assert {name for name in named if of_table(name) != name} <= found | {"end_state_modes"}  # of a chain


def test_numbers_of_the_default_run():
    """What docs/gallery/showcase.md says of the default run, in theory: SGD at N = 10,000 takes half a minute."""
    start = om.initial.showcase(N=10_000, K=3, seed=0)
    run = om.simulate(om.Problem(rates=om.LearningRates(xi_in=3.0)), start, 80.0, "ode")
    assert run.generalization_error[0, 0] / run.generalization_error[0, -1] > 10.0
    assert run.specialization[0, -1] - run.specialization[0, 0] > 0.5
    plateau, = run.plateaus()
    assert 5.5 < plateau.start < 6.5 and 23.5 < plateau.stop < 24.5
