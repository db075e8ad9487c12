"""A PostgreSQL server that the tests start and end, with its own data folder and port.

Owns: finding the programs, a data folder for each server, a user that is not root (PostgreSQL refuses root), starting,
killing, standbys.
Must not: use a server that is already running, or skip tests: without the programs they fail with the command that
installs them.
"""

from __future__ import annotations

import atexit
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import pwd

ADMIN = "postgres"
_INSTALL = "PostgreSQL is needed for these tests: apt-get install -y --no-install-recommends postgresql"
_ATTEMPTS = 3  # to start: another process may take the free port before the server does
_MEMORY = "/dev/shm"
_numbers = itertools.count(1)
_kept = ExitStack()
atexit.register(_kept.close)


class Server:
    """One server. ``settings`` are those of postgresql.conf; roles log in without a password (``trust``)."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.data = folder, folder / "data"
        self.port = 0
        self.settings = dict(settings or {})
        self._user = _unprivileged()

    def initialise(self) -> None:
        """Copy the data folder that ``initdb`` made once for this process."""
        self._run("cp", "-R", str(_template()), str(self.data))

    def initialise_alone(self) -> None:
        """Make the data folder by ``initdb``, which takes ten times as long as a copy."""
        self._run("initdb", "-D", str(self.data), "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start, and return when the server accepts connections."""
        for _ in range(_ATTEMPTS):
            self.port = self.port or _free_port()
            options = {
                "port": str(self.port),
                "listen_addresses": "127.0.0.1",
                "unix_socket_directories": str(self.folder),
                "fsync": "off",
                "dynamic_shared_memory_type": "mmap",  # in the data folder: a killed server leaves nothing behind it
                **self.settings,
            }
            words = " ".join(f"-c {name}={value}" for name, value in options.items())
            log = ("-l", str(self.folder / "log"))
            ran = self._try("pg_ctl", "-D", str(self.data), "-w", "-t", "60", *log, "-o", words, "start")
            if ran.returncode == 0:
                return
            self.port = 0
        pytest.fail(f"PostgreSQL did not start:\n{ran.stderr}\n{(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """End the server at once, with all its connections. Safe to repeat."""
        if (self.data / "postmaster.pid").exists():
            self._try("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """Kill all processes of the server, like a power failure."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        family = [postmaster, *_children(postmaster)]
        for process in family:
            os.kill(process, signal.SIGKILL)
        (self.data / "postmaster.pid").unlink()

    def promote(self) -> None:
        """Make a standby a primary."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def standby(self, folder: Path, name: str) -> Server:
        """Return a standby of this server, not yet started."""
        other = Server(folder, settings={**self.settings, "cluster_name": name})
        prepared(folder)
        primary = ("-h", "127.0.0.1", "-p", str(self.port), "-U", ADMIN)
        self._run("pg_basebackup", *primary, "-D", str(other.data), "-R", "-X", "stream", "-c", "fast", "--no-sync")
        return other

    def url(self, database: str = "postgres", role: str = ADMIN, **options: str) -> str:
        """Return the URL of a database for a role, over TCP."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}" + (f"?{query}" if query else "")

    def sql(self, text: str, *, database: str = "postgres", role: str = ADMIN) -> list[tuple[object, ...]]:
        """Carry out statements of a test, and return the rows of the last one that has any."""
        import psycopg  # here: a test without a server needs no driver

        with psycopg.connect(self.url(database, role), autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            rows: list[tuple[object, ...]] = []
            while True:
                rows = cursor.fetchall() if cursor.description else rows
                if not cursor.nextset():
                    return rows

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database for one test, and drop it."""
        name = f"test_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name} STRATEGY file_copy")
        try:
            yield name
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def temporary_role(self, words: str = "LOGIN") -> Iterator[str]:
        """Create a role for one test, and drop it with its privileges."""
        name = f"role_{next(_numbers)}_{secrets.token_hex(3)}"
        self.sql(f"CREATE ROLE {name} {words}")
        try:
            yield name
        finally:
            self.drop_role(name)

    def drop_role(self, name: str) -> None:
        """Drop a role and its privileges in every database."""
        quoted = '"' + name.replace('"', '""') + '"'
        for (database,) in self.sql("SELECT datname FROM pg_database WHERE datallowconn"):
            self.sql(f"DROP OWNED BY {quoted} CASCADE", database=str(database))
        self.sql(f"DROP ROLE {quoted}")

    def _run(self, program: str, *arguments: str) -> None:
        ran = self._try(program, *arguments)
        assert ran.returncode == 0, ran.stderr

    def _try(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # The output goes to a file: the server would keep a pipe open, and reading it would never end.
        with tempfile.TemporaryFile("w+") as output:
            ran = subprocess.run(
                [find(program), *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True, check=False,
                cwd="/", env={"HOME": str(self.folder), "PATH": os.environ["PATH"], "LC_ALL": "C"},
                user=self._user and self._user.pw_uid, group=self._user and self._user.pw_gid,
                extra_groups=[] if self._user else None,
            )  # fmt: skip
            output.seek(0)
            return subprocess.CompletedProcess(ran.args, ran.returncode, "", output.read())


def find(program: str) -> str:
    """Return the path of one of PostgreSQL's programs: the newest in Debian's folders, else the one in the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which(program, path=os.pathsep.join([*map(str, versions), os.environ.get("PATH", "")]))
    if found is None:
        pytest.fail(f"{program} was not found. {_INSTALL}")
    return found


def prepared(folder: Path) -> None:
    """Make a folder that the server's user may use."""
    folder.mkdir(parents=True, exist_ok=True)
    user = _unprivileged()
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a temporary folder that other users can enter, with a short path: a Unix socket's may have 107 bytes.

    It is in memory if the system has a folder there.
    """
    with tempfile.TemporaryDirectory(prefix="kjk-pg-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as name:
        os.chmod(name, 0o711)
        yield Path(name)


@cache
def _template() -> Path:
    folder = _kept.enter_context(temporary_folder()) / "template"
    prepared(folder)
    server = Server(folder)
    server.initialise_alone()
    return server.data


@contextmanager
def running(*, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a new server, yield it, and end it."""
    with temporary_folder() as folder, running_in(folder, settings=settings) as server:
        yield server


@contextmanager
def running_in(folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a new server with its data in a folder, yield it, and end it."""
    prepared(folder / "primary")
    server = Server(folder / "primary", settings=settings)
    server.initialise()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Return the server that the tests share."""
    with running() as server:
        yield server


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """Return the name of an empty database."""
    with postgres.database() as name:
        yield name


def _unprivileged() -> pwd.struct_passwd | None:
    """Return the user as whom root runs the server; None if the tests do not run as root."""
    import pwd  # here: Windows has no such module, and the tests without a server run there

    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(process: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == process:
                found.append(int(folder.name))
    return found
