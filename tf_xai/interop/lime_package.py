"""The explainers of the lime package on Keras models.

All take rows with a batch axis and return a list of the package's own explanations, one per row. Beside `target`, their
options are those of the score (`output`, `space`, `from_logits`), of the package's explainer and of its
`explain_instance`, by their names there.
"""

import numpy as np

from tf_xai.core import checks, data
from tf_xai.interop.predict import Predict, sort, strings

# What lime calls the rows and the model.
_ROW_AND_MODEL = ("data_row", "image", "text_instance", "predict_fn", "classifier_fn")


def lime_tabular(model, x, background, *, target=None, **options):
    """`lime.lime_tabular.LimeTabularExplainer` on a table.

    Args:
        model: Any Keras model.
        x: Array or data frame `(rows, columns)`.
        background: Rows of the training data, `(any, columns)`.
        target: Class of every row, or one for all; None explains the predicted class, or the output of a regression.
            `e.as_list()` shows it, and `e.available_labels()` says which class it is.
        **options: Of the score, the explainer and its call, such as `space`, `num_features` or `random_state`.

    Returns: A list of `lime.explanation.Explanation`.
    Raises: TypeError for an option that lime does not have.
    """
    from lime.lime_tabular import LimeTabularExplainer

    options = {"feature_names": data.feature_names(x)} | options
    return _table("lime_tabular", LimeTabularExplainer, model, x, background, target, options)


def lime_recurrent(model, x, background, *, target=None, **options):
    """`lime.lime_tabular.RecurrentTabularExplainer` on series `(rows, steps, channels)`. See `lime_tabular`."""
    from lime.lime_tabular import RecurrentTabularExplainer

    options = {"feature_names": [f"x{i}" for i in range(np.shape(x)[-1])]} | options
    return _table("lime_recurrent", RecurrentTabularExplainer, model, x, background, target, options)


def lime_image(model, x, *, target=None, **options):
    """`lime.lime_image.LimeImageExplainer` on images `(rows, height, width, 1 or 3)`. See `lime_tabular`.

    Returns: A list of `lime.lime_image.ImageExplanation`. Lime sees grey images in three equal channels.
    """
    from lime.lime_image import LimeImageExplainer

    x = np.asarray(x, "float64")
    if x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise ValueError(f"`x` must hold images `(rows, height, width, 1 or 3)`. Received: {x.shape}.")
    channels = x.shape[-1]
    score, made, asked = _sort("lime_image", LimeImageExplainer, options)
    predict, images = Predict(model, lambda images: images[..., :channels], **score), np.repeat(x, 3 // channels, -1)
    return _explain(LimeImageExplainer(**made), predict, images, predict.classes(images, target), asked)


def lime_text(model, x, *, encode=None, target=None, **options):
    """`lime.lime_text.LimeTextExplainer` on a list of strings. See `lime_tabular`.

    Args:
        encode: Function of a list of strings to the inputs of the model; None where the model takes strings.
    """
    from lime.lime_text import LimeTextExplainer

    if isinstance(x, str):
        raise TypeError(f"`x` must be a list of strings. Received: one string, {x[:20]!r}. Pass `[text]`.")
    score, made, asked = _sort("lime_text", LimeTextExplainer, options)
    predict = Predict(model, strings(model, encode), **score)
    return _explain(LimeTextExplainer(**made), predict, list(x), predict.classes(list(x), target), asked)


def _table(name, package, model, x, background, target, options):
    score, made, asked = _sort(name, package, options, given=("training_data", "mode"))
    predict = Predict(model, **score)
    if isinstance(x, dict) or len(getattr(predict.score.model, "inputs", None) or [x]) > 1:
        raise ValueError(
            f"`{name}` explains models of one array. Received: {checks.outline(x)} for a model of several inputs. Use "
            "`xai.explain(model, x, method='lime')`, which takes any."
        )
    rows, background = (np.asarray(data.without_frames(part), "float64") for part in (x, background))
    classes = predict.classes(rows, target)
    explainer = package(background, "regression" if predict.is_regression else "classification", **made)
    return _explain(explainer, predict, rows, classes, asked)


def _sort(name, package, options, given=()):
    return sort(name, options, package, package.explain_instance, given=(*given, *_ROW_AND_MODEL))


def _explain(explainer, predict, rows, classes, asked):
    """One explanation per row, of its class, unless lime's own options say which classes."""
    free = {"labels", "top_labels"} & set(asked)
    label = lambda number: {} if free else {"labels": (int(number),), "top_labels": None}
    return [
        _of_its_class(explainer.explain_instance(row, predict, **asked, **label(number)), int(number))
        for row, number in zip(rows, classes, strict=True)
    ]


def _of_its_class(explanation, number):
    """Shows the explained class where no label is asked for: lime takes class 1, explained or not."""
    if getattr(explanation, "mode", None) == "classification":
        number = number if number in explanation.local_exp else explanation.available_labels()[0]
        for name in ("as_list", "as_pyplot_figure"):
            show = getattr(explanation, name)
            setattr(explanation, name, lambda label=number, show=show, **options: show(label, **options))
    return explanation
