"""A training of the demo, in TensorBoard and in the page that needs none."""

import pytest

from tf_xai.demo.run import METHODS, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    run(folder, epochs=5)
    return folder


def different(tab, change):
    """Whether a change of the bar changes the first map."""
    before = tab.pixels(example=0)
    change()
    return tab.pixels(example=0) != before


def test_the_demo_in_tensorboard(output, open_tab, serving):
    tab = open_tab(serving(output / "logs"), within=True)
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
