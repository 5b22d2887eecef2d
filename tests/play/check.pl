#!/usr/bin/perl
# check.pl - walks the five views of docs/play/ in headless Chromium, as TAP.
#
# What is walked is a copy in build/play/page with the library of this tree (make check-play has
# built it); of the page as committed the bits are computed, and whether it is of this tree. Moves
# every slider, takes a picture of its own, and fails on an error in the console, a wrong hash or a
# request elsewhere. Pictures of each view are in build/play: desk and phone, light and dark.
use strict;
use warnings;
use Cwd 'abs_path';
use File::Basename 'dirname';
use File::Copy 'copy';

chdir dirname(abs_path($0)) . '/../..' or die;
require './tests/page/chromium.pl';

$| = 1;
my ($count, $failed) = (0, 0);
my $page;

sub check {
    my ($good, $text, $told) = @_;
    $count++;
    $failed++ if !$good;
    print $good ? 'ok' : 'not ok', " $count - $text\n";
    print "#   $_\n" for $good || !defined $told ? () : split /\n/, $told;
    return $good;
}

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

# ---- Hands --------------------------------------------------------------------------------------

sub js { return page_js($page, $_[0]) }
sub text { return js("document.getElementById('$_[0]').textContent") }

# A control gets a value, as if moved; then the page has painted.
sub set {
    my ($id, $value) = @_;
    js("{const e = document.getElementById('$id'); e.value = '$value';
        for (const what of ['input', 'change']) e.dispatchEvent(new Event(what));}");
    painted();
}

sub painted { js('new Promise(done => requestAnimationFrame(() => setTimeout(done)))') }

sub choose {
    my ($name, $value) = @_;
    js("document.querySelector('[name=$name][value=\"$value\"]').click()");
    painted();
}

sub view {
    my ($name) = @_;
    page_click($page, "#tab-$name");
    page_wait($page, "!document.getElementById('view-$name').hidden");
    painted();
}

# Left end, right end, middle.
sub ends {
    my ($id) = @_;
    my $range = js("(e => ({low: +e.min, high: +e.max}))(document.getElementById('$id'))");
    return @$range{qw(low high)}, ($range->{low} + $range->{high}) / 2;
}

# ---- As committed -------------------------------------------------------------------------------

my $golden = () = slurp('tests/golden.txt') =~ /^\w/mg;
my $all = "same bits: $golden of $golden";

