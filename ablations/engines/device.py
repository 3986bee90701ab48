"""The device that networks are trained on."""

import torch

from ablations.errors import InputError, lookup

DEVICES = ("auto", "cpu", "cuda")
CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """Return a device from its name; `auto` is the GPU if there is one, else the CPU.

    Raises InputError for an unknown name, and for `cuda` where there is no GPU.
    """
    lookup("device", name, dict.fromkeys(DEVICES))
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return CPU
    if not torch.cuda.is_available():
        reason = "finds no NVIDIA GPU" if torch.backends.cuda.is_built() else "is built for the CPU only"
        raise InputError(
            f"there is no CUDA device here: torch {torch.__version__} {reason}; with --device cpu it runs on the CPU"
        )
    return torch.device("cuda", torch.cuda.current_device())
