# rows.pl - what a run of build/bench/bench says, and its tables, for table.pl, diff.pl, report.pl.
#
#   my ($context, $rows) = read_rows($file);      rows in the order of the file; each has
#     name, label, times (all repetitions, us), us (their median), low, high, best (the shortest,
#     without waiting for the processor), bytes, bytes_twice, limit (us; 0: none), mine and rival
#     (s; 0: no rival), bits (of the vectors of plain loops), busy (threads without a processor
#     each), and from its name: sweep, kind, pass, fused, layout, shape, elements, type, who,
#     threads, cold, malloc
#   my @tables = tables($context, $rows);         each has title, head and rows of cells
#   my @lines = verdicts($context, $rows);        what they come to, against what is aimed at
use strict;
use warnings;
use JSON::PP;

my %to_us = (ns => 1e-3, us => 1, ms => 1e3, s => 1e6);

sub median {
    my @v = sort { $a <=> $b } @_;
    return @v ? ($v[($#v) / 2] + $v[@v / 2]) / 2 : 0;
}

sub take_name_apart {
    my ($row) = @_;
    my @part = split m{/}, $row->{name};
    $row->{sweep} = @part && $part[0] eq 'sweep' ? shift @part : '';
    $row->{malloc} = @part && $part[-1] eq 'malloc' ? pop @part : '';
    $row->{cold} = @part && $part[-1] eq 'cold' ? pop @part : '';
    if ($part[0] eq 'memory') {
        @$row{qw(kind pass shape threads)} = @part;
        $row->{$_} = '' for qw(fused layout type who);
    } else {
        @$row{qw(kind pass layout shape type who threads)} = @part;
        $row->{fused} = $row->{pass} =~ s/-(.*)// ? $1 : '';
    }
    $row->{threads} = '' unless defined $row->{threads};
    $row->{elements} = 1;
    $row->{elements} *= $_ for $row->{kind} eq 'memory' ? () : split /x/, $row->{shape};
}

# Other work on the machine makes a repetition longer, never shorter. While a thread waits for the
# processor, its own clock stands; a cold row's runs on while the caches are emptied.
sub best_of {
    my ($row) = @_;
    my @times = @{$row->{times}};
    push @times, @{$row->{cpu}} if $row->{threads} eq '1t' && !$row->{cold};
    return (sort { $a <=> $b } @times)[0];
}

sub read_rows {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    my $json = eval { decode_json(<$in>) } or die "$file: not a file of build/bench/bench\n";
    my (@rows, %at);
    for my $run (@{$json->{benchmarks}}) {
        next if ($run->{run_type} // '') ne 'iteration' || $run->{error_occurred};
        my $row = $at{$run->{name}};
        if (!$row) {
            $row = $at{$run->{name}} = {name => $run->{name}, label => $run->{label} // ''};
            push @rows, $row;
        }
        push @{$row->{times}}, $run->{real_time} * $to_us{$run->{time_unit}};
        push @{$row->{limits}}, 1e6 * ($run->{limit} // 0);
        push @{$row->{cpu}}, $run->{cpu_time} * $to_us{$run->{time_unit}};
        $row->{$_} = $run->{$_} // 0 for qw(bytes bytes_twice mine rival bits busy);
    }
    for my $row (@rows) {
        my @sorted = sort { $a <=> $b } @{$row->{times}};
        @$row{qw(us low high limit)} =
            (median(@sorted), $sorted[0], $sorted[-1], median(@{$row->{limits}}));
        take_name_apart($row);
        $row->{best} = best_of($row);
    }
    return ($json->{context}, \@rows);
}

my @parts = qw(sweep kind pass fused layout shape type who threads cold malloc);

# The row that agrees with the given one but for the named parts; undef if there is none.
sub sibling {
    my ($index, $row, %change) = @_;
    my %r = (%$row, %change);
    return $index->{join '/', @r{@parts}};
}

sub index_rows { return {map { (join('/', @$_{@parts}), $_) } @{$_[0]}} }

# Three significant digits, and never 1e+03.
sub us {
    my ($us) = @_;
    return sprintf $us < 9.995 ? '%.2f' : $us < 99.95 ? '%.1f' : '%.0f', $us;
}
sub rate { return sprintf '%.1f', $_[0]{bytes} / $_[0]{us} / 1e3 }

# Share of the limit; a star where a group leaves the last cache before its second reading.
sub share {
    my ($row) = @_;
    return '' if !$row->{limit};
    return sprintf '%.0f%%%s', 100 * $row->{limit} / $row->{us},
        $row->{bytes_twice} > $row->{bytes} ? '*' : '';
}

# One time over another, if there are both.
sub over {
    my ($row, $other) = @_;
    return $row && $other ? sprintf '%.2f', $row->{us} / $other->{us} : '';
}

# The same of the best times.
sub best_over {
    my ($row, $other) = @_;
    return $row && $other ? $row->{best} / $other->{best} : undef;
}

# A row's time over that of ours, aligned and fused, which was measured in turn with it.
sub over_rival {
    my ($row) = @_;
    return $row && $row->{rival} ? $row->{mine} / $row->{rival} : undef;
}

sub inverse { return defined $_[0] ? 1 / $_[0] : undef }

sub ratio { return defined $_[0] ? sprintf '%.2f', $_[0] : '' }

sub geometric_mean {
    my $sum = 0;
    $sum += log $_ for @_;
    return @_ ? exp($sum / @_) : 0;
}

sub best_isa {
    my $isa = lc($_[0]{isa} // '');
    $isa =~ s/-//;
    return $isa;
}

sub plain {
    my ($row) = @_;
    return $row->{type} eq 'f32' && !grep { $row->{$_} } qw(sweep fused cold malloc);
}

sub unique {
    my %seen;
    return grep { !$seen{$_}++ } @_;
}

# Whether the machine had other things to do: rows of one thread that were kept waiting.
sub busy {
    my @rows = grep { $_->{threads} eq '1t' && !$_->{cold} } @{$_[0]};
    my $kept = grep { median(@{$_->{cpu}}) < 0.95 * $_->{us} } @rows;
    my $threads = grep { $_->{busy} } @{$_[0]};
    my $text = $kept ? sprintf("The machine was busy: $kept of %d rows of one thread waited for " .
                               "the processor.", scalar @rows) : "The machine was quiet.";
    return $threads ? "$text $threads rows of more threads found no quiet." : $text;
}

# ---- Tables --------------------------------------------------------------------------------------

sub memory_tables {
    my ($rows) = @_;
    my %gb = map { ($_->{name}, rate($_)) } grep { $_->{kind} eq 'memory' } @$rows;
    my @names = map { [split m{/}, $_->{name}] } grep { $_->{kind} eq 'memory' } @$rows;
    my @what = qw(read copy triad copy-stream triad-stream);
    my (@tables, $threads);
    for $threads (unique(map { $_->[3] } @names)) {
        push @tables, {title => "memory, $threads, GB/s", head => ['each tensor', @what], rows => [
            map { my $size = $_; [$size, map { $gb{"memory/$_/$size/$threads"} // '' } @what] }
            unique(map { $_->[2] } @names)]};
    }
    return @tables;
}

# One layout's columns: time, rate, share, over plain loops, as malloc aligns over aligned.
sub columns {
    my ($index, $row) = @_;
    return ('') x 5 if !$row;
    return (us($row->{us}), rate($row), share($row),
            ratio(inverse(over_rival(sibling($index, $row, who => 'naive')))),
            ratio(over_rival(sibling($index, $row, malloc => 'malloc'))));
}

sub layout_table {
    my ($kind, $best, $rows, $index) = @_;
    my @cells;
    for my $row (grep { $_->{kind} eq $kind && plain($_) && $_->{who} eq $best } @$rows) {
        my $nchw = sibling($index, $row, layout => 'NCHW');
        my $nhwc = sibling($index, $row, layout => 'NHWC');
        next if $nchw && $row != $nchw;
        push @cells, [@$row{qw(shape pass threads)},
            columns($index, $row->{layout} eq 'NHWC' ? undef : $row), columns($index, $nhwc),
            over($nhwc, $nchw)];
    }
    return @cells ? {title => "$kind norm", rows => \@cells, head => ['shape', 'pass', '',
        'NCHW us', 'GB/s', 'limit', 'plain', 'malloc', 'NHWC us', 'GB/s', 'limit', 'plain',
        'malloc', 'ratio']} : ();
}

# Rows that are special in one way, beside those that are not.
sub special_table {
    my ($title, $head, $rows, $compare) = @_;
    my @cells = map { [$_->{name}, us($_->{us}), rate($_), share($_), $compare->($_)] } @$rows;
    return @cells ? {title => $title, rows => \@cells, head => ['', 'us', 'GB/s', 'limit', $head]}
                  : ();
}

my @kinds = qw(batch layer instance group rms);
my @passes = qw(train infer backward);

# Calls of fewer values are all overhead: they have a table of their own, with those up to a few
# thousand.
my ($least_values, $few_values) = (1024, 4096);

sub small_table {
    my ($best, $rows, $index) = @_;
    my @cells;
    for my $row (grep { $_->{elements} <= $few_values && plain($_) && $_->{who} eq $best &&
                        $_->{threads} eq '1t' } @$rows) {
        my $naive = sibling($index, $row, who => 'naive');
        push @cells, [join('/', @$row{qw(kind pass layout shape)}),
                      map({ $_ ? sprintf '%.0f', 1e3 * $_->{best} : '' } $row, $naive),
                      ratio(inverse(over_rival($naive)))];
    }
    return @cells ? {title => 'small calls', head => ['', 'ns', 'plain ns', 'over plain'],
                     rows => \@cells} : ();
}

# Rows that a kind and pass are judged by.
sub judged {
    my ($best, $rows, $kind, $pass) = @_;
    return grep { plain($_) && $_->{who} eq $best && $_->{threads} eq '1t' &&
                  $_->{kind} eq $kind && $_->{pass} eq $pass &&
                  $_->{elements} >= $least_values } @$rows;
}

# A geometric mean, and the largest with whose it is, of [ratio, row].
sub mean_and_worst {
    my @pairs = sort { $b->[0] <=> $a->[0] } grep { defined $_->[0] } @_;
    return ('', '') if !@pairs;
    return (ratio(geometric_mean(map { $_->[0] } @pairs)),
            ratio($pairs[0][0]) . " $pairs[0][1]{layout} $pairs[0][1]{shape}");
}

sub over_naive {
    my ($index, $rows) = @_;
    return map { [inverse(over_rival(sibling($index, $_, who => 'naive'))), $_] } @$rows;
}

sub over_aligned {
    my ($index, $rows) = @_;
    return map { [over_rival(sibling($index, $_, malloc => 'malloc')), $_] } @$rows;
}

sub summary_table {
    my ($best, $rows, $index) = @_;
    my @cells;
    for my $kind (@kinds) {
        for my $pass (@passes) {
            my @mine = judged($best, $rows, $kind, $pass) or next;
            my @ratios = sort { $a <=> $b } map {
                my $nchw = sibling($index, $_, layout => 'NCHW');
                $nchw ? $_->{us} / $nchw->{us} : ()
            } grep { $_->{layout} eq 'NHWC' } @mine;
            push @cells, [$kind, $pass, scalar @mine,
                sprintf('%.0f%%', 100 * geometric_mean(map { $_->{limit} / $_->{us} } @mine)),
                @ratios ? (ratio(geometric_mean(@ratios)), ratio($ratios[-1])) : ('', ''),
                mean_and_worst(over_naive($index, \@mine)),
                mean_and_worst(over_aligned($index, \@mine))];
        }
    }
    return @cells ? {title => 'in short', rows => \@cells, head => ['kind', 'pass', 'rows', 'limit',
        'NHWC/NCHW', 'worst', 'plain', 'worst', 'malloc', 'worst']} : ();
}

sub tables {
    my ($context, $rows) = @_;
    my ($best, $index) = (best_isa($context), index_rows($rows));
    my @ours = grep { $_->{kind} ne 'memory' && !$_->{sweep} && !$_->{malloc} &&
                      $_->{who} !~ /naive|apart/ } @$rows;
    my @usual = grep { $_->{who} eq $best && $_->{type} eq 'f32' } @ours;
    return (
        memory_tables($rows),
        (map { layout_table($_, $best, $rows, $index) } @kinds),
        small_table($best, $rows, $index),
        special_table('storage types', 'over f32', [grep { $_->{type} ne 'f32' } @ours],
            sub { over($_[0], sibling($index, $_[0], type => 'f32')) }),
        special_table('instruction sets', "over $best",
            [grep { $_->{who} ne $best && $_->{type} eq 'f32' } @ours],
            sub { over($_[0], sibling($index, $_[0], who => $best)) }),
        special_table('residual and ReLU fused', 'apart over', [grep { $_->{fused} } @usual],
            sub { ratio(over_rival(sibling($index, $_[0], who => 'apart'))) }),
        special_table('cold caches', 'over warm', [grep { $_->{cold} } @usual],
            sub { over($_[0], sibling($index, $_[0], cold => '')) }),
        summary_table($best, $rows, $index));
}

# ---- Verdicts ------------------------------------------------------------------------------------

# What is aimed at: the time of a row over that of plain loops, of a kind and pass, of all.
my %most = (train => 1.25, infer => 1.25, backward => 1.5, mean => 0.95, all => 0.85);

sub plain_verdict {
    my ($best, $rows, $index) = @_;
    my (@all, @above);
    for my $kind (@kinds) {
        for my $pass (@passes) {
            my @pairs = grep { defined $_->[0] }
                over_naive($index, [judged($best, $rows, $kind, $pass)]) or next;
            my $mean = geometric_mean(map { $_->[0] } @pairs);
            push @above, sprintf '  %.2f  %s %s, mean', $mean, $kind, $pass if $mean > $most{mean};
            push @above, map { sprintf '  %.2f  %s', @$_ } map { [$_->[0], $_->[1]{name}] }
                sort { $b->[0] <=> $a->[0] } grep { $_->[0] > $most{$pass} } @pairs;
            push @all, map { $_->[0] } @pairs;
        }
    }
    return if !@all;
    return (sprintf('plain loops: %.2f of their time, the geometric mean of %d rows (aim: %.2f)',
                    geometric_mean(@all), scalar @all, $most{all}),
            @above ? "above the aim ($most{train} forward, $most{backward} backward, $most{mean} " .
                'the mean of a kind and pass):' : 'none above the aim', @above);
}

sub malloc_verdict {
    my ($best, $rows, $index) = @_;
    my @pairs = sort { $b->[0] <=> $a->[0] } grep { defined $_->[0] }
        over_aligned($index, [grep { $_->{who} eq $best && plain($_) } @$rows]) or return;
    return sprintf 'malloc alignment: worst %.2f (%s), mean %.2f of %d rows',
        $pairs[0][0], $pairs[0][1]{name}, geometric_mean(map { $_->[0] } @pairs), scalar @pairs;
}

sub type_verdicts {
    my ($best, $rows, $index) = @_;
    my @lines;
    for my $type (unique(map { $_->{type} } @$rows)) {
        my @parts;
        for my $cold ('', 'cold') {
            my @ratios = grep { defined } map { best_over($_, sibling($index, $_, type => 'f32')) }
                grep { $_->{type} eq $type && $_->{cold} eq $cold && $_->{who} eq $best &&
                       !$_->{fused} && !$_->{malloc} && $_->{threads} eq '1t' } @$rows;
            push @parts, sprintf '%.2f %s (%d rows)', geometric_mean(@ratios),
                $cold ? 'from memory' : 'in cache', scalar @ratios if @ratios;
        }
        push @lines, "$type over float: " . join ', ', @parts if @parts && $type !~ /^(f32)?$/;
    }
    return @lines;
}

sub verdicts {
    my ($context, $rows) = @_;
    my @about = (best_isa($context), $rows, index_rows($rows));
    return (malloc_verdict(@about), type_verdicts(@about), plain_verdict(@about));
}

1;
