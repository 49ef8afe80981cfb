"""Places: where a model is explained, if not at its inputs. At the embeddings of token ids, or at a layer."""

from functools import partial
from typing import ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import baselines, checks, regions, trees
from tf_xai.core.capture import calls, find_layer
from tf_xai.core.rules import Way


class Site(NamedTuple):
    """A call of a layer, by its number; `leaf` is the position, among the inputs, of the ids that it looks up."""

    layer: keras.layers.Layer
    call: int
    width: int | None
    leaf: int | None = None


class Place:
    """A score as a function of what some layers put out: a score of its own, with points in place of inputs.

    Points are `{"sites": activations, "beside": inputs, "row": numbers}`, where `beside` are floating inputs that are
    explained as they are. Every method carries integers along: by the row numbers the rest of a row is found again.

    Args:
        score: A `Score`.
        inputs: The batch that is explained, nested tensors.
        sites: The calls that are looked at, in groups: what those of a group put out is one array, side by side.
        beside: The positions of the inputs that are explained as they are.
    """

    def __init__(self, score, inputs, sites, beside=()):
        self.score, self.model, self.inputs = score, score.model, inputs
        self.sites, self.beside = sites, beside
        self._layers = [site.layer for group in sites for site in group]

    def __call__(self, points, target=None):
        leaves = trees.leaves(trees.take(self.inputs, points["row"]))
        for i, leaf in zip(self.beside, points["beside"], strict=True):
            leaves[i] = leaf
        given = {}
        for group, values in zip(self.sites, points["sites"], strict=True):
            parts = tf.split(values, [site.width for site in group], axis=-1) if len(group) > 1 else [values]
            given.update({site[:2]: part for site, part in zip(group, parts, strict=True)})

        def give(layer, number, ids, output):
            return tf.cast(given[layer, number], output.dtype) if (layer, number) in given else output

        with calls(self._layers, give):
            return self.score(trees.pack(self.inputs, leaves), target)

    def points(self, inputs):
        """What these inputs become."""
        seen = {}

        def see(layer, number, ids, output):
            seen[layer, number] = output
            return output

        with calls(self._layers, see):
            self.model(inputs, training=False)
        together = lambda outputs: tf.concat(outputs, -1) if len(outputs) > 1 else outputs[0]
        sites = [together([tf.cast(seen[site[:2]], tf.float32) for site in group]) for group in self.sites]
        leaves = trees.leaves(inputs)
        return {"sites": sites, "beside": [leaves[i] for i in self.beside], "row": tf.range(trees.batch_size(inputs))}

    def background(self, rows):
        """What a background set becomes."""
        if rows is None:
            return None
        baselines.check_background(rows, self.inputs)
        return self.points(rows)

    def explain(self, method, target, options):
        """The values of a method, a tree like the points."""
        translate = {"baseline": self.baseline, "background": self.background, "regions": self.regions}
        inside = {name: translate[name](value) if name in translate else value for name, value in options.items()}
        return method(self, self.points(self.inputs), target, **inside)


class AtLayer(Place):
    """The output of a layer, at its last call."""

    defaults: ClassVar = {"regions": None}

    def __init__(self, score, inputs, layer):
        layer, outputs = find_layer(score.model, layer), []
        with calls([layer], lambda layer, number, ids, output: outputs.append(output) or output):
            score.model(inputs, training=False)
        if not outputs or not tf.is_tensor(outputs[-1]) or not trees.is_float(outputs[-1]):
            raise ValueError(
                f"`layer` must put out one floating tensor on the way to the score. Received: {layer.name!r}, which "
                f"{'puts out something else' if outputs else 'is not called'}. Pass another layer."
            )
        super().__init__(score, inputs, [[Site(layer, len(outputs) - 1, None)]])

    def explain(self, method, target, options):
        """The values of a method, shaped like the output of the layer."""
        return super().explain(method, target, options)["sites"][0]

    def spread(self, values):
        """Values in the shape of the layer's output, as a tree like the points."""
        return {"sites": [values], "beside": [], "row": tf.zeros([trees.batch_size(self.inputs)])}

    def baseline(self, option):
        """Names and numbers are meant at the layer; arrays are inputs, and become what the layer makes of them."""
        option = option(self.inputs) if callable(option) else option
        if isinstance(option, (str, int, float, np.generic)):
            return {"sites": [option], "beside": [], "row": 0}
        return self.points(baselines.resolve(option, self.inputs))

    def regions(self, option):
        """Players of the layer's output."""
        return {"sites": [option], "beside": [], "row": None}


