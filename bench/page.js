/* page.js - the results page (bench/page.pl puts it into docs/bench/index.html).
 *
 * `data` is what was measured, `machines` and `rows` are what is made of it once; everything that
 * is shown is built from these by el(), which makes text of text: no figure or note can be markup.
 */
'use strict';

const LEVEL = 1.03;         /* times of two libraries that are not told apart */
const LEVEL_LAYOUTS = 1.05; /* and of two layouts */
const FIRST_ROWS = 40;      /* shown until one asks for more */
const KINDS = ['batch', 'layer', 'instance', 'group', 'rms'];
const PASSES = ['train', 'infer', 'backward'];
const ELEMENT_BYTES = {f32: 4, f64: 8, f16: 2, bf16: 2};
const TYPE_NAMES = {f32: 'float', f64: 'double', f16: 'half', bf16: 'bfloat16'};

const data = JSON.parse(document.getElementById('data').textContent);
const machines = data.machines;
const rows = data.rows.map(unpack);
const row_of = new Map(rows.map(row => [row.key, row]));

/* ---- Data ------------------------------------------------------------------------------------ */

/* A packed row is data.columns in order, then four numbers for each peer: which, its time, its
 * error, its note. Words are numbers of data.words; null is what was not measured. */
function unpack(packed) {
    const row = {peers: []};
    data.columns.forEach((column, i) => {
        const is_word = data.texts.includes(column);
        row[column] = is_word ? (packed[i] === null ? '' : data.words[packed[i]]) : packed[i];
    });
    for (let i = data.columns.length; i < packed.length; i += 4) {
        const [peer, us, error, note] = packed.slice(i, i + 4);
        const {name, version} = machines[row.machine].peers[peer];
        row.peers.push({name, version, us, error, note: note === null ? '' : data.words[note]});
    }
    row.sizes = row.shape.split('x').map(Number);
    row.values = product(row.sizes);
    row.name = [row.kind, row.pass, row.layout, row.shape, row.dtype, row.threads + 't',
                row.options].filter(word => word !== '').join('/');
    row.processor = machines[row.machine].processor;
    row.key = row.processor + '/' + row.name;
    if (row.limit && row.us) row.share = row.limit / row.us;
    row.rivals = row.peers.filter(peer => peer.us);
    row.best = row.rivals.reduce((best, peer) => !best || peer.us < best.us ? peer : best, null);
    row.over_best = row.best ? row.us / row.best.us : null;
    row.over_loops = row.loops ? row.us / row.loops : null;
    return row;
}

/* Without options; the number of groups is none. */
function is_plain(row) {
    return row.options.replace(/\bgroups=\d+/, '').trim() === '';
}

function sibling(row, change) {
    const other = {...row, ...change};
    return rows.find(r => ['machine', 'kind', 'pass', 'layout', 'shape', 'dtype', 'threads',
                           'options'].every(part => r[part] === other[part]));
}

function product(numbers) {
    return numbers.reduce((all, x) => all * x, 1);
}

function geometric_mean(numbers) {
    return Math.exp(numbers.reduce((sum, x) => sum + Math.log(x), 0) / numbers.length);
}

function unique(list) {
    return [...new Set(list)];
}

/* ---- Text ------------------------------------------------------------------------------------ */

function digits(x) {
    return x === null || x === undefined ? '' : x.toFixed(x < 9.995 ? 2 : x < 99.95 ? 1 : 0);
}

function percent(x) {
    return x ? (100 * x).toFixed(0) + '%' : '';
}

function short_error(x) {
    return x === null || x === undefined ? '' : String(Number(x.toPrecision(2)));
}

function count(n, noun) {
    return n + ' ' + noun + (n === 1 ? '' : 's');
}

/* Batch norm trains; of other norms the same pass is just forward. */
function pass_name(kind, pass) {
    return pass === 'train' && kind !== 'batch' ? 'forward' : pass;
}

/* A processor's name without what says nothing, unless two are called the same then. */
function machine_name(machine) {
    const short = name => name.replace(/\((?:R|TM)\)|\b\d+-Core\b|\bProcessor\b|\bCPU\b|@.*/gi, ' ')
        .replace(/\s+/g, ' ').trim();
    const name = machines[machine].processor;
    const same = machines.filter(other => short(other.processor) === short(name));
    return same.length === 1 && short(name) || name;
}

/* The words that `make time` takes. */
function command(kind, pass, shape, dtype, threads, more) {
    const words = [kind, pass_name(kind, pass), shape];
    if (dtype !== 'f32') words.push(dtype);
    if (threads > 1) words.push('threads=' + threads);
    return 'make time CASE="' + words.concat(more || []).join(' ') + '"';
}

/* ---- Elements -------------------------------------------------------------------------------- */

/* el('td', {class: 'number', onclick: f}, 'text', another_element) */
function el(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
        if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
        else if (value === true) element.setAttribute(name, '');
        else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter(child => child !== null && child !== undefined));
    return element;
}

function by_id(id) {
    return document.getElementById(id);
}

