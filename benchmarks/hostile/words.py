"""The words that random command lines are made of: usual ones for each option, and strange ones for all."""

import click

SMALL = {  # given first, so that a line without them is no long run
    **dict.fromkeys(("simulate", "ode", "compare"), ["--N", "40", "--alpha", "1", "--K", "2"]),
    "sweep": ["--N", "40", "--alpha", "1", "--K", "2"], "benchmark": ["--N", "200", "--rounds", "1", "--K", "2"],
    "deep train": ["--epochs", "1", "--data", "data.npz", "--hidden", "4", "--modes", "2", "--batch", "50"],
    "deep width": ["--epochs", "1", "--data", "data.npz", "--batch", "50"]}
SHARES = {"simulate": 8, "ode": 4, "compare": 6, "sweep": 6, "plot": 5, "repeat": 3, "benchmark": 1, "deep train": 3,
          "deep width": 1}  # of the lines; other commands have 2
USUAL = {
    "N": ["10", "40", "1e2", "7", "200", "1e3"], "K": ["1", "2", "3"], "M": ["1", "2", "3"], "P": ["1", "2", "3"],
    "alpha": ["0.1", "1", "2.5"], "eta": ["0", "1", "3", "40", "power:3,1,-1", "steps:1,2=3,1=2"],
    "eta_strengths": ["0.1"], "eta_xi_out": ["0.2"],
    "eta_readout": ["0.1"], "noise": ["0", "0.3", "exp:0.3,1"],
    "activation": ["erf", "linear", "relu", "tanh", "ReLU", "he:2", "poly:0,1,0,-0.1", "leaky:0.2", "sign", "he:99",
                   "own.py:softsign", "own.py:pole", "gone.py:f", "own.py:"],
    "teacher_activation": ["erf", "sign", "sigmoid", "erf:0.5", "erfs:1,1,1", "own.py:softsign"],
    "loss": ["squared", "Logistic", "hinge:0.5", "correlation", "huber:", "adatron", "cross-entropy", "mse"],
    "labels": ["real", "sign", "Sign"], "flips": ["0", "0.1", "0.7"], "constraint": ["sphere", "cube"],
    "dropout": ["0", "0.3", "1.5", "linear:0=0.5,1=0"], "mode_dropout": ["0", "0.2", "-1"],
    "drift": ["0", "0.1", "-1", "power:1,2,-1"], "drift_every": ["1", "10", "0"],
    "tasks": ["2", "3", "65"], "task_units": ["1", "2"], "overlap": ["0", "0.5", "-1", "2"],
    "overlap_of": ["features", "Readouts", "units", "heads"], "head_size": ["0.1", "1e4"],
    "heads": ["one", "own", "0,1", "1,1", "0,,1"], "turns": ["0,1", "0,1,0", "1", "0,2"],
    "switch_at": ["0.5", "0.2,0.7", "0.7,0.2"], "switch_below": ["0.1", "1e-9"],
    "replay_every": ["0.2", "1e-9"], "replay_for": ["0.1", "5"],
    "shares": ["1;1", "1;linear:0=0,1=1", "0;0", "1", "1;x"],
    "task_noise": ["0;0.3", "0.1", "exp:0.3,1;0"],
    "weight_decay": ["0", "0.1"], "batch": ["1", "3"], "save_at": ["2", "20", "0,0.5,1", "0.1,0.1", "1,0.5"],
    "inputs": ["gaussian", "rademacher", "uniform", "power-law:1", "manifold:D=5,erf", "rows.npy", "rows.npy:raw",
               "manifold:D=5,sign,latent", "rows.npy,teacher=rows.npy", "covariance:rows.npy",
               "manifold:D=0,erf", "power-law:", "gone.npy"],
    "test_samples": ["10"], "init": ["showcase", "paper", "committee", "graded", "tasks"],
    "readout": ["mean", "sum", "sqrt"],
    "student_size": ["0.1", "1e4"], "preset": ["showcase", "paper"],
    "engine": ["micro", "chain", "leap", "ode", "micro,ode", "micro,chain,ode", "Chain"],
    "engines": ["micro,ode", "chain,ode", "leap,ode", "micro,chain,ode"], "device": ["cpu", "auto", "cuda"],
    "precision": ["float64", "float32"], "replicas": ["1", "3"], "keep": ["all", "summary"], "threads": ["1", "2"],
    "method": ["LSODA", "compiled", "RK45", "DOP853", "BDF", "Radau", "rk45"], "rtol": ["1e-6"], "atol": ["1e-8"],
    "averages": ["closed", "nodes"], "nodes": ["64", "256", "100"], "resolve": ["1", "3", "0"],
    "corrections": ["auto", "on", "off", "of"],
    "seed": ["0", "1", "12345678901234567890"], "checkpoint": ["c.ckpt", "gone/c.ckpt"],
    "every": ["0.01", "10"], "resume": ["unfinished.ckpt", "micro.npz", "gone.ckpt", "/dev/null"],
    "out": ["a", "b.npz", "c.png", "micro.npz", "folder", "gone/d", "ü ε", "x" * 240, "x" * 251, "x" * 300],
    "config": ["good.toml", "bom.toml", "latin.toml", "bad.toml", "gone.toml", "folder", "micro.npz", "/dev/zero",
               "/dev/null"],
    "start": ["micro.npz", "chain.npz", "ode.npz", "overlaps.toml", "good.toml", "gone.npz", "damaged.npz"],
    "quantiles": ["0.5", "0.1,0.9", "0.9,0.1", "2"],
    "over": ["eta=1,2", "eta=0.5:2:3", "N=20:100:3:log", "seed=0,1", "noise=0,0", "activation=erf,tanh", "K=1,2",
             "activation=poly:0,0,1,relu",
             "eta=1", "alpha=1,nan", "out=1,2", "eta", "=", "eta=:::", "init=paper,committee", "inputs=gaussian",
             "K,M=1,1;2,2", "eta,noise=1,0;2", "points.csv", "gone.csv", "engine=ode,chain", "engine=leap,ode",
             "rtol=1e-3,1e-6", "eta=-1,1", "fresh_students=true,false", "N=1:5:9", "overlap=0,0.5,1",
             "heads=one,own", "tasks=1,2,3"],
    "files": ["micro.npz", "chain.npz", "ode.npz", "micro.npz", "swept", "damaged.npz", "data.npz", "gone.npz", ".",
              "text.txt", "deep.npz", "unfinished.ckpt", "empty.npz", "diverged.npz", "/dev/zero"],
    "file": ["micro.npz", "chain.npz", "ode.npz", "damaged.npz", "gone.npz", "folder", "empty.npz", "deep.npz"],
    "deep files": ["deep.npz", "deep.npz", "micro.npz", "damaged.npz", "gone.npz", "."],
    "name": ["mnist", "fashion-mnist", "cifar"], "url": ["http://127.0.0.1:9/", "file:///"],
    "data": ["gaussian-mixture", "data.npz", "micro.npz", "fashion-mnist", "gone.npz"], "data_dir": ["folder", "gone"],
    "variant": ["dense", "1L2P", "1L1P", "two-factor", "SVD", "svd"], "hidden": ["4", "4,3", "4,,3"],
    "modes": ["2", "2,2", "2,2,2", "99"], "epochs": ["1", "2"], "rate": ["0.01"],
    "halve_every": ["1"], "decay": ["0", "1e-4"], "repeats": ["1", "2"], "sizes": ["100", "50,200"], "rounds": ["1"],
    "against": ["deep.npz", "gone.npz"], "widths": ["4", "4,8"], "seeds": ["1", "2"],
    "observables": ["none", "Q", "generalization_error,R", "frob"], "scheduler": ["x", "127.0.0.1:x"],
    "processes": ["1", "0"], "workers": ["0", "x"], "variables": ["final_error", "specialized_at", "frob"],
    "ranking": ["tau", "strength", "participation", "frob"], "confidence": ["0.9", "1"],
    "contours": ["swept", "folder", "gone"], "seconds": ["0.2", "1"], "fps": ["10", "20"],
    "sweep files": ["sweep.toml", "sweep.toml", "good.toml", "bad.toml", "gone.toml", "swept"]}
