"""Model files: equal after a round trip, and a clear error for each way to be broken."""

import json
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from rollout.models import (
    ModelFileError,
    Support,
    ValueEquivalent,
    ValueEquivalentConfig,
    load,
    save,
)

CONFIG = ValueEquivalentConfig(
    obs_shape=(3, 2, 5),
    obs_dtype="uint8",
    obs_scale=(1.0, 1.0, 0.5, 0.25, 0.05),
    num_actions=6,
    events=("pot", "serve"),
    event_rows=2,
    latent=16,
    hidden=24,
    reward=None,
    value=Support(limit=50, bins=21),
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    save(ValueEquivalent(CONFIG, seed=5), path)
    return path


def rewrite(path, *, header=None, tensors=None):
    """Write the file again with some header fields or tensors changed; None removes one."""
    with safe_open(path, framework="pt") as old:
        meta = {**json.loads(old.metadata()["rollout_model"]), **(header or {})}
        held = {name: old.get_tensor(name) for name in old.keys()}  # noqa: SIM118
    held = {**held, **(tensors or {})}
    save_file(
        {name: x for name, x in held.items() if x is not None},
        path,
        metadata={
            "rollout_model": json.dumps({name: x for name, x in meta.items() if x is not None})
        },
    )


def test_a_loaded_model_is_equal(file):
    model, loaded = ValueEquivalent(CONFIG, seed=5), load(file)
    assert loaded.config == CONFIG
    obs = torch.randint(0, 9, (4, 3, 2, 5), dtype=torch.uint8)
    state = model.observe(model.begin(4), obs)
    assert torch.equal(loaded.observe(loaded.begin(4), obs), state)
    action = torch.tensor([0, 1, 2, 5])
    for got, want in zip(
        loaded.recurrent(state, action)[1][:4], model.recurrent(state, action)[1][:4], strict=True
    ):
        assert torch.equal(got, want)


def test_equal_models_give_equal_files(file, tmp_path):
    save(load(file), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "model.safetensors"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing: no such model file; save one with"):
        load(tmp_path / "nothing")


def test_another_safetensors_file_is_an_error(file):
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(ModelFileError, match=r"not a rollout model .*expected a file written by"):
        load(file)
    for header in ("{", "3", "[]"):
        save_file({"x": torch.zeros(1)}, file, metadata={"rollout_model": header})
        with pytest.raises(ModelFileError, match="its header is not JSON with a version"):
            load(file)


def test_every_truncation_is_an_error(file):
    whole = file.read_bytes()
    for size in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        file.write_bytes(whole[:size])
        with pytest.raises(
            ModelFileError, match=r"model.safetensors: not a whole safetensors file"
        ):
            load(file)


def test_a_corrupt_header_is_an_error(file):
    whole = bytearray(file.read_bytes())
    whole[10] ^= 0xFF
    file.write_bytes(whole)
    with pytest.raises(ModelFileError, match="corrupt"):
        load(file)
    # a header that claims to be larger than any memory
    file.write_bytes(struct.pack("<Q", 2**62) + bytes(64))
    with pytest.raises(ModelFileError, match="corrupt"):
        load(file)


def changed_config(**changes):
    return {**CONFIG.model_dump(mode="json"), **changes}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"version": None}, "its header is not JSON with a version, a kind and a config"),
        ({"version": 2}, "model format 2, but this rollout reads 1"),
        ({"kind": "os.system"}, r"model kind 'os.system', but this rollout knows \['value_eq"),
        ({"kind": ["a"]}, r"model kind \['a'\]"),
        ({"config": "{"}, "config: Input should be a valid dictionary"),
        (
            {"config": changed_config(hidden="__import__('os')")},
            r"config.hidden: .*got .__import__",
        ),
        ({"config": changed_config(hidden=10**9)}, "config.hidden: .*less than or equal"),
        ({"config": changed_config(hidden=8192)}, "action_in: the config asks for .6, 8192. F32"),
        ({"config": changed_config(latent=17)}, "latent: expected a multiple of simnorm"),
    ],
)
def test_a_wrong_header_is_an_error(file, header, message):
    rewrite(file, header=header)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"action_in": torch.zeros(6, 23)}, r"action_in: .*\[6, 24\] F32, the file has \[6, 23\]"),
        ({"action_in": torch.zeros(6, 24).half()}, r"action_in: .*the file has \[6, 24\] F16"),
        ({"action_in": None}, "action_in: .*the file has no such tensor"),
        ({"extra": torch.zeros(1)}, "extra: the config asks for no such tensor"),
        ({"action_in": torch.full((6, 24), torch.nan)}, "action_in holds a NaN"),
    ],
)
def test_wrong_tensors_are_an_error(file, tensors, message):
    rewrite(file, tensors=tensors)
    with pytest.raises(ModelFileError, match=message):
        load(file)


def test_a_model_without_a_file_form_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"model: expected one of \['value_equivalent'\]"):
        save(torch.nn.Linear(2, 2), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
