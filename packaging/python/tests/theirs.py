"""Norms for `python -m normalize_h.fuzz`, wrong and right."""
import normalize_h as nh
import numpy as np


def naive(x, gamma=None, beta=None, eps=1e-5):
    mean = x.mean(-1, keepdims=True)
    var = (x * x).mean(-1, keepdims=True) - mean * mean  # cancels
    y = (x - mean) / np.sqrt(var + eps)
    y = y if gamma is None else y * gamma
    return (y if beta is None else y + beta).astype(x.dtype)


def layer(x, weight=None, bias=None, epsilon=1e-5):
    return nh.layer_norm(x, weight, bias, eps=epsilon)


def rms(x, gamma=None, eps=1e-6):
    return nh.rms_norm(x, gamma, eps=eps)


def batch(x, gamma=None, beta=None, eps=1e-5):
    return nh.batch_norm(x, gamma, beta, training=True, eps=eps)


def instance(x, gamma=None, beta=None, eps=1e-5):
    return nh.instance_norm(x, gamma, beta, eps=eps)


def group(x, groups, gamma=None, beta=None, eps=1e-5):
    return nh.group_norm(x, groups, gamma, beta, eps=eps)


def layer_backward(dy, x, gamma=None, eps=1e-5):
    y, saved = nh.layer_norm(x, gamma, np.zeros(x.shape[1]), eps=eps, save=True)
    g = saved.backward(dy)
    return g.dx if gamma is None else (g.dx, g.dgamma, g.dbeta.astype(x.dtype))


def no_epsilon(x):
    return naive(x)


def only_few(x):
    if x.size > 20:
        raise NotImplementedError
    return nh.layer_norm(x)


def without_beta(x, weight=None, bias=None):
    return nh.layer_norm(x, weight)


def never(x):
    raise NotImplementedError


def of_other_shape(x):
    return x[:1, :1]


def raises(x):
    return 1 / 0


def writes(x):
    x += 1
    return x


def depends_on_strides(x):
    y = nh.layer_norm(x)
    return y if x.flags.c_contiguous else np.nextafter(y, np.float32(9))
