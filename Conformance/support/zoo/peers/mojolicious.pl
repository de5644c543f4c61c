# SPDX-License-Identifier: Apache-2.0
# zoo-name: Mojolicious
# zoo-roles: client server
# zoo-apt: perl libmojolicious-perl
# zoo-run: perl {file}
# zoo-environment: MOJO_MAX_WEBSOCKET_SIZE=20000000 MOJO_LOG_LEVEL=error

# Mojolicious: its client and server.

use strict;
use warnings;
use utf8;
use Encode qw(decode_utf8 encode_utf8);
use Mojo::IOLoop;
use Mojo::UserAgent;
use Mojo::WebSocket qw(WS_TEXT WS_BINARY WS_CONTINUATION WS_PING);
use Socket qw(SOL_SOCKET SO_LINGER);

sub report { syswrite STDOUT, encode_utf8(join("\t", @_) . "\n") }

sub slurp {
  open my $file, '<:raw', $_[0] or die "cannot read $_[0]\n";
  local $/;
  return <$file> // '';
}

sub cut {
  my ($kind, $data, $count) = @_;
  my ($start, @parts) = (0);
  for my $number (1 .. $count) {
    my $end = int(length($data) * $number / $count);
    $end++ while $kind eq 'text' && $end < length $data && (ord(substr $data, $end, 1) & 0xc0) == 0x80;
    push @parts, substr $data, $start, $end - $start;
    $start = $end;
  }
  return @parts;
}

sub send_message {
  my ($tx, $kind, $data) = @_;
  $tx->send($kind eq 'text' ? {text => $data} : {binary => $data});
}

