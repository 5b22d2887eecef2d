/* loops.js - the norms as plain loops in JavaScript, as most people would write them: sums in
 * double, each layout in the order in which it lies. bench/naive.c has the same in C.
 *
 * Two shapes of loop serve all kinds. By rows, the values of a group are `pieces` pieces of
 * `length` neighbours; by columns neighbours belong to different groups, or `fold` of them to one.
 */
'use strict';

/* Groups one by one: where each begins, and how it goes on. channel(g, p, i) is that of gamma. */
function rows_of(d) {
    const {n, c, s, groups, kind} = d, per = c / groups;
    if (kind === BATCH)
        return {count: c, at: g => g * s, pieces: n, step: c * s, length: s, channel: g => g};
    if (kind === INSTANCE)
        return {count: n * c, at: g => g * s, pieces: 1, step: 0, length: s, channel: g => g % c};
    if (kind === GROUP)
        return {count: n * groups, at: g => g * per * s, pieces: per, step: s, length: s,
                channel: (g, p) => g % groups * per + p};
    return {count: n * s, at: g => g * c, pieces: 1, step: 0, length: c, channel: null};
}

function js_rows(d, x, y, gamma, beta) {
    const r = rows_of(d), m = r.pieces * r.length, centred = d.kind !== RMS;
    for (let g = 0; g < r.count; ++g) {
        const at = r.at(g);
        let mean = 0, squares = 0;
        for (let p = 0; p < r.pieces && centred; ++p)
            for (let i = at + p * r.step, end = i + r.length; i < end; ++i) mean += x[i];
        mean /= m;
        for (let p = 0; p < r.pieces; ++p)
            for (let i = at + p * r.step, end = i + r.length; i < end; ++i)
                squares += (x[i] - mean) * (x[i] - mean);
        const rstd = 1 / Math.sqrt(squares / m + d.eps);
        for (let p = 0; p < r.pieces; ++p) {
            const from = at + p * r.step;
            if (!r.channel) {
                for (let i = 0; i < r.length; ++i)
                    y[from + i] = (x[from + i] - mean) * rstd * gamma[i] + beta[i];
                continue;
            }
            const a = rstd * gamma[r.channel(g, p)], b = beta[r.channel(g, p)];
            for (let i = from, end = from + r.length; i < end; ++i) y[i] = (x[i] - mean) * a + b;
        }
    }
}

/* Columns: `parts` times, `rows` rows of `columns`. Of NHWC columns are channels, of layer and RMS
   norm in NCHW positions. */
function columns_of(d) {
    const {n, c, s, groups, kind} = d;
    if (kind === BATCH) return {parts: 1, rows: n * s, columns: c, fold: 1, channels: true};
    if (kind === INSTANCE) return {parts: n, rows: s, columns: c, fold: 1, channels: true};
    if (kind === GROUP) return {parts: n, rows: s, columns: c, fold: c / groups, channels: true};
    return {parts: n, rows: c, columns: s, fold: 1, channels: false};
}

/* Each column gets its group's sum over m. */
function spread(sums, fold, m) {
    for (let j = 0; j < sums.length; j += fold) {
        let sum = 0;
        for (let k = j; k < j + fold; ++k) sum += sums[k];
        sums.fill(sum / m, j, j + fold);
    }
}

function js_columns(d, x, y, gamma, beta) {
    const {parts, rows, columns, fold, channels} = columns_of(d), m = rows * fold;
    const mean = new Float64Array(columns), scale = new Float64Array(columns);
    for (let part = 0; part < parts; ++part) {
        const at = part * rows * columns, end = at + rows * columns;
        mean.fill(0);
        scale.fill(0);
        if (d.kind !== RMS) add_rows(x, at, end, columns, mean);
        spread(mean, fold, m);
        add_squares(x, at, end, columns, mean, scale);
        spread(scale, fold, m);
        for (let j = 0; j < columns; ++j) scale[j] = 1 / Math.sqrt(scale[j] + d.eps);
        if (channels) apply_channels(x, y, at, end, columns, mean, scale, gamma, beta);
        else apply_positions(x, y, at, end, columns, mean, scale, gamma, beta);
    }
}

/* Each loop in a function of its own: only then does the browser compile it well. */
function add_rows(x, at, end, columns, sums) {
    for (let i = at; i < end; i += columns)
        for (let j = 0; j < columns; ++j) sums[j] += x[i + j];
}

function add_squares(x, at, end, columns, mean, sums) {
    for (let i = at; i < end; i += columns)
        for (let j = 0; j < columns; ++j) {
            const deviation = x[i + j] - mean[j];
            sums[j] += deviation * deviation;
        }
}

function apply_channels(x, y, at, end, columns, mean, scale, gamma, beta) {
    for (let i = at; i < end; i += columns)
        for (let j = 0; j < columns; ++j)
            y[i + j] = (x[i + j] - mean[j]) * scale[j] * gamma[j] + beta[j];
}

function apply_positions(x, y, at, end, columns, mean, scale, gamma, beta) {
    for (let i = at, row = 0; i < end; i += columns, ++row) {
        const g = gamma[row], b = beta[row];
        for (let j = 0; j < columns; ++j) y[i + j] = (x[i + j] - mean[j]) * scale[j] * g + b;
    }
}

const by_rows = d => (d.kind === LAYER || d.kind === RMS) === (d.layout === NHWC);