STRANGE = ["", " ", "0", "-1", "1", "2", "-0.0", "0.5", "nan", "inf", "-inf", "1e308", "1e-320", "1e18", "1e4x", "1,2",
           ",", "٣", "1_0", "0x10", "½", "9" * 40, "9" * 300, "9" * 5000, "None", "true", "[1]", "a\0b", "\udcff", "ü",
           "日本", "$(x)", "-", "--", "%s", "{0}", "\n", "a/b", "/", ".", "..", "~", "x" * 300, "x" * 5000]
ENCODINGS = ("utf-8", "cp1252", "ascii", "latin-1", "cp437")
ENVIRONMENTS = ({"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
                {"PYTHONIOENCODING": "ascii"}, {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
                {"MPLBACKEND": "TkAgg"}, {"MPLBACKEND": "nonsense"}, {"MATPLOTLIBRC": "odd-matplotlibrc"},
                {"COLUMNS": "1"}, {"TERM": ""}, {"HOME": "/nonexistent"}, {"PYTHONWARNINGS": "always"},
                {"PYTHONUNBUFFERED": "1"}, {"TZ": "nonsense"}, {"NO_COLOR": "1"})
REDIRECTIONS = ("2>&-", ">&-", "<&-", ">/dev/full", "2>/dev/full", ">&- 2>&-", "| head -c 10", "</dev/null", ">out.txt")


def usual_values(option):
    """Words for an option: those above, or for one that is not there what its type takes."""
    if option.name in USUAL:
        return USUAL[option.name]
    kind = option.type
    if isinstance(kind, click.Choice):
        return [*kind.choices, kind.choices[0].upper()]
    if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        return ["1", "2", "3", "10"]
    if isinstance(kind, (click.Path, click.File)):
        return ["a", "micro.npz", "folder", "gone/d"]
    return STRANGE
