"""Movie reviews with human rationales: does a classifier look at the words that people found decisive?

1,600 / 200 / 199 reviews of the ERASER benchmark (DeYoung et al., 2020; reviews: Pang and Lee, 2004; rationales: Zaidan
et al., 2008), `movies` of https://www.eraserbenchmark.com. Expected as a table with the columns `split` (train, val,
test), `label` (1 is positive), `text` (tokens joined by spaces) and `spans` (rationales: a JSON list of [start, end)).

Rationales of training and validation are incomplete: what is not marked is not known to be irrelevant. So the guidance
draws attention to all marked words (`kind="kl"`; `--kind share` is content with any). Test rationales are exhaustive.

The model: words, phrases of three (a convolution), means of 15 of them (people mark passages), and attention that
averages these. Reported are accuracy, the area under the ROC curve, and the area under the precision-recall curve of
the rationales' tokens, the mean over documents: of the attention, and of integrated gradients for the predicted class.
Tokens behind those that the model reads count as found last. The weight is chosen on the validation set: among those
that lose no accuracy, the one with the largest area of attention, both the mean over all seeds.
"""

import argparse
import json
from collections import Counter

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

import tf_xai as xai

LENGTH, VOCABULARY, UNITS = 1536, 10_000, 32


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


def build():
    dropout = lambda: keras.layers.Dropout(0.5)
    ids = keras.Input((LENGTH,), dtype="int32")
    valid = keras.ops.not_equal(ids, 0)
    words = dropout()(keras.layers.Embedding(VOCABULARY, UNITS)(ids))
    phrases = keras.layers.Conv1D(UNITS, 3, padding="same", activation="gelu")(words)
    passages = keras.layers.AveragePooling1D(15, 1, padding="same")(phrases)
    query = keras.layers.GlobalAveragePooling1D(keepdims=True)(passages, mask=valid)
    pool = keras.layers.MultiHeadAttention(1, UNITS, name="pool")
    document = pool(query, passages, attention_mask=keras.ops.expand_dims(valid, 1))
    return keras.Model(ids, keras.layers.Dense(1, "sigmoid")(dropout()(keras.layers.Flatten()(document))))


def train(data, weight, kind, epochs, seed):
    keras.utils.set_random_seed(seed)
    x, y, masks, _ = data["train"]
    losses = [xai.losses.AttentionGuidance(weight=weight, kind=kind)] if weight else []
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(x) // 32))
    model = xai.compile(build(), keras.optimizers.Adam(rate), "binary_crossentropy", explanation_loss=losses)
    model.fit(xai.with_evidence(x, relevant=masks), y, batch_size=32, epochs=epochs, verbose=0)
    return model


def area(values, rationales):
    """The mean over documents of the area under the precision-recall curve."""
    found = []
    for value, marked in zip(values, rationales, strict=True):
        if marked.any():
            scores = np.full(len(marked), value.min() - 1)
            scores[:LENGTH] = value[: len(marked)]
            found.append(average_precision_score(marked, scores))
    return float(np.mean(found))


def measure(model, part):
    x, y, _, rationales = part
    scores = model.predict(x, batch_size=100, verbose=0)[:, 0]
    explain = lambda method, **options: xai.explain(model, x, method=method, batch_size=25, verbose=0, **options).values
    attention = explain("attention")["pool"].mean(axis=(1, 2))
    gradients = explain("integrated_gradients", steps=8)
    return {
        "accuracy": float(np.mean((scores > 0.5) == y)),
        "AUC": float(roc_auc_score(y, scores)),
        "attention": area(attention, rationales),
        "integrated gradients": area(gradients, rationales),
    }


def choose(rows):
    """The weight that does best on the validation set, of those that lose no accuracy."""
    means = pd.DataFrame(rows).groupby("weight")[["val accuracy", "val attention"]].mean()
    fit = means[means["val accuracy"] >= means["val accuracy"].loc[0.0]]
    return fit["val attention"].idxmax()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the table, as CSV")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--kind", default="kl", choices=["share", "kl"])
    options = parser.parse_args()
    data, rows = load(options.data), []
    for weight in [0.0, *options.weights]:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            model = train(data, weight, options.kind, options.epochs, seed)
            parts = {part: measure(model, data[part]) for part in ("val", "test")}
            named = {f"{part} {name}": value for part, values in parts.items() for name, value in values.items()}
            rows.append({"weight": weight, "seed": seed, **named})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("weight").agg(["mean", "std"])
    print(table.round(4).to_string())
    chosen, column = choose(rows), ("test attention", "mean")
    print(f"chosen weight: {chosen}; ratio of areas: {table.loc[chosen, column] / table.loc[0.0, column]:.2f}")
    random = area(np.random.default_rng(0).normal(size=data["test"][0].shape), data["test"][3])
    print(f"area of random numbers: {random:.3f}")


if __name__ == "__main__":
    main()
