"""Pictures that move: what is in each frame, and their files."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from interrupted_drawings import interrupt
from matplotlib.animation import FFMpegWriter
from PIL import Image

import onlinemode as om
from onlinemode import plotting
from onlinemode.errors import FileError, MissingPackageError, ParameterError
from onlinemode.plotting import animation, movies
from onlinemode.plotting.animation import Frames, Scene
from onlinemode.progress import Bar
from onlinemode.runtime.progress import Progress

PAGE = (Path(__file__).parents[1] / "docs" / "howto" / "animations.md").read_text("utf-8")
PROBLEM = om.Problem(rates=om.LearningRates(xi_in=1.5))
TIMES = np.array([0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 20.0, 30.0])
posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell")


def start(K=3, M=None, student=0):
    return om.initial.committee(50, K=K, M=M, seed=1, student_seed=student, weights=False)


def chain(replicas=1, begin=None, problem=PROBLEM, save_at=TIMES, **options):
    return om.simulate(problem, begin or start(), save_at[-1], "chain", N=50, replicas=replicas, save_at=save_at,
                       **options)


@pytest.fixture(scope="module")
def run():
    return chain(3)


@pytest.fixture(scope="module")
def theory():
    return om.simulate(PROBLEM, start(), TIMES[-1], "ode", save_at=TIMES)


@pytest.fixture(scope="module")
def few():
    """Options of a movie of six frames."""
    return {"seconds": 0.6, "fps": 10}


def frames_of(run, count=20, replica=0):
    return Frames.of(run, replica, 0.0, count)


def opened(path):
    """All frames of a GIF as arrays, their milliseconds, and the file's information."""
    with Image.open(path) as gif:
        frames, milliseconds = [], []
        for number in range(gif.n_frames):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
            milliseconds.append(gif.info["duration"])
        return frames, milliseconds, gif.info


# -- which frames ---------------------------------------------------------------------------------

def test_frames_begin_and_end_with_saved_times_and_are_linear_between_them(run):
    frames = frames_of(run, 200, replica=1)
    assert frames.alpha[[0, -1]] == pytest.approx([0.1, 30.0]) and (np.diff(frames.alpha) > 0.0).all()
    assert np.allclose(frames.rho[0], run.rho[1, 1]) and np.allclose(frames.rho[-1], run.rho[1, -1])
    for number in (17, 60, 133):
        right = np.searchsorted(TIMES, frames.alpha[number])
        share = np.log(frames.alpha[number] / TIMES[right - 1]) / np.log(TIMES[right] / TIMES[right - 1])
        for values, shown in ((run.rho[1], frames.rho), (run.specialization[1], frames.specialization),
                              (np.log(run.generalization_error[1]), np.log(frames.error))):
            assert np.allclose(shown[number], (1.0 - share) * values[right - 1] + share * values[right])


def imagined(alpha, moved):
    """A run of one unit whose ρ is ``moved``."""
    rho = np.array(moved, float)[None, :, None, None]
    return SimpleNamespace(alpha=np.array(alpha), rho=rho, generalization_error=np.ones(rho.shape[:2]),
                           specialization=rho[..., 0, 0], status=[om.Status.COMPLETED])


def test_where_the_overlaps_move_there_are_more_frames():
    """Four decades of nothing, then a jump within a fiftieth of the axis: three fifths of the frames go there."""
    alpha = frames_of(imagined([0.01, 1.0, 100.0, 120.0], [0.0, 0.0, 0.0, 1.0]), 101).alpha
    assert 60 <= (alpha > 100.0).sum() <= 63
    before = np.diff(np.log(alpha[alpha <= 100.0]))
    assert np.allclose(before, before[0])


def test_where_nothing_moves_the_mark_runs_evenly():
    alpha = frames_of(imagined([0.01, 1.0, 100.0], [0.5, 0.5, 0.5]), 5).alpha
    assert np.allclose(alpha, [0.01, 0.1, 1.0, 10.0, 100.0])


