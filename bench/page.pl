#!/usr/bin/perl
# page.pl - results of the benchmark as a page that needs no other file: docs/bench/index.html.
#
#   perl bench/page.pl [-o PAGE.html] [RESULT.json...]       or: make bench-page, make report
#
# Without files it takes all of bench/results, one for each machine. A file holds one result, or a
# list of them:
#
#   {"machine": {"processor", "isas", "caches", "cores"}, "compiler", "flags", "commit", "date",
#    "peers": [{"id", "name", "version"}...], whose id the rows use, or the name where it has none
#    "rows": [{"kind", "pass", "layout", "shape", "dtype", "threads", "options", "model",
#              "ours_us", "gbs", "limit_us", "error", "loops_us", "loops_error",
#              "peers": {"onednn": {"us", "error", "note"}...}}...]}
#
# What was not measured is left out. page.html is the page, page.css and page.js what it needs; the
# results go in packed (page.js, `unpack`). A result that says "sample": true is none, and is only
# written to build/. A page of more than 300 KB is not written.
use strict;
use warnings;
use FindBin;
use File::Basename 'dirname';
use File::Path 'make_path';
use JSON::PP;

my $most_bytes = 300_000;
my @columns = qw(machine kind pass layout shape dtype threads options model us gbs limit error
                 loops loops_error);
my %is_text = map { ($_, 1) } qw(kind pass layout shape dtype options model);
my %their_name = (onednn => 'oneDNN', onednnblocked => 'oneDNN blocked', torch => 'PyTorch',
                  ort => 'onnxruntime');
my %renamed = (us => 'ours_us', limit => 'limit_us', loops => 'loops_us');

# Each word is kept once; a row has its number.
my (@words, %number_of);
sub word {
    my ($text) = @_;
    return undef if !defined $text || $text eq '';
    $number_of{$text} = push(@words, $text) - 1 if !exists $number_of{$text};
    return $number_of{$text};
}

# Four digits are more than any of these is good for.
sub number { return defined $_[0] && $_[0] =~ /^-?[\d.]/ ? sprintf('%.4g', $_[0]) + 0 : undef }

sub key { return lc($_[0]) =~ s/[^a-z0-9]//gr }

# A list or a set of things as text: ["sse2", "avx2"] or {"L1": "32 KiB"}.
sub text {
    my ($thing) = @_;
    return join ', ', map { text($_) } @$thing if ref $thing eq 'ARRAY';
    return join ', ', map { "$_ " . text($thing->{$_}) } sort keys %$thing if ref $thing eq 'HASH';
    return defined $thing ? "$thing" : '';
}

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "page.pl: $file: $!\n";
    local $/;
    return scalar <$in>;
}

# The peers that a result names, then those that only its rows have.
sub peers_of {
    my ($result) = @_;
    my (@peers, %at);
    my $add = sub {
        my ($id, $name, $version) = @_;
        return if exists $at{key($id)};
        $at{key($id)} = push(@peers, {name => $their_name{key($id)} // $name,
                                      version => text($version)}) - 1;
    };
    $add->($_->{id} // $_->{name}, @$_{qw(name version)}) for @{$result->{peers} // []};
    $add->($_, $_) for map { sort keys %{$_->{peers} // {}} } @{$result->{rows}};
    return (\@peers, \%at);
}

sub packed_row {
    my ($row, $machine, $at) = @_;
    my %row = (%$row, machine => $machine, map { ($_, $row->{$renamed{$_}}) } keys %renamed);
    $row{pass} = 'train' if $row{pass} eq 'forward';
    $row{layout} = uc $row{layout} if $row{layout} =~ /^n[ch]/i;
    $row{limit} //= $row->{share} * $row{us} if $row->{share} && $row{us};
    $row{threads} ||= 1;
    my @packed = map { $is_text{$_} ? word($row{$_}) : number($row{$_}) } @columns;
    for my $name (sort keys %{$row->{peers} // {}}) {
        my $peer = $row->{peers}{$name};
        push @packed, $at->{key($name)}, number($peer->{us}), number($peer->{error}),
            word($peer->{note});
    }
    return \@packed;
}

sub read_results {
    my (@files) = @_;
    my (@machines, @rows, $sample, %seen);
    for my $file (@files) {
        my $json = eval { decode_json(slurp($file)) } or die "page.pl: $file is no JSON: $@";
        for my $result (ref $json eq 'ARRAY' ? @$json : $json) {
            die "page.pl: $file has no rows\n" if !@{$result->{rows} // []};
            my ($peers, $at) = peers_of($result);
            my $about = $result->{machine};
            push @rows, map { packed_row($_, scalar @machines, $at) } @{$result->{rows}};
            push @machines, {peers => $peers,
                (map { ($_, text($about->{$_})) } qw(processor isas caches cores)),
                map { ($_, text($result->{$_})) } qw(compiler flags commit date)};
            # Virtual machines call different processors by one name.
            my ($best) = $machines[-1]{isas} =~ /([^, ]+)$/;
            $machines[-1]{processor} .= ", $best"
                if defined $best && $seen{$machines[-1]{processor}}++;
            my $times = ++$seen{$machines[-1]{processor} . $machines[-1]{isas}};
            $machines[-1]{processor} .= " ($times)" if $times > 1;
            $sample ||= $result->{sample};
        }
    }
    return {machines => \@machines, words => \@words, columns => \@columns,
            texts => [sort keys %is_text], rows => \@rows,
            sample => $sample ? JSON::PP::true : JSON::PP::false};
}

# One row on a line, so that a change of one shows; no text of the data can end the script.
sub inline_json {
    my ($data) = @_;
    my $json = JSON::PP->new->ascii->canonical;
    my $rows = join ",\n", map { $json->encode($_) } @{$data->{rows}};
    my $text = $json->encode({%$data, rows => []}) =~ s/"rows":\[\]/"rows":[\n$rows]/r;
    return $text =~ s/</\\u003c/gr;
}

my $out = "$FindBin::Bin/../docs/bench/index.html";
(undef, $out) = splice @ARGV, 0, 2 if @ARGV > 1 && $ARGV[0] eq '-o';
my @files = @ARGV ? @ARGV : glob "$FindBin::Bin/results/*.json";
die "page.pl: no results in bench/results, and no file named\n" if !@files;

my $data = read_results(@files);
die "page.pl: a sample is written to build/ alone\n" if $data->{sample} && $out !~ m{\bbuild/};
my %part = (data => inline_json($data), 'page.css' => slurp("$FindBin::Bin/page.css"),
            'page.js' => slurp("$FindBin::Bin/page.js"));
my $page = slurp("$FindBin::Bin/page.html") =~ s/\@(data|page\.css|page\.js)\@\n?/$part{$1}/gr;
die sprintf "page.pl: %d bytes are more than %d: name fewer results\n", length $page, $most_bytes
    if length $page > $most_bytes;

make_path(dirname($out));
open my $to, '>:raw', $out or die "page.pl: $out: $!\n";
print $to $page;
close $to or die "page.pl: $out: $!\n";
printf "%s: %d rows, machines: %d, %d bytes\n", $out =~ s{^.*/\.\./}{}r, scalar @{$data->{rows}},
    scalar @{$data->{machines}}, length $page;
