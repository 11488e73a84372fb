"""Image, compose file and unit: read by machine, and run as far as that goes without a container engine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path

import httpx
import pytest
import yaml
from numba.core.caching import _CacheLocator
from support.http import fill
from support.locks import ROOT, needed, pinned
from support.running import Running

from api.cli.server import FINISHING_S
from api.limits.settings import LimitSettings
from api.settings import _KNOWN, Settings
from api.storage.api_keys import Role

DEPLOY = ROOT / "api" / "deploy"
NOBODY = 65534
CAN = "-all,+dac_read_search"
"""What the user of the test may: read everything, for the interpreter may lie in somebody's home."""

ON_WINDOWS = "sys_platform == 'win32'"

READ_ONLY = f"""
mount --make-rprivate /
mount --bind "$DATA" "$DATA"
mount -t tmpfs -o mode=1777,size=256m tmpfs "$TMPDIR"
mount -o remount,bind,ro /
exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs --inh-caps={CAN} \
  --ambient-caps={CAN} --bounding-set={CAN} "$@"
"""


def instructions(name):
    """Return what the Dockerfile says in an instruction, of the last stage alone."""
    text = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def unmarked(entry):
    """Return a pin with its hashes, for whatever machine it is."""
    return re.sub(r" ; [^\\]+", " ", entry)


def seconds(text):
    return int(re.fullmatch(r"(\d+)s?", text)[1])


def test_the_lock_of_the_image_is_the_part_of_the_lock_that_a_server_needs():
    everything = pinned(ROOT / "requirements.lock")
    of_image = pinned(ROOT / "requirements.runtime.lock")
    elsewhere = {name for name, entry in of_image.items() if ON_WINDOWS in entry}
    assert of_image.keys() - elsewhere == needed() - elsewhere
    assert {name: unmarked(entry) for name, entry in of_image.items()} == {
        name: unmarked(everything[name]) for name in of_image
    }
    assert not {"pytest", "mypy", "ruff", "playwright", "pyspark", "hatchling", "pip"} & of_image.keys()


def test_the_image_runs_as_somebody_of_its_own_and_asks_itself_whether_it_is_ready():
    assert instructions("USER") == ["tactful"]
    assert instructions("ENTRYPOINT") == ['["tactful"]']
    assert instructions("VOLUME") == ["/data"]
    (health,) = instructions("HEALTHCHECK")
    assert "/readyz" in health
    (settings,) = instructions("ENV")
    named = dict(each.partition("=")[::2] for each in shlex.split(settings))
    assert {name for name in named if name.startswith("TACTFUL_")} <= _KNOWN
    assert "pip uninstall" in instructions("RUN")[0]


