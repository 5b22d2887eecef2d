# chromium.pl - a page in a headless Chromium, led from Perl: no npm, no port, no driver to install.
#
#   require './tests/page/chromium.pl';       in a program that prints TAP: tests/page/bench.pl
#   my $page = page_open('build/page/index.html');      a file, loaded; width 1280, height 800
#   page_js($page, 'document.title')                    an expression's value; waits for a promise
#   page_wait($page, 'rows.length > 3')                 until it is true; dies after ten seconds
#   page_key($page, 'Tab')                              a key as one presses it: Tab, Enter, Escape,
#                                                       Space, ArrowDown, Shift+Tab, a, ...
#   page_type($page, '8x96x28x28')                      text into what has the focus
#   page_click($page, '#theme')                         the mouse, on the middle of that element,
#                                                       scrolled to; dies if something covers it
#   page_size($page, 390, 844)                          the window, in CSS pixels
#   page_prefers($page, 'dark')                         or light: prefers-color-scheme
#   page_shot($page, 'build/page/dark.png')             what is seen; a true third argument: all
#   page_load($page, 'build/page/other.html')           another page, or the same again
#   page_faults($page)                                  what went wrong so far, a line each:
#                                                       errors and warnings of the console,
#                                                       exceptions, requests elsewhere
#   page_close($page)
#   page_browser()                                      the program that is taken, or undef
#
# Chromium speaks its DevTools protocol over two pipes (--remote-debugging-pipe: it reads file
# descriptor 3 and writes 4), in JSON that ends with a zero byte. Names of hosts lead nowhere, and a
# request for what is neither file: nor data: nor blob: is a fault. What takes a minute dies.
use strict;
use warnings;
use Cwd 'abs_path';
use File::Temp 'tempdir';
use JSON::PP;
use MIME::Base64 'decode_base64';
use POSIX ();
use Time::HiRes qw(sleep time);

my $patience = 60;
my $json = JSON::PP->new->utf8->allow_nonref;
my @open;

sub page_browser {
    for my $name (grep { $_ } $ENV{CHROMIUM}, qw(chromium chromium-browser google-chrome)) {
        for my $file ($name =~ m{/} ? $name : map { "$_/$name" } split /:/, $ENV{PATH}) {
            return $file if -f $file && -x _;
        }
    }
    return undef;
}

# ---- The process and its pipes ------------------------------------------------------------------

# As root it needs --no-sandbox; in a container /dev/shm is too small.
sub page_flags {
    my ($profile) = @_;
    return (qw(--headless --remote-debugging-pipe --no-first-run --no-sandbox --disable-gpu
               --disable-dev-shm-usage --disable-background-networking --disable-component-update
               --disable-extensions --disable-sync --hide-scrollbars --force-device-scale-factor=1
               --lang=en), "--user-data-dir=$profile", '--host-resolver-rules=MAP * ~NOTFOUND',
            'about:blank');
}

# In a process group of its own, with its helpers, so that page_close can end all of them.
sub page_start {
    my $browser = page_browser() // die "no chromium here (make deps-page)\n";
    my $profile = tempdir(CLEANUP => 1);
    pipe(my $in, my $to) && pipe(my $from, my $out) or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgrp;
        # One of the ends may be 3 or 4 already: both go out of the way first.
        my @moves = ([fileno $in, 20], [fileno $out, 21], [20, 3], [21, 4]);
        POSIX::dup2(@$_) // POSIX::_exit(127) for @moves;
        POSIX::close($_) for 20, 21;
        POSIX::dup2(POSIX::open('/dev/null', POSIX::O_WRONLY()), $_) for 1, 2;
        { no warnings 'exec'; exec { $browser } $browser, page_flags($profile); }
        POSIX::_exit(127);
    }
    close $in;
    close $out;
    $to->autoflush(1);
    return {pid => $pid, to => $to, from => $from, next => 1, left => '', faults => [],
            profile => $profile, loads => 0};
}

