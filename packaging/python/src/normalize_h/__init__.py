"""Batch, layer, instance, group and RMS norm by normalize.h: forward, inference and backward, for
numpy's arrays and torch's tensors, with the same bits on every machine.

    >>> import numpy as np, normalize_h as nh
    >>> x = np.array([[1, 2, 3, 4], [40000, 40001, 40002, 40003]], "float32")
    >>> nh.layer_norm(x)
    array([[-1.3416355, -0.4472118,  0.4472118,  1.3416355],
           [-1.3416355, -0.4472118,  0.4472118,  1.3416355]], dtype=float32)
    >>> y, saved = nh.layer_norm(x, save=True)
    >>> dx, dgamma, dbeta, dadd, dgate = saved.backward(np.ones_like(y))

Every function returns a new array of the kind, shape and type of x, or writes to `out`, which may
be x. x is float16, bfloat16 (ml_dtypes, or torch), float32 or float64. Arrays that normalize.h can
describe by its pitches are not copied: slices, channels last, every n-th row. Others are.

gamma and beta are float32, or float64 for float64 data; any other type is converted.
"""
from ._native import best_isa, isas, version
from ._norms import (Gradients, Saved, batch_norm, group_norm, instance_norm, layer_norm,
                     rms_norm)

__version__ = version()
__all__ = ["layer_norm", "rms_norm", "batch_norm", "instance_norm", "group_norm", "Saved",
           "Gradients", "isas", "best_isa", "version"]
