"""The five norms, and what their backward pass needs."""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays
from ._arrays import Array, Tensor, View
from ._native import ENUM, call
from ._places import Axes, Placed, choose

Act = Union[None, str, Tuple[Any, ...]]

_ACTS = ('None, "relu", "relu6", "silu", "hard_swish", ("leaky_relu", slope), '
         '("clip", low, high)')


class Gradients(NamedTuple):
    """What Saved.backward returns. dx is also the gradient of residual. None: not asked for."""

    dx: Array
    dgamma: Optional[Array]
    dbeta: Optional[Array]
    dadd: Optional[Array]
    dgate: Optional[Array]


class _Options(NamedTuple):
    kind: str
    axes: Axes
    fields: Dict[str, float]
    affine: Tuple[int, ...]  # the shape of gamma
    stats: Tuple[int, ...]  # the shape of mean
    frozen: bool  # the statistics are the running ones


def _act_fields(act: Act) -> Dict[str, float]:
    name, *numbers = (act,) if act is None or isinstance(act, str) else act
    if name == "relu6":
        name, numbers = "clip", [0.0, 6.0]
    wanted = {None: [], "relu": [], "silu": [], "hard_swish": [], "leaky_relu": ["act_slope"],
              "clip": ["act_low", "act_high"]}.get(name)
    if wanted is None or len(wanted) != len(numbers):
        raise ValueError(f"act is {act!r}, and should be one of {_ACTS}")
    return {"act": ENUM["NRM_" + (name or "identity").upper()], **dict(zip(wanted, numbers))}


def _threads_of(threads: int) -> int:
    if threads < 1:
        raise ValueError(f"threads is {threads}, and should be 1 or more")
    return threads


def _isa_field(isa: Optional[str]) -> Dict[str, float]:
    number = ENUM.get("NRM_" + (isa or "auto").upper())
    if number is None:
        raise ValueError(f"isa is {isa!r}, and should be None or one of isas()")
    return {"isa": number}


class Saved:
    """What the backward pass needs, as `save=True` returns it beside y.

    mean and rstd are float64 arrays of numpy, one number for each sum: over all axes but those that
    were averaged. `sum` is x + residual, if there was a residual. x, gamma, beta, add and gate are
    kept by reference: do not write to them before `backward`.
    """

    def __init__(self, o: _Options, tensors: Dict[str, Optional[Tensor]]) -> None:
        self._o, self._t = o, tensors
        self.mean: Optional[View] = None
        self.rstd: Optional[View] = None
        self.sum: Optional[Array] = None

    def backward(self, dy: Array, *, dsum: Optional[Array] = None, dx_out: Optional[Array] = None,
                 threads: int = 1) -> Gradients:
        """The gradients of x, gamma, beta, add and gate, from that of y.

        dsum is a gradient that comes back to `sum` by another way; it is added to dx. dx_out is
        where dx is written; it may be dy or dsum.
        """
        x = self._t["x"]
        assert x is not None
        shape, dtype = x.view.shape, x.dtype
        g = {name: None if value is None else
             _arrays.want(_arrays.tensor(name, value), shape, dtype)
             for name, value in (("dy", dy), ("dsum", dsum), ("dx", dx_out))}
        dx = _arrays.want_writeable(g["dx"]) if g["dx"] else _arrays.new_like(x, "dx")
        out = {name: _arrays.new_like(x, "d" + name) if self._t[name] else None
               for name in ("add", "gate")}
        wide = "f8" if x.is_double else "f4"
        affine = {name: np.zeros(self._o.affine, wide)
                  for name in ("gamma", "beta") if self._t[name]}
        x_group = Placed(self._o.axes, {"x": x, "dsum": g["dsum"]}, {"dx": dx})
        y_group = Placed(self._o.axes,
                         {"dy": g["dy"], "add": self._t["add"], "gate": self._t["gate"]},
                         {"dadd": out["add"], "dgate": out["gate"]})
        pointers = {**_parameters(self._t), **x_group.pointers, **y_group.pointers,
                    **_addresses({"mean": self.mean, "rstd": self.rstd}),
                    **_addresses({"d" + name: view for name, view in affine.items()})}
        call("INFER_BACKWARD" if self._o.frozen else "BACKWARD",
             {**self._o.fields, **_sizes(self._o.axes, shape), **_pitches(x_group, y_group)},
             pointers, _threads_of(threads))
        x_group.finish()
        y_group.finish()
        dgamma, dbeta = (_arrays.like_parameter(affine[name], self._t[name], x)
                         if name in affine else None for name in ("gamma", "beta"))
        return Gradients(dx.owner, dgamma, dbeta, *(t.owner if t else None for t in out.values()))


