/* normalize.js - normalize.h in JavaScript: plain functions on typed arrays. README.md says how to
 * call them, normalize.d.ts has their types.
 *
 * wasm.js holds the library, as text, so that bundlers need no rule for it. A call copies its
 * arrays into the memory of the module, one after the other, and the results out of it. */
import packed from './wasm.js';

const KINDS = {batch: 0, layer: 1, instance: 2, group: 3, rms: 4}; /* nrm_kind */
const LAYOUTS = {NCHW: 0, NHWC: 1};                                 /* nrm_layout */
const FORWARD = 0, INFER = 1, BACKWARD = 2;                         /* nrm_verb */
const PAGE = 65536;

const bytes = Uint8Array.from(atob(packed), letter => letter.charCodeAt(0));
const lib = (await WebAssembly.instantiate(bytes)).instance.exports;

/* major * 10000 + minor * 100 + patch */
export const version = lib.version();

function text_at(address) {
    const all = new Uint8Array(lib.memory.buffer);
    return new TextDecoder().decode(all.subarray(address, all.indexOf(0, address)));
}

/* Room in the module for the arrays of one call. `add` takes what goes in, or only a length, and
   returns the address, or 0 where there is nothing. */
class Room {
    constructor() {
        this.parts = [];
        this.end = lib.__heap_base.value;
    }
    add(type, length, from) {
        const at = this.end = Math.ceil(this.end / 64) * 64;
        if (from && !(from instanceof type && from.length === length))
            throw new TypeError(`${type.name} of ${length} values expected, not ` +
                                `${from.constructor.name} of ${from.length}`);
        this.parts.push({at, from});
        this.end += Math.max(length, 1) * type.BYTES_PER_ELEMENT;
        return at;
    }
    addIf(type, length, from) {
        return from ? this.add(type, length, from) : 0;
    }
    /* Afterwards no memory moves until the call has been made and read. */
    fill() {
        const short = this.end - lib.memory.buffer.byteLength;
        if (short > 0) lib.memory.grow(Math.ceil(short / PAGE));
        for (const {at, from} of this.parts)
            if (from) new from.constructor(lib.memory.buffer, at, from.length).set(from);
    }
}

const copy = (type, at, length) => new type(lib.memory.buffer, at, length).slice();

/* What a description means: the type of the values, how many there are, and how many statistics. */
function measure(d, x) {
    const {kind, n, c, s = 1, groups = 1, layout = 'NCHW', eps = 1e-5, runningRate = 0.1} = d;
    if (!(kind in KINDS)) throw new TypeError(`kind is ${kind}; ${Object.keys(KINDS)} would do`);
    if (!(layout in LAYOUTS)) throw new TypeError(`layout is ${layout}; NCHW and NHWC would do`);
    for (const size of [n, c, s, groups])
        if (!(Number.isInteger(size) && size >= 0 && size < 2 ** 31))
            throw new RangeError('n, c, s and groups are whole numbers');
    if (!(x instanceof Float32Array || x instanceof Float64Array))
        throw new TypeError('x is a Float32Array or a Float64Array');
    const stats = {batch: c, instance: n * c, group: n * groups}[kind] ?? n * s;
    lib.describe(KINDS[kind], LAYOUTS[layout], x instanceof Float64Array ? 1 : 0, n, c, s, groups,
                 eps, runningRate);
    return {type: x.constructor, count: n * c * s, stats};
}

function make(verb) {
    const status = lib.run(verb);
    if (status) throw new Error(text_at(lib.explain(verb, status)));
}

export function forward(d, x) {
    const {type, count, stats} = measure(d, x), room = new Room();
    const at = room.add(type, count, x), y = room.add(type, count);
    const gamma = room.addIf(type, d.c, d.gamma), beta = room.addIf(type, d.c, d.beta);
    const mean = room.add(Float64Array, stats), rstd = room.add(Float64Array, stats);
    const moved = room.addIf(type, d.c, d.runningMean);
    const varied = room.addIf(type, d.c, d.runningVar);
    room.fill();
    lib.inputs(at, 0, gamma, beta);
    lib.outputs(y, 0, 0, 0);
    lib.statistics(mean, rstd, moved, varied);
    make(FORWARD);
    if (moved) d.runningMean.set(copy(type, moved, d.c));
    if (varied) d.runningVar.set(copy(type, varied, d.c));
    return {y: copy(type, y, count), mean: copy(Float64Array, mean, stats),
            rstd: copy(Float64Array, rstd, stats)};
}

export function infer(d, x) {
    if (!d.runningMean && d.kind !== 'batch') return forward(d, x).y;
    const {type, count} = measure(d, x), room = new Room();
    const at = room.add(type, count, x), y = room.add(type, count);
    const gamma = room.addIf(type, d.c, d.gamma), beta = room.addIf(type, d.c, d.beta);
    const moved = room.addIf(type, d.c, d.runningMean);
    const varied = room.addIf(type, d.c, d.runningVar);
    room.fill();
    lib.inputs(at, 0, gamma, beta);
    lib.outputs(y, 0, 0, 0);
    lib.statistics(0, 0, moved, varied);
    make(INFER);
    return copy(type, y, count);
}

export function backward(d, x, dy, {mean, rstd}) {
    const {type, count, stats} = measure(d, x), room = new Room();
    const at = room.add(type, count, x), from = room.add(type, count, dy);
    const dx = room.add(type, count), gamma = room.addIf(type, d.c, d.gamma);
    const dgamma = room.add(type, d.c), dbeta = room.add(type, d.c);
    const means = room.add(Float64Array, stats, mean), rstds = room.add(Float64Array, stats, rstd);
    room.fill();
    lib.inputs(at, from, gamma, 0);
    lib.outputs(0, dx, dgamma, dbeta);
    lib.statistics(means, rstds, 0, 0);
    make(BACKWARD);
    return {dx: copy(type, dx, count), dgamma: copy(type, dgamma, d.c),
            dbeta: copy(type, dbeta, d.c)};
}
