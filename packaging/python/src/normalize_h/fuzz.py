"""Holds a norm of your own, written with numpy, against the oracle of normalize.h's tests.

    python -m normalize_h.fuzz mine:layer_norm                  mine.py, beside you or installed
    python -m normalize_h.fuzz mine:my_norm --kind batch --seconds 60

The function is called as function(x, gamma=..., beta=..., eps=...), with those of them that it has
(weight, bias, scale, epsilon and groups, num_groups are known too), and returns y. x is an array of
(rows, columns) for layer and rms, which is normalized over the last axis, and else of (n, c, s).
--backward mine:its_gradient is called as function(dy, x, gamma=..., beta=..., eps=...) and returns
dx, or (dx, dgamma), or (dx, dgamma, dbeta). NotImplementedError says that a problem is not one of
the function's.

Ordinary problems are drawn, and hostile ones: a mean far from 0, an outlier, equal values,
denormals, 3e38, eps 0. The error is told in units of the bound that normalize.h publishes; the
worst problem is shrunk and printed as a program. What is told of bits does not fail.

Exits with 1 when an error is above the limit, with 2 when the function could not be tried, and
otherwise with 0.
"""
import argparse
import ctypes
import importlib
import inspect
import math
import os
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ._native import ENUM, load

KINDS = ("layer", "rms", "batch", "instance", "group")
RESULTS = ("y", "dx", "dgamma", "dbeta")
NAMES = {"gamma": ("gamma", "weight", "scale"), "beta": ("beta", "bias", "shift"),
         "eps": ("eps", "epsilon"), "groups": ("groups", "num_groups")}
SIZES = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 127, 128, 129, 255, 257, 1023, 1024, 1025)
MOST = 8192  # elements of a problem
ORDINARY = ("normal", "uniform", "sparse")
Array = Any


class _Call(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("kind", "is_double", "n", "c", "s", "groups")] \
        + [("eps", ctypes.c_double)] + [(name, ctypes.c_void_p) for name in (
            "x", "gamma", "beta", "dy", "y", "dx", "dgamma", "dbeta")]


class _Verdict(ctypes.Structure):
    _fields_ = [("which", ctypes.c_int64), ("at", ctypes.c_int64)] + \
               [(name, ctypes.c_double) for name in ("ratio", "got", "exact", "bound")]


_oracle = load("_oracle")
_oracle.normalize_oracle_family.restype = ctypes.c_char_p
_oracle.normalize_oracle_fill.argtypes = [ctypes.c_uint64, ctypes.c_int, ctypes.c_int,
                                          ctypes.c_void_p, ctypes.c_size_t]


def _families() -> List[str]:
    found: List[str] = []
    while True:
        name: Optional[bytes] = _oracle.normalize_oracle_family(len(found))
        if name is None:
            return found
        found.append(name.decode())


FAMILIES = _families()


class CannotTry(Exception):
    """The function, or what it returns, is not one that can be judged."""


class Problem(NamedTuple):
    kind: str
    family: str
    x: Array  # (n, c), or (n, c, s)
    gamma: Optional[Array]
    beta: Optional[Array]
    dy: Optional[Array]
    eps: float
    groups: int
    ordinary: bool


class Finding(NamedTuple):
    ratio: float
    problem: Problem
    which: str
    at: Tuple[int, ...]
    got: float
    exact: float
    bound: float


