import json
from pathlib import Path

import pytest
from PIL import Image

from rollout.cli.app import app
from rollout.envs.kitchen import EVENTS
from rollout.models import ValueEquivalent, ValueEquivalentConfig, save


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A kitchen model that has learned nothing yet, with a card beside it."""
    config = ValueEquivalentConfig(
        obs_shape=(5, 4, 26),
        obs_dtype="uint8",
        num_actions=6,
        events=EVENTS,
        event_rows=2,
        latent=32,
        hidden=32,
    )
    path = tmp_path / "model.safetensors"
    save(ValueEquivalent(config), path)
    card = {
        "env": "Kitchen-v0",
        "env_options": {"partner": "onions", "partner_noise": 0.25},
        "goal": "soup_delivery=20",
        "simulations": 6,
    }
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def demo(*args: str) -> None:
    app(["demo", *args], standalone_mode=False)


def test_the_demo_scores_films_and_tells(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gif, numbers = tmp_path / "out" / "demo.gif", tmp_path / "out" / "demo.json"
    sizes = ["--kitchens", "3", "--steps", "10"]
    demo("--model", str(model_file), *sizes, "--gif", str(gif), "--json", str(numbers))
    told = capsys.readouterr().out
    assert "3 kitchens x 10 steps, partner: scripted onions, 25% noise" in told
    for name in ("random", "policy head", "planner"):
        assert name in told
    assert "imagined step" in told
    assert "a second" in told

    with Image.open(gif) as film:
        # frames that look the same are stored once
        assert 5 <= film.n_frames <= 10  # type: ignore[attr-defined]
        assert film.width == 5 * 56
    kept = json.loads(numbers.read_text())
    assert kept["planning"]["plans"] == 30
    assert kept["planning"]["simulations"] == 180
    assert 0 < kept["planning"]["model_seconds"] < kept["planning"]["seconds"]
    assert all(len(player["returns"]) == 3 for player in kept["players"].values())

    # the same seeds give the same scores
    demo("--model", str(model_file), *sizes, "--gif", str(gif), "--json", str(numbers))
    again = json.loads(numbers.read_text())
    for name, player in kept["players"].items():
        assert again["players"][name]["returns"] == player["returns"]


def test_the_demo_refuses(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean cramped_room"):
        demo("--layout", "cramped_rom")
    with pytest.raises(ValueError, match="but this layout shows"):
        demo("--layout", "coordination_ring", "--model", str(model_file))
    model_file.with_suffix(".json").write_text('{"discount": "much"}')
    with pytest.raises(ValueError, match=r"model\.json: .*number"):
        demo("--model", str(model_file))
