"""The library, by ctypes: one call, whose fields are named by c/library.c."""
import ctypes
import pathlib
import sys
import warnings
from typing import Dict, List, Mapping

_END = ".dll" if sys.platform == "win32" else ".so"


def load(name: str) -> ctypes.CDLL:
    return ctypes.CDLL(str(pathlib.Path(__file__).with_name(name + _END)))


_library = load("_library")


def _names(function: str) -> List[str]:
    get = getattr(_library, function)
    get.restype = ctypes.c_char_p
    text: bytes = get()
    return text.decode().split()


def _enumerators() -> Dict[str, int]:
    get, value, found = _library.normalize_py_enumerator, ctypes.c_int(), {}
    get.restype = ctypes.c_char_p
    for i in range(1000):
        name = get(i, ctypes.byref(value))
        if name is None:
            break
        found[name.decode()] = value.value
    return found


ENUM = _enumerators()
_INTEGERS, _REALS, _POINTERS = (_names("normalize_py_" + kind)
                                for kind in ("integers", "reals", "pointers"))
_Integers = ctypes.c_int64 * len(_INTEGERS)
_Reals = ctypes.c_double * len(_REALS)
_Pointers = ctypes.c_void_p * len(_POINTERS)
_library.normalize_py_call.argtypes = [ctypes.c_int, _Integers, _Reals, _Pointers,
                                       ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
_library.normalize_py_best_isa.restype = ctypes.c_char_p
_library.normalize_py_status.restype = ctypes.c_char_p


def call(verb: str, fields: Mapping[str, float], pointers: Mapping[str, int],
         threads: int) -> None:
    """A field that is not named is zero. Raises ValueError with the library's own sentence."""
    why = ctypes.create_string_buffer(400)
    status = _library.normalize_py_call(
        ENUM["NRM_" + verb], _Integers(*[int(fields.get(name, 0)) for name in _INTEGERS]),
        _Reals(*[fields.get(name, 0.0) for name in _REALS]),
        _Pointers(*[pointers.get(name) for name in _POINTERS]), threads, why, len(why))
    if status == ENUM["NRM_ERR_NONFINITE"]:
        warnings.warn("running_mean and running_var have not moved: one would not be finite",
                      RuntimeWarning, stacklevel=5)
    elif status:
        sentence = why.value or _library.normalize_py_status(status)
        raise ValueError(sentence.decode())


def isas() -> List[str]:
    """The instruction sets that can run here, by name; the first one is scalar code."""
    names = ["scalar", "avx2", "avx512", "neon", "wasm"]
    return [name for name in names
            if _library.normalize_py_has_isa(ENUM["NRM_" + name.upper()])]


def best_isa() -> str:
    """The instruction set that a call takes where none is asked for."""
    name: bytes = _library.normalize_py_best_isa()
    return name.decode()


def version() -> str:
    """The version of the compiled normalize.h."""
    number: int = _library.normalize_py_version()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