def _addresses(views: Dict[str, Optional[View]]) -> Dict[str, int]:
    return {name: view.__array_interface__["data"][0] for name, view in views.items()
            if view is not None}


def _parameters(tensors: Dict[str, Optional[Tensor]]) -> Dict[str, int]:
    names = ("gamma", "beta", "running_mean", "running_var")
    return _addresses({name: t.view for name in names for t in [tensors.get(name)] if t})


def _sizes(axes: Axes, shape: Sequence[int]) -> Dict[str, float]:
    n, c, s = axes.sizes(shape)
    return {"n": n if s else 0, "c": c, "s": s}  # s = 0 would mean 1


def _pitches(x_group: Placed, y_group: Placed) -> Dict[str, float]:
    return dict(zip(("x_sample", "x_line", "y_sample", "y_line"), x_group.pitch + y_group.pitch))


def _run(o: _Options, t: Dict[str, Optional[Tensor]], out: Optional[Array],
         sum_out: Optional[Array], save: bool, threads: int) -> Any:
    """Forward or infer, of arrays whose shapes are right; y, or y and what is saved."""
    x = t["x"]
    assert x is not None
    y = _output("out", out, x)
    total = None
    if t["residual"] and (save or sum_out is not None):
        total = _output("sum_out", sum_out, x)
    elif sum_out is not None:
        raise ValueError("sum_out is given without residual: there is no sum")
    if save and not t["residual"] and np.may_share_memory(x.view, y.view) and x.view.size:
        raise ValueError("out shares memory with x, which save=True keeps for backward")
    saved = Saved(o, {**t, "x": total or x, "residual": None})
    if save and not o.frozen:
        saved.rstd = np.zeros(o.stats)
        saved.mean = None if o.kind == "RMS" else np.zeros(o.stats)
    x_group = Placed(o.axes, {"x": x, "residual": t["residual"]}, {"sum": total})
    y_group = Placed(o.axes, {"add": t["add"], "gate": t["gate"]}, {"y": y})
    call("INFER" if o.frozen else "FORWARD",
         {**o.fields, **_sizes(o.axes, x.view.shape), **_pitches(x_group, y_group)},
         {**_parameters(t), **x_group.pointers, **y_group.pointers,
          **_addresses({"mean": saved.mean, "rstd": saved.rstd})}, _threads_of(threads))
    x_group.finish()
    y_group.finish()
    if not save:
        return y.owner
    saved.sum = total.owner if total else None
    return y.owner, saved


def _output(name: str, given: Optional[Array], x: Tensor) -> Tensor:
    if given is None:
        return _arrays.new_like(x, name)
    out = _arrays.want(_arrays.tensor(name, given), x.view.shape, x.dtype)
    return _arrays.want_writeable(out)


def _around(x: Tensor, gamma: Optional[Array], beta: Optional[Array], residual: Optional[Array],
            add: Optional[Array], gate: Optional[Array]) -> Dict[str, Optional[Tensor]]:
    """The arrays of a call; shapes of gamma and beta are not known yet."""
    t: Dict[str, Optional[Tensor]] = {"x": x}
    for name, value in (("residual", residual), ("add", add), ("gate", gate)):
        t[name] = None if value is None else _arrays.want(_arrays.tensor(name, value),
                                                          x.view.shape, x.dtype)
    for name, value in (("gamma", gamma), ("beta", beta)):
        t[name] = None if value is None else _arrays.parameter(name, value, x.is_double)
    return t


