"""normalize.py - normalize.h from Python: numpy arrays, in place, by ctypes.

`make shared` builds the library; the variable NORMALIZE_LIBRARY names another one than
build/libnormalize.so. Run as a program, it compares each kind with numpy in double.
"""
import ctypes
import os
import pathlib
from ctypes import c_double, c_int, c_size_t, c_void_p

import numpy

BATCH, LAYER, INSTANCE, GROUP, RMS = range(5)
NCHW, NHWC = range(2)
F32, F64, BF16, F16 = range(4)
IDENTITY, RELU, LEAKY_RELU, CLIP, HARD_SWISH, SILU = range(6)


class Pitch(ctypes.Structure):
    _fields_ = [(name, c_size_t) for name in ("sample", "line")]


class Desc(ctypes.Structure):
    _fields_ = [(name, c_size_t) for name in ("n", "c", "s", "groups")] + \
               [(name, c_int) for name in ("kind", "layout", "dtype", "act")] + \
               [("eps", c_double), ("gamma_offset", c_double), ("affine_per_sample", c_int),
                ("x_pitch", Pitch), ("y_pitch", Pitch)] + \
               [(name, c_double) for name in ("act_slope", "act_low", "act_high")] + \
               [(name, c_int) for name in ("param_half", "wide_residual", "transpose_y")]


class Args(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("x", "y", "residual", "sum", "gamma", "beta", "mean",
                                              "rstd", "running_mean", "running_var")] + \
               [("running_rate", c_double), ("running_population", c_int)] + \
               [(name, c_void_p) for name in ("dy", "dx", "dsum", "dgamma", "dbeta")] + \
               [("accumulate", c_int), ("isa", c_int), ("pool", c_void_p),
                ("workspace", c_void_p), ("workspace_size", c_size_t)] + \
               [(name, c_void_p) for name in ("add", "dadd", "gate", "dgate", "dresidual",
                                              "lengths", "q8", "q8_scale")]


_beside = pathlib.Path(__file__).resolve().parents[2] / "build" / "libnormalize.so"
_library = ctypes.CDLL(os.environ.get("NORMALIZE_LIBRARY", str(_beside)))
_library.nrm_forward.argtypes = [ctypes.POINTER(Desc), ctypes.POINTER(Args)]


def normalize(x, kind=LAYER, gamma=None, beta=None, eps=1e-5, groups=0, layout=NCHW):
    """Normalizes x, of shape (n, c, ...) or, NHWC, (n, ..., c), in place, and returns it."""
    dtype = {"float32": F32, "float64": F64, "float16": F16}[x.dtype.name]
    if not (x.flags.c_contiguous and x.flags.writeable and x.ndim >= 2):
        raise ValueError("x is not a contiguous, writeable array of two dimensions or more")
    n, c = x.shape[0], x.shape[1 if layout == NCHW else -1]
    desc = Desc(n=n, c=c, s=x.size // (n * c) if x.size else 0, groups=groups, kind=kind,
                layout=layout, dtype=dtype, eps=eps)
    args = Args(x=x.ctypes.data, y=x.ctypes.data)
    kept = {}  # alive until the call returns: a pointer does not hold its array
    for name, values in (("gamma", gamma), ("beta", beta)):
        if values is not None:
            kept[name] = numpy.ascontiguousarray(values, "float64" if dtype == F64 else "float32")
            if kept[name].size != c:
                raise ValueError(f"{name} is not of {c} values")
            setattr(args, name, kept[name].ctypes.data)
    status = _library.nrm_forward(desc, args)
    if status:
        why = ctypes.create_string_buffer(160)
        _library.nrm_explain(0, ctypes.byref(desc), ctypes.byref(args), why, c_size_t(len(why)))
        raise ValueError(why.value.decode())
    return x


def _exact(x, kind, gamma, beta):
    """The formula in double, the bound of docs/NUMERICS.md beside it; x is (n, c, h, w)."""
    axes = {BATCH: (0, 2, 3), LAYER: (1,), INSTANCE: (2, 3), GROUP: (2, 3, 4), RMS: (1,)}[kind]
    z = x.astype("float64")
    if kind == GROUP:
        z = z.reshape(len(x), 3, -1, *x.shape[2:])
    if kind != RMS:
        z = z - z.mean(axes, keepdims=True)
    xhat = (z / numpy.sqrt((z * z).mean(axes, keepdims=True) + 1e-5)).reshape(x.shape)
    y = xhat * gamma + beta
    bound = 2.0**-21 * (abs(gamma) * (1 + abs(xhat)) + abs(beta))
    if x.dtype == "float16":  # half a unit in the last place more, of storing it
        bound += numpy.maximum(abs(y), 2.0**-14) * 2.0**-11
    if x.dtype == "float64":  # numpy's own mean of numbers near 100 is not closer
        bound *= 1e-7
    return y, bound


def _demonstration():
    random = numpy.random.default_rng(1)
    gamma, beta = random.normal(size=(2, 6, 1, 1)).astype("float32")
    worst = 0
    for kind, name in enumerate(("batch", "layer", "instance", "group", "RMS")):
        for dtype in ("float32", "float16", "float64"):
            x = random.normal(100, 3, (4, 6, 5, 7)).astype(dtype)
            exact, bound = _exact(x, kind, gamma, beta)
            nchw = normalize(x.copy(), kind, gamma, beta, groups=3)
            nhwc = numpy.ascontiguousarray(x.transpose(0, 2, 3, 1))
            normalize(nhwc, kind, gamma, beta, groups=3, layout=NHWC)
            same = numpy.array_equal(nchw, nhwc.transpose(0, 3, 1, 2))
            error = (abs(nchw - exact) / bound).max()
            worst = max(worst, error if same else 2)
            print(f"{name:8} {dtype}: largest error {error:.3f} of the bound, NHWC",
                  "the same" if same else "DIFFERS")
    return worst <= 1


if __name__ == "__main__":
    raise SystemExit(not _demonstration())