class Function:
    """The user's, with the names that it gives its arguments."""

    def __init__(self, where: str) -> None:
        module, _, name = where.partition(":")
        if not name:
            raise CannotTry(f"{where} is not module:function")
        sys.path.insert(0, os.getcwd())
        try:
            self.call: Callable[..., Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise CannotTry(str(error)) from error
        self.where, self.module, self.name = where, module, name
        taken = inspect.signature(self.call).parameters
        all_of_them = any(p.kind is p.VAR_KEYWORD for p in taken.values())
        self.names = {ours: next((name for name in theirs if name in taken or
                                  (all_of_them and name == ours)), None)
                      for ours, theirs in NAMES.items()}

    def options(self, p: Problem) -> Dict[str, Any]:
        values = {"gamma": p.gamma, "beta": p.beta, "eps": p.eps,
                  "groups": p.groups if p.kind == "group" else None}
        return {name: values[ours] for ours, name in self.names.items()
                if name and values[ours] is not None}

    def results(self, p: Problem) -> Tuple[Array, ...]:
        """As arrays whose shapes and types are right."""
        leading = (p.x,) if p.dy is None else (p.dy, p.x)
        before = [a.copy() for a in leading]
        with np.errstate(all="ignore"):
            returned = self.call(*leading, **self.options(p))
        for a, b, name in zip(leading[::-1], before[::-1], ("x", "dy")):
            if a.tobytes() != b.tobytes():
                raise CannotTry(f"{self.where} writes to {name}")
        found = returned if isinstance(returned, tuple) else (returned,)
        wanted = [p.x.shape] if p.dy is None else [p.x.shape, (p.x.shape[1],), (p.x.shape[1],)]
        for result, shape in zip(found, wanted):
            if not isinstance(result, np.ndarray) or result.shape != shape:
                what = getattr(result, "shape", type(result).__name__)
                raise CannotTry(f"{self.where} returns {what} for x of {p.x.shape}, and should "
                                f"return an array of {shape}")
        return tuple(np.ascontiguousarray(r, p.x.dtype) for r in found)


# ---- Drawing -------------------------------------------------------------------------------------


def _fill(random: Any, shape: Tuple[int, ...], family: str, dtype: str, rows: int) -> Array:
    values = np.empty((rows, int(np.prod(shape)) // rows), dtype)
    for row in values:
        _oracle.normalize_oracle_fill(int(random.integers(1 << 60)), FAMILIES.index(family),
                                      dtype == "float64", row.ctypes.data, row.size)
    return values


def _draw_x(random: Any, kind: str, family: str, dtype: str) -> Tuple[Array, int]:
    n, s, groups = int(random.choice([1, 2, 3, 8])), 1, 1
    c = int(random.choice(SIZES if random.random() < 0.5 else SIZES[:12]))
    if kind in ("batch", "instance", "group"):
        c, s = int(random.choice([1, 2, 3, 4, 6, 8])), c
        groups = int(random.choice([g for g in range(1, c + 1) if c % g == 0]))
    if n * c * s > MOST:
        n = 1
    if kind == "batch":
        x = _fill(random, (c, n, s), family, dtype, c).reshape(c, n, s).transpose(1, 0, 2)
    else:
        rows = n * (c if kind == "instance" else groups if kind == "group" else 1)
        x = _fill(random, (n, c, s), family, dtype, rows).reshape(n, c, s)
    if family not in ORDINARY and random.random() < 0.3:
        with np.errstate(all="ignore"):
            scaled = np.ldexp(x, int(random.integers(-100, 100)))
        x = scaled if np.isfinite(scaled).all() else x
    return np.ascontiguousarray(x if kind in KINDS[2:] else x[:, :, 0]).astype(dtype), groups


def draw(random: Any, kind: str, dtype: str, function: Function, backward: bool) -> Problem:
    hostile = random.random() < 0.7
    family = str(random.choice(FAMILIES if hostile else ORDINARY))
    x, groups = _draw_x(random, kind, family, dtype)
    own = [None, None]
    for i, name in enumerate(("gamma", "beta")):
        if function.names[name] and random.random() < 0.7:
            which = str(random.choice(FAMILIES)) if hostile and random.random() < 0.2 else "normal"
            big = np.sqrt(np.finfo(dtype).max)  # a product that overflows may be Inf
            own[i] = np.clip(_fill(random, (x.shape[1],), which, dtype, 1)[0], -big, big)
    dy = _fill(random, x.shape, "normal", dtype, 1)[0].reshape(x.shape) if backward else None
    least = 1e-200 if dtype == "float64" else 0  # else 1 / sqrt(var) is no double
    eps = float(random.choice([least, 1e-12, 1e-5, 1e3] if hostile else [1e-5, 1e-3, 1]))
    m = x[0].size if kind in ("layer", "rms") else x[0, 0].size * (
        len(x) if kind == "batch" else x.shape[1] // groups if kind == "group" else 1)
    if not function.names["eps"]:
        eps = 1e-5
    ordinary = family in ORDINARY and not hostile and m >= 8
    return Problem(kind, family, x, own[0], own[1], dy, eps, groups, ordinary)


# ---- Judging -------------------------------------------------------------------------------------


def judge(p: Problem, results: Tuple[Array, ...]) -> Finding:
    n, c, s = p.x.shape if p.x.ndim == 3 else (*p.x.shape, 1)
    names = ("y",) if p.dy is None else RESULTS[1:]
    arrays = {"x": p.x, "gamma": p.gamma, "beta": p.beta, "dy": p.dy, **dict(zip(names, results))}
    call = _Call(ENUM["NRM_" + p.kind.upper()], p.x.dtype == "float64", n, c, s, p.groups, p.eps,
                 **{name: a.ctypes.data for name, a in arrays.items() if a is not None})
    verdict = _Verdict()
    _oracle.normalize_oracle_judge(ctypes.byref(call), ctypes.byref(verdict))
    which = RESULTS[verdict.which]
    shape = p.x.shape if which in ("y", "dx") else (c,)
    at = tuple(int(i) for i in np.unravel_index(verdict.at, shape)) if p.x.size else ()
    return Finding(verdict.ratio, p, which, at, verdict.got, verdict.exact, verdict.bound)


def _try(function: Function, p: Problem) -> Optional[Finding]:
    try:
        return judge(p, function.results(p))
    except NotImplementedError:
        return None


def _bits(results: Tuple[Array, ...]) -> List[bytes]:
    return [r.tobytes() for r in results]


def relations(function: Function, p: Problem, random: Any) -> List[str]:
    """Names of those that do not hold to the bit."""
    def y_of(x: Array) -> Array:
        dy = None if p.dy is None else np.resize(p.dy, x.shape)
        return function.results(p._replace(x=x, dy=dy))[0]

    broken = []
    first = function.results(p)
    if _bits(function.results(p)) != _bits(first):
        broken.append("again")
    if p.dy is None:
        wide = np.zeros((*p.x.shape, 2), p.x.dtype)[..., 0]
        wide[...] = p.x
        if y_of(wide).tobytes() != first[0].tobytes():
            broken.append("with strides")
    if p.dy is None and p.kind != "batch":
        i = int(random.integers(len(p.x)))
        order = random.permutation(len(p.x))
        if y_of(p.x[i:i + 1]).tobytes() != first[0][i:i + 1].tobytes():
            broken.append("a sample alone")
        if y_of(p.x[order]).tobytes() != first[0][order].tobytes():
            broken.append("samples permuted")
    return broken


# ---- Shrinking -----------------------------------------------------------------------------------


def _smaller(p: Problem) -> List[Problem]:
    """Problems with less, the boldest first."""
    found = [p._replace(beta=None)] if p.beta is not None else []
    found += [p._replace(gamma=None)] if p.gamma is not None else []
    for axis in range(p.x.ndim):
        size = p.x.shape[axis]
        for part in ((0, size // 2), (size // 2, size), (0, size - 1), (1, size)):
            if part[1] - part[0] in (0, size) or (axis == 1 and p.kind == "group"):
                continue
            cut = [slice(None)] * p.x.ndim
            cut[axis] = slice(*part)
            gamma, beta = (v[slice(*part)] if axis == 1 and v is not None else v
                           for v in (p.gamma, p.beta))
            found.append(p._replace(
                x=np.ascontiguousarray(p.x[tuple(cut)]), gamma=gamma, beta=beta,
                dy=None if p.dy is None else np.ascontiguousarray(p.dy[tuple(cut)])))
    for digits in (1, 2, 4):
        with np.errstate(all="ignore"):
            shorter = np.array([float(f"{v:.{digits}g}") for v in p.x.ravel()], p.x.dtype)
        if np.isfinite(shorter).all() and not np.array_equal(shorter, p.x.ravel()):
            found.append(p._replace(x=shorter.reshape(p.x.shape)))
            break
    return found


def shrink(function: Function, worst: Finding, limit: float, until: float) -> Finding:
    """While half of the error's order is left."""
    least = max(limit, math.sqrt(worst.ratio))
    again = True
    while again and time.monotonic() < until:
        again = False
        for p in _smaller(worst.problem):
            found = _try(function, p)
            if found and (found.ratio > least or found.ratio == worst.ratio):
                worst, again = found, True
                break
    return worst


# ---- Telling -------------------------------------------------------------------------------------


def _ratio_text(f: Finding) -> str:
    if math.isnan(f.got) and not math.isnan(f.exact):
        return "NaN"
    return f"{f.ratio:.2f}" if f.ratio < 10 else f"{f.ratio:.3g}"


def _literal(a: Array) -> str:
    return f'np.array({np.asarray(a).tolist()!r}, "{a.dtype.name}")'


def program(function: Function, f: Finding) -> str:
    p, lines = f.problem, ["import numpy as np", f"from {function.module} import {function.name}"]
    shown = {"x": p.x, "gamma": p.gamma, "beta": p.beta, "dy": p.dy}
    lines += [f"{name} = {_literal(a)}" for name, a in shown.items() if a is not None]
    options = "".join(
        f", {name}=" + (ours if ours in ("gamma", "beta") else repr(getattr(p, ours)))
        for ours, name in function.names.items() if name in function.options(p))
    result = {"y": "", "dx": "", "dgamma": "[1]", "dbeta": "[2]"}[f.which]
    first = "dy, x" if p.dy is not None else "x"
    lines += [f"result = {function.name}({first}{options}){result}",
              f'print(result[{", ".join(map(str, f.at))}], "and should be", {f.exact!r})']
    return "\n".join("    " + line for line in lines)


class Tally:
    def __init__(self) -> None:
        self.problems = self.declined = 0
        self.ordinary: Optional[Finding] = None
        self.worst: Optional[Finding] = None
        self.broken: Dict[str, int] = {}

    def note(self, f: Finding, limit: float) -> None:
        self.problems += 1
        if f.problem.ordinary and (not self.ordinary or f.ratio > self.ordinary.ratio):
            self.ordinary = f
        if not self.worst or f.ratio > self.worst.ratio:
            if f.ratio > limit and (not self.worst or self.worst.ratio <= limit):
                print(f"problem {self.problems}, {f.problem.family}: {f.which}{list(f.at)} is "
                      f"{f.got!r}, and should be {f.exact!r}", flush=True)
            self.worst = f


def fuzz(function: Function, options: argparse.Namespace) -> int:
    random, tally, start = np.random.default_rng(options.seed), Tally(), time.monotonic()
    backward = bool(options.backward)
    while (tally.problems + tally.declined < options.problems if options.problems
           else time.monotonic() < start + options.seconds):
        p = draw(random, options.kind, options.dtype, function, backward)
        try:
            found = _try(function, p)
            if found is None:
                tally.declined += 1
                continue
            if tally.problems % 10 == 0:
                for name in relations(function, p, random):
                    tally.broken[name] = tally.broken.get(name, 0) + 1
        except CannotTry:
            raise
        except Exception as error:  # of the user's function
            print(f"{function.where} raises {type(error).__name__}: {error}, for x of "
                  f"{p.x.shape}, {p.family}, eps {p.eps}")
            return 1
        tally.note(found, options.limit)
    return _report(function, tally, options, time.monotonic() - start)


def _report(function: Function, tally: Tally, options: argparse.Namespace, took: float) -> int:
    if not tally.worst:
        raise CannotTry(f"{function.where} does none of {tally.declined} problems")
    f = tally.worst
    print(f"\n{function.where}: {tally.problems:,} problems of {options.kind} norm in "
          f"{took:.1f} s, seed {options.seed}")
    if tally.declined:
        print(f"not done (NotImplementedError): {tally.declined:,}")
    takes = [name for ours, name in function.names.items() if name]
    print(f"takes {', '.join(takes) or 'x alone'}")
    print("worst error, in units of the bound: of ordinary values "
          f"{_ratio_text(tally.ordinary) if tally.ordinary else '-'}, of all {_ratio_text(f)} "
          f"({f.which}, {f.problem.family})")
    told = ", ".join(f"{name} ({times})" for name, times in tally.broken.items())
    print(f"not the same bits: {told or 'nothing'}")
    if f.ratio <= options.limit:
        print(f"within {options.limit:g} unit{'s' if options.limit != 1 else ''} of the bound")
        return 0
    f = shrink(function, f, options.limit, time.monotonic() + 20)
    print(f"\nthe worst input, shrunk: {f.which}{list(f.at)} is {f.got!r}, and should be "
          f"{f.exact!r}, within {f.bound:.2g}\n\n{program(function, f)}\n")
    print(f"above {options.limit:g} unit{'s' if options.limit != 1 else ''} of the bound")
    return 1


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser("python -m normalize_h.fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", nargs="?", help="module:function; forward")
    parser.add_argument("--backward", metavar="module:function", help="... or backward, instead")
    parser.add_argument("--kind", choices=KINDS, default="layer")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--problems", type=int, default=0, help="so many instead of the seconds: "
                        "the same every time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=1, help="the largest error that is well")
    options = parser.parse_args(arguments)
    if bool(options.function) == bool(options.backward):
        parser.error("one function, forward or --backward")
    try:
        if options.dtype == "float64" and _oracle.normalize_oracle_digits() < 64:
            raise CannotTry("long double has no more digits than double here: float32 alone can "
                            "be judged")
        return fuzz(Function(options.function or options.backward), options)
    except CannotTry as error:
        print(f"normalize_h.fuzz: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
