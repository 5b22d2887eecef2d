#!/usr/bin/perl
# accuracy.pl - what build/bench/accuracy and tests/test_adversary.c wrote as tables and a chart:
# docs/ACCURACY.md and docs/accuracy.svg, which are left alone unless every library and every input
# took part.
#
#   perl bench/accuracy.pl [build/bench/accuracy.txt]          or: make accuracy
#
# Prints the tables. The chart needs gnuplot.
use strict;
use warnings;
use FindBin;

my $top = "$FindBin::Bin/..";
my $limit = 2 ** 21;                 # in units: an error as large as the scale
my @peers = ('oneDNN', 'onnxruntime', 'PyTorch', 'ggml');
my @who = ('ours', @peers, 'two passes', 'one pass');
my %colour = (ours => '#009E73', oneDNN => '#D55E00', onnxruntime => '#CC79A7',
              PyTorch => '#0072B2', ggml => '#E69F00', 'two passes' => '#999999');

# ---- Reading -------------------------------------------------------------------------------------

my (@version, @input, @shape, @norm, %figure, %seen, @ordinary);

sub read_figures {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    while (<$in>) {
        chomp;
        my @f = split /\t/;
        if ($f[0] eq '# version') { push @version, [@f[1, 2]] }
        elsif ($f[0] eq '# input') {
            push @input, {name => $f[1], eps => $f[2] =~ s/e-0/e-/r, about => $f[3]};
        }
        elsif ($f[0] eq '# shape') { push @shape, [@f[1 .. $#f]] }
        elsif ($f[0] eq '# ordinary') { push @ordinary, [@f[1, 2]] }
        else {
            my ($input, $kind, $pass, $layout, $who, $value) = @f;
            push @norm, "$kind, $pass" if !$seen{"$kind, $pass"}++;
            $figure{$input}{"$kind, $pass"}{$who}{$layout} = $value;
        }
    }
}

# Lines `# worst: y of LAYER: 5.1 e of 10.5 e` by name: [found, proven].
my %adversary;

sub read_adversary {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    while (<$in>) { $adversary{$1} = [$2, $3] if /^# worst: (.*): ([\d.]+) e of ([\d.]+) e$/ }
}

# NaN is worse than Inf, and that than any number.
sub badness { return $_[0] eq 'NaN' ? 9e99 : $_[0] eq 'Inf' ? 8e99 : $_[0] }

sub worst {
    my @sorted = sort { badness($b) <=> badness($a) } grep { defined } @_;
    return $sorted[0];
}

# The worst of a library over norms and layouts; undef where it has none of them.
sub worst_of {
    my ($input, $who, @norms) = @_;
    my $of = $figure{$input} or return undef;
    return worst(map { $of->{$_} ? values %{$of->{$_}{$who} // {}} : () } @norms);
}

# ---- Tables --------------------------------------------------------------------------------------

# Bold where an error is a tenth of the result or more.
sub cell {
    my ($v) = @_;
    return '-' if !defined $v;
    return "**$v**" if $v =~ /NaN|Inf/;
    my $text = $v < 0.995 ? sprintf('%.2f', $v) : $v < 9.95 ? sprintf('%.1f', $v)
        : $v < 9999.5 ? sprintf('%.0f', $v) : sprintf('%.1e', $v) =~ s/e\+0*/e/r;
    return $v < $limit / 10 ? $text : "**$text**";
}

# $right: where numbers are, which are aligned to the right. The first row is the head.
sub table {
    my ($right, @rows) = @_;
    my @width = map { my $i = $_; (sort { $b <=> $a } map { length $_->[$i] } @rows)[0] }
        0 .. $#{$rows[0]};
    my $line = sub {
        my @cells = @_;
        return '| ' . join(' | ', map {
            sprintf $right->($_) ? '%*s' : '%-*s', $width[$_], $cells[$_] } 0 .. $#cells) . " |\n";
    };
    my @rule = map { $right->($_) ? '-' x ($width[$_] - 1) . ':' : '-' x $width[$_] } 0 .. $#width;
    my $head = shift @rows;
    return join '', map({ $line->(@$_) } $head, \@rule, @rows), "\n";
}

# Which of the adversary's inputs belong to a row of `ordinary`.
my %built = ('y of rows' => qr/^y of LAYER$/, 'y of RMS' => qr/^y of RMS$/,
             'y of channels' => qr/^y of (?:BATCH|INSTANCE|GROUP)$/, 'dx' => qr/^dx/,
             'dgamma' => qr/^dgamma/, 'dbeta' => qr/^dbeta/, 'y of doubles' => qr/F64$/);

sub three_columns {
    my @rows = (['result', 'drawn', 'adversary', 'proven']);
    for my $row (@ordinary) {
        my ($name, $drawn) = @$row;
        my @found = sort { $b->[0] <=> $a->[0] }
            map { $adversary{$_} } grep { /$built{$name}/ } keys %adversary;
        die "no input of the adversary for $name\n" if !@found;
        push @rows, [$name, sprintf('%.2f', $drawn), map { sprintf '%.2f', $_ } @{$found[0]}];
    }
    return table(sub { $_[0] }, @rows) =~ s/\n\z//r;
}

my (@backward, @forward);

# The inputs of which there are figures of someone.
sub present {
    my ($who, @norms) = @_;
    return grep { defined worst_of($_->{name}, $who, @norms) } @input;
}

sub summary {
    my (@norms) = @_;
    my @columns = grep { present($_, @norms) } @who;
    my @rows = (['input', 'eps', @columns]);
    for my $i (@input) {
        next if !defined worst_of($i->{name}, 'ours', @norms);
        push @rows, [$i->{name}, $i->{eps},
                     map { cell(worst_of($i->{name}, $_, @norms)) } @columns];
    }
    return table(sub { $_[0] }, @rows) . first_digits(\@columns, @norms);
}

# On how many inputs the cell of a column is bold.
sub first_digits {
    my ($columns, @norms) = @_;
    my @said;
    for my $who (@$columns) {
        my @cells = grep { $_ ne '-' } map { cell(worst_of($_->{name}, $who, @norms)) } @input;
        push @said, "$who on " . grep({ /\*/ } @cells) . (@said ? '' : ' of ' . @cells . ' inputs');
    }
    return wrapped("The first digit is wrong in " . join(', in ', @said) . ".");
}

sub wrapped {
    my ($text) = @_;
    $text =~ s/(.{1,100})(?: |$)/$1\n/g;
    return "$text\n";
}

# One norm and pass: a column for each library and layout that differ.
sub details {
    my ($norm) = @_;
    my (@columns, @rows);
    for my $who (@who) {
        my %layouts = map { ($_, 1) } map { keys %{$_->{$norm}{$who} // {}} }
            grep { $_->{$norm} } values %figure;
        next if !%layouts;
        if ((grep { $_ eq $who } @peers) && keys %layouts > 1) {
            push @columns, map { [$who, "$who $_", $_] } sort keys %layouts;
        } else {
            push @columns, [$who, $who];
        }
    }
    push @rows, ['input', map { $_->[1] } @columns];
    for my $i (@input) {
        my $of = $figure{$i->{name}} && $figure{$i->{name}}{$norm} or next;
        push @rows, [$i->{name}, map { cell($_->[2] ? $of->{$_->[0]}{$_->[2]}
                                            : worst(values %{$of->{$_->[0]} // {}})) } @columns];
    }
    return "### \u$norm\n\n" . table(sub { $_[0] }, @rows);
}

sub report {
    my $made = wrapped('Made by `make accuracy` ([bench/accuracy.c](../bench/accuracy.c)) with ' .
                       join('; ', map { join ' ', @$_ } @version) . '.');
    my $names = join(', ', @peers[0 .. $#peers - 1]) . " and $peers[-1]";
    my $text = <<"END";
# Accuracy

$made![Worst errors of ours, $names for each input](accuracy.svg)

## How large an error can be

Worst errors of ours, in units of e times the scale of each result ([bound](NUMERICS.md#bound)); e
is 2^-23, of doubles 2^-52. The scale of y is |gamma| \\* (1 + |xhat|) + |beta|.

@{[three_columns()]}
- drawn: all inputs of this page, from N(0, 1) to bits at random. Of doubles without what rounding
  the mean costs, which the bound counts apart.
- adversary: the worst input that [fuzz/adversary.c](../fuzz/adversary.c) has built against the
  sums, one rounding after the other ([tests/test_adversary.c](../tests/test_adversary.c)).
- proven: no finite input exceeds it. This is the bound that the library promises; of doubles that
  of lists whose blocks are 128 values.

## Beside others

The unit of all that follows is 4e, of dx 6e: 4.8e-7 of the scale of each single result, of dx
7.2e-7. Drawn data stay below 1 with ours. 2.1e6 is an error as large as the scale. **Bold**: the
first digit is wrong already (an error of a tenth of the scale or more), or NaN or Inf where a
finite number is right. Errors are against long double results. [Inputs](#inputs) says what the rows
are.

- Each figure is the worst of all values, of a backward pass those of dx, dgamma and dbeta. Each
  library goes on from its own forward pass.
- ours: both layouts; that their bits are the same is checked in the same run. Above 1, or with
  other bits in NHWC, `make accuracy` fails.
- The libraries get float data and one thread. Their figures are those of the instructions that the
  first line names: with wider ones sums go in another order. Where they have several ways to a
  result, as for instance norm, the most accurate one counts. Layer and RMS norm are those of a
  matrix. A library without a column has no such norm: onnxruntime and ggml have NCHW and forward
  alone, onnxruntime no training of batch norm, ggml no batch norm. oneDNN's dx of RMS norm (3.9 to
  3.14) has the mean of dy \\* gamma subtracted, as that of layer norm has, and is left out.
- two passes, one pass: plain loops, float sums in order; the variance as the mean of (x - mean)^2,
  or as E[x^2] - E[x]^2 (and inference as x \\* scale + shift).
- What the libraries get on problems of all shapes, drawn to be hard, is
  [below](#under-fuzz-yours).

END
    my $most = worst(map { worst_of($_->{name}, 'ours', @norm) } @input);
    $text .= 'The worst of ours in all these calls: ' . cell($most) . ".\n\n";
    $text .= "## All norms and layouts\n\n### Forward: training and inference\n\n" .
        summary(@forward) . "### Backward\n\n" . summary(@backward);
    $text .= "## Each norm\n\n" . join '', map { details($_) } @norm;
    $text .= "## Inputs\n\nEach group of values that share a mean is drawn by itself. gamma is " .
        "about 1 +- 0.25, beta 0 +- 0.25,\ndy is of N(0, 1) where nothing else is said. Running " .
        "statistics are those of the data,\nrounded to float. eps is smaller where 1e-5 would " .
        "hide everything else.\n\n";
    $text .= table(sub { $_[0] == 1 }, ['input', 'eps', 'what'],
                   map { [@{$_}{qw(name eps about)}] } @input);
    my @rows = (['norm', 'n x c x h x w', 'groups']);
    push @rows, [map { $_ eq '0' ? '' : $_ } @$_] for @shape;
    return $text . table(sub { $_[0] }, @rows) . fuzzed();
}

# What fuzz-yours says of other functions; fuzz/README.md keeps the table.
sub fuzzed {
    open my $in, '<', "$top/fuzz/README.md" or die "fuzz/README.md: $!\n";
    my $text = do { local $/; <$in> };
    $text =~ /^### What others get\n(.*?)\n`fuzz\/peers/ms or die "fuzz/README.md: no table\n";
    return "## Under fuzz-yours\n\n[`make fuzz-yours`](../fuzz/README.md#fuzz-your-own-function) " .
        "draws problems of all\nshapes for a function, ordinary and hostile ones.\n$1";
}

# ---- The chart -----------------------------------------------------------------------------------

my ($least, $most, $edge) = (0.02, 1e9, 6e10); # bars are cut at $most; beyond it are their labels

# Who has bars in a panel, and between which heights of a row; plain loops have half the height.
sub places {
    my ($norms) = @_;
    my @shown = grep { present($_, @$norms) } 'ours', @peers, 'two passes';
    my ($high, $step, @place) = (0.43, 0.86 / (@shown - 0.5));
    for my $who (@shown) {
        my $low = $high - ($who eq 'two passes' ? $step / 2 : $step);
        push @place, [$who, $high, $low];
        $high = $low;
    }
    return @place;
}

sub panel {
    my ($number, $norms, $names) = @_;
    my (%bars, @labels);
    my @place = places($norms);
    for my $row (0 .. $#$names) {
        for my $place (@place) {
            my ($who, $high, $low) = @$place;
            my $v = worst_of($names->[$row], $who, @$norms) // next;
            my $bad = $v =~ /NaN|Inf/;
            my $end = $bad || $v > $most ? $most : $v;
            push @{$bars{$who . ($bad ? ' bad' : '')}},
                sprintf '%g %.3f %.3f', $end, $low - $row, $high - $row;
            next if $who eq 'two passes' || $bad || $v <= $most;
            push @labels, sprintf '%g %.3f "%s"', $most * 1.5, ($high + $low) / 2 - $row,
                sprintf('%.0e', $v) =~ s/e\+0*/e/r;
        }
    }
    my ($script, @plot) = ('');
    for my $key (sort keys %bars) {
        my $block = "p${number}_" . $key =~ s/ /_/gr;
        my ($who) = $key =~ /^(.*?)(?: bad)?$/;
        my $style = $key =~ /bad$/ ? "fs pattern 2 border lc rgb '$colour{$who}'"
            : 'fs solid 1 noborder';
        $script .= "\$$block << EOD\n" . join("\n", @{$bars{$key}}, '') . "EOD\n";
        push @plot, "\$$block using 1:2:($least):1:2:3 with boxxyerror $style " .
            "lc rgb '$colour{$who}' notitle";
    }
    if (@labels) {
        $script .= "\$l$number << EOD\n" . join("\n", @labels, '') . "EOD\n";
        push @plot, "\$l$number using 1:2:3 with labels left font ',8' tc rgb '#222222' notitle";
    }
    return $script . 'plot ' . join(', ', @plot) . "\n";
}

sub legend {
    my ($y, $height) = @_;
    my ($x, $script, $n) = (0.065, '', 20);
    my %number = map { @$_ } @version;
    for my $e ([ours => 'normalize.h'], map({ [$_, "$_ $number{$_}"] } @peers),
               ['two passes', 'plain float loops'],
               ['bad', 'NaN or Inf where a number is right']) {
        ($x, $y) = (0.065, $y - 22 / $height) if $e->[0] eq 'two passes';
        my $fill = $e->[0] eq 'bad' ? "fs pattern 2 border lc rgb '#444444' fc rgb '#444444'"
            : "fs solid 1 noborder fc rgb '$colour{$e->[0]}'";
        $script .= sprintf "set object %d rectangle from screen %.4f,%.4f to screen %.4f,%.4f " .
            "%s\nset label %d '%s' at screen %.4f,%.4f\n", $n, $x, $y - 5 / $height,
            $x + 0.024, $y + 5 / $height, $fill, $n, $e->[1], $x + 0.03, $y;
        $x += 0.052 + 0.0082 * length $e->[1];
        $n++;
    }
    return $script;
}

sub chart {
    my ($file) = @_;
    my @names = map { $_->{name} } @input;
    my $height = 172 + 36 * @names;
    my $script = "set terminal svg size 900,$height noenhanced font 'sans-serif,12' " .
        "background '#ffffff'\nset output '$file'\nset border 3 lc rgb '#666666'\n" .
        "set tics textcolor rgb '#222222'\nset multiplot\nset logscale x\n" .
        "set xrange [$least:$edge]\nset yrange [" . (0.4 - @names) . ":0.6]\n" .
        "set xtics nomirror font ',10' ('0.1' 0.1, '1' 1, '10' 10, '100' 100, '1e3' 1e3, " .
        "'1e4' 1e4, '1e5' 1e5, '1e6' 1e6, '1e7' 1e7, '1e8' 1e8, '1e9' 1e9)\n" .
        "set grid x lc rgb '#dddddd' lt 1\n" .
        sprintf("set tmargin at screen %.4f\nset bmargin at screen %.4f\n",
                1 - 114 / $height, 50 / $height) .
        "set arrow 1 from 1,graph 0 to 1,graph 1 nohead lc rgb '#000000' lw 1.5 front\n" .
        "set arrow 2 from $limit,graph 0 to $limit,graph 1 nohead lc rgb '#000000' lw 1 dt 3 " .
        "front\nset label 1 'Worst error for each input, forward and backward, of all norms and " .
        "layouts; float' at screen 0.5," . (1 - 20 / $height) . " center font ',15'\n" .
        "set label 2 'in units of what ours stays below for such data (line at 1); dotted: an " .
        "error as large as the result' at screen 0.5," . 14 / $height . " center\n" .
        legend(1 - 48 / $height, $height);
    my @panel = (['forward (no batch norm in ggml, no training in onnxruntime)', \@forward,
                  0.125, 0.555],
                 ['backward', \@backward, 0.565, 0.995]);
    for my $i (0, 1) {
        my ($title, $norms, $left, $right) = @{$panel[$i]};
        my @tics = map { my $name = $i ? '' : $names[$_]; "'$name' -$_" } 0 .. $#names;
        $script .= "set lmargin at screen $left\nset rmargin at screen $right\n" .
            "set title '$title' offset 0,-0.6\nset ytics (" . join(', ', @tics) .
            ") nomirror scale 0 font ',11'\n" . panel($i, $norms, \@names) .
            "unset label\nunset object\n";
    }
    open my $pipe, '|-', 'gnuplot' or die "gnuplot: $!\n";
    print $pipe $script, "unset multiplot\n";
    close $pipe or die "gnuplot failed for $file\n";
}

# ---- Main ----------------------------------------------------------------------------------------

die "usage: accuracy.pl [ACCURACY.txt]\n" if @ARGV > 1;
read_figures($ARGV[0] // "$top/build/bench/accuracy.txt");
read_adversary("$top/build/bench/adversary.txt");
@backward = grep { /backward/ } @norm;
@forward = grep { !/backward/ } @norm;
my $report = report();
print $report;
my @missing = grep { !present($_, @norm) } @who;
push @missing, 'some inputs' if grep { !$figure{$_->{name}} } @input;
if (@missing) {
    print "\ndocs/ACCURACY.md is left as it is; this run is without ", join(', ', @missing), "\n";
    exit;
}
open my $out, '>', "$top/docs/ACCURACY.md" or die "docs/ACCURACY.md: $!\n";
print $out $report;
close $out or die "docs/ACCURACY.md: $!\n";
if (grep { -x "$_/gnuplot" } split /:/, $ENV{PATH}) {
    chart("$top/docs/accuracy.svg");
    print "\ndocs/ACCURACY.md, docs/accuracy.svg\n";
} else {
    print "\nSKIP docs/accuracy.svg: no gnuplot (make deps-bench)\n";
    exit 1 if $ENV{STRICT};
}
