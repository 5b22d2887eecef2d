#!/usr/bin/perl
# report.pl - what which_norm printed, as tables in docs/choosing.md, between the lines
# <!-- which-norm: NAME begins --> and <!-- which-norm: NAME ends -->, and as charts beside it.
#
#   perl examples/which_norm/report.pl build/which_norm/part-*.csv          or: make which-norm
#
# Prints the tables, and writes all lines in order to build/which_norm/all.csv. Charts need gnuplot.
# --only NAME,NAME first: these tables and charts alone, by the names at the end of this file. What
# has no figures, as the handwriting where there is none, is left as it is.
use strict;
use warnings;
use FindBin;

my $top = "$FindBin::Bin/../..";
my $page = "$top/docs/choosing.md";
my @norms = qw(none batch layer instance group rms);
my @columns = (@norms, 'tanh'); # of the later experiments
my @recurrent = ('none', 'batch', 'batch by step', 'layer', 'rms');
my %colour = (none => '#666666', batch => '#D55E00', layer => '#0072B2', instance => '#009E73',
              group => '#CC79A7', rms => '#E69F00', 'batch by step' => '#7F3300',
              tanh => '#56B4E9');
my %point = (none => 2, batch => 5, layer => 7, instance => 9, group => 11, rms => 13,
             'batch by step' => 4, tanh => 3);
my ($plain_batch, $plain_rate) = (32, 0.016); # of the nets that are tested in more ways

# ---- Reading -------------------------------------------------------------------------------------

my (%of, @lines, %image);

sub read_figures {
    for my $file (@_) {
        open my $in, '<', $file or die "$file: $!\n";
        while (<$in>) {
            chomp(my $line = $_);
            if ($line =~ s/^image,//) {
                my ($norm, $rate, $what, $contrast, $style, $bytes) = split /,/, $line;
                $image{$norm}{$rate}{$what}{$contrast}{$style} = $bytes;
                next;
            }
            push @lines, $_;
            chomp;
            my ($experiment, $norm, $batch, $rate, $seed, $mode, $at, $right) = split /,/;
            $of{$experiment}{$norm}{$batch}{$rate}{$mode}{$at}{$seed} = 100 * $right;
        }
    }
    die "no figures\n" if !@lines;
}

# The share of right answers of each seed, in percent.
sub seeds_of {
    my ($experiment, $norm, $batch, $rate, $mode, $at) = @_;
    my $seeds = $of{$experiment}{$norm}{$batch}{$rate}{$mode}{$at} // {};
    return map { $seeds->{$_} } sort { $a <=> $b } keys %$seeds;
}

sub mean {
    my $sum = 0;
    $sum += $_ for @_;
    return @_ ? $sum / @_ : undef;
}

sub numbers { return sort { $a <=> $b } keys %{$_[0]} }

sub rates { my ($experiment, $norm, $batch) = @_; return numbers($of{$experiment}{$norm}{$batch}) }

# The rate at which most answers are right, over all lengths or contrasts that are tested.
sub best_rate {
    my ($experiment, $norm, $batch) = @_;
    my %mean = map {
        my $at = $of{$experiment}{$norm}{$batch}{$_}{infer};
        $_ => mean(map { values %$_ } values %$at);
    } rates($experiment, $norm, $batch);
    return (sort { $mean{$b} <=> $mean{$a} || $a <=> $b } keys %mean)[0];
}

# The rate of the smallest error at the contrasts of the training.
sub best_paint {
    my ($norm) = @_;
    my %mean = map { $_ => mean(seeds_of('paint', $norm, 8, $_, 'infer', 0)) }
        rates('paint', $norm, 8);
    return (sort { $mean{$a} <=> $mean{$b} || $a <=> $b } keys %mean)[0];
}

my $chance_of_four = 25;
my @batches; # 1 2 4 8 32 128

# ---- Tables --------------------------------------------------------------------------------------

my @spreads;
my $unit = 'Percent right';

# The mean over the seeds.
sub cell {
    my @seeds = @_;
    return '-' if !@seeds;
    my @sorted = sort { $a <=> $b } @seeds;
    push @spreads, $sorted[-1] - $sorted[0];
    return sprintf '%.1f', mean(@seeds);
}

