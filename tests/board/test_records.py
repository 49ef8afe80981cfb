"""Files of records are read in the order in which they were begun."""

from tf_xai.board import records


def test_a_second_file_has_a_later_name(tmp_path):
    """Else ".100." of the same second would be read before ".99.", and TensorBoard would pass it over."""
    for _ in range(2):
        records.writer(str(tmp_path)).close()
    first, second = sorted(int(path.name.split(".")[3]) for path in tmp_path.iterdir())
    assert second > first


def test_a_directory_need_not_be_there(tmp_path):
    records.writer(str(tmp_path / "a" / "b")).close()
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1
