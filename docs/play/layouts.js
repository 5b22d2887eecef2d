/* layouts.js - the fourth view: a layer timed in both layouts, by SIMD128, by scalar code and by
 * plain JavaScript, all on the same numbers.
 */
'use strict';

let layouts_enough = 150; /* milliseconds that one measurement takes, or three runs */

views.layouts = function () {
    const LARGEST = 16777216; /* values of a tensor: 64 MB, of which there may be four */
    let running = false;

    /* ---- The layer ------------------------------------------------------------------------- */

    /* The benchmark's (bench/shapes.h), one group for each norm. */
    const shapes = [];
    function read_shapes() {
        const k = lib.best, seen = new Map();
        for (let i = 0; i < k.c.play_shapes(); ++i) {
            const model = text_at(k, k.c.play_shape_model(i));
            const [kind, n, c, h, w, groups] = [0, 1, 2, 3, 4, 5].map(f => k.c.play_shape(i, f));
            const s = h * w || 1;
            if (!model || n * c * s > LARGEST) continue;
            shapes.push({kind, n, c, s, groups: groups || 1, model,
                         size: h ? `${n} x ${c} x ${h} x ${w}` : `${n} x ${c}`});
        }
        for (const [i, shape] of shapes.entries()) {
            if (!seen.has(shape.kind))
                seen.set(shape.kind, element('optgroup', {label: kinds[shape.kind][1] + ' norm'}));
            seen.get(shape.kind).append(element('option', {value: i},
                `${shape.model}: ${shape.size}`));
        }
        $('layouts-shape').append(...seen.values(),
                                  element('option', {value: 'own'}, 'your own numbers'));
        $('layouts-shape').value = Math.max(0, shapes.findIndex(p => p.kind === BATCH &&
                                                                p.n === 32 && p.c === 256));
    }

    function show_shape() {
        const shape = shapes[$('layouts-shape').value];
        if (!shape) return;
        $('layouts-kind').value = shape.kind;
        for (const name of ['n', 'c', 's', 'groups']) $('layouts-' + name).value = shape[name];
        shown();
    }

    function shown() {
        $('layouts-groups').parentElement.hidden = +$('layouts-kind').value !== GROUP;
        $('layouts-pass').options[2].disabled = +$('layouts-kind').value !== BATCH;
        if ($('layouts-pass').selectedOptions[0].disabled) $('layouts-pass').value = FORWARD;
    }

    function layer() {
        const d = {kind: +$('layouts-kind').value, eps: 1e-5};
        for (const name of ['n', 'c', 's', 'groups']) d[name] = +$('layouts-' + name).value;
        for (const name of ['n', 'c', 's', 'groups'])
            if (!(d[name] >= 1 && d[name] === Math.floor(d[name])))
                throw new Error(name + ' has to be a whole number from 1 on');
        if (d.kind !== GROUP) d.groups = 1;
        if (d.c % d.groups) throw new Error(`${d.groups} groups do not divide ${d.c} channels`);
        if (d.n * d.c * d.s > LARGEST)
            throw new Error('n * c * s is above ' + LARGEST + ', too much for a browser');
        return d;
    }

    /* ---- Time ------------------------------------------------------------------------------ */

    /* The fastest of some runs, in milliseconds. The clock of a browser is coarse, so a run is
       repeated until it takes a few milliseconds. */
    function timed(run) {
        const samples = [], clock = () => performance.now();
        run();
        let begin = clock(), times = 1;
        run();
        for (const once = Math.max(clock() - begin, 0.01); times * once < 5 && times < 2000;)
            times *= 2;
        for (begin = clock(); samples.length < 3 || clock() - begin < layouts_enough;) {
            const start = clock();
            for (let i = 0; i < times; ++i) run();
            samples.push((clock() - start) / times);
        }
        return Math.min(...samples);
    }

    /* Takes the tensors of a call and describes it. */
    function prepare(k, take, d, pass) {
        const volume = d.n * d.c * d.s, stats = stat_count(d), t = {volume, stats};
        for (const name of pass === BACKWARD ? ['x', 'out', 'dy'] : ['x', 'out'])
            t[name] = take(4 * volume);
        for (const name of ['gamma', 'beta', 'dgamma', 'dbeta', 'moving_mean', 'moving_var'])
            t[name] = take(4 * d.c);
        t.mean = take(8 * stats), t.rstd = take(8 * stats);
        k.c.play_desc(d.kind, d.layout, d.n, d.c, d.s, d.groups, d.eps, 0);
        k.c.play_fill(t.x, 1);
        if (t.dy) k.c.play_fill(t.dy, 2);
        f32(k, t.gamma, d.c).forEach((v, j, all) => { all[j] = 1 + j % 5 / 8; });
        f32(k, t.beta, d.c).forEach((v, j, all) => { all[j] = j % 7 / 8; });
        f32(k, t.moving_mean, d.c).forEach((v, j, all) => { all[j] = j % 3 / 4; });
        f32(k, t.moving_var, d.c).forEach((v, j, all) => { all[j] = 1 + j % 4; });
        return t;
    }

    function call(k, t, pass) {
        k.c.play_data(t.x, t.out, t.gamma, t.beta, t.mean, t.rstd, 0);
        if (pass === INFER) k.c.play_running(t.moving_mean, t.moving_var);
        if (!t.dy) return () => must(k, k.c.play_run(pass));
        must(k, k.c.play_run(FORWARD)); /* its statistics; y is overwritten by dx */
        k.c.play_gradients(t.dy, t.out, t.dgamma, t.dbeta);
        return () => must(k, k.c.play_run(BACKWARD));
    }

    function hash_of(k, at) {
        const low = k.c.play_hash(at) >>> 0, high = k.c.play_hash_high() >>> 0;
        return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
    }

    function measure_library(k, d, pass) {
        return with_memory(k, take => {
            const t = prepare(k, take, d, pass), run = call(k, t, pass);
            run();
            const hash = hash_of(k, t.out);
            return {ms: timed(run), hash};
        });
    }

    /* On the same numbers, in arrays of its own. */
    function measure_script(d, pass) {
        const k = lib.best, t = with_memory(k, take => {
            const at = prepare(k, take, d, pass);
            call(k, at, pass)();
            const copy = name => f32(k, at[name], name.length > 3 ? d.c : at.volume).slice();
            return {x: copy('x'), dy: at.dy && copy('dy'), gamma: copy('gamma'), beta: copy('beta'),
                    moving_mean: copy('moving_mean'), moving_var: copy('moving_var'),
                    mean: f64(k, at.mean, at.stats).slice(),
                    rstd: f64(k, at.rstd, at.stats).slice(), expected: copy('out')};
        });
        t.out = t.dx = new Float32Array(t.x.length);
        t.dgamma = new Float32Array(d.c), t.dbeta = new Float32Array(d.c);
        const run = pass === BACKWARD ? () => js_backward(d, t) : pass === INFER ?
            () => js_infer(d, t.x, t.out, t.gamma, t.beta, t.moving_mean, t.moving_var) :
            () => js_forward(d, t.x, t.out, t.gamma, t.beta);
        const ms = timed(run);
        let off = 0;
        t.out.forEach((v, i) => { off = Math.max(off, Math.abs(v - t.expected[i])); });
        return {ms, off};
    }

    /* ---- The bars -------------------------------------------------------------------------- */

    const engines = () => [...lib.simd ? [['normalize.h, SIMD128', 'simd', lib.simd]] : [],
                           ['normalize.h, scalar', 'scalar', lib.scalar],
                           ['plain JavaScript', 'script', null]];

    const three = v => v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v >= 1 ? v.toFixed(2) :
        v.toPrecision(2);

    function show(results, bytes) {
        const most = Math.max(...results.map(r => r.ms));
        const row = r => element('div', {className: 'bar ' + r.style},
            element('span', {className: 'name'}, r.name),
            element('span', {className: 'track'},
                    element('i', {style: `width: ${100 * r.ms / most}%`})),
            element('span', {className: 'figure'}, `${three(r.ms)} ms`),
            element('span', {className: 'figure'}, `${three(bytes / r.ms / 1e6)} GB/s`),
            element('code', {}, r.hash || (r.hash === '' ? '' : 'other bits')));
        $('layouts-bars').replaceChildren(...[NCHW, NHWC].flatMap(layout => [
            element('h3', {}, NAMES.layout[layout]),
            ...results.filter(r => r.layout === layout).map(row)]));
    }

    function conclude(results, d) {
        const hashes = new Set(results.filter(r => r.hash).map(r => r.hash));
        const [nchw, nhwc] = [NCHW, NHWC].map(layout => results.find(r => r.layout === layout));
        const script = results.find(r => r.style === 'script' && r.layout === NCHW);
        const one = d.s === 1 ? 'A matrix has one layout. ' :
            `NHWC takes ${three(nhwc.ms / nchw.ms)} times as long as NCHW. `;
        const off = Math.max(...results.map(r => r.off || 0));
        $('layouts-say').textContent = one + `Plain JavaScript takes ` +
            `${three(script.ms / nchw.ms)} times as long in NCHW, and differs by up to ` +
            `${off.toExponential(0).replace('e+', 'e')}. ` + (hashes.size === 1 ?
            `Both layouts gave the same bits, ${[...hashes][0]}.` :
            `The bits DIFFER: ${[...hashes].join(', ')}.`);
        $('layouts-say').classList.toggle('wrong', hashes.size !== 1);
    }

    async function run() {
        const pass = +$('layouts-pass').value, results = [];
        let d;
        if (running) return;
        try {
            d = layer();
        } catch (wrong) {
            $('layouts-say').textContent = wrong.message + '.';
            return;
        }
        running = true;
        $('layouts-run').disabled = true;
        $('layouts-bars').setAttribute('aria-busy', true);
        const bytes = 4 * d.n * d.c * d.s * (pass === BACKWARD ? 3 : 2);
        try {
            for (const layout of [NCHW, NHWC])
                for (const [name, style, k] of engines()) {
                    $('layouts-say').textContent = `Timing ${NAMES.layout[layout]}, ${name} ...`;
                    await pause(20);
                    const of = {...d, layout};
                    const r = k ? measure_library(k, of, pass) : measure_script(of, pass);
                    results.push({...r, name, style, layout});
                    show(results, bytes);
                }
            conclude(results, d);
        } catch (wrong) {
            $('layouts-say').textContent = 'It did not work: ' + wrong.message + '.';
        }
        $('layouts-bars').removeAttribute('aria-busy');
        $('layouts-run').disabled = false;
        running = false;
    }

    for (const [value, text] of kinds)
        $('layouts-kind').append(element('option', {value}, text));
    read_shapes();
    show_shape();
    $('layouts-shape').addEventListener('change', show_shape);
    for (const name of ['kind', 'n', 'c', 's', 'groups'])
        $('layouts-' + name).addEventListener('input', () => {
            $('layouts-shape').value = 'own';
            shown();
        });
    $('layouts-run').addEventListener('click', run);
    run();
};