def _want_affine(t: Dict[str, Optional[Tensor]], shapes: List[Tuple[int, ...]],
                 what: str) -> Tuple[int, ...]:
    """The one of `shapes` that gamma and beta have."""
    found = None
    for name in ("gamma", "beta"):
        p = t[name]
        if p is None:
            continue
        if p.view.shape not in shapes or found not in (None, p.view.shape):
            raise ValueError(f"{name} has shape {p.view.shape}, and should have "
                             f"{' or '.join(map(str, [found] if found else shapes))}: {what}")
        found = p.view.shape
    return found or shapes[0]


# ---- Over the last axes --------------------------------------------------------------------------


def _over_last(kind: str, x: Array, t_gamma: Optional[Array], t_beta: Optional[Array],
               axes: Optional[int], around: Tuple[Optional[Array], ...],
               fields: Dict[str, float]) -> Tuple[_Options, Dict[str, Optional[Tensor]]]:
    # torch's second argument is normalized_shape: a size, or a tuple of sizes.
    sizes = t_gamma if isinstance(t_gamma, tuple) else (t_gamma,)
    if all(isinstance(size, int) for size in sizes):
        raise TypeError(f"gamma is {t_gamma}, and should be an array: how many of the last axes "
                        f"are averaged over is axes={len(sizes)}")
    xt = _arrays.tensor("x", x)
    t = _around(xt, t_gamma, t_beta, *around)
    shape, dims = xt.view.shape, xt.view.ndim
    given = t["gamma"] or t["beta"]
    last = axes if axes is not None else given.view.ndim if given else 1
    if not 1 <= last <= dims:
        raise ValueError(f"axes is {last}, and should be from 1 to {dims}, the dimensions of x")
    split = dims - last
    rows, columns = tuple(range(split)), tuple(range(split, dims))
    candidates = [Axes(rows, columns, (), "NHWC")]
    candidates += [Axes(rows[:i], columns, rows[i:], "NHWC") for i in range(split)]
    candidates += [Axes(rows[:i], columns, rows[i:], "NCHW") for i in range(split, -1, -1)]
    affine = _want_affine(t, [shape[split:]], "that of the last "
                          + ("axis of x" if last == 1 else f"{last} axes of x"))
    chosen = choose(xt.view, candidates)
    o = _Options(kind, chosen, {**fields, "kind": ENUM["NRM_" + kind],
                                "layout": ENUM["NRM_" + chosen.layout],
                                "dtype": ENUM["NRM_" + _arrays.CODES[xt.dtype]]},
                 affine, shape[:split], False)
    return o, t


def layer_norm(x: Array, gamma: Optional[Array] = None, beta: Optional[Array] = None, *,
               axes: Optional[int] = None, eps: float = 1e-5, act: Act = None,
               residual: Optional[Array] = None, add: Optional[Array] = None,
               gate: Optional[Array] = None, gamma_offset: float = 0.0,
               out: Optional[Array] = None, sum_out: Optional[Array] = None, save: bool = False,
               threads: int = 1, isa: Optional[str] = None) -> Any:
    """Layer norm over the last `axes` axes of x.

    y = act((z - mean) / sqrt(var + eps) * (gamma + gamma_offset) + beta + add) * silu(gate), where
    z = x + residual.

    axes           how many of the last axes are averaged over; as many as gamma has, otherwise 1
    gamma, beta    of the shape of these axes; None is 1 and 0
    act            None, "relu", "relu6", "silu", "hard_swish", ("leaky_relu", slope) or
                   ("clip", low, high)
    residual       added BEFORE the norm; sum_out is where x + residual is written
    add, gate      of the shape of x, after the norm
    out            where y is written; it may be x
    save           returns (y, saved): saved.backward(dy) gives the gradients
    threads        so many for a large x; the result is the same to the bit
    isa            one of isas(), for tests
    """
    o, t = _over_last("LAYER", x, gamma, beta, axes, (residual, add, gate),
                      {"eps": eps, "gamma_offset": gamma_offset, **_act_fields(act),
                       **_isa_field(isa)})
    return _run(o, t, out, sum_out, save, threads)