class AtEmbeddings(Place):
    """Token ids where they are looked up, and the floating inputs beside them.

    Ids that are looked up several times have one vector: all of theirs, side by side.
    """

    def __init__(self, score, inputs, sites):
        self.ids = sorted({site.leaf for site in sites})
        floating = [i for i, leaf in enumerate(trees.leaves(inputs)) if trees.is_float(leaf)]
        groups = [[site for site in sites if site.leaf == i] for i in self.ids]
        super().__init__(score, inputs, groups, [i for i in floating if i not in self.ids])

    @property
    def defaults(self):
        """Options that the place sets where nobody else does: one token at a time is hidden."""
        return {"regions": None} if self.beside else {"regions": None, "window": 1}

    def explain(self, method, target, options, pool=tf.reduce_sum):
        """The values of a method, shaped like the inputs: `pool` makes one number of a token's vector."""
        values = super().explain(method, target, options)
        leaves = [tf.zeros(tf.shape(leaf)) for leaf in trees.leaves(self.inputs)]
        for i, value in zip(self.beside, values["beside"], strict=True):
            leaves[i] = value
        for i, value in zip(self.ids, values["sites"], strict=True):
            leaves[i] = pool(value, axis=-1)
        return trees.pack(self.inputs, leaves)

    def spread(self, values):
        """Values in the shape of the inputs, as a tree that broadcasts to the points: one number for a vector."""
        leaves = trees.leaves(values)
        beside, row = [leaves[i] for i in self.beside], tf.zeros([trees.batch_size(self.inputs)])
        return {"sites": [leaves[i][..., None] for i in self.ids], "beside": beside, "row": row}

    def baseline(self, option):
        """Names are meant at the embedding; integers and arrays are ids, and become their embedding."""
        option = option(self.inputs) if callable(option) else option
        if isinstance(option, (str, int, float, np.generic)):
            option = trees.map_leaves(lambda leaf: option, self.inputs)
        checks.same_structure("baseline", option, self.inputs, baselines.REMEDY)
        wanted, leaves = trees.leaves(option), trees.leaves(self.inputs)
        named = [i for i in self.ids if isinstance(wanted[i], str)]
        sizes = dict(zip(self.ids, ([site.layer.input_dim for site in group] for group in self.sites), strict=True))
        given = {i: _ids(wanted[i], leaves[i], min(sizes[i])) for i in self.ids if i not in named}
        known = [given.get(i, leaf) for i, leaf in enumerate(leaves)]
        points = self.points(trees.pack(self.inputs, known))
        sites = [wanted[i] if i in named else values for i, values in zip(self.ids, points["sites"], strict=True)]
        return {"sites": sites, "beside": [wanted[i] for i in self.beside], "row": 0}

    def regions(self, option):
        """Those of the ids, as of the columns of a table; a token's vector is all one player's."""
        wanted = regions.choices(option, self.inputs)
        sites = [partial(_of_vectors, wanted[i]) for i in self.ids]
        return {"sites": sites, "beside": [wanted[i] for i in self.beside], "row": None}


def _of_vectors(choice, vectors):
    """The regions of tokens as those of their vectors, labels and how many there are."""
    players = regions.resolve([choice], [vectors[..., 0]])
    return players.labels[0][..., None], players.count


def _ids(wanted, leaf, size):
    """Ids in the place of those of the inputs, below `size`."""
    ids = np.asarray(wanted) if not tf.is_tensor(wanted) else wanted
    kind = tf.as_dtype(ids.dtype)
    whole = kind.is_integer or trees.is_float(leaf)  # where a model takes ids as floats
    if kind == leaf.dtype == tf.string:  # which the model itself looks up
        return tf.broadcast_to(ids, tf.shape(leaf))
    if not (whole and checks.broadcasts(ids.shape, leaf.shape)):
        raise ValueError(
            f"`baseline` of token ids must be a name, an id or ids that broadcast to {tuple(leaf.shape)}. Received: "
            f"{kind.name} of shape {tuple(ids.shape)}. 'zeros' is the embedding of nothing."
        )
    _check_range(tf.get_static_value(tf.convert_to_tensor(ids)), size)
    return tf.broadcast_to(tf.cast(ids, leaf.dtype), tf.shape(leaf))


def check_ids(model, inputs):
    """Raises for token ids that no embedding has."""
    for site in embeddings(model, inputs):
        _check_range(np.asarray(trees.leaves(inputs)[site.leaf]), site.layer.input_dim)


def _check_range(ids, size):
    wrong = [] if ids is None else ids[(ids < 0) | (ids >= size)]
    if len(wrong):
        raise ValueError(f"Token ids must lie between 0 and {size - 1}. Received: {wrong.flat[0]}.")


def embedding_layers(model):
    """The layers that look up ids."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)]


def embeddings(model, inputs):
    """The sites where inputs are looked up: calls of `Embedding` layers that depend on one of them."""
    layers, sites = embedding_layers(model), []

    def look(*leaves):
        seen = []
        with calls(layers, lambda *call: seen.append(call) or call[-1]):
            model(trees.pack(inputs, leaves), training=False)
        for layer, number, ids, output in seen:
            for i in (i for i, leaf in enumerate(leaves) if ids in Way(ids, [leaf])):
                if output.shape.rank != leaves[i].shape.rank + 1 or ids.shape[-1:] != leaves[i].shape[-1:]:
                    raise ValueError(
                        f"The ids of shape {tuple(leaves[i].shape)} are taken apart before {layer.name!r} looks them "
                        f"up, as {tuple(ids.shape)}. Make them inputs of their own to explain them."
                    )
                sites.append(Site(layer, number, output.shape[-1], i))

    if layers:
        # In a graph of its own, where it can be seen what depends on what.
        specs = [tf.TensorSpec(leaf.shape, leaf.dtype) for leaf in trees.leaves(inputs)]
        tf.function(look, autograph=False).get_concrete_function(*specs)
    return sites


def find(score, inputs, layer=None):
    """Where a model is explained: a `Place`, or None where it is the inputs themselves."""
    if layer is not None:
        return AtLayer(score, inputs, layer)
    sites = embeddings(score.model, inputs)
    return AtEmbeddings(score, inputs, sites) if sites else None
