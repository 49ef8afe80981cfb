"""A training of the demo, in TensorBoard and in the page that needs none."""

import contextlib
import subprocess
import sys
import time

import pytest

from tests.board.browser import Tab
from tf_xai.demo.run import METHODS, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    run(folder, epochs=5)
    return folder


@contextlib.contextmanager
def command(logs, *flags):
    """The address of `tensorboard --logdir logs`, in a process of its own."""
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--port=0", *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            address = next(word for line in process.stdout for word in line.split() if word.startswith("http://"))
            yield address.rstrip("/")
        finally:
            process.terminate()


def different(tab, change):
    """Whether a change of the bar changes the first map."""
    before = tab.pixels(example=0)
    change()
    return tab.pixels(example=0) != before


@pytest.mark.parametrize(
    "flags", [["--load_fast=true", "--path_prefix=/pre/fix"], ["--load_fast=false"]], ids=["rust", "python"]
)
def test_the_demo_in_tensorboard(output, chromium, flags):
    with command(output / "logs", *flags) as address, loaded(chromium, address) as tab:
        look(tab)


@contextlib.contextmanager
def loaded(chromium, address):
    """The tab, once TensorBoard has read all logs, which it does in the background."""
    for _ in range(60):
        with Tab(chromium, address, within=True) as tab:
            if tab.maps().count() == 32 and tab.find("step").get_attribute("max") == "4":
                yield tab
                return
        time.sleep(1)
    raise AssertionError("TensorBoard does not come to the end of the logs")


def look(tab):
    """Everything in the bar changes what is drawn."""
    assert tab.page.get_by_role("tab", name="XAI").get_attribute("aria-selected") == "true"
    runs = {each.get_attribute("data-run") for each in tab.maps().all()}
    assert runs == {"plain/xai", "right_reasons/xai"} and len(tab.examples()) == 16
    assert different(tab, lambda: tab.slide("step", 0))
    assert different(tab, lambda: tab.slide("opacity", 0.2))
    other = next(name for name in METHODS if tab.find("method").input_value() != name)
    assert different(tab, lambda: tab.choose("method", other))
    order = tab.examples()
    tab.choose("sort", "label")
    assert tab.examples() != order
    tab.choose("filter", "wrong")
    assert 0 < len(tab.examples()) < 16
    assert tab.violations() == []


def test_the_page_of_the_demo(output, chromium):
    page, troubles = chromium.new_page(), []
    page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else troubles.append(request.url),
    )
    page.goto((output / "board.html").as_uri())
    page.wait_for_selector('canvas[data-testid="map"]')
    assert page.locator('canvas[data-testid="map"]').count() == 32
    page.close()
    assert troubles == []
