"""Files of pictures that move: a GIF, written by Pillow, or an MP4, by ffmpeg."""

import logging
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import IO

import numpy as np
from matplotlib.animation import FFMpegWriter
from matplotlib.figure import Figure
from PIL import Image

from onlinemode import checks
from onlinemode.errors import FileError, MissingPackageError
from onlinemode.storage import replacing

GIF, MP4 = "gif", "mp4"
DPI = {GIF: 100, MP4: 150}  # a movie is looked at full screen, a GIF as large as it is
COLOURS_OF_A_GIF = 255  # the last of 256 is for pixels that stay as they were
SAMPLES = 12  # frames that the colours are chosen from


def movie_kind(path: str | PathLike[str], kind: str | None = None) -> str:
    """The kind of file that a path names, unless it is given.

    Parameters
    ----------
    path : str or path
        Of the movie.
    kind : {"gif", "mp4"}, optional
        By default what the name ends in.

    Returns
    -------
    str
        "gif" or "mp4".

    Raises
    ------
    FileError
        If the path names neither.
    ParameterError
        If ``kind`` is neither.
    MissingPackageError
        If it is "mp4" and there is no ffmpeg to write it.
    """
    if kind is not None:
        kind = checks.choice("kind", checks.spelled(kind, tuple(DPI)), tuple(DPI))
    else:
        kind = Path(path).suffix.lower()[1:]
    if kind not in DPI:
        raise FileError(f"an animation is a .gif or an .mp4 file; got {path}: give a name that ends so")
    if kind == MP4 and not FFMpegWriter.isAvailable():
        raise MissingPackageError("an .mp4 file is written by the program ffmpeg, which is not on the path: install "
                                  "it, or write a .gif file")
    return kind


def write_movie(path: str | PathLike[str], kind: str, draw: Callable[[int], np.ndarray], count: int, fps: float,
                hold: float, after: Callable[[int], None]) -> None:
    """Write a movie, whole or not at all.

    Parameters
    ----------
    path : path
    kind : str
        What :func:`movie_kind` says of it.
    draw : callable
        ``draw(i)`` is frame i as an array (height, width, 4) of bytes: red, green, blue, opaque.
    count : int
        Number of frames.
    fps : float
        Frames a second.
    hold : float
        Seconds for which the last frame stays on.
    after : callable
        ``after(i)`` is called when frame i is done.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    def drawn():
        for i in range(count):
            yield draw(i)
            after(i)

    with replacing(path) as file:
        if kind == GIF:
            samples = np.unique(np.linspace(0, count - 1, SAMPLES).round().astype(int))
            palette = Palette(np.concatenate([draw(i) for i in samples]))
            _write_gif(file, map(palette.image, drawn()), _milliseconds(count, fps, hold))
        else:
            _write_mp4(file.name, path, drawn(), fps, hold)


def _write_gif(file: IO[bytes], frames: Iterator[Image.Image], milliseconds: list[int]) -> None:
    next(frames).save(file, format="GIF", save_all=True, append_images=frames, duration=milliseconds, loop=0)


def _milliseconds(count: int, fps: float, hold: float) -> list[int]:
    """How long each frame of a GIF is shown, which counts in hundredths of a second."""
    times = [*np.arange(count) / fps, count / fps + hold]
    return (10 * np.diff(np.round(100.0 * np.array(times)).astype(int))).tolist()


class Palette:
    """The colours of all frames of a GIF, so that what does not move is equal in them and costs no bytes.

    Half of them are the most frequent colours, the other half is spread over what is left: edges of letters and lines.
    Pillow finds the nearest colour in steps of 4 of 255 only, and that with flat areas that change is seen.

    Parameters
    ----------
    pixels : array (height, width, 4) of bytes
        Of which the colours are chosen.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        found, counts = np.unique(_packed(pixels), return_counts=True)
        found = _unpacked(found[np.argsort(-counts)])
        colours, others = found[:COLOURS_OF_A_GIF // 2], found[COLOURS_OF_A_GIF // 2:]
        if len(others):
            left = COLOURS_OF_A_GIF - len(colours)
            spread = Image.fromarray(others[None].astype(np.uint8)).quantize(left, Image.Quantize.MAXCOVERAGE)
            colours = np.concatenate([colours, np.array(spread.getpalette()).reshape(-1, 3)[:left]])
        self.colours = colours
        self._number = np.full(2**24, COLOURS_OF_A_GIF, np.uint8)  # of each colour that was met; this is none

    def image(self, frame: np.ndarray) -> Image.Image:
        """A frame (height, width, 4) in the nearest of the colours."""
        packed = _packed(frame)
        new = np.unique(packed[self._number[packed] == COLOURS_OF_A_GIF])
        if len(new):
            distances = (self.colours**2).sum(1) - 2 * _unpacked(new) @ self.colours.T
            self._number[new] = distances.argmin(1)
        image = Image.fromarray(self._number[packed])
        image.putpalette(self.colours.astype(np.uint8).ravel().tolist())
        return image


def _packed(pixels):
    return pixels[..., :3] @ np.array([2**16, 2**8, 1])


def _unpacked(numbers):
    return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], -1)


class Drawn(Figure):
    """A figure that is drawn already, for writers of Matplotlib, which draw it all for every frame.

    Parameters
    ----------
    pixels : array (height, width, 4) of bytes
        May be replaced by another one of this shape.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        height, width = pixels.shape[:2]
        super().__init__(figsize=(width / DPI[MP4], height / DPI[MP4]), dpi=DPI[MP4])
        self.pixels = pixels

    def savefig(self, file: IO[bytes], **_: object) -> None:
        """Write the pixels, whatever the format."""
        file.write(self.pixels.tobytes())


def _write_mp4(place: str, path: str | PathLike[str], frames: Iterator[np.ndarray], fps: float, hold: float) -> None:
    figure = Drawn(next(frames))
    writer = FFMpegWriter(fps, codec="h264", extra_args=["-f", "mp4"])  # ``place`` has no suffix to tell it by
    with _silent(), _failures_told(place, path):
        writer.setup(figure, place)
        try:
            writer.grab_frame()
            for figure.pixels in frames:
                writer.grab_frame()
            for _ in range(round(hold * fps)):
                writer.grab_frame()
        except BaseException as problem:
            with _failures_passed_over(problem):
                writer.finish()  # else ffmpeg would wait for more frames
            raise
        writer.finish()


@contextmanager
def _failures_passed_over(problem: BaseException) -> Iterator[None]:
    """Where ffmpeg has gone, its own words say why; where something else ended the frames, that is why."""
    if isinstance(problem, BrokenPipeError):
        yield
    else:
        with suppress(subprocess.CalledProcessError):
            yield


@contextmanager
def _failures_told(place: str, path: str | PathLike[str]) -> Iterator[None]:
    """One line of what ffmpeg says, where it fails."""
    try:
        yield
    except subprocess.CalledProcessError as problem:
        words = (problem.stderr or "").strip().splitlines() or [f"exit code {problem.returncode}"]
        raise FileError(f"cannot write {path}: ffmpeg says: {words[-1].replace(place, str(path))}; give another place, "
                        "or write a .gif file, which needs no ffmpeg") from None


@contextmanager
def _silent() -> Iterator[None]:
    """Matplotlib repeats what ffmpeg says in its log, which is the screen."""
    log = logging.getLogger("matplotlib.animation")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
