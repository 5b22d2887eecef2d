#!/usr/bin/perl
# pack.pl - docs/play/normalize.wasm.js: the library as WebAssembly, packed as text so that the page
# works from a file, and tests/golden.txt.
#
#   perl docs/play/pack.pl COMPILER SIMD.wasm SCALAR.wasm    to standard output
#   perl docs/play/pack.pl --code                            the hash of what it is built from
#
# The hash is of play.c and all it includes, without comments and blanks, so that it changes only
# where the code may. Another compiler makes other bytes of the same code.
use strict;
use warnings;
use Digest::SHA 'sha256_hex';
use File::Basename 'dirname';
use File::Spec::Functions 'abs2rel';
use Cwd 'abs_path';
use MIME::Base64;

chdir dirname(abs_path($0)) . '/../..' or die;

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

# A file and what it includes by name in quotes, each once, in the order in which they are met.
# What is not beside it is another file's business: normalize.h includes itself by a macro.
sub sources {
    my ($file, $seen) = @_;
    return () if $seen->{$file}++;
    my @all = ($file);
    for my $name (slurp($file) =~ /^[ \t]*#[ \t]*include "([^"]+)"/mg) {
        my $path = abs2rel(abs_path(dirname($file) . "/$name") // next);
        push @all, sources($path, $seen) if -f $path;
    }
    return @all;
}

sub code {
    my $text = '';
    for my $file (sources('docs/play/play.c', {})) {
        my $code = slurp($file);
        $code =~ s{("(?:[^"\\\n]|\\.)*")|/\*.*?\*/}{$1 // ' '}gse;
        $code =~ s/\s+/ /g;
        $text .= "$file\n$code\n";
    }
    return sha256_hex($text . slurp('tests/golden.txt'));
}

# In lines of 96 characters; atob() takes no notice of them.
sub packed {
    my ($file) = @_;
    my $bytes = `gzip -9nc $file`;
    die "gzip $file\n" if $? or !length $bytes;
    return encode_base64($bytes, '') =~ s/(.{1,96})/$1\n/gr;
}

if (@ARGV == 1 && $ARGV[0] eq '--code') {
    print code(), "\n";
    exit;
}
my ($compiler, $simd, $scalar) = @ARGV;
die "pack.pl COMPILER SIMD.wasm SCALAR.wasm\n" if @ARGV != 3;
my ($name) = `$compiler --version` =~ /(clang version \d+)/ or die "$compiler?\n";
my %number = slurp('normalize.h') =~ /^#define NRM_VERSION_(MAJOR|MINOR|PATCH) (\d+)$/mg;
my $version = join '.', @number{qw(MAJOR MINOR PATCH)};
my ($code, $golden) = (code(), slurp('tests/golden.txt'));
my ($with, $without) = (packed($simd), packed($scalar));
print <<"END";
/* Made by `make play` of normalize.h, play.c and tests/golden.txt. simd and scalar are WebAssembly,
   gzip in base64; code is what `perl docs/play/pack.pl --code` says of their sources. */
'use strict';
const built = {
version: '$version',
compiler: '$name',
code: '$code',
simd: `
$with`,
scalar: `
$without`,
golden: `
$golden`,
};
END