def test_frames_lie_on_the_drawn_axis(run, theory):
    """4.5 decades before the last time of all runs, and only where overlaps are finite."""
    first = Frames.of(imagined([1e-9, 1e-3, 1.0, 10.0], [0.0, 0.1, 0.2, 0.3]), 0, 10.0 ** -3.5, 7).alpha
    assert first[0] == pytest.approx(1e-3)
    assert frames_of(imagined([0.1, 1.0, 10.0, 20.0], [0.0, 0.1, np.nan, np.nan])).alpha[-1] == pytest.approx(1.0)
    scene = Scene([run, theory], 0, None, 100)
    low, high = scene.panels[0].get_xlim()
    assert low < frames_of(run).alpha[0] and frames_of(run).alpha[-1] < high


def test_an_error_of_zero_has_no_point_and_no_warning():
    exact = imagined([0.1, 1.0, 10.0], [0.0, 0.5, 1.0])
    exact.generalization_error[0, -1] = 0.0
    error = frames_of(exact, 11).error
    assert error[0] == pytest.approx(1.0) and not error[-1] > 0.0


# -- what is in a frame ---------------------------------------------------------------------------

@pytest.mark.parametrize("number", [0, 7, 19])
@pytest.mark.parametrize("replica", [0, 2])
def test_a_frame_shows_its_time(number, replica, run, theory):
    frames = frames_of(run, replica=replica)
    scene = Scene([run, theory], replica, None, 100)
    scene.draw(frames, number)
    alpha = frames.alpha[number]
    assert np.array_equal(scene.map.images[0].get_array(), frames.rho[number])
    assert [float(text.get_text()) for text in scene.map.texts] == pytest.approx(frames.rho[number].ravel(), abs=0.0051)
    assert float(scene.time.get_text().removeprefix("α = ")) == pytest.approx(alpha, rel=0.006)
    for ax, veil, line, point, value in zip(scene.panels, scene.veils, scene.lines, scene.points,
                                            (frames.error[number], frames.specialization[number])):
        assert line.get_xdata() == [alpha, alpha] and point.get_xydata().tolist() == [[alpha, value]]
        assert (veil.get_x(), veil.get_x() + veil.get_width()) == pytest.approx((alpha, ax.get_xlim()[1]))
        assert ax.get_xlim()[0] < alpha


def test_the_pixels_of_a_file_show_the_overlaps_of_their_times(run, theory, tmp_path, few):
    """Read from the file: the colour in the corner of each cell, and the mark, to the left of which curves are dark."""
    plotting.animate([run, theory], tmp_path / "x.gif", **few)
    frames, scene = frames_of(run, 6), Scene([run, theory], 0, None, 100)
    colours, seen = matplotlib.colormaps["PuOr_r"], set()
    for number, picture in enumerate(opened(tmp_path / "x.gif")[0]):
        for (k, m), rho in np.ndenumerate(frames.rho[number]):
            column, row = scene.map.transData.transform((m - 0.4, k + 0.4)).round().astype(int)
            expected = 255.0 * np.array(colours(0.5 + 0.5 * rho)[:3])
            assert np.abs(picture[440 - row, column] - expected).max() < 12
            seen.add(tuple(picture[440 - row, column]))
        left, top = scene.panels[1].transData.transform((frames.alpha[number], 0.5)).round().astype(int)
        blue = (np.abs(picture[440 - top] - [0, 114, 178]).max(-1) < 60).nonzero()[0]
        assert left - 2 <= blue.min() and blue.max() <= left + 2
    assert len(seen) > 12


def test_what_lies_ahead_is_pale(run):
    """The darkest pixel of the curves after the mark and before it."""
    frames, scene = frames_of(run), Scene([run], 0, None, 100)
    picture, ax = scene.draw(frames, 10)[..., :3].astype(int).sum(-1), scene.panels[0]
    column = {alpha: int(ax.transData.transform((alpha, 1.0))[0]) for alpha in (0.1, frames.alpha[10], 30.0)}
    top, bottom = (440 - int(ax.transAxes.transform((0.0, share))[1]) for share in (0.97, 0.45))  # without the legend
    here = column[frames.alpha[10]]
    assert picture[top:bottom, column[0.1]:here - 12].min() < 450 < picture[top:bottom, here + 12:column[30.0]].min()


