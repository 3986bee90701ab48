"""Study files: schema, presets, arms and their content hashes."""
