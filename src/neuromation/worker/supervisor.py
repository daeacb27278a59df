"""`neuromation serve`: brings up the database, then keeps one API and one worker process running until told to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from neuromation import wiring
from neuromation.kernel.errors import Conflict

log = structlog.get_logger()

RESTARTS_MAX = 50  # of one child in a row within a minute each; then something is wrong that restarting does not cure
RESTART_WAIT_S = 0.3


@dataclass
class _Child:
    """A process that is started again when it ends by itself."""

    name: str
    command: list[str]
    environment: dict[str, str]
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def ensure(self) -> None:
        """Start it unless it runs."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            log.warning("a process ended; starting it again", name=self.name, code=self.process.returncode)
        if self.starts > RESTARTS_MAX:
            raise Conflict(f"the {self.name} process ends again and again; its last messages above say why")
        self.starts += 1
        self.process = subprocess.Popen(self.command, env=self.environment, pass_fds=self.pass_fds)

    def stop(self) -> None:
        """End it, gently first."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(
    data_dir: Path | None, *, host: str, port: int, on_ready: Callable[[str], None], stop: threading.Event | None = None
) -> None:
    """Run the platform in the foreground.

    Args:
        data_dir: where the embedded database, the blobs and the secrets live; None: the default of `Settings`.
        host, port: where the API listens; port 0 takes a free one.
        on_ready: called with the address once requests are accepted.
        stop: set it to end; SIGTERM and SIGINT do so too.

    Raises:
        Conflict: the port is taken, or a process cannot stay up.
    """
    done = stop or threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    settings = wiring.Settings.from_env(data_dir)
    url = settings.database_url or wiring.embedded_database(settings.data_dir)
    engine = wiring.connect(url)
    wiring.migrate(engine)
    engine.dispose()
    wiring.bootstrap(wiring.build(settings, database_url=url), settings)
    with _bound(host, port) as listener:
        address = f"http://{host}:{listener.getsockname()[1]}"
        environment = {**os.environ, "NEUROMATION_HOME": str(settings.data_dir), "NEUROMATION_DATABASE_URL": url}
        fd = listener.fileno()
        children = [
            _Child("api", [sys.executable, "-m", "neuromation.api", "--fd", str(fd)], environment, (fd,)),
            _Child("worker", [sys.executable, "-m", "neuromation.worker"], environment),
        ]
        try:
            _watch(children, address, done, on_ready)
        finally:
            for child in children:
                child.stop()


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port, or 0 for a free one"
        ) from error
    # The parent holds the socket, so that requests wait while an API process is started again.
    listener.listen(512)
    listener.set_inheritable(True)
    return listener


def _watch(children: list[_Child], address: str, done: threading.Event, on_ready: Callable[[str], None]) -> None:
    told = False
    while not done.is_set():
        for child in children:
            child.ensure()
        if not told and _answers(address):
            told = True
            on_ready(address)
        done.wait(RESTART_WAIT_S)


def _answers(address: str) -> bool:
    import httpx2

    try:
        return httpx2.get(f"{address}/healthz", timeout=5.0).status_code == 200
    except httpx2.HTTPError:
        return False
