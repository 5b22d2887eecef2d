#!/usr/bin/perl
# mutants.pl - changes normalize.h in many small ways and asks whether the tests notice, as TAP.
#
#   MUTANTS=300   how many; 12 take some minutes, 300 some hours of one processor
#   SEED=1        which; the same number chooses the same ones
#   ONLY=text     only lines that hold the text, or functions whose name does
#   JOBS=1        at a time
#   LIST=1        only shows what would be changed
#
# The implementation is cut into as many pieces as there are to be mutants, and of each piece a line
# is drawn, and of its possible changes (sub changes_of) one. A mutant that no compiler takes, or
# that makes the same code, is none: another one is drawn from its piece. So are lines that this
# machine does not compile.
#
# Each is built without optimization, which takes seconds, and run through quick tests; if these
# notice nothing it is built with -O1, which runs in a seventh of the time, and run through
# everything else; at last with sanitizers, which see what is read beyond an array and then not
# used. A crash and a hang are noticed too. Survivors fail, unless tools/mutants.txt says why
# nothing could notice them; what it lists must be in the header. In a sample of fewer than 100,
# which is drawn anew whenever the header changes, they are only shown, half must be noticed, and
# what is listed is not drawn: it takes minutes to survive once more.
use strict;
use warnings;
use List::Util qw(min max shuffle);
use POSIX qw(:sys_wait_h uname);

my $header = 'normalize.h';
my $known = 'tools/mutants.txt';
my $dir = 'build/mutants';
my $cc = $ENV{CC} || 'clang';
# Arguments in the wrong place are what a compiler is for.
my @flags = qw(-std=gnu99 -Wno-everything -Werror=int-conversion
    -Werror=incompatible-pointer-types);
my %option = (MUTANTS => 300, SEED => 1, JOBS => 1, ONLY => '', LIST => 0);
$option{$_} = $ENV{$_} for grep { defined $ENV{$_} && $ENV{$_} ne '' } keys %option;

# How the header is built, by name: first without optimization, then with; and without AVX-512,
# which takes as long as all the rest, unless the line is about it. For tests that look inside it is
# as tests/support/inside.h has it.
my @narrow = ('-DNRM_NO_AVX512');
my %builds = (plain512 => ['-O0'], plain => ['-O0', @narrow], fast512 => ['-O1'],
    fast => ['-O1', @narrow], inside => ['-O0', '-DNRM_POOL_MIN=1']);
my @sanitizers = ('-fsanitize=address,undefined', '-fno-sanitize-recover=all');
for my $set ('', '512') {
    $builds{"sanitized$set"} = [@{$builds{"fast$set"}}, @sanitizers, '-DNRM_POOL_MIN=1'];
}

# Tests in order: those that find most in least time first. [name, seconds of a processor after
# which it hangs, arguments]; a test in @inside looks inside, or has small calls cut up.
my @quick = (['golden_hashes', 10], ['manual', 5], ['other_calls', 15],
    ['validation', 30], ['errors', 60]);
my @optimized = (['golden_hashes', 15], ['random_hashes', 20], ['streaming', 60], ['fp_state', 40],
    ['pool_min', 20], ['edges', 60], ['half', 40], ['forward', 60], ['types', 120],
    ['backward', 100], ['overrun', 100]);
my @inside = (['dispatch', 10], ['same_bits', 150, 40], ['threads', 150, 20]);
my @sanitized = (['golden_hashes', 60], ['other_calls', 100], ['backward', 400]);