def test_curves_are_those_of_the_still_picture(run, theory):
    scene, still = Scene([run, theory], 0, "title", 100), plotting.overview([run, theory])
    for moving, ax in zip(scene.panels, still.axes[:2]):
        assert [line.get_label() for line in moving.lines[:len(ax.lines)]] == [line.get_label() for line in ax.lines]
        for one, other in zip(moving.lines, ax.lines):
            assert np.array_equal(one.get_xydata(), other.get_xydata(), equal_nan=True)
        assert len(moving.lines) == len(ax.lines) + 2 and len(moving.patches) == len(ax.patches) + 1
        assert (*moving.get_xlim(), *moving.get_ylim()) == pytest.approx((*ax.get_xlim(), *ax.get_ylim()))
    assert scene.map.get_title() == "" and scene.map.images[0].get_clim() == (-1.0, 1.0)


def test_the_map_says_whose_overlaps_it_has(run, theory):
    def words(runs, replica=0):
        return Scene(runs, replica, None, 100).map.child_axes[0].get_ylabel().removeprefix(r"$\rho_{km}$")

    one = chain()
    assert words([one, theory]) == words([one]) == words([theory]) == ""
    assert words([run]) == ", first draw" and words([run, theory], 2) == ", replica 2"
    assert words([one, run, theory]) == " of the first run"


def diverged():
    problem = om.Problem("linear", rates=om.LearningRates(xi_in=8.0, xi_out=0.1))
    begin = om.initial.committee(50, K=2, seed=1, readout="sum", weights=False)
    return chain(begin=begin, problem=problem, save_at=np.array([0.0, 0.02, 0.04, 0.1, 1.0, 20.0]))


def measured():
    problem = om.Problem(rates=om.LearningRates(xi_in=1.0), inputs=om.inputs.Rademacher())
    return om.simulate(problem, om.initial.committee(40, K=2, seed=0), 3.0, save_at=9)


SHAPES = {"one unit": lambda: chain(begin=start(1)), "a few replicas": lambda: chain(3),
          "an ensemble": lambda: chain(30, keep="summary"),
          "students": lambda: chain(4, lambda r: start(student=r)), "more teachers": lambda: chain(begin=start(2, 7)),
          "more students": lambda: chain(begin=start(9, 2)), "many units": lambda: chain(begin=start(14)),
          "diverged": diverged, "measured": measured}


