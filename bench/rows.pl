# rows.pl - what a run of build/bench/bench says, and its tables, for table.pl, diff.pl, report.pl.
#
#   my ($context, $rows) = read_rows($file);      rows in the order of the file; each has
#     name, label, times (all repetitions, us), us (their median), low, high, bytes, bytes_twice,
#     limit (us; 0: none), and from its name: sweep, kind, pass, fused, layout, shape, type, who,
#     threads, cold
#   my @tables = tables($context, $rows);         each has title, head and rows of cells
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
    $row->{cold} = @part && $part[-1] eq 'cold' ? pop @part : '';
    if ($part[0] eq 'memory') {
        @$row{qw(kind pass shape threads)} = @part;
        $row->{$_} = '' for qw(fused layout type who);
    } else {
        @$row{qw(kind pass layout shape type who threads)} = @part;
        $row->{fused} = $row->{pass} =~ s/-(.*)// ? $1 : '';
    }
    $row->{threads} = '' unless defined $row->{threads};
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
        $row->{$_} = $run->{$_} // 0 for qw(bytes bytes_twice);
    }
    for my $row (@rows) {
        my @sorted = sort { $a <=> $b } @{$row->{times}};
        @$row{qw(us low high limit)} =
            (median(@sorted), $sorted[0], $sorted[-1], median(@{$row->{limits}}));
        take_name_apart($row);
    }
    return ($json->{context}, \@rows);
}

# The row that agrees with the given one but for the named parts; undef if there is none.
sub sibling {
    my ($index, $row, %change) = @_;
    my %r = (%$row, %change);
    return $index->{join '/', @r{qw(sweep kind pass fused layout shape type who threads cold)}};
}

sub index_rows {
    return {map { (join('/', @$_{qw(sweep kind pass fused layout shape type who threads cold)}),
                   $_) } @{$_[0]}};
}

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

sub best_isa {
    my $isa = lc($_[0]{isa} // '');
    $isa =~ s/-//;
    return $isa;
}

sub plain { return !$_[0]{sweep} && !$_[0]{fused} && !$_[0]{cold} && $_[0]{type} eq 'f32' }

sub unique {
    my %seen;
    return grep { !$seen{$_}++ } @_;
}

# Whether the machine had other things to do: rows of one thread that were kept waiting.
sub busy {
    my @rows = grep { $_->{threads} eq '1t' && !$_->{cold} } @{$_[0]};
    my $kept = grep { median(@{$_->{cpu}}) < 0.95 * $_->{us} } @rows;
    return $kept ? sprintf("The machine was busy: $kept of %d rows of one thread waited for the " .
                           "processor.", scalar @rows) : "The machine was quiet.";
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

# One layout's columns: time, rate, share, and how many times longer naive takes.
sub columns {
    my ($index, $row) = @_;
    return ('') x 4 if !$row;
    return (us($row->{us}), rate($row), share($row),
            over(sibling($index, $row, who => 'naive'), $row));
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
        'NCHW us', 'GB/s', 'limit', 'naive', 'NHWC us', 'GB/s', 'limit', 'naive', 'ratio']} : ();
}

# Rows that are special in one way, beside those that are not.
sub special_table {
    my ($title, $head, $rows, $compare) = @_;
    my @cells = map { [$_->{name}, us($_->{us}), rate($_), share($_), $compare->($_)] } @$rows;
    return @cells ? {title => $title, rows => \@cells, head => ['', 'us', 'GB/s', 'limit', $head]}
                  : ();
}

sub tables {
    my ($context, $rows) = @_;
    my ($best, $index) = (best_isa($context), index_rows($rows));
    my @ours = grep { $_->{kind} ne 'memory' && !$_->{sweep} && $_->{who} !~ /naive|apart/ } @$rows;
    my @usual = grep { $_->{who} eq $best && $_->{type} eq 'f32' } @ours;
    return (
        memory_tables($rows),
        (map { layout_table($_, $best, $rows, $index) } qw(batch layer instance group rms)),
        special_table('storage types', 'over f32', [grep { $_->{type} ne 'f32' } @ours],
            sub { over($_[0], sibling($index, $_[0], type => 'f32')) }),
        special_table('instruction sets', "over $best",
            [grep { $_->{who} ne $best && $_->{type} eq 'f32' } @ours],
            sub { over($_[0], sibling($index, $_[0], who => $best)) }),
        special_table('residual and ReLU fused', 'apart over', [grep { $_->{fused} } @usual],
            sub { over(sibling($index, $_[0], who => 'apart'), $_[0]) }),
        special_table('cold caches', 'over warm', [grep { $_->{cold} } @usual],
            sub { over($_[0], sibling($index, $_[0], cold => '')) }));
}

1;
