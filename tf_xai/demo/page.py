"""The pictures and the HTML page of the demo."""

import base64
import html
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tf_xai.visual.overlay import AGAINST, FOR, grid, overlay

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>tf_xai demo: right for the right reasons</title>
<meta name="viewport" content="width=device-width">
<style>
 body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1d1d1f; }}
 table {{ border-collapse: collapse; }} td, th {{ padding: .3rem 1rem .3rem 0; text-align: right; }}
 td:first-child, th:first-child {{ text-align: left; }} tr {{ border-bottom: 1px solid #ddd; }}
 img {{ max-width: 100%; height: auto; }} .pixels {{ image-rendering: pixelated; width: 100%; }}
 .key {{ display: inline-block; width: .8em; height: .8em; border-radius: 2px; }}
</style></head><body>
<h1>Right for the right reasons</h1>
<p>Both networks saw the same digits with a grey square in a corner, whose grey level gives the answer away. In the
test the square lies. One was trained as usual, the other with <code>RightReasons</code>, which penalises attributions
on the square.</p>
{table}
<h2>What the networks look at</h2>
<p>Test digits; below them the integrated gradients of the true class, plain and with right reasons:
<span class="key" style="background: rgb{positive}"></span> speaks for the class,
<span class="key" style="background: rgb{negative}"></span> against it.</p>
<img class="pixels" alt="Digits, and attributions of both networks: only the plain one colours the squares."
 src="data:image/png;base64,{pictures}">
<h2>While they trained</h2>
<img alt="Test accuracy, deletion and insertion of both networks, epoch by epoch." src="data:image/png;base64,{curves}">
<p>Without any square the plain network does worse still: it waits for one.</p>
<p>Deletion and insertion say how faithful an attribution is to the network, not whether the network is right: a network
that follows a shortcut can be explained very faithfully. Read them beside the accuracy.</p>
</body></html>
"""


def write_page(results, output):
    """Writes `attributions.png`, `curves.png` and `index.html`; returns the path of the page."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    plt.imsave(output / "attributions.png", side_by_side(results))
    curves(results).savefig(output / "curves.png", dpi=110)
    encoded = {name: base64.b64encode((output / f"{name}.png").read_bytes()).decode() for name in _PICTURES}
    page = TEMPLATE.format(
        table=_table(results),
        pictures=encoded["attributions"],
        curves=encoded["curves"],
        positive=tuple(FOR.astype(int).tolist()),
        negative=tuple(AGAINST.astype(int).tolist()),
    )
    path = output / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


_PICTURES = ("attributions", "curves")


def side_by_side(results):
    """The test digits, and under them the attributions of each network."""
    explanations = [result["explanation"] for result in results.values()]
    images = explanations[0].inputs
    rows = [overlay(images, np.zeros_like(images)), *(overlay(images, each.values) for each in explanations)]
    return grid([list(row) for row in rows], scale=4)


def curves(results):
    """Test accuracy, deletion and insertion over the epochs, with their random control."""
    panels = {"val_accuracy": "test accuracy", "xai_deletion": "deletion ↓", "xai_insertion": "insertion ↑"}
    figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    colors = dict(zip(results, (AGAINST / 255, FOR / 255), strict=True))
    for axis, (key, title) in zip(axes, panels.items(), strict=True):
        for name, result in results.items():
            epochs = range(1, len(result["history"][key]) + 1)
            axis.plot(epochs, result["history"][key], color=colors[name], label=name.replace("_", " "))
            if f"{key}_random" in result["history"]:
                random = result["history"][f"{key}_random"]
                axis.plot(epochs, random, color=colors[name], linestyle=":", linewidth=1, label="its random control")
        axis.set(title=title, xlabel="epoch", ylim=(0, 1))
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].legend(fontsize=8, frameon=False)
    plt.close(figure)
    return figure


def _table(results):
    names = [name.replace("_", " ") for name in results]
    rows = [result["row"] for result in results.values()]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *names))
    body = "".join(
        f"<tr><td>{html.escape(key)}</td>" + "".join(f"<td>{row[key]:.3f}</td>" for row in rows) + "</tr>"
        for key in rows[0]
    )
    return f"<table><tr>{head}</tr>{body}</table>"
