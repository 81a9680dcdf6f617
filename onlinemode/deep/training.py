"""Training: minibatches in a seeded order, Adam, a history, and runs that can be interrupted and resumed."""

import math
import platform
import time
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from onlinemode import checks, records
from onlinemode.deep.arrays import take_rows, to_numpy
from onlinemode.deep.data import Dataset, remake
from onlinemode.deep.network import Network
from onlinemode.deep.network_files import network_from
from onlinemode.deep.optimizer import Adam, scheduled_rate
from onlinemode.deep.penalties import Penalty
from onlinemode.deep.presets import preset
from onlinemode.deep.runs import Progress, Status, TrainingRun, check_meta, entries, history_of
from onlinemode.deep.streams import Stream, generator
from onlinemode.errors import FileError, ParameterError, ShapeError
from onlinemode.storage import check_writable, is_there, read_archive, write_archive

CHECKPOINT = "training checkpoint"
EVERY = 300.0  # seconds between two checkpoints
REPORT_EVERY = 0.1  # seconds between two reports of progress
SHUFFLED_WHOLE = 32 * 2**20  # bytes of inputs up to which an epoch is put in order at once
DIVERGED_ABOVE = 1e6  # times the first test loss, if that is above 1: a mean loss that no run comes back from


def train(network: Network, dataset: Dataset, epochs: int | None = None, batch: int | None = None,
          rate: float | None = None, halve_every: int | None = None, decay: float | None = None, seed: int = 0,
          progress: Callable[[Progress], object] | None = None, checkpoint: str | PathLike[str] | None = None,
          checkpoint_every: float = EVERY, note: Any = None) -> TrainingRun:
    """Train a copy of a network with Adam on seeded minibatches (docs/theory, section 10.3).

    Parameters
    ----------
    network : Network
        Stays as it is.
    dataset : Dataset
        Samples to learn from, and to be tested on.
    epochs, batch : int, optional
        An epoch is a new random order of the training samples in batches; what does not fill a batch is left out.
    rate : float, optional
        Learning rate of the first epoch.
    halve_every : int, optional
        The rate of epoch k is rate·0.5^⌊k/halve_every⌋.
    decay : float, optional
        Decoupled weight decay λ.  These five are by default those of :func:`onlinemode.deep.preset`.
    seed : int, default 0
        Of the order of the samples.
    progress : callable, optional
        Called with a :class:`onlinemode.deep.runs.Progress` now and then, and after every epoch.
    checkpoint : str or path, optional
        A file from which :func:`onlinemode.deep.resume` goes on, to the same bits.  It is written between epochs, and
        when the run is interrupted.
    checkpoint_every : float, default 300
        Seconds between two of them.
    note : object, optional
        Anything that JSON can hold, kept in the checkpoint for the caller's own use.

    Returns
    -------
    TrainingRun
        Its status tells whether it completed, was interrupted (Ctrl-C) or diverged.

    Raises
    ------
    ParameterError, ShapeError
        If an argument is outside its range, or network and data do not fit.
    FileError
        If the checkpoint cannot be written.

    Notes
    -----
    The same arguments give the same bits on one machine, with the same number of threads of NumPy's BLAS.
    """
    arguments = checked(network, dataset, {"epochs": epochs, "batch": batch, "rate": rate, "halve_every": halve_every,
                                            "decay": decay, "seed": seed})
    checks.number("checkpoint_every", checkpoint_every, above=0.0)
    if not (progress is None or callable(progress)):
        raise ParameterError(f"progress must be a function that is given reports; got {checks.one_line(progress)}")
    if checkpoint is not None:
        _check_free(checkpoint)
    trainer = _Trainer(network.copy(), dataset, arguments, note)
    return trainer.run(progress, checkpoint, checkpoint_every)


