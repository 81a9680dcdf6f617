"""Where points are made changes nothing: this process, threads, processes, pools of the user, a Dask cluster."""

import os
import pickle
import sys
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import pytest
from small_sweeps import OVER, SMALL, identical, local_cluster

import onlinemode as om
from onlinemode import dataset
from onlinemode.errors import EngineError, MissingPackageError, ParameterError
from onlinemode.sweeps import places, work
from onlinemode.sweeps.plan import plan_of

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """A local scheduler with two workers in processes of their own."""
    with local_cluster() as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


class Backwards:
    """An executor that does what it was given last first, and only once somebody asks."""

    def __init__(self):
        self.given, self.sizes = [], []

    def submit(self, function, *arguments):
        future = Future()
        self.given.append((future, function, pickle.dumps(arguments)))
        self.sizes.append(len(arguments[1]))
        if len(self.given) == 4:
            self.run()
        return future

    def run(self):
        while self.given:
            future, function, arguments = self.given.pop()
            future.set_result(pickle.loads(pickle.dumps(function(*pickle.loads(arguments)))))


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_threads_and_processes(executor, serial, tmp_path):
    assert identical(om.sweep(SMALL, OVER, executor=executor, workers=2), serial)
    assert identical(om.sweep(SMALL, OVER, executor=executor, workers=2, store=tmp_path / "s"), serial)


def test_pools_of_the_user(serial):
    with ThreadPoolExecutor(3) as pool:
        assert identical(om.sweep(SMALL, OVER, executor=pool), serial)
        assert pool.submit(int, "3").result() == 3  # it stays open
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert identical(om.sweep(SMALL, OVER, executor=pool), serial)


def test_a_dask_cluster(client, serial, tmp_path):
    assert identical(om.sweep(SMALL, OVER, executor=client, store=tmp_path / "a"), serial)
    assert identical(om.sweep(SMALL, OVER, executor=client.get_executor()), serial)
    assert identical(om.sweep(SMALL, OVER, executor=client.scheduler.address, store=tmp_path / "b"), serial)
    assert client.submit(int, "3").result() == 3  # it stays open


def test_a_cluster_of_its_own(serial, capsys):
    assert identical(om.sweep(SMALL, OVER, executor="dask", workers=2, progress=True), serial)
    assert capsys.readouterr().err.startswith("dashboard at http://")


def test_results_come_in_any_order(tmp_path, monkeypatch):
    """With batches of one to three points, last first."""
    over = {"eta": np.linspace(0.5, 2.0, 8).tolist(), "seed": [0, 1, 2]}
    whole, pool = om.sweep(SMALL, over, replicas=1), Backwards()
    monkeypatch.setattr(places.Foreign, "seconds", 1e-9)
    monkeypatch.setattr(places.os, "cpu_count", lambda: 2)
    pool._max_workers = 2
    monkeypatch.setattr("onlinemode.sweeps.running.wait", lambda futures, *_: (pool.run(), (
        [each for each in futures if each.done()], None))[1])
    assert identical(om.sweep(SMALL, over, executor=pool, store=tmp_path / "s"), whole)
    assert sum(pool.sizes) == 24 and len(pool.sizes) > 6


@pytest.mark.parametrize("engine", ["chain", "micro"])
def test_replicas_of_simulations(engine, client):
    base = SMALL.replace(engine=engine, replicas=3)
    one = om.sweep(base, {"eta": [0.5, 1.0]}, seeds=2)
    assert one.generalization_error.dims == ("eta", "seed", "replica", "alpha")
    assert identical(om.sweep(base, {"eta": [0.5, 1.0]}, seeds=2, executor=client), one)


def test_a_data_set_is_sent_once_and_read_nowhere_else(client, tmp_path, monkeypatch):
    """Workers of a cluster need no such file."""
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", np.random.default_rng(0).normal(size=(30, 12)))
    base = om.Experiment(engine="micro", init="committee", N=12, K=1, alpha=2.0, save_at=4, inputs="rows.npy")
    one = om.sweep(base, {"eta": [0.5, 1.0]})
    client.run(os.chdir, "/")
    assert (one.status == "completed").all()
    assert identical(om.sweep(base, {"eta": [0.5, 1.0]}, executor=client), one)
    assert identical(om.sweep(base, {"eta": [0.5, 1.0]}, executor="processes", workers=1), one)
    before = om.inputs.parse("rows.npy")
    np.save("rows.npy", np.random.default_rng(1).normal(size=(30, 12)))
    assert om.inputs.parse("rows.npy") != before  # after a sweep the name means the file again


def test_a_job_is_unpacked_once(monkeypatch):
    plan = plan_of(SMALL, OVER)
    packed = work.Packed.of(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, work.kernel_version()))
    loaded, real = [], pickle.loads
    monkeypatch.setattr(work.pickle, "loads", lambda content: loaded.append(1) or real(content))
    work._UNPACKED.clear()
    for _ in range(3):
        assert work.make(packed, [0], [(0.5, 0.0)]).rows["status"].tolist() == [1]
    assert loaded == [1]
    assert work.make(packed.without_content, [0], [(0.5, 0.0)]).numbers == [0]  # of a process that has it


