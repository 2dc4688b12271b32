"""Single keys from a terminal, as they are pressed."""

import os
import re
import select
import sys
from types import TracebackType
from typing import Any, Self

_ESCAPE = b"\x1b"
_ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}
_NAMES = {b" ": "space", b"\r": "enter", b"\n": "enter", _ESCAPE: "escape"}
# what a terminal sends for keys that are no character: a prefix, numbers, and a letter or a sign
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)([@-~])")
_SEQUENCE_SECONDS = 0.05  # how long the rest of an arrow key may take to arrive


class Keyboard:
    """The keys of the terminal at `sys.stdin`, unbuffered and unechoed while it is entered.

    Raises ValueError where there is no terminal, or the system has no POSIX terminals.
    """

    def __init__(self) -> None:
        if not sys.stdin.isatty():
            raise ValueError(
                "keyboard: the input is no terminal; run this in a terminal, without a pipe into it"
            )
        try:
            import termios
        except ImportError:
            raise ValueError("keyboard: needs a POSIX terminal; on Windows use WSL") from None
        self._termios = termios
        self._input = sys.stdin.fileno()
        self._saved: list[Any] = []
        self._read = b""

    def __enter__(self) -> Self:
        self._saved = self._termios.tcgetattr(self._input)
        quiet = self._termios.tcgetattr(self._input)
        # keys at once and unseen; Ctrl-C still interrupts
        quiet[3] &= ~(self._termios.ICANON | self._termios.ECHO)
        self._termios.tcsetattr(self._input, self._termios.TCSADRAIN, quiet)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._termios.tcsetattr(self._input, self._termios.TCSADRAIN, self._saved)

    def key(self, seconds: float) -> str | None:
        """Return the next key, or None if none comes in time.

        Keys are named "up", "down", "left", "right", "space", "enter" and "escape"; others are
        their own character. The end of the input reads as "q".
        """
        if not self._read and not self._fill(seconds):
            return None
        if self._read == _ESCAPE:
            self._fill(_SEQUENCE_SECONDS)
        sequence = _SEQUENCE.match(self._read)
        if sequence is not None:
            self._read = self._read[sequence.end() :]
            return _ARROWS.get(sequence[1], "")
        first, self._read = self._read[:1], self._read[1:]
        return _NAMES.get(first) or first.decode("ascii", "replace")

    def _fill(self, seconds: float) -> bool:
        """Wait for more bytes; return whether some came."""
        ready, _, _ = select.select([self._input], [], [], seconds)
        if not ready:
            return False
        self._read += os.read(self._input, 64) or b"q"
        return True