def rms_norm(x: Array, gamma: Optional[Array] = None, beta: Optional[Array] = None, *,
             axes: Optional[int] = None, eps: float = 1e-6, act: Act = None,
             residual: Optional[Array] = None, add: Optional[Array] = None,
             gate: Optional[Array] = None, gamma_offset: float = 0.0, out: Optional[Array] = None,
             sum_out: Optional[Array] = None, save: bool = False, threads: int = 1,
             isa: Optional[str] = None) -> Any:
    """RMS norm over the last `axes` axes of x: z / sqrt(mean(z * z) + eps) * gamma.

    gamma_offset is added to every gamma: 1 for weights that are stored as w - 1 (Gemma). All other
    arguments are those of layer_norm.
    """
    o, t = _over_last("RMS", x, gamma, beta, axes, (residual, add, gate),
                      {"eps": eps, "gamma_offset": gamma_offset, **_act_fields(act),
                       **_isa_field(isa)})
    return _run(o, t, out, sum_out, save, threads)


# ---- With channels -------------------------------------------------------------------------------


def _with_channels(kind: str, x: Array, t_gamma: Optional[Array], t_beta: Optional[Array],
                   layout: str, around: Tuple[Optional[Array], ...],
                   fields: Dict[str, float]) -> Tuple[_Options, Dict[str, Optional[Tensor]]]:
    xt = _arrays.tensor("x", x)
    dims = xt.view.ndim
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f'layout is {layout!r}, and should be "NCHW" or "NHWC"')
    if dims < 2:
        raise ValueError(f"x has {dims} dimensions, and should have 2 or more: samples, channels")
    t = _around(xt, t_gamma, t_beta, *around)
    channel = 1 if layout == "NCHW" else dims - 1
    places = tuple(i for i in range(1, dims) if i != channel)
    n, c = xt.view.shape[0], xt.view.shape[channel]
    affine = _want_affine(t, [(c,), (n, c)], "channels, or samples and channels, of x")
    both = [Axes((0,), (channel,), places, layout),
            Axes((0,), (channel,), places, "NHWC" if layout == "NCHW" else "NCHW")]
    chosen = choose(xt.view, both)
    groups = int(fields.get("groups", 0))
    stats: Tuple[int, ...] = {"BATCH": (c,), "INSTANCE": (n, c)}.get(kind, (n, groups))
    o = _Options(kind, chosen, {**fields, "kind": ENUM["NRM_" + kind],
                                "layout": ENUM["NRM_" + chosen.layout],
                                "dtype": ENUM["NRM_" + _arrays.CODES[xt.dtype]],
                                "affine_per_sample": affine != (c,)}, affine, stats, False)
    return o, t


def group_norm(x: Array, groups: int, gamma: Optional[Array] = None,
               beta: Optional[Array] = None, *, layout: str = "NCHW", eps: float = 1e-5,
               act: Act = None, residual: Optional[Array] = None, add: Optional[Array] = None,
               gate: Optional[Array] = None, gamma_offset: float = 0.0,
               out: Optional[Array] = None, sum_out: Optional[Array] = None, save: bool = False,
               threads: int = 1, isa: Optional[str] = None) -> Any:
    """Group norm: `groups` groups of channels of each sample, over all positions.

    x has shape (n, c, ...), or with layout="NHWC" (n, ..., c). gamma and beta have shape (c,), or
    (n, c): parameters of each sample's own. All other arguments are those of layer_norm.
    """
    if groups < 1:
        raise ValueError(f"groups is {groups}, and should be 1 or more")
    o, t = _with_channels("GROUP", x, gamma, beta, layout, (residual, add, gate),
                          {"groups": groups, "eps": eps, "gamma_offset": gamma_offset,
                           **_act_fields(act), **_isa_field(isa)})
    return _run(o, t, out, sum_out, save, threads)


