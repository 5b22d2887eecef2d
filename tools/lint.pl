#!/usr/bin/perl
# lint.pl - what a compiler does not check, as TAP: text, names, versions, lists that must agree.
use strict;
use warnings;

my ($count, $failed) = (0, 0);

# One test; what is wrong, if anything, line by line.
sub check {
    my ($text, @wrong) = @_;
    $count++;
    $failed++ if @wrong;
    print @wrong ? 'not ok' : 'ok', " $count - $text\n";
    print "#   $_\n" for @wrong > 12 ? (@wrong[0 .. 11], '... ' . (@wrong - 12) . ' more') : @wrong;
}

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    local $/;
    return scalar <$in>;
}

# Not pictures. CMake, Meson and clib look for their files at the top.
my @files = grep { -f && !/\.(svg|png)$/ }
    qw(normalize.h Makefile README.md CHANGELOG.md LICENSE .clang-format .clang-tidy
       tests/.clang-tidy .gitignore .ci/run CMakeLists.txt meson.build clib.json CONTRIBUTING.md),
    glob('docs/* fuzz/* make/* packaging/* bench/* proofs/* tools/*'),
    glob('docs/play/* tests/play/*'),
    glob('examples/* examples/python/* examples/which_norm/* examples/fuzz_yours/*'),
    glob('packaging/oss-fuzz/* packaging/npm/* packaging/conan/* packaging/conan/test_package/*'),
    glob('packaging/python/* packaging/python/*/*.py packaging/python/src/*/*.py'),
    glob('packaging/python/c/library.c packaging/python/c/oracle.c packaging/debian/[!c]*'),
    glob('packaging/rust/*/*.rs packaging/rust/*/*/*.rs packaging/vcpkg/*/*'),
    glob('build.zig* SECURITY.md CITATION.cff'),
    glob('tests/* tests/support/* tests/include/* tests/cross/* tests/cross/msvc/* tests/page/*'),
    glob('tests/packages/* tests/packages/cmake/* tests/packages/meson/* tests/packages/zig/*');
my %text = map { $_ => slurp($_) } @files;
my $header = $text{'normalize.h'};

# ---- Text ---------------------------------------------------------------------------------------

# Every line that a test of the line finds fault with, as file:line.
sub lines_where {
    my ($fault, @in) = @_;
    my @wrong;
    for my $file (@in) {
        my $number = 0;
        for my $line (split /\n/, $text{$file}) {
            $number++;
            push @wrong, "$file:$number" if $fault->($line);
        }
    }
    return @wrong;
}

my $unfinished = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'X' . 'XX';
check('ASCII', lines_where(sub { $_[0] =~ /[^\x20-\x7e\t]/ }, @files));
# A row of a Markdown table cannot be broken.
check('lines of at most 100 characters',
      lines_where(sub { length $_[0] > 100 && $_[0] !~ /^\|/ }, @files));
check('no tabs', lines_where(sub { $_[0] =~ /\t/ },
                             grep { !/^Makefile$|\.mk$|debian.rules$/ } @files));
check('no blanks at the end of a line', lines_where(sub { $_[0] =~ /[ \t]$/ }, @files));
check('no marks of unfinished work', lines_where(sub { $_[0] =~ /\b(?:$unfinished)\b/ }, @files));
check('files end in a newline', grep { $text{$_} !~ /\n\z/ } @files);

# ---- Names --------------------------------------------------------------------------------------

my $prefix = qr/^(?:nrmi?_|NRMI?_|NORMALIZE_)/;
my %known = map { $_ => 1 } qw(auto const double enum extern float inline int long register return
    short signed sizeof static struct typedef union unsigned void volatile char restrict _Bool
    _Alignas _Atomic _Thread_local size_t ptrdiff_t int8_t int16_t int32_t int64_t uint8_t uint16_t
    uint32_t uint64_t intptr_t uintptr_t);

