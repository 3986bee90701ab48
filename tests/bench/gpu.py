"""Everything that needs a GPU, in one run of at most eight minutes, written to one JSON file: `python tests/bench/gpu.py`.

It needs torch and triton, and this repository, which need not be installed. Its parts, in order:

    device       the card, its measured speed of float32 products and of copies
    correctness  every cell of the catalogue: the triton engine against the eager one in float64, on the card
    variants     tile, warps, precision and place of the weights of the LSTM's kernels
    scans        a gradient step of one layer: cuDNN for one member, torch.compile and the triton engine
    training     steps of a population: triton and eager engine on the card, fused engine on the CPU
    slice        populations of `why-gates` trained to their end, evaluations included

A part that fails is recorded with its error, and one for which there is no time left as such; the others go on.
`--rehearse` runs all of it in miniature on a CPU, with Triton's interpreter, and measures nothing of interest.
"""

import argparse
import json
import os
import statistics
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

REHEARSAL = "--rehearse" in sys.argv
if REHEARSAL:
    os.environ["TRITON_INTERPRET"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


class AnyShape:
    """In place of a type of jaxtyping, which is not needed here."""

    def __class_getitem__(cls, item: Any) -> Any:
        return Any


def stand_in(name: str, **attributes: Any) -> None:
    """Provide a module that is not installed, if so."""
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = module = ModuleType(name)
        vars(module).update(attributes)


stand_in("jaxtyping", Bool=AnyShape, Float=AnyShape, Int64=AnyShape)
stand_in("safetensors", SafetensorError=ValueError)
stand_in("safetensors.torch", load=None, save=None)

import torch  # noqa: E402

import tasks  # noqa: E402
from ablations.cells import catalogue  # noqa: E402
from ablations.engines import choose, eager, triton  # noqa: E402
from ablations.engines.triton import run as engine  # noqa: E402
from ablations.networks.model import Model, hidden_size  # noqa: E402
from ablations.training.population import Finished, Population  # noqa: E402
from ablations.training.result import Budget, Member  # noqa: E402

DEVICE = torch.device("cpu" if REHEARSAL else "cuda")
INPUTS = 4
BASE = {"K": 2, "T": 3, "B": 3, "H": 5} if REHEARSAL else {"K": 256, "T": 200, "B": 32, "H": 64}
POINTS = (
    [BASE]
    if REHEARSAL
    else [
        *(BASE | {"K": K} for K in (1, 4, 16, 64, 256, 1024)),
        *(BASE | {"K": 64, "T": T} for T in (50, 100, 200, 400, 800, 1600)),
        *(BASE | {"H": H} for H in (16, 32, 64, 128)),
    ]
)
CUDNN = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
VARIANTS = [
    {"TILE": tile, "WIDE_WARPS": warps, "NARROW_WARPS": warps, "PRECISION": precision, "resident": resident}
    for tile, warps, precision, resident in (
        (16, 4, "tf32x3", True), (16, 8, "tf32x3", True), (32, 8, "tf32x3", True), (16, 4, "tf32x3", False),
        (16, 8, "tf32x3", False), (32, 8, "tf32x3", False), (16, 4, "ieee", True), (16, 8, "ieee", True),
    )
]  # fmt: skip


def wait() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def milliseconds(step: Any, seconds: float = 0.4) -> float:
    """The median time of a step; the first two calls, which compile, are not timed."""
    for _ in range(2):
        step()
    wait()
    times, until = [], time.perf_counter() + seconds
    while len(times) < 3 or (time.perf_counter() < until and len(times) < 50):
        start = time.perf_counter()
        step()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def problem(cell: Any, K: int, T: int, B: int, H: int, dtype: torch.dtype = torch.float32) -> tuple[Any, ...]:
    """Random weights that keep states bounded, input, zero state, resets and the gradient of the outputs."""
    g = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=g, dtype=torch.float64).to(DEVICE, dtype)  # noqa: E731
    w = {n: draw(K, v.rows, v.columns) / (2 * v.rows**0.5) for n, v in cell.weights(INPUTS, H).items()}
    s = {n: draw(K, B, size).abs() for n, size in cell.state_sizes(H).items()}
    reset = (torch.rand(K, T, B, generator=g) < 0.1).to(DEVICE)
    return w, draw(K, T, B, INPUTS), s, reset, draw(K, T, B, cell.state_sizes(H)[cell.output])


def results(scan: Any, cell: Any, w: Any, x: Any, s: Any, reset: Any, d_outputs: Any) -> list[Any]:
    leaves = [part.clone().requires_grad_() for part in (*w.values(), x, *s.values())]
    named = dict(zip([*w, "x", *s], leaves, strict=True))
    scanned = scan(cell, {n: named[n] for n in w}, named["x"], {n: named[n] for n in s}, reset)
    gradients = torch.autograd.grad((scanned.outputs * d_outputs).sum(), leaves, materialize_grads=True)
    return [scanned.outputs.detach(), *scanned.state.values(), *gradients]


