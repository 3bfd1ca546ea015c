"""The live table, drawn in place: through a real pseudo-terminal, and as the characters that it writes."""

import asyncio
import codecs
import os
import pty
import re
import signal
import subprocess
import sys
from functools import partial

import pytest
from teslafast.errors import Misconfigured
from teslafast.watch.client import watch
from teslafast.watch.display import Table

from tests.support import ROOT
from tests.support.fake_stream_server import ESCAPES, HELLO, VIN, FakeStreamServer, Output, data, run, sending
from tests.support.peers import PATIENCE_S

PROGRAM = "import sys; from teslafast.watch.client import run; run(sys.argv[1])"


class Terminal:
    """A pseudo-terminal of 90 columns and 10 lines with the program on it; `drawn` is all that came out so far."""

    def __init__(self, url: str) -> None:
        self.drawn = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a character may come in two pieces
        self._screen, theirs = pty.openpty()
        self._news = asyncio.Event()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "90", "LINES": "10"}
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        asyncio.get_running_loop().add_reader(self._screen, self._read)

    def _read(self) -> None:
        try:
            self.drawn += self._decoder.decode(os.read(self._screen, 65536))
        except OSError:  # the program has closed its side
            asyncio.get_running_loop().remove_reader(self._screen)
        self._news.set()

    async def until(self, word: str) -> str:
        while word not in self.drawn:
            self._news.clear()
            await self._news.wait()
        return self.drawn

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        asyncio.get_running_loop().remove_reader(self._screen)
        os.close(self._screen)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_the_table_is_drawn_in_place_and_stays_after_a_signal(ending: signal.Signals) -> None:
    events = [HELLO, {**data(5, Soc=80.25, Gear="ShiftStateD"), "type": "snapshot"}, data(6, Soc=79.75)]

    async def test() -> tuple[str, int]:
        async with FakeStreamServer([sending(*events, data(7, Gear="ShiftState" + ESCAPES))]).listening() as server:
            terminal = Terminal(server.url)
            try:
                await terminal.until("events 2")
                terminal.process.send_signal(ending)
                code = await terminal.ended()
                return await terminal.until("\x1b[?25h"), code
            finally:
                terminal.close()

    drawn, code = run(test())
    assert code == 0
    assert drawn.startswith("\x1b[?25l\x1b[2Kws://")
    assert drawn.endswith("\x1b[J\x1b[?25h")
    screen = on_screen(drawn)
    assert screen[0].endswith("connected  vehicles 1  events 2  seq 7")
    assert screen[2].startswith(VIN)
    assert "79.8" in screen[2]
    assert not {"\x07", "\x9b", "\u202e"} & set(drawn)
    assert "\x1b]" not in drawn


def on_screen(drawn: str) -> list[str]:
    """The lines that a terminal shows after these characters, as far as the table uses any: a terminal in ten lines."""
    lines, row = [""], 0
    for part in re.split("(\x1b\\[[?0-9;]*[A-Za-z]|\r?\n)", drawn):
        if part.endswith("\n"):
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("F") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part in ("\x1b[2K", "\x1b[J"):
            lines[row:] = ["", *(lines[row + 1 :] if part == "\x1b[2K" else [])]
        elif part == "\x1b[H\x1b[2J" or part.endswith("H"):
            lines, row = [""], 0
        elif not part.startswith("\x1b"):
            lines[row] += part
    return lines


def longer_than(length: int, text: str) -> bool:
    return len(text) > length


def test_a_table_that_shrinks_leaves_nothing_of_the_last_one_and_nothing_above_it_changes() -> None:
    sizes = iter([os.terminal_size((80, 12))] * 2 + [os.terminal_size((80, 6))] + [os.terminal_size((30, 6))] * 100)

    async def test() -> list[list[str]]:
        out, screens = Output(terminal=True), []
        table = Table(out, "title", lambda: next(sizes))
        drawing = asyncio.create_task(table.run())
        for number in range(4):
            for vehicle in range(8):
                table.show("", data(number * 8 + vehicle, f"VIN{vehicle}"))
            table.flush()
            await out.until(partial(longer_than, len(out.getvalue())))
            screens.append(on_screen("what was there\n" + out.getvalue()))
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        return screens

    screens = run(test())
    assert [len(screen) for screen in screens] == [12, 12, 7, 6]
    assert [screen[0] for screen in screens] == ["what was there"] * 3 + [screens[3][0]]
    assert screens[3][0].startswith("title")
    assert screens[2][-2].startswith("... and")
    assert all(len(line) <= 30 for line in screens[3])


@pytest.mark.parametrize("url", ["ws://localhost:1", "ftp://x"])
def test_after_a_refusal_the_cursor_is_visible_again(url: str) -> None:
    out = Output(terminal=True)
    with pytest.raises(Misconfigured):
        run(watch(url, out=out))
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h")
