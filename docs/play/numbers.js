/* numbers.js - the third view: one row of floats, normalized four ways, against the exact result.
 *
 * An error is counted in units of 2^-23 (1 + |y|), as in docs/ACCURACY.md.
 */
'use strict';

views.numbers = function () {
    const COUNT = 64, SHOWN = 3, MOST = 1e16; /* the chart's top: NaN, Inf and what is worse */
    const FIRST_DIGIT = 0.1 * 2 ** 23, PROVEN = 10.5;
    const ways = [['E[x^2] - E[x]^2', 'one'], ['two passes', 'two'], ['Welford', 'welford'],
                  ['normalize.h', 'ours']];
    const knobs = {
        mean: {title: 'the mean', of: v => v ? 10 ** (v / 10) : 0},
        spread: {title: 'the spread', of: v => v === -61 ? 0 : 10 ** (v / 10)},
        outlier: {title: 'the outlier', of: v => v ? 10 ** (v / 10) : 0},
        size: {title: 'the factor of all', of: v => 10 ** v},
    };
    const presets = [['Plain', {}], ['Mean a million', {mean: 60}],
                     ['All equal', {mean: 64, spread: -61}], ['Outlier', {outlier: 120}],
                     ['3e38', {size: 38}], ['1e-42', {size: -42, eps: 0}]];
    let moved = 'mean';

    /* About N(0, 1), always the same. */
    const normal = (() => {
        const values = [];
        let state = 7;
        for (let i = 0; i < COUNT; ++i) {
            let sum = -6;
            for (let j = 0; j < 12; ++j) {
                state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
                sum += state / 2 ** 32;
            }
            values.push(sum);
        }
        return values;
    })();

    const settings = () => Object.fromEntries(
        Object.keys(knobs).map(name => [name, +$('numbers-' + name).value]));

    function row(at) {
        const v = {}, x = new Float32Array(COUNT);
        for (const name in knobs) v[name] = knobs[name].of(at[name]);
        for (let i = 0; i < COUNT; ++i) {
            const value = (v.mean + v.spread * normal[i]) * v.size;
            x[i] = Math.max(-3.4e38, Math.min(3.4e38, value));
        }
        if (v.outlier) x[2] = Math.min(3.4e38, v.outlier * v.size);
        return x;
    }

    /* y of each way, and the exact one. */
    function results(x) {
        const k = lib.best;
        return with_memory(k, take => {
            const at = take(4 * COUNT), y = take(4 * COUNT * ways.length), exact = take(8 * COUNT);
            f32(k, at, COUNT).set(x);
            must(k, k.c.play_row(exact, y, at, COUNT, +$('numbers-eps').value));
            return {exact: f64(k, exact, COUNT).slice(),
                    y: ways.map((way, i) => f32(k, y + 4 * COUNT * i, COUNT).slice())};
        });
    }

    /* The worst error of a row in units; Infinity where a number became NaN or Inf. */
    function worst(y, exact) {
        let most = 0;
        for (let i = 0; i < COUNT; ++i) {
            const error = Math.abs(y[i] - exact[i]) / (2 ** -23 * (1 + Math.abs(exact[i])));
            if (!(error <= most)) most = isFinite(error) ? error : Infinity;
        }
        return most;
    }

    /* ---- The chart ------------------------------------------------------------------------- */

    const svg = (name, attributes, text) => {
        const made = document.createElementNS('http://www.w3.org/2000/svg', name);
        for (const key in attributes) made.setAttribute(key, attributes[key]);
        if (text !== undefined) made.textContent = text;
        return made;
    };
    const power = v => v === 0 ? '0' : v < 1e4 && v >= 0.01 ? String(+v.toPrecision(2)) :
        v.toExponential(v.toPrecision(2)[2] === '0' ? 0 : 1).replace('e+', 'e').replace('.0', '');

    function sweep() {
        const input = $('numbers-' + moved), low = +input.min, high = +input.max, at = settings();
        const points = [];
        for (let i = 0; i <= 80; ++i) {
            const value = Math.round(low + (high - low) * i / 80);
            const r = results(row({...at, [moved]: value}));
            points.push({value, errors: r.y.map(y => worst(y, r.exact))});
        }
        return points;
    }

    function chart() {
        const place = $('numbers-chart'), width = Math.max(300, place.clientWidth), height = 320;
        const input = $('numbers-' + moved), low = +input.min, high = +input.max;
        const left = 44, right = width - 12, top = 16, bottom = height - 40;
        const across = v => left + (v - low) / (high - low) * (right - left);
        const part = e => (Math.log10(Math.min(e, MOST)) + 2) / (Math.log10(MOST) + 2);
        const down = e => bottom - Math.max(0, part(e)) * (bottom - top); /* 0.01 at the bottom */
        const points = sweep(), made = svg('svg', {width, height, role: 'img', class: 'chart',
            'aria-label': 'Worst error of each way against ' + knobs[moved].title});
        made.append(svg('rect', {x: left, y: top, width: right - left, class: 'wrong-zone',
                                 height: down(FIRST_DIGIT) - top}));
        for (let e = 0; e <= 15; e += 3) {
            made.append(svg('line', {x1: left, x2: right, y1: down(10 ** e), y2: down(10 ** e),
                                     class: 'grid'}));
            made.append(svg('text', {x: left - 6, y: down(10 ** e) + 4, 'text-anchor': 'end'},
                            e ? '1e' + e : '1'));
        }
        made.append(svg('line', {x1: left, x2: right, y1: down(PROVEN), y2: down(PROVEN),
                                 class: 'proven'}));
        for (let i = 0; i <= 4; ++i) {
            const value = Math.round(low + (high - low) * i / 4);
            made.append(svg('text', {x: across(value), y: bottom + 18, 'text-anchor':
                i === 0 ? 'start' : i === 4 ? 'end' : 'middle'}, power(knobs[moved].of(value))));
        }
        made.append(svg('text', {x: (left + right) / 2, y: height - 4, 'text-anchor': 'middle'},
                        knobs[moved].title));
        ways.forEach(([name, style], i) => made.append(svg('polyline', {class: 'way ' + style,
            points: points.map(p => `${across(p.value).toFixed(1)},${down(p.errors[i]).toFixed(1)}`)
                .join(' ')})));
        const now = across(+input.value);
        made.append(svg('line', {x1: now, x2: now, y1: top, y2: bottom, class: 'cursor'}));
        made.append(svg('text', {x: left + 8, y: top + 15, class: 'inside zone'},
                        'the first digit is wrong; on top: NaN or Inf'));
        made.append(svg('text', {x: right - 4, y: down(PROVEN) + 14, 'text-anchor': 'end',
                                 class: 'inside'}, 'proven for ours: 10.5'));
        place.replaceChildren(made);
        $('numbers-caption').textContent = 'Worst error of the row, in units, against ' +
            knobs[moved].title;
    }

    /* ---- The row --------------------------------------------------------------------------- */

    /* Of x, whose digits are its own; of y, six after the point. */
    const as_float = v => Math.abs(v) < 1e9 && Math.abs(v) >= 1e-4 ? String(+v.toPrecision(8)) :
        eight(v);
    const eight = v => {
        if (!isFinite(v)) return String(v).replace('Infinity', 'Inf');
        const size = Math.abs(v);
        return size !== 0 && (size < 1e-3 || size >= 1e6) ? v.toExponential(4).replace('e+', 'e') :
            v.toFixed(6);
    };

    /* The digits after the last one that is right, marked. */
    function compared(v, exact) {
        const one = eight(v), other = eight(exact), cell = element('td', {});
        let same = 0;
        const last = Math.abs(v - exact) <= 2 ** -22 * (1 + Math.abs(exact)); /* rounding alone */
        while (same < one.length && one[same] === other[same]) ++same;
        cell.append(last ? one : one.slice(0, same));
        if (!last && same < one.length)
            cell.append(element('span', {className: 'bad'}, one.slice(same)));
        return cell;
    }

    const units = e => e === Infinity ? 'NaN, Inf' : e < 0.995 ? e.toFixed(2) :
        e < 99.5 ? e.toPrecision(2) : e < 1e5 ? e.toFixed(0) :
        e.toExponential(1).replace('e+', 'e');

    function table(x, r, errors) {
        const head = (text, of, show) => element('tr', {}, element('th', {scope: 'row'}, text),
            element('td', {}), ...[...of.slice(0, SHOWN)].map(v => element('td', {}, show(v))));
        const rows = [element('tr', {}, element('td', {}),
            element('th', {scope: 'col'}, 'worst error'),
            ...[...Array(SHOWN).keys()].map(i => element('th', {scope: 'col'}, 'value ' + i)))];
        rows.push(head('x', x, as_float), head('y, exact', r.exact, eight));
        ways.forEach(([name, style], i) => rows.push(element('tr', {className: 'way ' + style},
            element('th', {scope: 'row'}, element('i', {}), name),
            element('td', {className: errors[i] > FIRST_DIGIT ? 'bad' : ''}, units(errors[i])),
            ...[...r.y[i].slice(0, SHOWN)].map((v, j) => compared(v, r.exact[j])))));
        $('numbers-row').replaceChildren(element('tbody', {}, ...rows));
    }

    function show_row() {
        const x = row(settings()), r = results(x), errors = r.y.map(y => worst(y, r.exact));
        const wrong = ways.filter((way, i) => errors[i] > FIRST_DIGIT).map(way => way[0]);
        table(x, r, errors);
        $('numbers-say').textContent =
            `normalize.h is off by ${units(errors[3])} units at worst. ` +
            (wrong.length ? `Not one digit is right of: ${wrong.join(', ')}.` :
                `Welford by ${units(errors[2])}, two passes by ${units(errors[1])}, ` +
                `E[x^2] - E[x]^2 by ${units(errors[0])}.`);
    }

    const show = soon(() => { show_row(); chart(); });

    function use(preset) {
        for (const name in knobs) $('numbers-' + name).value = preset[name] || 0;
        for (const name in preset) if (knobs[name]) moved = name;
        $('numbers-eps').value = preset.eps === 0 ? '0' : '1e-5';
        for (const name in knobs) $('numbers-' + name).told();
        show();
    }

    for (const name in knobs)
        slider('numbers-' + name, v => power(knobs[name].of(v)) === '0' && name === 'outlier' ?
            'none' : power(knobs[name].of(v)), () => { moved = name; show(); });
    for (const [name, preset] of presets) {
        const button = element('button', {type: 'button'}, name);
        button.addEventListener('click', () => use(preset));
        $('numbers-presets').append(button);
    }
    $('numbers-eps').addEventListener('change', show);
    addEventListener('resize', () => { if (!$('view-numbers').hidden) show(); });
    use(presets[1][1]);
};
