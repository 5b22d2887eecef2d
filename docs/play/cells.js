/* cells.js - the first view: a tensor as cells, what shares a mean, and the cells in memory. */
'use strict';

views.averages = function () {
    const d = {n: 2, c: 4, s: 16, groups: 2, kind: BATCH, eps: 1e-5}, side = 4;
    const count = d.n * d.c * d.s, width = 4; /* of a register: four floats in SIMD128 */
    const x = new Float32Array(count);
    let y = null, at = 21, walking = 0, shows = 'y';

    /* ---- Which cells belong together ------------------------------------------------------- */

    const place = e => ({i: Math.floor(e / (d.c * d.s)), j: Math.floor(e / d.s) % d.c,
                         k: e % d.s}); /* e: index in NCHW */

    function stat(e) {
        const {i, j, k} = place(e);
        if (d.kind === BATCH) return j;
        if (d.kind === INSTANCE) return i * d.c + j;
        if (d.kind === GROUP) return i * d.groups + Math.floor(j / (d.c / d.groups));
        return i * d.s + k;
    }

    /* Cells in the order of memory, as indices in NCHW. */
    function memory_order(layout) {
        const order = [];
        for (let e = 0; e < count; ++e) {
            const line = layout === NCHW ? d.s : d.c, i = Math.floor(e / (d.c * d.s));
            const row = Math.floor(e / line) % (layout === NCHW ? d.c : d.s), column = e % line;
            order.push(layout === NCHW ? e : (i * d.c + column) * d.s + row);
        }
        return order;
    }
    const order = [memory_order(NCHW), memory_order(NHWC)];

    /* Rows: the values of a sum are neighbours, and one sum is made at a time. Else columns:
       neighbours belong to different sums, and these are made side by side. normalize.h, C9. */
    const by_rows = layout => (d.kind === LAYER || d.kind === RMS) === (layout === NHWC);

    /* Where each step of the walk begins in memory. By rows the sums follow one another; of batch
       norm each goes on in the next sample. By columns memory is read from front to back. */
    function walk(layout) {
        const starts = [];
        for (let e = 0; e < count; e += width) starts.push(e);
        if (by_rows(layout))
            starts.sort((a, b) => stat(order[layout][a]) - stat(order[layout][b]) || a - b);
        return starts;
    }

    /* ---- Drawing --------------------------------------------------------------------------- */

    const cells = {x: [], y: []}, strips = [[], []];

    function build_tensor(name) {
        for (let i = 0; i < d.n; ++i) {
            const sample = element('div', {className: 'sample'});
            for (let j = 0; j < d.c; ++j) {
                const plane = element('div', {className: 'plane', style: `--side: ${side}`});
                for (let k = 0; k < d.s; ++k) {
                    const e = (i * d.c + j) * d.s + k;
                    const cell = element('button', {type: 'button', tabIndex: -1});
                    cell.addEventListener('pointerenter', () => point(e));
                    cell.addEventListener('focus', () => point(e));
                    cell.addEventListener('click', () => point(e));
                    cell.addEventListener('animationend', () => cell.classList.remove('moved'));
                    cells[name][e] = cell;
                    plane.append(cell);
                }
                sample.append(plane);
            }
            $('cells-' + name).append(sample);
        }
        $('cells-' + name).addEventListener('keydown', event => key(event, name));
    }

    function build_strip(layout) {
        const strip = $(layout === NCHW ? 'cells-nchw' : 'cells-nhwc');
        for (const e of order[layout]) {
            const cell = element('i', {});
            cell.addEventListener('pointerenter', () => point(e));
            strips[layout][e] = cell;
            strip.append(cell);
        }
    }

    /* Blue below 0, orange above. */
    function paint(cell, value) {
        const part = Math.min(100, Math.round(Math.abs(value) * 34));
        cell.style.background =
            `color-mix(in oklab, var(${value < 0 ? '--below' : '--above'}) ${part}%, var(--zero))`;
    }

    const digits = v => (v < 0 ? '-' : '') + Math.abs(v).toFixed(2);

    function draw() {
        const s = stat(at), dx = gradient(x, d, at), most = Math.max(...dx.map(Math.abs)) || 1;
        const root = v => 3 * Math.sign(v) * Math.sqrt(Math.abs(v)); /* small ones are seen, too */
        let shared = 0;
        for (let e = 0; e < count; ++e) {
            const {i, j, k} = place(e), same = stat(e) === s;
            shared += same;
            for (const name of ['x', 'y']) {
                const cell = cells[name][e];
                paint(cell, name === 'x' ? x[e] : shows === 'y' ? y.y[e] : root(dx[e] / most));
                cell.classList.toggle('same', same);
                cell.classList.toggle('at', e === at);
                cell.tabIndex = e === at ? 0 : -1;
                cell.setAttribute('aria-label', `sample ${i}, channel ${j}, position ${k}: ` +
                    `x ${digits(x[e])}, y ${digits(y.y[e])}, gradient ${dx[e].toFixed(4)}` +
                    (same ? ', same mean' : ''));
            }
            for (const strip of strips) {
                strip[e].style.setProperty('--sum', `${stat(e) * 137.5 % 360}`);
                strip[e].classList.toggle('same', same);
                strip[e].classList.toggle('at', e === at);
            }
        }
        say(s, shared);
        if (shows !== 'y') say_gradient(dx, s);
        draw_step();
    }

    function say_gradient(dx, s) {
        const others = [...dx.keys()].filter(e => e !== at && stat(e) === s).map(e => dx[e]);
        const outside = dx.filter((v, e) => stat(e) !== s && v !== 0).length;
        $('cells-say').textContent = `One more of this x adds ${dx[at].toFixed(3)} to its y. One ` +
            `more of another of these ${others.length + 1} adds ` +
            `${Math.min(...others).toFixed(3)} to ${Math.max(...others).toFixed(3)}, of the ` +
            `other ${count - others.length - 1} ` + (outside ? 'something' : 'exactly 0') + '.';
    }

    function say(s, shared, moved) {
        const {i, j, k} = place(at), mean = y.mean[s];
        const deviation = Math.sqrt(Math.max(0, 1 / y.rstd[s] ** 2 - d.eps));
        $('cells-say').textContent = `Sample ${i}, channel ${j}, position ${k}: x = ` +
            `${digits(x[at])} becomes y = ${digits(y.y[at])}. ` +
            (d.kind === RMS ? `The root of the mean square is ${digits(deviation)}` :
                `The mean is ${digits(mean)}, the deviation ${digits(deviation)}`) +
            `, of ${shared} values.` +
            (moved === undefined ? '' : ` ${moved} of ${count} outputs moved.`);
        for (const layout of [NCHW, NHWC]) {
            const lie = order[layout].map(e => stat(e) === s);
            const runs = lie.filter((same, e) => same && !lie[e - 1]).length;
            $(layout === NCHW ? 'cells-nchw-say' : 'cells-nhwc-say').textContent =
                `The ${shared} values lie in ${runs === 1 ? 'one run' : runs + ' runs'} of ` +
                `${shared / runs}. The kernel ` + (by_rows(layout) ? 'makes one sum at a time.' :
                `makes ${layout === NHWC ? d.c : d.s} sums side by side` +
                (d.kind === GROUP ? `, and adds ${d.c / d.groups} each.` : '.'));
        }
        $('cells-value').value = x[at];
        $('cells-value').told();
    }

    function draw_step() {
        const step = +$('cells-step').value;
        for (const layout of [NCHW, NHWC]) {
            const starts = walk(layout);
            starts.forEach((start, i) => {
                for (let e = start; e < start + width; ++e) {
                    strips[layout][order[layout][e]].classList.toggle('done', i < step - 1);
                    strips[layout][order[layout][e]].classList.toggle('now', i === step - 1);
                }
            });
        }
    }

    /* ---- What one does --------------------------------------------------------------------- */

    function compute() {
        y = norm(x, d);
    }

    function point(e) {
        if (e === at) return;
        at = e;
        draw();
    }

    /* Changes the cell's value, and counts the outputs that move. */
    function set(value) {
        const before = y.y;
        let moved = 0, shared = 0;
        x[at] = Math.max(-4, Math.min(4, value));
        compute();
        draw();
        for (let e = 0; e < count; ++e) {
            const moves = y.y[e] !== before[e], cell = cells.y[e];
            moved += moves;
            shared += stat(e) === stat(at);
            cell.classList.remove('moved');
            if (moves) void cell.offsetWidth, cell.classList.add('moved'); /* begins anew */
        }
        say(stat(at), shared, moved);
    }

    function key(event, name) {
        const {i, j, k} = place(at), row = Math.floor(k / side), column = k % side;
        const wide = d.c * side, across = j * side + column, down = i * side + row;
        const by = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
                    ArrowDown: [0, 1]}[event.key];
        const change = {'+': 0.25, '=': 0.25, '-': -0.25}[event.key];
        if (change) set(x[at] + change);
        if (!by && !change) return;
        event.preventDefault();
        if (!by) return;
        const a = (across + by[0] + wide) % wide, b = (down + by[1] + d.n * side) % (d.n * side);
        point((Math.floor(b / side) * d.c + Math.floor(a / side)) * d.s + b % side * side +
              a % side);
        cells[name][at].focus();
    }

    function other_values() {
        for (let e = 0; e < count; ++e) {
            const {i, j} = place(e), sum = Math.random() + Math.random() + Math.random() - 1.5;
            const value = 2 * sum + [1, -1.5, 0.5, -0.25][j] * (i ? 1.4 : 0.8);
            x[e] = Math.max(-4, Math.min(4, Math.round(8 * value) / 8)) || 0.125; /* RMS: 0 stays */
        }
        compute();
        draw();
    }

    function walk_on() {
        const step = $('cells-step');
        step.value = +step.value >= +step.max ? 0 : +step.value + 1;
        step.told();
        draw_step();
    }

    build_tensor('x');
    build_tensor('y');
    build_strip(NCHW);
    build_strip(NHWC);
    choices('cells-kind', 'Norm', kinds, d.kind, kind => { d.kind = kind; compute(); draw(); });
    choices('cells-show', 'Show', [['y', 'Output'], ['dx', 'Gradient']], shows, to => {
        shows = to;
        $('cells-caption').textContent = shows === 'y' ? 'Output y' :
            'Gradient: what one more of each x adds to that y';
        draw();
    });
    slider('cells-value', digits, set);
    slider('cells-step', v => v ? `${v} of 32` : 'before the first', draw_step);
    $('cells-again').addEventListener('click', other_values);
    $('cells-walk').addEventListener('click', () => {
        if (walking) clearInterval(walking), walking = 0;
        else walking = setInterval(walk_on, 350);
        $('cells-walk').setAttribute('aria-pressed', walking !== 0);
        $('cells-walk').textContent = walking ? 'Stop' : 'Walk';
    });
    other_values();
};