sub committed {
    my $built = slurp('docs/play/normalize.wasm.js');
    my ($code) = $built =~ /^code: '(\w+)'/m;
    chomp(my $now = `perl docs/play/pack.pl --code`);
    check(($code // '') eq $now, 'docs/play/normalize.wasm.js is of this tree',
          'make play builds it anew');
    my ($held) = $built =~ /^golden: `\n(.*?)`/ms;
    check(($held // '') eq slurp('tests/golden.txt'), 'its hashes are those of tests/golden.txt');
    my $bytes = 0;
    $bytes += -s for grep { /\.(?:html|css|js)$/ } glob 'docs/play/*';
    check($bytes < 500_000, "the page has $bytes bytes, less than 500000");
    $page = page_open('docs/play/index.html');
    page_wait($page, "document.getElementById('bits').classList.length > 1");
    check(text('bits') eq $all, "as committed: $all", text('bits'));
    check(!page_faults($page), 'as committed: nothing in the console, no request',
          join "\n", page_faults($page));
    page_close($page);
}

# The page with the library of now.
sub fresh {
    mkdir 'build/play/page';
    unlink glob 'build/play/page/*';
    copy($_, 'build/play/page/') or die "$_: $!\n" for glob 'docs/play/*';
    copy('build/play/normalize.wasm.js', 'build/play/page/') or die "build/play: $!\n";
}

# ---- The views ----------------------------------------------------------------------------------

my @kind = qw(batch layer instance group RMS);

sub averages {
    my @shared = (32, 4, 16, 32, 4);
    view('averages');
    for my $kind (0 .. 4) {
        choose('cells-kind', $kind);
        my $lit = js("document.querySelectorAll('#cells-x .same').length");
        my $was = js("+document.getElementById('cells-value').value");
        set('cells-value', $was > 0 ? $was - 0.625 : $was + 0.625);
        my ($moved) = text('cells-say') =~ /(\d+) of 128 outputs moved/;
        check($lit == $shared[$kind] && ($moved // '') eq $lit,
              "averages: $kind[$kind]: $lit cells light up, and as many outputs move",
              text('cells-say'));
    }
    choose('cells-kind', 2);
    set('cells-step', 5);
    my $strip = js("['nchw', 'nhwc'].flatMap(l => ['now', 'done'].map(c =>
        document.querySelectorAll('#cells-' + l + ' .' + c).length)).join()");
    check($strip eq '4,16,4,16', 'averages: step 5 has 4 cells behind 16', $strip);
    page_click($page, '#cells-walk');
    page_wait($page, "+document.getElementById('cells-step').value > 6");
    page_click($page, '#cells-walk');
    check(js("document.getElementById('cells-walk').ariaPressed") eq 'false',
          'averages: the walk goes on, and stops');
    js("document.querySelector('#cells-x .at').focus()");
    page_key($page, $_) for qw(ArrowRight ArrowDown +);
    check(text('cells-say') =~ /^Sample 0, channel 1, position 10.*16 of 128/,
          'averages: arrows and plus', text('cells-say'));
    for my $kind (0 .. 4) {
        choose('cells-kind', $kind);
        choose('cells-show', 'dx');
        my $others = 128 - $shared[$kind];
        check(text('cells-say') =~ /adds (-?[\d.]+) to its y.*of the other $others exactly 0\.$/ &&
              $1 != 0, "averages: $kind[$kind]: the gradient", text('cells-say'));
        choose('cells-show', 'y');
    }
    set('cells-value', $_) for ends('cells-value');
    page_click($page, '#cells-again');
}

sub picture {
    view('picture');
    my $out = "document.querySelectorAll('#picture-frames canvas')[6].toDataURL().length";
    for my $kind (0 .. 4) {
        choose('picture-kind', $kind);
        set('picture-contrast', 0.5);
        my $contrast = text('picture-say');
        set('picture-contrast', 1);
        set('picture-mates', 60);
        my $mates = text('picture-say');
        set('picture-mates', 0);
        my $moved = qr/moved your picture's output by/;
        my $notices = $kind == 0 || $kind == 4 ? qr/$moved \d/ :
            qr/$moved less than 0\.1|did not change one bit/;
        check($contrast =~ /contrast and brightness (?:$notices)/ && js($out) > 5000,
              "picture: $kind[$kind] and contrast", $contrast);
        my $cares = $kind == 0 ? qr/moved/ : qr/did not change one bit/;
        check($mates =~ /light of the other two $cares/, "picture: $kind[$kind] and the others",
              $mates);
    }
    for my $id (qw(picture-contrast picture-light picture-mates)) { set($id, $_) for ends($id) }
    my $root = page_command($page, 'DOM.getDocument')->{root}{nodeId};
    my $input = page_command($page, 'DOM.querySelector', nodeId => $root,
                             selector => '#picture-file')->{nodeId};
    page_command($page, 'DOM.setFileInputFiles', nodeId => $input,
                 files => [abs_path('docs/style.png')]);
    page_wait($page, "document.getElementById('picture-which').value === '3'");
    painted();
    check(js($out) > 5000, 'picture: one of your own');
    choose('picture-mode', 'style');
    set('picture-amount', 50);
    my ($half) = text('picture-say') =~ /, is ([\d, ]+), and/;
    set('picture-amount', 100);
    my ($is, $style) = text('picture-say') =~ /, is ([\d, ]+), and that of the style ([\d, ]+)\./;
    check(defined $half && $half ne $is && $is eq $style, 'picture: the colours of another one',
          text('picture-say'));
    choose('picture-mode', 'norm');
    set('picture-which', 0);
}

# The worst errors of the table: of the formula, two passes, Welford, ours.
sub errors { return @{js("[...document.querySelectorAll('#numbers-row tr.way td:first-of-type')]
    .map(cell => cell.textContent)")} }

sub numbers {
    view('numbers');
    my %bad = ('Mean a million' => [0, 1], 'All equal' => [0, 1], '3e38' => [0, 1, 2],
               '1e-42' => [0, 1, 2], Outlier => [], Plain => []);
    for my $name (sort keys %bad) {
        js("[...document.querySelectorAll('#numbers-presets button')]
            .find(b => b.textContent === '$name').click()");
        painted();
        my @errors = errors();
        my @wrong = grep { $errors[$_] !~ /^[\d.e]+$/ || $errors[$_] > 838860 } 0 .. 2;
        my $told = "worst errors @errors";
        check("@wrong" eq "@{$bad{$name}}" && $errors[3] <= 10.5, "numbers: $name: $told", $told);
    }
    my $worst = 0;
    js("document.querySelector('#numbers-presets button').click()");
    for my $id (qw(numbers-mean numbers-spread numbers-outlier numbers-size)) {
        for my $value (ends($id)) {
            set($id, $value);
            my $ours = (errors())[3];
            $worst = $ours if !($ours =~ /^[\d.e]+$/ && $ours <= $worst);
        }
        set($id, 0);
    }
    set('numbers-eps', '0');
    check($worst <= 10.5, "numbers: every slider moved; ours is off by $worst units at most");
    set('numbers-eps', '1e-5');
    check(js("document.querySelectorAll('#numbers-chart polyline').length") == 4,
          'numbers: a chart of four lines');
    js("document.querySelectorAll('#numbers-presets button')[1].click()");
}

sub timed {
    page_click($page, '#layouts-run');
    page_wait($page, "!document.getElementById('layouts-run').disabled");
    return text('layouts-say');
}

sub layouts {
    js('layouts_enough = 2');
    view('layouts');
    page_wait($page, "!document.getElementById('layouts-run').disabled");
    check(text('layouts-say') =~ /same bits/, 'layouts: a layer is timed at once',
          text('layouts-say'));
    my %own = (n => 2, c => 24, s => 77, groups => 6);
    set("layouts-$_", $own{$_}) for keys %own;
    for my $case (map({ ([$_, 0], [$_, 2]) } 0 .. 4), [0, 1]) {
        set('layouts-kind', $case->[0]);
        set('layouts-pass', $case->[1]);
        my $told = timed();
        my ($off) = $told =~ /differs by up to ([\d.e+-]+)\. Both layouts gave the same bits/;
        my $bars = js("document.querySelectorAll('#layouts-bars .bar').length");
        check(defined $off && $off < 1e-5 && $bars == 6, "layouts: $kind[$case->[0]] " .
              (qw(forward inference backward))[$case->[1]] . ': equal hashes', $told);
    }
    set('layouts-kind', 3);
    set('layouts-groups', 7);
    check(timed() =~ /7 groups do not divide 24/, 'layouts: what cannot be is said',
          text('layouts-say'));
    set('layouts-shape', 1);
    timed();
}

sub same_bits {
    view('same-bits');
    my $compute = sub {
        page_click($page, $_[0]);
        page_wait($page, "/^same/.test(document.getElementById('bits').textContent)");
        return text('bits');
    };
    my $broken = $compute->('#bits-break');
    check($broken =~ /^same bits: ${\ ($golden - 1)} of $golden; another hash: batch/,
          'same bits: one bit turned is found', $broken);
    page_wait($page, "/One bit/.test(document.getElementById('bits-machine').textContent)");
    check($compute->('#bits-again') eq $all, "same bits: with SIMD128 and without: $all",
          text('bits'));
    check(text('bits-machine') =~ /Chrom.*processor.*with SIMD128/,
          'same bits: browser and processor', text('bits-machine'));
    check(js("document.querySelectorAll('#bits-table td.bad').length") == 0 &&
          js("document.querySelectorAll('#bits-table tbody tr').length") == 4,
          'same bits: two modules, two layouts');
}

# ---- What holds everywhere ----------------------------------------------------------------------

sub reach {
    view('averages');
    js("document.getElementById('tab-averages').focus()");
    page_key($page, 'ArrowRight');
    page_wait($page, "!document.getElementById('view-picture').hidden");
    check(js('document.activeElement.id') eq 'tab-picture', 'tabs: by arrow keys');
    my $nameless = js("[...document.querySelectorAll('button, input, select, [role]')]
        .filter(e => e.role !== 'alert' && !e.ariaLabel && !e.getAttribute('aria-labelledby') &&
                     !(e.labels || []).length && !e.textContent.trim())
        .map(e => e.outerHTML.slice(0, 80)).join('\\n')");
    check($nameless eq '', 'all controls have a name', $nameless);
    my $twice = js("[...document.querySelectorAll('[id]')].map(e => e.id)
        .filter((id, i, all) => all.indexOf(id) !== i).join()");
    check($twice eq '', 'no id is there twice', $twice);
}

# Looks that nothing sticks out at the right, and takes pictures of each view, if they get a name.
sub pictures {
    my ($width, $height, $name) = @_;
    my @wide;
    page_size($page, $width, $height);
    for my $view (qw(averages picture numbers layouts same-bits)) {
        view($view);
        for my $colours ($name ? qw(light dark) : ()) {
            page_prefers($page, $colours);
            painted();
            page_shot($page, "build/play/$name-$colours-$view.png", 1);
        }
        push @wide, $view if js('document.documentElement.scrollWidth > innerWidth');
    }
    check(!@wide, "$width pixels wide: nothing is wider", "@wide");
}

# A browser that has no SIMD128 validates no module that needs it.
sub without_simd {
    page_command($page, 'Page.addScriptToEvaluateOnNewDocument',
                 source => 'WebAssembly.validate = () => false');
    page_load($page, 'build/play/page/index.html');
    page_wait($page, "document.getElementById('bits').classList.length > 1");
    check(text('bits') eq $all && text('bits-machine') !~ /with SIMD/,
          "without SIMD128: $all", text('bits'));
}

sub walk {
    fresh();
    $page = page_open('build/play/page/index.html');
    page_wait($page, "document.getElementById('bits').classList.length > 1");
    check(text('bits') eq $all && text('badge') eq $all, "on its own, at once: $all", text('bits'));
    averages();
    picture();
    numbers();
    layouts();
    same_bits();
    reach();
    pictures(1280, 800, 'desk');
    pictures(390, 844, 'phone');
    pictures($_, 800) for 320, 768, 1024;
    without_simd();
    my @faults = page_faults($page);
    check(!@faults && js("document.getElementById('fault').hidden"),
          'nothing in the console, no request elsewhere', join "\n", @faults);
    page_close($page);
}

for my $part (\&committed, \&walk) {
    check(0, 'the page can be walked to its end', $@) if !eval { $part->(); 1 };
}
print "1..$count\n";
print "# failed $failed of $count\n" if $failed;
exit($failed ? 1 : 0);
