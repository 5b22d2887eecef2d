#!/usr/bin/perl
# table.pl - a file of build/bench/bench as tables to read: perl bench/table.pl FILE.json
use strict;
use warnings;
use FindBin;
require "$FindBin::Bin/rows.pl";
require "$FindBin::Bin/results.pl";

die "usage: table.pl FILE.json\n" if @ARGV != 1;
my ($context, $rows) = read_rows($ARGV[0]);

printf "%s; %s %s; %s; commit %s\n", map { $context->{$_} // '?' }
    qw(processor compiler flags isa commit);
print <<'END';
us: median. GB/s: each tensor counted once. limit: of the speed of a loop that moves each tensor
once and computes nothing, on the same memory in the same seconds; * a group leaves the last cache
before its second reading, and 67% (backward 60%) is all there is. ratio: the time of NHWC over that
of NCHW. plain: over plain loops (-O3 -march=native -ffast-math), as vectors of 256 or 512 bits do
better; malloc: all buffers 16 bytes past a line of the cache, over aligned ones; both, and apart,
of the shortest calls of both in turn.
END
print busy($rows), "\n";

# Words begin at the left, numbers end at the right.
sub print_table {
    my ($table) = @_;
    my @head = @{$table->{head}};
    my @lines = ([$table->{title}, @head[1 .. $#head]], @{$table->{rows}});
    my @width = (0) x @head;
    my %words = map { ($_, 1) } @{$table->{words} // [0, $head[1] eq 'pass' ? 1 : ()]};
    for my $line (@lines) {
        for my $i (0 .. $#$line) {
            $width[$i] = length $line->[$i] if $width[$i] < length $line->[$i];
        }
    }
    print "\n";
    my $last = '';
    for my $line (@lines) {
        my @cell = @$line;
        $cell[0] = '' if $cell[0] eq $last;
        $last = $line->[0];
        my $text = join ' ', map { my $w = $width[$_]; sprintf $words{$_} ? "%-${w}s" : "%${w}s",
            $cell[$_] } 0 .. $#cell;
        print $text =~ s/ +$//r, "\n";
    }
}

print_table($_) for tables($context, $rows);
print "\n", map { "$_\n" } verdicts($context, $rows);
print_table($_) for glance(results_of(undef, $context, $rows)->{rows});