# Frames by themselves are not compressed.
sub send_parts {
  my ($tx, $kind, $ping, @parts) = @_;
  for my $index (0 .. $#parts) {
    $tx->send([1, 0, 0, 0, WS_PING, 'zoo']) if $ping && $index == 1;
    my $opcode = $index ? WS_CONTINUATION : $kind eq 'text' ? WS_TEXT : WS_BINARY;
    $tx->send([$index == $#parts ? 1 : 0, 0, 0, 0, $opcode, $parts[$index]]);
  }
}

sub stream { $_[0]->connection && Mojo::IOLoop->stream($_[0]->connection) }

sub reset_connection {
  my $stream = stream($_[0]);
  setsockopt $stream->handle, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
  $stream->close;
}

# Client

sub turn {
  my $done  = shift;
  my $until = time + 9;
  my $timer = Mojo::IOLoop->recurring(0.05 => sub { });
  until ($done->()) {
    die "nothing came\n" if time > $until;
    Mojo::IOLoop->one_tick;
  }
  Mojo::IOLoop->remove($timer);
}

my $agent = Mojo::UserAgent->new(inactivity_timeout => 0, max_response_size => 0);

sub connect_to {
  my ($url, $offer, @subprotocols) = @_;
  my %headers;
  if ($offer ne 'none') {
    die "cannot the library has one offer, without parameters\n" unless $offer eq 'default' || $offer eq 'bare';
    $headers{'Sec-WebSocket-Extensions'} = 'permessage-deflate';
  }
  my $self = {inbox => []};
  my $opened;
  $agent->websocket(
    $url => \%headers => \@subprotocols => sub {
      my ($agent, $tx) = @_;
      $opened = 1;
      return $self->{failure} = $tx->error ? $tx->error->{message} : 'no handshake' unless $tx->is_websocket;
      $self->{tx} = $tx;
      $tx->max_websocket_size(20_000_000);
      $tx->on(text   => sub { push @{$self->{inbox}}, ['text',   $_[1]] });
      $tx->on(binary => sub { push @{$self->{inbox}}, ['binary', $_[1]] });
      $tx->on(frame  => sub { $self->{ponged} = 1 if $_[1][4] == 10 && $_[1][5] eq 'zoo' });
      $tx->on(finish => sub { $self->{end} = [$_[1], $_[2] // ''] });
    }
  );
  turn(sub {$opened});
  die "$self->{failure}\n" if $self->{failure};
  return $self;
}

sub receive {
  my $self = shift;
  turn(sub { @{$self->{inbox}} || $self->{end} });
  return shift @{$self->{inbox}} if @{$self->{inbox}};
  die "closed with $self->{end}[0] $self->{end}[1]\n";
}

sub expect {
  my ($self, $kind, $data) = @_;
  my $got = receive($self);
  die "got $got->[0] of " . length($got->[1]) . " bytes, sent $kind of " . length($data) . "\n"
    unless $got->[0] eq $kind && $got->[1] eq $data;
}

sub close_with {
  my ($self, @arguments) = @_;
  $self->{tx}->finish(@arguments);
  return ended($self);
}

# The answer to a close is written behind the event.
sub ended {
  my $self = shift;
  turn(sub { $self->{end} && !stream($self->{tx}) });
  return @{$self->{end}};
}

sub carry_out {
  my ($verb, $url, @fields) = @_;
  my $offer        = $verb eq 'echo'         ? shift @fields         : 'default';
  my @subprotocols = $verb eq 'subprotocols' ? split(/,/, $fields[0]) : ();
  my $self         = connect_to($url, $offer, @subprotocols);
  my $tx           = $self->{tx};
  my @answer;
  if ($verb eq 'echo') {
    while (my ($kind, $path) = splice @fields, 0, 2) {
      my $data = slurp($path);
      send_message($tx, $kind, $data);
      expect($self, $kind, $data);
    }
    @answer = ($tx->res->headers->sec_websocket_extensions // '');
  }
  elsif ($verb eq 'flood') {
    my $data = slurp($fields[1]);
    my $stream = stream($tx);
    $stream->stop;
    send_message($tx, $fields[0], $data) for 1 .. $fields[2];
    turn(sub { !$stream->bytes_waiting });
    $stream->start;
    expect($self, $fields[0], $data) for 1 .. $fields[2];
  }
  elsif ($verb eq 'fragments' || $verb eq 'ping') {
    my $data = slurp($fields[1]);
    send_parts($tx, $fields[0], $verb eq 'ping', cut($fields[0], $data, $fields[2]));
    turn(sub { $self->{ponged} || $self->{end} }) if $verb eq 'ping';
    expect($self, $fields[0], $data);
  }
  elsif ($verb eq 'close') {
    my @end = close_with($self, $fields[0], decode_utf8($fields[1]));
    return ($end[0], $end[1]);
  }
  elsif ($verb eq 'closed' || $verb eq 'lost') {
    send_message($tx, 'text', $verb eq 'lost' ? 'zoo' : "$fields[0] $fields[1]");
    return ended($self);
  }
  elsif ($verb eq 'reset' || $verb eq 'subprotocols') {
    send_message($tx, 'text', 'zoo');
    expect($self, 'text', 'zoo');
    if ($verb eq 'reset') {
      reset_connection($tx);
      return ();
    }
    @answer = ($tx->protocol // '');
  }
  else { die "cannot the peer knows no such command\n" }
  close_with($self, 1000);
  return @answer;
}

sub client {
  while (my $line = <STDIN>) {
    chomp $line;
    my @answer = eval { ('ok', carry_out(split /\t/, $line, -1)) };
    if (my $error = $@) {
      chomp $error;
      @answer = $error =~ s/^cannot // ? ('cannot', $error) : ('failed', $error);
    }
    report(@answer);
  }
}

# Server

sub server {
  require Mojolicious::Lite;
  require Mojo::Server::Daemon;
  my $port = shift;
  my $app  = Mojolicious->new;
  $app->log->level('error');
  $app->routes->websocket(
    '/*rest' => sub {
      my $c = shift;
      my $tx = $c->tx;
      my ($path, $target, $first) = ($c->req->url->path->to_string, $c->req->url->path_query, 1);
      $tx->with_protocols('zoo.v1');
      $tx->with_compression;
      $tx->max_websocket_size(20_000_000);
      $c->inactivity_timeout(0);
      my $answer = sub {
        my ($kind, $data) = @_;
        if ($path eq '/close') {
          my ($code, $reason) = split / /, decode_utf8($data), 2;
          return $tx->finish($code, $reason);
        }
        return reset_connection($tx) if $path eq '/reset';
        if ($path eq '/fragments' || $path eq '/ping') {
          my $ping = $path eq '/ping';
          return send_parts($tx, $kind, $ping, cut($kind, $data, $ping ? 2 : 3));
        }
        my $count = $path eq '/flood' && $first ? 10 : 1;
        if ($count > 1) {
          # Not a byte is read until all of it is written.
          my $stream = stream($tx);
          $stream->stop;
          $tx->once(drain => sub { $stream->start });
        }
        $first = 0;
        send_message($tx, $kind, $data) for 1 .. $count;
      };
      $c->on(text   => sub { $answer->('text',   $_[1]) });
      $c->on(binary => sub { $answer->('binary', $_[1]) });
      $c->on(frame  => sub { report('pong', $target, $_[1][5]) if $_[1][4] == 10 });
      $c->on(finish => sub { report('closed', $target, $_[1], $_[2] // '') });
    }
  );
  Mojo::Server::Daemon->new(app => $app, listen => ["http://127.0.0.1:$port"], silent => 1)->run;
}

my ($role, $port) = @ARGV;
if    ($role eq 'version') { require Mojolicious; print "Mojolicious $Mojolicious::VERSION on Perl $^V\n" }
elsif ($role eq 'client')  { client() }
else                       { server($port) }
