"""The formulas in numpy and double, and the bounds that docs/NUMERICS.md publishes."""
import numpy as np

E = {"float32": 2.0**-23, "float64": 2.0**-52, "float16": 2.0**-23, "bfloat16": 2.0**-23}
HALF_ULP = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


def exact(x, axes, gamma=None, beta=None, eps=1e-5, rms=False, groups=None):
    """y and xhat in double; x is (n, c, ...) where there are groups."""
    z = x.astype("float64")
    shape = z.shape
    if groups:
        z = z.reshape(shape[0], groups, -1)
        axes = (2,)
    if not rms:
        z = z - z.mean(axes, keepdims=True)
    xhat = (z / np.sqrt((z * z).mean(axes, keepdims=True) + eps)).reshape(shape)
    g = 1.0 if gamma is None else np.asarray(gamma, "float64")
    b = 0.0 if beta is None else np.asarray(beta, "float64")
    return xhat * g + b, xhat


def assert_near(y, of, gamma=1.0, beta=0.0, dtype=None):
    """y within the bound of what exact() returned."""
    dtype = dtype or y.dtype.name
    want, xhat = of
    factor = 10.5 if dtype != "float64" else 1000  # numpy in double is no better
    bound = factor * E[dtype] * (abs(gamma) * (1 + abs(xhat)) + abs(beta)) + 2.0**-149
    bound = bound + HALF_ULP.get(dtype, 0) * np.maximum(abs(want) + bound, 2.0**-14)
    wrong = ~(abs(y.astype("float64") - want) <= bound)
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} values are off: {np.argwhere(wrong)[0]}"


def bits(a):
    return np.ascontiguousarray(a).view(f"u{a.dtype.itemsize}")


def assert_same_bits(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert np.array_equal(bits(a), bits(b))
