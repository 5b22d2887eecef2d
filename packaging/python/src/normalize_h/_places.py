"""Where the elements of an array lie, in the words of normalize.h: n samples of c channels of s
positions, a layout and two pitches. What these cannot say is copied."""
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ._arrays import Tensor, View

Pitch = Tuple[int, int]


class Axes(NamedTuple):
    """Which axes of an array are samples, channels and positions, and which lie side by side."""

    n: Tuple[int, ...]
    c: Tuple[int, ...]
    s: Tuple[int, ...]
    layout: str

    def order(self) -> Tuple[int, ...]:
        return self.n + (self.c + self.s if self.layout == "NCHW" else self.s + self.c)

    def sizes(self, shape: Sequence[int]) -> Tuple[int, int, int]:
        n, c, s = (int(np.prod([shape[i] for i in axes], dtype=np.int64))
                   for axes in (self.n, self.c, self.s))
        return n, c, s


def _collapse(view: View, axes: Sequence[int]) -> Optional[Tuple[int, int]]:
    """Axes as one: its size and its stride in elements."""
    size, base = 1, 1
    for axis in reversed(axes):
        if view.shape[axis] == 1:
            continue
        stride, rest = divmod(view.strides[axis], view.itemsize)
        if rest or stride <= 0 or (size > 1 and stride != base * size):
            return None
        base = stride if size == 1 else base
        size *= view.shape[axis]
    return size, base


def pitch_of(view: View, axes: Axes) -> Optional[Pitch]:
    """None where the layout and two pitches cannot say it."""
    n, c, s = (_collapse(view, group) for group in (axes.n, axes.c, axes.s))
    if n is None or c is None or s is None:
        return None
    lines, inner = (c, s) if axes.layout == "NCHW" else (s, c)
    if inner[0] > 1 and inner[1] != 1:
        return None
    line = lines[1] if lines[0] > 1 else inner[0]
    sample = n[1] if n[0] > 1 else lines[0] * line
    return (sample, line) if line >= inner[0] and sample >= lines[0] * line else None


def choose(view: View, candidates: Iterable[Axes]) -> Axes:
    """The first that fits x as it lies in memory, or the first of all, for a copy."""
    first = None
    for axes in candidates:
        first = first or axes
        if view.size == 0 or pitch_of(view, axes) is not None:
            return axes
    assert first is not None
    return first


def _packed(shape: Sequence[int], axes: Axes, dtype: Any) -> View:
    order = axes.order()
    base = np.empty([shape[i] for i in order], dtype)
    return base.transpose(np.argsort(order))


class Placed:
    """The arrays of a call that share a pitch, copied where they do not fit."""

    def __init__(self, axes: Axes, inputs: Dict[str, Optional[Tensor]],
                 outputs: Dict[str, Optional[Tensor]]) -> None:
        self.pointers: Dict[str, int] = {}
        self._back: List[Tuple[View, View]] = []
        self._held: List[View] = []
        given = {name: (t.view, name in outputs) for name, t in {**inputs, **outputs}.items()
                 if t is not None}
        pitches = {name: pitch_of(view, axes) for name, (view, _) in given.items()}
        shared = set(pitches.values())
        common = shared.pop() if len(shared) == 1 else None
        self.pitch: Pitch = common or (0, 0)
        for name, (view, is_output) in given.items():
            if common is None:
                view = self._copy(view, axes, is_output)
            self._held.append(view)
            self.pointers[name] = view.__array_interface__["data"][0]

    def _copy(self, view: View, axes: Axes, is_output: bool) -> View:
        copy = _packed(view.shape, axes, view.dtype)
        if pitch_of(view, axes) == pitch_of(copy, axes):
            return view  # packed as it is
        if is_output:
            self._back.append((view, copy))
        else:
            copy[...] = view
        return copy

    def finish(self) -> None:
        for view, copy in self._back:
            view[...] = copy
