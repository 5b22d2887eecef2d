"""Beside torch's own norms, whose tensors are taken without a copy."""
import normalize_h as nh
import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional
N, C, H, W = 3, 6, 4, 5


def drawn(*shape, seed=1, dtype=torch.float64):
    torch.manual_seed(seed)
    return (torch.randn(*shape, dtype=torch.float64) * 1.5 + 2).to(dtype)


def near(a, b, tolerance=1e-12):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


PAIRS = {
    "layer": (lambda x, g, b, **k: nh.layer_norm(x, g, b, **k),
              lambda x, g, b: F.layer_norm(x, g.shape, g, b), (W,)),
    "layer2": (lambda x, g, b, **k: nh.layer_norm(x, g, b, **k),
               lambda x, g, b: F.layer_norm(x, g.shape, g, b), (H, W)),
    "rms": (lambda x, g, b, **k: nh.rms_norm(x, g, b, eps=1e-5, **k),
            lambda x, g, b: F.rms_norm(x, g.shape, g, 1e-5) + b, (W,)),
    "batch": (lambda x, g, b, **k: nh.batch_norm(x, g, b, training=True, **k),
              lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True), (C,)),
    "instance": (lambda x, g, b, **k: nh.instance_norm(x, g, b, **k),
                 lambda x, g, b: F.instance_norm(x, None, None, g, b), (C,)),
    "group": (lambda x, g, b, **k: nh.group_norm(x, 3, g, b, **k),
              lambda x, g, b: F.group_norm(x, 3, g, b), (C,))}


@pytest.mark.parametrize("last", [False, True], ids=["packed", "channels last"])
@pytest.mark.parametrize("kind", PAIRS)
def test_forward_and_backward(kind, last):
    ours, theirs, affine = PAIRS[kind]
    x, gamma, beta, dy = drawn(N, C, H, W), drawn(*affine, seed=2), drawn(*affine, seed=3), \
        drawn(N, C, H, W, seed=4)
    if last:
        x = x.to(memory_format=torch.channels_last)
    leaves = [t.clone().requires_grad_() for t in (x, gamma, beta)]
    wanted = theirs(*leaves)
    wanted.backward(dy)
    y, saved = ours(x, gamma, beta, save=True)
    assert isinstance(y, torch.Tensor) and y.stride() == x.stride()
    near(y, wanted.detach())
    g = saved.backward(dy)
    for got, leaf in zip(g[:3], leaves):
        assert isinstance(got, torch.Tensor)
        near(got, leaf.grad, 1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", PAIRS)
def test_types(kind, dtype):
    ours, theirs, affine = PAIRS[kind]
    x = drawn(N, C, H, W, dtype=dtype)
    gamma, beta = drawn(*affine, seed=2, dtype=dtype), drawn(*affine, seed=3, dtype=dtype)
    y, saved = ours(x, gamma, beta, save=True)
    assert y.dtype == dtype and saved.backward(y).dgamma.dtype == dtype
    wanted = theirs(x.double(), gamma.double(), beta.double())
    half_ulp = {torch.float32: 2.0**-20, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}[dtype]
    near(y.double(), wanted, 1.1 * half_ulp)


def test_bits_of_numpy():
    x = drawn(7, 33, dtype=torch.float32)
    assert np.array_equal(nh.layer_norm(x).numpy(), nh.layer_norm(x.numpy()))


def test_no_copies():
    x = drawn(4, 6, dtype=torch.bfloat16)
    place = x.data_ptr()
    assert nh.layer_norm(x, out=x) is x and x.data_ptr() == place
    from normalize_h._arrays import tensor
    assert tensor("x", x).view.__array_interface__["data"][0] == place


@pytest.mark.parametrize("training", [True, False])
def test_running(training):
    x = drawn(N, C, H, W)
    mine, its = (torch.zeros(C).double(), torch.ones(C).double()), \
        (torch.zeros(C).double(), torch.ones(C).double())
    near(nh.batch_norm(x, running_mean=mine[0], running_var=mine[1], training=training,
                       momentum=0.3),
         F.batch_norm(x, *its, training=training, momentum=0.3))
    near(mine[0], its[0])
    near(mine[1], its[1])


def test_gradient_required():
    with pytest.raises(ValueError, match="x: .*detach"):
        nh.layer_norm(drawn(3, 4).requires_grad_())


def test_integers_are_refused():
    with pytest.raises(TypeError, match="x has 64 bits of DLPack's type 0"):
        nh.layer_norm(torch.arange(3))
