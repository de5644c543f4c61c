// SPDX-License-Identifier: Apache-2.0
// zoo-name: Boost.Beast
// zoo-roles: client
// zoo-apt: g++ libboost-dev
// zoo-build: g++ -std=c++17 -O0 -w -I{peers} -o {build}/beast {file} -pthread
// zoo-run: {build}/beast

// Boost.Beast, with blocking calls.

#include "zoo.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/version.hpp>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

struct Beast : zoo::Connection {
  asio::io_context context;
  websocket::stream<asio::ip::tcp::socket> ws{context};
  websocket::response_type response;
  bool ponged = false;
  std::optional<zoo::Message> early;

  void send(const std::string &kind, const std::string &data) override {
    ws.text(kind == "text");
    ws.write(asio::buffer(data));
  }

  void sendParts(const std::string &kind, const std::vector<std::string> &parts, bool ping) override {
    ws.text(kind == "text");
    for (size_t index = 0; index < parts.size(); index++) {
      if (ping && index == 1) ws.ping("zoo");
      ws.write_some(index + 1 == parts.size(), asio::buffer(parts[index]));
    }
  }

  zoo::Message receive() override {
    if (early) {
      auto message = *early;
      early.reset();
      return message;
    }
    beast::flat_buffer buffer;
    beast::error_code error;
    ws.read(buffer, error);
    if (error == websocket::error::closed) throw zoo::Closed(ws.reason().code, std::string(ws.reason().reason.c_str()));
    if (error == asio::error::eof || error == asio::error::connection_reset) throw zoo::Closed(1006, "");
    if (error) throw std::runtime_error(error.message());
    return {ws.got_text() ? "text" : "binary", beast::buffers_to_string(buffer.data())};
  }

  void awaitPong() override {
    // Control frames are handled while a message is read.
    early = receive();
    if (!ponged) throw std::runtime_error("no pong came");
  }

  zoo::Closed close(int code, const std::string &reason) override {
    beast::error_code error;
    ws.close({static_cast<websocket::close_code>(code), reason}, error);
    if (error) return {1006, ""};
    return {ws.reason().code, std::string(ws.reason().reason.c_str())};
  }

  void reset() override {
    ws.next_layer().set_option(asio::socket_base::linger(true, 0));
    ws.next_layer().close();
  }

  std::string subprotocol() override { return std::string(response["Sec-WebSocket-Protocol"]); }
  std::string extensions() override { return std::string(response["Sec-WebSocket-Extensions"]); }
};

std::unique_ptr<zoo::Connection> openBeast(
    const std::string &url, const std::string &offer, const std::vector<std::string> &subprotocols) {
  auto made = std::make_unique<Beast>();
  auto &ws = made->ws;
  websocket::permessage_deflate deflate;
  deflate.client_enable = offer != "none";
  if (offer != "none" && offer != "default") {
    auto given = zoo::offered(offer);
    auto bits = [&](const char *name) {
      if (!given.count(name) || given[name].empty()) throw zoo::Cannot("the library always offers both windows, with values");
      return std::stoi(given[name]);
    };
    deflate.client_max_window_bits = bits("client_max_window_bits");
    deflate.server_max_window_bits = bits("server_max_window_bits");
    deflate.client_no_context_takeover = given.count("client_no_context_takeover");
    deflate.server_no_context_takeover = given.count("server_no_context_takeover");
  }
  try {
    ws.set_option(deflate);
  } catch (const std::exception &error) {
    throw zoo::Cannot(error.what());
  }
  ws.read_message_max(0);
  ws.control_callback([pointer = made.get()](websocket::frame_type type, beast::string_view payload) {
    if (type == websocket::frame_type::pong && payload == "zoo") pointer->ponged = true;
  });
  std::string offeredProtocols;
  for (auto &name : subprotocols) offeredProtocols += (offeredProtocols.empty() ? "" : ", ") + name;
  ws.set_option(websocket::stream_base::decorator([&](websocket::request_type &request) {
    if (!offeredProtocols.empty()) request.set("Sec-WebSocket-Protocol", offeredProtocols);
  }));
  auto authority = url.substr(5, url.find('/', 5) - 5);
  auto port = static_cast<unsigned short>(std::stoi(authority.substr(authority.find(':') + 1)));
  ws.next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
  ws.next_layer().set_option(asio::ip::tcp::no_delay(true));
  ws.handshake(made->response, authority, url.substr(url.find('/', 5)));
  return made;
}

int main(int, char **arguments) {
  if (std::string(arguments[1]) == "version") {
    std::cout << "Boost " << BOOST_LIB_VERSION << std::endl;
    return 0;
  }
  return zoo::client(openBeast);
}
