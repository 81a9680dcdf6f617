"""Who imports whom: downward only, heavy packages in their own places, nothing heavy at import."""

import ast
import configparser
import subprocess
import sys

import pytest
from sources import COMMAND_LINE, PACKAGE, ROOT

# Lowest first; names of one row may import each other, except where a test below says no.
LAYERS = [
    ["errors"], ["display"], ["checks"], ["records"], ["memory"], ["array_files"], ["storage"], ["progress"], ["peaks"],
    ["observables"], ["blocks"], ["kernels"], ["activation_tables"], ["activations"], ["losses"], ["schedule_words"],
    ["schedule_tables"], ["schedules"], ["tasks"], ["task_options"], ["theory"], ["dataset"], ["inputs"], ["problem"],
    ["state"], ["resolved_overlaps"], ["linear_forms"], ["task_banks"], ["overlap_laws"], ["initial"], ["claims"],
    ["deep"], ["ensemble"], ["replica_states"], ["run_info"], ["equivalence", "resolved"], ["run_starts"], ["labelled"],
    ["analysis"], ["run_tables"], ["trajectory"], ["run_checks"], ["runtime"], ["engines"], ["run_files"],
    ["simulation"], ["continuing"], ["agreement", "summaries"], ["beside"], ["benchmark"], ["plotting"], ["experiment"],
    ["presets"],
    ["sweeps"], ["comparison", "optimal"], ["cli"],
]
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


