"""TensorBoard with the tab, in a process of its own, and a browser that looks at it."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@contextlib.contextmanager
def serve(folder):
    """The address of TensorBoard for the logs in a folder, once it has read them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address)
        yield address
    finally:
        server.terminate()
        server.wait()


def _wait(address):
    """TensorBoard reads in the background: waits until it knows something, and nothing new comes."""
    known = None
    while known is None or known != _index(address):
        known = _index(address)
        time.sleep(3)


def _index(address):
    """What the tab knows of the logs, None before TensorBoard answers."""
    try:
        with urllib.request.urlopen(f"{address}/data/plugin/tf_xai/index") as answer:
            return answer.read()
    except OSError:
        return None


@contextlib.contextmanager
def page(chromium=None, size=(1280, 720), **options):
    """A page of Debian's browser, or of the one at this path."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium or shutil.which("chromium"), args=FLAGS)
        yield browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)), **options)
        browser.close()


def frame(page):
    """The frame of the tab, once it has drawn."""
    inner = page.wait_for_selector("iframe").content_frame()
    inner.wait_for_function("() => +document.body.dataset.drawn && document.body.dataset.waiting === undefined")
    return inner
