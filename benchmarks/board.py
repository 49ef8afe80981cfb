"""The XAI tab: bytes on disk, what writing costs, and how fast the page opens and paints in a browser.

`--part disk`: one method's maps of 32 images of 224 x 224 over 100 logged epochs of a small network in training.
`--part writing`: what `AttributionBoard` adds to an epoch of the demo's network, with maps that are there, and in all.
`--part browser`: two runs of 30 steps, 3 methods and 32 examples at 224 x 224 in TensorBoard, in Debian's Chromium or
`--chromium PATH`.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tab
import tensorflow as tf
from sklearn.datasets import load_sample_images
from timing import interleave, ratio

import tf_xai as xai
from tf_xai.board import examples, packing, records
from tf_xai.demo.run import BATCH, network

SIZE, EXAMPLES = 224, 32


def pictures(rng, rows=EXAMPLES, size=SIZE):
    """Random parts of the two photographs that scikit-learn has."""
    photographs = [image / 255 for image in load_sample_images().images]

    def part(image):
        top, left = (rng.integers(length - size + 1) for length in image.shape[:2])
        return image[top : top + size, left : left + size]

    return np.array([part(photographs[row % 2]) for row in range(rows)], "float32")


def disk(options):
    """MB of one method: gradient times input, the noisiest of all, and integrated gradients."""
    rng = np.random.default_rng(0)
    x, y = pictures(rng), rng.integers(0, 3, EXAMPLES)
    layer = lambda filters: keras.layers.Conv2D(filters, 5, strides=2, activation="relu")
    keras.utils.set_random_seed(0)
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layer(8), layer(16), *head])
    model.compile("adam", "sparse_categorical_crossentropy")
    few = xai.Explainer("integrated_gradients", steps=4)
    for name, explainer in {"gradient_input": "gradient_input", "integrated_gradients": few}.items():
        folder = Path(tempfile.mkdtemp())
        board = xai.callbacks.AttributionBoard(folder, x, y, explainer, examples=EXAMPLES, every=1, metrics=())
        epochs = options.epochs
        model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, callbacks=[board])
        size = sum(file.stat().st_size for file in folder.rglob("events*")) / 1e6
        once = sum(map(len, examples.example("", x)["data"])) / 1e6
        print(f"{name}: {100 * (size - once) / epochs:.1f} MB per 100 epochs (aim: 35), {once:.1f} MB of examples once")
        shutil.rmtree(folder)


def writing(options):
    """What an epoch of the demo's network takes longer by the end of an epoch of the board: all of it, and to write."""
    (x, y), (shown, labels) = xai.datasets.digits()
    folder = Path(tempfile.mkdtemp())
    model = xai.compile(network(), "adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    board = xai.callbacks.AttributionBoard(folder, shown, labels, every=1)
    model.fit(x, y, BATCH, verbose=0, callbacks=[board])
    rows, measured = board._rows, board._rows.measure()
    board.on_train_begin()

    def write(measure):
        rows.measure = measure
        board.on_epoch_end(1, {})

    explain = rows.measure
    cases = {
        "epoch": lambda: model.fit(x, y, BATCH, verbose=0),
        "writing": lambda: write(lambda: measured),
        "explaining, judging and writing": lambda: write(explain),
    }
    seconds = interleave(cases, options.rounds)
    for name in list(cases)[1:]:
        print(f"{name} ÷ an epoch: {ratio(seconds, name, 'epoch'):.4f}{' (aim: 0.03)' if name == 'writing' else ''}")
    shutil.rmtree(folder)


def browser(options):
    """Seconds until the page has drawn, and milliseconds from a new step to its picture."""
    folder = Path(tempfile.mkdtemp())
    write_large(folder, options)
    with tab.serve(folder) as address, tab.page(options.chromium) as page:
        opened = [opening(page, address) for _ in range(options.rounds)]
        painted = [painting(page, number) for number in range(options.rounds)]
    shutil.rmtree(folder)
    print(f"opens in {statistics.median(opened):.2f} s (aim: 2; {min(opened):.2f} to {max(opened):.2f})")
    far, beside = ([pair[i] for pair in painted] for i in (0, 1))
    for name, values in {"a step far away": far, "the next step": beside}.items():
        median = statistics.median(values)
        print(f"{name} is painted in {median:.0f} ms (aim: 150; {min(values):.0f} to {max(values):.0f})")


def write_large(folder, options):
    """Logs of the size that the aim names, of smooth maps with noise."""
    rng, steps = np.random.default_rng(0), range(options.steps)
    blob = packing.pack(
        [examples.example("", pictures(rng))],
        n=EXAMPLES,
        labels=list(map(float, rng.integers(0, 3, EXAMPLES))),
        classes=["a", "b", "c"],
        digest="",
    )
    for run in ("one", "other"):
        writer = tf.summary.create_file_writer(str(folder / run / "xai"))
        with writer.as_default():
            records.inputs(blob)
            for method in ("gradient_input", "integrated_gradients", "smooth_grad"):
                for step in steps:
                    maps = tf.image.resize(rng.normal(size=(EXAMPLES, 14, 14, 1)), (SIZE, SIZE), "bicubic").numpy()
                    entry = examples.attribution("", maps + 0.3 * rng.normal(size=maps.shape), maps)
                    records.maps(method, packing.pack([entry], n=EXAMPLES), step)
                    columns = {"prediction": rng.integers(0, 3, EXAMPLES), "probability": rng.random(EXAMPLES)}
                    columns |= {name: rng.random(EXAMPLES) for name in ("deletion", "insertion", "agreement")}
                    columns |= {name: np.array(entry[name]) for name in ("scale", "clip")}
                    records.numbers(method, columns, np.stack(list(columns.values()), axis=1), step)
            for step in steps:
                records.scalar("val_accuracy", step / options.steps, step)
        writer.close()


def opening(page, address):
    """Seconds from the frame's first request to its first picture, by the browser's clock."""
    page.goto("about:blank")
    page.goto(f"{address}/#tf_xai")
    inner = page.wait_for_selector("iframe").content_frame()
    watch = "() => { if (+document.body.dataset.drawn) return performance.now(); }"
    return inner.wait_for_function(watch, polling="raf").json_value() / 1e3


# From a step of the slider to the frame in which its picture is there.
CHANGE = """(step) => new Promise((done) => {
    const [slider, start] = [document.querySelector('[data-testid=step]'), performance.now()];
    const before = +document.body.dataset.drawn;
    new MutationObserver((_, watch) => {
        if (+document.body.dataset.drawn === before) return;
        watch.disconnect();
        requestAnimationFrame(() => done(performance.now() - start));
    }).observe(document.body, { attributes: true });
    slider.value = step;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
})"""


def painting(page, number):
    """Milliseconds of a step far from the last one, and of the one beside it, which has been fetched meanwhile."""
    inner = tab.frame(page)
    count = 1 + int(inner.locator("[data-testid=step]").get_attribute("max"))
    found = []
    for step in ((7 * number + 3) % count, (7 * number + 4) % count):
        found.append(inner.evaluate(CHANGE, step))
        time.sleep(1)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="*", default=["disk", "writing", "browser"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=100, help="logged, of the part disk")
    parser.add_argument("--steps", type=int, default=30, help="of the part browser")
    parser.add_argument("--chromium", help="path of a browser")
    options = parser.parse_args()
    for name in options.part:
        {"disk": disk, "writing": writing, "browser": browser}[name](options)


if __name__ == "__main__":
    main()
