/* test.js - the package as it is installed: each kind beside plain loops in double, in both layouts
 * and types, gradients by differences, running statistics, errors. Run by `node --test`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {forward, infer, backward, version} from './normalize.js';

const SHAPE = {n: 3, c: 8, s: 5, groups: 4, eps: 1e-5};
const KINDS = ['batch', 'layer', 'instance', 'group', 'rms'];

let state = 1;
const draw = () => (state = (state * 48271) % 2147483647) / 1073741823.5 - 1;
const drawn = (type, count) => type.from({length: count}, draw);

const index = (d, i, j, k) => d.layout === 'NHWC' ? (i * d.s + k) * d.c + j
                                                   : (i * d.c + j) * d.s + k;

/* Which sum an element belongs to. */
function group_of(d, i, j, k) {
    if (d.kind === 'batch') return j;
    if (d.kind === 'instance') return i * d.c + j;
    if (d.kind === 'group') return i * d.groups + Math.floor(j / (d.c / d.groups));
    return i * d.s + k;
}

function each(d, act) {
    for (let i = 0; i < d.n; ++i)
        for (let j = 0; j < d.c; ++j)
            for (let k = 0; k < d.s; ++k) act(index(d, i, j, k), group_of(d, i, j, k), j);
}

function plain(d, x) {
    const count = [], sum = [], squares = [], y = new Float64Array(x.length);
    each(d, (at, g) => { count[g] = (count[g] || 0) + 1; sum[g] = (sum[g] || 0) + x[at]; });
    const mean = sum.map((value, g) => d.kind === 'rms' ? 0 : value / count[g]);
    each(d, (at, g) => { squares[g] = (squares[g] || 0) + (x[at] - mean[g]) ** 2; });
    each(d, (at, g, j) => {
        y[at] = (x[at] - mean[g]) / Math.sqrt(squares[g] / count[g] + d.eps) * d.gamma[j] +
            d.beta[j];
    });
    return y;
}

function near(got, wanted, tolerance, what) {
    assert.equal(got.length, wanted.length);
    got.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= tolerance,
                                        `${what}[${i}] is ${value}, not ${wanted[i]}`));
}

for (const kind of KINDS)
    for (const layout of ['NCHW', 'NHWC'])
        for (const type of [Float32Array, Float64Array])
            test(`${kind}, ${layout}, ${type.name}`, () => {
                const count = SHAPE.n * SHAPE.c * SHAPE.s, fine = type === Float64Array;
                const d = {...SHAPE, kind, layout, gamma: drawn(type, SHAPE.c),
                           beta: drawn(type, SHAPE.c)};
                const x = drawn(type, count), dy = drawn(type, count);
                const {y, mean, rstd} = forward(d, x);
                assert.ok(y instanceof type);
                near(y, plain(d, x), fine ? 1e-13 : 1e-5, 'y');
                if (kind !== 'batch') assert.deepEqual(infer(d, x), y);
                const {dx, dgamma, dbeta} = backward(d, x, dy, {mean, rstd});
                const loss = (norm, at) =>
                    plain(norm, at).reduce((sum, v, i) => sum + v * dy[i], 0);
                const slope = (of, change) => (of(change(1e-5)) - of(change(-1e-5))) / 2e-5;
                const moved = (from, i) => step => Float64Array.from(from, (v, k) =>
                    k === i ? v + step : v);
                const by_x = Float64Array.from(x, (_, i) => slope(at => loss(d, at), moved(x, i)));
                near(dx, by_x, 1e-4, 'dx');
                for (const [name, got] of [['gamma', dgamma], ['beta', dbeta]])
                    near(got, Float64Array.from(got, (_, j) => slope(
                        values => loss({...d, [name]: values}, x), moved(d[name], j))), 1e-4, name);
            });

test('a large mean', () => {
    const {y} = forward({kind: 'layer', n: 2, c: 4},
                        Float32Array.of(1, 2, 3, 4, 40000, 40001, 40002, 40003));
    near(y.subarray(4), y.subarray(0, 4), 0, 'y');
});

test('running statistics', () => {
    const d = {kind: 'batch', n: 4, c: 1, eps: 0, runningMean: Float32Array.of(0),
               runningVar: Float32Array.of(1), runningRate: 1};
    forward(d, Float32Array.of(1, 3, 5, 7));
    near(d.runningMean, [4], 0, 'mean');
    near(d.runningVar, [20 / 3], 1e-6, 'variance');
    near(infer({...d, runningVar: Float32Array.of(4)}, Float32Array.of(4, 6, 8, 0)),
         [0, 1, 2, -2], 1e-6, 'y');
});

test('memory grows', () => {
    const x = new Float32Array(1 << 21).fill(3);
    assert.ok(forward({kind: 'rms', n: 1 << 11, c: 1 << 10, eps: 0}, x).y.every(v => v === 1));
});

test('errors are sentences', () => {
    const x = new Float32Array(64);
    assert.throws(() => forward({kind: 'group', n: 1, c: 64, groups: 5}, x),
                  /groups is 5, which does not divide c = 64/);
    assert.throws(() => forward({kind: 'layer', n: 2, c: 64}, x), /128 values expected/);
    assert.throws(() => forward({kind: 'power', n: 1, c: 64}, x), /kind is power/);
    assert.throws(() => infer({kind: 'batch', n: 1, c: 64}, x), /running_mean/);
});

test('version', () => assert.ok(version >= 200));
