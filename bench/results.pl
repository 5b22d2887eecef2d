# results.pl - the figures of a machine, for table.pl and report.pl: what bench/peers measured and,
# of what it did not, what bench/bench did.
#
#   my $results = results_of($peers_jsonl, $context, $rows);   each may be undef
#   write_results($results, $folder);     bench/results/<machine>.json; returns its name
#   my @tables = glance($results->{rows});        NCHW or NHWC, and the rows furthest from the limit
#
# A row: kind, pass (train, forward, infer, backward), layout, shape, model, dtype, threads, options
# (words of a case, as layer.h lists them; and cold), ours_us, gbs, limit_us, share, error,
# loops_us, loops_error, and peers: for each id us, error, ratio, low, high (ours over theirs: the
# median and the quartiles of the turns) or a note why not. What is not known is null.
use strict;
use warnings;
use JSON::PP;

my @key = qw(kind pass layout shape dtype threads options);

# ---- Reading -------------------------------------------------------------------------------------

sub read_peers {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    my ($head, @rows) = map { decode_json($_) } <$in>;
    die "$file: not a file of build/bench/peers\n" if !$head || !$head->{machine};
    return {%$head, rows => \@rows};
}

# The same of a run of build/bench/bench.
sub machine_of {
    my ($context) = @_;
    my @caches = map { sprintf 'L%d %dK', $_->{level}, $_->{size} >> 10 }
        grep { $_->{type} ne 'Instruction' } @{$context->{caches} // []};
    return {machine => {processor => $context->{processor}, isas => [$context->{isa}],
                        caches => \@caches, cores => 0 + ($context->{num_cpus} // 0)},
            (map { ($_ => $context->{$_} // 'unknown') } qw(compiler flags commit)),
            date => substr($context->{date} // '', 0, 10), peers => []};
}

sub options_of {
    my ($row, $best) = @_;
    my %size = (f64 => 8, f32 => 4, bf16 => 2, f16 => 2);
    return join ' ', ($row->{fused} =~ /add/ ? 'residual' : ()), ($row->{fused} =~ /relu/ ? 'relu'
        : ()), ($row->{kind} eq 'group' ? 'groups=32' : ()),
        ($row->{malloc} ? 'off=' . 16 / $size{$row->{type}} : ()),
        ($row->{who} eq $best ? () : $row->{who}), ($row->{cold} ? 'cold' : ());
}

sub row_of {
    my ($row, $best, $index) = @_;
    my $naive = sibling($index, $row, who => 'naive');
    my $share = $row->{limit} ? $row->{limit} / $row->{us} : undef;
    my $short = sub { defined $_[0] ? 0 + sprintf '%.4g', $_[0] : undef };
    return {(map { ($_ => $row->{$_}) } qw(kind layout shape)), model => $row->{label},
            pass => $row->{pass} eq 'train' && $row->{kind} ne 'batch' ? 'forward' : $row->{pass},
            dtype => $row->{type}, threads => 0 + $row->{threads} =~ s/t$//r,
            options => options_of($row, $best), ours_us => $short->($row->{us}),
            gbs => $short->($row->{bytes} / $row->{us} / 1e3),
            limit_us => $short->($row->{limit} || undef), share => $short->($share),
            error => undef, loops_us => $short->($naive && $naive->{us}), loops_error => undef,
            peers => {}};
}

sub key_of { return join '/', @{$_[0]}{@key} }

sub results_of {
    my ($peers, $context, $rows) = @_;
    my $results = $peers ? read_peers($peers) : machine_of($context);
    return $results if !$rows;
    my ($best, $index) = (best_isa($context), index_rows($rows));
    my %there = map { (key_of($_), 1) } @{$results->{rows} //= []};
    for my $row (map { row_of($_, $best, $index) } grep { $_->{kind} ne 'memory' && !$_->{sweep} &&
                                                         $_->{who} !~ /naive|apart/ } @$rows) {
        push @{$results->{rows}}, $row if !$there{key_of($row)};
    }
    return $results;
}

# ---- Writing -------------------------------------------------------------------------------------

# A line for each row, in the order of measuring.
sub write_results {
    my ($results, $folder) = @_;
    my $json = JSON::PP->new->canonical;
    # Virtual machines call different processors by one name.
    my $name = lc("$results->{machine}{processor} $results->{machine}{isas}[-1]");
    $name =~ s/[^a-z0-9]+/-/g;
    $name =~ s/^-|-$//g;
    mkdir $folder if !-d $folder;
    open my $out, '>', "$folder/$name.json" or die "$folder/$name.json: $!\n";
    print $out "{", join(",\n", map { "\"$_\": " . $json->allow_nonref->encode($results->{$_}) }
        qw(machine compiler flags commit date peers)), ",\n\"rows\": [\n",
        join(",\n", map { $json->encode($_) } @{$results->{rows}}), "\n]}\n";
    close $out or die "$folder/$name.json: $!\n";
    return "$name.json";
}

# ---- At a glance ---------------------------------------------------------------------------------

# What a layout is chosen by: float, one thread, aligned, nothing fused.
sub is_usual {
    my ($row) = @_;
    return $row->{dtype} eq 'f32' && $row->{threads} == 1 && $row->{options} =~ /^(groups=\d+)?$/;
}

# [NCHW, NHWC] of the usual rows that are there in both, and are no mere call.
sub pairs_of {
    my ($rows) = @_;
    my %nchw = map { (key_of($_), $_) } grep { $_->{layout} eq 'NCHW' } @$rows;
    return map { my $other = $nchw{key_of({%$_, layout => 'NCHW'})}; $other ? [$other, $_] : () }
        grep { $_->{layout} eq 'NHWC' && is_usual($_) } @$rows;
}

# ResNet-50 of "ResNet-50, third stage".
sub models_of { return join ', ', unique(map { $_->{model} =~ s/,.*//r } @_) }

# By how much the faster layout wins; a tie within 5%.
sub winner {
    my ($ratio) = @_; # time of NHWC over that of NCHW
    return $ratio > 1 / 1.05 && $ratio < 1.05 ? '' : $ratio > 1 ?
        sprintf('NCHW by %.2f', $ratio) : sprintf('NHWC by %.2f', 1 / $ratio);
}

# One line, for a reader who wants to know which.
sub layout_verdict {
    my @ratios = sort { $a <=> $b } @_;
    my ($first, $last) = map { winner($_) } @ratios[0, -1];
    return 'either' if !$first && !$last;
    return sprintf 'depends: NHWC by up to %.2f, NCHW by up to %.2f', 1 / $ratios[0], $ratios[-1]
        if $first =~ /^NHWC/ && $last =~ /^NCHW/;
    my $mean = geometric_mean(@ratios);
    return $mean > 1 ? sprintf('NCHW by %.2f', $mean) : sprintf('NHWC by %.2f', 1 / $mean);
}

sub glance_table {
    my ($rows) = @_;
    my (%of, @cells);
    push @{$of{"$_->[0]{kind} $_->[0]{pass}"}}, $_ for pairs_of($rows);
    for my $what (map { my $kind = $_; map { "$kind $_" } qw(train forward infer backward) }
                  qw(batch layer instance group rms)) {
        my @pairs = @{$of{$what} // []} or next;
        my @ratios = sort { $a <=> $b } map { $_->[1]{ours_us} / $_->[0]{ours_us} } @pairs;
        push @cells, [$what, layout_verdict(@ratios), sprintf('%.2f', geometric_mean(@ratios)),
                      scalar @pairs, models_of(map { $_->[0] } @pairs)];
    }
    return @cells ? {title => 'NCHW or NHWC', rows => \@cells, words => [0, 1, 4],
        head => ['', 'the faster', 'NHWC/NCHW', 'layers', 'of']} : ();
}

sub furthest_table {
    my ($rows, $count) = @_;
    my @far = sort { $a->{share} <=> $b->{share} } grep {
        is_usual($_) && $_->{share} && elements_of($_) >= 4096 } @$rows;
    my @cells = map { [join(' ', @$_{qw(kind pass layout shape)}), sprintf('%.0f%%', 100 *
        $_->{share}), us($_->{ours_us}), us($_->{limit_us}), $_->{model}] }
        @far[0 .. ($#far < $count ? $#far : $count - 1)];
    return @cells ? {title => 'furthest from the limit', rows => \@cells, words => [0, 4],
        head => ['', 'limit', 'us', 'limit us', 'of']} : ();
}

sub elements_of {
    my $count = 1;
    $count *= $_ for split /x/, $_[0]{shape};
    return $count;
}

sub glance {
    my ($rows) = @_;
    return (glance_table($rows), furthest_table($rows, 5));
}

# A line for each library and number of threads: how often ours is the faster, and by how much.
sub beside_lines {
    my ($results) = @_;
    my @lines;
    my $blocked = {id => 'onednn-blocked', name => 'oneDNN in its blocked layout'};
    for my $peer (@{$results->{peers}}, $blocked) {
        for my $threads (1, 2) {
            my @ratio = grep { $_ } map { ($_->{peers}{$peer->{id}} // {})->{ratio} }
                grep { $_->{threads} == $threads } @{$results->{rows}} or next;
            my $faster = grep { $_ < 1 } @ratio;
            push @lines, sprintf "%s, %d thread%s: ours is the faster in %d of %d rows; its time " .
                "over ours: %.2f in the mean, from %.2f to %.2f",
                join(' ', $peer->{name}, $peer->{version} // ()), $threads,
                $threads > 1 ? 's' : '', $faster, scalar @ratio, 1 / geometric_mean(@ratio),
                (sort { $a <=> $b } map { 1 / $_ } @ratio)[0, -1];
        }
    }
    return @lines;
}

1;
