"""The browser that tests of pages use."""

import shutil

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync"

needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no chromium, google-chrome or chromium-browser on this machine"
)
