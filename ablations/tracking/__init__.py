"""MLflow: writing runs, reading them back as tables, the saved view. The only package that imports mlflow."""

import os

from ablations.errors import InputError

_given = sorted(name for name in os.environ if name.startswith("MLFLOW_"))

# Read by mlflow when it is imported, or later.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault(
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"
)  # uploads that fail stay in the spool and are retried later
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ["MLFLOW_ENABLE_ASYNC_LOGGING"] = "false"  # an upload that fails has to be known
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # its lines would break the display of progress

try:
    import mlflow as _  # noqa: F401
except Exception as error:  # for an invalid value of a variable, as in MLFLOW_LOGGING_LEVEL=foo
    if not _given:
        raise
    raise InputError(
        f"MLflow cannot be imported: {error} (variables of MLflow that are set: {', '.join(_given)})"
    ) from None
