#!/usr/bin/env perl
# Prints normalize.h as it runs where AVX-512 is emulated: its AVX-512 code is compiled for AVX2 and
# taken to be there.
#
#   tests/cross/emulated/avx512.pl >build/cross/ROW/normalize.h
use strict;
use warnings;

open my $file, '<', 'normalize.h' or die "normalize.h: $!\n";
my $text = do { local $/; <$file> };

# Each is found so many times, or what is emulated is something else.
sub change
{
    my ($times, $from, $to) = @_;
    my $found = $text =~ s/$from/$to/g;
    die "normalize.h has $from $found times, not $times\n" unless $found == $times;
}

change(2, qr/#pragma GCC target\("avx512[a-z0-9,]*"\)/, '#pragma GCC target("avx2,f16c")');
change(1, qr/if \(NRMI_HAS_AVX512 && [^;]*?\)\n(?= *isas \|= 1u << NRM_AVX512;)/,
    "if (NRMI_HAS_AVX512)\n");
change(1, qr/#include <immintrin\.h>\n/,
    qq(#include <immintrin.h>\n#include "tests/cross/emulated/avx512.h"\n));
print $text;
