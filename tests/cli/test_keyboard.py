import os
import pty
import sys
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from rollout.cli.keyboard import Keyboard


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pseudo-terminal as standard input; yields the end where someone types."""
    typist, inside = pty.openpty()
    stdin: TextIO = os.fdopen(inside, "r")
    monkeypatch.setattr(sys, "stdin", stdin)
    yield typist
    stdin.close()
    os.close(typist)


def keys(typist: int, typed: bytes) -> list[str]:
    with Keyboard() as keyboard:
        os.write(typist, typed)
        found = []
        while (key := keyboard.key(0.05)) is not None:
            found.append(key)
    return found


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (b"wv+q", ["w", "v", "+", "q"]),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1bOA\x1bOD", ["up", "left"]),
        (b"\x1b[1;5C5", ["right", "5"]),
        (b" \r", ["space", "enter"]),
        (b"\x1b", ["escape"]),
        # keys without a name are swallowed whole
        (b"\x1b[15~g", ["", "g"]),
    ],
)
def test_keys_have_names(terminal: int, typed: bytes, named: list[str]) -> None:
    assert keys(terminal, typed) == named


def test_the_terminal_is_left_as_it_was(terminal: int) -> None:
    before = termios.tcgetattr(sys.stdin.fileno())
    with Keyboard() as keyboard:
        during = termios.tcgetattr(sys.stdin.fileno())
        assert keyboard.key(0.01) is None
    assert during[3] & (termios.ICANON | termios.ECHO) == 0
    assert termios.tcgetattr(sys.stdin.fileno()) == before


def test_without_a_terminal_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(ValueError, match="the input is no terminal"):
            Keyboard()
