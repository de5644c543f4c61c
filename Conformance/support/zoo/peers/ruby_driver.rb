# SPDX-License-Identifier: Apache-2.0
# zoo-name: Ruby websocket-driver
# zoo-roles: client
# zoo-apt: ruby ruby-websocket-driver
# zoo-run: ruby {file}
# zoo-cannot: client fragments-in: the interface sends whole messages
# zoo-cannot: client deflate deflate-all deflate-limits: Debian has the library without its extensions
# zoo-note: client ping-in: before a whole message

# websocket-driver, the protocol of Faye and Action Cable, on a blocking socket.

require 'socket'
require 'uri'
require 'websocket/driver'

class Cannot < StandardError; end

class Connection
  attr_reader :url, :inbox, :finish, :ponged

  def initialize(url, subprotocols)
    @url = url
    uri = URI(url)
    @socket = TCPSocket.new(uri.host, uri.port)
    @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    @inbox = []
    @driver = WebSocket::Driver.client(self, protocols: subprotocols, max_length: 1 << 26)
    @driver.on(:open) { @open = true }
    @driver.on(:message) do |event|
      text = event.data.is_a?(String)
      @inbox << [text ? 'text' : 'binary', text ? event.data.b : event.data.pack('C*')]
    end
    @driver.on(:close) { |event| @finish = [event.code, event.reason.to_s] }
    @driver.on(:error) { |event| @failure = event.message }
    @driver.start
    turn { @open || @failure }
    raise @failure unless @open
  end

  # What the driver calls.
  def write(data) = @socket.write(data)

  def subprotocol = @driver.protocol.to_s

  def turn
    until yield
      raise 'nothing came' unless @socket.wait_readable(9)
      begin
        @driver.parse(@socket.readpartial(65_536))
      rescue EOFError, Errno::ECONNRESET
        @finish ||= [1006, '']
        return
      end
    end
  end

  def send(kind, data)
    kind == 'text' ? @driver.text(data.dup.force_encoding('UTF-8')) : @driver.binary(data.bytes)
  end

  def ping
    @driver.ping('zoo') { @ponged = true }
  end

  def receive
    turn { !@inbox.empty? || @finish }
    @inbox.shift or raise "closed with #{@finish.join(' ')}"
  end

  def expect(kind, data)
    got = receive
    return if got == [kind, data.b]
    raise "got #{got[0]} of #{got[1].bytesize} bytes, sent #{kind} of #{data.bytesize}"
  end

  def close(code, reason)
    @driver.close(reason, code)
    ended
  end

  def ended
    turn { @finish }
    @socket.close
    @finish
  end

  def reset
    @socket.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack('ii'))
    @socket.close
  end
end

def carry_out(verb, url, *fields)
  fields.shift if verb == 'echo'
  connection = Connection.new(url, verb == 'subprotocols' ? fields[0].split(',') : [])
  answer = []
  case verb
  when 'echo'
    fields.each_slice(2) do |kind, path|
      data = File.binread(path)
      connection.send(kind, data)
      connection.expect(kind, data)
    end
    answer = ['']
  when 'flood'
    data = File.binread(fields[1])
    fields[2].to_i.times { connection.send(fields[0], data) }
    fields[2].to_i.times { connection.expect(fields[0], data) }
  when 'ping'
    data = File.binread(fields[1])
    connection.ping
    connection.send(fields[0], data)
    connection.turn { connection.ponged || connection.finish }
    connection.expect(fields[0], data)
  when 'close' then return connection.close(fields[0].to_i, fields[1])
  when 'closed', 'lost'
    connection.send('text', verb == 'lost' ? 'zoo' : fields.join(' '))
    return connection.ended
  when 'reset', 'subprotocols'
    connection.send('text', 'zoo')
    connection.expect('text', 'zoo')
    return connection.reset && [] if verb == 'reset'
    answer = [connection.subprotocol]
  else raise Cannot, 'the peer knows no such command'
  end
  connection.close(1000, '')
  answer
end

if ARGV[0] == 'version'
  puts "websocket-driver #{Gem.loaded_specs['websocket-driver']&.version || Gem::Specification.find_by_name('websocket-driver').version} on Ruby #{RUBY_VERSION}"
  exit
end

$stdout.sync = true
$stdin.set_encoding('UTF-8')
while (line = $stdin.gets)
  begin
    puts ['ok', *carry_out(*line.chomp.split("\t", -1))].join("\t")
  rescue Cannot => error
    puts "cannot\t#{error.message}"
  rescue StandardError => error
    puts "failed\t#{error.message.tr("\n", ' ')}"
  end
end
