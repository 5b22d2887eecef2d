#!/usr/bin/perl
# prove.pl - compiles proofs/ and prints a table of what is proven, as TAP.
#
#   HEADER=normalize.h    whose constants the proofs are about
#
# The constants of the code are read from the header, into build/prove/Constants.v, so that a change
# of the code that a bound depends on breaks the proof. A comment in a proof makes a line of the
# table, with the constant in units of e:
#
#   (* BOUND result | constant | theorem | what it assumes *)
#   (* HAND result | constant | section of docs/NUMERICS.md | what it assumes *)
#
# The theorem of a BOUND has to state that constant, `..._bound (41 / 4)` or `<= 41 / 4 * e`, and
# may rest on nothing but the axioms of Coq's real numbers and classical logic.
use strict;
use warnings;
use List::Util qw(max);
use Time::HiRes qw(time);

my $header = $ENV{HEADER} || 'normalize.h';
my $oracle = 'tests/support/ref.h';
my $dir = 'build/prove';
my @axioms = qw(ClassicalDedekindReals.sig_not_dec ClassicalDedekindReals.sig_forall_dec
    FunctionalExtensionality.functional_extensionality_dep Classical_Prop.classic
    Eqdep.Eq_rect_eq.eq_rect_eq);

my ($count, $failed) = (0, 0);

# One test; what is wrong, if anything, line by line.
sub check {
    my ($text, @wrong) = @_;
    $count++;
    $failed++ if @wrong;
    print @wrong ? 'not ok' : 'ok', " $count - $text\n";
    print "#   $_\n" for @wrong > 20 ? (@wrong[0 .. 19], '...') : @wrong;
    return !@wrong;
}

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub spew {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

# A number as C or Coq writes it.
sub value {
    my ($text) = @_;
    $text =~ s/(?<=\d)L//g;
    die "no number: $text\n" if $text !~ m{^[\d.e+\-*/() ]+$};
    my $value = eval $text;
    die "no number: $text\n" if !defined $value;
    return $value;
}

# ---- The constants of the code ------------------------------------------------------------------

my $code = slurp($header);
my @missing;

# What all patterns find in the header has to be there, and the same.
sub constant {
    my ($name, @patterns) = @_;
    my %found;
    for my $pattern (@patterns) {
        my @here = $code =~ /$pattern/;
        push @missing, "$name: nothing matches $pattern" if !@here;
        $found{$_ =~ /\./ ? 1 / $_ : $_}++ for @here;
    }
    push @missing, "$name is not one number: " . join ', ', sort keys %found if keys %found > 1;
    return (sort keys %found)[0] // 0;
}

sub log2 {
    my ($name, $number) = @_;
    my $height = 0;
    $height++ while 2 ** ($height + 1) <= $number;
    push @missing, "$name is no power of two: $number" if 2 ** $height != $number;
    return $height;
}

sub constants {
    my $power = qr/NRMI_POW2_BITS\((-?\d+)\)/;
    my $block = constant('block', qr/NRMI_BLOCK = (\d+)/);
    my $few = constant('few', qr/c->stride = few \? (\d+) :/, qr/few \? \(lines \+ 7\) \/ (\d+)/);
    my $run = constant('run', qr/NRMI_RUN = (\d+)/);
    my $accept = constant('accept', qr/dm \* dm <= v \/ (\d+) \?/,
        qr/nrmi_mul\(dm, dm\), nrmi_mul\(v, nrmi_set1\(([\d.]+)\)\)/);
    my $least = constant('least variance', qr/f64 \? NRMI_POW2_BITS\(-900\) : $power/,
        qr/nrmi_set1\(nrmi_from_bits\($power\)\), v\)/);
    my $mean = constant('mean', qr/nrmi_bits\(mean \* rstd\) <= $power/,
        qr/nrmi_mul\(m, r\), $power/);
    my $pilots = constant('pilots', qr/nrmi_upward\[(\d+)\]/);
    my $lift = log2('lift', constant('lift', qr/define NRMI_LIFT (\d+)\.0/));
    my $gamma = log2('gamma', constant('gamma', qr/define NRMI_GAMMA_LIMIT (\d+)\.0/));
    my $pq = constant('p and q', qr/define NRMI_PQ_LIMIT $power/);
    my $height = log2('block', $block);
    my $few_height = log2('few', $few);
    my $least_power = -$least;
    my $blocks = int($run / ($few || 1));
    return <<"END";
(* Read from $header by tools/prove.pl. *)
From Coq Require Import Reals.
Open Scope R_scope.

(* log2 of the values of a block, $block; of one of the lists "s planes of n", $few. *)
Definition block_height : nat := $height.
Definition few_height : nat := $few_height.

(* The values of a run, and its blocks, of which those of $few are more. *)
Definition run_values : nat := $run.
Definition run_blocks : nat := $blocks.

(* dm * dm <= (var + eps) * accept, with the mean of so many values as pilot. *)
Definition accept : R := 1 / $accept.
Definition pilots : nat := $pilots.
Definition least_variance : R := / 2 ^ $least_power.

(* Float arithmetic keeps the bound where |mean| * rstd and |gamma| are within these. *)
Definition mean_limit : R := 2 ^ $mean.
Definition gamma_limit : R := 2 ^ $gamma.

(* Of gradients: what sums are raised by, and the limit of p and q. *)
Definition lift : R := 2 ^ $lift.
Definition pq_limit : R := 2 ^ $pq.
END
}

