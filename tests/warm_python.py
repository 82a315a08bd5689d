"""A Python whose libraries are loaded: for the many processes that the tests' runs start.

Most of a small run's time goes into starting Snakemake and its jobs, and there into importing what
all of them import. A server imports it once, and forks for each of them. `warm_python` is a program
that stands where ``python`` would: it understands ``-m MODULE`` and ``SCRIPT``. The jobs of a
Snakemake that it runs are started by it too.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from real_images import REPOSITORY

LONGEST_REQUEST = 1 << 20  # bytes
_servers: list[subprocess.Popen] = []
CLIENT = f"""#!{sys.executable} -IS
import json, os, socket, sys

server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect(os.path.dirname(os.path.realpath(__file__)) + "/socket")
request = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
sys.exit(int(server.recv(16) or 1))
"""


def warm_python() -> str:
    """Return the program's path; its server is started, unless it is there."""
    return _started(os.environ.get("PYTHONPATH", ""))


@cache
def _started(path: str) -> str:
    folder = Path(tempfile.mkdtemp(prefix="warm-python-"))
    program = folder / "python"
    program.write_text(CLIENT)
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, str(folder)],
        # As the workflow does it for its jobs.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), path]))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout.readline() == b"ready\n"
    _servers.append(server)
    return str(program)


@atexit.register
def end_servers() -> None:
    """End what was started: what coverage saw there is written then, before it is put together."""
    _started.cache_clear()
    while _servers:
        server = _servers.pop()
        server.stdin.close()
        server.wait()
        shutil.rmtree(Path(server.args[-1]))


def load() -> None:
    """Import what Snakemake, its jobs and the command line import.

    All but onnxruntime, which starts a thread at once: a fork is without it, and waits for it.
    """
    sys.modules["onnxruntime"] = None
    names = ["snakemake.cli", "snakemake.executors.local"]
    for room in ("config", "steps", "report", "runs"):
        package = import_module(f"levelfield.{room}")
        names += [found.name for found in iter_modules(package.__path__, f"{package.__name__}.")]
    for name in sorted({*names} - {"levelfield.steps.train_network"}):  # torch, for a few jobs only
        with suppress(ModuleNotFoundError):
            import_module(name)
    del sys.modules["onnxruntime"]


def serve(folder: Path) -> None:
    """Fork for every request, until stdin is closed; tell the client how its process ended."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    ended, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    clients: dict[int, socket.socket] = {}
    os.write(1, b"ready\n")
    while True:
        ready, _, _ = select.select([0, listener, ended, *clients.values()], [], [])
        if 0 in ready:
            for pid in clients:
                os.kill(pid, signal.SIGTERM)
            return
        for pid, client in clients.items():
            if client in ready:  # it was killed, and its process must not live on
                os.kill(pid, signal.SIGTERM)
        if ended in ready:
            ended.recv(4096)
        _tell_ends(clients)
        if listener in ready:
            client, _ = listener.accept()
            message, files, *_ = socket.recv_fds(client, LONGEST_REQUEST, 3)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for other in (listener, ended, wake, client, *clients.values()):
                    other.close()
                become(json.loads(message), files, str(folder / "python"))
            clients[pid] = client
            for file in files:
                os.close(file)


def _tell_ends(clients: dict[int, socket.socket]) -> None:
    while clients:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with clients.pop(pid) as client:
            code = os.waitstatus_to_exitcode(status)
            with suppress(BrokenPipeError):
                client.send(str(code if code >= 0 else 128 - code).encode())


def become(request: dict, files: list[int], program: str) -> None:
    """Be the process that a client asks for: with its files, folder, environment and arguments."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if "LEVELFIELD_FAULT" in os.environ:  # as Python does when it starts
        runpy.run_path(str(Path(__file__).parent / "faults" / "sitecustomize.py"))
    code: object = 0
    try:
        _run(request["cwd"], program, *request["argv"])
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    # As multiprocessing ends its forks: to take the whole interpreter down costs more than a job.
    threading._shutdown()
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _run(folder: str, program: str, first: str, *rest: str) -> None:
    if first == "-m":
        sys.argv, sys.path[0] = [*rest], folder
        if rest[0] in ("snakemake", "levelfield.cli"):
            sys.executable = program  # by which they start jobs, and Snakemake
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = [first, *rest], str(Path(first).parent)
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    load()
    gc.freeze()  # so that the forks share what is loaded
    serve(Path(sys.argv[1]))