function js_forward(d, x, y, gamma, beta) {
    if (by_rows(d)) js_rows(d, x, y, gamma, beta);
    else js_columns(d, x, y, gamma, beta);
}

/* Batch norm with running statistics. */
function js_infer(d, x, y, gamma, beta, mean, variance) {
    const {n, c, s, layout} = d, a = new Float64Array(c), b = new Float64Array(c);
    for (let j = 0; j < c; ++j) {
        a[j] = gamma[j] / Math.sqrt(variance[j] + d.eps);
        b[j] = beta[j] - mean[j] * a[j];
    }
    if (layout === NHWC) {
        for (let i = 0; i < n * s * c; i += c)
            for (let j = 0; j < c; ++j) y[i + j] = x[i + j] * a[j] + b[j];
        return;
    }
    for (let line = 0; line < n * c; ++line) {
        const p = a[line % c], q = b[line % c];
        for (let i = line * s, end = i + s; i < end; ++i) y[i] = x[i] * p + q;
    }
}

/* ---- Backward ------------------------------------------------------------------------------ */

/* One group by rows, with a channel for each piece: adds to dgamma and dbeta, writes dx. */
function js_group_backward(r, g, t, mean, rstd, m) {
    const {x, dy, dx, gamma, dgamma, dbeta} = t, at = r.at(g);
    let p = 0, q = 0;
    for (let piece = 0; piece < r.pieces; ++piece) {
        const from = at + piece * r.step, channel = r.channel(g, piece);
        let sum = 0, product = 0;
        for (let i = from, end = from + r.length; i < end; ++i)
            sum += dy[i], product += dy[i] * (x[i] - mean) * rstd;
        dbeta[channel] += sum, dgamma[channel] += product;
        p += gamma[channel] * sum, q += gamma[channel] * product;
    }
    p /= m, q /= m;
    for (let piece = 0; piece < r.pieces; ++piece) {
        const from = at + piece * r.step, factor = gamma[r.channel(g, piece)];
        for (let i = from, end = from + r.length; i < end; ++i)
            dx[i] = rstd * (dy[i] * factor - p - (x[i] - mean) * rstd * q);
    }
}

/* One row of layer or RMS norm. */
function js_row_backward(d, at, t, mean, rstd) {
    const {x, dy, dx, gamma, dgamma, dbeta} = t, c = d.c;
    let p = 0, q = 0;
    for (let i = 0; i < c; ++i) {
        const xhat = (x[at + i] - mean) * rstd, dyi = dy[at + i];
        p += dyi * gamma[i], q += dyi * gamma[i] * xhat;
        dgamma[i] += dyi * xhat, dbeta[i] += dyi;
    }
    p = d.kind === RMS ? 0 : p / c, q /= c;
    for (let i = 0; i < c; ++i)
        dx[at + i] = rstd * (dy[at + i] * gamma[i] - p - (x[at + i] - mean) * rstd * q);
}

function js_columns_backward(d, t) {
    const {x, dy, dx, gamma, dgamma, dbeta} = t, r = columns_of(d), width = r.columns;
    const p = new Float64Array(width), q = new Float64Array(width), m = r.rows * r.fold;
    const mean = new Float64Array(width), rstd = new Float64Array(width);
    for (let part = 0; part < r.parts; ++part) {
        const at = part * r.rows * width, end = at + r.rows * width;
        for (let j = 0; j < width; ++j) {
            const stat = part * width / r.fold + Math.floor(j / r.fold);
            mean[j] = d.kind === RMS ? 0 : t.mean[stat], rstd[j] = t.rstd[stat];
        }
        p.fill(0), q.fill(0);
        for (let i = at, row = 0; i < end; i += width, ++row) {
            let sum = 0, product = 0; /* of this row, where it is a channel */
            const factor = r.channels ? 1 : gamma[row];
            for (let j = 0; j < width; ++j) {
                const dyi = dy[i + j], term = dyi * (x[i + j] - mean[j]) * rstd[j];
                sum += dyi, product += term;
                p[j] += dyi * factor, q[j] += term * factor;
            }
            if (!r.channels) dbeta[row] += sum, dgamma[row] += product;
        }
        for (let j = 0; j < width && r.channels; ++j) {
            dbeta[j] += p[j], dgamma[j] += q[j];
            p[j] *= gamma[j], q[j] *= gamma[j];
        }
        spread(p, r.fold, m), spread(q, r.fold, m);
        if (d.kind === RMS) p.fill(0);
        for (let i = at, row = 0; i < end; i += width, ++row)
            for (let j = 0; j < width; ++j)
                dx[i + j] = rstd[j] * (dy[i + j] * gamma[r.channels ? j : row] - p[j] -
                                       (x[i + j] - mean[j]) * rstd[j] * q[j]);
    }
}

/* t has x, dy, gamma, and mean and rstd of forward; dx, dgamma, dbeta are written. */
function js_backward(d, t) {
    t.dgamma.fill(0), t.dbeta.fill(0);
    if (!by_rows(d)) {
        js_columns_backward(d, t);
        return;
    }
    const r = rows_of(d), m = r.pieces * r.length;
    for (let g = 0; g < r.count; ++g) {
        const mean = d.kind === RMS ? 0 : t.mean[g];
        if (r.channel) js_group_backward(r, g, t, mean, t.rstd[g], m);
        else js_row_backward(d, r.at(g), t, mean, t.rstd[g]);
    }
}
