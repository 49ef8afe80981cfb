"""Regions: who plays, for inputs of every kind, and what is said when they do not fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import regions

TABLE, SERIES, IMAGE = (2, 5), (2, 20, 3), (2, 16, 8, 3)
SPECTROGRAM, VIDEO, VOLUME = (2, 20, 12, 1), (2, 6, 4, 4, 3), (2, 8, 8, 8, 1)


@pytest.mark.parametrize(
    ("choice", "shape", "count", "axes"),
    [
        (None, TABLE, 5, {1}),
        (None, SERIES, 16, {1}),
        (None, IMAGE, 64, {1, 2}),
        (None, VOLUME, 64, {1, 2, 3}),
        ("features", IMAGE, 16 * 8 * 3, {1, 2, 3}),
        ("columns", TABLE, 5, {1}),
        ("columns", SERIES, 3, {2}),
        ("tokens", SERIES, 20, {1}),
        ("patches", IMAGE, 64, {1, 2}),
        (regions.Patches(4), IMAGE, 8, {1, 2}),
        (regions.Patches(3), TABLE, 2, {1}),
        ("windows", SERIES, 10, {1}),
        (regions.Windows(7), SERIES, 3, {1}),
        ("bands", SPECTROGRAM, 8, {2}),
        (regions.Bands(3), SPECTROGRAM, 3, {2}),
        ("frames", VIDEO, 6, {1}),
        (regions.Frames(4), VIDEO, 2, {1}),
    ],
)
def test_players_of_a_name(choice, shape, count, axes):
    players = regions.resolve(choice, tf.zeros(shape))
    (labels,) = players.labels
    assert players.count == count
    assert sorted(np.unique(labels)) == list(range(count))
    # Labels change along these axes only, and are alike for all rows.
    assert {axis for axis, length in enumerate(labels.shape) if length > 1} == axes
    assert all(length in (1, whole) for length, whole in zip(labels.shape, shape, strict=True))


def test_cells_are_rectangles_of_equal_size():
    (labels,) = regions.resolve("cells", tf.zeros(IMAGE)).labels
    np.testing.assert_array_equal(labels[0, :, :, 0], np.arange(16)[:, None] // 2 * 8 + np.arange(8))


def test_patches_need_not_divide_the_image():
    (labels,) = regions.resolve(regions.Patches(5), tf.zeros(IMAGE)).labels
    np.testing.assert_array_equal(labels[0, :, :, 0], np.arange(16)[:, None] // 5 * 2 + np.arange(8) // 5)


def test_groups_of_columns():
    players = regions.resolve([[0, 3], [1], [2, 4]], tf.zeros(TABLE))
    np.testing.assert_array_equal(players.labels[0], [[0, 1, 2, 0, 2]])
    channels = regions.resolve([[0, 2], [1]], tf.zeros(SERIES))
    assert channels.count == 2 and channels.labels[0].shape == (1, 1, 3)


@pytest.mark.parametrize("per_row", [False, True])
def test_labels_of_the_callers(rng, per_row):
    labels = rng.choice([3, 7, 100], size=(2, 16, 8, 1) if per_row else (16, 8, 1))
    players = regions.resolve(labels, tf.zeros(IMAGE))
    assert players.count == 3
    found = np.asarray(players.labels[0])
    assert found.shape == ((2, 16, 8, 1) if per_row else (1, 16, 8, 1))
    np.testing.assert_array_equal(np.array([3, 7, 100])[found], labels if per_row else labels[None])
    as_floats = regions.resolve(tf.constant(labels, tf.float32), tf.zeros(IMAGE))
    np.testing.assert_array_equal(as_floats.labels[0], found)


def test_segments_follow_the_picture_and_are_a_rows_own(rng):
    image = np.zeros((2, 16, 16, 1), "float32")
    image[0, :, :5], image[1, :5] = 1, 1
    inputs = tf.constant(image + rng.normal(size=image.shape) * 0.01, tf.float32)
    for run in (regions.resolve, tf.function(regions.resolve, autograph=False)):
        players = run(regions.Segments(count=8), inputs)
        labels = np.asarray(players.labels[0])
        assert labels.shape == (2, 16, 16, 1)
        for row in (0, 1):
            dark, bright = (set(labels[row][image[row] == side]) for side in (0, 1))
            assert dark and bright and not dark & bright


def test_segments_are_at_most_as_many_as_asked_for(rng):
    inputs = tf.constant(rng.normal(size=(2, 20, 20, 3)), tf.float32)
    for count in (1, 5, 17):
        players = regions.resolve(regions.Segments(count), inputs)
        assert players.count == count and np.max(players.labels[0]) < count


def test_nested_inputs():
    inputs = {"b": tf.zeros(IMAGE), "a": tf.zeros(TABLE), "mask": tf.zeros((2,), tf.int32)}
    players = regions.resolve({"b": regions.Patches(8), "a": [[0, 1], [2, 3, 4]], "mask": None}, inputs)
    assert players.count == 2 + 2
    assert [None if labels is None else sorted(np.unique(labels)) for labels in players.labels] == [
        [0, 1],
        [2, 3],
        None,
    ]
    everywhere = regions.resolve("columns", inputs)
    assert everywhere.count == 5 + 3


def test_values_are_shared_equally_among_features(rng):
    inputs = [tf.zeros((2, 2, 2, 3)), tf.zeros((2, 3)), tf.zeros((2, 4), tf.bool)]
    labels = np.array([[[[0], [0]], [[1], [0]]], [[[1], [1]], [[1], [1]]]])
    players = regions.resolve([labels, [[0, 2], [1]], None], inputs)
    np.testing.assert_array_equal(regions.sizes(players, inputs), [[9, 3, 2, 1], [0, 12, 2, 1]])
    values = rng.normal(size=(2, 4)).astype("float32")
    image, table, mask = regions.share(tf.constant(values), players, inputs)
    assert image.shape == (2, 2, 2, 3) and not np.any(mask)
    np.testing.assert_allclose(image[0, 1, 0], np.full(3, values[0, 1] / 3), rtol=1e-6)
    np.testing.assert_allclose(image[0, 0, 0], np.full(3, values[0, 0] / 9), rtol=1e-6)
    np.testing.assert_allclose(image[1], np.full((2, 2, 3), values[1, 1] / 12), rtol=1e-6)
    np.testing.assert_allclose(table, values[:, [2, 3, 2]] / np.array([2, 1, 2]), rtol=1e-6)


@pytest.mark.parametrize(
    ("choice", "shape", "message"),
    [
        ("patch", IMAGE, r"Unknown `regions`.*Did you mean 'patches'"),
        (np.zeros((16, 8), int), IMAGE, r"in the shape of a row, \(16, 8, 3\).*Received: \(16, 8\)"),
        (np.zeros((3, 16, 8, 1), int), IMAGE, "or of the inputs"),
        (3, TABLE, "labels in the shape of a row"),
        (np.full((5,), -1), TABLE, "must cover the input.*5 are negative"),
        (np.full((5,), 0.5), TABLE, "must hold integer labels"),
        (np.full((5,), np.nan), TABLE, "must hold integer labels"),
        ([[0, 1], [2, 3]], TABLE, "must cover the input: groups that name every column from 0 to 4 once"),
        ([[0, 1, 2], [2, 3, 4]], TABLE, "name every column from 0 to 4 once"),
        ([0, [1, 2, 3, 4]], TABLE, "name every column from 0 to 4 once"),
        ("bands", SERIES, "asks for axis 2"),
        ("segments", SERIES, "needs images"),
        ({"x": "cells"}, TABLE, "must hold integer labels"),
    ],
)
def test_regions_that_do_not_fit_are_an_error(choice, shape, message):
    with pytest.raises(ValueError, match=message):
        regions.resolve(choice, tf.zeros(shape))


@pytest.mark.parametrize("choice", [{"image": "cells"}, np.zeros(3, int), ["cells", "cells"]])
def test_a_nest_must_have_the_structure_of_the_inputs(choice):
    inputs = {"image": tf.zeros(IMAGE), "age": tf.zeros(TABLE)}
    with pytest.raises(ValueError, match=r"must have the structure of `inputs`. Expected keys \['age', 'image'\]"):
        regions.resolve(choice, inputs)


def test_rows_of_unknown_length_are_an_error():
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])], autograph=False)
    def players(x):
        return regions.resolve("cells", x).count

    with pytest.raises(ValueError, match="needs inputs of known shape"):
        players(tf.zeros(SERIES))


@pytest.mark.parametrize(
    "choice", [regions.Patches(3), regions.Windows(2), regions.Frames(2), regions.Bands(5), regions.Segments(9, 0.5)]
)
def test_choices_are_saved_and_compare_by_their_values(choice):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(choice))
    assert again == choice and hash(again) == hash(choice) and type(again) is type(choice)
    assert choice.name == repr(choice)


def test_lengths_are_positive():
    with pytest.raises(ValueError, match="`size` must be an integer of at least 1"):
        regions.Patches(0)