def test_a_worker_with_other_kernels_is_refused(monkeypatch):
    monkeypatch.setattr("onlinemode.sweeps.api.kernel_version", lambda: "others")
    with ThreadPoolExecutor(1) as pool, pytest.raises(EngineError, match="^a worker has other kernels than the client"):
        om.sweep(SMALL, OVER, executor=pool)


@pytest.mark.parametrize("executor", ["frob", 3, object()])
def test_what_is_no_executor(executor):
    with pytest.raises(ParameterError, match='executor must be None .*"processes".* anything with submit'):
        om.sweep(SMALL, OVER, executor=executor)


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(places, "CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineError, match="no Dask scheduler answers at tcp://127.0.0.1:9 .*: start one with d"):
        om.sweep(SMALL, OVER, executor="tcp://127.0.0.1:9")
    with pytest.raises(EngineError, match="no Dask scheduler answers at frob://x"):
        om.sweep(SMALL, OVER, executor="frob://x")


@pytest.mark.parametrize("package, call", [
    ("xarray", lambda path: om.sweep(SMALL, OVER)), ("zarr", lambda path: om.sweep(SMALL, OVER, store=path / "s")),
    ("xarray", lambda path: om.open_sweep(path)), ("distributed", lambda path: om.sweep(SMALL, OVER, executor="dask"))])
def test_packages_that_are_missing(package, call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f'{package}.*pip install "onlinemode\\[sweep\\]"'):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_runs_in_this_process_may_have_several_threads(monkeypatch):
    """Elsewhere each has one."""
    seen, real = [], om.Experiment.run
    monkeypatch.setattr(om.Experiment, "run",
                        lambda self, *arguments: seen.append(self.threads) or real(self, *arguments))
    base = SMALL.replace(engine="micro", threads=2)
    om.sweep(base, {"eta": [1]})
    om.sweep(base, {"eta": [1]}, executor="threads")
    assert seen == [2, 1]


def test_what_is_large_goes_to_a_pool_in_a_file(monkeypatch, tmp_path, serial):
    """Once, and away when the sweep has ended."""
    monkeypatch.setattr(places, "MOST_SENT", 10)
    sent = []

    class Pool(ThreadPoolExecutor):
        def submit(self, function, packed, *arguments):
            sent.append(packed)
            work._UNPACKED.clear()
            return super().submit(function, packed, *arguments)

    with Pool(1) as pool:
        assert identical(om.sweep(SMALL, OVER, executor=pool, store=tmp_path / "s"), serial)
        assert sent and all(each.content is None and "s/.onlinemode-" in each.path for each in sent)
        assert sorted(os.listdir(tmp_path / "s")) == ["results.zarr", "sweep.json"]
    with ThreadPoolExecutor(1) as pool:
        gone = work.Packed("key", None, str(tmp_path / "gone"))
        with pytest.raises(EngineError, match="a worker cannot read .*gone .No such file.*: give a store in a folder"):
            pool.submit(work.make, gone, [0], [(0.5, 0.0)]).result()


def test_a_pool_that_takes_no_more_work():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(EngineError, match="^the executor takes no more work .*: give another one and the same call g"):
        om.sweep(SMALL, OVER, executor=pool)


def test_so_many_workers(monkeypatch):
    made, real = [], places.Threads
    monkeypatch.setattr(places, "Threads", lambda job, count: made.append(count) or real(job, count))
    om.sweep(SMALL, {"eta": [1]}, executor="threads", workers=3)
    assert made == [3]
    with pytest.raises(ParameterError, match="workers must be"):
        om.sweep(SMALL, {"eta": [1]}, executor="threads", workers=0)


def test_a_process_holds_one_job_at_a_time(monkeypatch):
    """A cluster that serves for weeks keeps no data sets of sweeps that are done."""
    plan = plan_of(SMALL, OVER)
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, work.kernel_version())
    for each in (job, job._replace(threads=2)):
        work.make(work.Packed.of(each), [], [])
    assert len(work._UNPACKED) == 1


def test_who_gets_data_sets():
    """Processes of this machine read the file themselves."""
    assert all(places.sends_data(each) for each in (None, "threads", "dask", "tcp://127.0.0.1:9"))
    assert not places.sends_data("processes") and not places.sends_data(Backwards())


class FakeClient:
    """Of a scheduler without workers; tells what is asked of it."""

    def __init__(self):
        self.scheduler, self.calls = SimpleNamespace(address="tcp://fake"), []
        self.status, self.security = "running", None

    def get_executor(self, pure):
        return SimpleNamespace(shutdown=lambda wait: self.calls.append("shutdown"))

    def wait_for_workers(self, number, timeout):
        raise TimeoutError

    def scatter(self, *_, **__):
        return SimpleNamespace(release=lambda: self.calls.append("release"))

    def close(self, timeout):
        self.calls.append("close")


@pytest.mark.parametrize("owned, calls", [(True, ["shutdown", "close", "cluster"]),
                                          (False, ["shutdown", "release", "cluster"])])
