/* picture.js - the second view: norms of pictures in a batch of three, and instance norm as style.
 *
 * A picture is a sample of three channels in NHWC: red, green, blue, pixel by pixel.
 */
'use strict';

views.picture = function () {
    const pixels = PICTURE.width * PICTURE.height, volume = 3 * pixels;
    const drawn = [['Hills', draw_picture(draw_hills)], ['Sunset', draw_picture(draw_sunset)],
                   ['Balloons', draw_picture(draw_balloons)]];
    let kind = BATCH, mode = 'norm', main = 0;

    /* A picture with a histogram and a line below it. */
    function frame(parent, title) {
        const made = {
            picture: element('canvas', {width: PICTURE.width, height: PICTURE.height, role: 'img'}),
            histogram: element('canvas', {width: PICTURE.width, height: 44, role: 'img',
                                          className: 'histogram'}),
            words: element('span', {}),
        };
        made.histogram.setAttribute('aria-label', 'Histogram of ' + title);
        parent.append(element('figure', {}, element('figcaption', {}, title), made.picture,
                              made.histogram, made.words));
        made.show = values => {
            const [mean, deviation] = statistics(values);
            show_picture(made.picture, values);
            show_histogram(made.histogram, values);
            made.words.textContent = `mean ${mean.toFixed(0)}, deviation ${deviation.toFixed(0)}`;
            made.picture.setAttribute('aria-label', title + ': ' + made.words.textContent);
        };
        return made;
    }

    /* Of all values at once. */
    function statistics(values) {
        let sum = 0, squares = 0;
        for (const v of values) sum += v, squares += v * v;
        const mean = sum / values.length;
        return [mean, Math.sqrt(Math.max(0, squares / values.length - mean * mean))];
    }

    /* ---- Norms ----------------------------------------------------------------------------- */

    const place = $('picture-frames');
    const names = ['Your picture', 'A dark one', 'A bright one'];
    const before = names.map(name => frame(place, name + ', in'));
    const after = names.map(name => frame(place, name + ', out'));

    const adjusted = (values, contrast, light) =>
        values.map(v => (v - 128) * contrast + 128 + light);

    /* The batch: the picture, and two that make company. */
    function batch(contrast, light, mates) {
        const x = new Float32Array(3 * volume);
        x.set(adjusted(drawn[main][1], contrast, light), 0);
        x.set(adjusted(drawn[1][1], 0.7, -60 + mates), volume);
        x.set(adjusted(drawn[2][1], 0.7, 40 + mates), 2 * volume);
        return x;
    }

    /* To see y: 0 is the grey in the middle, a deviation of 1 is 52 levels. */
    function normed(x, of) {
        const d = {n: 3, c: 3, s: pixels, kind: of, layout: NHWC, eps: 1e-5};
        return norm(x, d).y.map(v => 128 + 52 * v);
    }

    function show_norm() {
        const contrast = +$('picture-contrast').value, light = +$('picture-light').value;
        const mates = +$('picture-mates').value, x = batch(contrast, light, mates);
        const out = normed(x, kind);
        for (let i = 0; i < 3; ++i) {
            before[i].show(x.subarray(i * volume, (i + 1) * volume));
            after[i].show(out.subarray(i * volume, (i + 1) * volume));
        }
        $('picture-say').textContent = [what[kind],
            contrast === 1 && light === 0 ? '' : told('Your contrast and brightness',
                difference(out, normed(batch(1, 0, mates), kind))),
            mates === 0 ? '' : told('The light of the other two',
                difference(out, normed(batch(contrast, light, 0), kind)))].join(' ');
        show_notices();
    }

    /* How far the first picture of a batch is from that of another, in levels, as one sees it. */
    function difference(one, other) {
        const seen = v => Math.max(0, Math.min(255, v));
        let sum = 0;
        for (let i = 0; i < volume; ++i) sum += Math.abs(seen(one[i]) - seen(other[i]));
        return sum / volume;
    }

    const level_text = levels => levels === 0 ? '0' : levels < 0.05 ? 'less than 0.1' :
        levels.toFixed(1);
    const told = (name, levels) =>
        levels === 0 ? `${name} did not change one bit of your picture's output.` :
            `${name} moved your picture's output by ${level_text(levels)} of 255 levels.`;

    /* For each norm what it notices, of the picture that is chosen. */
    let noticed = null, noticed_of = -1;
    function show_notices() {
        if (noticed_of !== main)
            noticed = kinds.map(([of]) => {
                const before = normed(batch(1, 0, 0), of);
                return [batch(0.5, 0, 0), batch(1, 60, 0), batch(1, 0, 60)].map(
                    x => level_text(difference(normed(x, of), before)));
            });
        noticed_of = main;
        const head = ['', 'half the contrast', 'brighter by 60', 'others brighter'];
        $('picture-notices').replaceChildren(
            element('caption', {}, 'How far your output moves, in levels of 255'),
            element('thead', {}, element('tr', {}, ...head.map(
                text => element(text ? 'th' : 'td', {scope: text ? 'col' : ''}, text)))),
            element('tbody', {}, ...kinds.map(([of, name]) => element('tr',
                {className: of === kind ? 'now' : ''}, element('th', {scope: 'row'}, name),
                ...noticed[of].map(text => element('td', {}, text.replace('less than', '<')))))));
    }

    const what = {
        [BATCH]: 'Batch norm: one mean for each colour of all three pictures. A dark one stays ' +
            'dark beside the others.',
        [LAYER]: 'Layer norm: a mean for each pixel, over its three colours. Light is gone, and ' +
            'so is grey: what is left is hue.',
        [INSTANCE]: 'Instance norm: a mean for each colour of each picture. Contrast, brightness ' +
            'and a cast of colour are gone.',
        [GROUP]: 'Group norm, here of one group: a mean for each picture. Contrast and ' +
            'brightness are gone, colours stay.',
        [RMS]: 'RMS norm: each pixel is divided by its size, and no mean is taken off. Only hue ' +
            'is left.',
    };

    /* ---- Style ----------------------------------------------------------------------------- */

    const gallery = $('picture-style-frames');
    const content = frame(gallery, 'Your picture'), style = frame(gallery, 'The style');
    const result = frame(gallery, 'Your picture in its colours');

    /* Mean and deviation of each colour. */
    function colours(x) {
        const k = lib.best;
        return with_memory(k, take => {
            const at = take(x.byteLength), pairs = take(8 * 6);
            f32(k, at, volume).set(x);
            k.c.play_desc(BATCH, NHWC, 1, 3, pixels, 1, 0, 0);
            must(k, k.c.play_moments(at, pairs));
            const got = f64(k, pairs, 6);
            return {mean: [got[0], got[2], got[4]],
                    deviation: [got[1], got[3], got[5]].map(Math.sqrt)};
        });
    }

    /* Adaptive instance norm: gamma and beta are the other picture's deviation and mean. */
    function show_style() {
        const part = +$('picture-amount').value / 100, x = drawn[main][1];
        const other = drawn[+$('picture-style-of').value][1];
        const from = colours(x), to = colours(other);
        const mix = (a, b) => a.map((v, j) => v + part * (b[j] - v));
        const affine = {gamma: mix(from.deviation, to.deviation), beta: mix(from.mean, to.mean)};
        const y = norm(x, {n: 1, c: 3, s: pixels, kind: INSTANCE, layout: NHWC}, affine).y;
        content.show(x);
        style.show(other);
        result.show(y);
        $('picture-say').textContent = 'Instance norm with the style\'s deviation as gamma and ' +
            'its mean as beta (AdaIN): the mean of red, green, blue was ' + levels(from.mean) +
            ', is ' + levels(colours(y).mean) + ', and that of the style ' + levels(to.mean) + '.';
    }
    const levels = three => three.map(v => v.toFixed(0)).join(', ');

    /* ---- What one does --------------------------------------------------------------------- */

    const show = soon(() => mode === 'norm' ? show_norm() : show_style());

    function list_pictures(id, chosen) {
        $(id).replaceChildren(...drawn.map(([name], i) => element('option', {value: i}, name)));
        $(id).value = chosen;
    }

    function choose_mode(to) {
        mode = to;
        const norm_only = ['picture-norm', 'picture-frames', 'picture-notices'];
        for (const id of norm_only) $(id).hidden = mode !== 'norm';
        for (const id of ['picture-style', 'picture-style-frames']) $(id).hidden = mode === 'norm';
        show();
    }

    async function own_picture() {
        const file = $('picture-file').files[0];
        if (!file) return;
        try {
            drawn[3] = ['Yours', await read_picture(file)];
        } catch {
            $('picture-say').textContent = 'This file is no picture that the browser can read.';
            return;
        }
        main = 3;
        list_pictures('picture-style-of', +$('picture-style-of').value);
        list_pictures('picture-which', main);
        show();
    }

    list_pictures('picture-which', main);
    list_pictures('picture-style-of', 1);
    choices('picture-mode', 'See', [['norm', 'A norm'], ['style', 'Style']], mode, choose_mode);
    choices('picture-kind', 'Norm', kinds, kind, to => { kind = to; show(); });
    slider('picture-contrast', v => v.toFixed(2), show);
    slider('picture-light', v => (v > 0 ? '+' : '') + v, show);
    slider('picture-mates', v => (v > 0 ? '+' : '') + v, show);
    slider('picture-amount', v => v + '%', show);
    $('picture-which').addEventListener('change', () => {
        main = +$('picture-which').value;
        show();
    });
    $('picture-style-of').addEventListener('change', show);
    $('picture-file').addEventListener('change', own_picture);
    show();
};