def test_what_the_image_is_built_from_is_all_that_is_sent_to_the_builder():
    copied = re.findall(r"^COPY (?!--from)(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == allowed
    assert all((ROOT / name).exists() for name in names)


def test_the_pins_of_what_builds_are_cut_out_of_the_lock_whole(tmp_path):
    (command,) = re.findall(r"^RUN (sed .*) \\$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)  # noqa: S607  any machine's own
    everything, cut = pinned(ROOT / "requirements.lock"), pinned(tmp_path / "build.lock")
    assert cut.keys() == {"hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"}
    assert cut == {name: everything[name] for name in cut}


def test_the_package_that_is_installed_holds_all_that_is_not_code(tmp_path):
    """Built as the Dockerfile does, without a network."""
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*wheel, "--wheel-dir", tmp_path, ROOT], check=True, env=os.environ | {"TMPDIR": str(tmp_path)}
    )
    (file,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(file).namelist())
    tracked = subprocess.run(["git", "ls-files", "api", "engine", "guardrails", "migrations"],  # noqa: S607  as above
                             cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    if tracked.returncode:
        pytest.skip("this is no checkout")
    kept = {name for name in tracked.stdout.split() if (ROOT / name).exists()}
    assert kept <= names
    assert not any(name.startswith("tests") for name in names)


def test_every_service_can_do_no_more_than_it_must():
    services = compose()["services"]
    assert services.keys() == {"upgrade", "server", "database", "apart"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for name in ("server", "database", "apart"):
        assert services[name]["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
        assert all(port.startswith("127.0.0.1:") for port in services[name].get("ports", []))
    assert compose()["networks"]["stores"] == {"internal": True}
    assert services["server"]["depends_on"]["upgrade"] == {"condition": "service_completed_successfully"}


def test_stores_that_are_not_put_back_together_share_neither_server_nor_volume_nor_secret():
    services = compose()["services"]
    database, apart = services["database"], services["apart"]
    assert not set(database["volumes"]) & set(apart["volumes"])
    assert not set(database["secrets"]) & set(apart["secrets"])


def test_the_settings_of_the_compose_file_are_settings_and_its_secrets_are_made(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make secrets with")
    for _ in range(2):
        subprocess.run(["sh", DEPLOY / "secrets.sh"], cwd=tmp_path, check=True)  # noqa: S607  any machine's own
        made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    found = compose()
    assert made.keys() == found["secrets"].keys()
    assert len(set(made.values())) == len(made)
    assert {each["file"] for each in found["secrets"].values()} == {f"./secrets/{name}" for name in made}
    for service in found["services"].values():
        assert {path for path in service.get("environment", {}).values() if str(path).startswith("/run")} == {
            f"/run/secrets/{name}" for name in service["secrets"]
        }
    environ = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)).replace("/run/secrets", str(tmp_path / "secrets"))
        for name, value in found["services"]["server"]["environment"].items()
    }
    settings = Settings.from_env(environ)
    assert made["database_password"] in settings.database_url
    assert len({settings.database_url, settings.keys_url, settings.checkpoints_url}) == 3
    assert len({settings.pseudonym_key, settings.key_encryption_key, settings.log_key}) == 3


def test_whoever_stops_the_server_waits_as_long_as_it_may_take():
    server = compose()["services"]["server"]
    assert seconds(server["stop_grace_period"]) > server["environment"]["TACTFUL_DRAIN_S"] + FINISHING_S
    unit = dict(line.split("=", 1) for line in unit_lines() if not line.startswith("Environment"))
    assert seconds(unit["TimeoutStopSec"]) > 5 + FINISHING_S


def test_the_unit_has_room_for_the_threads_of_all_workers_while_they_are_renewed():
    (most,) = (line.removeprefix("TasksMax=") for line in unit_lines() if line.startswith("TasksMax="))
    n_workers = 2 * 16  # there are others besides while they are renewed, on a large machine
    assert int(most) > n_workers * LimitSettings().n_threads


def unit_lines():
    return [line for line in (DEPLOY / "tactful.service").read_text().splitlines() if re.match(r"\w+=", line)]


def test_the_unit_names_settings_that_there_are_and_lets_the_server_do_little(tmp_path):
    named = re.findall(r"^Environment=(TACTFUL_\w+)=", (DEPLOY / "tactful.service").read_text(), re.MULTILINE)
    assert set(named) <= _KNOWN
    assert {"Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict"} <= set(unit_lines())
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd to ask")
    unit = tmp_path / "tactful.service"
    unit.write_text((DEPLOY / "tactful.service").read_text().replace("/opt/tactful/bin/tactful", "/bin/true"))
    verified = analyze("verify", unit)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert analyze("security", "--offline=true", "--threshold=20", unit).returncode == 0


def analyze(*arguments):
    command = ["systemd-analyze", *arguments]  # it is where the machine has it
    return subprocess.run(command, capture_output=True, text=True, check=False)


def warm(folder):
    """Put there what is compiled already, under the names that it is looked for there."""
    for source in ROOT.glob("*/**/*.py"):
        own = folder / _CacheLocator.get_suitable_cache_subpath(str(source))
        for compiled in (source.parent / "__pycache__").glob(f"{source.stem}.*.nb[ci]"):
            own.mkdir(parents=True, exist_ok=True)
            shutil.copy2(compiled, own)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can take rights away")
def test_a_server_writes_nowhere_but_into_its_data_and_what_is_temporary(sqlite_store, tmp_path):
    if any(shutil.which(each) is None for each in ("unshare", "setpriv", "mount")):
        pytest.skip("this machine has nothing to take rights away with")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:  # noqa: S607  as above
        pytest.skip("this machine does not let us take rights away")
    settings, temporary, log = sqlite_store.settings, tmp_path / "temporary", tmp_path / "log"
    key = fill(settings)[Role.SITE]
    sqlite_store.engine.dispose()
    sqlite_store.logbook.close()
    temporary.mkdir()
    warm(temporary / "numba")
    for each in (tmp_path, *tmp_path.rglob("*")):
        os.chown(each, NOBODY, NOBODY)
    environ = {
        "DATA": str(settings.data_dir),
        "TMPDIR": str(temporary),
        "HOME": "/nonexistent",
        "NUMBA_CACHE_DIR": str(temporary / "numba"),
        "MPLCONFIGDIR": str(temporary / "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TACTFUL_DATABASE_URL": settings.database_url,
        "TACTFUL_DATA_DIR": str(settings.data_dir),
        "TACTFUL_PSEUDONYM_KEY": b64encode(settings.pseudonym_key).decode(),
    }
    server = Running(log, environ, before=("unshare", "--mount", "sh", "-ec", READ_ONLY, "sh"))
    try:
        server.wait_for("server:workers:ready")
        answer = httpx.post(
            f"{server.url}/v1/recommendations",
            json={"placement": "home"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert (answer.status_code, server.readiness()["because"]) == (200, [])
        status = Path(f"/proc/{min(server.workers())}/status").read_text()
        told = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
        assert set(told["Uid"].split()) == {str(NOBODY)}
        assert told["NoNewPrivs"] == "1"
        assert "tactful_decisions_total" in server.figures()
        server.process.terminate()
        assert server.process.wait(60) == 0
    finally:
        server.process.kill()
        server.process.wait()
    assert "Read-only file system" not in log.read_text()
