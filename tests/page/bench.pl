#!/usr/bin/perl
# bench.pl - the results page (bench/page.pl) in a headless Chromium, with the figures of
# sample.json, which are invented: does it load, filter, sort, open a row, answer for a shape and
# change its colours, without an error, a warning or a request elsewhere? TAP.
#
#   perl tests/page/bench.pl       or: make check-page; SHOTS=1 puts pictures into build/page
use strict;
use warnings;
use File::Path 'make_path';
require './tests/page/chromium.pl';

my $file = 'build/page/bench/index.html';
my ($count, $failed) = (0, 0);

sub ok($$;$) {
    my ($true, $title, $more) = @_;
    $count++;
    $failed++ if !$true;
    print $true ? 'ok' : 'not ok', " $count - $title\n";
    print map { "# $_\n" } split /\n/, $more if !$true && defined $more;
}

sub is {
    my ($have, $want, $title) = @_;
    $have //= '';
    ok($have eq $want, $title, "have: $have\nwant: $want");
}

sub slurp {
    my ($name) = @_;
    open my $in, '<:raw', $name or die "$name: $!\n";
    local $/;
    return scalar <$in>;
}

# ---- Writing it ---------------------------------------------------------------------------------

sub test_builder {
    make_path('build/page');
    my $said = `perl bench/page.pl -o $file tests/page/sample.json 2>&1`;
    ok($? == 0 && $said =~ /: 136 rows, machines: 2,/, 'the page is written', $said);
    my $page = slurp($file);
    ok(length $page < 300_000, 'it has less than 300 KB', length $page);
    ok($page !~ m{(?:src|href|url|import)\s*[=(]\s*["']?(?:https?:)?//}, 'it asks no other host');
    ok($page !~ /<b>not timed/, 'a note of the data is no markup');

    $said = `perl bench/page.pl -o /tmp/page-of-a-sample.html tests/page/sample.json 2>&1`;
    ok($? != 0 && !-e '/tmp/page-of-a-sample.html', 'a sample is not published', $said);
    $said = write_bare(9000);
    ok($? != 0 && $said =~ /bytes are more than/, 'nor is one that is too large', $said);
}

# A page of rows that have nothing but a time.
sub write_bare {
    my ($rows) = @_;
    my $row = '{"kind": "batch", "pass": "forward", "layout": "nchw", "shape": "%dx64x7x7", ' .
        '"dtype": "f32", "ours_us": %d}';
    open my $out, '>', 'build/page/bare.json' or die "bare.json: $!\n";
    print $out '{"sample": true, "machine": {"processor": "bare"}, "rows": [',
        join(',', map { sprintf $row, $_, $_ } 1 .. $rows), ']}';
    close $out;
    return `perl bench/page.pl -o build/page/bare.html build/page/bare.json 2>&1`;
}

# ---- Looking at it ------------------------------------------------------------------------------

sub text {
    my ($page, $selector) = @_;
    return page_js($page, "document.querySelector('$selector').innerText") // '';
}

# A control as the keyboard or a finger leaves it.
sub choose {
    my ($page, $selector, $value) = @_;
    page_js($page, "(control => { control.value = '$value';
        control.dispatchEvent(new Event('input', {bubbles: true}));
        control.dispatchEvent(new Event('change', {bubbles: true})); })
        (document.querySelector('$selector'))");
}

# The cells of a column, by the title of its button.
sub column {
    my ($page, $id) = @_;
    return @{page_js($page, "(() => {
        const titles = [...document.querySelectorAll('#rows-table thead button')];
        const at = titles.findIndex(title => title.dataset.sort === '$id');
        return [...document.querySelectorAll('#rows-table tr.row')]
            .map(line => line.children[at].innerText); })()")};
}

sub test_glance {
    my ($page) = @_;
    ok(text($page, '#sample') =~ /invented/, 'a sample says that it is one');
    my $answer = text($page, '#glance-words');
    my ($of, $first, $level, $slower) =
        $answer =~ /of (\d+) rows .* fastest in (\d+), .* in (\d+), and slower in (\d+)\./s;
    ok($of && $of == $first + $level + $slower, 'wins, draws and losses add up', $answer);
    my $cells = page_js($page, "document.querySelectorAll('.verdicts td').length");
    is($cells, 15, 'a verdict by norm and pass');
    # By hand, from two pairs of the sample: sqrt(3134/1805 * 0.7721/0.4978) = 1.64.
    ok(text($page, '.verdicts td') =~ /^NHWC 1\.64 times faster\s+in 2 of 2 shapes/,
       'the verdict is the mean of its shapes', text($page, '.verdicts td'));
    choose($page, '#glance-machine', 1);
    ok(text($page, '#glance-words') =~ /^On Sample B, 1 thread, float/, 'another machine');
    choose($page, '#glance-machine', 0);
    page_click($page, '.verdicts td button');
    ok((grep { $_ eq 'batch' } column($page, 'kind')) == column($page, 'kind'),
       'a verdict leads to its rows');
    page_click($page, '#filters button[type=reset]');
}

sub test_rows {
    my ($page) = @_;
    is(text($page, '#rows-count'), 'The first 40 of 136 rows.', 'not all rows at once');
    page_click($page, '#more');
    is(text($page, '#rows-count'), '136 of 136 rows.', 'then all');
    my %wanted = (processor => 'Sample B', kind => 'layer', pass => 'train', layout => 'rows',
                  dtype => 'bf16', threads => 1);
    choose($page, "#filters [name=$_]", $wanted{$_}) for sort keys %wanted;
    is(text($page, '#rows-count'), '1 of 136 rows.', 'six filters leave one row');
    is(join(' ', map { column($page, $_) } qw(kind pass layout dtype threads)),
       'layer forward rows bf16 1', 'the right one');
    page_click($page, '#filters button[type=reset]');
    choose($page, '#filters [name=options]', 'off=4');
    choose($page, '#filters [name=text]', 'resnet infer nchw');
    is(text($page, '#rows-count'), '2 of 136 rows.', 'options, and words of a name or a model');
    page_click($page, '#filters button[type=reset]');
    page_click($page, '#filters [name=lost]');
    my @faster = grep { /slower/ } map { "$_" } column($page, 'best');
    my @loops = grep { $_ && $_ > 1 } column($page, 'loops');
    ok(@faster && @faster + @loops >= column($page, 'best'), 'only where something is faster');
    page_click($page, '#filters [name=lost]');
    is(text($page, '#rows-count'), 'The first 40 of 136 rows.', 'and all again');
}

sub test_sorting {
    my ($page) = @_;
    page_click($page, '#more');
    page_click($page, '[data-sort=us]');
    my @up = column($page, 'us');
    ok("@up" eq join(' ', sort { $a <=> $b } @up) && @up == 136, 'shortest first', "@up");
    is(page_js($page, "document.querySelector('[aria-sort]').innerText.slice(0, 2)"),
       "\x{b5}s", 'and a screen reader is told');
    is(page_js($page, 'document.activeElement.dataset.sort'), 'us', 'the focus stays');
    page_key($page, 'Enter');
    my @down = column($page, 'us');
    ok("@down" eq join(' ', sort { $b <=> $a } @down), 'longest first, by keyboard', "@down");
    page_click($page, '[data-sort=share]');
    page_click($page, '[data-sort=share]');
    my @shares = map { s/%\s*//r } column($page, 'share');
    my @missing = splice @shares, -24;
    ok("@shares" eq join(' ', sort { $b <=> $a } @shares) && "@missing" =~ /^ *$/,
       'by the share of the limit, what has none last', "@shares, @missing");
    page_click($page, '#filters button[type=reset]');
}

sub test_details {
    my ($page) = @_;
    my $button = '#rows-table tr.row button';
    page_js($page, "document.querySelector('$button').focus()");
    page_key($page, 'Enter');
    my $figures = text($page, 'tr.details');
    my $squeezed = $figures =~ s/\s+/ /gr;
    my @lines = ('normalize.h 3134 1.00 0.17', 'computes nothing 1285 0.41',
                 'plain loops 3510 1.12', 'PyTorch 0.0.2 2288 0.73 4.8');
    is(join(', ', grep { index($squeezed, $_) < 0 } @lines), '',
       'a row opens to its figures, by keyboard');
    ok($figures =~ /make time CASE="batch train 32x64x56x56"/ && $figures =~ /On Sample B: /,
       'to its command and the other machine', $figures);
    is(page_js($page, "document.querySelector('$button').getAttribute('aria-expanded')"), 'true',
       'and a screen reader is told');
    page_key($page, 'Enter');
    is(page_js($page, "document.querySelectorAll('tr.details').length"), 0, 'and closes');
    choose($page, '#filters [name=text]', 'rms backward 512x4096');
    page_click($page, $button);
    $figures = text($page, 'tr.details');
    ok($figures =~ /another dx: <b>not timed<\/b>\s+not timed/, 'a peer that is not timed says why',
       $figures);
    page_click($page, '#filters button[type=reset]');

    page_click($page, '#filters [name=pivot]');
    is(text($page, '#rows-count'), 'The first 40 of 81 rows.', 'machines side by side');
    my ($a, $b) = map { (column($page, $_))[0] } qw(us0 us1);
    is("$a $b", '3134 7085', 'a time of each');
    page_click($page, $button);
    is(page_js($page, "document.querySelectorAll('tr.details h3').length"), 2, 'figures of each');
    page_click($page, '#filters button[type=reset]');
}

sub test_shape {
    my ($page) = @_;
    my $enter = sub {
        my ($shape) = @_;
        page_js($page, "by_id('my-shape').focus(); by_id('my-shape').select()");
        page_type($page, $shape);
        page_key($page, 'Enter');
        return text($page, '#my-words') . "\n" . text($page, '#my-answer');
    };
    my $answer = $enter->('8 x 96 x 28 x 28');
    ok($answer =~ /NCHW about \d.*NHWC about \d.*likely.*An estimate from the GB\/s/s,
       'a shape has an estimate that is said to be one', $answer);
    ok($answer =~ /make time CASE="batch train 8x96x28x28"/, 'and its command', $answer);
    # 4 values of 2 tensors at the nearest row's GB/s, which is the only one near: 16.4 and 28.5.
    ok($answer =~ /NCHW about 294 .*NHWC about 169 /, 'the time at the GB/s of the nearest row',
       $answer);
    $answer = $enter->('32x64x56x56');
    ok($answer =~ /^NCHW 3134 .s, measured, NHWC 1805 .s, measured: NHWC, 1\.74 times faster\./,
       'one that was measured has its time', $answer);
    choose($page, '#my-kind', 'group');
    $answer = $enter->('2x96x8x8');
    ok($answer =~ /CASE="group forward 2x96x8x8 groups=32"/, 'groups are named', $answer);
    $enter->('2x80x8x8');
    is(text($page, '#my-fault'), '32 groups do not divide 80 channels.', 'if they divide channels');
    choose($page, '#my-kind', 'layer');
    is(page_js($page, "by_id('my-pass').options.length"), 2, 'layer norm does not infer');
    choose($page, '#my-pass', 'backward');
    ok($enter->('4096x768') =~ /^1721 .s, measured\./, 'a matrix has one layout');
    $enter->('8x96x28');
    ok(text($page, '#my-fault') =~ /^8x96x28: a shape has four sizes/, 'what is no shape says so');
    is(text($page, '#my-words') . text($page, '#my-answer'), '', 'and has no answer');
    $enter->('8x96');
    is(page_js($page, "by_id('my-fault').hidden"), 1, 'until it is mended');
}

sub test_colours {
    my ($page) = @_;
    my $paper = 'getComputedStyle(document.body).backgroundColor';
    page_prefers($page, 'light');
    is(page_js($page, $paper), 'rgb(255, 255, 255)', 'light as the system is');
    page_prefers($page, 'dark');
    is(page_js($page, $paper), 'rgb(20, 23, 26)', 'dark as the system is');
    page_click($page, '#theme');
    is(page_js($page, $paper), 'rgb(255, 255, 255)', 'light by the switch');
    page_click($page, '#theme');
    is(page_js($page, $paper), 'rgb(20, 23, 26)', 'and dark again');
    page_js($page, 'localStorage.clear(); delete document.documentElement.dataset.theme');
}

# Each colour of text on what is below it: WCAG asks for a contrast of 4.5.
sub test_contrast {
    my ($page, $scheme) = @_;
    page_prefers($page, $scheme);
    my $poor = page_js($page, q{(() => {
        const channel = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        const light = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
        const colour = text => text.match(/[\d.]+/g).map(Number);
        const luminance = text => light(colour(text).slice(0, 3).map(c => channel(c / 255)));
        const below = at => { for (;;) {
            const colours = colour(getComputedStyle(at).backgroundColor);
            if (colours.length < 4 || colours[3] > 0) return getComputedStyle(at).backgroundColor;
            at = at.parentElement;
        } };
        const poor = new Set();
        for (const at of document.querySelectorAll('body *')) {
            if (!at.innerText || at.children.length || !at.offsetWidth) continue;
            const a = luminance(getComputedStyle(at).color), b = luminance(below(at));
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) poor.add(at.tagName + '.' + at.className + ' ' +
                                         contrast.toFixed(2));
        }
        return [...poor].join('\n');
    })()});
    is($poor, '', "text can be read, $scheme");
}

# Whatever takes the focus has a name; of two tables no two are called the same.
sub test_names {
    my ($page) = @_;
    my $nameless = page_js($page, q{[...document.querySelectorAll('button, select, input, a')]
        .filter(at => !(at.innerText.trim() || at.getAttribute('aria-label') ||
                        at.labels && at.labels.length)).map(at => at.outerHTML).join('\n')});
    is($nameless, '', 'every control has a name');
    my $tables = page_js($page, q{[...document.querySelectorAll('table')]
        .filter(at => !at.caption || !at.tHead.querySelector('th[scope=col]')).length});
    is($tables, 0, 'every table has a caption and heads of columns');
    page_js($page, 'document.activeElement.blur(); scrollTo(0, 0); 1');
    page_load($page, $file);
    page_key($page, 'Tab');
    is(page_js($page, 'document.activeElement.className'), 'skip', 'the first key: to the rows');
}

sub test_address {
    my ($page) = @_;
    page_js($page, "location.hash = '#kind=rms&layout=rows&open=Sample%20A%2Frms%2F" .
        "backward%2Frows%2F512x4096%2Ff32%2F1t'; 1");
    page_wait($page, "document.querySelector('tr.details')");
    is(text($page, '#rows-count'), '6 of 136 rows.', 'an address has a filter');
    ok(text($page, 'tr.details') =~ m{rms/backward/rows/512x4096/f32/1t}, 'and an open row');
    my $now = page_js($page, 'location.hash');
    ok($now =~ /^#kind=rms&layout=rows&open=Sample%20A%2Frms/, 'which are kept in it', $now);
    page_click($page, '#filters button[type=reset]');
}

sub test_phone {
    my ($page) = @_;
    page_size($page, 360, 740);
    page_js($page, 'show_row(rows[0]); 1');
    my $wide = page_js($page, '[document.documentElement, by_id("rows-table").parentElement]
        .map(at => at.scrollWidth - at.clientWidth).join(" ")');
    is($wide, '0 0', 'a phone of 360 pixels shows page and rows without moving sideways');
    choose($page, '#filters [name=sort]', '-us');
    is((column($page, 'us'))[0], '12760', 'and sorts');
    page_click($page, '#filters button[type=reset]');
    page_size($page, 1280, 800);
}

# What was not measured leaves gaps, and no NaN.
sub test_bare {
    my ($page) = @_;
    my $said = write_bare(3);
    page_load($page, 'build/page/bare.html');
    page_click($page, '#rows-table tr.row button');
    my $text = text($page, 'body');
    ok($text =~ /batch train 1x64x7x7/ && $text !~ /NaN|undefined|null|Infinity/,
       'rows that have nothing but a time', $text);
    page_load($page, $file);
}

sub take_shots {
    my ($page) = @_;
    for my $scheme (qw(light dark)) {
        page_prefers($page, $scheme);
        for my $width (390, 1280) {
            page_size($page, $width, 844);
            page_js($page, 'show_row(rows[0]); scrollTo(0, 0); 1');
            page_shot($page, "build/page/$scheme-$width.png", 1);
        }
    }
}

test_builder();
my $page = page_open($file);
test_glance($page);
test_rows($page);
test_sorting($page);
test_details($page);
test_shape($page);
test_colours($page);
page_js($page, 'show_row(rows[0]); 1');
test_contrast($page, $_) for qw(light dark);
test_names($page);
test_address($page);
test_phone($page);
test_bare($page);
take_shots($page) if $ENV{SHOTS};
is(join("\n", page_faults($page)), '', 'no error, no warning, no request elsewhere');
page_close($page);
print "1..$count\n";
exit($failed ? 1 : 0);