/* head: titles, 'number:' before those of numbers. A cell is text or an element. */
function table(caption, head, body, attributes) {
    const is_number = head.map(title => title.startsWith('number:'));
    const cell_class = i => is_number[i] ? {class: 'number'} : {};
    return el('table', attributes, el('caption', {class: 'hidden'}, caption),
        el('thead', {}, el('tr', {}, head.map((title, i) =>
            el('th', {scope: 'col', ...cell_class(i)}, title.replace('number:', ''))))),
        el('tbody', {}, body.map(cells => el('tr', {}, cells.map((cell, i) =>
            i ? el('td', cell_class(i), cell) : el('th', {scope: 'row'}, cell))))));
}

/* options: [value, text] each. */
function fill_select(select, options, value) {
    select.replaceChildren(...options.map(([option, text]) => el('option', {value: option}, text)));
    select.value = value;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
}

function command_line(text) {
    const code = el('code', {}, text);
    const said = el('span', {role: 'status', class: 'quiet'});
    async function copy() {
        try {
            await navigator.clipboard.writeText(text);
            said.textContent = 'copied';
        } catch (refused) {
            getSelection().selectAllChildren(code);
            said.textContent = 'marked';
        }
    }
    return el('div', {class: 'command'}, code,
              el('button', {type: 'button', onclick: copy}, 'Copy'), said);
}

/* Green and red never say it alone: the number or a word beside them does. */
function ratio_class(over) {
    return over > LEVEL ? 'bad' : over < 1 / LEVEL ? 'good' : 'quiet';
}

/* A ratio of times, ours over theirs, in words. */
function faster_words(over) {
    if (over > LEVEL) return digits(over) + ' times slower';
    return over < 1 / LEVEL ? digits(1 / over) + ' times faster' : 'level';
}

function than(over) {
    return over > LEVEL || over < 1 / LEVEL ? 'than ' : 'with ';
}

/* ---- At a glance ----------------------------------------------------------------------------- */

const chosen = {machine: 0, threads: 1, dtype: 'f32'};

function chosen_rows() {
    return rows.filter(row => row.machine === chosen.machine && row.threads === chosen.threads &&
                              row.dtype === chosen.dtype && row.us);
}

function plain_rows() {
    return chosen_rows().filter(is_plain);
}

/* The shapes of a kind and pass that were timed in both layouts: times of NCHW over NHWC. */
function layout_verdict(some, kind, pass) {
    const pairs = some.filter(row => row.kind === kind && row.pass === pass &&
                                     row.layout === 'NCHW')
        .map(row => [row, sibling(row, {layout: 'NHWC'})])
        .filter(([, other]) => other && other.us)
        .map(([row, other]) => row.us / other.us);
    if (!pairs.length) return null;
    const mean = geometric_mean(pairs);
    const layout = mean > LEVEL_LAYOUTS ? 'NHWC' : mean < 1 / LEVEL_LAYOUTS ? 'NCHW' : 'either';
    const by = pairs.map(x => layout === 'NCHW' ? 1 / x : x);
    return {layout, by: layout === 'NCHW' ? 1 / mean : mean, shapes: pairs.length,
            won: by.filter(x => x > LEVEL_LAYOUTS).length,
            lost: by.filter(x => x < 1 / LEVEL_LAYOUTS).length};
}

function verdict_cell(some, kind, pass) {
    const verdict = layout_verdict(some, kind, pass);
    if (!verdict) return el('span', {class: 'quiet'}, '-');
    const {layout, by, shapes, won, lost} = verdict;
    const show = () => show_rows({processor: machines[chosen.machine].processor, kind, pass,
                                  dtype: chosen.dtype, threads: String(chosen.threads)});
    const text = layout === 'either'
        ? [won ? 'NHWC in ' + won : '', lost ? 'NCHW in ' + lost : ''].filter(x => x).join(', ') ||
          'within 5%'
        : digits(by) + ' times faster';
    const shape_text = layout === 'either' ? 'of ' + count(shapes, 'shape')
        : 'in ' + won + ' of ' + count(shapes, 'shape') + (lost ? ', slower in ' + lost : '');
    return el('span', {}, el('b', {class: layout.toLowerCase()}, layout), ' ' + text,
              el('small', {}, el('button', {type: 'button', class: 'plain', onclick: show,
                  'aria-label': 'rows of ' + kind + ' ' + pass_name(kind, pass)}, shape_text)));
}

function layout_table(some) {
    const kinds = KINDS.filter(kind => some.some(row => row.kind === kind &&
                                                        row.layout !== 'rows'));
    return table('The faster layout by norm and pass',
        ['', 'forward (train)', 'inference', 'backward'],
        kinds.map(kind => [kind, ...PASSES.map(pass => verdict_cell(some, kind, pass))]),
        {class: 'verdicts'});
}

