"""Installing packages of Debian where that may be done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_QUIETLY = {"DEBIAN_FRONTEND": "noninteractive"}


def installed(package: str) -> bool:
    """Install a package; tell whether it is there."""
    as_root = () if os.geteuid() == 0 else ("sudo", "-n")
    return (
        shutil.which("apt-get") is not None
        and runs(*as_root, "true")
        and runs(*as_root, "apt-get", "update", "-q")
        and runs(*as_root, "apt-get", "install", "-qy", "--no-install-recommends", package)
    )


def runs(*command: str) -> bool:
    """Run a command that asks nothing, what it says going to standard error; tell whether it ended well."""
    try:
        done = subprocess.run(command, check=False, stdout=sys.stderr, env=os.environ | _QUIETLY)
    except FileNotFoundError:
        return False
    return done.returncode == 0
