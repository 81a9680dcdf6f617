"""One line on the command line for every kind of bad input, and nothing written."""










import pytest

import onlinemode as om

BAD = {
    "negative N": (["simulate", "--N", "-5"], "Invalid value for '--N': -5 is not in the range x>=1"),
    "fractional N": (["simulate", "--N", "10.5"], "'10.5' is not a whole number"),
    "K = 0": (["simulate", "--K", "0"], "Invalid value for '--K': 0 is not in the range x>=1"),
    "unknown activation": (["ode", "--activation", "step"], "'step' is no activation: it must be one of erf"),
    "NaN rate": (["simulate", "--eta", "nan"], "Invalid value for '--eta': must be a finite number ≥ 0; got nan"),
    "negative rate": (["simulate", "--eta-xi-out", "-1"], "'--eta-xi-out': must be a finite number ≥ 0; got -1.0"),
    "M is not K": (["simulate", "--M", "4"], "M must equal K = 3; got 4"),
    "unwritable out": (["simulate", "--out", "no/such/folder/x.npz"], "cannot write no/such/folder/x.npz"),
    "out is a folder": (["simulate", "--out", "folder.npz"], "it is a folder"),
    "unknown key": (["simulate", "--config", "unknown.toml"], "unknown key 'etaa'; did you mean eta?"),
    "wrong value": (["simulate", "--config", "wrong.toml"], "eta"),
    "flag for a value": (["simulate", "--config", "flag.toml"], "N must be a value, not a flag; got True"),
    "no TOML": (["simulate", "--config", "broken.toml"], "is not valid TOML"),
    "no config": (["simulate", "--config", "missing.toml"], "cannot read missing.toml"),
    "truncated file": (["plot", "truncated.npz"], "truncated or not an onlinemode trajectory"),
    "no file": (["repeat", "missing.npz"], "there is no such file"),
    "unknown option": (["simulate", "--frob"], "--frob"),
    "unknown command": (["frob"], "frob"),
    "unknown start": (["simulate", "--init", "zeros"], "'zeros' is not one of 'showcase', 'paper', "),
    "unknown preset": (["simulate", "--preset", "best"], "'--preset': 'best' is not one of 'showcase', 'paper'"),
    "alpha = 0": (["simulate", "--alpha", "0"], "'--alpha': 0.0 is not in the range x>0"),
    "no replicas": (["simulate", "--replicas", "0"], "'--replicas': 0 is not in the range x>=1"),
    "precision": (["simulate", "--precision", "float16"], "'float16' is not one of 'float64', 'float32'"),
    "device": (["simulate", "--device", "tpu"], "'tpu' is not one of 'cpu', 'cuda', 'auto'"),
    "descending times": (["ode", "--save-at", "2,1"], "save_at must hold ascending times"),
    "times": (["ode", "--save-at", "1,x"], "'1,x' is neither a count nor"),
    "engine": (["simulate", "--engine", "ode"], "--engine must be one of micro, chain, leap; got 'ode'"),
    "engines": (["compare", "--engine", "micro"], "--engine must be ode and at least one of micro, chain, leap"),
    "chain in float32": (["simulate", "--engine", "chain", "--precision", "float32"], "has no option --precision"),
    "P": (["simulate", "--init", "committee", "--P", "2"], "P is K = 3"),
    "size": (["simulate", "--preset", "paper", "--student-size", "1"], "got student_size = 1.0: leave it out"),
    "nodes": (["ode", "--activation", "tanh", "--nodes", "1000"], "nodes must be a power of 2; got 1000"),
    "solver": (["simulate", "--method", "euler"], "'euler' is not one of 'LSODA', 'DOP853'"),
    "tolerance": (["simulate", "--rtol", "0"], "rtol must be a finite number ≥ 2.3e-14 and ≤ 0.1; got 0.0"),
    "no step": (["simulate", "--N", "50", "--alpha", "0.001"], "makes 0.05 steps; it must be at least one"),
    "endless": (["simulate", "--N", "10", "--alpha", "1e300"], "at most 2^62"),
    "out is here": (["simulate", "--out", "."], "it is a folder; give a file name"),
    "picture for a result": (["simulate", "--out", "x.png"], "a result is an .npz file; got x.png"),
    "plot into a folder": (["plot", "whole.npz", "--out", "folder.npz"], "it is a folder"),
    "fraction in a file": (["simulate", "--config", "fraction.toml"], "fraction.toml: N: 10.5 is not a whole number"),
    "name in a file": (["simulate", "--config", "name.toml"], "name.toml: init: 'zeros' is not one of 'showcase', "),
    "number for a name": (["simulate", "--config", "number.toml"], "number.toml: "),
    "table for a number": (["simulate", "--config", "table.toml"], "table.toml: eta: must be a finite number"),
    "keep": (["simulate", "--replicas", "3", "--keep", "some"], "'some' is not one of 'all', 'summary'"),
    "stored students": (["simulate", "--fresh-students", "--replicas", "2", "--store-weights"],
                        "store_weights needs one start for all replicas"),
    "students of the ode": (["ode", "--fresh-students"], "--fresh-students"),
    "seed": (["ode", "--seed", "-1"], "'--seed': -1 is not in the range x>=0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(name, onlinemode, tmp_path):
    arguments, expected = BAD[name]
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "unknown.toml").write_text("etaa = 3.0\n")
    (tmp_path / "wrong.toml").write_text('eta = "fast"\n')
    (tmp_path / "flag.toml").write_text("N = true\n")
    (tmp_path / "broken.toml").write_text("N = = 3\n")
    (tmp_path / "number.toml").write_text("out = 3\n")
    (tmp_path / "fraction.toml").write_text("N = 10.5\n")
    (tmp_path / "name.toml").write_text('init = "zeros"\n')
    (tmp_path / "table.toml").write_text("eta = {a = 1}\n")
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
    om.simulate(problem, om.initial.committee(20, K=2), 1.0, "ode").save(tmp_path / "whole.npz")
    (tmp_path / "truncated.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:700])
    before = sorted(path.name for path in tmp_path.iterdir())
    code, out, err = onlinemode(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("onlinemode")
    assert expected in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
