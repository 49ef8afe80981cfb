"""What the neighbourhoods of LIME know of a background."""

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import neighbours


@pytest.mark.parametrize("rows", [32, 1000])
def test_columns_that_do_not_vary_have_the_scale_one(rows, rng):
    """Although the mean of so many equal numbers is not quite that number."""
    columns = np.column_stack([np.full(rows, 0.1), np.full(rows, 123.456), np.zeros(rows), rng.normal(5, 2, rows)])
    centre, scale = neighbours._scales(tf.constant(columns, tf.float32))
    np.testing.assert_allclose(centre, columns.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(scale, [1, 1, 1, columns[:, 3].std()], rtol=1e-4)


def test_rows_of_a_background_may_have_weights(rng):
    columns, weights = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)
    found = neighbours._scales(tf.constant(columns, tf.float32), tf.constant(weights, tf.float32))
    repeated = np.repeat(columns, weights, axis=0)
    np.testing.assert_allclose(found, [repeated.mean(axis=0), repeated.std(axis=0)], rtol=1e-4, atol=1e-6)
