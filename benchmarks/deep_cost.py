"""What does an epoch of each variant cost, against dense, and against the same network in PyTorch?

    python benchmarks/deep_cost.py [--threads T] [--widths 100,1000] [--rounds R] [--steps S]

[784, w, w, 10], P = 30, batch 100, float32, Adam with decoupled decay; seconds are those of an epoch of 60,000 images,
from S steps (200), medians over interleaved rounds.  Fashion-MNIST if it is there, random images otherwise.  Without
--threads both libraries take all cores.  PyTorch is timed where it is installed, with its fused and its plain AdamW,
on the same batches from the same start: "differs" is how far its mean loss over ten steps is from ours, relative.
(Rounding grows: at width 1,000 it changes either library's loss by up to 3e-4 within 50 steps.)
"""

import argparse
import os


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--widths", default="100,1000", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    return parser.parse_args()


OPTIONS = arguments() if __name__ == "__main__" else argparse.Namespace(threads=None)
if OPTIONS.threads is not None:  # before NumPy loads its BLAS
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(OPTIONS.threads)

import time  # noqa: E402

import numpy as np  # noqa: E402
from common import machine, median_seconds  # noqa: E402

from onlinemode import deep  # noqa: E402
from onlinemode.deep.streams import Stream, generator  # noqa: E402
from onlinemode.errors import FileError  # noqa: E402

BATCH, EPOCH, MODES = 100, 60_000, 30
RATE, DECAY = 1e-3, 1e-3
SVD_UP_TO = 200  # its penalties multiply square matrices of the full rank: minutes an epoch at width 1,000


def images(samples):
    """The first images of Fashion-MNIST, or random ones."""
    try:
        full = deep.data.find("fashion-mnist")
        return deep.Dataset(full.train_x[:samples], full.train_y[:samples], full.test_x[:100], full.test_y[:100],
                            "fashion-mnist", 10)
    except FileError:
        rng = np.random.default_rng(0)
        x, y = rng.random((samples + 100, 784), dtype=np.float32), rng.integers(0, 10, samples + 100)
        return deep.Dataset(x[:samples], y[:samples], x[samples:], y[samples:], "random images", 10)


def ours(network, data):
    """Seconds of one epoch of the data, and the run."""
    run = deep.train(network, data, epochs=1, batch=BATCH, rate=RATE, halve_every=1, decay=DECAY)
    return run.seconds[0], run


class Torch:
    """The same network in PyTorch; ``variant`` is dense or 1L2P."""

    def __init__(self, network, data):
        import torch

        self.torch, self.network = torch, network
        self.x, self.y = torch.tensor(data.train_x), torch.tensor(data.train_y)

    def run(self, fused):
        """Seconds of one epoch of the data, and the losses of its batches."""
        torch = self.torch
        layers = [[torch.tensor(getattr(layer, name), requires_grad=True) for name in
                   (("weights",) if self.network.variant == "dense" else ("xi_in", "strengths", "xi_out"))]
                  for layer in self.network.layers]
        optimizer = torch.optim.AdamW([p for layer in layers for p in layer], lr=RATE, weight_decay=DECAY, fused=fused)
        order = torch.tensor(generator(Stream.ORDER, 0).permutation(len(self.x)))
        losses = []
        began = time.perf_counter()
        for begin in range(0, len(order), BATCH):
            rows = order[begin:begin + BATCH]
            a = self.x[rows]
            for number, factors in enumerate(layers):
                a = a @ factors[0].T if len(factors) == 1 else ((a @ factors[0].T) * factors[1]) @ factors[2].T
                if number < len(layers) - 1:
                    a = torch.relu(a)
            loss = torch.nn.functional.cross_entropy(a, self.y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return time.perf_counter() - began, np.array([float(loss) for loss in losses])


def main():
    threads = OPTIONS.threads or os.cpu_count()
    data, first = images(BATCH * OPTIONS.steps), images(BATCH * 10)
    print(f"{machine()}, {threads} threads, {data.name}")
    try:
        import torch

        torch.set_num_threads(threads)
        print(f"PyTorch {torch.__version__}")
    except ImportError:
        torch = None
        print("PyTorch is not installed")
    scale = EPOCH / len(data.train_x)
    for width in OPTIONS.widths:
        networks = {variant: deep.Network((784, width, width, 10), variant, MODES) for variant in deep.VARIANTS
                    if variant != "SVD" or width <= SVD_UP_TO}
        tasks = {variant: lambda network=network: ours(network, data)[0] for variant, network in networks.items()}
        difference = {}
        if torch is not None:
            for variant in ("1L2P", "dense"):
                reference = Torch(networks[variant], data)
                for fused, name in ((True, "fused"), (False, "plain")):
                    tasks[f"PyTorch {variant}, {name}"] = lambda r=reference, fused=fused: r.run(fused)[0]
                loss = ours(networks[variant], first)[1].loss[0]
                difference[variant] = abs(Torch(networks[variant], first).run(True)[1].mean() - loss) / loss
        for task in tasks.values():
            task()
        seconds = {name: value * scale for name, value in median_seconds(tasks, OPTIONS.rounds).items()}
        print(f"\n[784, {width}, {width}, 10], P = {MODES} (SVD: full rank)")
        print(f"{'':>24} {'s an epoch':>10} {'to dense':>9} {'parameters':>11} {'to dense':>9} {'multiplications':>16} "
              f"{'differs':>8}")
        dense = networks["dense"]
        for name, value in seconds.items():
            line = f"{name:>24} {value:10.2f} {seconds['dense'] / value:9.2f}"
            variant = name.removeprefix("PyTorch ").split(",")[0]
            network = networks[variant]
            line += (f" {network.count_parameters():11,} {network.count_parameters() / dense.count_parameters():9.0%} "
                     f"{network.multiplications():16,}")
            print(line + (f" {difference[variant]:8.0e}" if name.startswith("PyTorch") else ""))
        if torch is not None:
            fastest = min(seconds["PyTorch 1L2P, fused"], seconds["PyTorch 1L2P, plain"])
            print(f"1L2P: {fastest / seconds['1L2P']:.2f} times as fast as PyTorch's, "
                  f"{seconds['dense'] / seconds['1L2P']:.2f} times as fast as dense")


if __name__ == "__main__":
    main()
