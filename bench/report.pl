#!/usr/bin/perl
# report.pl - a file of build/bench/bench as charts and tables: bench/RESULTS.md, bench/*.svg.
#
#   perl bench/report.pl BENCH.json [PEERS.txt]          or: make report
#
# PEERS.txt is what build/bench/peers writes (bench/peers.c); without it that chart is left out.
# Needs gnuplot. The colours are Okabe and Ito's, which differ for the colour-blind, too.
use strict;
use warnings;
use FindBin;
require "$FindBin::Bin/rows.pl";
our $here = $FindBin::Bin;

our %colour = (NCHW => '#0072B2', NHWC => '#E69F00', rows => '#009E73', naive => '#999999');
our @peer_colour = ('#D55E00', '#0072B2', '#009E73', '#CC79A7');
our @peer_point = (7, 9, 5, 13);
our %peer_name = (onednn => 'oneDNN', torch => 'PyTorch');

sub gnuplot {
    my ($name, $width, $height, $script) = @_;
    open my $pipe, '|-', 'gnuplot' or die "gnuplot: $!\n";
    print $pipe "set terminal svg size $width,$height noenhanced font 'sans-serif,12' ",
        "background '#ffffff'\nset output '$here/$name.svg'\n",
        "set border lc rgb '#666666'\nset tics textcolor rgb '#222222'\n", $script;
    close $pipe or die "gnuplot failed for $name\n";
}

# ---- NCHW against NHWC ---------------------------------------------------------------------------

