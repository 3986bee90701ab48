"""Settings that have to be made before anything is imported."""

import os

# Triton's interpreter, which runs the kernels of the triton engine without a GPU. Triton reads this when it is first
# imported, which torch does too.
os.environ.setdefault("TRITON_INTERPRET", "1")
