"""Logs that go on while the tab is open."""

from tests.board import logs
from tests.board.serving import Board, unpacked


def test_what_is_written_meanwhile_is_seen(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    board = Board(tmp_path)
    before = board.index()["runs"]["plain/xai"]["methods"]["gradient"]
    series = {"run": "plain/xai", "method": "gradient"}
    assert unpacked(board.get("series", **series, time=before["time"]))[0]["steps"] == [0]
    logs.write(tmp_path, runs=["plain"], steps=[1])
    board.multiplexer.Reload()
    # The old address gets what there is, but not for long.
    after = board.index()["runs"]["plain/xai"]["methods"]["gradient"]
    assert after["time"] > before["time"]
    assert [step for step, _, _ in after["maps"]] == [0, 1]
    assert unpacked(board.get("series", **series, time=after["time"]))[0]["steps"] == [0, 1]
    stale = board.get("series", **series, time=before["time"])
    assert "no-cache" in stale.headers["Cache-Control"]
    _, time, key = after["maps"][1]
    assert unpacked(board.get("blob", key=key, time=time))[0]["n"] == 6


def test_a_page_that_knows_more_than_the_server_gets_it(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    board, series = Board(tmp_path), {"run": "plain/xai", "method": "gradient"}
    board.index()
    logs.write(tmp_path, runs=["plain"], steps=[1])
    board.multiplexer.Reload()
    newest = Board(tmp_path).index()["runs"]["plain/xai"]["methods"]["gradient"]
    response = board.get("series", **series, time=newest["time"])
    assert unpacked(response)[0]["steps"] == [0, 1]
    assert "max-age" in response.headers["Cache-Control"]


def test_of_a_step_that_was_logged_twice_numbers_are_of_the_maps(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0, 1])
    logs.write(tmp_path, runs=["plain"], steps=[1])
    board = Board(tmp_path)
    method = board.index()["runs"]["plain/xai"]["methods"]["gradient"]
    header, arrays = unpacked(board.get("series", run="plain/xai", method="gradient", time=method["time"]))
    assert header["steps"] == [0, 1]
    for place, (_, time, key) in enumerate(method["maps"]):
        entry = unpacked(board.get("blob", key=key, time=time))[0]["arrays"][0]
        assert list(arrays["numbers"][place, :, logs.COLUMNS.index("scale")]) == entry["scale"]
