"""Each norm beside its formula: types, strides, options, errors, gradients."""
import itertools
import warnings

import normalize_h as nh
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from reference import assert_near, assert_same_bits, exact

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

DTYPES = ["float32", "float64", "float16"] + (["bfloat16"] if ml_dtypes else [])
N, C, H, W = 3, 6, 4, 5


def dtype_of(name):
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def drawn(shape, dtype="float32", seed=1, mean=2.0):
    values = np.random.default_rng(seed).normal(mean, 1.5, shape).astype("float32")
    return values.astype(dtype_of(dtype))


def along_channels(p):
    return p.reshape(1, -1, 1, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["layer", "rms", "batch", "instance", "group"])
def test_formula(kind, dtype):
    x = drawn((N, C, H, W), dtype)
    size = W if kind in ("layer", "rms") else C
    gamma, beta = drawn(size, seed=2), drawn(size, seed=3)
    wide = (gamma, beta) if size == W else (along_channels(gamma), along_channels(beta))
    axes = {"layer": (3,), "rms": (3,), "batch": (0, 2, 3), "instance": (2, 3), "group": None}[kind]
    call = {"layer": nh.layer_norm, "rms": nh.rms_norm, "instance": nh.instance_norm,
            "batch": lambda *a, **k: nh.batch_norm(*a, training=True, **k),
            "group": lambda v, *a, **k: nh.group_norm(v, 3, *a, **k)}[kind]
    y = call(x, gamma, beta, eps=1e-5)
    of = exact(x, axes, *wide, rms=kind == "rms", groups=3 if kind == "group" else None)
    assert y.dtype == x.dtype and y is not x
    assert_near(y, of, *wide, dtype=dtype)
    for isa in nh.isas():
        assert_same_bits(call(x, gamma, beta, eps=1e-5, isa=isa), y)
    assert call(x, gamma, beta, eps=1e-5, out=x) is x
    assert_same_bits(x, y)


def test_large_mean():
    x = np.array([[1, 2, 3, 4], [40000, 40001, 40002, 40003]], "float32")
    y = nh.layer_norm(x)
    assert_same_bits(y[0], y[1])


def test_several_axes():
    x, gamma = drawn((2, 3, H, W)), drawn((H, W), seed=2)
    y = nh.layer_norm(x, gamma)
    assert_near(y, exact(x, (2, 3), gamma), gamma)
    assert_same_bits(nh.layer_norm(x, axes=2), nh.layer_norm(x, np.ones((H, W))))
    assert_same_bits(nh.layer_norm(x, axes=4).ravel(), nh.layer_norm(x.ravel()))


# ---- Strides -------------------------------------------------------------------------------------

VIEWS = {"rows": lambda a: a[::2], "columns": lambda a: a[..., 1:4],
         "every other": lambda a: a[..., ::2],
         "backwards": lambda a: a[..., ::-1], "turned": lambda a: a.transpose(0, 3, 1, 2),
         "middle": lambda a: a[:, 1:3], "repeated": lambda a: np.broadcast_to(a[:1], a.shape),
         "reversed axes": lambda a: a.T, "one": lambda a: a[:, :, :1]}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_views(name, dtype):
    a = drawn((4, 6, 5, 7), dtype)
    x = VIEWS[name](a)
    packed = np.ascontiguousarray(x)
    before = a.copy()
    n, c = x.shape[:2]
    calls = [nh.layer_norm, nh.rms_norm, lambda v, **k: nh.layer_norm(v, axes=2, **k),
             lambda v, **k: nh.batch_norm(v, training=True, **k), nh.instance_norm,
             lambda v, **k: nh.group_norm(v, c, **k),
             lambda v, **k: nh.instance_norm(v, layout="NHWC", **k)]
    for call in calls:
        wanted = call(packed)
        assert_same_bits(call(x), wanted)
        assert_same_bits(call(x, residual=packed, add=x), call(packed, residual=packed, add=packed))
        out = np.zeros((*x.shape, 2), x.dtype)[..., 0]
        assert call(x, out=out) is out
        assert_same_bits(np.ascontiguousarray(out), wanted)
        assert_same_bits(a, before)


def test_what_lies_between_stays():
    a = drawn((6, 8))
    whole = a.copy()
    nh.layer_norm(a[:, :5], out=a[:, :5])
    assert_same_bits(a[:, 5:], whole[:, 5:])
    assert_same_bits(a[:, :5], nh.layer_norm(whole[:, :5]))


