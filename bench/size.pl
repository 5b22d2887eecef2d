#!/usr/bin/perl
# size.pl - what normalize.h weighs: bytes of code and constants, seconds and memory of compiling,
# its largest functions, its lines by section.
#
#   perl bench/size.pl [--budget] [FLAGS...]             or: make size [BUDGET=1] [BUILDS=FLAGS]
#
# FLAGS: of one build each, like '-O2 -DNRM_NO_F64', in place of the usual ones.
# Bytes are what `size` calls text: code, constants and the tables for unwinding. Seconds are the
# user's processor time, memory that of the largest process. A compiler that is not here is left
# out. What is over its budget is marked; with --budget it makes the exit status 1.
use strict;
use warnings;
use FindBin;

my @compilers = qw(gcc clang);
my @builds = grep { $_ ne '--budget' } @ARGV;
my @without = qw(AVX512 AVX2 F64 HALF SIMD);
@builds = ('-O0', '-O2', '-Os', map { "-O2 -DNRM_NO_$_" } @without) if !@builds;

# The most that each may be: bytes, seconds, MB. Seconds are of a core of Zen 4.
my %budget = (
    'gcc -O2' => [300 * 1024, 6, 300],
    'clang -O2' => [350 * 1024],
    'gcc -O2 -DNRM_NO_SIMD' => [80 * 1024],
    'clang -O2 -DNRM_NO_SIMD' => [80 * 1024],
);
my $most_lines = 4300;
my @unit = ('bytes', 's', 'MB');

my $fails = grep { $_ eq '--budget' } @ARGV;
die "usage: size.pl [--budget] [FLAGS...]\n" if grep { !/^-/ } @builds;
chdir "$FindBin::Bin/.." or die "$FindBin::Bin/..: $!\n";
my ($out, $over) = ('build/size', 0);
$| = 1;
system('mkdir', '-p', $out) == 0 or exit 1;

sub is_here { return system("command -v $_[0] >/dev/null 2>&1") == 0 }

my @found = grep { is_here($_) } @compilers;
my $cc = $found[0] // die "none of @compilers is here\n";
system("$cc -O1 -o $out/measure bench/measure.c") == 0 or exit 1;

# [bytes, seconds, MB] of a build.
sub build {
    my ($compiler, $flags) = @_;
    my $object = "$out/$compiler" . ($flags =~ s/[^\w]+/_/gr) . '.o';
    my $command = "$compiler -std=c99 $flags -DNORMALIZE_IMPLEMENTATION -x c -c normalize.h " .
        "-o $object";
    my ($seconds, $kib) = split ' ', `$out/measure $command`;
    die "$command failed\n" if $?;
    my ($bytes) = `size $object` =~ /\n\s*(\d+)/ or die "size $object failed\n";
    return ($object, $bytes, $seconds, $kib / 1024);
}

# What is over its budget, in words.
sub overdrawn {
    my ($limits, @value) = @_;
    my @which = grep { $value[$_] > $limits->[$_] } 0 .. $#{$limits || []};
    $over += @which;
    return @which ? 'over: ' . join(', ', map { "$limits->[$_] $unit[$_]" } @which) : '';
}

sub version {
    my ($number) = `$_[0] --version` =~ /(\d+\.\d+\.\d+)/;
    return "$_[0] " . ($number // '?');
}

# ---- Builds -------------------------------------------------------------------------------------

my $largest_of;
for my $compiler (@compilers) {
    if (!grep { $_ eq $compiler } @found) {
        print "$compiler: not here, left out\n\n";
        next;
    }
    printf "%-24s %8s %8s %8s\n", version($compiler), 'bytes', 'user s', 'peak MB';
    for my $flags (@builds) {
        my ($object, @value) = build($compiler, $flags);
        $largest_of = $object if "$compiler $flags" eq 'gcc -O2';
        my $note = overdrawn($budget{"$compiler $flags"}, @value);
        printf "%-24s %8d %8.1f %8.0f%s\n", $flags, @value, $note && "  $note";
    }
    print "\n";
}

# ---- Functions ----------------------------------------------------------------------------------

if ($largest_of) {
    my @sized = map { [(split)[1, 3]] } grep { /^\w+ \w+ [tT] / } `nm -S --size-sort $largest_of`;
    my @largest = reverse @sized[($#sized > 9 ? $#sized - 9 : 0) .. $#sized];
    printf "largest of the %d functions of gcc -O2\n", scalar @sized;
    printf "%8d %s\n", hex $_->[0], $_->[1] for @largest;
    print "\n";
}

# ---- Lines --------------------------------------------------------------------------------------

# Banners: " ==== A MANUAL ===", " -- A1 Use it ---", "/* B DECLARATIONS", "/* ---- B1 Version ---".
# The licence has none, but its first words.
open my $in, '<', 'normalize.h' or die "normalize.h: $!\n";
my (@sections, $lines);
while (<$in>) {
    $lines++;
    if (/^ ==== ([A-Z]) (.*?) =+$/ || /^\/\* ([A-Z]) ([A-Z]{3,}[^:]*?) *(?::.*)?\*\/$/ ||
        /^(?: --|\/\* ----) ([A-Z]\d+) (.*?)[ .]*(?:-+)?(?: \*\/)?$/) {
        push @sections, {name => $1, title => $2, lines => 0};
    } elsif (/^normalize\.h is available under/) {
        push @sections, {name => 'E', title => 'LICENCE', lines => 0};
    }
    $sections[-1]{lines}++ if @sections;
}
my %of_part;
$of_part{substr $_->{name}, 0, 1} += $_->{lines} for @sections;
print "lines  section\n";
for my $section (@sections) {
    my $name = $section->{name};
    printf "%5d  %s%s %s\n", $of_part{$name} // $section->{lines}, length $name > 1 ? '  ' : '',
        $name, $section->{title};
}
my $too_many = $lines > $most_lines;
$over += $too_many;
printf "%5d  in all%s\n", $lines, $too_many ? "  over: $most_lines" : '';

print "\n", $over ? "$over over budget" : 'all within budget', "\n";
exit($fails && $over ? 1 : 0);
