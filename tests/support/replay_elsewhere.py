"""Run on its own: make recorded decisions again from a store on disk, and print what came of each.

python replay_elsewhere.py DATABASE_URL DATA_DIR FILE
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import orjson

from api.replaying import Replayer
from api.settings import Settings
from api.storage.connection import open_engine, reading


def main() -> None:
    """Replay every record of the file."""
    url, data_dir, file = sys.argv[1:]
    settings = Settings(database_url=url, data_dir=Path(data_dir), workers=1, pseudonym_key=b"k" * 32)
    records = orjson.loads(Path(file).read_bytes())
    engine = open_engine(settings)
    with reading(engine) as conn:
        replayer = Replayer(settings, records["build"])
        for record in records["records"]:
            sections = {name: base64.b64decode(content) for name, content in record["sections"].items()}
            report = replayer.replay(conn, sections, record["header"])
            sys.stdout.write(f"{report.l1.finding} {report.l2.finding}\n")
    engine.dispose()


if __name__ == "__main__":
    main()
