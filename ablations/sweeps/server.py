"""The MLflow server that MLFLOW_TRACKING_URI names. Its user and password never become part of the address."""

import os
import re
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from ablations.errors import InputError

VARIABLE = "MLFLOW_TRACKING_URI"


class Server(NamedTuple):
    """An MLflow server."""

    address: str
    """Without user, password and slash at its end."""
    login: dict[str, str]
    """The environment variables from which MLflow takes the user and password that the address had."""


def server() -> Server | None:
    """The server that the environment names; None if runs are tracked in the store. Raises InputError."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return None
    parts = _parsed(given)
    if parts is None:
        raise InputError(
            f"{VARIABLE}={masked(given)!r}: allowed is the address of an MLflow server, such as http://localhost:5000; "
            "without this variable, runs are tracked in the store"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise InputError(
            f"{VARIABLE}={masked(given)!r}: it has a user without a password, or a password without a user; MLflow takes a "
            "token from MLFLOW_TRACKING_TOKEN"
        )
    login = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password} if user else {}
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    return Server(address, login)


def _parsed(address: str) -> SplitResult | None:
    """The parts of a server's address; None for any other text."""
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        return None
    return parts if valid and not re.search(r"[\s?#\\]", address) else None


def masked(address: str) -> str:
    """An address, however malformed, without what may be secret: user, password and query."""
    return re.sub(r"(?s)(.*?://)?(?:.*@)?([^?#]*).*", r"\1\2", address, count=1)
