"""The MLflow server that the environment names: which addresses are taken, and that no secret is shown."""

import pytest

from ablations.errors import InputError
from ablations.sweeps.server import VARIABLE, Server, masked, server


def login(user: str, password: str) -> dict[str, str]:
    return {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}


@pytest.mark.parametrize(
    ("given", "address", "expected"),
    [
        ("http://localhost:5000", "http://localhost:5000", {}),
        ("https://mlflow.example.org/team/a", "https://mlflow.example.org/team/a", {}),
        ("http://localhost:5000//", "http://localhost:5000", {}),
        (" \thttp://localhost:5000\n", "http://localhost:5000", {}),
        ("HTTPS://Example.org", "https://Example.org", {}),
        ("http://[::1]:5000/", "http://[::1]:5000", {}),
        ("http://me:secret@host", "http://host", login("me", "secret")),
        ("http://m%40e:s%3Ac%2Fr%25t@host:80/x/", "http://host:80/x", login("m@e", "s:c/r%t")),
        ("http://me:sec@ret@host", "http://host", login("me", "sec@ret")),
    ],
)
def test_an_address_is_normalised_and_its_login_taken_out(
    monkeypatch: pytest.MonkeyPatch, given: str, address: str, expected: dict[str, str]
) -> None:
    monkeypatch.setenv(VARIABLE, given)
    assert server() == Server(address, expected)


@pytest.mark.parametrize("given", ["", " ", "\n", None])
def test_an_empty_variable_names_no_server(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    assert server() is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("./mlruns", "./mlruns"),
        ("/data/mlruns", "/data/mlruns"),
        ("file:///data/mlruns", "file:///data/mlruns"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("databricks", "databricks"),
        ("databricks://secret@profile", "databricks://profile"),
        ("localhost:5000", "localhost:5000"),
        ("me:secret@localhost:5000", "localhost:5000"),
        ("http://", "http://"),
        ("http://:5000", "http://:5000"),
        ("http://host:port", "http://host:port"),
        ("http://host:99999", "http://host:99999"),
        ("http://[::1", "http://[::1"),
        ("http://me:sec/ret@host", "http://host"),
        ("http://me:sec?ret#secret@host", "http://host"),
        ("http://me:secret @host", "http://host"),
        ("http://host/?token=secret", "http://host/"),
        ("http://host/#secret", "http://host/"),
        ("http://secret@host", "http://host"),
        ("http://:secret@host", "http://host"),
        ("postgresql://me:secret@host/db", "postgresql://host/db"),
        ("http://one.org http://two.org", "http://one.org http://two.org"),
    ],
)
def test_any_other_address_is_refused_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, given: str, shown: str
) -> None:
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(InputError) as caught:
        server()
    message = str(caught.value)
    assert message.startswith(f"MLFLOW_TRACKING_URI={shown!r}: ")
    assert "\n" not in message
    assert not any(secret in message for secret in ("secret", "sec/", "sec?", "me:"))
    assert masked(given) == shown