def test_windows_that_overlap():
    a = drawn(20, mean=0)
    x = np.lib.stride_tricks.sliding_window_view(a, 5)
    assert_same_bits(nh.layer_norm(x), nh.layer_norm(x.copy()))


def test_parameters_of_each_sample():
    x, gamma, beta = drawn((N, C, H, W)), drawn((N, C), seed=2), drawn((N, C), seed=3)
    for call in (nh.instance_norm, lambda v, *a: nh.group_norm(v, 2, *a)):
        y = call(x, gamma, beta)
        for i in range(N):
            assert_same_bits(y[i:i + 1], call(x[i:i + 1], gamma[i], beta[i]))


def test_pitches_are_used():
    from normalize_h._places import Axes, pitch_of
    a = drawn((4, 6, 5, 7))
    last = Axes((0, 1, 2), (3,), (), "NHWC")
    assert pitch_of(a[..., 1:4], last) == (7, 3)
    assert pitch_of(a[:, :, ::2], last) is None
    channels_last = a.transpose(0, 3, 1, 2)[:, 1:4]
    assert pitch_of(channels_last, Axes((0,), (1,), (2, 3), "NHWC")) == (210, 7)


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_any_strides(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    order = data.draw(st.permutations(range(len(shape))))
    steps = [data.draw(st.sampled_from([1, 1, 2, -1])) for _ in shape]
    base = drawn([2 * shape[i] for i in order], data.draw(st.sampled_from(DTYPES)))
    view = base.transpose(np.argsort(order))
    x = view[tuple(slice(None, None, step) for step in steps)]
    x = x[tuple(slice(0, size) for size in shape)]
    axes = data.draw(st.integers(1, len(shape)))
    packed = np.ascontiguousarray(x)
    assert_same_bits(nh.layer_norm(x, axes=axes), nh.layer_norm(packed, axes=axes))
    if x.shape[0] * x.size // (x.shape[0] * x.shape[1]) > 1:
        assert_same_bits(nh.batch_norm(x, training=True), nh.batch_norm(packed, training=True))
    y, saved = nh.group_norm(x, 1, save=True)
    y2, saved2 = nh.group_norm(packed, 1, save=True)
    assert_same_bits(y, y2)
    assert_same_bits(saved.backward(x).dx, saved2.backward(packed).dx)


# ---- Backward ------------------------------------------------------------------------------------


def numeric(f, at, dy):
    """The gradient of sum(f() * dy) by differences; `at` is changed in place, and back."""
    grad = np.zeros(at.shape)
    for i in np.ndindex(at.shape):
        kept, h = at[i], 1e-6
        at[i] = kept + h
        above = (f() * dy).sum()
        at[i] = kept - h
        grad[i] = (above - (f() * dy).sum()) / (2 * h)
        at[i] = kept
    return grad


CALLS = {
    "layer": (lambda x, g, b, **k: nh.layer_norm(x, g, b, **k), (3,)),
    "layer2": (lambda x, g, b, **k: nh.layer_norm(x, g, b, **k), (2, 3)),
    "rms": (lambda x, g, b, **k: nh.rms_norm(x, g, b, **k), (3,)),
    "batch": (lambda x, g, b, **k: nh.batch_norm(x, g, b, training=True, **k), (2,)),
    "frozen": (lambda x, g, b, **k: nh.batch_norm(
        x, g, b, running_mean=np.array([0.1, -0.2]), running_var=np.array([1.5, 0.7]), **k), (2,)),
    "instance": (lambda x, g, b, **k: nh.instance_norm(x, g, b, **k), (2,)),
    "own gamma": (lambda x, g, b, **k: nh.instance_norm(x, g, b, **k), (2, 2)),
    "group": (lambda x, g, b, **k: nh.group_norm(x, 2, g, b, **k), (2,))}


@pytest.mark.parametrize("act", [None, "silu", "hard_swish", ("leaky_relu", 0.1), "relu6"])
@pytest.mark.parametrize("kind", CALLS)
def test_gradient(kind, act):
    call, affine = CALLS[kind]
    x, dy = drawn((2, 2, 2, 3), "float64"), drawn((2, 2, 2, 3), "float64", seed=4)
    gamma, beta = drawn(affine, "float64", 5), drawn(affine, "float64", 6)
    add, gate = drawn(x.shape, "float64", 7), drawn(x.shape, "float64", 8)

    def again(**k):
        return call(x, gamma, beta, act=act, add=add, gate=gate, **k)

    y, saved = again(save=True)
    g = saved.backward(dy)
    assert_same_bits(y, again())
    for grad, at in ((g.dx, x), (g.dgamma, gamma), (g.dbeta, beta), (g.dadd, add), (g.dgate, gate)):
        np.testing.assert_allclose(grad, numeric(again, at, dy), rtol=1e-4, atol=1e-6)


def test_residual():
    x, r, dy, dsum = (drawn((5, 8), seed=i) for i in range(4))
    total = np.empty_like(x)
    y, saved = nh.rms_norm(x, residual=r, sum_out=total, save=True)
    assert saved.sum is total
    assert_same_bits(total, x + r)
    y2, saved2 = nh.rms_norm(total, save=True)
    assert_same_bits(y, y2)
    assert_same_bits(saved.backward(dy).dx, saved2.backward(dy).dx)
    np.testing.assert_allclose(saved.backward(dy, dsum=dsum).dx, saved.backward(dy).dx + dsum,
                               rtol=1e-6, atol=1e-6)
    assert saved.backward(dy.copy(), dx_out=dsum).dx is dsum


def test_statistics():
    x = drawn((N, C, H, W))
    for call, axes in ((lambda v, **k: nh.batch_norm(v, training=True, **k), (0, 2, 3)),
                       (nh.instance_norm, (2, 3)), (nh.layer_norm, (3,)),
                       (lambda v, **k: nh.layer_norm(v, axes=3, **k), (1, 2, 3))):
        _, saved = call(x, save=True)
        np.testing.assert_allclose(saved.mean, x.astype("f8").mean(axes), rtol=1e-6)
        np.testing.assert_allclose(saved.rstd, (x.astype("f8").var(axes) + 1e-5)**-0.5, rtol=1e-6)
    assert nh.rms_norm(x, save=True)[1].mean is None
    assert nh.group_norm(x, 3, save=True)[1].mean.shape == (N, 3)


def test_gradients_keep_the_types_of_parameters():
    x = drawn((4, 8), "float16")
    y, saved = nh.layer_norm(x, np.ones(8, "float16"), np.zeros(8), save=True)
    g = saved.backward(y)
    assert g.dgamma.dtype == "float16" and g.dbeta.dtype == "float64" and g.dx.dtype == "float16"


# ---- Running statistics --------------------------------------------------------------------------


@pytest.mark.parametrize("population", [False, True])
def test_running(population):
    x = drawn((N, C, H, W))
    both = np.zeros((2, C, 2), "float32")
    mean, var = both[0, :, 0], both[1, :, 0]  # not packed
    var[...] = 1
    nh.batch_norm(x, training=True, running_mean=mean, running_var=var, momentum=0.25,
                  population=population)
    np.testing.assert_allclose(mean, 0.25 * x.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(var, 0.75 + 0.25 * x.var((0, 2, 3), ddof=not population), rtol=1e-6)
    y = nh.batch_norm(x, running_mean=mean, running_var=var)
    wanted = (x - along_channels(mean)) / np.sqrt(along_channels(var) + 1e-5)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_running_stays_where_it_would_not_be_finite():
    x = drawn((N, C, H, W))
    x[0, 0, 0, 0] = np.nan
    mean, var = np.zeros(C, "float32"), np.ones(C, "float32")
    with pytest.warns(RuntimeWarning, match="have not moved"):
        nh.batch_norm(x, training=True, running_mean=mean, running_var=var)
    assert not mean.any() and (var == 1).all()


# ---- Threads, empty, extremes --------------------------------------------------------------------


def test_threads():
    x = drawn((8, 16, 80, 80))
    for call in (nh.layer_norm, nh.instance_norm,
                 lambda v, **k: nh.batch_norm(v, training=True, **k)):
        y, one = call(x, save=True)
        for threads in (2, 3, 8):
            again, many = call(x, save=True, threads=threads)
            assert_same_bits(again, y)
            assert_same_bits(many.backward(x, threads=threads).dx, one.backward(x).dx)


@pytest.mark.parametrize("shape", [(0, 4, 3), (3, 0, 3), (3, 4, 0), (0, 0, 0)])
def test_empty(shape):
    x = np.empty(shape, "float32")
    for call in (nh.layer_norm, nh.rms_norm, nh.instance_norm,
                 lambda v, **k: nh.batch_norm(v, training=True, **k)):
        y, saved = call(x, save=True)
        assert y.shape == shape and saved.backward(y).dx.shape == shape
    y, saved = nh.batch_norm(x, np.ones(shape[1]), training=True, save=True)
    assert not saved.backward(y).dgamma.any()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1,
                max_size=40))