def test_what_is_closed_of_a_cluster(owned, calls):
    """A client of the user stays, without the job."""
    plan, client = plan_of(SMALL, OVER), FakeClient()
    place = places.Cluster(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, ""), client, owned,
                           SimpleNamespace(close=lambda timeout: client.calls.append("cluster")))
    with pytest.raises(EngineError, match="the scheduler at tcp://fake has no worker .none has come.; what is m"):
        place.wait(1.0)
    client.wait_for_workers = lambda number, timeout: None
    place.wait()
    place.close()
    assert client.calls == calls


def test_a_client_that_has_connected_again_is_closed(monkeypatch):
    """That of the user stays."""
    plan, first, second = plan_of(SMALL, OVER), FakeClient(), FakeClient()
    second.wait_for_workers = lambda number, timeout: None
    monkeypatch.setattr(places, "_connected", lambda address, security: second)
    place = places.Cluster(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, ""), first)
    place.recover()
    place.close()
    assert first.calls == [] and second.calls == ["shutdown", "close"]


def test_a_data_set_is_read_once_in_this_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", np.random.default_rng(0).normal(size=(30, 12)))
    base = om.Experiment(engine="micro", init="committee", N=12, K=1, alpha=1.0, save_at=3, inputs="rows.npy")
    read, real = [], dataset.mapped
    monkeypatch.setattr(dataset, "mapped", lambda path: read.append(path) or real(path))
    om.sweep(base, {"eta": [0.5]})
    few = len(read)
    om.sweep(base, {"eta": [0.5, 1.0, 1.5, 2.0]})
    assert few and len(read) == 2 * few


def test_a_scheduler_that_is_there_needs_no_new_client():
    """The job is sent again where its only worker is gone."""
    plan, client = plan_of(SMALL, OVER), FakeClient()
    client.wait_for_workers = lambda number, timeout: None
    client.nthreads = dict
    place = places.Cluster(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, ""), client)
    place.wait()
    before = place._shared
    place.recover()
    assert place._client is client and place._shared is not before and client.calls == []


def test_a_client_that_is_closed():
    plan, client = plan_of(SMALL, OVER), FakeClient()
    client.status = "closed"
    with pytest.raises(EngineError, match="the Dask client is closed: give one that is connected"):
        places.Cluster(work.Job(plan.recipe, plan.grid.names, plan.kept, {}, ""), client)


def test_the_only_worker_of_the_user_dies(serial):
    """Its client is there afterwards."""
    with local_cluster(1) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        killed = []

        def kill(report):
            if report.done and not killed:
                killed.extend(client.run(os.getpid).values())
                os.kill(killed[0], 9)

        over = {"eta": "0.5:2:60", "noise": [0.0, 0.1]}
        made = om.sweep(SMALL.replace(K=3, alpha=60.0), over, executor=client, progress=kill)
        assert killed and (made.status == "completed").all()
        assert client.status == "running" and client.submit(int, "3").result() == 3


def test_workers_of_an_executor(monkeypatch):
    plan = plan_of(SMALL, OVER)
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, {}, "")
    pool = SimpleNamespace(submit=lambda: None, num_workers=5, _max_workers=7)
    assert places.place_of(pool, job).workers == 5 and places.place_of(pool, job, 3).workers == 3
    del pool.num_workers
    assert places.place_of(pool, job).workers == 7


def test_workers_find_the_data_of_the_client_or_nothing(tmp_path, monkeypatch):
    """A pool that lives longer than a file."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    base = om.Experiment(engine="micro", init="committee", N=12, K=1, alpha=2.0, save_at=4, inputs="rows.npy")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for _ in range(2):
            np.save("rows.npy", rng.normal(size=(30, 12)))
            assert identical(om.sweep(base, {"eta": [0.5]}, executor=pool), om.sweep(base, {"eta": [0.5]}))
    plan = plan_of(base, {"eta": [0.5]})
    data = {"rows.npy": None}
    job = work.Job(plan.recipe, plan.grid.names, plan.kept, data, work.kernel_version(), 1, {"rows.npy": "x"})
    with pytest.raises(EngineError, match="a worker finds other data in rows.npy than the client"):
        work.make(work.Packed.of(job), [0], [(0.5,)])
    work.withdraw(data)


def test_a_worker_with_another_function_is_refused(tmp_path, monkeypatch):
    import importlib

    path = tmp_path / "experiments_of_places.py"
    text = ("import onlinemode as om\ndef make(eta):\n    return om.Experiment(engine='ode', init='committee', N=50, "
            "K=1, alpha=1.0, save_at=3, eta=eta * 1)\n")
    path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module = importlib.import_module("experiments_of_places")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        one = om.sweep(module.make, {"eta": [1.0]}, executor=pool)
        path.write_text(text.replace("eta * 1", "eta * 22"))
        importlib.reload(module)
        with pytest.raises(EngineError, match="a worker has loaded another version of the function.*start new workers"):
            om.sweep(module.make, {"eta": [1.0]}, executor=pool)
        assert (one.status == "completed").all()
    sys.modules.pop("experiments_of_places")
