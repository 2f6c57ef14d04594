"""IPython's shell with its output turned to frames: results, images and tracebacks."""

import base64
import contextlib
import io
import os
import subprocess
from collections.abc import Callable
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from understudy.sandbox.frames import Kind

Send = Callable[..., None]

IMAGES = {"image/png": Kind.PNG, "image/jpeg": Kind.JPEG}
TEXT_CHARACTERS_MAX = 200_000

# Run once in the zygote, so that sessions share what first uses cost.
FIRST_USES = (
    "1/0",
    "print(1)\n1",
    "import pandas; pandas.DataFrame({'a': [1.5, 2]}).describe()",
    "from matplotlib import pyplot; pyplot.plot([0, 1]); pyplot.title('a'); pyplot.show()",
)


def _nowhere(*_: Any) -> None:
    """Send nothing."""


_send: Send = _nowhere


def make(send: Send) -> InteractiveShell:
    """Return the shell that all sessions start from, ready to draw inline figures."""
    global _send  # noqa: PLW0603 - IPython makes its own parts, by class
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.enable_tip = False
    shell = _Shell.instance(config=config)
    _draw_inline(shell)
    with contextlib.redirect_stdout(io.StringIO()):
        for code in FIRST_USES:
            shell.run_cell(code, store_history=True)
    shell.reset(new_session=True)
    _send = send
    return shell


class _Publisher(DisplayPublisher):  # type: ignore[misc]
    """Sends what ``display`` is given."""

    def publish(self, data: dict[str, Any], *_: Any, **__: Any) -> None:
        if not _send_image(data):
            _send_text(Kind.RESULT, data.get("text/plain", ""))

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - IPython's signature
        """Keep what was shown; an answer is no screen."""


class _DisplayHook(DisplayHook):  # type: ignore[misc]
    """Sends the value of a cell's last expression."""

    def write_output_prompt(self) -> None:
        """Say no number."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:  # noqa: ARG002
        _send_image(format_dict)
        _send_text(Kind.RESULT, format_dict.get("text/plain", ""))

    def finish_displayhook(self) -> None:
        """End no line."""


class _Shell(InteractiveShell):  # type: ignore[misc]
    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_DisplayHook)

    def init_io(self) -> None:
        """Leave the streams alone."""

    def enable_gui(self, gui: Any = None) -> None:
        """Accept that there is no screen."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:  # noqa: ARG002
        _send_text(Kind.TRACEBACK, "\n".join(stb))

    def system(self, cmd: str) -> None:
        """Run a line of shell; IPython's own way wants a terminal."""
        line = self.var_expand(cmd, depth=1)
        finished = subprocess.run(["/bin/sh", "-c", line], check=False)  # noqa: S603
        self.user_ns["_exit_code"] = finished.returncode


def _send_image(data: dict[str, Any]) -> bool:
    for mime, kind in IMAGES.items():
        image = data.get(mime)
        if image:
            _send(kind, base64.b64decode(image) if isinstance(image, str) else bytes(image))
            return True
    return False


def _send_text(kind: Kind, text: Any) -> None:
    if text:
        cut = f"{str(text)[:TEXT_CHARACTERS_MAX]}\n"
        _send(kind, cut.encode("utf-8", "backslashreplace"))


def _draw_inline(shell: InteractiveShell) -> None:
    """Make figures appear at the end of their cell."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    from matplotlib_inline.backend_inline import configure_inline_support  # noqa: PLC0415

    shell.enable_matplotlib("inline")
    configure_inline_support(shell, "module://matplotlib_inline.backend_inline")