def resume(path: str | PathLike[str], dataset: Dataset | None = None,
           progress: Callable[[Progress], object] | None = None, checkpoint: str | PathLike[str] | None = None,
           checkpoint_every: float = EVERY, device: str = "cpu") -> TrainingRun:
    """Go on with an interrupted run from its checkpoint.

    Parameters
    ----------
    path : str or path
        Of the checkpoint.
    dataset : Dataset, optional
        By default made again as the interrupted run says; its fingerprint must agree.
    progress : callable, optional
        Called with a :class:`onlinemode.deep.runs.Progress` now and then, and after every epoch.
    checkpoint : str or path, optional
        Where to write further ones; by default the same file.
    checkpoint_every : float, default 300
        Seconds between two of them.
    device : {"cpu", "cuda"}, default "cpu"
        Where the network's arrays are; "cuda" needs CuPy.

    Returns
    -------
    TrainingRun
        As the run without a break would have returned it, to the bit.

    Raises
    ------
    FileError
        If the checkpoint cannot be read, or the data are not those of the run.
    """
    header, arrays = read_archive(path, CHECKPOINT)
    try:
        records.check(header, {"meta": records.record, "steps": records.whole})
        meta = header["meta"]
        check_meta(meta)
        network = network_from(header, entries("network_", arrays), path, device)
        dataset = remake(meta["dataset"]["origin"]) if dataset is None else dataset
        if dataset.fingerprint != meta["dataset"]["fingerprint"]:
            raise FileError(f"{path} belongs to a run on other data ({meta['dataset']['name']}, hash "
                            f"{meta['dataset']['fingerprint']}; got {dataset.fingerprint}): give the same data, or "
                            "start anew")
        arguments = checked(network, dataset, meta["arguments"])
        trainer = _Trainer(network, dataset, arguments, header.get("note"))
        trainer.restore(header, arrays)
    except (KeyError, TypeError, ValueError) as problem:
        if isinstance(problem, (ParameterError, ShapeError)):
            raise
        raise FileError(f"cannot read {path}: an entry is missing or damaged ({problem!s:.120})") from None
    checkpoint = path if checkpoint is None else checkpoint
    if Path(checkpoint).absolute() != Path(path).absolute():
        _check_free(checkpoint)
    return trainer.run(progress, checkpoint, checks.number("checkpoint_every", checkpoint_every, above=0.0))