def errors(name: str, shape: dict[str, int]) -> dict[str, Any]:
    """The largest relative errors of a cell's results, of both engines in float32 against the eager one in float64."""
    cell, start = catalogue()[name](), time.perf_counter()
    exact = results(eager.scan, cell, *problem(cell, **shape, dtype=torch.float64))
    row: dict[str, Any] = {"cell": name, **shape}
    for label, scan in (("eager", eager.scan), ("triton", triton.scan)):
        found = results(scan, cell, *problem(cell, **shape))
        pairs = zip(found, exact, strict=True)
        row[label] = max(((a.double() - b).norm() / b.norm().clamp(min=1e-30)).item() for a, b in pairs)
    return row | {"seconds": time.perf_counter() - start}


def gradient_step(scan: Any, cell: Any, shape: dict[str, int]) -> Any:
    w, x, s, _, d_outputs = problem(cell, **shape)
    leaves = [part.requires_grad_() for part in w.values()]
    return lambda: torch.autograd.grad((scan(cell, w, x, s).outputs * d_outputs).sum(), leaves, materialize_grads=True)


def use(variant: dict[str, Any]) -> None:
    """Set the options of the engine; a variant without `resident` leaves it to the engine."""
    for name, value in variant.items():
        if name == "resident":
            engine.is_resident = lambda *_, value=value: value
        else:
            setattr(engine, name, value)


def attempt(function: Any, *arguments: Any) -> dict[str, Any]:
    """The result of a function, or its error; nothing is started when no time is left."""
    if time.time() > float(os.environ.get("DEADLINE", "inf")):  # in the environment: processes inherit it
        return {"error": "no time was left"}
    try:
        return function(*arguments)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:300]}", "at": traceback.format_exc()[-600:]}


def compiled(variant: dict[str, Any], shape: dict[str, int]) -> dict[str, Any]:
    """Compile the kernels of a variant into Triton's cache."""
    use(variant)
    gradient_step(triton.scan, catalogue()["lstm"](), shape | {"K": 1, "T": 8})()
    return {}