def modules():
    """Dotted name of every module (onlinemode.cli from cli/) and its file."""
    found = {}
    for folder, prefix in ((PACKAGE, "onlinemode"), (COMMAND_LINE, "onlinemode.cli")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((prefix, *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def executed(tree):
    """All nodes but those below ``if TYPE_CHECKING:``, which a type checker alone reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            yield node
            yield from executed(node)


def called(node):
    """The last part of the name that a call calls."""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def imports(name):
    """All dotted names that a module imports anywhere, in functions too; own modules in full."""
    found = set()
    for node in executed(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else node.module)
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__", "need"):
            if node.args and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


def layer(name):
    return name.split(".")[1] if "." in name else ""


def own(name):
    return {other for other in imports(name) if other == "onlinemode" or other.startswith("onlinemode.")}


def test_modules_are_found():
    known = {"onlinemode", "onlinemode.cli.main", "onlinemode.kernels.rule.step", "onlinemode.engines.ode.engine"}
    assert known <= set(MODULES)
    assert {layer(name) for name in MODULES} - {"", "__main__"} == set(RANK)
    assert "onlinemode.kernels.rule.step" in imports("onlinemode.engines.ode.engine")
    assert {"xarray", "pandas"} <= imports("onlinemode.labelled")  # through need()
    assert "xarray" not in imports("onlinemode.trajectory")


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_downward(name):
    assert name not in own(name)
    if name in ("onlinemode", "onlinemode.__main__"):
        return
    for other in own(name):
        if other == "onlinemode":  # the lazy package itself: its version, or its public names
            assert layer(name) in ("simulation", "plotting", "sweeps", "cli")
            continue
        assert other in MODULES, f"{name} imports {other}, which does not exist"
        assert RANK[layer(other)] <= RANK[layer(name)], f"{name} imports {other}"


def test_no_import_cycles():
    """Within a layer too."""
    done, active = set(), []

    def visit(name):
        assert name not in active, f"cycle: {active[active.index(name):] + [name]}"
        if name not in done:
            active.append(name)
            for other in own(name) - {"onlinemode"}:
                visit(other)
            active.pop()
            done.add(name)

    for name in MODULES:
        if name != "onlinemode":
            visit(name)


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if layer(name) == "kernels"])
def test_kernels_import_kernels_alone(name):
    assert {layer(other) for other in own(name)} <= {"kernels", "errors", "activations"}
    allowed = {"numpy", "numba", "llvmlite", "math", "typing", "types", "functools", "hashlib", "importlib", "inspect",
               "os", "pickle", "sys", "tempfile", "uuid", "pathlib", "warnings", "weakref", "contextlib", "threading",
               "time"}
    assert {other.split(".")[0] for other in imports(name) - own(name)} <= allowed


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if layer(name) == "engines"])
def test_engines_do_not_import_each_other(name):
    rooms = {".".join(other.split(".")[:3]) for other in own(name) if layer(other) == "engines"}
    assert rooms <= {".".join(name.split(".")[:3]), "onlinemode.engines.base", "onlinemode.engines"}


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if layer(name) == "deep"])
def test_deep_needs_nothing_of_the_simulator(name):
    allowed = {"deep", "errors", "display", "checks", "records", "memory", "array_files", "storage"}
    assert {layer(other) for other in own(name)} <= allowed


@pytest.mark.parametrize("package, homes", [
    ("numba", {"kernels"}), ("llvmlite", {"kernels"}), ("torch", {"benchmark", "deep"}), ("matplotlib", {"plotting"}),
    ("PIL", {"plotting"}),
    ("click", {"cli"}), ("tqdm", {"progress"}), ("cupy", {"deep"}), ("pooch", {"deep"}),
    ("xarray", {"labelled", "analysis", "sweeps"}), ("pandas", {"labelled", "sweeps"}),
    ("zarr", {"sweeps"}), ("dask", {"sweeps"}), ("distributed", {"sweeps"})])
def test_heavy_packages_stay_in_their_places(package, homes):
    users = {name for name in MODULES if any(other.split(".")[0] == package for other in imports(name))}
    assert {name for name in users if layer(name) not in homes} == set()


def test_torch_is_imported_by_its_own_module_alone():
    users = {name for name in MODULES if layer(name) == "deep" and any(other.split(".")[0] == "torch"
                                                                      for other in imports(name))}
    assert users == {"onlinemode.deep.torch"}
    assert not any("onlinemode.deep.torch" in own(name) for name in MODULES)


def test_only_known_packages_are_imported():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = {line.split(">")[0].strip() for line in config["options"]["install_requires"].split("\n") if line}
    used = {other.split(".")[0] for name in MODULES for other in imports(name)} - set(sys.stdlib_module_names)
    # llvmlite comes with numba, and PIL with matplotlib; the others are used only where they are installed
    optional = {"llvmlite", "PIL", "torch", "cupy", "pooch", "xarray", "zarr", "dask", "distributed", "pandas"}
    assert used - optional == required | {"onlinemode"}


def test_the_oldest_versions_are_those_that_ci_tests():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"]
    groups = (config["options"]["install_requires"], extras["deep"], extras["sweep"], extras["test"])
    bounds = {line for group in groups for line in group.split("\n") if line}
    lines = (ROOT / ".ci" / "oldest.txt").read_text("utf-8").splitlines()
    assert {line.replace("==", ">=") for line in lines if not line.startswith("#")} == bounds


def loaded_after(statement):
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(result.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"numba", "llvmlite", "matplotlib", "scipy", "numpy", "click", "tqdm"}
    assert loaded_after("import onlinemode").isdisjoint(heavy)


def test_training_loads_numpy_alone():
    loaded = loaded_after("import onlinemode as om; om.deep.train(om.deep.Network((2, 3, 1), modes=3, loss='mse'), "
                          "om.deep.data.gaussian_mixture(40, 40), epochs=1)")
    assert loaded.isdisjoint({"numba", "llvmlite", "matplotlib", "scipy", "torch", "pooch", "cupy", "click", "tqdm"})


def test_problem_and_starts_load_no_compiler():
    loaded = loaded_after("import onlinemode as om; om.Problem(); om.initial.committee(10); om.simulate")
    assert loaded.isdisjoint({"numba", "llvmlite", "matplotlib", "scipy"})


def test_experiments_load_no_numpy():
    """Defaults of options come from there, also for --help."""
    assert loaded_after("import onlinemode as om; om.presets.paper.replace(N=50, engine='CHAIN')").isdisjoint(
        {"numba", "llvmlite", "matplotlib", "scipy", "numpy", "click", "tqdm"})


def test_public_names():
    import onlinemode as om

    for name in om.__all__:
        assert getattr(om, name) is not None
    assert set(dir(om)) >= set(om.__all__)
    with pytest.raises(AttributeError, match="module 'onlinemode' has no attribute 'nonsense'"):
        om.nonsense  # noqa: B018


def test_every_error_derives_from_one():
    from onlinemode import errors

    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) > 5
    assert all(issubclass(value, errors.OnlineModeError) for value in classes)


def test_setup_lists_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    on_disk = {".".join(("onlinemode", *path.parent.relative_to(PACKAGE).parts)) for path in PACKAGE.rglob("*.py")}
    assert listed == on_disk | {"onlinemode.cli"}
    assert config["options"]["package_dir"].split() == ["onlinemode.cli", "=", "cli"]