/* Ours against one rival: [row, ours over theirs] of every row that has both. */
function duel(name, version, pairs) {
    if (!pairs.length) return null;
    pairs.sort((a, b) => b[1] - a[1]);
    const over = pairs.map(pair => pair[1]);
    const mean = geometric_mean(over), worst = pairs[0];
    return [[name, version ? el('small', {}, version) : ''],
            el('span', {class: ratio_class(mean)}, faster_words(mean)),
            String(over.filter(x => x < 1 / LEVEL).length),
            String(over.filter(x => x <= LEVEL && x >= 1 / LEVEL).length),
            String(over.filter(x => x > LEVEL).length),
            worst[1] > LEVEL ? el('span', {}, digits(worst[1]) + ' times slower ',
                                  row_link(worst[0])) : 'nowhere slower'];
}

function duel_table(some) {
    const duels = machines[chosen.machine].peers.map(({name, version}) =>
        duel(name, version, some.flatMap(row => row.rivals.filter(peer => peer.name === name)
            .map(peer => [row, row.us / peer.us]))));
    duels.push(duel('plain loops', '', some.filter(row => row.loops)
        .map(row => [row, row.over_loops])));
    const there = duels.filter(line => line);
    return there.length ? table('normalize.h beside others, rows of the choice above',
        ['beside', 'on average ours is', 'number:faster in', 'number:level in', 'number:slower in',
         'at worst'], there) : el('p', {}, 'No other library was timed with this choice.');
}

/* A link, so that it can be passed on; here it opens the row even if it is open already. */
function row_link(row) {
    const open = event => {
        event.preventDefault();
        show_row(row);
    };
    return el('a', {href: '#open=' + encodeURIComponent(row.key),
                    onclick: open},
              [row.kind, pass_name(row.kind, row.pass), row.layout, row.shape,
               row.options].join(' ').trim());
}

/* Rows at an end of an order, in words. */
function extremes(title, some, words) {
    return el('div', {}, el('h3', {}, title), some.length
        ? el('ol', {}, some.slice(0, 5).map(row => el('li', {}, row_link(row), ': ' +
                                                      words(row))))
        : el('p', {}, 'None.'));
}

function sentence(some) {
    const timed = some.filter(row => row.best);
    const where = machine_name(chosen.machine) + ', ' + count(chosen.threads, 'thread') + ', ' +
        (TYPE_NAMES[chosen.dtype] || chosen.dtype);
    if (!timed.length) return 'On ' + where + ' no other library was timed.';
    const first = timed.filter(row => row.over_best < 1 / LEVEL).length;
    const lost = timed.filter(row => row.over_best > LEVEL).length;
    return 'On ' + where + ': of ' + count(timed.length, 'row') + ' beside other libraries, ' +
        'normalize.h is the fastest in ' + first + ', level with the best of them in ' +
        (timed.length - first - lost) + ', and slower in ' + lost + '.';
}

function draw_glance() {
    const some = chosen_rows(), plain = plain_rows();
    const timed = some.filter(row => row.best);
    const up = [...timed].sort((a, b) => a.over_best - b.over_best);
    const best_words = row => faster_words(row.over_best) + ' ' + than(row.over_best) +
        row.best.name;
    by_id('glance-words').textContent = sentence(some);
    by_id('glance-answer').replaceChildren(
        el('h3', {}, 'NCHW or NHWC?'),
        el('div', {class: 'scroll'}, layout_table(plain)),
        el('h3', {}, 'normalize.h beside others'),
        el('div', {class: 'scroll'}, duel_table(some)),
        el('div', {class: 'pair'},
            extremes('Where ours loses most', [...up].reverse()
                .filter(row => row.over_best > LEVEL), best_words),
            extremes('Where ours wins most', up.filter(row => row.over_best < 1 / LEVEL),
                best_words),
            extremes('Furthest from the limit', plain.filter(row => row.share)
                .sort((a, b) => a.share - b.share), row => percent(row.share) + ' of it')));
}

function set_glance_choices() {
    const of_machine = rows.filter(row => row.machine === chosen.machine);
    fill_select(by_id('glance-machine'), machines.map((m, i) => [i, machine_name(i)]),
                chosen.machine);
    fill_select(by_id('glance-threads'), unique(of_machine.map(row => row.threads))
        .sort((a, b) => a - b).map(threads => [threads, threads]), chosen.threads);
    fill_select(by_id('glance-dtype'), unique(of_machine.map(row => row.dtype))
        .map(dtype => [dtype, TYPE_NAMES[dtype] || dtype]), chosen.dtype);
    chosen.threads = Number(by_id('glance-threads').value);
    chosen.dtype = by_id('glance-dtype').value;
}

function glance_changed() {
    chosen.machine = Number(by_id('glance-machine').value);
    chosen.threads = Number(by_id('glance-threads').value);
    chosen.dtype = by_id('glance-dtype').value;
    set_glance_choices();
    draw_glance();
    draw_shape();
}

/* ---- My shape -------------------------------------------------------------------------------- */

/* The sizes in a text such as 8x96x28x28, with any sign between them; a string: what is wrong. */
function read_shape(text) {
    const words = text.trim().split(/[\sx*,\u00d7]+/i).filter(word => word);
    if (words.length !== 2 && words.length !== 4)
        return text + ': a shape has four sizes, such as 8x96x28x28, or two, such as 4096x768.';
    const sizes = words.map(Number);
    if (!words.every(word => /^\d+$/.test(word)) || sizes.some(size => size < 1))
        return text + ': each size is a whole number from 1.';
    if (product(sizes) > 2 ** 30)
        return text + ': more than 2^30 values are more than make time takes.';
    return sizes;
}

