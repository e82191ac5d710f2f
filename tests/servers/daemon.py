"""A server process that a test may pause, kill and start again, all by its process id."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import stop, tail, wait_until


class Daemon:
    """A server that runs in the foreground of a process of its own.

    Attributes:
        name: what it is called in error messages.
        log: the file with what it wrote; a pipe that nobody reads would hang it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        ready: Callable[[], bool],
        attempts: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a server; nothing runs yet.

        Args:
            name: for error messages.
            command: program and arguments.
            log: where its output goes; appended to.
            ready: whether it serves by now; asked again and again while it starts.
            attempts: how often it is started when it ends before it is ready.
            environment: its environment variables; None for those of the test process.
        """
        self.name = name
        self.log = log
        self._command = command
        self._ready = ready
        self._attempts = attempts
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the process that runs, or ran last."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, also again after :meth:`kill`, and wait until it serves; RuntimeError with its log's end if not."""
        for _ in range(self._attempts):
            with self.log.open("ab") as output:
                process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environment
                )
            self._process = process
            try:
                wait_until(lambda: process.poll() is not None or self._ready(), self.name)  # noqa: B023 - asked here only
            except BaseException:
                self.kill()
                raise
            if process.poll() is None:
                return
        raise RuntimeError(f"{self.name} ended with {process.returncode}:\n{tail(self.log)}")

    def kill(self) -> None:
        """End it with SIGKILL, paused or not; harmless when it does not run."""
        if self._process is not None:
            stop(self._process)

    def pause(self) -> None:
        """Stop it with SIGSTOP: its connections stay open, and nothing answers. Returns when it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        os.kill(self.pid, signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Paused inside the block only."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Dead inside the block only; started again at its end."""
        self.kill()
        try:
            yield
        finally:
            self.start()
