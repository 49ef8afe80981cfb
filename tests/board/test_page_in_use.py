"""The tab in use: its address, keys, themes and aids; logs that grow, are damaged, or are not there."""

import time

import numpy as np
import pytest
import tensorflow as tf

from tests.board import damage, logs
from tf_xai.board import packing, records

VIEWS = ["gallery", "detail", "curves", "pareto", "drift"]  # of logs with images


def test_address_outlives_a_reload(url, open_tab):
    tab = open_tab(url, within=True)
    tab.choose("method", "integrated_gradients")
    tab.slide("step", 1)
    tab.slide("opacity", 0.5)
    tab.choose("sort", "fidelity")
    with tab.drawing():
        tab.find("run-plain").uncheck()
    tab.page.wait_for_url("**runs=shortcut**")
    tab.page.reload()
    tab.settle()
    values = {name: tab.find(name).input_value() for name in ["method", "step", "opacity", "sort"]}
    assert values == {"method": "integrated_gradients", "step": "1", "opacity": "0.5", "sort": "fidelity"}
    assert tab.maps(run="shortcut/xai", step=1, method="integrated_gradients").count() == tab.maps().count() == 6
    assert tab.examples() == [5, 4, 3, 2, 1, 0]


def test_address_changed_by_hand(url, open_tab):
    tab = open_tab(url, within=True)
    with tab.drawing():
        tab.page.evaluate("location.hash = 'tf_xai&p.tf_xai.step=0&p.tf_xai.example=x&p.tf_xai.colors=none'")
    assert tab.maps(step=0).count() == 12
    assert tab.find("step").input_value() == "0"


def test_light_and_dark(url, open_tab):
    style = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    light, dark = (open_tab(url, within=True, dark=dark).frame.evaluate(style) for dark in (False, True))
    assert light == ["rgb(255, 255, 255)", "rgb(27, 31, 36)"]
    assert dark == ["rgb(27, 29, 33)", "rgb(230, 232, 235)"]


def test_keyboard(url, open_tab):
    tab = open_tab(url)
    with tab.drawing():
        tab.frame.locator("main").press("ArrowLeft")
    assert tab.maps(step=1).count() == 12
    assert tab.find("step").input_value() == "1"
    tab.find("across").press("Tab")  # to the first map
    with tab.drawing():
        tab.page.keyboard.press("ArrowLeft")
    focused = "document.activeElement.dataset.key"
    assert tab.frame.evaluate(focused) == "cell-0-0"
    tab.choose("sort", "fidelity")
    tab.frame.locator('[data-key="cell-0-1"]').focus()
    with tab.drawing():
        tab.page.keyboard.press("Enter")
    assert tab.find("view-detail").get_attribute("aria-current") == "page"
    assert "#0, label disc" in tab.frame.locator("h2").inner_text()


def test_arrows_belong_to_controls_that_have_the_focus(url, open_tab):
    tab = open_tab(url)
    with tab.drawing():
        tab.find("opacity").press("ArrowLeft")
    assert (tab.find("opacity").input_value(), tab.find("step").input_value()) == ("0.8", "2")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("view", VIEWS)
def test_accessible(url, open_tab, view, dark):
    tab = open_tab(url, view=view, dark=dark)
    assert tab.find(f"view-{view}").get_attribute("aria-current") == "page"
    assert tab.violations() == []


def test_only_views_with_data_can_be_chosen(url, open_tab):
    tab = open_tab(url)
    enabled = tab.frame.locator("nav button:enabled").evaluate_all("all => all.map((each) => each.dataset.testid)")
    assert enabled == [f"view-{name}" for name in VIEWS]
    for name in VIEWS[1:]:
        with tab.drawing():
            tab.find(f"view-{name}").click()
        assert tab.frame.locator("[role=status] p").count() == 0


def test_what_cannot_be_read_is_a_problem_and_the_rest_is_shown(tmp_path, serving, open_tab):
    logs.write(tmp_path)
    with tf.summary.create_file_writer(str(tmp_path / "broken" / "xai")).as_default():
        records.inputs(logs.inputs("image", 6))
        array = {"name": "", "kind": "image", "data": np.zeros((6, 32, 32), "int8"), "scale": [1] * 6, "clip": [1] * 6}
        whole = packing.pack([array], n=6)
        records.maps("gradient", whole[:-20] + bytes(20), 2)
    tab = open_tab(serving(tmp_path))
    assert tab.maps().count() == 12
    problems = tab.frame.locator("[role=status]")
    assert "gradient of broken" in problems.inner_text()
    assert (problems.get_attribute("tabindex"), problems.get_attribute("aria-label")) == ("0", "Problems")
    assert "cannot be read" in tab.frame.locator("main").inner_text()


