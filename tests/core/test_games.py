"""The game of a row against averages by hand, in whatever chunks."""

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import trees, variants
from tf_xai.core.games import Game
from tf_xai.core.regions import Patches

TARGET = tf.constant([1.0, -2.0])


def product(x, target):
    """A score with interactions of all columns."""
    return tf.reduce_prod(x, axis=1) * target


@pytest.fixture
def x(rng):
    """Two rows of three numbers."""
    return rng.normal(size=(2, 3)).astype("float32")


@pytest.fixture
def background(rng):
    """Five references."""
    return rng.normal(size=(5, 3)).astype("float32")


COALITIONS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]], bool)


def _by_hand(x, references, coalitions):
    mixed = np.where(coalitions[:, None, None], x[:, None], references)  # coalition, row, reference, column
    return mixed.prod(axis=-1).mean(axis=-1) * TARGET.numpy()


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 10, None, variants.ALL])
def test_values_of_coalitions(x, background, chunk):
    values = Game(product, tf.constant(x), TARGET, background=background, chunk=chunk).values(COALITIONS)
    np.testing.assert_allclose(values, _by_hand(x, background, COALITIONS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_without_a_background_absent_players_take_the_baseline(x, chunk):
    values = Game(product, tf.constant(x), TARGET, baseline=2.0, chunk=chunk).values(COALITIONS)
    np.testing.assert_allclose(values, _by_hand(x, np.full((1, 3), 2.0), COALITIONS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_batch_and_background_of_unknown_size(x, background, chunk):
    specs = [tf.TensorSpec([None, 3]), tf.TensorSpec([None, 3]), tf.TensorSpec([None])]

    @tf.function(input_signature=specs, autograph=False)
    def values(x, background, target):
        return Game(product, x, target, background=background, chunk=chunk).values(COALITIONS)

    np.testing.assert_allclose(values(x, background, TARGET), _by_hand(x, background, COALITIONS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("chunk", "rows"), [(1, [2] * 20), (3, [6] * 8), (5, [10] * 4), (10, [20] * 2), (None, [40])])
def test_rows_in_one_pass(x, background, chunk, rows):
    """Whole backgrounds where they fit, otherwise a part of one."""
    seen = []

    def count(x, target):
        seen.append(len(x))
        return product(x, target)

    Game(count, tf.constant(x), TARGET, background=background, chunk=chunk).values(COALITIONS)
    assert seen == rows


def test_the_automatic_chunk_bounds_the_elements_in_one_pass(x, background, monkeypatch):
    monkeypatch.setattr(variants, "ELEMENTS", 20)  # three evaluations of two rows of three columns
    seen = []

    def count(x, target):
        seen.append(len(x))
        return product(x, target)

    Game(count, tf.constant(x), TARGET, background=background).values(COALITIONS)
    assert max(seen) <= 6


def test_nested_inputs_keep_their_masks(rng):
    """A mask and row numbers are those of the explained row, whatever is hidden."""
    image, age = rng.normal(size=(2, 4, 4, 1)).astype("float32"), rng.normal(size=(2, 1)).astype("float32")
    inputs = {"image": image, "age": age, "row": np.array([0, 1], "int32"), "mask": np.array([[True], [False]])}
    others = {"image": 0 * image[:1] + 3, "age": 0 * age[:1] + 5, "row": np.array([7], "int32"), "mask": [[True]]}
    others["mask"] = np.array(others["mask"])
    factors = tf.constant([1.0, 10.0])

    def score(x, target):
        known = tf.gather(factors, x["row"]) * tf.where(x["mask"][:, 0], 2.0, 1.0)
        return known * (tf.reduce_sum(x["image"], [1, 2, 3]) + x["age"][:, 0])

    game = Game(score, trees.tensors(inputs), None, regions=Patches(4), background=others)
    assert game.players.count == 2  # age, image
    values = game.values(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], bool))
    whole, known = image.sum((1, 2, 3)), np.array([2.0, 10.0])
    expected = [np.full(2, 48 + 5), 5 + whole, 48 + age[:, 0], whole + age[:, 0]]
    np.testing.assert_allclose(values, known * expected, rtol=1e-5)


def test_players_that_a_row_lacks_get_nothing():
    inputs = tf.zeros((2, 4))
    game = Game(product, inputs, TARGET, regions=np.array([[0, 0, 1, 2], [0, 0, 0, 1]]))
    shared = game.share(tf.constant([[2.0, 1.0, 3.0], [6.0, 5.0, 4.0]]))
    np.testing.assert_allclose(shared, [[1, 1, 1, 3], [8 / 3, 8 / 3, 8 / 3, 7]], rtol=1e-6)


def test_what_does_not_fit_is_an_error(x, background):
    with pytest.raises(ValueError, match=r"`background` must hold rows.*\(0, 3\)"):
        Game(product, tf.constant(x), TARGET, background=background[:0])
    with pytest.raises(ValueError, match=r"`background` must hold rows of shape \(3,\)"):
        Game(product, tf.constant(x), TARGET, background=background[:, :2])
    with pytest.raises(ValueError, match="`background` must have the structure of `inputs`"):
        Game(product, tf.constant(x), TARGET, background=[background])
    with pytest.raises(TypeError, match=r"all inputs are integer or boolean.*Token ids"):
        Game(product, tf.constant([[1, 2, 3]]), TARGET)
