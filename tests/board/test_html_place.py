"""Where the page goes."""

import re

import pytest

import tf_xai as xai
from tests.board import logs
from tf_xai.board import html


@pytest.mark.parametrize("name", ["none/board.html", "plain"])
def test_where_the_page_cannot_go_is_said_before_all_is_read(tmp_path, monkeypatch, name):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    monkeypatch.setattr(html, "read", pytest.fail)
    with pytest.raises(ValueError, match=re.escape(f"Received: {str(tmp_path / name)!r}, ")):
        xai.board.to_html(tmp_path, tmp_path / name)


def test_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    logs.write(tmp_path / "logs", runs=["plain"], steps=[0])
    assert xai.board.to_html("~/logs", "~/board.html") == tmp_path / "board.html"
    assert "<title>XAI: logs</title>" in (tmp_path / "board.html").read_text("utf-8")


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    logs.write(tmp_path / "logs", runs=["plain"], steps=[0])
    (tmp_path / "board.html").write_text("old")

    def fail(path, text, **options):
        path.touch()
        raise OSError("no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space left"):
        patched.setattr("pathlib.Path.write_text", fail)
        xai.board.to_html(tmp_path / "logs", tmp_path / "board.html")
    assert (tmp_path / "board.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board.html", "logs"]
