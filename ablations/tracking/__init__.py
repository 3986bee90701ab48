"""MLflow: writing runs, reading them back as tables, the saved view. The only package that imports mlflow."""
