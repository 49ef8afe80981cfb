"""RISE: masks as its authors make them, and an expectation that is known."""

import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai.attributions import rise
from tf_xai.core.score import Score

SHAPES = {1: (20, 1), 2: (12, 18, 1), 3: (6, 8, 10, 1)}


def _masks(shape, samples=300, **options):
    """The masks that RISE uses: what the score sees of an input of ones."""
    seen = []

    def record(x, target):
        seen.append(x.numpy())
        return tf.zeros(len(x))

    rise(record, tf.ones((1, *shape)), samples=samples, **options)
    return np.concatenate(seen)


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_masks(axes, share):
    masks = _masks(SHAPES[axes], share=share, grid=4)
    assert masks.min() >= 0 and masks.max() <= 1
    assert np.any((masks > 0.2) & (masks < 0.8))
    # Every position is visible in its share of the masks: within five standard errors.
    np.testing.assert_allclose(masks.mean(axis=0), np.full(SHAPES[axes], share), atol=5 * 0.5 / np.sqrt(300))


@pytest.mark.parametrize("length", [12, 13])
def test_masks_are_enlarged_and_shifted_as_by_the_authors(length):
    """Their code resizes a grid of `cells` to `(cells + 1) * size` with scikit-image, and crops it at random."""
    transform = pytest.importorskip("skimage.transform")
    size = -(-length // 4)
    corners = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
    enlarged = np.stack([transform.resize(grid.astype(float), [5 * size], order=1, mode="edge") for grid in corners])
    possible = np.concatenate([enlarged[:, shift : shift + length] for shift in range(size)])
    for mask in _masks((length, 1), samples=60, grid=4)[..., 0]:
        assert np.abs(possible - mask).max(axis=1).min() < 1e-5


def test_columns_of_a_table_are_visible_or_not():
    masks = _masks((5,), samples=1000, share=0.25)
    assert set(np.unique(masks)) == {0, 1}
    np.testing.assert_allclose(masks.mean(axis=0), np.full(5, 0.25), atol=5 * np.sqrt(0.25 * 0.75 / 1000))
    np.testing.assert_allclose(np.corrcoef(masks.T), np.eye(5), atol=0.2)


def test_expectation_on_a_linear_score(rng):
    """`a_i = E score | i visible = w_i x_i + share * (the others)`."""
    x, weights, share = rng.normal(size=(3, 5)).astype("float32"), rng.normal(size=5).astype("float32"), 0.4
    values = rise(lambda x, target: tf.linalg.matvec(x, weights), tf.constant(x), samples=20000, share=share)
    own = weights * x
    expected = own + share * (own.sum(axis=1, keepdims=True) - own)
    np.testing.assert_allclose(values, expected, atol=0.05 * np.abs(expected).max())


def test_the_dark_holds_the_baseline():
    masks = _masks((5,))
    blended = []

    def record(x, target):
        blended.append(x.numpy())
        return tf.zeros(len(x))

    rise(record, tf.ones((1, 5)), samples=300, baseline=3.0)
    np.testing.assert_allclose(np.concatenate(blended), masks + 3 * (1 - masks), rtol=1e-6)


def test_a_map_is_brightest_where_the_score_looks(rng):
    x = tf.constant(rng.uniform(0.5, 1, size=(2, 16, 16, 3)), tf.float32)
    score = lambda x, target: tf.reduce_mean(x[:, 2:6, 9:13], [1, 2, 3])
    maps = rise(score, x, samples=1000, grid=4).numpy()
    assert maps.shape == (2, 16, 16, 1)
    for row in maps[..., 0]:
        place = np.unravel_index(row.argmax(), row.shape)
        assert 1 <= place[0] <= 6 and 8 <= place[1] <= 13


def test_every_input_has_its_own_masks(rng):
    model = models.dict_model()
    inputs = {"image": tf.constant(rng.normal(size=(2, 6, 6, 1)), tf.float32), "age": tf.ones((2, 2))}
    values = rise(Score(model), inputs, tf.constant([0, 1]), samples=20)
    assert values["image"].shape == (2, 6, 6, 1) and values["age"].shape == (2, 2)
    seen = []

    def record(x, target):
        seen.append([leaf.numpy() for leaf in x])
        return tf.zeros(len(x[0]))

    rise(record, [tf.ones((1, 20, 1)), tf.ones((1, 1)), tf.ones((1, 1))], samples=1000, grid=4)
    series, *tables = (np.concatenate(masks) for masks in zip(*seen, strict=True))
    # Also the shifts of the first, which say how far its masks are from 0 and 1.
    drawn = np.concatenate([series[..., 0], np.abs(series[..., 0] - 0.5), *tables], axis=1)
    between = np.corrcoef(drawn.T)[:40, 40:], np.corrcoef(*tables, rowvar=False)[0, 1]
    assert max(np.abs(part).max() for part in between) < 5 / np.sqrt(1000)


def test_masks_beside_the_inputs_are_left_alone():
    mask = tf.constant([[True], [False]])
    score = lambda x, target: tf.where(x[1][:, 0], 1.0, 2.0) * tf.reduce_sum(x[0], axis=1)
    table, nothing = rise(score, [tf.ones((2, 3)), mask], samples=50)
    np.testing.assert_allclose(table[1], 2 * table[0], rtol=1e-5)
    np.testing.assert_array_equal(nothing, np.zeros((2, 1)))


def test_what_does_not_fit_is_an_error():
    score = lambda x, target: tf.reduce_sum(x, axis=1)
    for share in (0, 1, -0.5):
        with pytest.raises(ValueError, match="`share` must lie between 0 and 1"):
            rise(score, tf.ones((2, 3)), share=share)
    for option in ("samples", "grid"):
        with pytest.raises(ValueError, match=f"`{option}` must be an integer of at least 1"):
            rise(score, tf.ones((2, 3)), **{option: 0})
    with pytest.raises(TypeError, match="all inputs are integer or boolean"):
        rise(score, tf.ones((2, 3), tf.int32))
