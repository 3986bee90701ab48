from collections.abc import Iterator

import pytest

from tests.browser import BROWSER, FLAGS


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        yield opened
        opened.close()
