"""Decision trees as local surrogates: scikit-learn's, on the CPU."""

import numpy as np
import tensorflow as tf

# Deep enough for interactions, small enough to read.
DEPTH = 4


def fit(moves, weights, values, kept):
    """A regression tree for every row: what the splits on the way to the row add up to, and R2.

    Args:
        moves: `(batch or 1, samples, players)`, zero at the row itself.
        weights: `(batch or 1, samples)`.
        values: `(samples, batch)`, less their value at the row itself.
        kept: `(batch, players)`, ones for the players that take part and zeros for the others.

    Returns: `(batch, players)` and `(batch,)`.
    """
    # The row itself takes part with weight one.
    first = lambda axis, rank: [[int(i == axis), 0] for i in range(rank)]
    moves, values = tf.pad(moves, first(1, 3)), tf.pad(values, first(0, 2))
    weights = tf.pad(weights, first(1, 2), constant_values=1.0)
    contributions, r2 = tf.numpy_function(_fit, [moves, weights, values, kept], [tf.float32, tf.float32])
    return tf.ensure_shape(contributions, kept.shape), tf.ensure_shape(r2, kept.shape[:1])


def _fit(moves, weights, values, kept):
    from sklearn.tree import DecisionTreeRegressor

    contributions, r2 = np.zeros_like(kept), np.zeros(len(kept), "float32")
    for row, players in enumerate(kept.astype(bool)):
        seen, weight = moves[row % len(moves)][:, players], weights[row % len(weights)]
        tree = DecisionTreeRegressor(max_depth=DEPTH, random_state=0).fit(seen, values[:, row], weight)
        contributions[row, players] = _path(tree.tree_, np.zeros(seen.shape[1]))
        r2[row] = tree.score(seen, values[:, row], weight)
    return contributions, r2


def _path(tree, point):
    """What every split on the way of a point to its leaf adds to the prediction, by the feature of the split."""
    contributions, node = np.zeros(len(point), "float32"), 0
    while tree.children_left[node] != tree.children_right[node]:
        feature = tree.feature[node]
        children = tree.children_left if point[feature] <= tree.threshold[node] else tree.children_right
        contributions[feature] += tree.value[children[node]].item() - tree.value[node].item()
        node = children[node]
    return contributions