/* Forward moves x and y, backward x, dy and dx. */
function bytes_moved(values, pass, dtype) {
    return values * (ELEMENT_BYTES[dtype] || 4) * (pass === 'backward' ? 3 : 2);
}

/* How many times two sizes differ, in powers of two; a matrix beside an image is as far as four
 * times the bytes. */
function distance(row, sizes) {
    const away = (a, b) => Math.abs(Math.log2(a / b));
    const area = of => of.length === 4 ? of[2] * of[3] : 1;
    return away(bytes_moved(row.values, row.pass, row.dtype),
                bytes_moved(product(sizes), row.pass, chosen.dtype)) +
        0.5 * away(row.sizes[1], sizes[1]) + 0.5 * away(area(row.sizes), area(sizes)) +
        2 * (row.sizes.length !== sizes.length);
}

/* Rows to compare a shape with: of the type and the threads that are chosen, if there are any. */
function candidates(kind, pass, layout) {
    const all = rows.filter(row => row.machine === chosen.machine && row.kind === kind &&
                                   row.pass === pass && row.layout === layout && row.gbs &&
                                   row.us && is_plain(row));
    const threads = all.filter(row => row.threads === chosen.threads);
    const both = threads.filter(row => row.dtype === chosen.dtype);
    return both.length ? both : threads.length ? threads : all;
}

/* The time at the GB/s of the nearest rows of a layout, nearer ones counting more: three at most,
 * and none that is eight times further away than the first. */
function estimate(kind, pass, layout, sizes) {
    const near = candidates(kind, pass, layout).map(row => ({row, away: distance(row, sizes)}))
        .sort((a, b) => a.away - b.away).filter((at, i, all) => i < 3 && at.away < all[0].away + 3);
    if (!near.length) return null;
    const bytes = bytes_moved(product(sizes), pass, chosen.dtype);
    const time = gbs => bytes / gbs / 1e3;
    let weights = 0, sum = 0;
    for (const {row, away} of near) {
        weights += 1 / (away + 0.25);
        sum += Math.log(row.gbs) / (away + 0.25);
    }
    const times = near.map(({row}) => time(row.gbs)).sort((a, b) => a - b);
    const {row, away} = near[0];
    const exact = away === 0 && row.dtype === chosen.dtype && row.threads === chosen.threads;
    return {layout, near, exact, us: exact ? row.us : time(Math.exp(sum / weights)),
            low: times[0], high: times[times.length - 1],
            bytes_over: bytes / bytes_moved(row.values, pass, row.dtype)};
}

function estimate_words(guess) {
    const name = guess.layout === 'rows' ? '' : guess.layout + ' ';
    if (guess.exact) return name + digits(guess.us) + ' \u00b5s, measured';
    return name + 'about ' + digits(guess.us) + ' \u00b5s' + (guess.near.length > 1
        ? ' (' + digits(guess.low) + ' to ' + digits(guess.high) + ')' : '');
}

/* Which layout, and how far that can be trusted. */
function guesses_words(guesses) {
    const measured = guesses.every(guess => guess.exact);
    const over = guesses.length > 1 ? guesses[0].us / guesses[1].us : 1;
    const times = Math.max(over, 1 / over);
    let text = guesses.map(estimate_words).join(', ');
    if (guesses.length > 1)
        text += (measured ? ': ' : ': likely ') + (times < LEVEL_LAYOUTS ? 'no difference beyond 5%'
            : (over > 1 ? 'NHWC' : 'NCHW') + ', ' + digits(times) + ' times faster');
    if (measured) return text + '.';
    const far = guesses[0].bytes_over;
    const nearest = far > 2 || far < 0.5 ? digits(1 / far) + ' times' : '';
    return text + '. An estimate from the GB/s of the rows below, not a measurement' +
        (nearest ? '; the nearest moves ' + nearest + ' the bytes.' : '.');
}

function near_table(guesses) {
    const near = guesses.flatMap(guess => guess.near).sort((a, b) => a.away - b.away);
    return table('The nearest rows that were measured',
        ['nearest rows', 'type, threads', 'number:\u00b5s', 'number:GB/s', 'number:of the limit',
         'beside the best other'],
        near.map(({row}) => [row_link(row), row.dtype + ', ' + row.threads, digits(row.us),
                             digits(row.gbs), percent(row.share), best_cell(row)]));
}

function groups_fault(groups, channels) {
    const divides = /^[1-9]\d*$/.test(groups) && channels % groups === 0;
    return divides ? '' : groups + ' groups do not divide ' + count(channels, 'channel') + '.';
}

function say_fault(text) {
    by_id('my-fault').hidden = !text;
    by_id('my-fault').textContent = text;
    by_id('my-shape').setAttribute('aria-invalid', text ? 'true' : 'false');
    if (!text) return;
    by_id('my-words').textContent = '';
    by_id('my-answer').replaceChildren();
}