@pytest.mark.filterwarnings("error::UserWarning", "error::RuntimeWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_of_run_fits_into_the_picture(shape):
    """No warning of a layout that collapses, no words on top of each other, nothing outside."""
    run = SHAPES[shape]()
    scene, frames = Scene([run], 0, "a title that is as long " * 3, 100), Frames.of(run, 0, 0.0, 3)
    for number in range(3):
        assert scene.draw(frames, number).shape == (440, 800, 4)
    figure = scene.map.figure.figure
    texts = [figure._suptitle, scene.time, *(ax.yaxis.label for ax in scene.panels), scene.map.xaxis.label]
    boxes = [text.get_window_extent() for text in texts] + [ax.get_window_extent() for ax in (scene.map, *scene.panels)]
    for number, box in enumerate(boxes):
        assert 0.0 <= box.x0 < box.x1 <= 800.0 and 0.0 <= box.y0 < box.y1 <= 440.0
        assert not any(box.overlaps(other) for other in boxes[:number])
    cells = [text.get_window_extent() for text in scene.map.texts]
    assert all(not one.overlaps(other) for one, other in zip(cells, cells[1:]))
    assert min(ax.get_window_extent().width for ax in scene.panels) > 250.0


@pytest.mark.parametrize("alpha, words", [
    (1e-7, "α = 1.00e-07"), (0.001, "α = 0.00100"), (0.5, "α = 0.500"), (80.0, "α = 80.0"), (123.4, "α = 123"),
    (999.4, "α = 999"), (999.6, "α = 1,000"), (1234567.0, "α = 1,234,567")])
def test_times_have_three_digits(alpha, words):
    assert animation._in_words(alpha) == words


# -- files ----------------------------------------------------------------------------------------

def test_a_gif_has_all_frames_for_their_time_and_runs_again(run, tmp_path):
    plotting.animate(run, tmp_path / "x.gif", seconds=0.6, fps=30)
    frames, milliseconds, info = opened(tmp_path / "x.gif")
    assert len(frames) == 18 and frames[0].shape == (440, 800, 3) and info["loop"] == 0
    assert sum(milliseconds) == 600 + 1500 and set(milliseconds[:-1]) <= {30, 40} and milliseconds[-1] >= 1500
    assert all((one != other).any() for one, other in zip(frames, frames[1:]))
    assert os.listdir(tmp_path) == ["x.gif"]


def test_what_stands_still_is_the_same_in_all_frames(run, tmp_path, few):
    """And so costs no bytes; white is white, and the most frequent colours are exact."""
    plotting.animate(run, tmp_path / "x.gif", **few)
    frames = opened(tmp_path / "x.gif")[0]
    scene = Scene([run], 0, None, 100)
    drawn = [scene.draw(frames_of(run, 6), number)[..., :3] for number in range(6)]
    still = (drawn[0] == drawn[1:]).all((0, 3))
    assert 0.5 < still.mean() < 1.0 and all(np.array_equal(frames[0][still], other[still]) for other in frames)
    for one, other in zip(drawn, frames):
        assert (other[(one == 255).all(-1)] == 255).all()
        assert np.abs(one - other).max() < 40 and np.abs(one - other).mean() < 0.5


def test_a_palette_of_few_colours_is_exact():
    pixels = np.random.default_rng(0).choice([0, 7, 200, 255], (50, 60, 4)).astype(np.uint8)
    image = movies.Palette(pixels).image(pixels)
    assert image.mode == "P" and np.array_equal(np.asarray(image.convert("RGB")), pixels[..., :3])


def test_colours_are_the_nearest_of_the_palette():
    rng = np.random.default_rng(0)
    palette = movies.Palette(rng.integers(0, 256, (80, 90, 4), np.uint8))
    frame = rng.integers(0, 256, (20, 30, 4), np.uint8)
    for _ in range(2):  # colours that were met before, too
        shown = np.asarray(palette.image(frame).convert("RGB")).astype(int)
        least = np.abs((frame[..., None, :3].astype(int) - palette.colours) ** 2).sum(-1).min(-1)
        assert np.array_equal(((shown - frame[..., :3]) ** 2).sum(-1), least)


class Recorded(FFMpegWriter):
    """What would be sent to ffmpeg."""

    made = []

    @classmethod
    def isAvailable(cls):
        return True

    def setup(self, figure, outfile, dpi=None):
        self.fig, self.outfile, self.dpi, self.sent, self.finished = figure, outfile, figure.dpi, [], 0
        Recorded.made.append(self)

    def grab_frame(self, **options):
        self.fig.savefig(self, format=self.frame_format, dpi=self.dpi)

    def write(self, data):
        self.sent.append(bytes(data))

    def finish(self):
        self.finished += 1
        Path(self.outfile).write_bytes(b"a movie")


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setattr(Recorded, "made", [])
    monkeypatch.setattr(movies, "FFMpegWriter", Recorded)
    return Recorded.made


@pytest.mark.parametrize("name", ["x.mp4", "x.MP4"])
def test_an_mp4_is_written_by_the_writer_of_ffmpeg(name, recorded, run, tmp_path, few):
    plotting.animate(run, tmp_path / name, **few)
    (writer,) = recorded
    assert writer.fps == 10 and writer.frame_size == (1200, 660) and writer.codec == "h264"
    assert writer.output_args[-4:-1] == ["-f", "mp4", "-y"] and writer.finished == 1
    scene, frames = Scene([run], 0, None, 150), frames_of(run, 6)
    assert writer.sent[:6] == [scene.draw(frames, number).tobytes() for number in range(6)]
    assert writer.sent[6:] == [writer.sent[5]] * 15  # the last one stays on
    assert (tmp_path / name).read_bytes() == b"a movie" and os.listdir(tmp_path) == [name]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_real_mp4(run, tmp_path, few):
    plotting.animate(run, tmp_path / "x.mp4", **few)
    decoded = subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "x.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24",
                              "-"], capture_output=True, check=True).stdout
    shown = np.frombuffer(decoded, np.uint8).reshape(-1, 660, 1200, 3)
    assert len(shown) == 6 + 15 and os.listdir(tmp_path) == ["x.mp4"]
    scene, frames = Scene([run], 0, None, 150), frames_of(run, 6)
    for number in range(6):
        assert np.abs(shown[number].astype(int) - scene.draw(frames, number)[..., :3]).mean() < 3.0


