"""Throws bytes at everything that reads bytes from outside, for as long as it is let.

    PYTHONPATH=.:tests python tests/fuzz/fuzz_parsers.py [seconds]

Inputs are the seeds of ``support.parsers``, mutated blindly; the seed of the random numbers is printed. A
finding ends the run and prints the parser's name and the input, in hexadecimal.
"""

from __future__ import annotations

import random
import sys
import time

from support.parsers import PARSERS


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the input with a few stretches of it changed."""
    for _ in range(chance.randint(1, 8)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.randint(0, 16))
        piece = chance.choice((chance.randbytes(chance.randint(0, 8)), data[start:end] * 2, b""))
        data = data[:start] + piece + data[end:]
    return data


def main() -> int:
    """Run for so many seconds; return the exit code."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    end, n_tried = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        parser = chance.choice(PARSERS)
        data = mutated(chance.choice(parser.seeds), chance)
        n_tried += 1
        try:
            parser.try_one(data)
        except Exception:
            print(f"{parser.name}: {data.hex()}", file=sys.stderr)
            raise
    print(f"{n_tried} inputs to {len(PARSERS)} parsers, seed {seed}: none was taken wrongly")
    return 0


if __name__ == "__main__":
    sys.exit(main())
