// SPDX-License-Identifier: Apache-2.0
// Boost.Beast over a synchronous stream in memory: a read copies from the current chunk, a write into a buffer.
// The opening handshake that its stream wants first is outside the timed part of decode, encode and deflate.
#include "bench.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <boost/version.hpp>
#include <boost/beast/websocket.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace beast = boost::beast;
namespace net = boost::asio;
namespace websocket = beast::websocket;
using beast::error_code;

namespace {

struct Wire {
  wsb_slice unread{nullptr, 0};       // the rest of the current chunk
  const wsb_slice *chunks = nullptr;  // those that follow
  const wsb_slice *end = nullptr;
  std::vector<uint8_t> written;
  std::function<void()> starved;      // called once where a read finds nothing
};

class MemoryStream {
 public:
  using executor_type = net::io_context::executor_type;

  MemoryStream(net::io_context &io, Wire &wire) : io_(&io), wire_(&wire) {}

  executor_type get_executor() noexcept { return io_->get_executor(); }

  template <class Buffers>
  std::size_t read_some(const Buffers &buffers, error_code &ec) {
    while (wire_->unread.size == 0) {
      if (wire_->starved) {
        std::exchange(wire_->starved, nullptr)();
        continue;
      }
      if (wire_->chunks == wire_->end) {
        ec = net::error::eof;
        return 0;
      }
      wire_->unread = *wire_->chunks++;
    }
    ec = {};
    std::size_t n = net::buffer_copy(buffers, net::const_buffer(wire_->unread.data, wire_->unread.size));
    wire_->unread.data += n;
    wire_->unread.size -= n;
    return n;
  }

  template <class Buffers>
  std::size_t write_some(const Buffers &buffers, error_code &ec) {
    ec = {};
    std::size_t total = 0;
    for (auto it = net::buffer_sequence_begin(buffers); it != net::buffer_sequence_end(buffers); ++it) {
      net::const_buffer b(*it);
      auto *p = static_cast<const uint8_t *>(b.data());
      wire_->written.insert(wire_->written.end(), p, p + b.size());
      total += b.size();
    }
    return total;
  }

  template <class Buffers>
  std::size_t read_some(const Buffers &buffers) {
    error_code ec;
    std::size_t n = read_some(buffers, ec);
    if (ec) throw boost::system::system_error(ec);
    return n;
  }

  template <class Buffers>
  std::size_t write_some(const Buffers &buffers) {
    error_code ec;
    return write_some(buffers, ec);
  }

