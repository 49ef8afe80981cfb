"""Auto MPG: error of local linear surrogates, and MSE, with and without `LIMEFidelity`.

The protocol of ExpO (Plumb et al., 2020): standardised columns and target, 50/25/25 split, two hidden layers of 200,
Adam 1e-3, stop at the best validation loss. Two errors are measured on fresh neighbours N(x, scale^2), as mean squared
difference: of the linear model that the lime package gives for x, and of an ordinary least-squares fit to 1,000 other
neighbours (NumPy).
"""

import argparse

import keras
import lime.lime_tabular
import numpy as np
import pandas as pd

import tf_xai as xai

FEATURES = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "model_year", "origin"]
PUBLISHED = {"plain": (0.14, 0.041), "LIMEFidelity": (0.13, 0.011)}


def load(path, seed):
    """Standardised `(x, y)` for training, validation and test."""
    frame = pd.read_csv(path).sample(frac=1, random_state=seed)
    values = frame[[*FEATURES, "mpg"]].to_numpy("float32")
    ends = [len(values) // 2, len(values) * 3 // 4]
    values = (values - values[: ends[0]].mean(axis=0)) / values[: ends[0]].std(axis=0)
    return [(part[:, :-1], part[:, -1]) for part in np.split(values, ends)]


def train(parts, losses, seed):
    keras.utils.set_random_seed(seed)
    relu = lambda: keras.layers.LeakyReLU(0.2)
    dense = keras.layers.Dense
    base = keras.Sequential([keras.Input((len(FEATURES),)), dense(200), relu(), dense(200), relu(), dense(1)])
    model = xai.compile(base, keras.optimizers.Adam(1e-3), "mse", explanation_loss=losses, penalize_validation=True)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=50, restore_best_weights=True)
    (x, y), validation, _ = parts
    model.fit(x, y, batch_size=128, epochs=1000, validation_data=validation, callbacks=[stop], verbose=0)
    return model


def surrogate_error(model, x, scale, seed=0, samples=1000):
    """Mean squared residual of local least-squares fits, on neighbours that they have not seen."""
    noise = np.random.default_rng(seed).normal(0, scale, (2, samples, x.shape[1])).astype("float32")
    fit, test = np.moveaxis(predict(model, x[:, None, None] + noise), 1, 0)
    design = [np.column_stack([part, np.ones(samples)]) for part in noise]
    coefficients, *_ = np.linalg.lstsq(design[0], fit.T, rcond=None)
    return float(np.mean((test.T - design[1] @ coefficients) ** 2))


def lime_error(model, x_train, x, scale=0.1, seed=0, samples=1000):
    """Mean squared difference between the model and the lime package's explanation of each row, around that row."""
    explainer = lime.lime_tabular.LimeTabularExplainer(
        x_train, mode="regression", discretize_continuous=False, random_state=seed
    )
    neighbours = x[:, None] + np.random.default_rng(seed).normal(0, scale, (samples, x.shape[1])).astype("float32")
    errors = []
    for row, near, outputs in zip(x, neighbours, predict(model, neighbours), strict=True):
        explanation = explainer.explain_instance(row, lambda z: predict(model, z), num_features=x.shape[1])
        slope = np.zeros(x.shape[1])
        for feature, weight in explanation.local_exp[1]:
            slope[feature] = weight
        # lime fits on columns that it has standardised with the training set
        design = (near - explainer.scaler.mean_) / explainer.scaler.scale_
        errors.append(np.mean((outputs - design @ slope - explanation.intercept[1]) ** 2))
    return float(np.mean(errors))


def predict(model, x):
    """Outputs for rows in any number of leading axes."""
    flat = np.asarray(x, "float32").reshape(-1, x.shape[-1])
    return model.predict(flat, batch_size=8192, verbose=0).reshape(x.shape[:-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="CSV with the columns of UCI's Auto MPG")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.025, help="of the task loss, as the authors' c")
    options = parser.parse_args()
    lime_fidelity = xai.losses.LIMEFidelity
    cases = {
        "plain": [],
        # As the authors have it: squared error of the surrogate, weighed against the task loss at the first step.
        "LIMEFidelity": [lime_fidelity(weight="auto", auto_share=options.share, normalize=False)],
        "normalized": [lime_fidelity(weight=10.0)],
    }
    rows = []
    for seed in range(options.seeds):
        parts = load(options.data, seed)
        for name, losses in cases.items():
            model, (x, y) = train(parts, losses, seed), parts[2]
            errors = {f"least squares {scale}": surrogate_error(model, x, scale) for scale in (0.1, 0.5)}
            mse = float(np.mean((predict(model, x) - y) ** 2))
            rows.append(
                {"case": name, "seed": seed, "MSE": mse, "lime 0.1": lime_error(model, parts[0][0], x), **errors}
            )
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("case", sort=False).agg(["mean", "std"])
    print(table.round(5).to_string())
    means = table.xs("mean", axis=1, level=1)
    print((means / means.loc["plain"]).drop("plain").round(3).to_string())
    print("published (MSE, lime error at 0.1):", PUBLISHED)


if __name__ == "__main__":
    main()