# The next message. A picture is half a megabyte of text, which JSON::PP is too slow for.
sub page_message {
    my ($page) = @_;
    my $until = time + $patience;
    while (index($page->{left}, "\0") < 0) {
        vec(my $ready = '', fileno $page->{from}, 1) = 1;
        select($ready, undef, undef, $until - time) > 0 or die "chromium: no answer\n";
        sysread $page->{from}, $page->{left}, 1 << 20, length $page->{left}
            or die "chromium ended\n";
    }
    $page->{left} =~ s/^(.*?)\0//s;
    my $text = $1;
    my $data = length $text > 50000 && $text =~ s/"data":"([\w+\/=]+)"/"data":""/ ? $1 : undef;
    my $message = $json->decode($text);
    $message->{result}{data} = $data if defined $data;
    return $message;
}

# An event, as far as it matters here.
sub page_event {
    my ($page, $method, $params) = @_;
    my $fault;
    if ($method eq 'Page.loadEventFired') {
        $page->{loads}++;
    } elsif ($method eq 'Runtime.consoleAPICalled' &&
             $params->{type} =~ /^(error|warning|assert)/) {
        $fault = "console: " . join ' ', map { $_->{value} // $_->{description} // $_->{type} }
            @{$params->{args}};
    } elsif ($method eq 'Runtime.exceptionThrown') {
        my $details = $params->{exceptionDetails};
        $fault = "exception: " . ($details->{exception}{description} // $details->{text});
    } elsif ($method eq 'Log.entryAdded' && $params->{entry}{level} =~ /^(error|warning)/) {
        $fault = "log: $params->{entry}{text} $params->{entry}{url}";
    } elsif ($method eq 'Network.requestWillBeSent') {
        my $url = $params->{request}{url};
        $fault = "request: $url" if $url !~ /^(file|data|blob|about):/;
    }
    push @{$page->{faults}}, $fault =~ s/\s+/ /gr if defined $fault;
}

# A command of the protocol, and its result.
sub page_command {
    my ($page, $method, %params) = @_;
    my $id = $page->{next}++;
    my %message = (id => $id, method => $method, params => \%params);
    $message{sessionId} = $page->{session} if $page->{session};
    local $SIG{PIPE} = 'IGNORE';
    print {$page->{to}} $json->encode(\%message), "\0" or die "chromium ended\n";
    for (;;) {
        my $answer = page_message($page);
        page_event($page, @$answer{qw(method params)}) if $answer->{method};
        next if ($answer->{id} // 0) != $id;
        die "chromium: $method: $answer->{error}{message}\n" if $answer->{error};
        return $answer->{result};
    }
}

# ---- A page -------------------------------------------------------------------------------------

sub page_open {
    my ($file) = @_;
    my $page = page_start();
    push @open, $page;
    my $targets = page_command($page, 'Target.getTargets')->{targetInfos};
    my ($target) = grep { $_->{type} eq 'page' } @$targets;
    $page->{session} = page_command($page, 'Target.attachToTarget',
        targetId => $target->{targetId}, flatten => JSON::PP::true)->{sessionId};
    page_command($page, "$_.enable") for qw(Page Runtime Log Network);
    page_size($page, 1280, 800);
    page_load($page, $file);
    return $page;
}

sub page_load {
    my ($page, $file) = @_;
    my $path = abs_path($file) // die "$file: $!\n";
    my $loads = $page->{loads};
    page_command($page, 'Page.navigate', url => "file://$path");
    my $until = time + $patience;
    while ($page->{loads} == $loads) {
        die "$file does not load\n" if time > $until;
        my $message = page_message($page);
        page_event($page, @$message{qw(method params)}) if $message->{method};
    }
}

sub page_close {
    my ($page) = @_;
    local $SIG{PIPE} = 'IGNORE';
    $page->{session} = undef;
    eval { page_command($page, 'Browser.close') };
    my $until = time + 5;
    sleep 0.02 while !waitpid($page->{pid}, POSIX::WNOHANG()) && time < $until;
    kill KILL => -$page->{pid};
    @open = grep { $_ != $page } @open;
}

# A program that died says what the page had to say, and leaves no process.
END {
    my $status = $?;
    for my $page (@open) {
        print map { "# $_\n" } @{$page->{faults}};
        page_close($page);
    }
    $? = $status;
}

sub page_js {
    my ($page, $expression) = @_;
    my $answer = page_command($page, 'Runtime.evaluate', expression => $expression,
        returnByValue => JSON::PP::true, awaitPromise => JSON::PP::true);
    my $wrong = $answer->{exceptionDetails};
    die "$expression: " . ($wrong->{exception}{description} // $wrong->{text}) . "\n" if $wrong;
    return $answer->{result}{value};
}

sub page_wait {
    my ($page, $expression) = @_;
    my $until = time + 10;
    while (!page_js($page, "!!($expression)")) {
        die "not after ten seconds: $expression\n" if time > $until;
        sleep 0.02;
    }
}

# Those of now, not only those that had come when something else was asked.
sub page_faults {
    my ($page) = @_;
    page_js($page, 'new Promise(done => setTimeout(done, 50))');
    return @{$page->{faults}};
}

# ---- Hands and eyes -----------------------------------------------------------------------------

my %key_code = (Backspace => 8, Tab => 9, Enter => 13, Escape => 27, Space => 32, PageUp => 33,
    PageDown => 34, End => 35, Home => 36, ArrowLeft => 37, ArrowUp => 38, ArrowRight => 39,
    ArrowDown => 40, Delete => 46);
my %key_text = (Enter => "\r", Space => ' ');
my %modifier = (Alt => 1, Ctrl => 2, Meta => 4, Shift => 8);

sub page_key {
    my ($page, $name) = @_;
    my $modifiers = 0;
    $modifiers |= $modifier{$1} while $name =~ s/^(Alt|Ctrl|Meta|Shift)\+(?=.)//;
    my $text = $key_text{$name} // (length $name == 1 ? $name : undef);
    my %params = (key => $name eq 'Space' ? ' ' : $name, code => $name, modifiers => $modifiers,
        windowsVirtualKeyCode => $key_code{$name} // ord uc $name);
    $params{code} = /[a-z]/i ? "Key\u$_" : /\d/ ? "Digit$_" : '' for grep { length == 1 } $name;
    page_command($page, 'Input.dispatchKeyEvent', %params,
        type => defined $text ? 'keyDown' : 'rawKeyDown', defined $text ? (text => $text) : ());
    page_command($page, 'Input.dispatchKeyEvent', %params, type => 'keyUp');
}

sub page_type {
    my ($page, $text) = @_;
    page_command($page, 'Input.insertText', text => $text);
}

sub page_click {
    my ($page, $selector) = @_;
    my $at = page_js($page, '(selector => {
        const element = document.querySelector(selector);
        if (!element) return "is not there";
        element.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
        const box = element.getBoundingClientRect();
        const x = box.x + box.width / 2, y = box.y + box.height / 2;
        const top = document.elementFromPoint(x, y);
        if (!top) return "is not in sight";
        return element.contains(top) ? {x, y} : "is covered by " + top.outerHTML.slice(0, 80);
    })(' . $json->encode($selector) . ')');
    die "$selector $at\n" if !ref $at;
    my %params = (x => $at->{x}, y => $at->{y}, button => 'left', clickCount => 1);
    page_command($page, 'Input.dispatchMouseEvent', %params, type => $_)
        for qw(mousePressed mouseReleased);
}

sub page_size {
    my ($page, $width, $height) = @_;
    page_command($page, 'Emulation.setDeviceMetricsOverride', width => $width, height => $height,
        deviceScaleFactor => 1, mobile => $width < 600 ? JSON::PP::true : JSON::PP::false);
}

sub page_prefers {
    my ($page, $scheme) = @_;
    page_command($page, 'Emulation.setEmulatedMedia',
        features => [{name => 'prefers-color-scheme', value => $scheme}]);
}

sub page_shot {
    my ($page, $file, $whole) = @_;
    my $picture = page_command($page, 'Page.captureScreenshot', format => 'png',
        captureBeyondViewport => $whole ? JSON::PP::true : JSON::PP::false,
        $whole ? (clip => page_js($page, '({x: 0, y: 0, scale: 1,
            width: document.documentElement.scrollWidth,
            height: document.documentElement.scrollHeight})')) : ());
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out decode_base64($picture->{data});
    close $out or die "$file: $!\n";
}

1;
