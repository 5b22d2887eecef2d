#!/usr/bin/perl
# report.pl - what was measured as a file, tables and charts: bench/results, RESULTS.md, *.svg.
#
#   perl bench/report.pl BENCH.json PEERS.jsonl          or: make report
#
# What bench/bench and bench/peers wrote; one of them may be missing. All of it goes to
# bench/results/<machine>.json (results.pl), and RESULTS.md is made of that, so that both say the
# same. Needs gnuplot. The colours are Okabe and Ito's, which differ for the colour-blind, too.
use strict;
use warnings;
use Text::Wrap 'wrap';
use FindBin;
require "$FindBin::Bin/rows.pl";
require "$FindBin::Bin/results.pl";
our $here = $FindBin::Bin;

our %colour = (NCHW => '#0072B2', NHWC => '#E69F00', rows => '#009E73', naive => '#999999');
our @peer_colour = ('#D55E00', '#0072B2', '#009E73', '#CC79A7');
our @peer_point = (7, 9, 5, 13);

sub gnuplot {
    my ($name, $width, $height, $script) = @_;
    open my $pipe, '|-', 'gnuplot' or die "gnuplot: $!\n";
    print $pipe "set terminal svg size $width,$height noenhanced font 'sans-serif,12' ",
        "background '#ffffff'\nset output '$here/$name.svg'\n",
        "set border lc rgb '#666666'\nset tics textcolor rgb '#222222'\n", $script;
    close $pipe or die "gnuplot failed for $name\n";
}

# ---- NCHW against NHWC ---------------------------------------------------------------------------

