"""A server that was started on a terminal ends when the terminal is closed, and only then takes SIGHUP so."""

from __future__ import annotations

import os
import pty

from teslafast.server.terminal import StartingTerminal


def test_a_pipe_was_never_a_terminal() -> None:
    reading, writing = os.pipe()
    terminal = StartingTerminal(reading)
    os.close(reading)
    os.close(writing)
    assert not terminal.has_gone()


def test_a_terminal_that_is_closed_has_gone() -> None:
    """In a child, which gets the terminal as its own: that is what a shell in a window has."""
    child, master = pty.fork()
    if child == 0:
        import signal

        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        terminal = StartingTerminal()
        before = terminal.has_gone()
        os.write(1, b"ready")
        while not terminal.has_gone():
            signal.sigtimedwait([], 0.01)
        os._exit(1 if before else 0)
    assert os.read(master, 5) == b"ready"
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