function draw_shape() {
    const kind = by_id('my-kind').value, pass = by_id('my-pass').value;
    const sizes = read_shape(by_id('my-shape').value);
    const groups = by_id('my-groups').value;
    const fault = typeof sizes === 'string' ? sizes
        : kind === 'group' ? groups_fault(groups, sizes[1]) : '';
    say_fault(fault);
    if (fault) return;
    const is_matrix = sizes.length === 2;
    const guesses = (is_matrix ? ['rows', 'NCHW', 'NHWC'] : ['NCHW', 'NHWC'])
        .map(layout => estimate(kind, pass, layout, sizes)).filter(guess => guess)
        .slice(0, is_matrix ? 1 : 2);
    const line = command(kind, pass, sizes.join('x'), chosen.dtype, chosen.threads,
                         kind === 'group' ? ['groups=' + groups] : []);
    by_id('my-words').textContent = guesses.length
        ? guesses_words(guesses) : 'Nothing of this kind was measured on this machine.';
    by_id('my-answer').replaceChildren(
        el('p', {}, 'To measure it on your own machine, in a clone of the repository:'),
        command_line(line),
        guesses.length ? el('div', {class: 'scroll'}, near_table(guesses)) : '');
}

/* Only batch and instance norm have running statistics to infer with. */
function kind_changed() {
    const kind = by_id('my-kind').value;
    const infers = kind === 'batch' || kind === 'instance';
    fill_select(by_id('my-pass'), PASSES.filter(pass => pass !== 'infer' || infers)
        .map(pass => [pass, pass_name(kind, pass)]), by_id('my-pass').value || 'train');
    by_id('my-groups-label').hidden = kind !== 'group';
    draw_shape();
}

function start_shape() {
    fill_select(by_id('my-kind'), KINDS.map(kind => [kind, kind]), 'batch');
    by_id('my-kind').addEventListener('change', kind_changed);
    by_id('my-pass').addEventListener('change', draw_shape);
    by_id('shape-form').addEventListener('submit', event => {
        event.preventDefault();
        draw_shape();
    });
    kind_changed();
}

/* ---- All rows: what is shown ----------------------------------------------------------------- */

const no_filter = {processor: '', kind: '', pass: '', layout: '', dtype: '', threads: '',
                   options: '', text: '', lost: '', pivot: '', sort: 'case'};
let filter = {...no_filter};
let shown = FIRST_ROWS;

/* A filter's title and the values that it offers. */
const filter_titles = {processor: 'machine', kind: 'norm', pass: 'pass', layout: 'layout',
                       dtype: 'type', threads: 'threads', options: 'options'};

function filter_values(part) {
    const values = unique(rows.map(row => String(row[part])));
    if (part === 'processor') return machines.map((m, i) => [m.processor, machine_name(i)]);
    if (part === 'options')
        return [['-', 'none'], ...values.filter(x => x).sort().map(x => [x, x])];
    const order = part === 'kind' ? KINDS : part === 'pass' ? PASSES : null;
    const rank = value => order ? order.indexOf(value) : Number(value) || 0;
    const text = value => part === 'pass' && value === 'train' ? 'forward (train)' : value;
    return values.sort((a, b) => rank(a) - rank(b)).map(value => [value, text(value)]);
}

