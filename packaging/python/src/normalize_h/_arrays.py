"""What may be an array here: numpy's, or anything that speaks DLPack and lies in the memory of the
CPU. Either becomes a numpy view of the same memory, of uint16 where numbers have two bytes."""
import ctypes
import sys
from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

Array = Any  # numpy.ndarray, torch.Tensor, ...
View = Any  # numpy.ndarray; its types need a newer Python than 3.9 to say more

CODES = {"float32": "F32", "float64": "F64", "bfloat16": "BF16", "float16": "F16"}
_STORED = {"float32": "f4", "float64": "f8", "bfloat16": "u2", "float16": "u2"}
_TYPES = "float16, bfloat16, float32, float64"


class Tensor(NamedTuple):
    """An array of the user's."""

    name: str
    owner: Array
    view: View
    dtype: str

    @property
    def is_double(self) -> bool:
        return self.dtype == "float64"


# ---- DLPack --------------------------------------------------------------------------------------


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32),
                ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class _Versioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32),
                ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", _DLTensor)]


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.argtypes = [ctypes.py_object, ctypes.c_char_p]

_ON_CPU = (1, 3, 11)  # plain memory, CUDA's and ROCm's pinned memory
_FLOAT, _BFLOAT = 2, 4


class _Lent:
    """Memory that stays lent as long as the view lives: the capsule gives it back."""

    def __init__(self, capsule: Any, interface: Any) -> None:
        self.capsule, self.__array_interface__ = capsule, interface


def _capsule_of(name: str, owner: Array) -> Any:
    try:
        try:
            return owner.__dlpack__(max_version=(1, 0))
        except TypeError:  # from before version 1
            return owner.__dlpack__()
    except (BufferError, RuntimeError) as error:
        raise ValueError(f"{name}: {error}") from error


def _from_dlpack(name: str, owner: Array) -> Tensor:
    device = owner.__dlpack_device__()[0]
    if device not in _ON_CPU:
        raise ValueError(f"{name} is on device type {int(device)} of DLPack, not in the memory of "
                         "the CPU")
    capsule = _capsule_of(name, owner)
    read_only = False
    if _is_valid(capsule, b"dltensor_versioned"):
        managed = _Versioned.from_address(_get_pointer(capsule, b"dltensor_versioned"))
        read_only, t = bool(managed.flags & 1), managed.tensor
    else:
        t = _DLTensor.from_address(_get_pointer(capsule, b"dltensor"))
    dtype = {(_FLOAT, 16): "float16", (_FLOAT, 32): "float32", (_FLOAT, 64): "float64",
             (_BFLOAT, 16): "bfloat16"}.get((t.code, t.bits))
    if dtype is None or t.lanes != 1:
        raise TypeError(f"{name} has {t.bits} bits of DLPack's type {t.code}, and should be one "
                        f"of {_TYPES}")
    shape = tuple(t.shape[i] for i in range(t.ndim))
    stored = np.dtype(_STORED[dtype])
    if 0 in shape:
        return Tensor(name, owner, np.empty(shape, stored), dtype)
    strides = tuple(t.strides[i] * stored.itemsize for i in range(t.ndim)) if t.strides else None
    lent = _Lent(capsule, {"version": 3, "shape": shape, "typestr": stored.str, "strides": strides,
                           "data": (t.data + t.byte_offset, read_only)})
    return Tensor(name, owner, np.asarray(lent), dtype)


# ---- Arrays --------------------------------------------------------------------------------------


def tensor(name: str, owner: Array) -> Tensor:
    """The user's array, not copied."""
    if not isinstance(owner, np.ndarray):
        if hasattr(owner, "__dlpack__"):
            return _from_dlpack(name, owner)
        raise TypeError(f"{name} is a {type(owner).__name__}, and should be an array of numpy or "
                        "one that has __dlpack__")
    dtype = owner.dtype.name
    if dtype not in CODES or not owner.dtype.isnative:
        raise TypeError(f"{name} is of {owner.dtype}, and should be one of {_TYPES}")
    view = owner.view(np.ndarray)
    return Tensor(name, owner, view.view("u2") if view.itemsize == 2 else view, dtype)


def new_like(t: Tensor, name: str) -> Tensor:
    """An array of the kind, shape, type and order in memory of another one, its values open."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(t.owner, torch.Tensor):
        return tensor(name, torch.empty_like(t.owner, requires_grad=False))
    if isinstance(t.owner, np.ndarray):
        return tensor(name, np.empty_like(t.owner, subok=False))
    return tensor(name, np.empty_like(t.view, dtype=dtype_of(t.dtype)))


def dtype_of(name: str) -> Any:
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError as error:
        raise TypeError("numpy has no bfloat16 without the package ml_dtypes") from error
    return np.dtype(ml_dtypes.bfloat16)


def _widened(t: Tensor) -> View:
    if t.dtype == "bfloat16":
        return (t.view.astype("u4") << 16).view("f4")
    return t.view.view("f2") if t.dtype == "float16" else t.view


def parameter(name: str, owner: Array, is_double: bool) -> Tensor:
    """gamma, beta or a statistic: float or double, packed, converted if it is anything else."""
    wanted = "float64" if is_double else "float32"
    if not isinstance(owner, np.ndarray) and not hasattr(owner, "__dlpack__"):
        owner = np.asarray(owner, wanted)
    if isinstance(owner, np.ndarray) and owner.dtype.name not in CODES:
        owner = owner.astype(wanted)
    t = tensor(name, owner)
    return Tensor(name, owner, np.ascontiguousarray(_widened(t), wanted).reshape(t.view.shape),
                  t.dtype)


def like_parameter(values: View, given: Optional[Tensor], x: Tensor) -> Array:
    """A gradient as the user has its parameter: of torch or numpy, and of the same type."""
    model = x if given is None else given
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model.owner, torch.Tensor):
        result = torch.from_numpy(values)
        return result if given is None else result.to(given.owner.dtype)
    return values if given is None else values.astype(dtype_of(given.dtype), copy=False)


def want(t: Tensor, shape: Tuple[int, ...], dtype: str, of: str = "x") -> Tensor:
    if t.view.shape != shape:
        raise ValueError(f"{t.name} has shape {t.view.shape}, and should have that of {of}, "
                         f"{shape}")
    if t.dtype != dtype:
        raise TypeError(f"{t.name} is of {t.dtype}, and should be of {dtype}, as {of} is")
    return t


def want_writeable(t: Tensor) -> Tensor:
    if not t.view.flags.writeable:
        raise ValueError(f"{t.name} is read-only")
    if any(stride == 0 and size > 1 for stride, size in zip(t.view.strides, t.view.shape)):
        raise ValueError(f"{t.name} has a stride of 0: several elements share their memory")
    return t
