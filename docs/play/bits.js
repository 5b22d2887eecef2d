/* bits.js - the fifth view: the hashes of tests/golden.txt, computed here and compared.
 *
 * Each module prints the list as tests/test_golden_hashes.c does on any machine: type by type, in
 * both layouts. A line is right if all that were printed for it are.
 */
'use strict';

const golden = new Map(); /* name: {hash, printed: [...]} */

const TYPE_NAMES = ['float', 'double', 'bf16', 'f16', 'merging, short forms'];

/* Computes one part of the list; returns how many lines were right, and how many there were. */
function compute_part(k, type, layout) {
    let right = 0, all = 0;
    k.printed = '';
    k.c.play_golden(type, layout);
    for (const line of k.printed.trim().split('\n')) {
        const [name, hash] = line.split(' ');
        const known = golden.get(name) || {hash: 'not in the file', printed: []};
        golden.set(name, known);
        known.printed.push({hash, by: `${k.isa}, ${NAMES.layout[layout]}`});
        right += hash === known.hash;
        ++all;
    }
    k.printed = '';
    return [right, all];
}

const line_right = known =>
    known.printed.length > 0 && known.printed.every(p => p.hash === known.hash);

/* What of the processor a browser lets know: some tell its kind, and a NaN of x86 has its sign
   bit set, where one of Arm has not. */
async function machine() {
    const float = new Float32Array([Infinity]), bytes = new Uint8Array(float.buffer);
    float[0] = float[0] - float[0];
    let kind = bytes[3] & 128 ? 'x86' : 'Arm or another';
    const told = navigator.userAgentData;
    let browser = (navigator.userAgent.match(/(Firefox|Edg|OPR|Chrome|Version)\/[\d.]+/) ||
                   [navigator.userAgent])[0].replace('Version', 'Safari').replace('/', ' ');
    let system = navigator.platform || 'an unknown system';
    if (told && told.getHighEntropyValues) {
        try {
            const high = await told.getHighEntropyValues(['architecture', 'bitness']);
            if (high.architecture) kind = high.architecture + (high.bitness ? '-' : '') +
                high.bitness;
        } catch { /* what is known does */ }
    }
    return `${browser} on ${system}; processor: ${kind}, ` +
        `${navigator.hardwareConcurrency || 'unknown number of'} threads; ` +
        `WebAssembly ${lib.simd ? 'with' : 'without'} SIMD128`;
}

function show_line(name) {
    const known = golden.get(name), wrong = known.printed.filter(p => p.hash !== known.hash);
    $('bits-line').textContent = `${name}: ${known.hash}` + (wrong.length ?
        '; but ' + wrong.map(p => `${p.hash} by ${p.by}`).join('; ') :
        `, by all ${known.printed.length}`);
}

function show_mosaic() {
    $('bits-mosaic').replaceChildren(...[...golden.keys()].map(name => {
        const cell = element('i', {className: line_right(golden.get(name)) ? 'right' : 'wrong'});
        cell.addEventListener('pointerenter', () => show_line(name));
        cell.addEventListener('click', () => show_line(name));
        return cell;
    }));
}

function conclude_bits() {
    const names = [...golden.keys()], wrong = names.filter(name => !line_right(golden.get(name)));
    const text = wrong.length === 0 ? `same bits: ${names.length} of ${names.length}` :
        `same bits: ${names.length - wrong.length} of ${names.length}; ` +
        `another hash: ${wrong.slice(0, 3).join(', ')}${wrong.length > 3 ? ', ...' : ''}`;
    for (const id of ['bits', 'badge']) {
        $(id).textContent = id === 'bits' ? text : text.split(';')[0];
        $(id).classList.toggle('right', wrong.length === 0);
        $(id).classList.toggle('wrong', wrong.length !== 0);
    }
    if (wrong.length) show_line(wrong[0]);
}

/* All parts, with a breath between them. spoil: a bit of what the page expects of the first line
   is turned, to see that it is noticed. */
let computing = false;

async function compute_bits(spoil) {
    const rows = [], begin = performance.now();
    if (computing) return;
    computing = true;
    golden.clear();
    for (const line of built.golden.trim().split('\n')) {
        const [name, hash] = line.split(' ');
        golden.set(name, {hash, printed: []});
    }
    if (spoil) {
        const first = golden.values().next().value;
        first.hash = (parseInt(first.hash[0], 16) ^ 1).toString(16) + first.hash.slice(1);
    }
    $('bits').textContent = 'computing ...';
    for (const k of [lib.simd, lib.scalar].filter(k => k))
        for (const layout of [NCHW, NHWC]) {
            const row = element('tr', {}, element('th', {scope: 'row'},
                                                  `${k.isa}, ${NAMES.layout[layout]}`));
            for (let type = 0; type < TYPE_NAMES.length; ++type) {
                const [right, all] = compute_part(k, type, layout);
                row.append(element('td', {className: right === all ? '' : 'bad'},
                                   `${right} of ${all}`));
                await pause();
            }
            rows.push(row);
        }
    const head = element('tr', {}, element('td', {}), ...TYPE_NAMES.map(
        name => element('th', {scope: 'col'}, name)));
    $('bits-table').replaceChildren(element('thead', {}, head), element('tbody', {}, ...rows));
    show_mosaic();
    conclude_bits();
    $('bits-machine').textContent = await machine() +
        `; ${((performance.now() - begin) / 1000).toFixed(1)} s.` +
        (spoil ? ' One bit of the first hash was turned before comparing.' : '');
    computing = false;
}

views['same-bits'] = function () {
    $('bits-again').addEventListener('click', () => compute_bits());
    $('bits-break').addEventListener('click', () => compute_bits(true));
};