# The file-scope identifiers of preprocessed C: those outside of all braces and parentheses, the
# constants of enumerations, and X in (*X). Types of the compiler start with an underscore.
sub file_scope_names {
    my ($code) = @_;
    my (%names, $parens, @braces, $last_enum);
    $parens = 0;
    $code =~ s/"(?:[^"\\]|\\.)*"/""/g;
    $code =~ s/extern "" \{//g;
    while ($code =~ /([A-Za-z_]\w*)|(\(\s*\*\s*([A-Za-z_]\w*))|([(){};])|(\d[\w.+-]*)/g) {
        my ($word, $pointer, $pointed, $mark) = ($1, $2, $3, $4);
        if (defined $pointer) {
            $names{$pointed} = 1 if !@braces and !$parens;
            $parens++;
        } elsif (defined $word) {
            $last_enum = 1 if $word eq 'enum';
            next if $parens or grep { $_ ne 'enum' } @braces;
            $names{$word} = 1 unless $known{$word} or $word =~ /^_/;
        } elsif (defined $mark) {
            $parens++ if $mark eq '(';
            $parens-- if $mark eq ')' and $parens;
            if ($mark eq '{') {
                push @braces, $last_enum && !$parens ? 'enum' : 'other';
            }
            pop @braces if $mark eq '}';
            $last_enum = 0 if $mark =~ /[{;]/;
        }
    }
    return sort keys %names;
}

# What the preprocessor leaves of normalize.h itself, without the system headers.
sub own_code {
    my ($options) = @_;
    my ($own, $code) = (0, '');
    for (split /\n/, `gcc -std=c99 -E -DNORMALIZE_IMPLEMENTATION $options -x c normalize.h`) {
        if (/^# \d+ "([^"]*)"/) { $own = $1 =~ /normalize\.h$/ }
        elsif ($own and !/^\s*#/) { $code .= "$_\n" }
    }
    return $code;
}

for my $options ('', '-DNORMALIZE_STATIC', '-DNRM_NO_SIMD') {
    my @names = file_scope_names(own_code($options));
    check("prefixes of the identifiers in the preprocessed text $options",
          @names < 40 ? 'only ' . @names . ' names found' : grep { !/$prefix/ } @names);
}

# Names that live in one function carry a number after a dot (static variables) and are no matter;
# nor are those of system headers, with two underscores.
mkdir 'build';
system("gcc -std=c99 -O0 -fkeep-static-functions -DNORMALIZE_IMPLEMENTATION -x c -c normalize.h"
    . ' -o build/lint.o') == 0 or print "# gcc failed\n";
my @symbols = map { (split)[-1] } grep { !/ U / } `nm build/lint.o`;
check('prefixes of the symbols that nm shows',
      @symbols < 20 ? 'only ' . @symbols . ' symbols' : grep { !/$prefix|\.\d+$|^__/ } @symbols);

my %defined = map { $_ => 1 } $header =~ /^[ \t]*#[ \t]*define[ \t]+(\w+)/mg;
my %undefined = map { $_ => 1 } $header =~ /^[ \t]*#[ \t]*undef[ \t]+(\w+)/mg;
check('macros without the prefix are undefined again',
      grep { !/$prefix/ && !$undefined{$_} } sort keys %defined);

# ---- Lists that must agree ----------------------------------------------------------------------

sub difference {
    my ($what_a, $a, $what_b, $b) = @_;
    my %a = map { $_ => 1 } @$a;
    my %b = map { $_ => 1 } @$b;
    return ((map { "$_: only in $what_a" } grep { !$b{$_} } sort keys %a),
            (map { "$_: only in $what_b" } grep { !$a{$_} } sort keys %b));
}

(my $bare = $header) =~ s{/\*.*?\*/}{ }gs;
my @declared = $bare =~ /^NRM_API\s[^;{(]*?\b(nrm_\w+)\s*\(/mg;
my @listed = $text{'tests/include/public.h'} =~ /PUBLIC\((nrm_\w+)\)/g;
check('tests/include/public.h lists the public functions',
      difference('normalize.h', \@declared, 'public.h', \@listed));

# Literals that follow one another are one; % and a sign stand for a value.
sub literals { return map { join '', /"([^"]*)"/g } $_[0] =~ /((?:"[^"]*"[\s\\]*)+)/g }
my ($wrongs) = $header =~ /^#define NRMI_WRONGS\(row\)(.*?)\n\n/ms;
my @quoted = literals($text{'tests/test_explain.c'});
my @sentences = literals($wrongs // '');
check('tests/test_explain.c has every sentence of nrm_explain',
      @sentences ? grep { my $like = join '.+', map { quotemeta } split /%\w/, $_, -1;
                          !grep { /^$like$/ } @quoted } @sentences : 'none found');

my %number = $header =~ /^#define NRM_VERSION_(MAJOR|MINOR|PATCH) (\d+)$/mg;
my $version = join '.', map { defined $number{$_} ? $number{$_} : '?' } qw(MAJOR MINOR PATCH);
my ($first_line) = $header =~ /\A([^\n]*)/;
my ($changelog) = ($text{'CHANGELOG.md'} || '') =~ /^## (\d+\.\d+\.\d+)/m;
check("version $version on line 1", $first_line =~ /\bv\Q$version\E\b/ ? () : $first_line);
check("version $version at the top of CHANGELOG.md",
      defined $changelog && $changelog eq $version ? () : $changelog || 'no version there');

my $number = $number{MAJOR} * 10000 + $number{MINOR} * 100 + $number{PATCH};
my @passes = $header =~ /^#(?:define|if) (NRMI_PASS (?:!= )?\S+)$/mg;
check("NRMI_PASS is $number where it is set and where it is asked for",
      @passes == 2 ? grep { !/ $number$/ } @passes : 'found ' . @passes . ' times');

# CMakeLists.txt and the Makefile read the version from normalize.h; these cannot.
my ($meson) = $text{'meson.build'} =~ /^ *version: '([^']*)'/m;
my ($clib) = $text{'clib.json'} =~ /"version": "([^"]*)"/;
my ($npm) = $text{'packaging/npm/package.json'} =~ /"version": "([^"]*)"/;
check("version $version in meson.build", ($meson || "") eq $version ? () : $meson || "none there");
check("version $version in clib.json", ($clib || "") eq $version ? () : $clib || "none there");
check("version $version in packaging/npm/package.json",
      ($npm || "") eq $version ? () : $npm || "none there");