def test_without_ffmpeg_it_says_so(monkeypatch, run, tmp_path):
    monkeypatch.setattr(FFMpegWriter, "isAvailable", lambda: False)
    with pytest.raises(MissingPackageError, match=r"written by the program ffmpeg, which is not on the path: install"):
        plotting.animate(run, tmp_path / "x.mp4")
    assert os.listdir(tmp_path) == []


@posix
@pytest.mark.parametrize("script", ["cat > /dev/null", "true"])
def test_what_ffmpeg_complains_of_is_one_line(script, monkeypatch, onlinemode, tmp_path, caplog):
    """Whether it takes the frames or ends at once; its last words, with the name that the user gave."""
    chain().save(tmp_path / "run.npz")
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\n{script}\necho "one\n$last: no encoder" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    code, out, err = onlinemode("plot", "run.npz", "--animate", "--out", "x.mp4", "--no-theory", "--seconds", 0.2)
    assert (code, out) == (2, "") and err == ("onlinemode: cannot write x.mp4: ffmpeg says: x.mp4: no encoder; give "
                                              "another place, or write a .gif file, which needs no ffmpeg\n")
    assert sorted(os.listdir(tmp_path)) == ["ffmpeg", "run.npz"]
    assert caplog.records == []  # Matplotlib would say it once more


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ValueError, MemoryError])
@pytest.mark.parametrize("name", ["x.gif", "x.mp4"])
def test_a_movie_that_is_stopped_leaves_the_old_file_alone(name, problem, recorded, run, tmp_path, monkeypatch, few):
    (tmp_path / name).write_bytes(b"old")
    real = Scene.draw

    def draw(scene, frames, number):
        if number == 4:
            raise problem("stopped")
        return real(scene, frames, number)

    monkeypatch.setattr(Scene, "draw", draw)
    with pytest.raises(problem):
        plotting.animate(run, tmp_path / name, **few)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_bytes() == b"old"
    assert all(writer.finished == 1 for writer in recorded)  # no process waits for frames


@pytest.mark.parametrize("method", ["__init__", "draw"])
def test_ctrl_c_in_the_middle_of_a_drawing(method, run, tmp_path, monkeypatch, few):
    """It comes as it is, where Matplotlib's compiled code would change it."""
    sent = interrupt(monkeypatch, Scene, method)
    with pytest.raises(KeyboardInterrupt):
        plotting.animate(run, tmp_path / "x.gif", **few)
    assert sent and os.listdir(tmp_path) == []


def test_a_disk_that_is_full(run, tmp_path, monkeypatch, few):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(FileError, match=r"cannot write .*x\.gif: No space left on device"):
        plotting.animate(run, tmp_path / "x.gif", **few)
    assert os.listdir(tmp_path) == []


# -- progress -------------------------------------------------------------------------------------

