"""Reading bits from the text that IAB signals are written in.

Six bits a character, most significant first, in the URL-safe alphabet of RFC 4648 without padding
characters. IAB Tech Lab, "Global Privacy Platform String", "Creating a GPP String"; TC strings use
the same letters.
"""

from __future__ import annotations

from guardrails.errors import SignalError

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SIX_BITS = {letter: format(number, "06b") for number, letter in enumerate(_ALPHABET)}


class Bits:
    """Bits of one segment, read from the front; every read past the end is an error.

    Raises:
        SignalError: the text is empty or holds a letter outside the alphabet.
    """

    def __init__(self, text: str) -> None:
        if not text or any(letter not in _SIX_BITS for letter in text):
            raise SignalError("a segment is not in the URL-safe alphabet")
        self._bits = "".join(_SIX_BITS[letter] for letter in text)
        self._at = 0

    def number(self, n_bits: int) -> int:
        """Read an unsigned number of ``n_bits`` bits, at least one."""
        return int(self._take(n_bits), 2)

    def flag(self) -> bool:
        """Read one bit."""
        return self._take(1) == "1"

    def chosen(self, n_bits: int) -> frozenset[int]:
        """Read a bit field; return the numbers, from 1, of the bits that are set."""
        return frozenset(number for number, bit in enumerate(self._take(n_bits), start=1) if bit == "1")

    def skip(self, n_bits: int) -> None:
        """Pass over bits that must be there."""
        self._take(n_bits)

    def fibonacci(self) -> int:
        """Read a number in Fibonacci coding, which ends in two set bits."""
        end = self._bits.find("11", self._at)
        if end < 0:
            raise SignalError("a segment ends too early")
        total, worth, next_worth = 0, 1, 2
        for bit in self._take(end + 1 - self._at):
            total += worth if bit == "1" else 0
            worth, next_worth = next_worth, worth + next_worth
        self.skip(1)
        return total

    def finish(self) -> None:
        """Check that nothing but zeros is left, as padding.

        Raises:
            SignalError: there is more.
        """
        if "1" in self._bits[self._at :]:
            raise SignalError("a segment goes on after its end")

    def _take(self, n_bits: int) -> str:
        taken = self._bits[self._at : self._at + n_bits]
        if len(taken) < n_bits:
            raise SignalError("a segment ends too early")
        self._at += n_bits
        return taken
