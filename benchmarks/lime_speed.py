"""LIME of 200 rows of a table against the lime package with its defaults, and against the bare forward passes.

Both draw 5,000 neighbours of every row. The package explains a few rows, one after the other as it does; its time is
scaled to all rows.
"""

import keras
import numpy as np
import tensorflow as tf
from lime.lime_tabular import LimeTabularExplainer
from timing import interleave, ratio, table

import tf_xai as xai

ROWS, COLUMNS, SAMPLES, TIMED = 200, 30, 5000, 4

BARE, PACKAGE = "bare forward passes of 200 x 5,000 rows", f"lime package, {TIMED} rows"


def report(rounds):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, "relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((COLUMNS,)), *hidden, keras.layers.Dense(3, "softmax")])
    data = np.random.default_rng(0).normal(size=(1000, COLUMNS)).astype("float32")
    x = data[:ROWS]

    forward = tf.function(lambda rows: model(rows, training=False), autograph=False)
    neighbours = tf.constant(np.random.default_rng(1).normal(size=(20 * SAMPLES, COLUMNS)), tf.float32)
    package = LimeTabularExplainer(data, random_state=0)
    predict = lambda rows: forward(tf.constant(rows, tf.float32)).numpy()
    forms = {"quartiles, the default": {}, "normal": {"discretize": False}}
    forms["around the row"] = {"discretize": False, "sample_around_instance": True}
    explain = lambda options: xai.explain(
        model, x, 1, method="lime", background=data, samples=SAMPLES, batch_size=ROWS, verbose=0, **options
    )
    cases = {BARE: lambda: [forward(neighbours) for _ in range(ROWS // 20)]}
    cases |= {f"xai.explain, {name}": lambda options=options: explain(options) for name, options in forms.items()}
    cases[PACKAGE] = lambda: [package.explain_instance(row, predict, num_samples=SAMPLES) for row in x[:TIMED]]
    seconds = interleave(cases, rounds, warmup=1)
    table(seconds, BARE)
    for name in forms:
        ours = f"xai.explain, {name}"
        print(f"{name} / bare: {ratio(seconds, ours, BARE):.2f} (aim: 2)")
    faster = ROWS / TIMED * ratio(seconds, PACKAGE, "xai.explain, quartiles, the default")
    print(f"lime package, scaled to {ROWS} rows / ours, both with their defaults: {faster:.1f} (aim: 12)")
