"""Text from the network, made fit for a terminal."""

from teslafast.text import cut, printable

from tests.support.fake_stream_server import ESCAPES


def test_control_characters_become_question_marks_and_text_is_cut_by_cells() -> None:
    assert printable(ESCAPES) == "?]0;owned??[2J?31m?abc"
    assert cut("日本語", 5) == "日本"
    assert cut("e\u0301e\u0301", 2) == "e\u0301e\u0301"
    assert cut("abc", 0) == ""
