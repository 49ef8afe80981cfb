"""Series and audio in the tab: known maps give known colors, in known places."""

import numpy as np
import pytest

from tests.board import logs
from tests.board.kinds import call, url

__all__ = ["url"]

ORANGE, BLUE = np.array([230, 97, 1]), np.array([33, 102, 172])


def test_the_band_of_a_series_lies_under_its_steps(url, open_tab):
    tab = open_tab(url("series"), view="signals", example=1, opacity=1, scale="map")
    (up,) = tab.pixels(run="plain/xai", channel=0)
    assert len(up) == 32
    np.testing.assert_allclose(up[1], [*ORANGE, 255], atol=2)
    np.testing.assert_allclose(up[31], [*BLUE, 128], atol=3)
    assert {up[i][3] for i in range(32) if i not in (1, 31)} == {0}
    (down,) = tab.pixels(run="plain/xai", channel=1)
    np.testing.assert_allclose(down[1], [*ORANGE, 128], atol=3)  # half of the other channel
    (swapped,) = tab.pixels(run="shortcut/xai", channel=0)
    np.testing.assert_allclose(swapped[31], [*ORANGE, 255], atol=2)
    boxes = [tab.frame.locator(f".signal .over > {each}").first.bounding_box() for each in ("canvas", "svg")]
    assert boxes[0] == boxes[1]
    assert tab.frame.locator(".channel > span").all_inner_texts()[:3] == ["up", "down", ""]


def test_values_of_a_series_are_told(url, open_tab):
    tab = open_tab(url("series"), view="signals", example=1)
    box = tab.frame.locator(".signal .over").first
    box.focus()
    tab.page.keyboard.press("End")
    assert tab.find("readout").text_content() == "step 31: signal −0.383, attribution −3.02"  # in steps of 6 / 127
    box.hover(position={"x": 1.5 / 32 * box.bounding_box()["width"], "y": 20})
    assert tab.find("readout").text_content() == "step 1: signal 0.383, attribution +6"
    with tab.drawing():
        tab.find("next").click()
    assert tab.maps().first.get_attribute("data-example") == "2"


def test_cells_of_shorter_maps_span_whole_steps(url, open_tab):
    tab = open_tab(url("series"), view="signals")
    for length, cells, span in ((32, 32, 1), (2500, 834, 3), (100, 98, 100 / 98), (1024, 32, 32)):
        assert call(tab, "waves.js", "spanOf", length, cells) == span


def test_outlines(url, open_tab):
    """Through the middle of every step, with gaps where there is no number; of long signals up and down."""
    tab = open_tab(url("series"), view="signals")
    assert call(tab, "waves.js", "outline", [0, 1, None, 0.5]) == "M125.00 95.0L375.00 5.0M875.00 50.0"
    long = np.tile([0.0, 1.0], 5000).tolist()
    drawn = call(tab, "waves.js", "outline", long)
    assert drawn.count("L") == 1199
    assert {point.split(" ")[1] for point in drawn.split("L")[1:]} == {"95.0", "5.0"}


def test_audio_has_a_band_above_its_spectrogram(url, open_tab):
    tab = open_tab(url("audio"), view="signals", example=2, opacity=1, scale="map")
    for more in ({"channel": 0}, {"strip": ""}):
        (band,) = tab.pixels(run="plain/xai", **more)
        np.testing.assert_allclose(band[2], [*ORANGE, 255], atol=2)
    box = tab.frame.locator(".spectrum").first
    box.hover(position={"x": 2.5 / 32 * box.bounding_box()["width"], "y": 60})
    # Three periods in 32 samples of 1/8000 s; bins are 62.5 Hz apart.
    assert tab.find("readout").text_content() == "0.01 s: loudest at 750 Hz, attribution +9"


def test_audio_plays_on_a_click_and_stops(url, open_tab):
    tab = open_tab(url("audio"), view="signals")
    tab.frame.evaluate(
        """() => { window.made = []; window.AudioContext = class extends AudioContext {
          createBufferSource() { const source = super.createBufferSource(); source.loop = true; made.push(source);
            return source; } } }"""
    )
    play = tab.find("play")
    assert play.text_content() == "▶ play"
    play.click()
    assert play.text_content() == "■ stop"
    sampled, rate, peak = tab.frame.evaluate(
        "[made[0].buffer.length, made[0].buffer.sampleRate, Math.max(...made[0].buffer.getChannelData(0))]"
    )
    assert (sampled, rate) == (1024, 8000)
    assert peak == pytest.approx(1, abs=0.01)
    tab.slide("opacity", 0.5)
    assert play.text_content() == "■ stop"  # it goes on, and the new button is for it
    play.click()
    tab.frame.wait_for_function("document.querySelector('[data-testid=play]').textContent === '▶ play'")
    assert tab.frame.evaluate("made.length") == 1


