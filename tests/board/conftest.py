"""Fixtures of the tests in a browser."""

from tests.board.browser import chromium, open_tab, serving, url

__all__ = ["chromium", "open_tab", "serving", "url"]