# The recipes' own checks need their tools; that they are of this version needs none.
my %recipe = ('build.zig.zon' => qr/^ *\.version = "([^"]*)"/m,
              'packaging/rust/normalize-sys/Cargo.toml' => qr/^version = "([^"]*)"/m,
              'packaging/vcpkg/normalize-h/vcpkg.json' => qr/"version": "([^"]*)"/,
              'packaging/debian/changelog' => qr/\((\S+)-\d+\)/,
              'CITATION.cff' => qr/^version: (\S+)/m);
check("version $version in the recipes",
      grep { (slurp($_) =~ $recipe{$_} ? $1 : 'none') ne $version } sort keys %recipe);

# An instruction set is written in three places: its operations, its pass, its row of the table.
my %hook = map { $_ => [sort $header =~ /ISA HOOK $_: (\w[\w-]*)/g] } 'op block', 'pass', 'row';
print '# ISA HOOK ', join('; ', map { "$_: @{$hook{$_}}" } sort keys %hook), "\n";
check('ISA HOOK marks: the same instruction sets in all three places',
      difference('op blocks', $hook{'op block'}, 'passes', $hook{pass}),
      difference('op blocks', $hook{'op block'}, 'rows', $hook{row}),
      @{$hook{row}} ? () : 'none at all');

# The enumerations: tests and the benchmark have a list of each, and go through it.
sub enumerators {
    my ($enum, $prefix) = @_;
    my ($list) = $bare =~ /^typedef enum \Q$enum\E \{([^}]*)\}/m;
    return map { s/^$prefix//r } split /[\s,]+/, ($list || '') =~ s/^\s+//r;
}
sub words {
    my ($text, $name) = @_;
    return $text =~ /\b$name\[\w*\] = \{([^}]*)\}/ ? $1 =~ /(\w+)/g : ();
}
my ($types) = map { $text{$_} } grep { m{/types\.h$} } @files;
my $bench = $text{'bench/cases.c'};
my %list = (nrm_kind => [KINDS => 'kind_name'], nrm_layout => [LAYOUTS => 'layout_name'],
            nrm_dtype => [TYPES => 'type_name'], nrm_act => [ACTS => 'act_name']);
