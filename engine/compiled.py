"""How this house compiles a loop to machine code: one way, so that every loop behaves alike.

Loops with an explicit signature are compiled when their module is imported, and the machine
code is kept on disk beside it. So the very first import of a fresh checkout pays for the
compiler, every later start of a process only loads the result, and no request ever waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types

Loop = TypeVar("Loop", bound=Callable[..., Any])


def read(dtype: str) -> Any:
    """Return the type of an array that a loop only reads: (n,), C-contiguous, possibly memory-mapped."""
    return types.Array(getattr(types, dtype), 1, "C", readonly=True)


def signature(arguments: tuple[Any, ...], result: tuple[str, ...]) -> Any:
    """Return the signature of a loop that returns new arrays (n,) of the dtypes in ``result``."""
    arrays = [types.Array(getattr(types, dtype), 1, "C") for dtype in result]
    make_tuple: Callable[..., Any] = types.Tuple
    return make_tuple(arrays)(*arguments)


def compiled(signed: Any = None, *, reorders_sums: bool = False) -> Callable[[Loop], Loop]:
    """Compile a function ahead of time for a signature, or on first use where there is none.

    The result releases the interpreter lock, never reorders floating-point sums unless told to (no
    fast math), and runs on the thread that calls it: results cannot depend on how many there are.
    Indices are not checked.

    Args:
        signed: the signature.
        reorders_sums: let the compiler add as many numbers at once as the processor can. The same
            machine always adds in the same order; another kind of processor may differ in the last bit.
    """
    fast = {"reassoc"} if reorders_sums else False
    decorate = njit(signed, nogil=True, cache=True, error_model="numpy", fastmath=fast)
    return cast("Callable[[Loop], Loop]", decorate)
