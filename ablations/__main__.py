"""The entry point of `whygates` and of `python -m ablations`: runs the command line and reports invalid input."""

import os
import sys
import threading

import typer

from ablations.cli import app
from ablations.commands.environment import finish, prepare, unusable
from ablations.errors import INTERRUPTED, InputError


def run(arguments: list[str]) -> int:
    """Run a command and return the exit code. Invalid input is reported on stderr, one line per problem, with code 2."""
    try:
        return app(arguments or ["--help"], prog_name="whygates", standalone_mode=False) or 0
    except typer.TyperException as error:  # invalid arguments
        message = error.format_message().replace("Value error, ", "")  # a prefix of pydantic's messages
    except InputError as error:
        message = str(error)
    except Exception as error:  # a plug-in may raise anything, wherever it is called
        from ablations.contract.plugins import plugin_error_message

        message = plugin_error_message(error) or unusable(error)
        if not message:
            raise
    except KeyboardInterrupt:  # sweeps handle it themselves
        return INTERRUPTED
    for line in message.splitlines():
        print(f"whygates: {line}", file=sys.stderr)
    return 2


def main() -> None:
    """The entry point of `whygates`."""
    output = prepare()
    code = finish(output, run(sys.argv[1:]))
    if code == INTERRUPTED and any(not thread.daemon for thread in threading.enumerate()[1:]):
        os._exit(code)  # a thread in which a cell hangs would keep the process
    sys.exit(code)


if __name__ == "__main__":
    main()
