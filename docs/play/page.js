/* page.js - what the views share: the library as WebAssembly, calls of it, controls, tabs.
 *
 * No module, no framework: each file is a script that index.html loads in turn, and each view puts
 * one function into `views`, which is called when the view is first opened. So the page works from
 * a file as well as from a server.
 */
'use strict';

const NAMES = {kind: ['batch', 'layer', 'instance', 'group', 'RMS'], layout: ['NCHW', 'NHWC']};
const BATCH = 0, LAYER = 1, INSTANCE = 2, GROUP = 3, RMS = 4; /* nrm_kind */
const NCHW = 0, NHWC = 1;                                     /* nrm_layout */
const FORWARD = 0, INFER = 1, BACKWARD = 2;                   /* nrm_verb */

const views = {};               /* by the name in the address, as #numbers */
const lib = {scalar: null, simd: null, best: null};

const $ = id => document.getElementById(id);

/* ---- The library --------------------------------------------------------------------------- */

/* built.simd and built.scalar (normalize.wasm.js) are gzip in base64. */
async function unpack(text) {
    const packed = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* The C library that the module is linked with asks for these of WASI. It prints, and that is
   all: what it has printed collects in k.printed. */
function wasi(k) {
    const nothing = () => 0;
    function fd_write(file, vectors, count, written) {
        const memory = new DataView(k.c.memory.buffer);
        let total = 0;
        for (let i = 0; i < count; ++i) {
            const at = memory.getUint32(vectors + 8 * i, true);
            const length = memory.getUint32(vectors + 8 * i + 4, true);
            k.printed += new TextDecoder().decode(new Uint8Array(k.c.memory.buffer, at, length));
            total += length;
        }
        memory.setUint32(written, total, true);
        return 0;
    }
    function proc_exit(status) {
        throw new Error('the library ended with status ' + status + ': ' + k.printed);
    }
    return {fd_write, proc_exit, fd_close: nothing, fd_seek: nothing, fd_fdstat_get: nothing};
}

/* A kernel: one module, k.c its functions (play.c). */
async function load_kernel(bytes) {
    const k = {c: null, printed: ''};
    const made = await WebAssembly.instantiate(bytes, {wasi_snapshot_preview1: wasi(k)});
    k.c = made.instance.exports;
    k.c._initialize();
    k.isa = text_at(k, k.c.play_isa());
    return k;
}

async function load_library() {
    const simd = await unpack(built.simd);
    lib.scalar = await load_kernel(await unpack(built.scalar));
    if (WebAssembly.validate(simd)) lib.simd = await load_kernel(simd);
    lib.best = lib.simd || lib.scalar;
}

function text_at(k, address) {
    const bytes = new Uint8Array(k.c.memory.buffer);
    let end = address;
    while (bytes[end]) ++end;
    return new TextDecoder().decode(bytes.subarray(address, end));
}

/* Runs use(take) with take(bytes) for memory of the module, which is given back afterwards. Memory
   may move when it grows: so take first, look (f32, f64) later. */
function with_memory(k, use) {
    const taken = [];
    function take(bytes) {
        const at = k.c.play_alloc(bytes);
        if (!at) throw new Error('no memory for ' + bytes + ' bytes');
        taken.push(at);
        return at;
    }
    try {
        return use(take);
    } finally {
        taken.forEach(at => k.c.play_free(at));
    }
}

const f32 = (k, at, count) => new Float32Array(k.c.memory.buffer, at, count);
const f64 = (k, at, count) => new Float64Array(k.c.memory.buffer, at, count);

function must(k, status) {
    if (status) throw new Error(text_at(k, k.c.play_status(status)));
}

const stat_count = d => d.kind === BATCH ? d.c : d.kind === INSTANCE ? d.n * d.c :
    d.kind === GROUP ? d.n * (d.groups || 1) : d.n * d.s;

/* nrm_forward of x, a Float32Array. d has n, c, s, kind, and if need be layout, groups, eps, line
   (the pitch of x and y); affine, if given, has gamma and beta for each sample and channel. */
function norm(x, d, affine) {
    const k = lib.best, stats = stat_count(d);
    return with_memory(k, take => {
        const at = take(x.byteLength), y = take(x.byteLength), mean = take(8 * stats);
        const rstd = take(8 * stats), per = affine ? take(8 * d.n * d.c) : 0;
        f32(k, at, x.length).set(x);
        if (affine) f32(k, per, 2 * d.n * d.c).set([...affine.gamma, ...affine.beta]);
        k.c.play_desc(d.kind, d.layout || NCHW, d.n, d.c, d.s, d.groups || 1, d.eps || 0,
                      d.line || 0);
        k.c.play_data(at, y, per, per && per + 4 * d.n * d.c, mean, rstd, affine ? 1 : 0);
        must(k, k.c.play_run(FORWARD));
        return {y: f32(k, y, x.length).slice(), mean: f64(k, mean, stats).slice(),
                rstd: f64(k, rstd, stats).slice()};
    });
}

/* What one more of each value of x adds to y[at]: the gradient of nrm_backward. */
function gradient(x, d, at) {
    const k = lib.best, stats = stat_count(d);
    return with_memory(k, take => {
        const [from, dy, dx] = [0, 0, 0].map(() => take(x.byteLength));
        const mean = take(8 * stats), rstd = take(8 * stats);
        f32(k, from, x.length).set(x);
        f32(k, dy, x.length).fill(0)[at] = 1;
        k.c.play_desc(d.kind, d.layout || NCHW, d.n, d.c, d.s, d.groups || 1, d.eps || 0, 0);
        k.c.play_data(from, dx, 0, 0, mean, rstd, 0);
        must(k, k.c.play_run(FORWARD)); /* mean and rstd; y is overwritten by dx */
        k.c.play_gradients(dy, dx, 0, 0);
        must(k, k.c.play_run(BACKWARD));
        return f32(k, dx, x.length).slice();
    });
}

/* ---- Controls ------------------------------------------------------------------------------ */

function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const key in attributes) {
        if (key in made && key !== 'style') made[key] = attributes[key];
        else made.setAttribute(key, attributes[key]);
    }
    made.append(...children);
    return made;
}

