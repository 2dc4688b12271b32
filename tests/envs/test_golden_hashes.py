"""Every environment behaves as it did when its golden file was written."""

import pytest
from make_golden import FOLDER, machine, path_of, text_of

from rollout.envs import list_envs

BUILT_IN = list_envs()  # before any test loads a plug-in


@pytest.mark.parametrize("id", BUILT_IN)
def test_an_environment_behaves_as_it_did(id: str) -> None:
    path = path_of(id)
    assert path.exists(), f"no golden file: run `python tests/envs/make_golden.py {id}`"
    text = path.read_text()
    if text.partition("\n")[0] != machine():
        pytest.skip("written on another kind of machine")
    assert text_of(id) == text, "its behaviour has changed; if that is meant, write the file anew"


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.glob("*.txt")} == {path_of(id).name for id in BUILT_IN}
