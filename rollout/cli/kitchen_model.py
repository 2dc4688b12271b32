"""Find the learned kitchen that a command is to plan in, and what it was trained for."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from rollout.envs.kitchen import Layout, load_layout
from rollout.models import ValueEquivalent, load

ASSETS = Path(__file__).parents[1] / "assets"


class Card(BaseModel):
    """The parts of a training run's config that matter to who uses its model."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    env_options: dict[str, Any] = {}
    goal: str = ""
    discount: float = 0.98
    simulations: int = 50
    eval_simulations: int | None = None


@dataclass(frozen=True, slots=True)
class LearnedKitchen:
    """A model, the card of its run, and the hash of its file."""

    model: ValueEquivalent
    card: Card
    identity: str


def read_layout(name_or_file: str) -> Layout:
    """Return a shipped layout by its name, or one's own from its file."""
    path = Path(name_or_file)
    return load_layout(path.read_text(encoding="utf-8") if path.is_file() else name_or_file)


def load_kitchen_model(layout: Layout, path: Path | None = None) -> LearnedKitchen:
    """Load a kitchen model for a layout: the file given, or the one that came with the package.

    Raises FileNotFoundError where the package has none for this layout, and ValueError for a model
    of a kitchen of another size, or a card that is damaged.
    """
    path = path or ASSETS / f"kitchen_{layout.name}.safetensors"
    if not path.is_file():
        shipped = sorted(
            p.stem.removeprefix("kitchen_") for p in ASSETS.glob("kitchen_*.safetensors")
        )
        raise FileNotFoundError(
            f"{path}: no model of this kitchen; the package has {', '.join(shipped) or 'none'}; "
            "train one with `rollout train kitchen` and pass it with --model"
        )
    model = load(path)
    sees, shows = model.spec.obs.shape, (layout.width, layout.height, 26)
    if sees != shows:
        raise ValueError(
            f"{path}: it sees {list(sees)}, but this layout shows {list(shows)}; "
            "play in the layout that it was trained in"
        )
    identity = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return LearnedKitchen(model, _card(path), identity)


def _card(path: Path) -> Card:
    """Read the config beside a model: NAME.json, or a run folder's config.json."""
    for beside in (path.with_suffix(".json"), path.parent / "config.json"):
        if beside.is_file():
            try:
                return Card.model_validate_json(beside.read_bytes())
            except ValidationError as error:
                raise ValueError(f"{beside}: {error.errors()[0]['msg']}; copy it again") from None
    return Card()
