"""Downloads of MNIST and Fashion-MNIST, with pooch: cached, resumable file by file, checked by SHA-256."""

from collections.abc import Callable
from importlib import import_module
from os import PathLike
from pathlib import Path

from onlinemode import checks
from onlinemode.deep.data import cache_folder
from onlinemode.deep.idx_files import FILES
from onlinemode.errors import FileError, MissingPackageError

SOURCES = {  # where the archives are, and the SHA-256 of each
    "mnist": ("https://storage.googleapis.com/cvdf-datasets/mnist/", {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}),
    "fashion-mnist": ("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/", {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}),
}


def fetch(name: str, folder: str | PathLike[str] | None = None, url: str | None = None,
          progress: Callable[[str], object] | None = None) -> Path:
    """Download the four files of a data set, those that are not there yet.

    Parameters
    ----------
    name : str
        ``"mnist"`` or ``"fashion-mnist"``.
    folder : str or path, optional
        Where a folder of this name is made; by default where :func:`onlinemode.deep.data.find` looks.
    url : str, optional
        Another place that has the same files.
    progress : callable, optional
        Called with a file's name before it is looked for.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    MissingPackageError
        If pooch is not installed.
    FileError
        If a file cannot be fetched, or one has another SHA-256.
    """
    checks.choice("the data set to fetch", name, SOURCES)
    try:
        pooch = import_module("pooch")
    except ImportError:
        raise MissingPackageError("fetching needs pooch, which is not installed; pip install pooch, or put the four "
                                  f"IDX files ({', '.join(FILES.values())}) into a folder and name it (folder, "
                                  "--data-dir)") from None
    address, hashes = SOURCES[name]
    target = (cache_folder() if folder is None else Path(folder)) / name
    pooch.get_logger().setLevel("ERROR")
    store = pooch.create(path=target, base_url=address if url is None else url.rstrip("/") + "/", registry=hashes)
    for file in hashes:
        if progress is not None:
            progress(file)
        try:
            store.fetch(file)
        except (OSError, ValueError) as problem:  # requests' errors are OSErrors; a wrong hash is a ValueError
            reason = " ".join(str(problem).split())
            raise FileError(f"cannot fetch {store.get_url(file)}: {reason:.200}; try again, give another url (--url), "
                            f"or put the file into {target}") from None
    return target