def in_processes(function: Any, jobs: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Results of a function for several arguments, in processes, as Triton compiles with one core."""
    if REHEARSAL:
        return [attempt(function, *job) for job in jobs[:2]]
    with ProcessPoolExecutor(12, get_context("spawn")) as pool:
        return [future.result() for future in [pool.submit(attempt, function, *job) for job in jobs]]


def device() -> dict[str, Any]:
    n = 64 if REHEARSAL else 8192
    a, b = torch.randn(n, n, device=DEVICE), torch.randn(n, n, device=DEVICE)
    product, copy = milliseconds(lambda: a @ b), milliseconds(lambda: a.copy_(b))
    name = "CPU" if REHEARSAL else torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "triton": __import__("triton").__version__}
    speed = {"float32_tflops": 2 * n**3 / product / 1e9, "copy_gb_per_second": 2 * a.nbytes / copy / 1e6}
    return {"name": name, **versions, **speed}


def correctness() -> list[dict[str, Any]]:
    small = {"K": 2, "T": 3, "B": 3, "H": 5} if REHEARSAL else {"K": 3, "T": 12, "B": 18, "H": 24}
    wide = [("lstm", small | {"H": H}) for H in (64, 100, 200)] + [("gru", small | {"H": 64})]
    return in_processes(errors, [*((name, small) for name in catalogue()), *wide])


def variants() -> list[dict[str, Any]]:
    shapes = [BASE | {"H": H} for H in ((5,) if REHEARSAL else (32, 64))]
    jobs = [(variant, shape) for shape in shapes for variant in VARIANTS[: 1 if REHEARSAL else None]]
    in_processes(compiled, jobs)
    default, rows = {n: getattr(engine, n) for n in VARIANTS[0] if n != "resident"}, []
    decide = engine.is_resident
    for variant, shape in jobs:
        use(variant)
        timed = lambda shape=shape: {"ms": milliseconds(gradient_step(triton.scan, catalogue()["lstm"](), shape))}  # noqa: E731
        rows.append({**shape, **variant, **attempt(timed)})
    use(default)
    engine.is_resident = decide
    return rows


def flops(cell: Any, shape: dict[str, int]) -> int:
    """Floating-point operations of the matrix products of a gradient step: three times those of a forward pass."""
    return 3 * 2 * shape["K"] * shape["T"] * shape["B"] * sum(
        v.rows * v.columns for v in cell.weights(INPUTS, shape["H"]).values() if v.rows > 1
    )  # fmt: skip


def scans() -> list[dict[str, Any]]:
    """Milliseconds of a gradient step, all members together; cuDNN's and torch.compile's at the numbers of members given."""
    rows = []
    for name, module in CUDNN.items():
        cell, seen = catalogue()[name](), set[tuple[int, int]]()
        for shape in POINTS:
            row = attempt(lambda cell=cell, shape=shape: {"ms": milliseconds(gradient_step(triton.scan, cell, shape))})
            rows.append({"cell": name, "what": "triton", **shape, **row, "flops": flops(cell, shape)})
            if (key := (shape["T"], shape["H"])) not in seen:
                seen.add(key)
                rows.append({"cell": name, "what": "cudnn", **shape, "K": 1, **attempt(cudnn, module, shape)})
        shape = BASE | ({} if REHEARSAL else {"K": 64, "T": 50})
        rows.append({"cell": name, "what": "torch.compile of a step", **shape, **attempt(compiled_step, cell, shape)})
        rows.append({"cell": name, "what": "eager", **shape, **attempt(
            lambda cell=cell, shape=shape: {"ms": milliseconds(gradient_step(eager.scan, cell, shape))})})  # fmt: skip
    return rows


def cudnn(module: Any, shape: dict[str, int]) -> dict[str, Any]:
    layer = module(INPUTS, shape["H"]).to(DEVICE)
    x = torch.randn(shape["T"], shape["B"], INPUTS, device=DEVICE)
    return {"ms": milliseconds(lambda: torch.autograd.grad(layer(x)[0].sum(), list(layer.parameters())))}


def compiled_step(cell: Any, shape: dict[str, int]) -> dict[str, Any]:
    if REHEARSAL:
        return {"error": "not rehearsed"}
    step = torch.compile(lambda w, drive, state: cell.step(w, drive, state, lambda _, value: value))

    class Compiled:
        def __getattr__(self, name: str) -> Any:
            return getattr(cell, name)

        def step(self, w: Any, drive: Any, state: Any, tap: Any) -> Any:
            return step(w, drive, state)

    return {"ms": milliseconds(gradient_step(eager.scan, Compiled(), shape))}


def population(
    name: str, task: str, lag: int, members: int, steps: int, engine_name: str, where: torch.device
) -> Population:
    cell, built = catalogue()[name](), tasks.catalogue()[task]()
    inputs, outputs = built.sizes(lag)
    hidden = hidden_size(cell, inputs, outputs, "parameters", 150 if REHEARSAL else 1500)
    chosen = choose(engine_name, cell, (), where)
    model = Model(cell, inputs, outputs, hidden, chosen.scan, 1, chosen.linear)
    specs = [Member(k, {"learning_rate": 0.01}) for k in range(members)]
    return Population(model, built, lag, specs, Budget(steps, 8 if REHEARSAL else 32, 25, 1, 500), device=where)


def training() -> list[dict[str, Any]]:
    rows = []
    for engine_name, where in (("triton", DEVICE), ("eager", DEVICE), ("fused", torch.device("cpu"))):
        for members in (2,) if REHEARSAL else (16, 64, 256) if engine_name != "fused" else (16,):

            def timed(
                engine_name: str = engine_name, where: torch.device = where, members: int = members
            ) -> dict[str, Any]:
                trained = population("lstm", "recall", 2 if REHEARSAL else 40, members, 2000, engine_name, where)
                ms = milliseconds(trained.train_step, 2.0)
                recorded = trained.update.recorded is not None
                return {"ms": ms, "graph": recorded, "members_per_hour_of_2000_steps": members * 3.6e6 / (2000 * ms)}

            rows.append({"engine": engine_name, "device": where.type, "members": members, **attempt(timed)})
    return rows


def why_gates() -> list[dict[str, Any]]:
    rows = []
    for name in ("lstm", "lstm_no_forget", "rnn", "gru", "single_network"):
        for lag in (2,) if REHEARSAL else (10, 40):

            def trained(name: str = name, lag: int = lag) -> dict[str, Any]:
                start = time.perf_counter()
                one = population(
                    name, "recall", lag, 2 if REHEARSAL else 60, 3 if REHEARSAL else 1000, "triton", DEVICE
                )
                statuses = [event.result.status for event in one.run() if isinstance(event, Finished)]
                counts = {status: statuses.count(status) for status in ("solved", "unsolved", "diverged")}
                return counts | {"seconds": time.perf_counter() - start}

            rows.append({"cell": name, "task": "recall", "lag": lag, **attempt(trained)})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="in miniature on a CPU")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ".")) / "gpu.json")
    parser.add_argument(
        "--seconds", type=float, default=480.0, help="nothing starts later than half a minute before this"
    )
    options = parser.parse_args()
    if not REHEARSAL and not torch.cuda.is_available():
        print("there is no CUDA device here; --rehearse runs the script in miniature on a CPU", file=sys.stderr)
        return 2
    torch.set_float32_matmul_precision("highest")
    report = dict[str, Any]()
    os.environ["DEADLINE"] = str(time.time() + options.seconds - 30)
    for part in (device, correctness, training, scans, variants, why_gates):
        start = time.perf_counter()
        found = attempt(lambda part=part: {"result": part()})
        report[part.__name__] = found | {"seconds": time.perf_counter() - start}
        options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")
        print(f"{part.__name__}: {report[part.__name__]['seconds']:.0f} s {found.get('error', '')}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
