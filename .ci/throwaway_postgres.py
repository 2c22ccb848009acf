"""A temporary Postgres from this machine's binaries, in a scratch folder, on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path


def programs():
    """The folder of PostgreSQL's binaries including psql; None if they are not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path(folder) for folder in os.environ["PATH"].split(":")]
    complete = (folder for folder in folders if all((folder / name).exists() for name in ("initdb", "pg_ctl", "psql")))
    return next(complete, None)


class Postgres:
    """A context manager. Connections need no password; the superuser is `postgres`."""

    def __init__(self):
        self.programs = programs()
        self.folder, self.port = None, None

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="prism-postgres-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.run("initdb", "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()
        return self

    def start(self):
        """Starts the server, again after it was stopped."""
        settings = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-o", settings, "-l", str(self.folder / "log"), "-w", "start")

    def __exit__(self, *_):
        try:
            self.run("pg_ctl", "-m", "immediate", "-w", "stop")
        finally:
            shutil.rmtree(self.folder)

    def environment(self):
        """libpq's environment variables, for the superuser."""
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres"}

    def run(self, program, *arguments):
        # Postgres refuses root.
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        command = [self.programs / program, "-D", self.folder / "data", *arguments]
        # A file and not a pipe: the server inherits it and keeps it open, so reading a pipe to its end would block.
        with open(self.folder / "output", "a+", encoding="utf-8") as output:
            done = subprocess.run(command, cwd=self.folder, stdout=output, stderr=output, check=False, **user)
            output.seek(0)
            if done.returncode:
                raise SystemExit(f"{program}: exit {done.returncode}\n{output.read()}")