class _Trainer:
    """One run: its state between two epochs is all that a checkpoint holds."""

    def __init__(self, network, dataset, arguments, note):
        self.network, self.dataset, self.arguments, self.note = network, dataset, arguments, note
        self.adam = Adam(network.xp, network.flat, network.flat_gradient)
        self.penalty = Penalty(network.xp, network.layers) if network.variant == "SVD" else None
        self.history = {name: [] for name in TrainingRun.HISTORY}
        self.status, self.message = Status.COMPLETED, ""

    def restore(self, header, arrays):
        self.history = {name: list(values) for name, values in history_of(arrays).items()}
        if len({len(values) for values in self.history.values()}) > 1:
            raise ValueError("histories of different lengths")
        self.adam.steps = checks.integer("steps", header["steps"], 0)
        self._set_moments(arrays)

    def _set_moments(self, arrays):
        for name, array in (("first", self.adam.first), ("second", self.adam.second)):
            values = arrays[f"adam_{name}"]
            if values.shape != array.shape or values.dtype != array.dtype or not np.isfinite(values).all():
                raise ValueError(f"adam_{name} of {values.dtype} and shape {values.shape}")
            array[...] = self.network.xp.asarray(values)

    @property
    def epochs_done(self):
        return len(self.history["loss"])

    # -- the run ------------------------------------------------------------------------------

    def run(self, progress, checkpoint, every):
        """All epochs that are left; returns the TrainingRun."""
        report = _Reporter(progress, self.arguments["epochs"], self.epochs_done)
        self._prepare()
        last_written = time.monotonic()
        try:
            with np.errstate(all="ignore"):  # a diverging run overflows, and says so itself
                while self.epochs_done < self.arguments["epochs"]:
                    self._keep()
                    if not self._epoch(report):
                        break
                    if checkpoint is not None and time.monotonic() - last_written >= every:
                        self._write(checkpoint)
                        last_written = time.monotonic()
                else:
                    self._keep()
                    self._test()
                    self._look_for_life()
                    report(1.0, float("nan"), self.history["test_accuracy"][-1], self.epochs_done, always=True)
        except KeyboardInterrupt:
            self.status = Status.INTERRUPTED
        if self.status is not Status.COMPLETED:
            self._go_back()
            if self.status is Status.INTERRUPTED:
                self.message = f"stopped by the user after {self.epochs_done} of {self.arguments['epochs']} epochs"
            if checkpoint is not None and self.status is Status.INTERRUPTED:
                self._write(checkpoint)
        return self._result()

    def _prepare(self):
        network, xp, data = self.network, self.network.xp, self.dataset
        self._train_x = xp.asarray(data.train_x, dtype=network.precision)
        self._test_x = xp.asarray(data.test_x, dtype=network.precision)
        self._train_y = network.prepared_targets(data.train_y)
        self._losses = xp.empty(len(data.train_x) // self.arguments["batch"] * self.arguments["batch"],
                                network.precision)
        self._hits = xp.empty(self._losses.shape, bool)
        self._batch_x = xp.empty((self.arguments["batch"], data.inputs), network.precision)
        self._whole = self._train_x.nbytes <= SHUFFLED_WHOLE
        self._keep()

    def _test(self):
        loss, accuracy = self.network.evaluate(self._test_x, self.dataset.test_y)
        self.history["epoch"].append(self.epochs_done)
        self.history["test_loss"].append(loss)
        self.history["test_accuracy"].append(accuracy)

    def _epoch(self, report):
        """Test, then one pass over the training samples; False if the run has diverged."""
        xp, network, epoch = self.network.xp, self.network, self.epochs_done
        batch, decay, count = self.arguments["batch"], self.arguments["decay"], len(self._losses)
        rate = scheduled_rate(self.arguments["rate"], self.arguments["halve_every"], epoch)
        self._test()
        accuracy = self.history["test_accuracy"][-1]
        self._bound = DIVERGED_ABOVE * max(1.0, self.history["test_loss"][0])
        began = time.perf_counter()
        order = generator(Stream.ORDER, self.arguments["seed"], epoch).permutation(len(self._train_x))[:count]
        order = xp.asarray(order)
        y = self._train_y[order]
        x = self._train_x[order] if self._whole else None
        looks = max(1, round(0.02 * count / batch))
        for number, begin in enumerate(range(0, count, batch)):
            part = slice(begin, begin + batch)
            if x is not None:
                rows = x[part]
            else:
                rows = self._batch_x
                take_rows(xp, self._train_x, order[part], rows)
            network.backward(rows, y[part], self._losses[part], self._hits[part])
            if self.penalty is None:
                self.adam.step(rate, decay)
            else:
                self.penalty.evaluate()
                self.adam.step(rate, decay)
                self.penalty.apply(rate)
            if number % looks == looks - 1:
                loss = float(self._losses[:begin + batch].mean(dtype=np.float64))
                if not loss <= self._bound:
                    return self._diverged(loss, rate)
                report((epoch + (begin + batch) / count) / self.arguments["epochs"], loss, accuracy, epoch)
        loss = float(self._losses.mean(dtype=np.float64))
        if not loss <= self._bound or not bool(xp.isfinite(network.flat).all()):
            return self._diverged(loss, rate)
        seconds = time.perf_counter() - began
        hits = float(self._hits.mean(dtype=np.float64))
        for name, value in (("train_accuracy", hits), ("rate", rate), ("seconds", seconds), ("loss", loss)):
            self.history[name].append(value)
        report((epoch + 1) / self.arguments["epochs"], loss, accuracy, epoch + 1, always=True)
        return True

    def _look_for_life(self):
        """A message where ReLUs that never open make all outputs equal."""
        outputs = self.network.forward(self._test_x[:1000])
        if len(outputs) > 1 and bool((outputs == outputs[0]).all()):
            self.message = "all outputs are equal, since no hidden unit is active; take a smaller rate"

    def _diverged(self, loss, rate):
        self.status = Status.DIVERGED
        self.message = (f"training diverged in epoch {self.epochs_done + 1}: the mean loss is {loss:.3g} at learning "
                        f"rate {rate:g}; take a smaller rate")
        return False

    # -- the state between two epochs ---------------------------------------------------------

    def _keep(self):
        """Copies of all that an epoch changes, for an interrupt in the midst of it."""
        self._kept = {"flat": self.network.flat.copy(), "first": self.adam.first.copy(),
                      "second": self.adam.second.copy(), "steps": self.adam.steps, "epochs": self.epochs_done}

    def _go_back(self):
        """To the beginning of the unfinished epoch, whose test result stays."""
        kept = self._kept
        self.network.flat[:] = kept["flat"]
        self.adam.first[:], self.adam.second[:] = kept["first"], kept["second"]
        self.adam.steps = kept["steps"]
        tested = min(len(self.history[name]) for name in TrainingRun.TESTED)
        for name, values in self.history.items():
            del values[min(kept["epochs"] + 1, tested) if name in TrainingRun.TESTED else kept["epochs"]:]

    def _write(self, path):
        """A checkpoint of the state now, between two epochs; a failure is a warning, and the older file stays."""
        arrays = {f"history_{name}": np.array(values[:self.epochs_done]) for name, values in self.history.items()}
        arrays |= {f"network_{name}": array for name, array in self.network.state().items()}
        arrays |= {"adam_first": to_numpy(self.adam.first), "adam_second": to_numpy(self.adam.second)}
        try:
            write_archive(path, CHECKPOINT, {"network": self.network.specification(), "steps": self.adam.steps,
                                             "meta": self._meta(), "note": self.note}, arrays)
        except FileError as problem:
            warnings.warn(f"no checkpoint: {problem}; the run goes on", RuntimeWarning, stacklevel=2)

    def _meta(self):
        return {"arguments": self.arguments, "device": self.network.device,
                "dataset": {"name": self.dataset.name, "origin": self.dataset.origin,
                            "fingerprint": self.dataset.fingerprint, "train": len(self.dataset.train_x),
                            "test": len(self.dataset.test_x)},
                "parameters": self.network.count_parameters(), "multiplications": self.network.multiplications(),
                "versions": {"numpy": np.__version__, "python": platform.python_version()}}

    def _result(self):
        whole = len(self.history["test_accuracy"]) > self.epochs_done
        if not whole:  # interrupted before the test of an epoch was done
            self._test()
        history = {name: np.array(values, dtype=np.int64 if name == "epoch" else np.float64)
                   for name, values in self.history.items()}
        return TrainingRun(**history, network=self.network, status=self.status, message=self.message, meta=self._meta())


