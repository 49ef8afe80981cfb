"""Makes the pictures of the tab in the documents: `docs/board_*.png`, of a training of the demo's network.

`python benchmarks/screenshots.py` takes a few minutes; Debian's Chromium, or `--chromium PATH`, looks at TensorBoard.
"""

import argparse
import tempfile
from pathlib import Path

import tab

from tf_xai.demo.run import run

DOCS = Path(__file__).parent.parent / "docs"

# Of every picture what is chosen in the address.
PICTURES = {
    "gallery": {"method": "integrated_gradients"},
    "detail": {"view": "detail", "method": "integrated_gradients", "example": "4", "other": "run:right_reasons/xai"},
    "curves": {"view": "curves", "method": "integrated_gradients"},
    "pareto": {"view": "pareto", "method": "integrated_gradients"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--logs", help="logs of a demo that has been run, in place of a new one")
    parser.add_argument("--only", nargs="*", choices=PICTURES, default=list(PICTURES))
    parser.add_argument("--chromium", help="path of a browser")
    options = parser.parse_args()
    if options.logs is None:
        options.logs = Path(tempfile.mkdtemp()) / "logs"
        run(options.logs.parent, options.epochs)
    with tab.serve(options.logs) as address, tab.page(options.chromium) as page:
        for name in options.only:
            state = "&".join(f"p.tf_xai.{key}={value.replace('/', '%2F')}" for key, value in PICTURES[name].items())
            page.goto("about:blank")
            page.goto(f"{address}/#tf_xai&{state}")
            tab.frame(page)
            page.screenshot(path=DOCS / f"board_{name}.png")


if __name__ == "__main__":
    main()
