"""The folder of the machine code is another one after an edit of any file that machine code is made from."""

import pytest

from onlinemode.kernels import jit


@pytest.mark.parametrize("edited", ["jit.py", "rule/step.py", "mathematics/fused.py", "cuda/blocks.py",
                                    "rule/activations.py"])
def test_an_edit_gives_another_key(edited, monkeypatch, tmp_path):
    folder = tmp_path / "onlinemode" / "kernels"
    for path in jit._sources():
        copy = folder.parent / path.relative_to(jit._KERNELS.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    own = jit.source_hash()
    monkeypatch.setattr(jit, "_KERNELS", folder)
    assert jit.source_hash() == own
    with open(folder / edited, "a", encoding="utf-8") as file:
        file.write("# edited\n")
    assert jit.source_hash() != own


def test_a_new_file_gives_another_key(monkeypatch, tmp_path):
    folder = tmp_path / "kernels"
    (folder / "micro").mkdir(parents=True)
    monkeypatch.setattr(jit, "_KERNELS", folder)
    empty = jit.source_hash()
    (folder / "micro" / "new.py").write_text("")
    assert jit.source_hash() != empty


def test_functions_of_one_name_in_two_folders_have_files_of_their_own(monkeypatch, tmp_path):
    """Numba tells files apart by module, function and line alone."""
    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path / "kernels-test")
    made = []
    for folder, factor in (("one", 2), ("two", 3)):
        path = tmp_path / folder / "same.py"
        path.parent.mkdir()
        path.write_text(f"def times(x):\n    return {factor} * x\n")
        names = {}
        exec(compile(path.read_text(), str(path), "exec"), names)
        made.append(jit.compiled(names["times"]))
    assert [function(5) for function in made] == [10, 15]
    assert len(list(jit.CACHE_FOLDER.glob("*.nbi"))) == 2
