/* draw.js - pictures that the page draws, and their histograms. Points have u from 0 to 1 to the
 * right and v to the bottom; a colour is 0xrrggbb. examples/03_style.c draws the first two in C.
 */
'use strict';

const PICTURE = {width: 240, height: 160};

function paint_over(rgb, colour, amount) {
    const part = Math.max(0, Math.min(1, amount));
    for (let j = 0; j < 3; ++j) rgb[j] += part * ((colour >> (16 - 8 * j) & 255) - rgb[j]);
}

/* Hills behind hills in the morning, with firs on the last one. */
function draw_hills(u, v, rgb) {
    const colour = [0xa9cbdc, 0x7fb0c6, 0x55909f, 0x2f6b6e, 0x123c44];
    const sun = Math.hypot(1.5 * (u - 0.7), v - 0.25);
    paint_over(rgb, 0x4f8fd0, 1);
    paint_over(rgb, 0xe4f2ee, Math.floor(24 * v) / 12);
    paint_over(rgb, 0xf6fbf0,
               sun < 0.085 ? 1 : Math.floor(8 * Math.exp(-9 * (sun - 0.085))) / 16);
    for (let i = 0; i < 5; ++i) {
        let top = 0.4 + 0.1 * i + (0.09 - 0.012 * i) * Math.sin((3.1 + i) * u + 2.4 * i * i + 0.5) +
                  0.02 * Math.sin(11 * u + 5 * i) + 0.006 * Math.sin(37 * u + i);
        const high = 0.06 + 0.05 * Math.sin(9 * Math.floor(26 * u));
        const aside = Math.abs(26 * u % 1 - 0.5), level = 3 * (v - top + high) / high;
        if (i === 4 && level > 0 && aside < 0.16 * level - 0.1 * Math.min(Math.floor(level), 2))
            top = v;
        if (v < top) continue;
        paint_over(rgb, colour[i], 1);
        paint_over(rgb, 0xdcebf0, Math.floor(24 * (v - top)) * (4 - i) / 60);
    }
}

/* The sun sets over the sea, in broad strokes. */
function draw_sunset(u, v, rgb) {
    const stroke = [0xfff2b0, 0xffd56b, 0xffad42, 0xf97f33, 0xd9533a, 0xa53449, 0x6b2450];
    const x = 1.5 * (u - 0.42), y = v - 0.56, far = Math.hypot(x, y), angle = Math.atan2(y, x);
    const curl = 0.45 * Math.sin(7 * angle + 14 * far) + 0.25 * Math.sin(17 * angle - 23 * far);
    const ring = 9 * far - 0.2 + curl * Math.min(1, 5 * far), deep = (v - 0.62) / 0.38;
    paint_over(rgb, stroke[Math.max(0, Math.min(6, Math.floor(ring)))], 1);
    if (deep <= 0) return;
    const wave = Math.sin(60 * Math.sqrt(deep + 0.02) + 3 * Math.sin(9 * u + 20 * v));
    paint_over(rgb, 0x8c2f4c, 1);
    paint_over(rgb, 0x2c1438, deep);
    paint_over(rgb, 0xc9503f, wave > 0.55 ? 0.7 - 0.5 * deep : 0);
    if (wave > -0.2 && Math.abs(x) < 0.06 + 0.14 * deep + 0.04 * wave)
        paint_over(rgb, 0xffcf70, 0.9);
}