 private:
  net::io_context *io_;
  Wire *wire_;
};

void teardown(beast::role_type, MemoryStream &, error_code &ec) { ec = {}; }

using Stream = websocket::stream<MemoryStream>;

struct Peer {
  const wsb_options *options;
  std::vector<wsb_slice> items;
  net::io_context io;
  std::vector<uint8_t> packed;        // the compress pass's frames
  std::vector<wsb_slice> packed_chunks;
};

wsb_slice request() {
  return {reinterpret_cast<const uint8_t *>(wsb_chrome_request), sizeof wsb_chrome_request - 1};
}

std::unique_ptr<Stream> make(Peer &p, Wire &wire, bool deflate) {
  auto stream = std::make_unique<Stream>(p.io, wire);
  stream->auto_fragment(false);
  stream->read_message_max(0);
  stream->binary(p.options->opcode == 2);
  websocket::permessage_deflate pmd;
  pmd.client_enable = pmd.server_enable = deflate;
  pmd.compLevel = p.options->level;
  pmd.memLevel = 8;
  stream->set_option(pmd);
  return stream;
}

// A stream whose opening handshake is done.
std::unique_ptr<Stream> open(Peer &p, Wire &wire, bool client, bool deflate) {
  auto stream = make(p, wire, deflate);
  error_code ec;
  if (client) {
    // The client sends its request and waits for the answer: a server stream gives it at that moment.
    std::vector<uint8_t> answer;
    wire.starved = [&] {
      Wire other;
      other.unread = {wire.written.data(), wire.written.size()};
      error_code failed;
      make(p, other, deflate)->accept(failed);
      if (failed) wsb_fail("Beast refused its own request");
      answer = other.written;
      wire.unread = {answer.data(), answer.size()};
    };
    stream->handshake("server.example.com", "/chat", ec);
    wire.starved = nullptr;
    if (ec) wsb_fail("Beast refused its own answer");
  } else {
    wire.unread = request();
    stream->accept(ec);
    if (ec) wsb_fail("Beast refused the request");
  }
  wire.written.clear();
  return stream;
}

void read_all(Peer &p, bool client, bool deflate, const std::vector<wsb_slice> &chunks, wsb_totals *totals) {
  Wire wire;
  auto stream = open(p, wire, client, deflate);
  wire.chunks = chunks.data();
  wire.end = chunks.data() + chunks.size();
  beast::flat_buffer buffer;
  for (;;) {
    error_code ec;
    stream->read(buffer, ec);
    if (ec == net::error::eof) return;
    if (ec) wsb_fail(ec.message().c_str());
    wsb_message(totals, buffer.data().data(), buffer.size(), stream->got_text() ? 1 : 2);
    buffer.consume(buffer.size());
  }
}

void decode_pass(void *context, wsb_totals *totals) {
  Peer *p = static_cast<Peer *>(context);
  read_all(*p, p->options->client, false, p->items, totals);
}

void encode_pass(void *context, wsb_totals *totals) {
  Peer *p = static_cast<Peer *>(context);
  Wire wire;
  auto stream = open(*p, wire, p->options->client, false);
  for (const wsb_slice &m : p->items) {
    wire.written.clear();
    stream->write(net::const_buffer(m.data, m.size));
    wsb_frame(totals, wire.written.data(), wire.written.size(), m.size);
  }
}

void compress_pass(void *context, wsb_totals *totals) {
  Peer *p = static_cast<Peer *>(context);
  Wire wire;
  auto stream = open(*p, wire, false, true);
  wire.written = std::move(p->packed);
  wire.written.clear();
  for (const wsb_slice &m : p->items) {
    stream->write(net::const_buffer(m.data, m.size));
    totals->messages++;
    totals->payload_bytes += m.size;
    totals->checksum += m.size * 31;
  }
  totals->output_bytes = wire.written.size();
  p->packed = std::move(wire.written);
}

void decompress_pass(void *context, wsb_totals *totals) {
  Peer *p = static_cast<Peer *>(context);
  read_all(*p, true, true, p->packed_chunks, totals);
}

void handshake_pass(void *context, wsb_totals *totals) {
  Peer *p = static_cast<Peer *>(context);
  for (int i = 0; i < 1000; i++) {
    Wire wire;
    auto stream = make(*p, wire, true);
    wire.unread = request();
    error_code ec;
    stream->accept(ec);
    if (ec) wsb_fail("Beast refused the request");
    const auto &w = wire.written;
    const auto *end = wsb_chrome_accept + sizeof wsb_chrome_accept - 1;
    if (std::search(w.begin(), w.end(), wsb_chrome_accept, end) == w.end()) wsb_fail("a wrong accept value");
    totals->messages++;
    totals->payload_bytes += request().size;
    totals->checksum += 101;
  }
}

}  // namespace

int main(int argc, char **argv) {
  wsb_options o = wsb_parse(argc, argv);
  Peer p;
  p.options = &o;
  const char *version = BOOST_LIB_VERSION;
  if (!strcmp(o.operation, "handshake")) {
    wsb_measure("Boost.Beast", version, "handshake", "stream", &o, handshake_pass, &p);
    return 0;
  }
  bool decode = !strcmp(o.operation, "decode");
  wsb_file file = wsb_read(o.input);
  size_t count = 0;
  wsb_slice *items = decode ? wsb_chunks(file, o.chunk, &count) : wsb_messages(file, &count);
  p.items.assign(items, items + count);
  if (decode) {
    wsb_measure("Boost.Beast", version, "decode", "stream", &o, decode_pass, &p);
  } else if (!strcmp(o.operation, "encode")) {
    wsb_measure("Boost.Beast", version, "encode", "stream", &o, encode_pass, &p);
  } else if (!strcmp(o.operation, "deflate")) {
    wsb_measure("Boost.Beast", version, "compress", "stream", &o, compress_pass, &p);
    for (size_t at = 0; at < p.packed.size(); at += o.chunk) {
      size_t n = p.packed.size() - at < o.chunk ? p.packed.size() - at : o.chunk;
      p.packed_chunks.push_back({p.packed.data() + at, n});
    }
    wsb_measure("Boost.Beast", version, "decompress", "stream", &o, decompress_pass, &p);
  } else {
    return wsb_unsupported("Boost.Beast", &o);
  }
}
