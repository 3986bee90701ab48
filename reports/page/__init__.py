"""What the report's page holds: the context of the templates."""