# ---- Text ---------------------------------------------------------------------------------------

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub write_file {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

sub blanks { (my $text = $_[0]) =~ s/[^\n]/ /g; return $text }

# The header with blanks for comments, strings and characters: offsets stay what they are.
sub code_of {
    my ($text) = @_;
    $text =~ s{(/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+')}{blanks($1)}gse;
    return $text;
}

# The lines that the compiler sees here: of its output each tells where it came from. Bodies of
# macros count by the line of their #define.
sub compiled_lines {
    my (%seen, $file, $line);
    for (`$cc -std=gnu99 -O1 -E -dD -DNORMALIZE_IMPLEMENTATION -x c $header`) {
        if (/^# (\d+) "([^"]*)"/) { ($line, $file) = ($1, $2) }
        else { $seen{$line} = 1 if $file =~ /\Q$header\E$/ && /\S/; $line++ }
    }
    die "$cc -E shows no lines of $header\n" if keys %seen < 1000;
    return \%seen;
}

# ---- What may be changed ------------------------------------------------------------------------

my %other = ('<' => ['<='], '<=' => ['<'], '>' => ['>='], '>=' => ['>'], '==' => ['!='],
    '!=' => ['=='], '+' => ['-'], '-' => ['+'], '*' => ['+'], '/' => ['*'], '%' => ['/'],
    '&&' => ['||'], '||' => ['&&'], '&' => ['|'], '|' => ['&'], '<<' => ['>>'], '>>' => ['<<'],
    '+=' => ['-=', '='], '-=' => ['+='], '*=' => ['/='], '/=' => ['*='], '|=' => ['&=', '=']);

# Every change to one line of code: [column, length, text instead].
sub changes_of {
    my ($code) = @_;
    my @found;
    while ($code =~ /(?<= )([-+*\/%&|<>=!]{1,2})(?= )/g) { # binary operators stand between blanks
        push @found, map { [$-[1], length $1, $_] } @{$other{$1} || []};
    }
    push @found, [$-[0], 2, $& eq '++' ? '--' : '++'] while $code =~ /\+\+|--/g;
    push @found, [$-[0], 1, ''] while $code =~ /!(?=[\w(])/g;
    while ($code =~ /(?<![\w.])(\d+|0x[0-9a-fA-F]+)(u?)(?![\w.])/g) {
        push @found, [$-[0], length "$1$2", "($1$2 + 1)"];
        push @found, [$-[0], length "$1$2", "($1$2 - 1)"] if $1 ne '0';
    }
    push @found, [$-[1], length $1, "($1 * 2)"] while $code =~ /(?<![\w.])(\d+\.\d+)(?![\w.])/g;
    push @found, [$-[1], length $1, "!($1)"] while $code =~ /\bif \((.*)\)$/g;
    push @found, map { [$-[1], length $1, $_] } "0 && ($1)", "1 || ($1)"
        while $code =~ /\bif \((.*)\)$/g;
    while ($code =~ /(\w+)\(((?:[^(),]+, )*?)([^(),]+), ([^(),]+)(?=[,)])/g) { # arguments
        my ($called, $first, $second, $at, $next) = ($1, $3, $4, $-[3], $-[4]);
        push @found, [$at, length "$first, $second", "$second, $first"]
            if $first ne $second && "$first, $second" !~ /\w [\w*]/ # no parameters
                && $called !~ /^nrmi_(least|product|mul|add)/; # nor what may be exchanged
        pos($code) = $next;
    }
    my $statement = qr/(?:[a-z]\w*(?:(?:->|\.)\w+|\[[^\]]*\])* [-+*\/|]?= |[*\w]+\+\+|\w+\()/;
    if ($code =~ /^\s+((?:$statement.*|continue|break|return);)\s*\\?$/ && balanced($1)) {
        push @found, [$-[1], length $1, ';'];
    }
    return @found;
}

sub balanced { my ($text) = @_; return ($text =~ tr/(//) == ($text =~ tr/)//) }

# All changes to the implementation: {line, in: the function, at: offset, length, text, was, is}.
sub all_changes {
    my ($text) = @_;
    my $compiled = compiled_lines();
    my ($number, $at, $function, $on, $macro, $live, @found) = (0, 0, '', 0, 0, 0);
    my @lines = split /\n/, $text;
    for my $code (split /\n/, code_of($text)) {
        my $line = $lines[$number++];
        my $start = $at;
        $at += 1 + length $line;
        $on = 1 if $line =~ /^#if defined\(NORMALIZE_IMPLEMENTATION\)/;
        last if $on && $line =~ /^#undef nrmi_v$/;
        if ($code =~ /^\s*#/) {
            $macro = $code =~ /^\s*#\s*define\b/;
            $live = $macro && $compiled->{$number};
            $macro = 0 if $code !~ /\\$/;
            next;
        }
        my $in_macro = $macro;
        $macro = 0 if $code !~ /\\$/;
        $function = $1 if $code =~ /^(enum|typedef struct \w+|static const [^=]*)/;
        $function = $2 || $1
            if $code =~ /^ {0,4}(?:static|NRM_API)\b[^;=]*?([\w#]+)(?:\((nrmi_\w+)\))?\(/;
        $function =~ s{\s+$}{};
        next unless $on && ($in_macro ? $live : $compiled->{$number});
        next if $code =~ /^\s*(?:typedef|NRMI_TRACE|NRMI_PREFETCH|NRM_ASSERT|__asm)/;
        for my $c (changes_of($code)) {
            my %change = (line => $number, in => $function, at => $start + $c->[0],
                length => $c->[1], text => $c->[2], was => bare($line, $code));
            substr(my $is = $line, $c->[0], $c->[1]) = $c->[2];
            $change{is} = bare($is, code_of($is));
            push @found, \%change;
        }
    }
    return @found;
}

# A line as the list has it: without blanks around it, comments, and the end of a macro's line.
sub bare {
    my ($line, $code) = @_;
    $line =~ s{/\*.*?(\*/|$)}{}g;
    $line =~ s/\s*\\$//;
    $line =~ s/^\s+|\s+$//g;
    return $line;
}

# ---- The list of those that nothing can notice --------------------------------------------------

# Blocks of `in:`, `line:`, `becomes:` and `why:`; a `*` stands for anything, and what becomes `*`
# is not changed at all.
sub read_list {
    my @blocks;
    return () if !-e $known;
    for my $block (split /\n\s*\n/, slurp($known)) {
        my %b;
        for (split /\n/, $block) {
            next if /^#/;
            /^(in|line|becomes|why): *(.*?)\s*$/ ? ($b{$1} = $2)
                : /^ +(.*?)\s*$/ ? ($b{why} .= " $1") : die "$known: what is this? $_\n";
        }
        next if !%b;
        for (qw(in line becomes why)) { defined $b{$_} or die "$known: no $_:\n$block\n" }
        push @blocks, \%b;
    }
    return @blocks;
}

sub fits {
    my ($text, $pattern) = @_;
    my $any = join '.*', map { quotemeta } split /\*\*/, $pattern, -1;
    return $pattern eq '*' || $text =~ /^$any$/;
}

# Why a change is listed; `whole`: only lines that are not changed at all.
sub reason {
    my ($blocks, $change, $whole) = @_;
    for my $b (@$blocks) {
        next if $whole && $b->{becomes} ne '*';
        return $b->{why} if fits($change->{in}, $b->{in}) && fits($change->{was}, $b->{line})
            && fits($change->{is}, $b->{becomes});
    }
    return undef;
}

# Blocks that no change of the header fits: it has become another since.
sub unused {
    my ($blocks, @changes) = @_;
    my @left = @$blocks;
    for my $change (@changes) {
        @left = grep { !(fits($change->{in}, $_->{in}) && fits($change->{was}, $_->{line})
            && fits($change->{is}, $_->{becomes})) } @left;
        last if !@left;
    }
    return @left;
}

# ---- Choice -------------------------------------------------------------------------------------

# For each piece of the implementation its changes in the order in which they are tried.
sub choose {
    my ($count, @changes) = @_;
    my (%of_line, @pieces);
    push @{$of_line{$_->{line}}}, $_ for @changes;
    my @lines = sort { $a <=> $b } keys %of_line;
    srand $option{SEED};
    for my $i (0 .. $count - 1) {
        my $from = int(@lines * $i / $count);
        my $to = max(int(@lines * ($i + 1) / $count), $from + 1);
        my (@order, %used);
        for (1 .. 40) {
            my $here = $of_line{$lines[$from + int rand($to - $from)]};
            my $change = $here->[int rand @$here];
            push @order, $change if !$used{"$change->{at} $change->{text}"}++;
        }
        push @pieces, \@order;
    }
    return @pieces;
}

# ---- Builds and runs ----------------------------------------------------------------------------

sub command {
    my ($where, @words) = @_;
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;
    if (!$pid) {
        chdir $where or die "$where: $!\n";
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec @words or exit 127;
    }
    waitpid $pid, 0;
    return $? == 0;
}

# The header of a directory, into an object there.
sub compile {
    my ($where, $build, $object) = @_;
    return command($where, $cc, @flags, @{$builds{$build}}, '-DNORMALIZE_IMPLEMENTATION',
        '-o', $object || "$build.o", qw(-x c -c),
        $build eq 'inside' ? 'tests/support/inside.h' : 'normalize.h');
}

# Makes a file that all jobs read, where there is none yet.
sub once {
    my ($file, $make) = @_;
    return $file if -e $file;
    $make->("$$.o") or die "$file is not made\n";
    (my $made = $file) =~ s{[^/]*$}{$$.o};
    rename $made, $file or die "$file: $!\n";
    return $file;
}

# The object of the header as it is.
sub base_object {
    my ($build) = @_;
    return once("$dir/base/$build.o", sub { compile("$dir/base", $build, @_) });
}

sub test_object {
    my ($test) = @_;
    return once("$dir/test_$test.o", sub { command('.', $cc, qw(-std=gnu99 -O1 -pthread -c -o),
        "$dir/$_[0]", "tests/test_$test.c") });
}

sub link_test {
    my ($where, $build, $test) = @_;
    my @needed = $build =~ /^sanitized/ ? @sanitizers : ();
    return command('.', $cc, @needed, '-pthread', '-o', "$where/test", test_object($test),
        "$where/$build.o", '-lm');
}

# Whether a test passes; it is stopped at the first line of a failure.
sub passes {
    my ($where, $seconds, @arguments) = @_;
    my $pid = open my $out, '-|';
    die "fork: $!\n" if !defined $pid;
    if (!$pid) {
        setpgrp;
        open STDERR, '>', '/dev/null';
        delete $ENV{STRICT};
        exec 'sh', '-c', "ulimit -c 0; ulimit -t $seconds; exec \"\$0\" \"\$@\"",
            "$where/test", @arguments;
        exit 127;
    }
    my $passed = 1;
    my $hangs = 0;
    local $SIG{ALRM} = sub { $hangs = 1; kill 'KILL', -$pid };
    alarm 10 * $seconds; # threads that wait for one another use no processor
    while (<$out>) {
        next if !/^not ok|^#   failed:/;
        $passed = 0;
        kill 'KILL', -$pid;
        last;
    }
    close $out;
    alarm 0;
    return $passed && !$hangs && $? == 0;
}

# What notices the header in a directory: the name of a test, or undef.
sub noticed_by {
    my ($where, $build, @tests) = @_;
    for (@tests) {
        my ($test, $seconds, @arguments) = @$_;
        link_test($where, $build, $test) or return "$test (does not link)";
        return $test if !passes($where, $seconds, @arguments);
    }
    return undef;
}

sub same_file { my ($a, $b) = @_; return slurp($a) eq slurp($b) }

# One mutant: what noticed it, 'nothing', or why it is none: 'refused', 'same'.
sub try {
    my ($where, $text, $change) = @_;
    substr($text, $change->{at}, $change->{length}) = $change->{text};
    write_file("$where/normalize.h", $text);
    my ($plain, $fast, $sanitized) = map {
        "$change->{in} $change->{was}" =~ /512/ ? "${_}512" : $_ } qw(plain fast sanitized);
    compile($where, $plain) or return 'refused';
    my $same = same_file("$where/$plain.o", base_object($plain));
    my $by = $same ? undef : noticed_by($where, $plain, @quick);
    return $by if $by;
    compile($where, $fast) or return 'refused';
    return 'same' if same_file("$where/$fast.o", base_object($fast));
    $by = noticed_by($where, $fast, @optimized);
    return $by if $by;
    compile($where, 'inside') or return 'refused';
    $by = noticed_by($where, 'inside', @inside);
    return $by if $by;
    compile($where, $sanitized) or return 'refused';
    $by = noticed_by($where, $sanitized, @sanitized);
    return $by ? "$by, sanitized" : 'nothing';
}

# A directory to build in.
sub place {
    my ($name) = @_;
    my $where = "$dir/$name";
    mkdir $_ for $where, "$where/tests", "$where/tests/support";
    for my $file (glob 'tests/support/*.h') { write_file("$where/$file", slurp($file)) }
    write_file("$where/normalize.h", slurp($header));
    return $where;
}

# Runs JOBS of these at a time; false if one dies.
sub side_by_side {
    my (@jobs) = @_;
    my ($running, $failed) = (0, 0);
    while (@jobs || $running) {
        if (!@jobs || $running >= $option{JOBS}) {
            wait;
            $failed = 1 if $?;
            $running--;
            next;
        }
        my $job = shift @jobs;
        my $pid = fork;
        die "fork: $!\n" if !defined $pid;
        if (!$pid) {
            $job->();
            exit 0;
        }
        $running++;
    }
    return !$failed;
}

# The header as it is, which nothing may notice, and the objects of the tests that come first.
sub prepare {
    mkdir $_ for 'build', $dir;
    my $base = place('base');
    unlink glob "$dir/test_*.o $dir/*/*.o";
    my @compiled = (sub { base_object('plain') },
        map { my $test = $_->[0]; sub { test_object($test) } } @quick);
    print STDERR "# compiling first: ten seconds on two cores\n";
    side_by_side(@compiled) or die "this does not compile\n";
    my $by = noticed_by($base, 'plain', @quick);
    die "test_$by fails with $header as it is\n" if $by;
}

# ---- All of them --------------------------------------------------------------------------------

# A mutant of a piece, its result written for the parent to read: what was tried, line by line.
sub work {
    my ($where, $text, $piece, $file) = @_;
    my @none;
    for my $change (@$piece) {
        my $start = time;
        my $by = try($where, $text, $change);
        if ($by eq 'refused' || $by eq 'same') {
            push @none, $by;
            next;
        }
        write_file($file, join "\n", $by, time - $start, "@none", map { $change->{$_} }
            qw(line in was is));
        return;
    }
    write_file($file, join "\n", 'none', 0, "@none", 0, '', '', '');
}

my (%tally, @survivors);
my ($done, $listed_ones) = (0, 0);
my @blocks = read_list();

sub report {
    my ($file) = @_;
    my ($by, $seconds, $none, $line, $in, $was, $is) = split /\n/, slurp($file), -1;
    $tally{$_}++ for split ' ', $none;
    $done++;
    if ($by eq 'none') {
        print "ok $done # SKIP nothing to change in this piece\n";
        return;
    }
    my $what = "$in, line $line: $was => $is";
    my $why = $by eq 'nothing' ? reason(\@blocks, {in => $in, was => $was, is => $is}, 0) : undef;
    $tally{$by}++;
    if ($by ne 'nothing') { print "ok $done - $by notices $what\n" }
    elsif (defined $why) { $listed_ones++; print "ok $done - survives, as listed: $what\n" }
    elsif ($option{MUTANTS} < 100) { print "ok $done - SURVIVES, to be looked at: $what\n" }
    else { print "not ok $done - nothing notices $what\n" }
    push @survivors, [$line, $in, $was, $is, $why] if $by eq 'nothing';
    print STDERR "# $done of $option{MUTANTS}: ", $by eq 'nothing' ? 'SURVIVES' : "by $by",
        " ($seconds s): $what\n";
}

sub run_all {
    my ($text, @pieces) = @_;
    my (%running, @free);
    push @free, place("job$_") for 1 .. $option{JOBS};
    for my $i (shuffle(0 .. $#pieces), map { -1 } 1 .. $option{JOBS}) {
        while (!@free || $i < 0 && %running) {
            my $pid = waitpid -1, 0;
            my $job = delete $running{$pid} or next;
            push @free, $job->[0];
            report($job->[1]);
        }
        next if $i < 0;
        my ($where, $file) = (shift @free, "$dir/result$i");
        my $pid = fork;
        die "fork: $!\n" if !defined $pid;
        if (!$pid) {
            work($where, $text, $pieces[$i], $file);
            exit 0;
        }
        $running{$pid} = [$where, $file];
    }
}

sub table {
    my $nothing = delete $tally{nothing} || 0;
    my ($refused, $same) = map { delete $tally{$_} || 0 } qw(refused same);
    my $noticed = 0;
    $noticed += $_ for values %tally;
    my $all = $noticed + $nothing;
    my $other = $all - $listed_ones; # that behave otherwise than the header
    my $share = $other ? 100 * $noticed / $other : 0;
    print STDERR "# seed $option{SEED}: $all mutants\n";
    printf STDERR "#   %5d noticed: %.1f%% of those that behave otherwise\n", $noticed, $share;
    printf STDERR "#   %5d by %s\n", $tally{$_}, $_
        for sort { $tally{$b} <=> $tally{$a} || $a cmp $b } keys %tally;
    printf STDERR "#   %5d survived, %d of them listed in %s\n", $nothing, $listed_ones, $known;
    printf STDERR "#   %5d did not compile, %d made the same code: others took their place\n",
        $refused, $same;
    for (sort { $a->[0] <=> $b->[0] } @survivors) {
        my ($line, $in, $was, $is, $why) = @$_;
        print STDERR "# $header:$line: ", defined $why ? $why : 'NOT LISTED', "\n",
            "in: $in\nline: $was\nbecomes: $is\n\n";
    }
    my $asked = $all < 100 ? 50 : 95; # of a few a single one may be more than 5%
    my $enough = $share >= $asked;
    printf "%s %d - %.1f%% of %d mutants are noticed, at least %d%% are asked of so many\n",
        $enough ? 'ok' : 'not ok', $done + 1, $share, $other, $asked;
    return $enough && ($all < 100 || $nothing == $listed_ones);
}

sub list_is_right {
    my @stale = (uname())[4] eq 'x86_64' ? unused(\@blocks, @_) : (); # others compile other lines
    print STDERR "# not in $header:\nin: $_->{in}\nline: $_->{line}\nbecomes: $_->{becomes}\n\n"
        for @stale;
    print @stale ? 'not ok ' : 'ok ', $done + 2, " - $known lists changes of $header\n";
    print '1..', $done + 2, "\n";
    return !@stale;
}

$| = 1;
my $text = slurp($header);
my $lines_only = $option{MUTANTS} >= 100; # of the list: lines that are not changed at all
my @all = all_changes($text);
my @changes = grep { index("$_->{in}\n$_->{was}", $option{ONLY}) >= 0
    && !defined reason(\@blocks, $_, $lines_only) } @all;
die "no changes to lines with '$option{ONLY}'\n" if !@changes;
my %lines = map { $_->{line} => 1 } @changes;
$option{MUTANTS} = min($option{MUTANTS}, scalar keys %lines);
print STDERR '# ', scalar @changes, ' changes to ', scalar keys %lines, " lines; ",
    "$option{MUTANTS} of them, seed $option{SEED}\n";
my @pieces = choose($option{MUTANTS}, @changes);
if ($option{LIST}) {
    print "$_->[0]{in}, line $_->[0]{line}: $_->[0]{was} => $_->[0]{is}\n" for @pieces;
    exit;
}
prepare();
run_all($text, @pieces);
my $enough = table();
exit(list_is_right(@all) && $enough ? 0 : 1);
