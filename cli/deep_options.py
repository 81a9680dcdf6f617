"""The options that the ``onlinemode deep`` commands share, and the network and data that they name."""

import click

from onlinemode.cli.options import OPTIONS, WHOLE, OneOf, typed_values
from onlinemode.cli.running import terminal_bar

HIDDEN_OF_THE_MIXTURE, MODES_OF_THE_MIXTURE = [8], [3]
PAPER_HIDDEN_OF_THE_MIXTURE = [3]


class Numbers(click.ParamType):
    """One whole number, or several with commas."""

    name = "N,N,..."
    takes_lists = True

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            return value
        return [WHOLE.convert(part, parameter, context) for part in value.split(",")]


DEEP_OPTIONS = {
    "data": click.option("--data", help="gaussian-mixture, fashion-mnist, mnist, or FILE.npz with train_x, train_y, "
                         "test_x, test_y.  [gaussian-mixture]"),
    "data_dir": click.option("--data-dir", type=click.Path(), help="Folder of the four IDX files.  [ONLINEMODE_DATA, "
                             "what `deep fetch` left, or Debian's dataset-fashion-mnist]"),
    "variant": click.option("--variant", type=OneOf(("dense", "1L2P", "1L1P", "two-factor", "SVD")),
                            help="Kind of layers.  [1L2P]"),
    "hidden": click.option("--hidden", type=Numbers(), help="Widths of the hidden layers.  [100,100; mixture: 8]"),
    "modes": click.option("--modes", type=Numbers(), help="P of all layers, or of each.  [30; mixture: 3]"),
    "loss": click.option("--loss", type=OneOf(("cross-entropy", "mse")),
                         help="What is minimized.  [cross-entropy; mixture: mse]"),
    "epochs": click.option("--epochs", type=WHOLE, help="Passes over the training samples.  [a tenth of the paper's]"),
    "batch": click.option("--batch", type=WHOLE, help="Samples a step.  [100; mixture: 10]"),
    "rate": click.option("--rate", type=float, help="Adam's learning rate in the first epoch.  [the variant's]"),
    "halve_every": click.option("--halve-every", type=WHOLE, help="Epochs after which the rate is halved.  "
                                "[a tenth of the paper's]"),
    "decay": click.option("--decay", type=float, help="Decoupled weight decay.  [the variant's]"),
    "full": click.option("--full", is_flag=True, default=None, help="The paper's setting, not the reduced one."),
    "repeats": click.option("--repeats", type=WHOLE, help="Networks, with the seeds --seed, --seed + 1, ...  "
                            "[1; mixture with --full: 5]"),
    "seed": click.option("--seed", type=WHOLE, help="Of the initial weights, the order of the samples and the "
                         "mixture.  [0]"),
    "precision": click.option("--precision", type=OneOf(("float32", "float64")),
                              help="Of weights and activities.  [float32]"),
    "device": click.option("--device", type=OneOf(("cpu", "cuda")),
                           help="cpu, or cuda with CuPy.  [cpu]"),
    **{name: OPTIONS[name] for name in ("out", "overwrite", "plot", "json", "quiet")},
}
DATA = ("data", "data_dir")
NETWORK = ("variant", "hidden", "modes", "loss", "seed", "precision", "device")
TRAINING = ("epochs", "batch", "rate", "halve_every", "decay", "full")
OUTPUT = ("out", "overwrite", "plot", "json", "quiet")
DEFAULTS = {"data": "gaussian-mixture", "variant": "1L2P", "seed": 0, "precision": "float32", "device": "cpu",
            "plot": True}


def deep_options(*names):
    """Decorator: the named options, and ``--config``."""
    config = click.option("--config", type=click.Path(), help="TOML file of options (names with underscores).")

    def decorate(function):
        for decorator in reversed([DEEP_OPTIONS[name] for name in names] + [config]):
            function = decorator(function)
        return function

    return decorate


