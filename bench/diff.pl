#!/usr/bin/perl
# diff.pl - what changed beyond the noise from one run to another, worst first.
#
#   perl bench/diff.pl [--fail] OLD.json NEW.json        or: make bench-diff BASE=... NEW=...
#
# A row has changed when the intervals of its repetitions do not overlap and the medians are more
# than 3% apart. --fail: exit status 1 if one became slower. The last line says whether one became
# slower by more than 5%.
#
# `limit` is how the time of moving the same memory has changed, measured beside the row in each
# run: where it went up as much as the row, the machine has changed and not the library.
use strict;
use warnings;
use FindBin;
require "$FindBin::Bin/rows.pl";

my $least = 1.03;
my $fail = @ARGV && $ARGV[0] eq '--fail' ? shift @ARGV : 0;
die "usage: diff.pl [--fail] OLD.json NEW.json\n" if @ARGV != 2;
my ($old_context, $old_rows) = read_rows($ARGV[0]);
my ($new_context, $new_rows) = read_rows($ARGV[1]);

for my $key (qw(processor compiler flags isa threads commit)) {
    my ($old, $new) = map { $_->{$key} // '?' } $old_context, $new_context;
    print "$key: $old", $old eq $new ? '' : " -> $new", "\n";
}

my %old = map { ($_->{name}, $_) } @$old_rows;
my (@changed, $both, $sum, $few);
for my $new (@$new_rows) {
    my $old = delete $old{$new->{name}};
    $new->{alone} = !$old;
    next if !$old;
    $both++;
    $few++ if @{$old->{times}} < 3 || @{$new->{times}} < 3;
    my $ratio = $new->{us} / $old->{us};
    $sum += log $ratio;
    next if $new->{low} <= $old->{high} && $old->{low} <= $new->{high};
    next if $ratio < $least && $ratio > 1 / $least;
    push @changed, {name => $new->{name}, old => $old, new => $new, ratio => $ratio,
        limit => $old->{limit} && $new->{limit} ? $new->{limit} / $old->{limit} : 0};
}

sub interval {
    my ($row) = @_;
    return us($row->{low}) . '-' . us($row->{high});
}

my @slower = sort { $b->{ratio} <=> $a->{ratio} } grep { $_->{ratio} > 1 } @changed;
my @faster = sort { $a->{ratio} <=> $b->{ratio} } grep { $_->{ratio} < 1 } @changed;
for my $list (['slower', @slower], ['faster', @faster]) {
    my ($title, @list) = @$list;
    next if !@list;
    printf "\n%-54s %14s %14s %7s %6s\n", $title, 'old us', 'new us', 'new/old', 'limit';
    printf "%-54s %14s %14s %7.2f %6s\n", $_->{name}, interval($_->{old}), interval($_->{new}),
        $_->{ratio}, $_->{limit} ? sprintf '%.2f', $_->{limit} : '' for @list;
}

my $added = grep { $_->{alone} } @$new_rows;
printf "\n%d rows in both: %d slower, %d faster; geometric mean of new/old %.3f\n", $both // 0,
    scalar @slower, scalar @faster, $both ? exp($sum / $both) : 1;
printf "%d only in the old file, %d only in the new one\n", scalar keys %old, $added
    if %old || $added;
print "$few rows have less than 3 repetitions: their noise is not known\n" if $few;
my @much = grep { $_->{ratio} > 1.05 } @slower;
print "Slower by more than 5%: ", @much ? scalar(@much) . " rows; most of all $much[0]{name}, " .
    sprintf('%.2f times', $much[0]{ratio}) : 'none', ".\n";
exit($fail && @slower ? 1 : 0);
