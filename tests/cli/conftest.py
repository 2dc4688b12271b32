from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """Give the other tests the threads back that a command took from torch."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