def test_spectra(url, open_tab, rng):
    tab = open_tab(url("audio"), view="signals")
    signal = rng.normal(size=64)
    real, imaginary = tab.frame.evaluate(
        """async (signal) => {
          const [real, imaginary] = [Float64Array.from(signal), new Float64Array(signal.length)];
          (await import('./static/spectrum.js')).fourier(real, imaginary);
          return [Array.from(real), Array.from(imaginary)];
        }""",
        signal.tolist(),
    )
    np.testing.assert_allclose(real + 1j * np.array(imaginary), np.fft.fft(signal), atol=1e-12)
    for tone in (1000, 1010):  # in the middle of bin 32, and a third of a bin above
        samples = np.sin(2 * np.pi * tone * np.arange(4000) / 8000)
        found = call(tab, "spectrum.js", "spectrogram", samples.tolist(), 256)
        decibels = np.reshape(found["decibels"], (found["frames"], found["bins"]))
        assert (found["bins"], found["hop"]) == (129, 64)
        assert set(decibels[2:-2].argmax(axis=1)) == {32}
        assert decibels.max() == 0
        assert decibels[5, 32 + 8] < -60  # the window of Hann: what is far away is faint


def test_logs_of_images_have_nothing_for_these_views(url, open_tab):
    for view in ("text", "attention", "signals"):
        tab = open_tab(url("image"), view=view)
        assert tab.frame.locator(".notice").count() == 1
        assert tab.find(f"view-{view}").is_disabled()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", ["text", "attention", "series", "audio"])
def test_views_are_accessible(url, open_tab, dark, kind):
    view = "signals" if kind in ("series", "audio") else kind
    assert open_tab(url(kind), view=view, dark=dark, head=1).violations() == []


def uneven(kind):
    """`write(folder)`: two runs, of six examples and of three."""

    def write(folder):
        logs.write(folder, runs=("plain",), kind=kind)
        return logs.write(folder, runs=("shortcut",), kind=kind, n=3)

    return write


@pytest.mark.parametrize("kind", ["series", "audio", "attention"])
def test_a_run_without_the_example_says_so(url, open_tab, kind):
    tab = open_tab(
        url(f"uneven-{kind}", uneven(kind)), view="attention" if kind == "attention" else "signals", example=5
    )
    assert tab.examples() == [5]
    assert set(tab.maps().evaluate_all("all => all.map((each) => each.dataset.run)")) == {"plain/xai"}
    assert tab.frame.locator("main .notice").all_inner_texts() == ["This run has no example 5."]


def test_texts_without_the_example_say_so(url, open_tab):
    tab = open_tab(url("uneven-text", uneven("text")), view="text", runs="plain/xai,shortcut/xai")
    notes = tab.frame.locator('[data-example="5"] .notice')
    notes.wait_for()
    assert notes.all_inner_texts() == ["This run has no example 5."]
    assert tab.frame.locator('[data-example="5"] .token').count() == 5
    assert tab.frame.locator('[data-example="2"] .notice').count() == 0


def test_one_broken_sample_leaves_the_spectrogram(url, open_tab):
    tab = open_tab(url("audio"), view="signals")
    decibels = tab.frame.evaluate(
        """async () => {
          const signal = Float32Array.from({ length: 1024 }, (_, i) => (i === 500 ? NaN : Math.sin(i)));
          return Array.from((await import('./static/spectrum.js')).spectrogram(signal, 64).decibels);
        }"""
    )
    assert np.isfinite(np.array(decibels, "float64")).all()
    assert max(decibels) == 0


def test_the_sound_ends_where_another_is_shown(url, open_tab):
    tab = open_tab(url("audio"), view="signals", runs="plain/xai", example=1)
    tab.frame.evaluate(
        """() => { window.ended = 0; window.AudioContext = class extends AudioContext {
          createBufferSource() { const source = super.createBufferSource(); source.loop = true;
            source.addEventListener('ended', () => { ended += 1; }); return source; } } }"""
    )
    tab.find("play").click()
    with tab.drawing():
        tab.find("run-plain").uncheck()
        tab.find("run-shortcut").check()
    tab.frame.wait_for_function("ended === 1")  # the sound of the same row of another run
    tab.find("play").click()
    with tab.drawing():
        tab.find("view-gallery").click()
    tab.frame.wait_for_function("ended === 2")