def test_damaged_logs(tmp_path, serving, open_tab):
    damage.write(tmp_path)
    tab = open_tab(serving(tmp_path))
    assert tab.maps(run="plain/xai").count() == 6
    told = tab.frame.locator("[role=status]").inner_text()
    for run in ["cut", "alien", "later", "bare"]:
        assert run in told
    pixels = tab.pixels(run="nan/xai", example=1)
    assert {point[:3] for line in pixels for point in line} == {(90, 90, 90), (200, 200, 200)}  # hatched
    for view in VIEWS:
        with tab.drawing():
            tab.find(f"view-{view}").click()
        assert "cannot be drawn" not in tab.frame.locator("main").inner_text()


def test_nothing_logged_yet(tmp_path, serving, open_tab):
    tab = open_tab(serving(tmp_path))
    assert "xai.callbacks.AttributionBoard(" in tab.frame.locator("main").inner_text()
    assert tab.violations() == []


def test_new_epochs_come_into_view(tmp_path, serving, open_tab):
    logs.write(tmp_path, steps=[0, 1])
    tab = open_tab(serving(tmp_path, "--reload_interval", "1"), within=True)
    assert tab.maps(step=1).count() == 12
    time.sleep(1)  # so that the new file sorts after the old one
    logs.write(tmp_path, steps=[2, 3])
    for _ in range(30):
        with tab.drawing():
            tab.page.locator(".reload-button").click()
        if tab.maps(step=3).count() == 12:
            break
        tab.page.wait_for_timeout(1000)
    assert tab.maps(step=3).count() == 12
    assert "epoch 3, 4 of 4" in tab.frame.locator(".slot.step").inner_text()


@pytest.mark.parametrize(
    "state",
    [
        {"runs": "%25"},
        {"view": "toString"},
        {"colors": "toString", "sign": "none", "scale": "none", "across": "none", "sort": "none"},
        {"opacity": 7, "example": 1.5, "threshold": "", "step": "%", "toString": "x"},
    ],
)
def test_addresses_of_no_sense(url, open_tab, state):
    tab = open_tab(url, **state)
    assert tab.frame.locator("main").inner_text()
    assert tab.frame.locator("[role=status] p").count() == 0
    assert tab.find("opacity").input_value() == ("1" if "opacity" in state else "0.85")
    tab.find("view-detail").click()
    tab.frame.wait_for_function("document.querySelector('main h2, main .notice') !== null")


def test_buttons_of_views_stay(url, open_tab):
    tab = open_tab(url)
    tab.frame.evaluate("window.before = [...document.querySelectorAll('nav button')]")
    tab.slide("step", 0)
    assert tab.frame.evaluate("window.before.every((each) => each.isConnected)")


def test_tables_that_are_gone_are_observed_no_more(url, open_tab):
    tab = open_tab(url)
    tab.frame.evaluate(
        """() => {
          const { prototype } = IntersectionObserver;
          const disconnect = prototype.disconnect;
          window.ended = 0;
          prototype.disconnect = function () { window.ended++; disconnect.call(this); };
        }"""
    )
    tab.choose("sort", "fidelity")
    assert tab.frame.evaluate("window.ended") == 1
    with tab.drawing():
        tab.find("view-curves").click()
    assert tab.frame.evaluate("window.ended") == 2
    assert all(tab.find(name).is_disabled() for name in ["opacity", "sign", "scale", "colors", "sort", "filter"])


def test_focus_stays_in_the_view(url, open_tab):
    tab = open_tab(url)
    tab.frame.locator('[data-key="cell-0-0"]').focus()
    with tab.drawing():
        tab.page.keyboard.press("Enter")
    assert tab.frame.evaluate("document.activeElement.tagName") == "MAIN"


def test_a_view_that_fails_is_a_problem(url, open_tab):
    tab = open_tab(url)
    broken = "export async function draw() { throw new Error('out of order'); }"
    tab.page.route("**/views/pareto.js", lambda route: route.fulfill(body=broken, content_type="text/javascript"))
    tab.page.reload()
    tab.settle()
    with tab.drawing():
        tab.find("view-pareto").click()
    assert "pareto: out of order" in tab.frame.locator("[role=status]").inner_text()
    assert any("out of order" in text for text in tab.troubles)  # any other test would fail
    tab.troubles.clear()
    with tab.drawing():
        tab.find("view-gallery").click()
    assert tab.frame.locator("[role=status] p").count() == 0