for my $enum (sort keys %list) {
    my @all = enumerators($enum, 'NRM_');
    my ($count, $names) = @{$list{$enum}};
    my @wrong = difference($enum, [map { lc } @all], 'types.h', [map { lc } words($types, $names)]);
    push @wrong, "$count is not " . @all if $types !~ /^#define $count ${\scalar @all}$/m;
    check("types.h has every $enum", @all ? @wrong : "$enum is not found");
}
my @isas = enumerators('nrm_isa', 'NRM_');
check('types.h has every nrm_isa',
      difference('nrm_isa', [grep { $_ ne 'AUTO' } @isas],
                 'types.h', [map { s/^NRM_//r } words($types, 'all_isa')]));
check('bench/cases.c has every kind, storage type and instruction set',
      difference('nrm_kind', [map { lc } enumerators('nrm_kind', 'NRM_')],
                 'kind_name', [words($bench, 'kind_name')]),
      difference('nrm_dtype', [map { lc } enumerators('nrm_dtype', 'NRM_')],
                 'dtype_name', [words($bench, 'dtype_name')]),
      difference('nrm_isa', [map { lc } @isas], 'isa_name', [words($bench, 'isa_name')]));

my $layout = $text{'tests/packages/layout.c'};
my $python = $text{'examples/python/normalize.py'};
my @enumerators = map { enumerators($_, 'NRM_') } sort keys %list;
check('tests/packages/layout.c has every enumerator of nrm_desc',
      grep { $layout !~ /\bVALUE\(NRM_$_\)/ } @enumerators);
check('examples/python/normalize.py has every enumerator of nrm_desc',
      grep { $python !~ /^(?:\w+, )*$_\b.* = range/m } @enumerators);

my ($npm_kinds) = $text{'packaging/npm/normalize.js'} =~ /^const KINDS = \{([^}]*)\}/m;
my @kinds = enumerators('nrm_kind', 'NRM_');
check('packaging/npm/normalize.js has every nrm_kind, by its number',
      ($npm_kinds // '') eq join(', ', map { lc($kinds[$_]) . ": $_" } 0 .. $#kinds) ? ()
          : $npm_kinds // 'no KINDS there');

my @vectors = grep { $_ ne 'scalar' } $header =~ /^#define NRMI_ISA (\w+)$/mg;
my @uncounted = $text{'fuzz/one_isa.txt'} =~ /^fun:\*_(\w+)$/mg;
check('fuzz/one_isa.txt names every pass but that of scalar code',
      difference('normalize.h', \@vectors, 'one_isa.txt', \@uncounted));

# Drawn data are held to the tighter limit of ref.h. The adversary's inputs are beyond it.
check('tests that ask the oracle define REF_ORDINARY',
      grep { m{^tests/test_(?!adversary)} && $text{$_} =~ m{support/(?:oracle|ref)\.h"} &&
             $text{$_} !~ /^#define REF_ORDINARY\b/m } @files);

# What the documents tell to type, read and look for exists.
my $documents = join "\n", map { $text{$_} } grep { /\.md$/ && $_ ne 'CHANGELOG.md' } @files;
my @targets = map { $text{$_} =~ /^([a-z-]+):.*##/mg } grep { /^Makefile$|\.mk$/ } @files;
my %target = map { $_ => 1 } @targets;
my @commands = map { split ' ' } $documents =~ /`make ([a-z -]+)`/g;
check('the make targets that the documents name exist', grep { !$target{$_} } @commands);
my $folders = qr/examples|tests|bench|docs|fuzz|packaging|tools|make/;
my @paths = "$documents$header" =~ m{(?<!build/)\b($folders/[\w./-]*\w)}g;
check('the files that the documents name exist', grep { !-e } @paths);
my @names = $documents =~ /`((?:nrmi?|NRMI?|NORMALIZE)_\w+)`/g;
my %built = map { $_ => 1 } $text{'CMakeLists.txt'} =~ /option\((\w+)/g;
check('the names of the code that the documents name exist',
      grep { !$built{$_} && $header !~ /\b\Q$_\E\b/ } @names);

print "1..$count\n";
print "# failed $failed of $count\n" if $failed;
exit($failed ? 1 : 0);
