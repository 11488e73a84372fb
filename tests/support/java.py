"""See to it that there is a Java that Apache Spark runs on: that of the machine, or Debian's package.

Run as `PYTHONPATH=tests python -m support.java`; it says where it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.debian import installed

LEAST = 17
PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless")
"""Of Debian 12, of Debian 13, and of whatever comes."""

POSTGRESQL_DRIVER = Path("/usr/share/java/postgresql.jar")
DRIVER_PACKAGE = "libpostgresql-jdbc-java"


def java() -> str | None:
    """Return where a Java is that is new enough; ``None`` where there is none."""
    home = os.environ.get("JAVA_HOME")
    for found in filter(None, (home and f"{home}/bin/java", shutil.which("java"))):
        said = subprocess.run([found, "-version"], check=False, capture_output=True, text=True).stderr
        version = re.search(r'version "(\d+)', said)
        if version is not None and int(version[1]) >= LEAST:
            return found
    return None


def there_is_java() -> str:
    """Return where Java is, once it is there."""
    if java() is None:
        any(installed(package) for package in PACKAGES)
    found = java()
    if found is None:
        raise RuntimeError(f"there is no Java {LEAST} here and none can be installed: name one in JAVA_HOME")
    return found


def there_is_postgresql_driver() -> Path:
    """Return where PostgreSQL's JDBC driver is, once it is there."""
    if not POSTGRESQL_DRIVER.exists() and not installed(DRIVER_PACKAGE):
        raise RuntimeError(f"there is no JDBC driver here: install {DRIVER_PACKAGE}")
    return POSTGRESQL_DRIVER


if __name__ == "__main__":
    sys.stderr.write(f"Java is {there_is_java()}, and {there_is_postgresql_driver()}\n")
