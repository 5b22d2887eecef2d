#!/usr/bin/perl
# table.pl - a file of build/bench/bench as tables to read: perl bench/table.pl FILE.json
use strict;
use warnings;
use FindBin;
require "$FindBin::Bin/rows.pl";

die "usage: table.pl FILE.json\n" if @ARGV != 1;
my ($context, $rows) = read_rows($ARGV[0]);
my $index = index_rows($rows);
my $best = $context->{isa} // '';
$best =~ s/-//;
$best = lc $best;

# One layout's columns: time, rate, share, and how many times longer naive takes.
sub columns {
    my ($row) = @_;
    return sprintf '%10s %6s %5s %6s', ('') x 4 if !$row;
    my $naive = sibling($index, $row, who => 'naive');
    return sprintf '%10s %6s %5s %6s', us($row->{us}), rate($row), share($row),
        $naive ? sprintf '%.1fx', $naive->{us} / $row->{us} : '';
}

sub layouts {
    my ($kind) = @_;
    my @mine = grep { $_->{kind} eq $kind && !$_->{sweep} && !$_->{fused} && !$_->{cold} &&
                      $_->{type} eq 'f32' && $_->{who} eq $best } @$rows;
    return if !@mine;
    printf "\n%-15s %-8s %2s %10s %6s %5s %6s %10s %6s %5s %6s %6s\n", "$kind norm", 'pass', '',
        'NCHW us', 'GB/s', 'limit', 'naive', 'NHWC us', 'GB/s', 'limit', 'naive', 'ratio';
    my $last = '';
    for my $row (@mine) {
        my $other = sibling($index, $row, layout => 'NHWC');
        next if $row->{layout} eq 'NHWC' && sibling($index, $row, layout => 'NCHW');
        printf "%-15s %-8s %2s %s %s %6s\n", $last eq $row->{shape} ? '' : $row->{shape},
            @$row{qw(pass threads)}, columns($row->{layout} eq 'NHWC' ? undef : $row),
            columns($row->{layout} eq 'NHWC' ? $row : $other),
            $other && $other != $row ? sprintf '%.2f', $other->{us} / $row->{us} : '';
        $last = $row->{shape};
    }
}

# What is special about a row, with what it is compared.
sub special {
    my ($title, $about, $pick, $beside, $what) = @_;
    my @mine = grep { $pick->($_) && !$_->{sweep} && $_->{kind} ne 'memory' } @$rows;
    return if !@mine;
    printf "\n%-58s %12s %7s %6s %9s\n", $title, 'us', 'GB/s', 'limit', $about;
    for my $row (@mine) {
        my $other = $beside->($row);
        printf "%-58s %12s %7s %6s %9s\n", $row->{name}, us($row->{us}), rate($row), share($row),
            $other ? sprintf '%.2f%s', $other->{us} / $row->{us}, $what : '';
    }
}

sub memory {
    my @sizes = do { my %seen; grep { !$seen{$_}++ } map { $_->{shape} }
                     grep { $_->{kind} eq 'memory' } @$rows };
    my @threads = do { my %seen; grep { !$seen{$_}++ } map { $_->{threads} }
                       grep { $_->{kind} eq 'memory' } @$rows };
    my @what = qw(read copy triad copy-stream triad-stream);
    my %at = map { ("$_->{pass}/$_->{shape}/$_->{threads}", $_) }
             grep { $_->{kind} eq 'memory' } @$rows;
    %at = map { my $r = $at{$_}; ("$r->{pass}" . ($r->{fused} ? "-$r->{fused}" : '') .
                "/$r->{shape}/$r->{threads}", $r) } keys %at;
    for my $t (@threads) {
        printf "\n%-15s %s\n", "memory, $t",
            join '', map { sprintf '%14s', $_ } 'one tensor', @what;
        for my $size (@sizes) {
            printf "%-15s %s\n", '', join '', map { sprintf '%14s', $_ } $size,
                map { $at{"$_/$size/$t"} ? rate($at{"$_/$size/$t"}) . ' GB/s' : '' } @what;
        }
    }
}

printf "%s; %s %s; %s; commit %s\n", map { $context->{$_} // '?' }
    qw(processor compiler flags isa commit);
print <<'END';
us: median. GB/s: each tensor counted once. limit: of the speed of a loop that moves each tensor once
and computes nothing, on the same memory in the same seconds; * a group leaves the last cache before
its second reading, and 67% (backward 60%) is all there is. naive: how much longer plain loops take
(-O3 -march=native -ffast-math). ratio: the time of NHWC over that of NCHW.
END
memory();
layouts($_) for qw(batch layer instance group rms);
special('Storage types', 'f32 over', sub { $_[0]{type} && $_[0]{type} ne 'f32' && !$_[0]{fused} &&
        !$_[0]{cold} && $_[0]{who} eq $best && $_[0]{threads} eq '1t' },
    sub { sibling($index, $_[0], type => 'f32') }, 'x');
special('Instruction sets', "over $best", sub { $_[0]{type} eq 'f32' && !$_[0]{fused} &&
        !$_[0]{cold} && $_[0]{who} !~ /^($best|naive|apart)$/ && $_[0]{threads} eq '1t' },
    sub { my $r = sibling($index, $_[0], who => $best);
          $r && {us => $_[0]{us} ** 2 / $r->{us}} }, 'x');
special('Residual and ReLU fused', 'apart', sub { $_[0]{fused} && $_[0]{who} eq $best &&
        $_[0]{type} eq 'f32' && !$_[0]{cold} },
    sub { sibling($index, $_[0], who => 'apart') }, 'x');
special('Cold caches', 'over warm', sub { $_[0]{cold} && $_[0]{who} eq $best &&
        $_[0]{type} eq 'f32' && !$_[0]{fused} },
    sub { my $r = sibling($index, $_[0], cold => '');
          $r && {us => $_[0]{us} ** 2 / $r->{us}} }, 'x');
