"""Keys of a terminal as names, and what the table does with them."""

import asyncio
import codecs
import os
import pty
import signal
import sys
import termios
from pathlib import Path

import pytest
from teslafast.watch.keys import Keys, in_the_foreground
from teslafast.watch.render import View, last_top, render

from tests.support import ROOT
from tests.support.fake_stream_server import HELLO, VIN, FakeStreamServer, data, run, sending
from tests.support.stream_events import board

PROGRAM = "import sys; from teslafast.watch.client import run; run(sys.argv[1])"
COLOUR = "\x1b[32m"


@pytest.mark.parametrize(
    ("received", "names"),
    [
        ([b"q"], ["q"]),
        ([b"\x1b[A\x1b[B"], ["up", "down"]),
        ([b"\x1bOA"], ["up"]),
        ([b"\x1b[5~\x1b[6~ "], ["page-up", "page-down", "page-down"]),
        ([b"\x1b", b"[", b"H"], ["home"]),
        ([b"\x1b[1;5Cq"], ["q"]),
        ([b"\xff\x00q"], ["\ufffd", "\x00", "q"]),
        ([b"\x1b[" + b"1" * 100, b"q"], ["q"]),
    ],
)
def test_bytes_become_names_of_keys_however_they_are_cut(received: list[bytes], names: list[str]) -> None:
    keys = Keys()
    assert [name for part in received for name in keys.feed(part)] == names


def test_what_is_no_terminal_gives_no_keys(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+") as file:
        assert not in_the_foreground(file)
    assert not in_the_foreground(file)  # closed


def test_the_table_scrolls_to_its_last_row_and_says_where_it_is() -> None:
    made = board(*(data(number, f"VIN{number:03}") for number in range(50)))
    most = last_top(made, 12)
    lines = render(made, 100, 80, 12, View(top=most))
    assert [lines[2][:6], lines[-2][:6]] == ["VIN041", "VIN049"]
    assert lines[-1] == "42 to 50 of 50"
    assert render(made, 100, 80, 12, View(top=3, keys=True))[-1].startswith("4 to 12 of 50   arrows")


def test_units_and_colours_are_the_readers() -> None:
    made = board(data(5, VehicleSpeed=50.0, Gear="ShiftStateD"), {"type": "gap", "from": 1, "to": 2})
    metric = render(made, 100, 100, 12, View(metric=True))
    assert "KM/H" in metric[1]
    assert "80.5" in metric[2]
    coloured = render(made, 100, 100, 12, View(colour=True))
    assert coloured[2] == f"{COLOUR}{render(made, 100, 100, 12)[2]}\x1b[0m"
    assert coloured[-1].startswith("\x1b[31mgap")


def test_with_the_time_of_day_a_snapshot_has_an_age_and_a_notice_its_time() -> None:
    made = board()
    made.take({**data(5), "type": "snapshot", "createdAt": "2026-11-26T08:00:00Z"}, 1000.0, 1_795_680_030.0)
    assert render(made, 1000.0, 100, 12)[2].split()[1] == "30s"
    made.take({"type": "gap", "from": 1, "to": 2}, 1000.0, 1_795_680_030.0)
    assert render(made, 1000.0, 100, 12)[-1][2:8:3] == "::"


class Foreground:
    """The program on a terminal that it controls, as a shell would start it."""

    def __init__(self, url: str, **environment: str) -> None:
        self.drawn = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a character may come in two pieces
        self._news = asyncio.Event()
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.environ.update(
                {"PYTHONPATH": str(ROOT), "COLUMNS": "90", "LINES": "8", "TERM": "xterm", "LANG": "C"} | environment
            )
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM, url])  # noqa: S606
        asyncio.get_running_loop().add_reader(self.screen, self._read)

    def _read(self) -> None:
        try:
            self.drawn += self._decoder.decode(os.read(self.screen, 65536))
        except OSError:  # the program has ended
            asyncio.get_running_loop().remove_reader(self.screen)
        self._news.set()

    async def until(self, word: str) -> None:
        while word not in self.drawn:
            self._news.clear()
            await self._news.wait()

    def press(self, keys: str) -> None:
        self.drawn = ""
        os.write(self.screen, keys.encode())

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.screen)[3] & termios.ECHO)

    async def status(self) -> int:
        return os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, self.pid, 0))[1])

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.screen)
        os.close(self.screen)


@pytest.fixture(params=[{}, {"NO_COLOR": "1"}], ids=["colour", "NO_COLOR"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    given: dict[str, str] = request.param
    return given


def test_on_a_terminal_keys_scroll_change_units_and_end_it_and_the_terminal_is_as_before(environment: dict[str, str]) -> None:
    events = [HELLO, *(data(number + 1, f"{VIN[:-2]}{number:02}", VehicleSpeed=50.0, Gear="ShiftStateD") for number in range(30))]

    async def test() -> tuple[int, bool]:
        async with FakeStreamServer([sending(*events)]).listening() as server:
            terminal = Foreground(server.url, **environment)
            try:
                await terminal.until("and 26 more")
                assert (COLOUR in terminal.drawn) is not bool(environment)
                assert not terminal.echoes
                terminal.press("\x1b[F")
                await terminal.until("27 to 30 of 30")
                terminal.press("\x1b[H\x1b[B")
                await terminal.until("2 to 5 of 30")
                terminal.press("u")
                await terminal.until("KM/H")
                terminal.press("x\x1b[3~q")
                return await terminal.status(), terminal.echoes
            finally:
                terminal.close()

    assert run(test()) == (0, True)


def test_a_signal_leaves_the_terminal_as_it_was() -> None:
    async def test() -> tuple[int, bool]:
        async with FakeStreamServer([sending(HELLO, data(5))]).listening() as server:
            terminal = Foreground(server.url)
            try:
                await terminal.until(VIN)
                os.kill(terminal.pid, signal.SIGTERM)
                return await terminal.status(), terminal.echoes
            finally:
                terminal.close()

    assert run(test()) == (0, True)
