"""Movie reviews with human rationales: does a classifier look at the words that people found decisive?

1,600 / 200 / 199 reviews of the ERASER benchmark (DeYoung et al., 2020; reviews: Pang and Lee, 2004; rationales: Zaidan
et al., 2008), `movies` of https://www.eraserbenchmark.com. Expected as a table with the columns `split` (train, val,
test), `label` (1 is positive), `text` (tokens joined by spaces) and `spans` (rationales: a JSON list of [start, end)).

Rationales of training and validation are incomplete: what is not marked is not known to be irrelevant. Both guidances
reward attribution on marked words only. Test rationales are exhaustive.

The model averages a small convolution by attention. Reported are the accuracy, and the area under the precision-recall
curve of the rationales' tokens, the mean over test documents: of the attention weights, and of integrated gradients of
the predicted class. Tokens beyond the length that the model reads count as found last. The weight of a guidance is the
one with the largest area on the validation set among those that lose no accuracy there, each the mean over all seeds.
"""

import argparse
import json
from collections import Counter

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

import tf_xai as xai
from tf_xai.losses import AttentionGuidance, EnergyGuidance

LENGTH, VOCABULARY, UNITS = 1024, 10_000, 32

CASES = {
    "AttentionGuidance": lambda weight: AttentionGuidance(weight=weight),
    "EnergyGuidance": lambda weight: EnergyGuidance("gradient_input", weight=weight),
}


def load(path):
    """`{split: (ids, labels, masks of the rationales, number of tokens, all rationales)}`."""
    table = pd.read_csv(path)
    words = [text.split() for text in table["text"]]
    counts = Counter(word for row in np.flatnonzero(table["split"] == "train") for word in words[row])
    # 0 is padding, 1 any other word.
    number = {word: i for i, (word, _) in enumerate(counts.most_common(VOCABULARY - 2), start=2)}
    ids = np.zeros((len(table), LENGTH), "int32")
    masks = np.zeros((len(table), LENGTH), "float32")
    whole = []
    for row, (text, spans) in enumerate(zip(words, table["spans"], strict=True)):
        seen = [number.get(word, 1) for word in text[:LENGTH]]
        ids[row, : len(seen)] = seen
        marked = np.zeros(len(text), bool)
        for start, end in json.loads(spans):
            marked[start:end] = True
        masks[row, : len(seen)] = marked[:LENGTH]
        whole.append(marked)
    parts = {split: np.flatnonzero(table["split"] == split) for split in ("train", "val", "test")}
    labels = table["label"].to_numpy("int32")
    return {s: (ids[rows], labels[rows], masks[rows], [whole[row] for row in rows]) for s, rows in parts.items()}


def build(dropout):
    ids = keras.Input((LENGTH,), dtype="int32")
    words = keras.layers.Embedding(VOCABULARY, UNITS)(ids)
    words = keras.layers.Dropout(dropout)(words)
    phrases = keras.layers.Conv1D(UNITS, 3, padding="same", activation="gelu")(words)
    valid = keras.ops.not_equal(ids, 0)
    mean = keras.layers.GlobalAveragePooling1D(keepdims=True)(phrases, mask=valid)
    pool = keras.layers.MultiHeadAttention(1, UNITS, name="pool")
    document = keras.layers.Flatten()(pool(mean, phrases, attention_mask=keras.ops.expand_dims(valid, 1)))
    document = keras.layers.Dropout(dropout)(document)
    return keras.Model(ids, keras.layers.Dense(1, "sigmoid")(document))


def train(data, losses, epochs, seed, dropout=0.5, rate=1e-3):
    keras.utils.set_random_seed(seed)
    x, y, masks, _ = data["train"]
    model = xai.compile(
        build(dropout),
        keras.optimizers.Adam(rate),
        "binary_crossentropy",
        metrics=["accuracy"],
        explanation_loss=losses,
    )
    model.fit(
        xai.with_evidence(x, relevant=masks),
        y,
        batch_size=32,
        epochs=epochs,
        verbose=2,
        validation_data=data["val"][:2],
    )
    return model


def area(values, rationales):
    """The mean over documents of the area under the precision-recall curve."""
    found = []
    for value, marked in zip(values, rationales, strict=True):
        if marked.any():
            scores = np.full(len(marked), value.min() - 1)
            scores[: len(value)] = value[: len(marked)]
            found.append(average_precision_score(marked, scores))
    return float(np.mean(found))


def measure(model, part):
    x, y, _, rationales = part
    right = (model.predict(x, batch_size=100, verbose=0)[:, 0] > 0.5) == y
    attention = xai.explain(model, x, method="attention", batch_size=50, verbose=0).values["pool"]
    gradients = xai.explain(model, x, method="integrated_gradients", steps=8, batch_size=25, verbose=0).values
    return {
        "accuracy": float(right.mean()),
        "attention": area(attention.mean(axis=(1, 2)), rationales),
        "integrated gradients": area(gradients, rationales),
    }