def test_finite_gives_finite(values):
    x = np.array(values, "float32")
    y, saved = nh.layer_norm(x, save=True)
    assert np.isfinite(y).all() and np.isfinite(saved.backward(np.ones_like(y)).dx).all()
    if len(set(values)) == 1:
        assert not y.any()


# ---- Errors --------------------------------------------------------------------------------------

X = drawn((2, 6, 3))
WRONG = [
    (lambda: nh.layer_norm([1.0]), TypeError, "x is a list"),
    (lambda: nh.layer_norm(np.arange(3)), TypeError, "x is of int64"),
    (lambda: nh.layer_norm(X.astype(">f4")), TypeError, "x is of >f4"),
    (lambda: nh.layer_norm(X, np.ones(4)), ValueError,
     r"gamma has shape \(4,\), and should have \(3,\): that of the last axis"),
    (lambda: nh.layer_norm(X, np.ones(3), np.ones((6, 3))), ValueError, "beta has shape"),
    (lambda: nh.layer_norm(X, (3,)), TypeError,
     r"gamma is \(3,\), and should be an array: .* axes=1"),
    (lambda: nh.rms_norm(X, 3), TypeError, "gamma is 3, and should be an array"),
    (lambda: nh.layer_norm(X, axes=4), ValueError, "axes is 4, and should be from 1 to 3"),
    (lambda: nh.layer_norm(X, eps=-1), ValueError, "eps is -1"),
    (lambda: nh.layer_norm(X, act="gelu"), ValueError, "act is 'gelu'"),
    (lambda: nh.layer_norm(X, act="clip"), ValueError, "act is 'clip'"),
    (lambda: nh.layer_norm(X, act=("clip", 2, 1)), ValueError, "act_low"),
    (lambda: nh.layer_norm(X, residual=X[:1]), ValueError, "residual has shape"),
    (lambda: nh.layer_norm(X, add=X.astype("f8")), TypeError, "add is of float64"),
    (lambda: nh.layer_norm(X, out=X[:1]), ValueError, "out has shape"),
    (lambda: nh.layer_norm(X, out=X, save=True), ValueError, "out shares memory"),
    (lambda: nh.layer_norm(X, out=np.broadcast_to(X[:1], X.shape)), ValueError, "out is read-only"),
    (lambda: nh.layer_norm(X, sum_out=X), ValueError, "without residual"),
    (lambda: nh.layer_norm(X, threads=0), ValueError, "threads is 0"),
    (lambda: nh.layer_norm(X, isa="mmx"), ValueError, "isa is 'mmx'"),
    (lambda: nh.group_norm(X, 4), ValueError, "groups is 4, which does not divide c = 6"),
    (lambda: nh.group_norm(X, 0), ValueError, "groups is 0"),
    (lambda: nh.batch_norm(X), ValueError, "running_mean is None"),
    (lambda: nh.batch_norm(X, training=True, momentum=2, running_var=np.ones(6, "f4")), ValueError,
     "running_rate is 2"),
    (lambda: nh.batch_norm(X, training=True, running_var=np.ones(6)), TypeError,
     "running_var is of float64"),
    (lambda: nh.batch_norm(X, training=True, running_mean=np.ones(5, "f4")), ValueError,
     "running_mean has shape"),
    (lambda: nh.batch_norm(X[:1, :, :1], training=True, running_var=np.ones(6, "f4")), ValueError,
     "running_var"),
    (lambda: nh.batch_norm(X[0, 0]), ValueError, "x has 1 dimensions"),
    (lambda: nh.instance_norm(X, layout="CHW"), ValueError, "layout is 'CHW'"),
]


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_errors(i):
    call, kind, sentence = WRONG[i]
    with pytest.raises(kind, match=sentence):
        call()


def test_overlap_is_an_error():
    a = drawn(40)
    with pytest.raises(ValueError, match="overlap"):
        nh.layer_norm(a[:30].reshape(5, 6), out=a[3:33].reshape(5, 6))


def test_subclasses_and_read_only_inputs():
    x = drawn((3, 4))
    x.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nh.layer_norm(x)
    assert nh.version() == nh.__version__ and nh.best_isa()
    assert nh.isas()[0] == "scalar"


def test_names_of_the_library_are_all_there():
    from normalize_h._native import ENUM
    for kind, layout in itertools.product(("BATCH", "LAYER", "INSTANCE", "GROUP", "RMS"),
                                          ("NCHW", "NHWC")):
        assert "NRM_" + kind in ENUM and "NRM_" + layout in ENUM
