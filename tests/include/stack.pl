#!/usr/bin/perl
# stack.pl DIRECTORY LIMIT - the deepest chain of calls in the callgraph (.ci) that gcc wrote there
# under -fcallgraph-info=su, in bytes of stack; fails above LIMIT.
#
# A call through a pointer is followed by what its source line says. `k->reduce(&t, ...)` goes to
# the kernels that nobody calls by name and that are named so, nrmi_reduce_f32_avx2; from a kernel
# only to those of its own instruction set. Where the line names no kernel it goes to every function
# that is called through pointers and is no kernel. What a pool of the caller's puts in between is
# not ours to count.
use strict;
use warnings;

my ($dir, $limit) = @ARGV;
my (%bytes, %calls, %called);

for my $file (glob "$dir/*.ci") {
    open my $in, '<', $file or die "$file: $!\n";
    my $name = qr/"(?:[^":]*:)?([^":]+)"/;    # static functions carry their file before a colon
    while (<$in>) {
        if (/^node: \{ title: $name.*?(\d+) bytes \(([^)]*)\)/) {
            $bytes{$1} = $2;
            die "$1: stack use is $3, with no bound\n" if $3 =~ /^dynamic$/;
        } elsif (/^edge: \{ sourcename: $name targetname: $name label: "([^"]*)"/) {
            push @{$calls{$1}}, [$2, $3];
            $called{$2} = 1;
        }
    }
}
die "no functions in $dir/*.ci\n" unless %bytes;

my @pointed = grep { !$called{$_} && !/^nrm_/ } sort keys %bytes;
my $isa = qr/_(scalar|avx2|avx512|neon|wasm)(?:\.\w+)*$/;
my %source;

# The functions that an indirect call at file:line:column may reach.
sub targets {
    my ($caller, $place) = @_;
    my ($file, $line) = $place =~ /^(.*):(\d+):\d+$/ or die "no place for a call in $caller\n";
    if (!$source{$file}) {
        open my $in, '<', $file or die "$file: $!\n";
        $source{$file} = [<$in>];
    }
    my ($own) = $caller =~ $isa;
    my @candidates = grep { !$own or /_$own\b/ } @pointed;
    my %found;
    for my $word ($source{$file}[$line - 1] =~ /\b(?:nrmi_)?(\w{3,})/g) {
        $found{$_} = 1 for grep { /_\Q$word\E(?:_|$)/ } @candidates;
    }
    my @kernels = grep { /$isa/ } sort keys %found;
    return @kernels if @kernels;
    return %found ? sort keys %found : grep { !/$isa/ } @pointed;
}

my (%worst, %open);

# [bytes, chain of functions] of the deepest chain from f downwards. nrmi_pool_run hands nrmi_task
# to the pool; inside of a task there is no pool, so that it is not reached again.
sub worst {
    my ($f, $in_task) = @_;
    my $key = $in_task ? "$f in a task" : $f;
    return $worst{$key} if $worst{$key};
    return [0] if $in_task && $f eq 'nrmi_pool_run';
    die "$f calls itself (@{[sort keys %open]}): no bound\n" if $open{$key}++;
    my ($deepest, @chain) = (0);
    for my $call (@{$calls{$f} || []}) {
        my ($callee, $place) = @$call;
        my $pool = $f eq 'nrmi_pool_run' && $callee eq '__indirect_call';
        for ($pool ? 'nrmi_task' : $callee eq '__indirect_call' ? targets($f, $place) : $callee) {
            my ($sum, @rest) = @{worst($_, $in_task || $pool)};
            ($deepest, @chain) = ($sum, @rest) if $sum > $deepest;
        }
    }
    delete $open{$key};
    my $own = $bytes{$f} || 0;    # functions of libc count as nothing
    return $worst{$key} = [$own + $deepest, "$f $own", @chain];
}

my ($deepest, @chain) = (0);
for my $f (sort grep { /^nrm_/ } keys %bytes) {
    my ($sum, @rest) = @{worst($f)};
    ($deepest, @chain) = ($sum, @rest) if $sum > $deepest;
}
my @unreached = grep { !$worst{$_} && !$worst{"$_ in a task"} } @pointed;
die "a pointer call to these was not found: @unreached\n" if @unreached;
my @largest = (sort { $bytes{$b} <=> $bytes{$a} || $a cmp $b } keys %bytes)[0 .. 2];
print 'note: largest functions: ', join(', ', map { "$_ $bytes{$_}" } @largest), "\n";
printf "note: %d functions, %d of them called through pointers\n", scalar keys %bytes,
    scalar @pointed;
print "note: deepest chain: $deepest bytes of $limit: ", join(' > ', @chain), "\n";
exit($deepest > $limit ? 1 : 0);