def test_progress(run, tmp_path, capsys, monkeypatch, few):
    monkeypatch.setattr(Bar, "SECONDS", 0.0)
    for nothing in (None, False):
        plotting.animate(run, tmp_path / "x.gif", progress=nothing, **few)
        assert capsys.readouterr().err == ""
    reports, threads, before = [], set(), threading.active_count()
    plotting.animate(run, tmp_path / "x.gif", progress=lambda report: (reports.append(report), threads.add(
        threading.current_thread())), **few)
    frames = frames_of(run, 6)
    assert [report.fraction for report in reports] == pytest.approx(np.arange(1, 7) / 6)
    assert np.allclose([report.alpha for report in reports], frames.alpha)
    assert np.allclose([report.error for report in reports], frames.error)
    assert threads == {threading.main_thread()} and all(isinstance(report, Progress) for report in reports)
    plotting.animate(run, tmp_path / "x.gif", progress=True, **few)
    assert threading.active_count() == before
    assert re.search(r"frames: 100%\|.+\| 00:\d\d<00:00, α = 30, ε_g = \S+", capsys.readouterr().err.split("\r")[-1])
    with pytest.raises(ParameterError, match="progress must be True, False or a function that is given reports; got 1"):
        plotting.animate(run, tmp_path / "x.gif", progress=1, **few)


def test_the_bar_of_the_command_is_wiped_away(onlinemode, tmp_path, monkeypatch):
    monkeypatch.setattr(Bar, "SECONDS", 0.0)
    chain().save(tmp_path / "run.npz")
    call = ("plot", "run.npz", "--animate", "--no-theory", "--seconds", 0.2)
    assert onlinemode(*call) == (0, "animation: run_plot.gif\n", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    closed, close = [], Bar.close
    monkeypatch.setattr(Bar, "close", lambda bar: (closed.append(bar), close(bar)))
    lines = onlinemode(*call)[2].split("\r")
    assert any("100%|" in line for line in lines) and lines[-1].strip() == "" and len(closed) == 1


# -- bad input ------------------------------------------------------------------------------------

@pytest.mark.parametrize("options, words", [
    ({"replica": 3}, "replica must be a whole number ≥ 0 and ≤ 2; got 3"), ({"replica": -1}, "replica must be"),
    ({"seconds": 0.0}, "seconds must be a finite number > 0; got 0.0"), ({"seconds": "long"}, "seconds must be"),
    ({"fps": 51}, "fps must be a finite number ≥ 1 and ≤ 50; got 51"), ({"fps": 0.5}, "fps must be"),
    ({"seconds": 50.1}, "an animation has 2 to 1000 frames; got seconds × fps = 50.1 × 20"),
    ({"seconds": 1e308}, "2 to 1000 frames"), ({"seconds": 0.09}, "2 to 1000 frames")])
def test_options_out_of_range(options, words, run, tmp_path):
    with pytest.raises(ParameterError, match=re.escape(words)):
        plotting.animate(run, tmp_path / "x.gif", **options)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["x", "x.png", "x.avi", "x.", ".gif", "gif"])
def test_other_kinds_of_file(name, run, tmp_path):
    with pytest.raises(FileError, match=r"an animation is a \.gif or an \.mp4 file; got .*: give a name that ends so"):
        plotting.animate(run, tmp_path / name)
    with pytest.raises(ParameterError, match="^kind must be one of gif, mp4; got 'avi'$"):
        plotting.animate(run, tmp_path / name, kind="avi")
    plotting.animate(run, tmp_path / name, kind="GIF", seconds=0.1)
    assert opened(tmp_path / name)[2]["loop"] == 0


def test_runs_with_nothing_that_moves(tmp_path):
    one = chain(save_at=np.array([0.0, 1.0]))
    with pytest.raises(ParameterError, match=r"needs two saved times above 0 at least, with finite overlaps; got 1 of "
                                             r"replica 0$"):
        plotting.animate(one, tmp_path / "x.gif")
    lost = diverged()
    lost.S[...] = np.nan
    with pytest.raises(ParameterError, match=r"got 0 of replica 0; diverged at α = "):
        plotting.animate(lost, tmp_path / "x.gif")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("nothing, words", [([], "needs at least one run; got none"), ([3], "got a int"),
                                            ("run.npz", "animate needs runs, each a Trajectory; got a str")])