# ---- The proofs ---------------------------------------------------------------------------------

my (@rows, %seconds);

# The lines of the table that a proof holds, and whether its theorems state what they say.
sub read_rows {
    my ($name, $text) = @_;
    my @wrong;
    while ($text =~ /\(\* (BOUND|HAND) ([^|]+?) \| ([^|]+?) \| ([^|]+?) \|\s+(.*?) ?\*\)/gs) {
        my %row = (by => $1 eq 'BOUND' ? 'Coq' : 'hand', result => $2, constant => $3,
            theorem => $4, assumes => $5, file => $name);
        $row{assumes} =~ s/\s+/ /g;
        push @rows, \%row;
        next if $row{by} ne 'Coq';
        my ($statement) = $text =~ /^Theorem \Q$row{theorem}\E\b(.*?)^Proof\b/ms;
        my @stated = ($statement // '') =~
            /(?:_bound \(?|<=\s+)(\d+(?: \/ \d+)?)(?:\)| \* e\b| [a-z(])/g;
        push @wrong, "$row{result}: $row{theorem} does not state $row{constant}"
            if !grep { abs(value($_) - value($row{constant})) < 1e-9 } @stated;
    }
    return @wrong;
}

# Compiles one file in build/prove; what it printed and whether that failed.
sub compile {
    my ($name) = @_;
    my $start = time;
    my $said = `cd $dir && coqc -q -R . Proofs $name.v 2>&1`;
    $seconds{$name} = time - $start;
    return ($?, $said);
}

# The axioms the theorems rest on, beyond those that Coq's real numbers have. All are asked about at
# once: what they share is read once then.
sub assumptions {
    my @proven = grep { $_->{by} eq 'Coq' } @rows;
    my %files = map { $_->{file} => 1 } @proven;
    spew("$dir/Assumptions.v", join '', 'Require Import ', join(' ', sort keys %files),
        ".\nDefinition all := (", join(', ', map { "$_->{file}.$_->{theorem}" } @proven),
        ").\nPrint Assumptions all.\n");
    my ($status, $said) = compile('Assumptions');
    return "coqc fails: $said" if $status;
    return () if $said =~ /^Closed under the global context/m;
    return "no answer: $said" if $said !~ s/^Axioms:\n//m;
    my %standard = map { $_ => 1 } @axioms;
    return map { "an axiom: $_" } grep { !$standard{$_} } $said =~ /^([\w.]+)\s*:/mg;
}

# ref.h holds results against these; its constants are not below what is proven.
sub oracle {
    my $text = slurp($oracle);
    my @wrong;
    for my $result (qw(y dx dgamma dbeta)) {
        my $name = 'REF_PROVEN_' . uc $result;
        my @here = grep { $_->{result} =~ /^\Q$result\E\b/ && $_->{result} !~ /F64/ } @rows;
        push(@wrong, "nothing is proven of $result"), next if !@here;
        my ($held) = $text =~ /^#define $name \(([^\n]+)\)/m;
        push(@wrong, "$oracle has no $name"), next if !defined $held;
        my $most = max map { value($_->{constant}) } @here;
        push @wrong, "$name is $held, and what is proven $most" if value($held) < $most - 1e-9;
    }
    return @wrong;
}

sub table {
    my @lines = (['bound', 'in e', 'by', 'theorem', 's', 'assumes'],
        map { [$_->{result}, $_->{constant}, $_->{by}, $_->{theorem},
               $_->{by} eq 'Coq' ? sprintf('%.1f', $seconds{$_->{file}}) : '', $_->{assumes}] }
            @rows);
    my @width = map { my $column = $_; max map { length $_->[$column] } @lines } 0 .. 4;
    my $text = join '', map { my $line = $_;
        join('  ', (map { sprintf "%-*s", $width[$_], $line->[$_] } 0 .. 4), $line->[5]) . "\n" }
        @lines;
    $text =~ s/ +$//mg;
    return $text . 'seconds: ' . join(', ', map { sprintf '%s %.1f', $_, $seconds{$_} }
        sort { $seconds{$a} <=> $seconds{$b} } keys %seconds) . "\n";
}

system('mkdir', '-p', $dir) == 0 or die "no $dir\n";
unlink glob "$dir/*";
my $constants = constants();
check("the constants of $header are read", @missing);
spew("$dir/Constants.v", $constants);
for my $file (glob 'proofs/*.v') {
    my ($name) = $file =~ /(\w+)\.v$/;
    my $text = slurp($file);
    spew("$dir/$name.v", $text);
    check("theorems of $file state the table's constants", read_rows($name, $text))
        if $text =~ /\(\* (?:BOUND|HAND) /;
}
my $order = `cd $dir && coqdep -R . Proofs -sort *.v 2>&1`;
my $fine = 1;
for my $name ($order =~ /(\w+)\.v\b/g) {
    my ($status, $said) = $fine ? compile($name) : (1, 'not tried');
    $fine = check("$name.v", $status ? split /\n/, $said : ()) && $fine;
}
check('theorems rest on the axioms of the real numbers alone',
    $fine ? assumptions() : 'a proof fails');
check("$oracle has no constant below what is proven", oracle());
if ($fine) {
    spew("$dir/table.txt", table());
    print STDERR table();
}
print "1..$count\n";
exit($failed ? 1 : 0);
