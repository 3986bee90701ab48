"""Draw the pictures of the README from a run of the demo in an empty folder: `nox -s pictures`. Needs Chromium."""

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text

PICTURES = Path(__file__).parent / "pictures"
COMMAND = [sys.executable, "-P", "-m", "ablations"]
COLUMNS = 110
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
ROWS = 'document.querySelectorAll("[role=grid] [role=row], canvas, .js-plotly-plot").length > 3'
"""Whether MLflow shows its table or charts of runs."""


def terminal_output(folder: Path, *arguments: str) -> str:
    """What a command prints to a terminal, with its colours."""
    parent, terminal = pty.openpty()
    ends: dict[str, Any] = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    environment = os.environ | {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    process = subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=environment, **ends)
    os.close(terminal)
    output = b""
    try:
        while read := os.read(parent, 65536):
            output += read
    except OSError:  # the command has ended
        pass
    assert process.wait() == 0, output.decode()
    return output.decode()


def draw_terminal(folder: Path) -> None:
    """The end of the demo as an SVG of a terminal window."""
    output = terminal_output(folder, "demo").replace("\r\n", "\n")
    shown = re.sub(
        r"[^\n]*(\n(\x1b\[\?25h)?\r\x1b\[1A|\r)\x1b\[2K", "", output[output.rindex("┏") :]
    )  # lines that were erased
    shown = re.sub(r"\x1b\[(\?25[lh]|\d*[AK]|2K)|\r", "", shown)
    shown = shown.replace(folder.as_uri(), "file://…")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text("$ whygates demo", style="bold"))
        console.print(Text.from_ansi(shown))
        console.save_svg(str(PICTURES / "terminal.svg"), title="whygates demo")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the MLflow UI; yields the address of the study."""
    command = [*COMMAND, "ui", "--port", "5077"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        yield next(re.findall(r"http\S+", line)[0] for line in server.stdout if line.startswith("smoke"))
    finally:
        server.terminate()
        server.wait()


def photograph(page: Page, name: str) -> None:
    """Save the window as a PNG."""
    page.screenshot(path=PICTURES / f"{name}.png")


def main(folder: Path) -> None:
    """Draw all pictures."""
    PICTURES.mkdir(exist_ok=True)
    draw_terminal(folder)
    report = folder / "whygates-report" / "smoke"
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))))
    with sync_playwright() as driver, served(folder) as address:
        page = driver.chromium.launch(executable_path=browser, args=FLAGS).new_page(
            viewport={"width": 1280, "height": 800}
        )
        page.goto((report / "report.html").as_uri())
        photograph(page, "report")
        page.set_viewport_size({"width": 1600, "height": 900})
        page.goto(address)
        page.wait_for_function(ROWS)
        page.get_by_role("button", name="Hide banner", exact=True).click()  # a notice that the view is shared
        page.wait_for_timeout(3000)  # charts are drawn one after the other
        photograph(page, "mlflow")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