# The first column to the left, numbers to the right; the first row is the head. Below it, how far
# the seeds are apart, if cells have been made of seeds.
sub table {
    my (@rows) = @_;
    my @width = map { my $i = $_; (sort { $b <=> $a } map { length $_->[$i] } @rows)[0] }
        0 .. $#{$rows[0]};
    my $line = sub {
        my @cells = map { sprintf $_ ? '%*s' : '%-*s', $width[$_], $_[$_] } 0 .. $#_;
        return '| ' . join(' | ', @cells) . " |\n";
    };
    my @rule = map { $_ ? '-' x ($width[$_] - 1) . ':' : '-' x $width[$_] } 0 .. $#width;
    my @sorted = sort { $a <=> $b } @spreads;
    @spreads = ();
    my $head = shift @rows;
    my $text = join '', map { $line->(@$_) } $head, \@rule, @rows;
    return $text if !@sorted;
    return $text .
        sprintf("\n%s. Highest and lowest seed: %.1f apart in the middle cell, %.1f " .
                "at most.\n", $unit, $sorted[@sorted / 2], $sorted[-1]);
}

sub size_table {
    my @rows = (['batch size', @batches]);
    for my $norm (@norms) {
        push @rows, [$norm, map {
            my $rate = best_rate('grid', $norm, $_);
            cell(seeds_of('grid', $norm, $_, $rate, 'infer', 0)) . " at $rate";
        } @batches];
    }
    return table(@rows);
}

sub rate_table {
    my @rates = rates('grid', 'none', $plain_batch);
    my @rows = (['rate', @rates]);
    for my $norm (@norms) {
        push @rows, [$norm, map { cell(seeds_of('grid', $norm, $plain_batch, $_, 'infer', 0)) }
                     @rates];
    }
    return table(@rows);
}

my @modes = (['infer', 'running statistics'], ['batch', 'those of the test batch, mixed'],
             ['sorted', 'those of the test batch, one digit']);

sub mode_table {
    my @rows = (['statistics', map { "batch $_" } @batches]);
    for my $mode (@modes) {
        push @rows, [$mode->[1], map {
            cell(seeds_of('grid', 'batch', $_, best_rate('grid', 'batch', $_), $mode->[0], 0))
        } @batches];
    }
    return table(@rows);
}

# What is drawn for contrast: name, norm, mode.
my @contrast_lines = (map({ [$_, $_, 'infer'] } @norms[0, 1]),
                      ['batch, of the test batch', 'batch', 'batch'],
                      map({ [$_, $_, 'infer'] } @norms[2 .. 5]));

sub contrasts { return numbers($of{contrast}{none}{$plain_batch}{$plain_rate}{infer}) }

sub contrast_table {
    my @rows = (['contrast', contrasts()]);
    for my $line (@contrast_lines) {
        my ($name, $norm, $mode) = @$line;
        push @rows, [$name, map {
            cell(seeds_of('contrast', $norm, $plain_batch, $plain_rate, $mode, $_)) } contrasts()];
    }
    return table(@rows);
}

sub answer_table {
    my @rows = (['convolutions', @norms]);
    for my $e (['biased', 'with a bias'], ['bare', 'without']) {
        push @rows, [$e->[1], map {
            cell(seeds_of($e->[0], $_, $plain_batch, $plain_rate, 'infer', 0)) } @norms];
    }
    return table(@rows);
}

# Name, norm, mode.
my @recall_lines = (map({ [$_, $_, 'infer'] } @recurrent[0, 1]),
                    ['batch, of the test batch', 'batch', 'batch'],
                    map({ [$_, $_, 'infer'] } @recurrent[2 .. 4]));

sub recall_batches { return numbers($of{recall}{none}) }

sub recall_table {
    my @lengths = (3, 6, 9, 12, 16, 20);
    my @rows = (['batch size, norm', 'rate', map { "length $_" } @lengths]);
    for my $batch (recall_batches()) {
        for my $line (@recall_lines) {
            my ($name, $norm, $mode) = @$line;
            my $rate = best_rate('recall', $norm, $batch);
            push @rows, ["$batch, $name", $rate, map {
                cell(seeds_of('recall', $norm, $batch, $rate, $mode, $_)) } @lengths];
        }
    }
    return table(@rows);
}