def resolve(given):
    """All settings of a command: defaults, then the file's, then the command line's; None where nothing is set.

    Raises
    ------
    FileError, ConfigError
    """
    settings = {**DEFAULTS, **typed_values(given, DEEP_OPTIONS)}
    return {name: settings.get(name) for name in given if name != "config"}


def find_data(settings):
    """The Dataset of these settings; the mixture is drawn from the seed."""
    from onlinemode.deep import data

    if settings["data"] == "gaussian-mixture":
        if settings["data_dir"] is not None:
            raise click.UsageError("--data-dir is for images: say which with --data (fashion-mnist, mnist); the "
                                   "gaussian mixture needs no files")
        return data.gaussian_mixture(seed=settings["seed"])
    return data.find(settings["data"], settings["data_dir"])


def make_network(settings, dataset, number=0):
    """The untrained Network of these settings for a data set; ``number`` is added to the seed."""
    from onlinemode.deep import Network

    mixture = dataset.is_mixture
    numbers = dataset.train_y.dtype.kind == "f"
    hidden, modes, loss = settings["hidden"], settings["modes"], settings["loss"]
    if hidden is None:
        hidden = [100, 100] if not mixture else (PAPER_HIDDEN_OF_THE_MIXTURE if settings.get("full") else
                                                 HIDDEN_OF_THE_MIXTURE)
    modes = (MODES_OF_THE_MIXTURE if mixture else [30]) if modes is None else modes
    loss = ("mse" if numbers else "cross-entropy") if loss is None else loss
    outputs = dataset.classes
    if numbers:
        outputs = 1 if dataset.train_y.ndim == 1 else dataset.train_y.shape[1]
    hidden, modes = (value if isinstance(value, list) else [value] for value in (hidden, modes))
    return Network((dataset.inputs, *hidden, outputs), settings["variant"], modes[0] if len(modes) == 1 else modes,
                   seed=settings["seed"] + number, precision=settings["precision"], loss=loss,
                   device=settings["device"])


def hyperparameters(settings, network, dataset):
    """Epochs, batch, rate, halvings and decay: the reduced ones or the paper's, then those that were given."""
    from onlinemode.deep import preset

    values = preset(network, dataset, reduced=not settings.get("full"))
    if settings.get("epochs"):  # the paper's number of halvings in as many epochs as were given
        paper = preset(network, dataset)
        values["halve_every"] = max(1, round(settings["epochs"] * paper["halve_every"] / paper["epochs"]))
    return values | {name: settings[name] for name in values if settings.get(name) is not None}


def describe_training(network, dataset, values):
    """One line: data, sizes, variant, modes, hyperparameters."""
    words = [f"{dataset.name} ({len(dataset.train_x):,} + {len(dataset.test_x):,} samples)", f"{network.variant} "
             f"[{', '.join(str(n) for n in network.sizes)}]"]
    if network.modes:
        words.append(f"P = {', '.join(str(P) for P in sorted(set(network.modes), reverse=True))}")
    words += [f"{network.count_parameters():,} parameters", f"{values['epochs']} epochs", f"batch {values['batch']}",
              f"rate {values['rate']:g} halved every {values['halve_every']}", f"decay {values['decay']:g}"]
    return ", ".join(words)


class EpochBar:
    """On a terminal a bar with epoch, loss and accuracy."""

    def __init__(self, quiet, title=""):
        self._bar = terminal_bar(quiet, title)

    def __call__(self, progress):
        if self._bar is None:
            return
        words = [f"epoch {min(progress.epoch + 1, progress.epochs)}/{progress.epochs}"]
        if progress.loss == progress.loss:
            words.append(f"loss {progress.loss:.4f}")
        self._bar.show(progress.fraction, ", ".join([*words, f"accuracy {progress.accuracy:.4f}"]))

    def close(self):
        """Wipe it away."""
        if self._bar is not None:
            self._bar.close()
