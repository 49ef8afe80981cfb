"""A page of TensorBoard in Chromium. Errors in the browser, and requests to anywhere else, fail the test."""

import contextlib
import shutil
from urllib.parse import quote

import pytest

from tests.board import logs

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# How long a page may take on a busy machine, in milliseconds.
PATIENCE = 60_000


@pytest.fixture(scope="session")
def chromium():
    """The browser, started once."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("there is no chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def serving():
    """`serving(logdir, *flags)`: the address of a server, until the pages of the test are closed."""
    with contextlib.ExitStack() as stack:
        yield lambda logdir, *flags: stack.enter_context(serve(logdir, *flags))


@pytest.fixture
def open_tab(chromium, serving):
    """`open_tab(url, view="gallery", dark=True, ...)`: a `Tab`, closed and judged when the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(Tab(chromium, url, **options))


@pytest.fixture(scope="session")
def url(chromium, tmp_path_factory):
    """The address of a server of two runs of six images and three epochs: what logs.py writes."""
    with serve(logs.write(tmp_path_factory.mktemp("images"))) as address:
        yield address


@contextlib.contextmanager
def serve(logdir, *flags):
    """TensorBoard in a thread, with the tab and without other plugins of this machine; its address."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard import default, program

    from tf_xai.board.plugin import Plugin

    servers = []

    def server(app, flags):
        servers.append(program.WerkzeugServer(app, flags))
        return servers[0]

    board = program.TensorBoard([*default.get_static_plugins(), Plugin], server_class=server)
    sampled = ("--samples_per_plugin", "tf_xai=200")
    argv = [
        "",
        "--logdir",
        str(logdir),
        "--port",
        "0",
        "--load_fast",
        "false",
        "--reload_interval",
        "0",
        *sampled,
        *flags,
    ]
    board.configure(argv=argv)
    url = board.launch()
    yield url.rstrip("/")
    servers[0].shutdown()
    servers[0].server_close()


class Tab:
    """The tab, open in a page of its own. Options of the address, such as `method`, are named ones.

    It is alone in its page; with `within`, in TensorBoard's, which takes longer to open.
    """

    def __init__(self, browser, url, within=False, dark=False, size=(1280, 720), **state):
        self.url, self.within, self.state = url, within, state
        size = dict(zip(("width", "height"), size, strict=True))
        self.page = browser.new_page(viewport=size, color_scheme="dark" if dark else "light")
        self.page.set_default_timeout(PATIENCE)
        self.troubles = []
        self.page.on("console", lambda message: self._note(self._complaint(message), f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self._note(True, f"error: {error}"))
        self.page.on("request", lambda request: self._note(self._foreign(request.url), f"request: {request.url}"))

    def _note(self, wrong, text):
        if wrong:
            self.troubles.append(text)

    def _complaint(self, message):
        # TensorBoard has no icon, and asks for its fonts without the prefix of its path.
        own = message.location["url"].endswith("/favicon.ico") or "/font-roboto/" in message.location["url"]
        return message.type == "error" and not own

    def _foreign(self, address):
        origin = "/".join(self.url.split("/")[:3])
        return not address.startswith((f"{origin}/", "data:", "blob:", "about:"))

    def __enter__(self):
        prefix = "p.tf_xai." if self.within else ""
        chosen = [f"{prefix}{name}={quote(str(value), safe='')}" for name, value in self.state.items()]
        page = "/#tf_xai" if self.within else "/data/plugin_entry.html?name=tf_xai#"
        self.page.goto(self.url + "&".join([page, *chosen]))
        return self.settle()

    def __exit__(self, kind, *_):
        self.page.close()
        if kind is None and self.troubles:
            raise AssertionError("\n".join(self.troubles))

    def settle(self):
        """Waits until the tab is in the page, and drawn."""
        self.frame = self.page.wait_for_selector("iframe").content_frame() if self.within else self.page.main_frame
        self.drawn(0)
        return self

    def drawn(self, before):
        """Waits until something newer than the drawing of that number is drawn, and nothing more is to come."""
        ready = "before => +document.body.dataset.drawn > before && document.body.dataset.waiting === undefined"
        self.frame.wait_for_function(ready, arg=before)

    @contextlib.contextmanager
    def drawing(self):
        """What is done within makes the tab draw anew: waits for it."""
        before = self.frame.evaluate("+document.body.dataset.drawn")
        yield
        self.drawn(before)

    def find(self, name):
        """What has the test id."""
        return self.frame.get_by_test_id(name)

    def choose(self, name, value):
        """A choice of the bar."""
        with self.drawing():
            self.find(name).select_option(value)

    def slide(self, name, value):
        """A slider of the bar."""
        with self.drawing():
            self.find(name).fill(str(value))

    def maps(self, **wanted):
        """The maps with these values of `data-` attributes."""
        selector = "".join(f'[data-{name}="{value}"]' for name, value in wanted.items())
        return self.frame.locator(f'canvas[data-testid="map"]{selector}')

    def examples(self):
        """Numbers of the examples of the maps, in their order, each once."""
        return list(dict.fromkeys(int(each.get_attribute("data-example")) for each in self.maps().all()))

    def pixels(self, **wanted):
        """RGBA of the first of the maps, `height` rows of `width` of them."""
        width, data = self.maps(**wanted).first.evaluate(
            "c => [c.width, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]"
        )
        points = [tuple(data[i : i + 4]) for i in range(0, len(data), 4)]
        return [points[i : i + width] for i in range(0, len(points), width)]

    def violations(self):
        """What axe finds wrong and calls serious or critical."""
        axe = pytest.importorskip(
            "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
        )
        found = axe.Axe().run(self.frame).response["violations"]
        return [
            f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")
        ]