def test_what_is_no_run(nothing, words, tmp_path):
    with pytest.raises(ParameterError, match=words):
        plotting.animate(nothing, tmp_path / "x.gif")


@pytest.fixture
def files(tmp_path):
    """What the commands below name."""
    chain().save(tmp_path / "run.npz")
    chain(save_at=np.array([0.0, 1.0])).save(tmp_path / "one.npz")
    (tmp_path / "swept").mkdir()
    (tmp_path / "swept" / "sweep.json").write_text("{}")
    network = om.deep.Network((2, 3, 1), modes=2, loss="mse")
    om.deep.train(network, om.deep.data.gaussian_mixture(40, 40), epochs=1).save(tmp_path / "deep.npz")
    return tmp_path


@pytest.mark.parametrize("arguments, words", [
    (("swept", "--animate"), "--animate is for runs, and swept is the folder of a sweep; leave it out"),
    (("swept", "--fps", "5"), "--fps is for runs"),
    (("deep.npz", "--animate"), "deep.npz is not an onlinemode trajectory; it holds"),
    (("one.npz", "--animate", "--no-theory"), "needs two saved times above 0"),
    (("gone.npz", "--animate"), "there is no such file"),
    (("run.npz", "--seconds", "3"), "--seconds is for --animate, which is not given; leave it out"),
    (("run.npz", "--fps", "3"), "--fps is for --animate, which is not given; leave it out"),
    (("run.npz", "--animate", "--fps", "0"), "'--fps': 0.0 is not in the range"),
    (("run.npz", "--animate", "--seconds", "0"), "'--seconds': 0.0 is not in the range"),
    (("run.npz", "--animate", "--seconds", "1e3", "--no-theory"),
     "an animation has 2 to 1000 frames; got seconds × fps = 1000 × 20"),
    (("run.npz", "--animate", "--out", "x.avi"), "an animation is a .gif or an .mp4 file; got x.avi"),
    (("run.npz", "--animate", "--out", "x.png"), "an animation is a .gif or an .mp4 file; got x.png"),
    (("run.npz", "--animate", "--out", "x.mp4"), "written by the program ffmpeg"),
    (("run.npz", "--animate", "--out", "."), "it is a folder"), (("run.npz", "--animate", "--out", ""), "is a folder"),
    (("run.npz", "--animate", "--out", "no/x.gif"), "cannot write no/x.gif")])
def test_bad_commands_are_one_line_and_write_nothing(arguments, words, onlinemode, files, monkeypatch):
    monkeypatch.setattr(FFMpegWriter, "isAvailable", lambda: False)
    monkeypatch.setattr("onlinemode.cli.plot._theory", None)  # what is wrong is found before theory is integrated
    before = sorted(files.rglob("*"))
    code, out, err = onlinemode("plot", *arguments)
    assert code == 2 and out == "" and words in err and err.count("\n") == 1
    assert sorted(files.rglob("*")) == before


# -- the command ----------------------------------------------------------------------------------

SHORT = ("--animate", "--seconds", 0.2, "--fps", 10)


def test_names_of_movies(onlinemode, files):
    """As of pictures: new, or given and free, or --overwrite."""
    for name in ("run_plot.gif", "run_plot_2.gif"):
        assert onlinemode("plot", "run.npz", *SHORT)[:2] == (0, f"animation: {name}\n")
    for given, name in (("x", "x.gif"), ("y.gif", "y.gif"), ("Z.GIF", "Z.GIF")):
        assert onlinemode("plot", "run.npz", *SHORT, "--out", given)[1] == f"animation: {name}\n"
    for name in ("run_plot.gif", "run_plot_2.gif", "x.gif", "y.gif", "Z.GIF"):
        assert len(opened(files / name)[0]) == 2
    (files / "x.gif").write_bytes(b"old")
    code, _, err = onlinemode("plot", "run.npz", *SHORT, "--out", "x.gif")
    assert code == 2 and "x.gif is there already: give another name with --out, or --overwrite" in err
    assert (files / "x.gif").read_bytes() == b"old"
    assert onlinemode("plot", "run.npz", *SHORT, "--out", "x.gif", "--overwrite")[0] == 0
    assert len(opened(files / "x.gif")[0]) == 2 and not [name for name in os.listdir(files) if name[0] == "."]


