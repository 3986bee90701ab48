"""The commands of `whygates`, one module each, and what they share: options, completion, command lines to paste."""
