# rows.pl - what a file of build/bench/bench says, for table.pl, diff.pl and report.pl.
#
#   my ($context, $rows) = read_rows($file);      rows in the order of the file; each has
#     name, label, times (all repetitions, us), us (their median), low, high, bytes, bytes_twice,
#     limit (us; 0: none), and from its name: sweep, kind, pass, fused, layout, shape, type, who,
#     threads, cold
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

1;