# What is drawn for transformers: name, norm and place, dashes.
my @text_lines = (['none', 'none pre', 1],
                  map { (["$_, pre", "$_ pre", 1], ["$_, post", "$_ post", 2]) }
                      qw(batch layer rms tanh));

sub text_table {
    my @rates = rates('texts', 'none pre', 16);
    my @rows = (['norm, place', map { "rate $_" } @rates]);
    for my $line (@text_lines) {
        push @rows, [$line->[0], map { cell(seeds_of('texts', $line->[1], 16, $_, 'infer', 0)) }
                     @rates];
    }
    return table(@rows);
}

# Name, norm, mode.
my @depth_lines = (['none', 'none', 'infer'], ['batch', 'batch', 'infer'],
                   ['batch, of the test batch', 'batch', 'batch'], ['group', 'group', 'infer']);
sub depth_batches { return numbers($of{depth}{none}) }

sub depth_table {
    my @rows = (['batch size', depth_batches()]);
    for my $line (@depth_lines) {
        my ($name, $norm, $mode) = @$line;
        push @rows, [$name, map {
            my $rate = best_rate('depth', $norm, $_);
            cell(seeds_of('depth', $norm, $_, $rate, $mode, 0)) . " at $rate";
        } depth_batches()];
    }
    return table(@rows);
}

sub painted { return grep { $_ } numbers($of{paint}{none}{8}{best_paint('none')}{infer}) }

sub paint_table {
    my @rows = (['contrast', 'rate', '0.5 to 2', painted()]);
    for my $norm (@columns) {
        my $rate = best_paint($norm);
        push @rows, [$norm, $rate, map { cell(seeds_of('paint', $norm, 8, $rate, 'infer', $_)) }
                     0, painted()];
    }
    $unit = 'Error, percent of the range';
    my $text = table(@rows);
    $unit = 'Percent right';
    return $text;
}

sub hand_table {
    my @rows = (['norm', 'handwriting, batches of 2', 'of 32', 'drawn digits, of 32']);
    for my $norm (@columns) {
        push @rows, [$norm, cell(seeds_of('hand', $norm, 2, 0.004, 'infer', 0)),
                     cell(seeds_of('hand', $norm, 32, 0.016, 'infer', 0)),
                     cell(seeds_of('grid', $norm, 32, 0.016, 'infer', 0))];
    }
    return table(@rows);
}

# ---- The table of all norms ----------------------------------------------------------------------

# What make bench found for a kind and pass: percent of the limit, time of NHWC over that of NCHW.
sub bench_of {
    my ($kind, $pass) = @_;
    open my $in, '<', "$top/bench/RESULTS.md" or die "bench/RESULTS.md: $!\n";
    while (my $line = <$in>) {
        my @f = split /\s*\|\s*/, $line;
        return @f[4, 5] if @f > 5 && $f[1] eq $kind && $f[2] eq $pass && $f[4] =~ /%$/;
    }
    die "bench/RESULTS.md has no $kind, $pass\n";
}

# Percent right, without digits after the point.
sub round_of {
    my @seeds = seeds_of(@_);
    return @seeds ? sprintf '%.0f', mean(@seeds) : '-';
}

sub digits_of {
    my ($norm, $batch) = @_;
    return round_of('grid', $norm, $batch, best_rate('grid', $norm, $batch), 'infer', 0);
}

# The mean over the lengths of the training.
sub letters_of {
    my ($norm, $batch) = @_;
    my $rate = best_rate('recall', $norm, $batch);
    return sprintf '%.0f',
        mean(map { seeds_of('recall', $norm, $batch, $rate, 'infer', $_) } 3 .. 12);
}

my %averages = (
    batch => 'n and s, for each channel', layer => 'c, for each sample and position',
    instance => 's, for each sample and channel', group => 'c / groups and s, for each sample',
    rms => 'c, as layer; no mean is subtracted');

