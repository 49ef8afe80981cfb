"""Attribution priors: what explanations are to look like, where nobody knows where the reason lies."""

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, places, trees
from tf_xai.losses.contrast import ContrastLoss

KINDS = ("smooth", "sparse", "l1", "graph")

# Differences below float32's resolution of the attributions are none.
RESOLUTION = 1e-6


@keras.saving.register_keras_serializable("tf_xai")
class AttributionPrior(ContrastLoss):
    """Penalises attributions that are rough, spread over many features, or at odds with a graph of the features.

        smooth: mean over neighbours i, j of |a_i - a_j| / (2 std(a))
        sparse: 1 - Gini(m) = 1 - sum_ij |m_i - m_j| / (2 d sum_i m_i),    m = mean over the batch of |a|
        l1:     mean_i |a_i| / sqrt(mean_i a_i^2)
        graph:  sum_ij w_ij (m_i - m_j)^2 / (2 sum_ij w_ij m_i^2)

    All are ratios, so that making attributions smaller earns nothing: 0 is a flat map, few features, neighbours that
    are used alike; 1 neighbours of opposite sign (0.56 is noise), all features alike, only one of two neighbours used,
    and also a model without any attribution.

    "smooth" and "l1" judge every row; "sparse" and "graph" what the batch uses as a whole, so that all its rows have
    the same penalty. "l1" is content with few features in every row, whichever; "sparse" wants few in all rows.

    What is explained is the logit of the true class, or the output of a regression, unless the explainer has a `space`.
    The paper trains with one draw per row, `Explainer("expected_gradients", samples=1)`, which is cheap.

    Args:
        kind: "smooth" (along the spatial axes of images, volumes, series, token ids), "sparse", "l1" or "graph".
        explainer: Name of a method, or an `Explainer`.
        graph: For "graph": weights `(features, features)`, at least 0 and symmetric; the diagonal does not count.
        **common: See `ExplanationLoss`.

    Reference: Erion et al., 2021, https://arxiv.org/abs/1906.10670
    """

    def __init__(self, kind="smooth", explainer="expected_gradients", graph=None, **common):
        super().__init__(explainer, **common)
        checks.choose("kind", kind, dict.fromkeys(KINDS, kind))
        self.kind, self.graph = kind, _checked(graph, kind)

    def call(self, explain, batch):
        values = self.attributions(explain, batch)
        if self.kind == "smooth":
            leaves = self._spatial(values, explain, batch.inputs)
            return tf.add_n([_roughness(leaf) for leaf in leaves]) / len(leaves)
        each = trees.columns(values)
        if self.kind == "l1":
            return _ratio(tf.reduce_mean(tf.abs(each), axis=1), _root_mean_square(each))
        use = tf.reduce_mean(tf.abs(batch.weighted(each)), axis=0)
        of_all = _evenness(use) if self.kind == "sparse" else _disagreement(use, self.graph)
        return tf.fill([tf.shape(each)[0]], of_all)

    def _spatial(self, values, explain, inputs):
        """The leaves with spatial axes, `(batch, *spatial, channels)`."""
        if self.explainer.layer is not None:
            leaves = [values]
        else:
            ids = {site.leaf for site in places.embeddings(explain.score.model, inputs)}
            pairs = enumerate(zip(trees.leaves(values), trees.leaves(inputs), strict=True))
            leaves = [
                value[..., None] if i in ids else value for i, (value, x) in pairs if i in ids or trees.is_float(x)
            ]
        spatial = [leaf for leaf in leaves if leaf.shape.rank > 2]
        if not spatial:
            raise ValueError(
                "`kind='smooth'` needs attributions with spatial axes, `(batch, ..., channels)`. Received shapes: "
                f"{checks.shapes(values)}. Pass `kind='sparse'`, 'l1' or 'graph'."
            )
        return spatial

    def get_config(self):
        own = keras.saving.serialize_keras_object({"kind": self.kind, "graph": self.graph})
        return {**own, **super().get_config()}


def _roughness(leaf):
    """Mean difference of neighbours, by twice the standard deviation."""
    total, pairs = 0.0, 0.0
    for axis in range(1, leaf.shape.rank - 1):
        ends = tf.range(tf.shape(leaf)[axis] - 1)
        step = tf.gather(leaf, ends + 1, axis=axis) - tf.gather(leaf, ends, axis=axis)
        steps = trees.columns(tf.abs(step))
        total += tf.reduce_sum(steps, axis=1)
        pairs += tf.cast(tf.shape(steps)[1], tf.float32)
    each = trees.columns(leaf)
    size, spread = _root_mean_square(each), _root_mean_square(each - tf.reduce_mean(each, axis=1, keepdims=True))
    flat = (size > 0) & (spread <= RESOLUTION * size)
    return tf.where(flat, 0.0, _ratio(tf.math.divide_no_nan(total, pairs), tf.where(flat, 1.0, 2 * spread)))


def _evenness(use):
    """1 less the Gini coefficient, by the ranks of what is sorted."""
    count = tf.cast(tf.size(use), tf.float32)
    rank = 2 * tf.range(1, tf.size(use) + 1) - tf.size(use) - 1
    gini = tf.reduce_sum(tf.cast(rank, tf.float32) * tf.sort(use))
    return 1 - tf.math.divide_no_nan(gini, count * tf.reduce_sum(use))


def _disagreement(use, graph):
    """The Laplacian of the graph, relative: 1 - m W m / m D m, where D has the sums of the rows of W."""
    if use.shape[0] != len(graph):
        raise ValueError(
            f"`graph` must have a row and a column for every feature. Expected: {(use.shape[0],) * 2}. "
            f"Received: {graph.shape}. Pass weights of all features of all inputs, in the order of the leaves."
        )
    alike = tf.reduce_sum(use * tf.linalg.matvec(graph, use))
    return 1 - tf.math.divide_no_nan(alike, tf.reduce_sum(graph.sum(axis=1) * tf.square(use)))


def _ratio(values, size):
    """1 where there is nothing to compare with."""
    return tf.where(size > 0, tf.math.divide_no_nan(values, size), 1.0)


def _root_mean_square(each):
    return trees.length(each, axis=1) / tf.sqrt(tf.cast(tf.shape(each)[1], tf.float32))


def _checked(graph, kind):
    """The weights of a graph, without its diagonal; None where none is wanted."""
    if kind != "graph":
        if graph is not None:
            raise ValueError(f"`graph` is for `kind='graph'`. Received: kind={kind!r}. Leave one of them out.")
        return None
    weights = np.array([] if graph is None else graph, "float32")
    square = weights.ndim == 2 and weights.shape[0] == weights.shape[1]
    if square:
        np.fill_diagonal(weights, 0)  # a feature agrees with itself
    if not (
        square and np.allclose(weights, weights.T) and weights.any() and 0 <= weights.min() <= weights.max() < np.inf
    ):
        raise ValueError(
            "`graph` must hold weights `(features, features)`, symmetric, finite, at least 0 and not all 0 off the "
            "diagonal. Received: "
            f"{checks.in_words(graph)}. Pass for instance `(graph + graph.T) / 2`."
        )
    return weights