function passes_filter(row) {
    for (const part of Object.keys(filter_titles)) {
        const wanted = filter[part] === '-' ? '' : filter[part];
        const free = filter[part] === '' || part === 'processor' && filter.pivot;
        if (!free && String(row[part]) !== wanted) return false;
    }
    if (filter.lost && !(row.over_best > LEVEL || row.over_loops > LEVEL)) return false;
    const text = (row.name + ' ' + row.model).toLowerCase();
    return filter.text.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

/* A column: its title, the value it sorts by (null comes last), and its cell. */
function word_column(id, title, text) {
    return {id, title, value: row => row[id], wide: true,
            cell: row => text ? text(row) : String(row[id])};
}

function number_column(id, title, value, cell, wide) {
    return {id, title, value, cell, wide, number: true};
}

function share_cell(row) {
    if (!row.share) return '';
    const width = 'width: ' + Math.min(100, 100 * row.share).toFixed(0) + '%';
    return el('span', {}, percent(row.share), el('span', {class: 'track', 'aria-hidden': 'true'},
              el('span', {class: 'bar ours', style: width})));
}

function best_cell(row) {
    if (!row.best) return row.peers.length ? 'none of the same result' : '';
    return el('span', {class: ratio_class(row.over_best)}, faster_words(row.over_best),
              el('small', {}, than(row.over_best) + row.best.name));
}

function case_value(row) {
    return KINDS.indexOf(row.kind) * 10 + PASSES.indexOf(row.pass);
}

const case_columns = [
    {id: 'case', title: 'shape', value: row => case_value(row), cell: case_cell, is_case: true},
    word_column('kind', 'norm'),
    word_column('pass', 'pass', row => pass_name(row.kind, row.pass)),
    word_column('layout', 'layout', row => el('span', {class: row.layout.toLowerCase()},
                                               row.layout)),
    word_column('dtype', 'type'),
    number_column('threads', 'threads', row => row.threads, row => String(row.threads), true),
];

const figure_columns = [
    number_column('us', '\u00b5s', row => row.us, row => digits(row.us)),
    number_column('gbs', 'GB/s', row => row.gbs, row => digits(row.gbs), true),
    number_column('share', 'of the limit', row => row.share, share_cell),
    number_column('loops', 'over plain loops', row => row.over_loops,
                  row => el('span', {class: ratio_class(row.over_loops)}, digits(row.over_loops)),
                  true),
    number_column('best', 'beside the best other', row => row.over_best, best_cell),
    number_column('error', 'worst error', row => row.error, row => short_error(row.error), true),
];

function on_machine(row, machine) {
    return row_of.get(machines[machine].processor + '/' + row.name);
}

/* Side by side, a row is a case, and each machine has a time and a share. */
function pivot_columns() {
    return machines.flatMap((machine, i) => [
        number_column('us' + i, machine_name(i) + ', \u00b5s',
                      row => (on_machine(row, i) || {}).us,
                      row => digits((on_machine(row, i) || {}).us)),
        number_column('share' + i, 'of its limit', row => (on_machine(row, i) || {}).share,
                      row => share_cell(on_machine(row, i) || {}), true)]);
}

function columns() {
    if (filter.pivot) return [...case_columns, ...pivot_columns()];
    const machine = word_column('processor', 'machine', row => machine_name(row.machine));
    return machines.length > 1 && filter.processor === ''
        ? [...case_columns, machine, ...figure_columns] : [...case_columns, ...figure_columns];
}

/* Those that pass, in order; of equal ones, and of the case, the order of the files. */
function filtered_rows() {
    let some = rows.filter(passes_filter);
    if (filter.pivot) {
        const names = new Set();
        some = some.filter(row => !names.has(row.name) && names.add(row.name));
    }
    const down = filter.sort.startsWith('-') ? -1 : 1;
    const column = columns().find(c => c.id === filter.sort.replace('-', '')) || case_columns[0];
    const missing = value => value === null || value === undefined || value === '';
    return some.sort((a, b) => {
        const x = column.value(a), y = column.value(b);
        if (missing(x) || missing(y)) return missing(x) - missing(y);
        return down * (x < y ? -1 : x > y ? 1 : 0);
    });
}

/* ---- All rows: the table --------------------------------------------------------------------- */

function case_cell(row) {
    const about = [row.kind, pass_name(row.kind, row.pass), row.layout, row.dtype,
                   row.threads + 't',
                   machines.length > 1 && !filter.pivot ? machine_name(row.machine) : ''];
    const button = el('button', {type: 'button', class: 'plain', 'aria-expanded': 'false',
                                 onclick: () => toggle_details(row, button)}, row.shape);
    return [button, el('small', {}, [row.model, row.options].filter(word => word).join('; ')),
            el('small', {class: 'narrow'}, about.filter(word => word).join(' '))];
}

function row_line(row) {
    return el('tr', {class: 'row', 'data-row': row.key},
        columns().map(column => el('td', {class: [column.wide ? 'wide' : '',
            column.number ? 'number' : '', column.is_case ? 'case' : ''].join(' ').trim() || null},
            column.cell(row))));
}

function header_line() {
    return el('tr', {}, columns().map(column => {
        const mine = filter.sort.replace('-', '') === column.id;
        const down = filter.sort.startsWith('-');
        const sort = () => {
            change_filter({sort: mine && !down ? '-' + column.id : column.id});
            by_id('rows-table').querySelector('[data-sort="' + column.id + '"]').focus();
        };
        return el('th', {scope: 'col', 'aria-sort': mine ? down ? 'descending' : 'ascending' : null,
                         class: [column.wide ? 'wide' : '', column.number ? 'number' : '']
                             .join(' ').trim() || null},
            el('button', {type: 'button', 'data-sort': column.id, onclick: sort}, column.title,
               el('span', {'aria-hidden': 'true'}, mine ? down ? ' \u25be' : ' \u25b4' : '')));
    }));
}

function draw_rows() {
    const some = filtered_rows();
    const now = some.slice(0, shown);
    by_id('rows-table').querySelector('thead').replaceChildren(header_line());
    by_id('rows-table').querySelector('tbody').replaceChildren(...now.map(row_line));
    by_id('rows-count').textContent = now.length < some.length
        ? 'The first ' + now.length + ' of ' + count(some.length, 'row') + '.'
        : some.length + ' of ' + count(filter.pivot ? unique(rows.map(row => row.name)).length
                                                    : rows.length, 'row') + '.';
    by_id('more').hidden = now.length === some.length;
    by_id('more').textContent = 'Show all ' + some.length;
}

/* Changes some of the filter, its controls, the table, and the address, which can be passed on. */
function change_filter(change) {
    filter = {...filter, ...change};
    if (Object.keys(change).join() !== 'sort') shown = FIRST_ROWS;
    for (const control of by_id('filters').elements) {
        if (!control.name) continue;
        if (control.type === 'checkbox') control.checked = filter[control.name] !== '';
        else control.value = filter[control.name];
    }
    by_id('filters').elements.processor.disabled = filter.pivot !== '';
    draw_rows();
    write_address('');
}

function show_rows(change) {
    change_filter({...no_filter, ...change});
    by_id('rows').scrollIntoView();
    by_id('filters').elements.kind.focus({preventScroll: true});
}

/* ---- All rows: the figures of one ------------------------------------------------------------ */

function figures(row) {
    const lines = [{name: 'normalize.h', us: row.us, error: row.error, bar: 'ours'},
                   {name: 'the limit', us: row.limit, bar: 'limit',
                    note: 'moves the same tensors, computes nothing'},
                   {name: 'plain loops', us: row.loops, error: row.loops_error}, ...row.peers]
        .filter(line => line.us || line.note && line.name !== 'the limit');
    const longest = Math.max(...lines.map(line => line.us || 0));
    return table('Figures of ' + row.name,
        ['', 'number:\u00b5s', 'number:times ours', 'number:worst error', ''],
        lines.map(line => [
            [line.name, line.version ? ' ' + line.version : '',
             line.note ? el('small', {}, line.note) : ''],
            line.us ? digits(line.us) : 'not timed', line.us ? digits(line.us / row.us) : '',
            short_error(line.error),
            el('span', {class: 'bar ' + (line.bar || ''), 'aria-hidden': 'true',
                        style: 'width: ' + (100 * (line.us || 0) / longest).toFixed(1) + '%'})]));
}

function also(row) {
    const list = [];
    const other = sibling(row, {layout: row.layout === 'NCHW' ? 'NHWC' : 'NCHW'});
    if (other && row.layout !== 'rows')
        list.push(el('li', {}, 'The other layout: ', row_link(other), ', ' + digits(other.us) +
                     ' \u00b5s, ' + digits(other.us / row.us) + ' times this.'));
    machines.forEach((machine, i) => {
        const there = i !== row.machine && on_machine(row, i);
        if (there && !filter.pivot)
            list.push(el('li', {}, 'On ' + machine_name(i) + ': ' + digits(there.us) +
                         ' \u00b5s' + (there.share ? ', ' + percent(there.share) +
                                        ' of its limit' : '') + '.'));
    });
    return list.length ? el('ul', {}, list) : '';
}

function details(row) {
    const {compiler, flags, commit, date} = machines[row.machine];
    const about = [count(row.threads, 'thread'), compiler, flags, commit && 'commit ' + commit,
                   date].filter(word => word);
    const table_ = figures(row);
    for (const line of table_.querySelectorAll('tbody tr')) line.lastChild.className = 'bars';
    table_.querySelector('thead tr').lastChild.className = 'bars';
    return [el('h3', {}, machine_name(row.machine)),
            el('p', {class: 'quiet'}, row.name + ' (' + about.join(', ') + ')' +
               (row.gbs ? '; ' + digits(row.gbs) + ' GB/s' : '') +
               (row.share ? ', ' + percent(row.share) + ' of the limit' : '') + '.'),
            el('div', {class: 'scroll'}, table_), also(row)];
}

function toggle_details(row, button) {
    const line = button.closest('tr');
    const open = button.getAttribute('aria-expanded') === 'true';
    button.setAttribute('aria-expanded', open ? 'false' : 'true');
    if (open) {
        line.nextSibling.remove();
        write_address('');
        return;
    }
    const of = filter.pivot ? machines.map((m, i) => on_machine(row, i)).filter(x => x) : [row];
    const more = row.kind === 'group' && !/groups=/.test(row.options) && row.sizes[1] % 32 === 0
        ? ['groups=32'] : [];
    line.after(el('tr', {class: 'details'}, el('td', {colspan: columns().length},
        of.flatMap(details), command_line(command(row.kind, row.pass, row.shape, row.dtype,
                                                  row.threads, [row.options, ...more]
                                                      .filter(word => word))))));
    write_address(row.key);
}

/* Opens a row, wherever it is: the filter lets it alone through if it has to. */
function show_row(row) {
    const find = () => by_id('rows-table').querySelector(
        '[data-row="' + CSS.escape(row.key) + '"] button');
    if (!find() || filter.pivot)
        change_filter({...no_filter, processor: row.processor, kind: row.kind,
                       pass: row.pass, text: row.shape});
    if (!find()) {
        shown = rows.length;
        draw_rows();
    }
    const button = find();
    if (button.getAttribute('aria-expanded') !== 'true') toggle_details(row, button);
    button.scrollIntoView();
    button.focus({preventScroll: true});
}

/* ---- All rows: the address ------------------------------------------------------------------- */

/* #kind=batch&sort=-us&open=EPYC/batch/...: what is not as in no_filter, and the open row. */
function write_address(open) {
    const parts = Object.entries(filter).filter(([name, value]) => value !== no_filter[name]);
    if (open) parts.push(['open', open]);
    const hash = parts.map(([name, value]) => name + '=' + encodeURIComponent(value)).join('&');
    history.replaceState(null, '', '#' + (hash || 'rows'));
}

function read_address() {
    const address = new URLSearchParams(location.hash.slice(1));
    const change = {};
    for (const name of Object.keys(no_filter))
        if (address.has(name)) change[name] = address.get(name);
    const open = row_of.get(address.get('open'));
    if (!Object.keys(change).length && !open) return;
    show_rows(change);
    if (open) show_row(open);
}

function start_rows() {
    const form = by_id('filters');
    const control = (name, title, input, more) => form.append(el('label', more, title, ' ', input));
    for (const [part, title] of Object.entries(filter_titles)) {
        const select = el('select', {name: part});
        fill_select(select, [['', 'any'], ...filter_values(part)], '');
        control(part, title, select,
                part === 'processor' && machines.length < 2 ? {hidden: true} : {});
    }
    control('text', 'shape or model', el('input', {name: 'text', type: 'search', size: 14}));
    const sorts = [...case_columns, ...figure_columns]
        .flatMap(c => c.number ? [[c.id, c.title], ['-' + c.id, c.title + ', largest first']]
                               : [[c.id, c.title]]);
    const sort = el('select', {name: 'sort'});
    fill_select(sort, sorts, 'case');
    control('sort', 'sort by', sort, {class: 'narrow'});
    const tick = (name, title) => form.append(el('label', {class: 'tick'},
        el('input', {type: 'checkbox', name, value: '1'}), title));
    tick('lost', 'only where something else is faster');
    if (machines.length > 1) tick('pivot', 'machines side by side');
    form.append(el('button', {type: 'reset'}, 'Show all'));
    form.addEventListener('input', ({target}) => change_filter({[target.name]:
        target.type === 'checkbox' ? (target.checked ? '1' : '') : target.value}));
    form.addEventListener('reset', event => {
        event.preventDefault();
        change_filter(no_filter);
    });
    form.addEventListener('submit', event => event.preventDefault());
    by_id('more').addEventListener('click', () => {
        shown = rows.length;
        draw_rows();
    });
    draw_rows();
}

/* ---- Machines -------------------------------------------------------------------------------- */

function facts_table() {
    const facts = [['instruction sets', 'isas'], ['caches', 'caches'], ['processors', 'cores'],
                   ['compiler', 'compiler'], ['flags', 'flags'], ['commit', 'commit'],
                   ['date', 'date']];
    const body = facts.map(([title, id]) => [title, ...machines.map(m => String(m[id] || ''))]);
    body.push(['other libraries', ...machines.map(m => m.peers.map(({name, version}) =>
        (name + ' ' + version).trim()).join(', ') || 'none')]);
    body.push(['rows', ...machines.map((m, i) => String(rows.filter(row => row.machine === i)
                                                             .length))]);
    return table('The machines', ['', ...machines.map(m => m.processor)], body);
}

/* The share of the limit by kind and pass, over the rows that all machines have. */
function shares_table() {
    const everywhere = rows.filter(row => row.dtype === 'f32' && row.threads === 1 &&
        is_plain(row) && machines.every((m, i) => (on_machine(row, i) || {}).share));
    const body = [];
    for (const kind of KINDS)
        for (const pass of PASSES) {
            const some = everywhere.filter(row => row.kind === kind && row.pass === pass);
            const mean = i => geometric_mean(some.filter(row => row.machine === i)
                .map(row => row.share));
            if (some.length)
                body.push([kind + ' ' + pass_name(kind, pass),
                           ...machines.map((m, i) => percent(mean(i)))]);
        }
    return body.length ? [el('h3', {}, 'Share of the limit, one thread, float'),
        el('p', {}, 'The mean of the rows that every machine has.'),
        el('div', {class: 'scroll'}, table('Share of the limit by norm and pass',
            ['', ...machines.map((m, i) => 'number:' + machine_name(i))], body))] : [];
}

function draw_machines() {
    by_id('machines-answer').replaceChildren(el('div', {class: 'scroll'}, facts_table()),
                                             ...shares_table());
}

/* ---- Colours --------------------------------------------------------------------------------- */

/* What the visitor last chose; where nothing was, or it cannot be kept, what the system says. */
function is_dark() {
    const theme = document.documentElement.dataset.theme;
    return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function draw_theme() {
    by_id('theme').textContent = is_dark() ? 'Light colours' : 'Dark colours';
}

function start_theme() {
    try {
        const kept = localStorage.getItem('theme');
        if (kept) document.documentElement.dataset.theme = kept;
    } catch (refused) { /* no storage: the system's colours */ }
    by_id('theme').addEventListener('click', () => {
        const theme = is_dark() ? 'light' : 'dark';
        document.documentElement.dataset.theme = theme;
        draw_theme();
        try {
            localStorage.setItem('theme', theme);
        } catch (refused) { /* chosen for now alone */ }
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw_theme);
    draw_theme();
}

/* ---- Start ----------------------------------------------------------------------------------- */

start_theme();
by_id('sample').hidden = !data.sample;
for (const id of ['glance-machine', 'glance-threads', 'glance-dtype'])
    by_id(id).addEventListener('change', glance_changed);
set_glance_choices();
draw_glance();
start_shape();
start_rows();
draw_machines();
read_address();
window.addEventListener('hashchange', read_address);