class _Reporter:
    """Passes progress on, not too often, with the time left."""

    def __init__(self, progress, epochs, done):
        self._progress, self._epochs = progress, epochs
        self._first, self._began, self._last = done / max(epochs, 1), time.monotonic(), -math.inf

    def __call__(self, fraction, loss, accuracy, epoch, always=False):
        now = time.monotonic()
        if self._progress is None or not (always or now - self._last >= REPORT_EVERY):
            return
        self._last, done = now, fraction - self._first
        left = (now - self._began) * (1.0 - fraction) / done if done > 0.0 else float("nan")
        self._progress(Progress(epoch, self._epochs, fraction, loss, accuracy, left))


def checked(network, dataset, given):
    """The arguments of :func:`train` in their final types, with the preset's where None.

    Raises
    ------
    ShapeError, ParameterError
    """
    if not isinstance(network, Network) or not isinstance(dataset, Dataset):
        raise ShapeError(f"train takes a Network and a Dataset; got {type(network).__name__} and "
                         f"{type(dataset).__name__}")
    if dataset.inputs != network.sizes[0]:
        raise ShapeError(f"the first size of the network must be the {dataset.inputs} entries of an input of "
                         f"{dataset.name}; got {network.sizes[0]}")
    for y in (dataset.train_y, dataset.test_y):
        network.prepared_targets(y)
    values = preset(network, dataset) | {name: value for name, value in given.items() if value is not None}
    batch = checks.integer("batch", values["batch"], 1)
    if batch > len(dataset.train_x):
        raise ParameterError(f"batch must be at most the number of training samples, {len(dataset.train_x):,}; got "
                             f"{batch:,}")
    return {"epochs": checks.integer("epochs", values["epochs"], 0), "batch": batch,
            "rate": checks.number("rate", values["rate"], above=0.0),
            "halve_every": checks.integer("halve_every", values["halve_every"], 1),
            "decay": checks.number("decay", values["decay"], 0.0), "seed": checks.integer("seed", given["seed"], 0)}


def _check_free(path):
    """Raise FileError where no checkpoint can be made, or another file would be lost."""
    check_writable(path)
    if is_there(path):
        raise FileError(f"{path} exists, and a checkpoint would replace it: resume it, delete it, or give another name")
