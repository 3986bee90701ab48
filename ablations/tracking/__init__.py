"""MLflow: writing runs, reading them back as tables, the saved view. The only package that imports mlflow."""

import os

# Read by mlflow when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault(
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"
)  # uploads that fail stay in the spool and are retried later
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
