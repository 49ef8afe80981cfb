"""Event files: which there are, whether they are whole, and of which epochs."""

import os

import tensorflow as tf

from tests.board import logs
from tf_xai.board import files


def test_links_from_every_run_to_all_others(tmp_path):
    names = [f"run{place}" for place in range(6)]
    for name in names:
        (tmp_path / name / "xai").mkdir(parents=True)
        for other in names:
            if other != name:
                (tmp_path / name / other).symlink_to(tmp_path / other)
    found = set(files.folders(tmp_path))
    pairs = {f"{name}/{other}/xai" for name in names for other in names if other != name}
    assert pairs | {f"{name}/xai" for name in names} <= found
    assert len(found) <= 6 + 6 * 5 + 6  # in all orders of some of them it would be 1956


def test_two_links_to_the_same_run(tmp_path):
    (tmp_path / "there" / "xai").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    for name in ("best", "newest"):
        (tmp_path / "logs" / name).symlink_to(tmp_path / "there")
    assert list(files.folders(tmp_path / "logs")) == ["best/xai", "newest/xai"]


def test_two_links_to_one_another(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name / "xai").mkdir(parents=True)
        (tmp_path / name / "to").symlink_to(tmp_path / other)
    assert list(files.folders(tmp_path)) == ["a/to/xai", "a/xai", "b/to/xai", "b/xai"]


def test_a_file_that_grows_is_whole_again(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    folder, checked = tmp_path / "plain" / "xai", files.Checked()
    (file,) = files.events(folder)
    whole = file.read_bytes()
    assert list(checked.problems(folder)) == []
    # Cut within a length, a checksum, the data of a record, and anywhere.
    for kept in (5, 10, 30, len(whole) - 1):
        file.write_bytes(whole[:kept])
        (problem,) = checked.problems(folder)
        assert file.name in problem
        assert list(files.Checked().problems(folder)) == [problem]
    with file.open("ab") as end:
        end.write(whole[-1:])
    assert list(checked.problems(folder)) == []
    file.write_bytes(b"")
    assert list(checked.problems(folder)) == []


def test_only_what_is_new_in_a_file_is_read(tmp_path, monkeypatch):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    folder, checked, starts = tmp_path / "plain" / "xai", files.Checked(), []
    (file,) = files.events(folder)
    whole, scan = file.read_bytes(), files._scan
    monkeypatch.setattr(files, "_scan", lambda path, at, size: starts.append(at) or scan(path, at, size))
    file.write_bytes(whole[:-1])
    for _ in range(2):
        assert len(list(checked.problems(folder))) == 1
    with file.open("ab") as end:
        end.write(whole[-1:])
    os.utime(file, ns=(0, 0))
    assert list(checked.problems(folder)) == []
    assert starts[0] == 0
    assert 0 < starts[1] < len(whole)
    assert len(starts) == 2


def test_epochs_of_a_file(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[127, 128, 70_000, 2**40])
    (file,) = files.events(tmp_path / "plain" / "xai")
    checked, whole = files.Checked(), file.read_bytes()
    assert checked._whole(file) == (len(whole), (127, 2**40))
    # What is new is added to what was there.
    file.write_bytes(whole[: len(whole) // 2])
    first, last = checked._whole(file)[1]
    assert first == 127 < last < 2**40
    with file.open("ab") as end:
        end.write(whole[len(whole) // 2 :])
    assert checked._whole(file) == (len(whole), (127, 2**40))


def test_a_file_without_values_has_no_epochs(tmp_path):
    tf.summary.create_file_writer(str(tmp_path / "plain" / "xai")).close()
    (file,) = files.events(tmp_path / "plain" / "xai")
    assert files.Checked()._whole(file) == (file.stat().st_size, None)