# One panel: a pass. Bars at the places of the cases: the share of the limit, a thin one of plain
# loops below each; behind the longer one by how much it wins.
sub layout_panel {
    my ($panel, $passes, $title, $places) = @_;
    my (%bars, @labels);
    for my $place (@$places) {
        my @rows = grep { $passes->{$_->{pass}} } @{$place->{rows}};
        my ($nchw, $nhwc) = @rows or next;
        for my $row ($nchw, $nhwc) {
            my $top = $place->{y} + ($row == $nchw ? 0.42 : 0);
            my $share = sub { 100 * $row->{share} * $row->{ours_us} / $_[0] };
            push @{$bars{$row->{layout}}}, sprintf '%.2f %.3f %.3f', $share->($row->{ours_us}),
                $top - 0.28, $top;
            push @{$bars{naive}}, sprintf '%.2f %.3f %.3f', $share->($row->{loops_us}),
                $top - 0.40, $top - 0.28 if $row->{loops_us};
        }
        my $ratio = $nhwc->{ours_us} / $nchw->{ours_us};
        my ($best, $top) = $ratio > 1 ? ($nchw, 0.28) : ($nhwc, -0.14);
        my $at = 100 * $best->{share};
        $at = $at > 112 ? 112 : 101 if $at > 78; # not across the limit
        push @labels, sprintf '%.2f %.3f "%s"', $at, $place->{y} + $top, winner($ratio) || 'either';
    }
    return '' if !%bars;
    my $script = join "", map {
        "\$$_$panel << EOD\n" . join("\n", @{$bars{$_} // []}, "") . "EOD\n" } qw(NCHW NHWC naive);
    $script .= "\$labels$panel << EOD\n" . join("\n", @labels, '') . "EOD\n";
    $script .= "set title '$title'\nplot " . join ', ', map {
        "\$$_$panel using (0):2:(0):1:2:3 with boxxyerror fs solid 1 noborder lc rgb " .
        "'$colour{$_}' notitle" } grep { $bars{$_} } qw(NCHW NHWC naive);
    return $script . ", \$labels$panel using 1:2:3 with labels left offset 0.4,0 font ',9' " .
        "tc rgb '#333333' notitle\n";
}

# The layers that are there in both layouts, from the top down.
sub layout_places {
    my ($rows) = @_;
    my ($y, $last, @places, %at) = (0, '');
    for my $pair (pairs_of($rows)) {
        my ($row) = @$pair;
        next if !$row->{share} || !$pair->[1]{share};
        my $place = $at{"$row->{kind} $row->{shape}"};
        if (!$place) {
            $y -= $last && $last ne $row->{kind} ? 1.45 : 1;
            $last = $row->{kind};
            $place = $at{"$row->{kind} $row->{shape}"} = {y => $y, name =>
                "$row->{kind} $row->{shape}, $row->{model}"};
            push @places, $place;
        }
        push @{$place->{rows}}, @$pair;
    }
    return @places;
}

sub layout_legend {
    my ($x, $y, $script) = (0.36, shift, '');
    for my $colour (['NCHW', 'NCHW'], ['NHWC', 'NHWC'], ['naive', 'plain loops']) {
        $script .= sprintf "set object rectangle from screen %.3f,%.4f to screen %.3f,%.4f " .
            "fs solid 1 noborder fc rgb '%s'\nset label '%s' at screen %.3f,%.4f\n", $x,
            $y - 0.008, $x + 0.018, $y + 0.008, $colour{$colour->[0]}, $colour->[1], $x + 0.024, $y;
        $x += 0.10;
    }
    return $script;
}

sub layout_chart {
    my ($results) = @_;
    my @places = layout_places($results->{rows}) or return 0;
    my $bottom = $places[-1]{y} - 0.7;
    my $height = int(150 - 34 * $bottom);
    my $script = "set multiplot\nset yrange [$bottom:-0.3]\nset xrange [0:140]\n" .
        "set format x '%g%%'\nset xtics 0,25,100 nomirror\nset tmargin at screen " .
        (1 - 95 / $height) . "\nset bmargin at screen " . 55 / $height . "\n" .
        "set grid x lc rgb '#dddddd' lt 1\nset border 3\n" .
        "set arrow 1 from 100,graph 0 to 100,graph 1 nohead lc rgb '#000000' lw 1.5 front\n" .
        "set label 1 'NCHW or NHWC: the share of the limit, one thread, float' " .
        "at screen 0.5,screen " . (1 - 18 / $height) . " center font ',15'\n" .
        "set label 2 'the limit, 100%: a loop that moves each tensor once and computes nothing, " .
        "on the same memory in the same seconds' at screen 0.5,screen " . 14 / $height .
        " center\n" .
        layout_legend(1 - 46 / $height);
    my @tics = map { "'$_->{name}' $_->{y}" } @places;
    my @panel = ([{train => 1, forward => 1}, 'forward (batch norm: training)'],
                 [{backward => 1}, 'backward'], [{infer => 1}, 'inference']);
    my ($left, $wide) = (0.29, 0.222);
    for my $panel (0 .. $#panel) {
        my $bars = layout_panel($panel, @{$panel[$panel]}, \@places) or next;
        $script .= sprintf "set lmargin at screen %.4f\nset rmargin at screen %.4f\n", $left,
            $left + $wide;
        $script .= "set ytics (" . join(', ', @tics) . ") nomirror scale 0 font ',10'\n$bars";
        $script .= "unset label\nunset object\n" if $left < 0.3;
        $_ = s/'.*'/''/r for @tics; # the first panel names them
        $left += $wide + 0.012;
    }
    gnuplot('layouts', 1200, $height, $script . "unset multiplot\n");
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

# The usual rows that somebody is beside, as cases of the chart; the peers; the chart's subtitle.
sub peer_cases {
    my ($results) = @_;
    my @peers = map { $_->{name} } @{$results->{peers}};
    my %name = map { ($_->{id}, $_->{name}) } @{$results->{peers}};
    my @cases;
    for my $row (grep { is_usual($_) } @{$results->{rows}}) {
        my @beside = map { my $p = $row->{peers}{$_};
            $name{$_} && $p->{ratio} ? {peer => $name{$_}, ratio => 1 / $p->{ratio},
                                        low => 1 / $p->{high}, high => 1 / $p->{low}} : () }
            sort keys %{$row->{peers}};
        push @cases, {name => join(' ', grep { $_ ne 'rows' } @$row{qw(kind pass layout shape)}),
                      peers => \@beside} if @beside;
    }
    return (\@cases, \@peers, 'float, one thread');
}

sub peer_panel {
    my ($number, $cases, $peers) = @_;
    my (%data, @tics);
    for my $i (0 .. $#$cases) {
        my $name = $cases->[$i]{name};
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
    my @left = $table->{words} ? @{$table->{words}} : $table->{head}[1] eq 'pass' ? (0 .. 2) : 0;
    my %words = map { ($_, 1) } @left;
    my @rule = map { $words{$_} ? '---' : '--:' } 0 .. $#{$table->{head}};
    return "### \u$table->{title}\n\n" . join('', map { '| ' . join(' | ', @$_) . " |\n" }
        $table->{head}, \@rule, @{$table->{rows}}) . "\n";
}

# 12.3 (0.41): microseconds, and the worst error.
sub cell {
    my ($us, $error, $note) = @_;
    return $note ? 'wrong' : '' if !$us;
    return us($us) . (defined $error ? sprintf(' (%s)', $error >= 1e4 ? sprintf('%.0e', $error) :
        $error >= 10 ? sprintf('%.0f', $error) : sprintf('%.2g', $error)) : '');
}

# All rows of a kind, with time and error of everyone in a cell each. The fastest is bold.
sub kind_table {
    my ($kind, $results) = @_;
    my %there = map { ($_, 1) } map { keys %{$_->{peers}} } @{$results->{rows}};
    my @peers = grep { $there{$_->{id}} } @{$results->{peers}},
        {id => 'onednn-blocked', name => 'blocked'};
    my @cells;
    for my $row (grep { $_->{kind} eq $kind } @{$results->{rows}}) {
        my @who = ({us => $row->{ours_us}, error => $row->{error}},
                   {us => $row->{loops_us}, error => $row->{loops_error}},
                   map { $row->{peers}{$_->{id}} // {} } @peers);
        my ($least) = sort { $a <=> $b } map { $_->{us} // () } @who;
        push @cells, [$row->{shape}, $row->{pass}, join(' ', $row->{layout},
            $row->{dtype} eq 'f32' ? () : $row->{dtype},
            $row->{threads} > 1 ? "$row->{threads} threads" : (),
            grep { !/^groups=/ } split / /, $row->{options}),
            $row->{share} ? sprintf '%.0f%%', 100 * $row->{share} : '',
            map { my $text = cell(@$_{qw(us error note)});
                  $_->{us} && $_->{us} == $least ? "**$text**" : $text } @who];
    }
    return @cells ? {title => "$kind norm", rows => \@cells, head => ['shape', 'pass', '', 'limit',
        'ours', 'plain loops', map { $_->{name} } @peers]} : ();
}

sub noise {
    my ($rows) = @_;
    my @spread = sort { $a <=> $b } map { ($_->{high} - $_->{low}) / $_->{us} } @$rows;
    return wrapped(sprintf("Spread of the repetitions of `make bench`, (longest - shortest) / " .
        "median: %.0f%% in the middle row, above %.0f%% in a tenth of them. %s",
        100 * median(@spread), 100 * $spread[0.9 * $#spread], busy($rows)), '') . "\n";
}

# Words in lines of at most 100 characters, all but the first behind `indent`.
sub wrapped {
    my ($text, $indent) = @_;
    local ($Text::Wrap::columns, $Text::Wrap::huge, $Text::Wrap::unexpand) = (101, 'overflow', 0);
    return wrap('', $indent, $text);
}

# The first lines: who, and on what.
sub about {
    my ($results) = @_;
    my $machine = $results->{machine};
    return "\n" . wrapped(
        "Of $results->{date}, commit $results->{commit}: $machine->{processor}, " .
        "$machine->{cores} cores, " . join(', ', @{$machine->{caches}}) . "; " .
        "$machine->{isas}[-1]; $results->{compiler} $results->{flags}. Beside it: " .
        (join(', ', map { "$_->{name} $_->{version}" } @{$results->{peers}}) || 'no library') .
        ", and plain loops (-O3 -march=native -ffast-math).", '') . "\n\n";
}

sub write_report {
    my ($out, $results, $context, $rows, @charts) = @_;
    my @tables = $rows ? tables($context, $rows) : ();
    my ($short) = grep { $_->{title} eq 'in short' } @tables;
    print $out "# Results\n\nMade by `make report`; what is measured, and how: ",
        "[README.md](README.md).\n", about($results), "## At a glance\n\n",
        (map { markdown($_) } glance($results->{rows})),
        (map { wrapped("- $_", '  ') . "\n" } beside_lines($results)),
        "\n", @charts;
    print $out noise($rows), "\n" if $rows;
    print $out markdown({%$short, title => 'in short: one thread, float, means'}) if $short;
    print $out "```\n", (map { "$_\n" } verdicts($context, $rows)), "```\n\n" if $rows;
    print $out <<'END';
## All rows

Microseconds, and in brackets the worst error: 1 is the bound of normalize.h. The fastest is bold.
limit: of the speed of a loop that moves each tensor once and computes nothing, on the same memory
in the same seconds. wrong: another result, not timed. off=4: tensors begin 16 bytes past a line of
the cache, as malloc's do. Plain loops have one thread.

END
    print $out markdown($_) for map { kind_table($_, $results) } qw(batch layer instance group rms);
    print $out "## More of `make bench`\n\n",
        (map { markdown($_) } grep { $_ != ($short // 0) && $_->{title} !~ / norm$/ } @tables)
        if $rows;
}

my ($bench, $beside) = @ARGV;
die "usage: report.pl BENCH.json PEERS.jsonl; at least one of them is there\n" if @ARGV != 2;
my ($context, $rows) = -f $bench ? read_rows($bench) : ();
my $has_peers = -f $beside;
die "report.pl: neither $bench (make bench) nor $beside (make bench-peers)\n"
    if !$rows && !$has_peers;
my $results = results_of($has_peers ? $beside : undef, $context, $rows);
warn "report.pl: $bench is of commit $context->{commit}, $beside of $results->{commit}\n"
    if $rows && $has_peers && $context->{commit} ne $results->{commit};
my $name = write_results($results, "$here/results");
my @charts;
push @charts, "![Share of the limit by kind, shape, pass and layout](layouts.svg)\n\n"
    if layout_chart($results);
push @charts, "![Throughput against size](sizes.svg)\n\n" if $rows && size_chart($context, $rows);
push @charts, "![Times of the others over ours](peers.svg)\n\n" if peer_chart(peer_cases($results));
open my $out, '>', "$here/RESULTS.md" or die "RESULTS.md: $!\n";
write_report($out, $results, $context, $rows, @charts);
close $out or die "RESULTS.md: $!\n";
print join(', ', 'bench/RESULTS.md', "bench/results/$name", map { /\((.*?)\)/ && "bench/$1" }
    @charts), $has_peers ? '' : '; nobody beside it (make bench-peers)', "\n";