/* Balloons over snow, at noon. */
function draw_balloons(u, v, rgb) {
    const balloons = [[0.28, 0.33, 0.2, 0xe4572e, 0xffd166], [0.66, 0.24, 0.13, 0x2e86ab, 0xf6f5ae],
                      [0.84, 0.5, 0.09, 0x8f2d56, 0xffffff], [0.5, 0.56, 0.06, 0x218380, 0xfbb13c]];
    const snow = 0.8 + 0.05 * Math.sin(5 * u + 1) + 0.02 * Math.sin(13 * u);
    paint_over(rgb, 0x8ecdf2, 1);
    paint_over(rgb, 0xf4fbff, v * 1.1);
    if (v > snow) paint_over(rgb, 0xffffff, 1);
    if (v > snow + 0.05) paint_over(rgb, 0xdfeaf5, 0.9 * (v - snow));
    for (const [cx, cy, radius, one, other] of balloons) {
        const x = 1.5 * (u - cx), y = v - cy, far = Math.hypot(x, y);
        const wide = Math.sqrt(Math.max(0, radius * radius - y * y));
        const low = y > 0.5 * radius && Math.abs(x) < radius * (1.36 - y / radius);
        if (far < radius || (low && y < 1.15 * radius && Math.abs(x) < radius)) {
            const gore = Math.floor(3 * x / (wide || radius) + 30);
            paint_over(rgb, gore % 2 ? one : other, 1);
            paint_over(rgb, 0x20304a, Math.max(0, 0.45 * x / radius + 0.1));
        } else if (Math.abs(x) < 0.16 * radius && y > 1.3 * radius && y < 1.55 * radius) {
            paint_over(rgb, 0x6b4423, 1);
        }
    }
}

/* Red, green, blue, red, ... from 0 to 255; every pixel is the mean of 3 x 3 points. */
function draw_picture(at) {
    const {width, height} = PICTURE, fine = 3, made = new Float32Array(3 * width * height);
    for (let p = 0; p < width * height; ++p) {
        for (let q = 0; q < fine * fine; ++q) {
            const x = p % width + (q % fine + 0.5) / fine, rgb = [0, 0, 0];
            const y = Math.floor(p / width) + (Math.floor(q / fine) + 0.5) / fine;
            at(x / width, y / height, rgb);
            for (let j = 0; j < 3; ++j) made[3 * p + j] += rgb[j] / (fine * fine);
        }
    }
    return made;
}

/* A file's picture, its middle cut to the same size. */
async function read_picture(file) {
    const {width, height} = PICTURE, bitmap = await createImageBitmap(file);
    const scale = Math.max(width / bitmap.width, height / bitmap.height);
    const canvas = element('canvas', {width, height});
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, width, height);
    pen.drawImage(bitmap, (width - scale * bitmap.width) / 2,
                  (height - scale * bitmap.height) / 2, scale * bitmap.width,
                  scale * bitmap.height);
    const made = new Float32Array(3 * width * height);
    const pixels = pen.getImageData(0, 0, width, height).data;
    for (let i = 0; i < made.length; ++i) made[i] = pixels[4 * Math.floor(i / 3) + i % 3];
    return made;
}

function show_picture(canvas, values) {
    const {width, height} = PICTURE, image = new ImageData(width, height);
    for (let p = 0; p < width * height; ++p) {
        for (let j = 0; j < 3; ++j) image.data[4 * p + j] = values[3 * p + j];
        image.data[4 * p + 3] = 255;
    }
    canvas.getContext('2d').putImageData(image, 0, 0);
}

/* How many pixels have each value, a curve for each colour. */
function show_histogram(canvas, values) {
    const pen = canvas.getContext('2d'), bins = 64, {width, height} = canvas;
    pen.clearRect(0, 0, width, height);
    for (let j = 0; j < 3; ++j) {
        const count = new Float64Array(bins);
        for (let i = j; i < values.length; i += 3)
            ++count[Math.max(0, Math.min(bins - 1, Math.floor(values[i] * bins / 256)))];
        const most = values.length / 3 / 10; /* a tenth of all fills the height */
        pen.fillStyle = ['rgba(225, 60, 50, .55)', 'rgba(40, 160, 70, .55)',
                         'rgba(50, 100, 225, .55)'][j];
        for (let b = 0; b < bins; ++b) {
            const high = Math.min(height, count[b] / most * height);
            pen.fillRect(b * width / bins, height - high, width / bins - 0.5, high);
        }
    }
}
