#!/usr/bin/perl
# coverage.pl DIRECTORY PROGRAM... - which lines and branches of normalize.h the tests reach, as
# TAP, from what clang's -fprofile-instr-generate -fcoverage-mapping left in DIRECTORY/raw. The
# programs are those whose copies of the header count.
#
# A line is compiled several times, once for each instruction set and arithmetic: it is reached when
# one of these is, and so is each of the two ways out of a condition. What is not reached fails,
# unless tools/coverage.txt says why it cannot be. Conditions that are constant where they are
# compiled have one way out. Functions of AVX-512 count only on a processor that has it.
use strict;
use warnings;
use JSON::PP;

my ($dir, @programs) = @ARGV;
my $header = 'normalize.h';
my $known = 'tools/coverage.txt';

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

my @lines = split /\n/, slurp($header);
my $avx512 = -e '/proc/cpuinfo' && slurp('/proc/cpuinfo') =~ /\bavx512bw\b/;

# A few ranges are those of macros of system headers, whose lines are none of ours.
my ($implementation) = grep { $lines[$_ - 1] =~ /^#define NRMI_IMPLEMENTED/ } 1 .. @lines;

# The part of a range of the source, in one line.
sub source {
    my ($from, $column, $to, $end) = @_;
    my $text = $from == $to ? substr $lines[$from - 1], $column - 1, $end - $column
        : join ' ', substr($lines[$from - 1], $column - 1), @lines[$from .. $to - 2],
            substr($lines[$to - 1], 0, $end - 1);
    return bare($text);
}

sub bare {
    my ($text) = @_;
    $text =~ s{/\*.*?(\*/|$)}{}g;
    $text =~ s/\s*\\$//;
    $text =~ s/\s+/ /g;
    $text =~ s/^ | $//g;
    return $text;
}

# ---- What the tests reached ---------------------------------------------------------------------

sub export {
    my @raw = glob "$dir/raw/*.profraw";
    die "no profiles in $dir/raw\n" if !@raw;
    system('llvm-profdata', 'merge', '-o', "$dir/all.profdata", @raw) == 0
        or die "llvm-profdata fails\n";
    my $objects = join ' ', $programs[0], map { "-object $_" } @programs[1 .. $#programs];
    my $options = "-skip-expansions -instr-profile=$dir/all.profdata"; # a twelfth of the text
    my $json = `llvm-cov export $options $objects 2>$dir/errors`;
    die "llvm-cov export fails: ", slurp("$dir/errors") if $? != 0;
    return JSON::PP->new->utf8->decode($json)->{data}[0];
}

# Counts of a function's regions by place, {"line column line column" => count}, and of its
# conditions, as [true, false]; those of all copies are added up.
sub add_function {
    my ($function, $regions, $branches) = @_;
    return if !$avx512 && $function->{name} =~ /_avx512$/;
    my @files = map { /(?:^|\/)\Q$header\E$/ } @{$function->{filenames}};
    for (@{$function->{regions}}) {
        my ($from, $column, $to, $end, $count, $file, undef, $kind) = @$_;
        next if !$files[$file] || $kind != 0; # 0: code
        $regions->{"$from $column $to $end"} += $count;
    }
    for (@{$function->{branches}}) {
        my ($from, $column, $to, $end, $true, $false, $file) = @$_;
        next if !$files[$file];
        die "$header:$from: $true and $false: threads counted at once\n"
            if $true > 2**62 || $false > 2**62; # a difference below 0
        my $both = $branches->{"$from $column $to $end"} ||= [0, 0, 0];
        $both->[0] += $true;
        $both->[1] += $false;
        # One that is constant here counts nothing at all.
        $both->[2] = 1 if $true + $false > 0;
    }
}

# By line: whether it runs. Of regions within one another the innermost counts: a line is that of
# the smallest region that covers its first character.
sub runs_by_line {
    my ($regions) = @_;
    my (%size, %runs);
    for my $place (keys %$regions) {
        my ($from, $column, $to, $end) = split ' ', $place;
        my $size = 1000 * ($to - $from) + $end - $column;
        for my $line ($from .. $to) {
            $lines[$line - 1] =~ /\S/ or next;
            my $first = 1 + $-[0];
            my $starts = $line == $from && $column > $first;
            # A region that starts within a line says something of it only if nothing else does.
            my $rank = $size + ($starts ? 1e9 : 0);
            next if $line == $to && $end <= $first;
            next if defined $size{$line} && $size{$line} < $rank;
            if (defined $size{$line} && $size{$line} == $rank) {
                $runs{$line} += $regions->{$place};
                next;
            }
            ($size{$line}, $runs{$line}) = ($rank, $regions->{$place});
        }
    }
    my $no_code = qr/^(?:[{}]*;?|\}? ?else ?\{?|#.*)$/;
    delete $runs{$_} for grep { bare($lines[$_ - 1]) =~ $no_code } keys %runs;
    return \%runs;
}

# ---- What is listed -----------------------------------------------------------------------------

# Blocks of `line:`, `never:` and `why:`. never: `runs`, or `true: CONDITION`, `false: CONDITION`.
# `where: AVX-512` or `where: no AVX-512` limits a block to processors with it or without.
sub read_list {
    my %list;
    return \%list if !-e $known;
    for my $block (split /\n\s*\n/, slurp($known)) {
        my %b;
        for (split /\n/, $block) {
            next if /^#/;
            /^(line|never|why|where): *(.*?)\s*$/ ? ($b{$1} = $2)
                : /^ +\S/ ? 1 : die "$known: what is this? $_\n";
        }
        next if !%b;
        for (qw(line never why)) { defined $b{$_} or die "$known: no $_:\n$block\n" }
        next if defined $b{where} && $b{where} ne ($avx512 ? 'AVX-512' : 'no AVX-512');
        $list{"$b{line}\n$b{never}"} = 0;
    }
    return \%list;
}

# ---- Report -------------------------------------------------------------------------------------

my (%regions, %branches);
for my $function (@{export()->{functions}}) { add_function($function, \%regions, \%branches) }
my $runs = runs_by_line(\%regions);
my $list = read_list();
my ($test, $failed, $reached_lines, $reached, $ways) = (0, 0, 0, 0, 0);
my (@missing, $listed);

# A line or way that is not reached.
sub missing {
    my ($line, $never) = @_;
    my $key = bare($lines[$line - 1]) . "\n$never";
    if (exists $list->{$key}) { $list->{$key}++; $listed++ }
    else { push @missing, "$header:$line\nline: " . bare($lines[$line - 1]) . "\nnever: $never" }
}

for my $line (sort { $a <=> $b } keys %$runs) {
    if ($runs->{$line}) { $reached_lines++ } else { missing($line, 'runs') }
}
for my $place (sort { ($a =~ /(\d+)/)[0] <=> ($b =~ /(\d+)/)[0] || $a cmp $b } keys %branches) {
    # One without counts is constant in every copy, or in a line that is named already.
    my ($true, $false, $counts) = @{$branches{$place}};
    my ($line) = $place =~ /^(\d+)/;
    next if !$counts || $line < $implementation;
    $ways += 2;
    $reached += ($true > 0) + ($false > 0);
    missing($line, 'true: ' . source(split ' ', $place)) if !$true;
    missing($line, 'false: ' . source(split ' ', $place)) if !$false;
}

sub result {
    my ($good, $text) = @_;
    $test++;
    $failed++ if !$good;
    print $good ? 'ok' : 'not ok', " $test - $text\n";
}

my $all = keys %$runs;
print STDERR sprintf "# %s: %.2f%% of %d lines, %.2f%% of %d branches; %d listed in %s\n", $header,
    100 * $reached_lines / $all, $all, 100 * $reached / $ways, $ways, $listed || 0, $known;
print STDERR "# not reached, ", join("\n#   ", split /\n/, $_), "\n" for @missing;
result($all > 1500, "$all lines of $header are known to the compiler");
result(!@missing, 'what is not reached is listed');
my @stale = grep { !$list->{$_} } sort keys %$list;
print "#   listed, but reached or gone: ", join(' / ', split /\n/), "\n" for @stale;
result(!@stale, "$known lists nothing that is reached");
print "1..$test\n";
exit($failed ? 1 : 0);