/* Radio buttons that look like one bar. options: [value, text] each. */
function choices(id, title, options, value, changed) {
    const field = element('fieldset', {className: 'choices'}, element('legend', {}, title));
    for (const [key, text] of options) {
        const radio = element('input', {type: 'radio', name: id, value: key,
                                        checked: key === value});
        radio.addEventListener('change', () => changed(key));
        field.append(element('label', {}, radio, element('span', {}, text)));
    }
    $(id).replaceChildren(field);
}

const kinds = NAMES.kind.map((name, i) => [i, name[0].toUpperCase() + name.slice(1)]);

/* A slider calls changed(value) at once; show makes of the value what stands beside it. */
function slider(id, show, changed) {
    const input = $(id), output = input.parentElement.querySelector('output');
    function told() {
        const text = show(+input.value);
        output.textContent = text;
        input.setAttribute('aria-valuetext', text);
    }
    input.addEventListener('input', () => { told(); changed(+input.value); });
    input.told = told;
    told();
    return input;
}

/* Runs work once before the next picture is painted, however often it is asked for. */
function soon(work) {
    let waiting = false;
    return () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => { waiting = false; work(); });
    };
}

const pause = ms => new Promise(done => setTimeout(done, ms || 0));

/* ---- Tabs ---------------------------------------------------------------------------------- */

function open_view() {
    const sections = [...document.querySelectorAll('section')];
    const asked = sections.find(s => s.id === 'view-' + location.hash.slice(1)) || sections[0];
    for (const section of sections) {
        const tab = $(section.id.replace('view', 'tab')), on = section === asked;
        section.hidden = !on;
        tab.setAttribute('aria-selected', on);
        tab.tabIndex = on ? 0 : -1;
    }
    scrollTo(0, 0);
    const name = asked.id.replace('view-', ''), first = views[name];
    views[name] = null;
    if (first) first();
}

/* Arrow keys go from tab to tab. */
function tab_key(event) {
    const tabs = [...document.querySelectorAll('[role=tab]')], at = tabs.indexOf(event.target);
    const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1}[event.key];
    if (event.key === ' ') event.target.click();
    if (to === undefined && event.key !== ' ') return;
    event.preventDefault();
    if (to === undefined) return;
    const tab = tabs[(to + tabs.length) % tabs.length];
    tab.focus();
    tab.click();
}

function fault(what) {
    $('fault').hidden = false;
    $('fault').textContent = 'Something went wrong: ' + what;
    if (!$('bits').className.includes('right')) $('bits').textContent = 'not computed';
}

async function start() {
    addEventListener('error', event => fault(event.message));
    addEventListener('unhandledrejection', event => fault(event.reason));
    addEventListener('hashchange', open_view);
    document.querySelector('[role=tablist]').addEventListener('keydown', tab_key);
    if (!window.WebAssembly || !window.DecompressionStream)
        throw new Error('this browser is too old for WebAssembly or DecompressionStream');
    await load_library();
    $('about').textContent = 'normalize.h ' + built.version + ' (code ' + built.code.slice(0, 12) +
        '), compiled by ' + built.compiler + ', running as ' + lib.best.isa +
        '. Nothing is sent anywhere.';
    open_view();
    await pause(50);
    await compute_bits();
}
