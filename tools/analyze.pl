#!/usr/bin/perl
# analyze.pl LOG - the warnings in what a tool wrote, but for those that tools/analyze.txt says are
# wrong. Prints what is left, and fails if that is anything. `analyze.pl --unused LOG...` prints
# what is listed and in none of the logs.
use strict;
use warnings;

my $known = 'tools/analyze.txt';

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub bare {
    my ($text) = @_;
    $text =~ s{/\*.*?(\*/|$)}{}g;
    $text =~ s/^\s+|\s+$//g;
    return $text;
}

# Blocks of `line:`, `says:`, the name of the warning, and `why:`.
sub read_list {
    my %list;
    for my $block (split /\n\s*\n/, slurp($known)) {
        my %b;
        for (grep { !/^#/ } split /\n/, $block) {
            /^(line|says|why): *(.*?)\s*$/ ? ($b{$1} = $2)
                : /^ +\S/ ? 1 : die "$known: what is this? $_\n";
        }
        next if !%b;
        for (qw(line says why)) { defined $b{$_} or die "$known: no $_:\n$block\n" }
        $list{"$b{line}\n$b{says}"} = 0;
    }
    return \%list;
}

# The warnings of a log: [file and line, the line, the first name of the warning, the text].
my %source;
sub warnings_of {
    my ($log) = @_;
    my @found;
    for (split /\n/, slurp($log)) {
        /^(\S+?):(\d+):\d+: (?:fatal )?(?:error|warning|style|performance|portability): (.*)$/
            or next;
        my ($file, $line, $text) = ($1, $2, $3);
        my ($says) = $text =~ /\[(?:-W)?([\w.=-]+)[^\[]*\]$/;
        $source{$file} ||= -e $file ? [split /\n/, slurp($file)] : [];
        push @found, ["$file:$line", bare($source{$file}[$line - 1] || ''), $says || '', $text];
    }
    return @found;
}

my $unused = @ARGV && $ARGV[0] eq '--unused' ? shift @ARGV : undef;
my $list = read_list();
my $left = 0;
for my $log (@ARGV) {
    for (warnings_of($log)) {
        my ($place, $line, $says, $text) = @$_;
        if (exists $list->{"$line\n$says"}) { $list->{"$line\n$says"}++; next }
        next if $unused;
        $left++;
        print "$place: $text\n    line: $line\n    says: $says\n";
    }
}
for (sort keys %$list) {
    next if !$unused || $list->{$_};
    $left++;
    print "listed, but not said: ", join(' / ', split /\n/), "\n";
}
exit($left ? 1 : 0);