def test_ctrl_c_leaves_nothing(onlinemode, files, monkeypatch):
    def stopped(scene, frames, number):
        raise KeyboardInterrupt

    monkeypatch.setattr(Scene, "draw", stopped)
    before = sorted(os.listdir(files))
    code, out, err = onlinemode("plot", "run.npz", *SHORT)
    assert (code, out, err.strip()) == (130, "", "onlinemode: stopped by the user")
    assert sorted(os.listdir(files)) == before


def test_what_the_command_draws(onlinemode, files, monkeypatch, theory):
    """Theory through a run, several files, the title of the still picture, and the options."""
    calls = []
    monkeypatch.setattr(plotting, "animate", lambda runs, path, title, **options: (
        calls.append((runs, title, options)), Path(path).write_bytes(b"movie")))
    theory.save(files / "theory.npz")
    chain(3).save(files / "three.npz")
    assert onlinemode("plot", "run.npz", "--animate", "--csv")[1] == "animation: run_plot.gif\ncurves: run.csv\n"
    assert onlinemode("plot", "run.npz", "--animate", "--no-theory", "--seconds", "3", "--fps", "12.5")[0] == 0
    assert onlinemode("plot", "three.npz", "theory.npz", "run.npz", "--animate")[0] == 0
    assert [[run.info.engine for run in runs] for runs, _, _ in calls] == [["chain", "ode"], ["chain"],
                                                                          ["chain", "ode", "chain"]]
    assert calls[2][0][0].replicas == 3 and calls[2][1].startswith("three.npz, theory.npz, run.npz: K = 3")
    assert calls[0][1].startswith("N = 50, K = 3")
    assert [options for _, _, options in calls] == [
        {"progress": None, "kind": "gif"}, {"progress": None, "kind": "gif", "seconds": 3.0, "fps": 12.5},
        {"progress": None, "kind": "gif"}]


@posix
def test_a_signal_ends_the_command(tmp_path):
    """While frames are drawn, in a process of its own; no file is left, not even a hidden one."""
    chain().save(tmp_path / "run.npz")
    code = ("import sys\nfrom onlinemode.cli.main import main\nfrom onlinemode.plotting import animation\n"
            "real = animation.Scene.draw\n"
            "def draw(scene, frames, number):\n    print('frame', flush=True)\n    return real(scene, frames, number)\n"
            "animation.Scene.draw = draw\nmain(sys.argv[1:])")
    for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = subprocess.Popen([sys.executable, "-c", code, "plot", "run.npz", "--no-theory", "--animate"],
                                   cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "frame\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err.strip()) == (expected, "onlinemode: stopped by the user")
        assert os.listdir(tmp_path) == ["run.npz"]


# -- the page -------------------------------------------------------------------------------------

def test_python_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(compile(block, "animations.md", "exec"), {})
    assert [len(opened(name)[0]) for name in ("run.gif", "second.gif")] == [20, 20]


def test_commands_of_the_page(onlinemode, files, theory, recorded):
    theory.save(files / "theory.npz")
    commands = [line.split("#")[0].split()[1:] for line in re.search(r"```\n(.*?)```", PAGE, re.S)[1].splitlines()]
    assert len(commands) == 4
    for arguments in commands:
        assert onlinemode(*arguments, "--seconds", "0.2")[0] == 0
    assert {"run_plot.gif", "run.mp4", "run_plot_2.gif", "run_plot_3.gif"} <= set(os.listdir(files))
    assert (files / "run.mp4").read_bytes() == b"a movie"
