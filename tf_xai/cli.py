"""The command line: `tf-xai demo` and `tf-xai evaluate`."""

import argparse
import os
import shutil
import warnings

from tf_xai import __version__


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="tf-xai", description="Train models that are right for the right reasons.")
    parser.add_argument("--version", action="version", version=f"tf-xai {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    _add_evaluate(commands)
    options = parser.parse_args(arguments)
    # Before TensorFlow starts: its notes about the processor are not what the user came for.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow  # noqa: F401
    except ModuleNotFoundError:
        parser.exit(1, "tf-xai needs TensorFlow: pip install 'tf-xai[tensorflow]'\n")
    options.run(parser, options)


def _add_demo(commands):
    demo = commands.add_parser("demo", help="watch a network stop cheating on handwritten digits")
    demo.add_argument("--quick", action="store_true", help="fewer epochs: under 40 seconds")
    demo.add_argument("--output", default="tf-xai-demo", help="directory for logs, pictures and the page")
    demo.set_defaults(run=_demo)


def _demo(parser, options):
    from tf_xai.demo.run import run

    run(options.output, epochs=8 if options.quick else 30)


def _add_evaluate(commands):
    evaluate = commands.add_parser("evaluate", help="which explainer to trust on a model and its data")
    evaluate.add_argument("model", help="a saved Keras model, such as MODEL.keras")
    evaluate.add_argument("data", help="DATA.npz with arrays x, and where there are such, y and evidence")
    evaluate.add_argument("--explainers", nargs="+", metavar="NAME", help="such as gradient_input deep_lift")
    evaluate.add_argument("--metrics", nargs="+", metavar="NAME", help="such as deletion insertion")
    evaluate.add_argument(
        "--controls", nargs="*", metavar="NAME", help="of random, weights, oracle; default: random weights"
    )
    evaluate.add_argument("--regions", metavar="NAME", help="what goes together in metrics of removal: patches, tokens")
    evaluate.add_argument("--rows", type=_whole, default=200, metavar="N", help="the first rows of the data [200]")
    evaluate.add_argument("--batch-size", type=_whole, default=64, metavar="N", help="rows explained at once [64]")
    evaluate.add_argument("--output", metavar="CSV", help="write the table to this file")
    evaluate.add_argument("--plot", metavar="PNG", help="draw the table to this file")
    evaluate.set_defaults(run=_evaluate)


def _whole(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {text}")
    return int(text)


def _evaluate(parser, options):
    try:
        for path in filter(None, (options.output, options.plot)):  # before the work, not after it
            if not os.path.isdir(os.path.dirname(path) or "."):
                raise ValueError(f"There is no directory for {path!r}. Make it first.")
        if options.plot:
            _check_picture(options.plot)
        table = _table(options)
        print(_readable(table))
        if options.output:
            flat = ["_".join(column).replace(" ", "_") for column in table.columns]
            table.set_axis(flat, axis=1).to_csv(options.output, index_label="explainer")
        if options.plot:
            from tf_xai.evaluating import plot_evaluation

            plot_evaluation(table).savefig(options.plot, dpi=150)
    except ModuleNotFoundError as error:
        parser.exit(1, f"tf-xai evaluate needs {error.name}: pip install {error.name}\n")
    except (OSError, TypeError, ValueError) as error:
        parser.exit(2, f"tf-xai evaluate: {error}\n")


def _check_picture(path):
    """Raises for an ending that matplotlib does not know: before the work, too."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    ending = os.path.splitext(path)[1].removeprefix(".")
    if ending and ending.lower() not in known:  # without any, matplotlib adds its own
        raise ValueError(f"--plot can not draw a .{ending} file. Expected one of {known}. Received: {path!r}.")


def _table(options):
    """What `evaluate` says of the files."""
    import keras

    import tf_xai.training  # noqa: F401, a model saved with its losses is one of its classes
    from tf_xai.evaluating import by_default, evaluate

    x, beside = _arrays(options.data, options.rows)
    if not os.path.exists(options.model):
        raise ValueError(f"There is no model {options.model!r}. Pass a file that `model.save` has written.")
    model = keras.saving.load_model(options.model, compile=False)
    given = {name: getattr(options, name) for name in ("explainers", "controls") if getattr(options, name) is not None}
    metrics = _with_regions(options.metrics or by_default(model, x), options.regions)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(f"Note: {message}")
        return evaluate(model, x, metrics=metrics, batch_size=options.batch_size, **beside, **given)


def _arrays(path, rows):
    """The first rows of `x`, and those of `y` and `evidence` where the file has them."""
    import numpy as np

    if not os.path.exists(path):
        raise ValueError(f"There is no data {path!r}. Pass a file that `np.savez(path, x=x, y=y)` has written.")
    with open(path, "rb") as file:
        archive = file.read(2) == b"PK"
    if not archive:  # such as a .csv file, or a single array
        raise ValueError(f"{path!r} is no .npz file, which holds arrays by their names. {_SAVE}")
    try:
        with np.load(path) as file:
            known = dict(file)
    except Exception as error:  # a damaged archive raises whatever its reader does
        raise ValueError(f"{path!r} can not be read as an npz file of numbers: {error}") from error
    if "x" not in known:
        raise ValueError(f"{path!r} must have an array 'x'. Received: {sorted(known) or 'no names'}. {_SAVE}")
    if unknown := sorted(set(known) - {"x", "y", "evidence"}):
        raise ValueError(f"{path!r} may have arrays 'x', 'y' and 'evidence'. Received also: {unknown}. {_SAVE}")
    if short := [name for name, array in known.items() if not array.ndim or len(array) != len(known["x"])]:
        raise ValueError(f"{path!r} must have an entry for every row of 'x' in {short}. {_SAVE}")
    first = {name: array[:rows] for name, array in known.items()}
    return first.pop("x"), first


_SAVE = (
    "Write one with `np.savez('data.npz', x=x, y=y)`: x as the model takes it, such as a table's "
    "`pandas.read_csv(path)[columns].to_numpy('float32')`, and the labels as y, if there are any."
)


def _with_regions(metrics, regions):
    """The metrics with their options: regions for those that have such."""
    from tf_xai.metrics.registry import METRICS, options_of

    has = lambda name: regions is not None and name in METRICS and "regions" in options_of(METRICS[name])
    return {name: {"regions": regions} if has(name) else {} for name in metrics}


def _readable(table):
    """Means with their bounds, a column for each metric, and what explaining costs."""
    import pandas as pd

    metrics = [name for name, part in table.columns if part == "mean"]
    number = lambda value: "" if value != value else f"{value:.3g}"
    cell = lambda mean, low, high: f"{number(mean)} [{number(low)}, {number(high)}]" if mean == mean else ""
    shown = {}
    for metric in metrics:
        parts = (table[metric, part] for part in ("mean", "low", "high"))
        shown[metric] = [cell(*each) for each in zip(*parts, strict=True)]
        if (metric, "normalised") in table and table[metric, "normalised"].notna().any():
            shown[f"{metric}, normalised"] = [number(value) for value in table[metric, "normalised"]]
    passes = zip(table["passes per row", "forward"], table["passes per row", "backward"], strict=True)
    shown["passes per row"] = ["" if f != f else f"{f:.5g} + {b:.5g} back" for f, b in passes]
    shown["seconds"] = [number(value) for value in table["seconds", "all rows"]]
    return pd.DataFrame(shown, table.index).to_string(line_width=max(80, shutil.get_terminal_size().columns))


if __name__ == "__main__":
    main()