# One panel: a pass. Bars at the places of the cases, a thin one of naive below each.
sub layout_panel {
    my ($pass, $places, $index, $best, $title) = @_;
    my (%bars, @labels);
    for my $case (@$places) {
        my $y = $case->{y};
        for my $layout (qw(NCHW NHWC)) {
            my %place = (sweep => '', fused => '', type => 'f32', threads => '1t', cold => '',
                         malloc => '');
            my $find = sub { sibling($index, {%place, %{$case->{row}}}, pass => $pass,
                                     layout => $_[0], who => $_[1]) };
            my $row = $find->($layout, $best) or next;
            my $naive = $find->($layout, 'naive');
            my $limit = median(map { $_->{limit} } grep { $_ } map { $find->($_, $best) }
                               qw(NCHW NHWC));
            my $top = $y + ($layout eq 'NCHW' ? 0.42 : 0);
            my $share = 100 * $limit / $row->{us};
            push @{$bars{$layout}}, sprintf '%.2f %.3f %.3f', $share, $top - 0.28, $top;
            push @{$bars{naive}}, sprintf '%.2f %.3f %.3f', 100 * $limit / $naive->{us},
                $top - 0.40, $top - 0.28 if $naive;
            my $at = $share > 78 && $share < 101 ? 101 : $share; # not across the limit
            push @labels, sprintf '%.2f %.3f "%s"', $at, $top - 0.14, us($row->{us});
        }
    }
    my $script = join "", map {
        "\$$_$pass << EOD\n" . join("\n", @{$bars{$_} // []}, "") . "EOD\n" } qw(NCHW NHWC naive);
    $script .= "\$labels$pass << EOD\n" . join("\n", @labels, '') . "EOD\n";
    $script .= "set title '$title'\nplot " . join ', ', map {
        "\$$_$pass using (0):2:(0):1:2:3 with boxxyerror fs solid 1 noborder lc rgb " .
        "'$colour{$_}' notitle" } grep { $bars{$_} } qw(NCHW NHWC naive);
    return $script . ", \$labels$pass using 1:2:3 with labels left offset 0.4,0 font ',9' " .
        "tc rgb '#333333' notitle\n";
}

sub layout_chart {
    my ($context, $rows) = @_;
    my ($index, $best) = (index_rows($rows), best_isa($context));
    my ($y, $last, @places, @tics, %seen) = (0, '');
    for my $row (@$rows) {
        next if $row->{layout} ne 'NHWC' || !plain($row) || $row->{who} ne $best ||
            $row->{threads} ne '1t' || $seen{"$row->{kind}/$row->{shape}"}++;
        $y -= $last && $last ne $row->{kind} ? 1.45 : 1;
        $last = $row->{kind};
        push @places, {y => $y, row => {map { ($_, $row->{$_}) } qw(kind shape)}};
        push @tics, "'$row->{kind}  $row->{shape}' $y";
    }
    return 0 if !@places;
    my $bottom = $y - 0.7;
    my $script = "set multiplot\nset yrange [$bottom:-0.3]\nset xrange [0:140]\n" .
        "set format x '%g%%'\nset xtics 0,25,100 nomirror\nset tmargin at screen 0.855\n" .
        "set bmargin at screen 0.09\nset grid x lc rgb '#dddddd' lt 1\nset border 3\n" .
        "set arrow 1 from 100,graph 0 to 100,graph 1 nohead lc rgb '#000000' lw 1.5 front\n" .
        "set label 1 'Layouts side by side, one thread, float, $context->{isa}: how near to the " .
        "speed of memory' at screen 0.5,0.972 center font ',15'\n" .
        "set label 2 'share of the speed of a loop that moves each tensor once; at the ends of " .
        "the bars: microseconds' at screen 0.5,0.022 center\n";
    my $x = 0.30;
    for my $colour (['NCHW', 'NCHW'], ['NHWC', 'NHWC'], ['naive', 'plain loops']) {
        $script .= sprintf "set object rectangle from screen %.3f,0.921 to screen %.3f,0.938 " .
            "fs solid 1 noborder fc rgb '%s'\nset label '%s' at screen %.3f,0.929\n", $x,
            $x + 0.018, $colour{$colour->[0]}, $colour->[1], $x + 0.024;
        $x += 0.10;
    }
    $script .= sprintf "set arrow 2 from screen %.3f,0.918 to screen %.3f,0.941 nohead lw 1.5 " .
        "lc rgb '#000000'\nset label 'the limit' at screen %.3f,0.929\n", $x + 0.03, $x + 0.03,
        $x + 0.042;
    my @panel = (['train', 'forward (batch norm: training)'], ['backward', 'backward'],
                 ['infer', 'inference']);
    my $left = 0.165;
    for my $panel (@panel) {
        my $wide = 0.265;
        $script .= sprintf "set lmargin at screen %.4f\nset rmargin at screen %.4f\n", $left,
            $left + $wide;
        $script .= "set ytics (" . join(', ', $panel == $panel[0] ? @tics
            : map { s/'.*'/''/r } @tics) . ") nomirror scale 0\n";
        $script .= layout_panel($panel->[0], \@places, $index, $best, $panel->[1]);
        $script .= "unset label\nunset object\nunset arrow 2\n" if $panel == $panel[0];
        $left += $wide + 0.015;
    }
    gnuplot('layouts', 1080, int(150 - 34 * $bottom), $script . "unset multiplot\n");
    return 1;
}

# ---- Throughput against size ---------------------------------------------------------------------

sub size_chart {
    my ($context, $rows) = @_;
    my @lines = (
        ['limit, y = x + 1', '#000000', 3, 1, sub { $_[0]{sweep} && $_[0]{kind} eq 'layer' &&
            $_[0]{limit} && {%{$_[0]}, us => $_[0]{limit}} }],
        ['limit, reading alone', '#000000', 1.5, 3,
            sub { $_[0]{name} =~ m{^memory/read/.*/1t} && $_[0] }],
        ['batch inference NCHW', $colour{NCHW}, 2.5, 1,
            sub { $_[0]{name} =~ m{^sweep/batch/infer/NCHW} && $_[0] }],
        ['batch inference NHWC', $colour{NHWC}, 2.5, 1,
            sub { $_[0]{name} =~ m{^sweep/batch/infer/NHWC} && $_[0] }],
        ['batch training NCHW', $colour{NCHW}, 2.5, 2,
            sub { $_[0]{name} =~ m{^sweep/batch/train/NCHW} && $_[0] }],
        ['batch training NHWC', $colour{NHWC}, 2.5, 2,
            sub { $_[0]{name} =~ m{^sweep/batch/train/NHWC} && $_[0] }],
        ['layer norm, rows of 1024', $colour{rows}, 2.5, 1,
            sub { $_[0]{name} =~ m{^sweep/layer/train} && $_[0] }],
    );
    my ($script, @plot) = ('');
    my @points = (0, 0, 7, 5, 6, 4, 9);
    return 0 if !grep { $_->{sweep} } @$rows;
    for my $i (0 .. $#lines) {
        my ($title, $colour, $width, $dash, $pick) = @{$lines[$i]};
        my @data = sort { $a->{bytes} <=> $b->{bytes} } grep { $_ } map { $pick->($_) } @$rows;
        next if !@data;
        $script .= "\$line$i << EOD\n" . join('', map { "$_->{bytes} " . rate($_) . "\n" } @data) .
            "EOD\n";
        my $style = $points[$i] ? "linespoints pt $points[$i] ps 0.6" : "lines";
        push @plot, "\$line$i with $style" .
            " lw $width dt $dash lc rgb '$colour' title '$title'";
    }
    my $n = 10;
    for my $cache (grep { $_->{type} ne 'Instruction' } @{$context->{caches} // []}) {
        $script .= sprintf "set arrow %d from %.0f,graph 0 to %.0f,graph 1 nohead " .
            "lc rgb '#aaaaaa' dt 3\nset label %d 'L%d' at %.0f,graph 0.975 right " .
            "offset -0.5,0 tc rgb '#666666'\n",
            $n, $cache->{size}, $cache->{size}, $n, $cache->{level}, $cache->{size};
        $n++;
    }
    my @sizes = map { my $kib = 4 ** $_; ($kib < 1024 ? "$kib KiB" : $kib / 1024 . ' MiB') =~
        s/^(.*)$/"'$1' " . 1024 * $kib/re } 1 .. 9;
    gnuplot('sizes', 960, 500, $script . "set title 'Throughput against size, one thread, float, " .
        "$context->{isa}' font ',15'\nset logscale x 2\nset logscale y 2\n" .
        "set xrange [6e3:3e8]\nset xtics (" . join(', ', @sizes) . ") nomirror\n" .
        "set ytics nomirror\nset border 3\nset grid y lc rgb '#dddddd' lt 1\n" .
        "set ylabel 'GB/s, each tensor counted once'\n" .
        "set xlabel 'bytes of all tensors that are read or written'\n" .
        "set key outside right center Left reverse spacing 1.4 samplen 3\nplot " .
        join(', ', @plot) . "\n");
    return 1;
}

# ---- Us against peers ----------------------------------------------------------------------------

# Lines of: case ours_us limit_us peer peer_us ratio low high; the ratios are ours over theirs.
sub read_peers {
    my ($file) = @_;
    my (%case, @order, %peer);
    my $about = "float";
    open my $in, '<', $file or return ([], [], "");
    while (<$in>) {
        $about = "float, $1, threads: $2" if /^#.* (\S+), threads (\d+)/;
        next if /^#/;
        my ($case, $ours, undef, $peer, $us, $ratio, $low, $high) = split;
        next if !defined $ratio || $ratio !~ /^[\d.]+$/ || $ratio <= 0;
        ($low, $high) = map { $_ && $_ > 0 ? $_ : $ratio } $low, $high;
        $peer = $peer_name{$peer} // $peer;
        push @order, $case if !$case{$case};
        $peer{$peer}++;
        push @{$case{$case}}, {peer => $peer, ours => $ours, us => $us, ratio => 1 / $ratio,
                               low => 1 / $high, high => 1 / $low};
    }
    return ([map { {name => $_, peers => $case{$_}} } @order], [sort keys %peer], $about);
}

sub peer_panel {
    my ($number, $cases, $peers) = @_;
    my (%data, @tics);
    for my $i (0 .. $#$cases) {
        my $name = $cases->[$i]{name} =~ s/-/ /gr;
        push @tics, "'$name' -$i";
        for my $p (@{$cases->[$i]{peers}}) {
            my ($which) = grep { $peers->[$_] eq $p->{peer} } 0 .. $#$peers;
            push @{$data{$which}}, sprintf '%.4f %.2f %.4f %.4f', $p->{ratio},
                -$i + 0.12 * (@$peers - 1) - 0.24 * $which, $p->{low}, $p->{high};
        }
    }
    my $script = "set yrange [" . (0.3 - @$cases) . ":0.7]\nset ytics (" . join(', ', @tics) .
        ") nomirror scale 0 font ',10'\n";
    $script .= "\$p${number}_$_ << EOD\n" . join("\n", @{$data{$_}}, '') . "EOD\n" for keys %data;
    return $script . 'plot ' . join(', ', map {
        "\$p${number}_$_ using 1:2:3:4 with xerrorbars pt $peer_point[$_ % 4] ps 0.6 lw 1 lc rgb " .
        "'$peer_colour[$_ % 4]' notitle" } sort keys %data) . "\n";
}

sub peer_chart {
    my ($cases, $peers, $about) = @_;
    return 0 if !@$cases;
    my $half = int((@$cases + 1) / 2);
    my @panel = ([@$cases[0 .. $half - 1]], [@$cases[$half .. $#$cases]]);
    my $height = 155 + 17 * $half;
    my @all = map { ($_->{low}, $_->{high}) } map { @{$_->{peers}} } @$cases;
    my ($low) = sort { $a <=> $b } @all;
    my ($high) = sort { $b <=> $a } @all;
    my $least = 2 ** int(log($low > 0.5 ? 0.5 : $low) / log(2) - 1);
    my $most = 2 ** int(log($high < 2 ? 2 : $high) / log(2) + 1);
    my $top = 1 - 85 / $height;
    my $script = "set multiplot\nset logscale x 2\nset xrange [$least:$most]\nset border 3\n" .
        "set xtics nomirror\nset format x '%gx'\nset grid x lc rgb '#dddddd' lt 1\n" .
        "set tmargin at screen $top\nset bmargin at screen " . 60 / $height . "\n" .
        "set arrow 1 from 1,graph 0 to 1,graph 1 nohead lc rgb '#000000' lw 1.5 back\n" .
        "set label 1 'Time of others over ours, beside it in one run; $about' " .
        "at screen 0.5,screen " . (1 - 20 / $height) . " center font ',15'\n" .
        "set label 2 'right of 1: ours is faster; bars: quartiles of the ratios' at screen 0.5," .
        "screen " . 14 / $height . " center\n";
    my ($x, $y) = (0.5 - 0.06 * @$peers, 1 - 50 / $height);
    for my $i (0 .. $#$peers) {
        $script .= sprintf "set label '%s' at screen %.3f,%.4f point pt %d lc rgb '%s' " .
            "offset 1,-0.2\n",
            $peers->[$i], $x, $y, $peer_point[$i % 4], $peer_colour[$i % 4];
        $x += 0.12;
    }
    for my $i (0, 1) {
        next if !@{$panel[$i]};
        $script .= sprintf "set lmargin at screen %.3f\nset rmargin at screen %.3f\n",
            0.20 + 0.5 * $i, 0.485 + 0.5 * $i;
        $script .= peer_panel($i, $panel[$i], $peers) . "unset label\n";
    }
    gnuplot('peers', 1080, $height, $script . "unset multiplot\n");
    return 1;
}

# ---- RESULTS.md ----------------------------------------------------------------------------------

sub markdown {
    my ($table) = @_;
    my @rule = map { $_ ? '--:' : '---' } 0 .. $#{$table->{head}};
    @rule[1, 2] = ('---', '---') if $table->{head}[1] eq 'pass';
    return "### \u$table->{title}\n\n" . join('', map { '| ' . join(' | ', @$_) . " |\n" }
        $table->{head}, \@rule, @{$table->{rows}}) . "\n";
}

sub peer_table {
    my ($cases, $peers) = @_;
    my @cells;
    for my $case (@$cases) {
        my %of = map { ($_->{peer}, $_) } @{$case->{peers}};
        push @cells, [$case->{name}, us($case->{peers}[0]{ours}), map { $of{$_} ?
            (us($of{$_}{us}), sprintf('%.2f (%.2f-%.2f)', @{$of{$_}}{qw(ratio low high)})) :
            ('', '') } @$peers];
    }
    return @cells ? markdown({title => 'peers, us', rows => \@cells,
        head => ['case', 'ours', map { ($_, "$_ over ours") } @$peers]}) : '';
}

sub noise {
    my ($rows) = @_;
    my @spread = sort { $a <=> $b } map { ($_->{high} - $_->{low}) / $_->{us} } @$rows;
    my @one = grep { $_->{threads} eq '1t' && !$_->{cold} } @$rows;
    return sprintf "Spread of the repetitions, (longest - shortest) / median: %.0f%% in the " .
        "middle row, above %.0f%% in a\ntenth of them. %s\n", 100 * median(@spread),
        100 * $spread[0.9 * $#spread], busy($rows);
}

die "usage: report.pl BENCH.json [PEERS.txt]\n" if !@ARGV || @ARGV > 2;
my ($context, $rows) = read_rows($ARGV[0]);
my ($cases, $peers, $about) = read_peers($ARGV[1] // "$here/../build/bench/peers.txt");
open my $out, '>', "$here/RESULTS.md" or die "RESULTS.md: $!\n";

print $out "# Results\n\nMade by `make report`; what is measured, and how: ",
    "[README.md](README.md).\n\n";
print $out "![Share of the limit by kind, shape, pass and layout](layouts.svg)\n\n"
    if layout_chart($context, $rows);
print $out "![Throughput against size](sizes.svg)\n\n" if size_chart($context, $rows);
print $out "![Times of oneDNN and others over ours](peers.svg)\n\n"
    if peer_chart($cases, $peers, $about);
my $caches = join ', ', map { sprintf 'L%d %s', $_->{level}, $_->{size} < 1 << 20 ?
    ($_->{size} >> 10) . ' KiB' : ($_->{size} >> 20) . ' MiB' } grep { $_->{type} ne 'Instruction' }
    @{$context->{caches} // []};
my %of = (%$context, caches => $caches, date => substr $context->{date} // '', 0, 10);
my @about = map { [$_->[0], $of{$_->[1]} // '?'] } (['processor', 'processor'],
    ['processors', 'num_cpus'], ['caches', 'caches'], ['compiler', 'compiler'], ['flags', 'flags'],
    ['instruction set', 'isa'], ['commit', 'commit'], ['date', 'date']);
print $out '| ', join(' | ', map { $_->[0] } @about), " |\n|", '---|' x @about, "\n| ",
    join(' | ', map { $_->[1] } @about), " |\n\n", noise($rows), "\n";
my @tables = tables($context, $rows);
my ($short) = grep { $_->{title} eq 'in short' } @tables;
print $out markdown({%$short, title => 'in short: one thread, float, geometric means'}) if $short;
print $out "```\n", (map { "$_\n" } verdicts($context, $rows)), "```\n\n";
print $out <<'END';
## All rows

us: median. GB/s: each tensor counted once. limit: of the speed of a loop that moves each tensor
once and computes nothing, on the same memory in the same seconds; \* a group leaves the last cache
before its second reading, and 67% (backward 60%) is all there is. ratio: the time of NHWC over that
of NCHW. plain: over plain loops (-O3 -march=native -ffast-math), as vectors of 256 or 512 bits do
better; malloc: all buffers 16 bytes past a line of the cache, over aligned ones; both, and apart,
of the shortest calls of both in turn.

END
print $out markdown($_) for grep { $_ != ($short // 0) } @tables;
print $out peer_table($cases, $peers);
close $out or die "RESULTS.md: $!\n";
print "bench/RESULTS.md, ", join(', ', map { "bench/$_.svg" } 'layouts', 'sizes',
    @$cases ? 'peers' : ()), @$cases ? '' : '; no peers (make bench-peers)', "\n";