def _with_running(kind: str, x: Array, parts: Dict[str, Any], training: bool, momentum: float,
                  fields: Dict[str, float]) -> Any:
    """Batch and instance norm. `parts` are the arguments that are arrays, and how to return."""
    o, t = _with_channels(kind, x, parts["gamma"], parts["beta"], parts["layout"],
                          (parts["residual"], parts["add"], parts["gate"]), fields)
    channels = o.stats[-1:]
    back: List[Tuple[View, View]] = []
    for name in ("running_mean", "running_var"):
        if parts[name] is None:
            if not training:
                raise ValueError(f"{name} is None: it is needed with training=False")
            continue
        p = _running(name, parts[name], channels, t["x"], training)
        if training:
            packed = np.ascontiguousarray(p.view)
            if packed is not p.view:
                back.append((p.view, packed))
                p = Tensor(name, p.owner, packed, p.dtype)
        t[name] = p
    o = o._replace(frozen=not training, fields={**o.fields, "running_rate": momentum})
    result = _run(o, t, parts["out"], parts["sum_out"], parts["save"], parts["threads"])
    for view, packed in back:
        view[...] = packed
    return result


def _running(name: str, given: Array, channels: Tuple[int, ...], x: Optional[Tensor],
             training: bool) -> Tensor:
    assert x is not None
    if not training:
        return _want_channels(_arrays.parameter(name, given, x.is_double), channels)
    p = _want_channels(_arrays.tensor(name, given), channels)
    wanted = "float64" if x.is_double else "float32"
    if p.dtype != wanted:
        raise TypeError(f"{name} is of {p.dtype}, and should be of {wanted}, as it is written to")
    return _arrays.want_writeable(p)


def _want_channels(p: Tensor, channels: Tuple[int, ...]) -> Tensor:
    if p.view.shape != channels:
        raise ValueError(f"{p.name} has shape {p.view.shape}, and should have {channels}: a value "
                         "for each channel of x")
    return p


def batch_norm(x: Array, gamma: Optional[Array] = None, beta: Optional[Array] = None, *,
               running_mean: Optional[Array] = None, running_var: Optional[Array] = None,
               training: bool = False, momentum: float = 0.1, population: bool = False,
               layout: str = "NCHW", eps: float = 1e-5, act: Act = None,
               residual: Optional[Array] = None, add: Optional[Array] = None,
               gate: Optional[Array] = None, gamma_offset: float = 0.0,
               out: Optional[Array] = None, sum_out: Optional[Array] = None, save: bool = False,
               threads: int = 1, isa: Optional[str] = None) -> Any:
    """Batch norm: each channel over all samples and positions.

    training       False: with running_mean and running_var, which are only read, as
                   torch.nn.functional.batch_norm. True: with the statistics of x; running_mean and
                   running_var, if they are given, move in place
    momentum       of torch: running = (1 - momentum) * running + momentum * new
    population     the new variance is divided by the number of values, as Keras and ONNX have it;
                   otherwise by one less, as torch has it

    x has shape (n, c, ...), or with layout="NHWC" (n, ..., c); gamma and beta (c,) or (n, c). All
    other arguments are those of layer_norm.
    """
    return _with_running("BATCH", x, locals(), training, momentum,
                         {"eps": eps, "gamma_offset": gamma_offset, **_act_fields(act),
                          "running_population": population, **_isa_field(isa)})


def instance_norm(x: Array, gamma: Optional[Array] = None, beta: Optional[Array] = None, *,
                  running_mean: Optional[Array] = None, running_var: Optional[Array] = None,
                  training: bool = True, momentum: float = 0.1, population: bool = False,
                  layout: str = "NCHW", eps: float = 1e-5, act: Act = None,
                  residual: Optional[Array] = None, add: Optional[Array] = None,
                  gate: Optional[Array] = None, gamma_offset: float = 0.0,
                  out: Optional[Array] = None, sum_out: Optional[Array] = None,
                  save: bool = False, threads: int = 1, isa: Optional[str] = None) -> Any:
    """Instance norm: each channel of each sample over its positions.

    training is torch's use_input_stats. All other arguments are those of batch_norm.
    """
    return _with_running("INSTANCE", x, locals(), training, momentum,
                         {"eps": eps, "gamma_offset": gamma_offset, **_act_fields(act),
                          "running_population": population, **_isa_field(isa)})
