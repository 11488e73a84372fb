"""What the machine has left."""

from __future__ import annotations

from pathlib import Path

GIBIBYTE = 1 << 30

_MEMORY = Path("/proc/meminfo")
_LIMIT = Path("/sys/fs/cgroup/memory.max")
_USED = Path("/sys/fs/cgroup/memory.current")
_KIBIBYTE = 1 << 10


def free_memory_bytes() -> int | None:
    """Return how much memory can still be used, within the limit of a container; ``None`` if unknown."""
    known = [free for free in (_free_of_machine(), _free_of_container()) if free is not None]
    return min(known, default=None)


def _free_of_machine() -> int | None:
    for line in _read(_MEMORY).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * _KIBIBYTE
    return None


def _free_of_container() -> int | None:
    limit, used = _read(_LIMIT).strip(), _read(_USED).strip()
    return max(int(limit) - int(used), 0) if limit.isdigit() and used.isdigit() else None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
