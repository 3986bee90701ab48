"""Where arms are trained."""