sub all_table {
    my @kinds = (@norms[1 .. 5], 'none');
    my $plain = sub { my ($e, $norm, $at) = @_;
        return round_of($e, $norm, $plain_batch, $plain_rate, 'infer', $at) };
    my @rows = (['norm', @kinds]);
    my $row = sub { my ($title, $cell) = @_; push @rows, [$title, map { $cell->($_) } @kinds] };
    $row->('averages over (manual, A3)', sub { $averages{$_[0]} // '' });
    $row->('[batch size](#batch-size): digits, batches of 1, 2, 8, 128', sub {
        join ', ', map { digits_of($_[0], $_) } 1, 2, 8, 128 });
    $row->('[rates](#learning-rates): digits at 0.016, 0.064, 0.25', sub {
        join ', ', map { round_of('grid', $_[0], $plain_batch, $_, 'infer', 0) }
            0.016, 0.064, 0.25 });
    $row->('[training and inference](#training-and-inference): digits, batches of 1', sub {
        return 'the same' if $_[0] ne 'batch';
        my @at = ('grid', 'batch', 1, best_rate('grid', 'batch', 1));
        return round_of(@at, 'infer', 0) . ' in inference, ' . round_of(@at, 'batch', 0) .
            ' as in training'; });
    $row->('[recurrent nets](#recurrent-nets): letters, batches of 4, 32', sub {
        my $norm = $_[0];
        return {instance => 'always beta (A3)', group => 'as layer, by groups (A3)'}->{$norm}
            if !grep { $_ eq $norm } @recurrent;
        my $text = join ', ', map { letters_of($norm, $_) } 4, 32;
        return $text if $norm ne 'batch';
        return "$text; by step " . join ', ', map { letters_of('batch by step', $_) } 4, 32; });
    $row->('[images](#contrast-never-seen): digits at contrast 0.3, 1, 10', sub {
        my $norm = $_[0];
        return join ', ', map { $plain->('contrast', $norm, $_) } 0.3, 1, 10 });
    $row->('[style](#contrast-as-the-answer): contrast, read with a bias, without', sub {
        my $norm = $_[0];
        return join ', ', map { $plain->($_, $norm, 0) } 'biased', 'bare' });
    $row->('[cost](../bench/RESULTS.md): of the speed of memory, forward, backward', sub {
        my $norm = $_[0];
        return '' if $norm eq 'none';
        return join ', ', map { (bench_of($norm, $_))[0] } 'train', 'backward' });
    $row->('[cost](../bench/RESULTS.md): NHWC over NCHW, forward, backward', sub {
        my $norm = $_[0];
        return '' if $norm eq 'none';
        return join ', ', map { (bench_of($norm, $_))[1] } 'train', 'backward' });
    return table(@rows);
}

# ---- Charts --------------------------------------------------------------------------------------

# One line of a chart: the name, the colour, the symbol, dashes, and [x, seeds...] for each point.
# A bar goes from the lowest seed to the highest.
sub series {
    my ($name, $look, $dashes, @points) = @_;
    return {name => $name, colour => $colour{$look}, point => $point{$look}, dashes => $dashes,
            width => 2, bars => 1,
            points => [map {
                my ($x, @seeds) = @$_;
                my @sorted = sort { $a <=> $b } @seeds;
                sprintf '%g %g %g %g', $x, mean(@seeds), $sorted[0], $sorted[-1];
            } grep { @$_ > 1 } @points]};
}

my $blocks = 0;

# The plot command, after its data. $key: the lines have names.
sub plot {
    my ($key, @series) = @_;
    my ($script, @plot) = ('');
    for my $s (@series) {
        my $block = '$d' . ++$blocks;
        my $title = $key ? "title '$s->{name}'" : 'notitle';
        $script .= "$block << EOD\n" . join("\n", @{$s->{points}}, '') . "EOD\n";
        push @plot, "$block using 1:3:(0):(\$4-\$3) with vectors nohead lw 1 " .
            "lc rgb '$s->{colour}' notitle" if $s->{bars};
        push @plot, "$block using 1:2 with linespoints lw $s->{width} dt $s->{dashes} " .
            "pt $s->{point} ps 0.7 lc rgb '$s->{colour}' $title";
    }
    return $script . 'plot ' . join(', ', @plot) . "\n";
}

sub draw {
    my ($name, $width, $height, $script) = @_;
    my $file = "$top/docs/which-$name.svg";
    open my $pipe, '|-', 'gnuplot' or die "gnuplot: $!\n";
    print $pipe "set terminal svg size $width,$height noenhanced font 'sans-serif,13' ",
        "background '#ffffff'\nset output '$file'\nset border 3 lc rgb '#666666'\n",
        "set tics nomirror textcolor rgb '#222222'\nset grid y lc rgb '#dddddd' lt 1\n",
        "set key outside right center Left reverse samplen 2 spacing 1.3 tc rgb '#222222'\n",
        "set yrange [0:102]\nset ytics 0,20,100\nset ylabel 'percent right'\n",
        $script;
    close $pipe or die "gnuplot failed for $file\n";
}

sub level {
    my ($percent, $what, $side) = @_;
    return "set arrow from graph 0, first $percent to graph 1, first $percent nohead dt 3 " .
        "lc rgb '#444444'\nset label '$what' at graph $side, first $percent offset 0,-0.6 " .
        ($side > 0.5 ? 'right' : 'left') . " font ',10' tc rgb '#444444'\n";
}

# Where all are well above guessing the scale begins at 60, and symbols are moved apart a little, so
# that the bars can be told.
my $upper = "set yrange [60:100]\nset ytics 60,5,100\n";
sub apart { my ($x, $which) = @_; return $x * 1.035 ** ($which - 2.5) }

# Those that the claim is about; the table has all.
my @sized = qw(none batch layer group);

sub size_chart {
    draw('batch-size', 760, 420, "set title 'Digits: right answers against batch size' " .
        "font ',15'\nset logscale x 2\nset xrange [0.8:160]\nset xtics (" .
        join(', ', @batches) . ")\nset xlabel 'batch size in training; the best rate for each; " .
        "bars: lowest and highest seed'\n" . "set yrange [84:96]\nset ytics 84,2,96\n" .
        plot(1, map { my $i = $_; my $norm = $sized[$i]; series($norm, $norm, 1, map {
            [apart($_, $i + 1),
             seeds_of('grid', $norm, $_, best_rate('grid', $norm, $_), 'infer', 0)]
        } @batches) } 0 .. $#sized));
}

sub rate_chart {
    my @rates = rates('grid', 'none', $plain_batch);
    draw('rates', 760, 400, "set title 'Digits: right answers against learning rate' " .
        "font ',15'\nset logscale x\nset xrange [0.0008:5]\nset xtics (" .
        join(', ', @rates) . ")\nset xlabel 'learning rate; batches of $plain_batch, momentum " .
        "0.9; bars: lowest and highest seed'\n" . level(10, 'guessing', 0.01) .
        plot(1, map { my $i = $_; my $norm = $norms[$i]; series($norm, $norm, 1, map {
            [apart($_, $i), seeds_of('grid', $norm, $plain_batch, $_, 'infer', 0)]
        } @rates) } 0 .. $#norms));
}

sub mode_chart {
    my %look = (infer => ['batch', 1], batch => ['layer', 2], sorted => ['none', 4]);
    draw('train-infer', 760, 420, "set title 'Batch norm: the same nets, tested with " .
        "statistics from elsewhere' font ',15'\nset logscale x 2\nset xrange [0.8:160]\n" .
        'set xtics (' . join(', ', @batches) . ")\nset xlabel 'batch size, of training and " .
        "of the test'\nset key below\n" . $upper .
        plot(1, map { my $mode = $_; series($mode->[1], @{$look{$mode->[0]}}, map {
            [$_, seeds_of('grid', 'batch', $_, best_rate('grid', 'batch', $_), $mode->[0], 0)]
        } @batches) } @modes));
}

sub contrast_chart {
    draw('contrast', 860, 400, "set title 'Digits: contrasts never seen in training' " .
        "font ',15'\nset logscale x\nset xrange [0.09:11.5]\nset xtics (" .
        join(', ', contrasts()) . ")\nset xlabel 'contrast of the test; shaded: that of the " .
        "training'\nset object rectangle from 0.8,graph 0 to 1.25,graph 1 behind " .
        "fc rgb '#e8e8e8' fs noborder\n" . level(10, 'guessing', 0.99) .
        plot(1, map { my ($name, $norm, $mode) = @$_;
            series($name, $norm, $mode eq 'batch' ? 2 : 1, map {
                [$_, seeds_of('contrast', $norm, $plain_batch, $plain_rate, $mode, $_)]
            } contrasts()) } @contrast_lines));
}

sub answer_chart {
    my ($script, @plot) = ('');
    for my $e (['biased', 'with a bias', '#0072B2', -0.2], ['bare', 'without', '#E69F00', 0.2]) {
        my $block = '$d' . ++$blocks;
        $script .= "$block << EOD\n";
        for my $i (0 .. $#norms) {
            my @seeds = sort { $a <=> $b }
                seeds_of($e->[0], $norms[$i], $plain_batch, $plain_rate, 'infer', 0);
            $script .= sprintf "%g %g %g %g\n", $i + $e->[3], mean(@seeds), @seeds[0, -1];
        }
        $script .= "EOD\n";
        push @plot, "$block using 1:2:(0.36) with boxes fs solid 1 noborder lc rgb '$e->[2]' " .
            "title 'convolutions $e->[1]'",
            "$block using 1:3:(0):(\$4-\$3) with vectors nohead lw 1 lc rgb '#000000' notitle";
    }
    draw('answer', 760, 360, "set title 'Which of four contrasts? The answer is what a norm " .
        "takes away' font ',15'\nset xrange [-0.6:5.6]\nset xtics (" .
        join(', ', map { "'$norms[$_]' $_" } 0 .. $#norms) . ") scale 0\n" .
        "set key above\n" . $script .
        "set arrow from graph 0, first $chance_of_four to graph 1, first $chance_of_four nohead " .
        "front dt 3 lc rgb '#000000'\nset label 'guessing' at graph 1.01, first " .
        "$chance_of_four font ',10' tc rgb '#444444'\nset rmargin 9\nplot " . join(', ', @plot) .
        "\n");
}

sub recall_chart {
    my @sizes = recall_batches();
    my $script = "set multiplot\nset label 9 'Letters: the first of a sequence, by a recurrent " .
        "net' at screen 0.5, screen 0.95 center font ',15'\nset xrange [2.5:20.5]\nset xtics " .
        "(3, 6, 9, 12, 16, 20)\nset tmargin at screen 0.84\nset bmargin at screen 0.15\n" .
        "set xlabel 'length; shaded: longer than in training'\nset object 1 rectangle from " .
        "12.5,graph 0 to 20.5,graph 1 behind fc rgb '#e8e8e8' fs noborder\n" .
        level(12.5, 'guessing', 0.99);
    for my $i (0, 1) {
        my $last = $i == 1;
        $script .= sprintf "set lmargin at screen %g\nset rmargin at screen %g\n",
            $last ? (0.44, 0.76) : (0.08, 0.40);
        $script .= "set title 'batches of $sizes[$i]' offset 0,-0.5\n" .
            ($last ? "set ylabel ''\nset format y ''\nunset label 9\n" .
                 "set key at screen 0.775, screen 0.5 left center\n" : "unset key\n");
        $script .= plot($last, map { my ($name, $norm, $mode) = @$_;
            my $rate = best_rate('recall', $norm, $sizes[$i]);
            my $line = series($name, $norm, $mode eq 'batch' ? 2 : 1, map {
                [$_, seeds_of('recall', $norm, $sizes[$i], $rate, $mode, $_)] } 3 .. 20);
            $line->{bars} = 0;
            $line->{width} = 6 if $norm eq 'layer'; # or that of RMS would hide it
            $line } @recall_lines);
        $script .= "set key\n" if !$last;
    }
    draw('recall', 960, 400, $script . "unset multiplot\n");
}

sub text_chart {
    my @rates = rates('texts', 'none pre', 16);
    draw('texts', 820, 420, "set title 'Transformer of three blocks: right characters against " .
        "learning rate' font ',15'\nset logscale x\nset xrange [0.0008:0.04]\nset xtics (" .
        join(', ', @rates) . ")\nset xlabel 'learning rate of Adam; dashed: the norm after the " .
        "sum (post); bars: both seeds'\n" . level(17, 'always the same', 0.01) .
        plot(1, map { my $i = $_; my ($name, $key, $dashes) = @{$text_lines[$i]};
            my ($norm) = split / /, $key;
            series($name, $norm, $dashes, map {
                [$_ * 1.012 ** ($i - 4), seeds_of('texts', $key, 16, $_, 'infer', 0)] } @rates)
        } 0 .. $#text_lines));
}

sub depth_chart {
    draw('depth', 900, 400, "set title 'Residual net of 21 convolutions: right answers against " .
        "batch size' font ',15'\nset logscale x 2\nset xrange [1.7:38]\nset xtics (" .
        join(', ', depth_batches()) . ")\nset xlabel 'batch size in training; the best rate " .
        "for each; bars: lowest and highest seed'\n" . level(10, 'guessing', 0.5) .
        plot(1, map { my $i = $_; my ($name, $norm, $mode) = @{$depth_lines[$i]};
            series($name, $norm, $mode eq 'batch' ? 2 : 1, map {
                [apart($_, $i + 1), seeds_of('depth', $norm, $_, best_rate('depth', $norm, $_),
                                             $mode, 0)] } depth_batches())
        } 0 .. $#depth_lines));
}

sub paint_chart {
    draw('paint', 760, 420, "set title 'Paintings: error against the contrast of the picture' " .
        "font ',15'\nset logscale x\nset xrange [0.09:11.5]\nset xtics (" .
        join(', ', painted()) . ")\nset xlabel 'contrast of the test; shaded: that of the " .
        "training; bars: both seeds'\nset ylabel 'error, percent of the range'\n" .
        "set yrange [10:40]\nset ytics 10,5,40\nset object rectangle from 0.5,graph 0 to " .
        "2,graph 1 behind fc rgb '#e8e8e8' fs noborder\n" .
        plot(1, map { my $i = $_; my $norm = $columns[$i]; my $rate = best_paint($norm);
            series($norm, $norm, 1, map {
                [$_ * 1.012 ** ($i - 3), seeds_of('paint', $norm, 8, $rate, 'infer', $_)]
            } painted()) } 0 .. $#columns));
}

# The paintings of the first seed, three times as large: a row for what goes in, what is wanted and
# each norm, four styles at each of three contrasts.
my ($scale, $side, $gap) = (3, 16, 4);
my $step = $scale * $side + $gap;

# Puts a picture, as hexadecimal bytes, onto a larger one.
sub put {
    my ($canvas, $left, $top, $hex) = @_;
    my @bytes = map { hex } $hex =~ /../g;
    @bytes = map { ($_) x 3 } @bytes if @bytes == $side * $side;
    for my $y (0 .. $scale * $side - 1) {
        for my $x (0 .. $scale * $side - 1) {
            my $from = 3 * ($side * int($y / $scale) + int $x / $scale);
            $canvas->[$top + $y][$left + $x] = join ' ', @bytes[$from .. $from + 2];
        }
    }
}

sub paint_picture {
    my @rows = (['picture', 'none', 'in'], ['wanted', 'none', 'wanted'],
                map { [$_, $_, 'out'] } @columns);
    my ($height, $width, @canvas, @tics) = (@rows * $step, 0);
    for my $r (0 .. $#rows) {
        my ($name, $norm, $what) = @{$rows[$r]};
        push @tics, sprintf "'%s' %g", $name, ($r + 0.5) * $step;
        my $of = $image{$norm}{best_paint($norm)}{$what};
        my $left = 0;
        for my $contrast (numbers($of)) {
            for my $style (0 .. 3) {
                put(\@canvas, $left, $r * $step, $of->{$contrast}{$style});
                $left += $step;
            }
            $left += 2 * $gap;
        }
        $width = $left - 2 * $gap;
    }
    my $file = "$top/docs/which-paintings.png";
    my ($wide, $high, $third) = ($width + 100, $height + 40, ($width + 2 * $gap) / 3);
    open my $pipe, '|-', 'gnuplot' or die "gnuplot: $!\n";
    print $pipe "set terminal png truecolor size $wide,$high font 'sans-serif,11'\n",
        "set output '$file'\n",
        sprintf("set lmargin at screen %g\nset rmargin at screen %g\n", 90 / $wide,
                (90 + $width) / $wide),
        sprintf("set bmargin at screen %g\nset tmargin at screen %g\n", 5 / $high,
                (5 + $height) / $high),
        "unset border\nunset key\nset tics scale 0 nomirror\nset xrange [-0.5:$width-0.5]\n",
        "set yrange [$height-0.5:-0.5]\nset ytics (", join(', ', @tics), ")\n",
        sprintf("set x2range [-0.5:$width-0.5]\nunset xtics\nset x2tics offset 0,-0.5 " .
                "('contrast 0.2' %g, '1, as in training' %g, '5' %g)\n",
                map { ($_ + 0.5) * $third - $gap } 0 .. 2), "\$p << EOD\n";
    for my $y (0 .. $height - 1) {
        print $pipe "$_ $y ", $canvas[$y][$_] // '255 255 255', "\n" for 0 .. $width - 1;
    }
    print $pipe "EOD\nplot \$p using 1:2:3:4:5 with rgbimage pixels notitle\n";
    close $pipe or die "gnuplot failed for $file\n";
}

# ---- Main ----------------------------------------------------------------------------------------

# Name, experiment, what makes the table and what the charts.
my @sections = (
    ['all', 'bare', \&all_table], ['size', 'grid', \&size_table, \&size_chart],
    ['rates', 'grid', \&rate_table, \&rate_chart], ['modes', 'grid', \&mode_table, \&mode_chart],
    ['contrast', 'contrast', \&contrast_table, \&contrast_chart],
    ['answer', 'bare', \&answer_table, \&answer_chart],
    ['recall', 'recall', \&recall_table, \&recall_chart],
    ['texts', 'texts', \&text_table, \&text_chart],
    ['depth', 'depth', \&depth_table, \&depth_chart],
    ['paint', 'paint', \&paint_table, \&paint_chart, \&paint_picture],
    ['hand', 'hand', \&hand_table]);

my %only;
if (@ARGV > 1 && $ARGV[0] eq '--only') {
    %only = map { $_ => 1 } split /,/, $ARGV[1];
    splice @ARGV, 0, 2;
}
read_figures(@ARGV);
@sections = grep { $of{$_->[1]} && (!%only || $only{$_->[0]}) } @sections;
@batches = numbers($of{grid}{none} // {});
mkdir "$top/build";
mkdir "$top/build/which_norm";
open my $all, '>', "$top/build/which_norm/all.csv" or die "all.csv: $!\n";
print $all "experiment,norm,batch,rate,seed,mode,at,right\n", sort @lines;
close $all or die "all.csv: $!\n";

my $text = do { local (@ARGV, $/) = ($page); <> };
for my $section (@sections) {
    my ($name, undef, $make) = @$section;
    my $table = $make->();
    print "$name\n\n$table\n";
    my ($begin, $end) = map { "<!-- which-norm: $name $_ -->" } 'begins', 'ends';
    $text =~ s/\Q$begin\E\n.*?\Q$end\E/$begin\n\n$table\n$end/s
        or die "$page has no place for $name\n";
}
open my $out, '>', $page or die "$page: $!\n";
print $out $text;
close $out or die "$page: $!\n";
if (grep { -x "$_/gnuplot" } split /:/, $ENV{PATH}) {
    for my $section (@sections) {
        my (undef, undef, undef, @charts) = @$section;
        $_->() for @charts;
    }
    print "docs/choosing.md, docs/which-*.svg, build/which_norm/all.csv\n";
} else {
    print "docs/choosing.md, build/which_norm/all.csv\nSKIP the charts: no gnuplot (Debian: ",
        "gnuplot-nox)\n";
    exit 1 if $ENV{STRICT};
}
