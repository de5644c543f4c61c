// SPDX-License-Identifier: Apache-2.0
// zoo-roles: client
// zoo-apt: g++ libboost-dev libwebsocketpp-dev zlib1g-dev
// zoo-build: g++ -std=c++17 -O0 -w -I{peers} -o {build}/websocketpp {file} -pthread -lz
// zoo-run: {build}/websocketpp

// websocketpp on Boost.Asio.

#include "zoo.hpp"

#include <thread>

#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/version.hpp>

struct Config : websocketpp::config::asio_client {
  struct permessage_deflate_config {};
  typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config> permessage_deflate_type;
};

typedef websocketpp::client<Config> Endpoint;
namespace opcode = websocketpp::frame::opcode;

struct Adapter : zoo::Connection {
  Endpoint::connection_ptr connection;
  std::shared_ptr<zoo::Inbox> inbox = std::make_shared<zoo::Inbox>();

  void put(opcode::value kind, const std::string &data, bool finished, bool compressed) {
    auto message = connection->get_message(kind, data.size());
    message->append_payload(data);
    message->set_fin(finished);
    message->set_compressed(compressed);
    auto error = connection->send(message);
    if (error) throw std::runtime_error(error.message());
  }

  static opcode::value code(const std::string &kind) { return kind == "text" ? opcode::text : opcode::binary; }

  void send(const std::string &kind, const std::string &data) override { put(code(kind), data, true, true); }

  // Continuations are never compressed by the library, so the message is not.
  void sendParts(const std::string &kind, const std::vector<std::string> &parts, bool ping) override {
    for (size_t index = 0; index < parts.size(); index++) {
      if (ping && index == 1) connection->ping("zoo");
      put(index == 0 ? code(kind) : opcode::continuation, parts[index], index + 1 == parts.size(), false);
    }
  }

  void pause() override { connection->pause_reading(); }
  void resume() override {
    while (connection->get_buffered_amount() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    connection->resume_reading();
  }
  zoo::Message receive() override { return inbox->receive(); }
  void awaitPong() override { inbox->awaitPong(); }
  zoo::Closed close(int code, const std::string &reason) override {
    websocketpp::lib::error_code error;
    connection->close(code, reason, error);
    if (error) throw std::runtime_error(error.message());
    return inbox->awaitEnd();
  }
  void reset() override {
    auto &socket = connection->get_raw_socket();
    socket.set_option(boost::asio::socket_base::linger(true, 0));
    socket.close();
  }
  // A client's get_subprotocol() stays empty in 0.8.2.
  std::string subprotocol() override { return connection->get_response_header("Sec-WebSocket-Protocol"); }
  std::string extensions() override { return connection->get_response_header("Sec-WebSocket-Extensions"); }
};

Endpoint endpoint;

std::unique_ptr<zoo::Connection> openAdapter(
    const std::string &url, const std::string &offer, const std::vector<std::string> &subprotocols) {
  if (offer != "default" && offer != "client_no_context_takeover; client_max_window_bits")
    throw zoo::Cannot("the library has one offer");
  auto made = std::make_unique<Adapter>();
  websocketpp::lib::error_code error;
  made->connection = endpoint.get_connection(url, error);
  if (error) throw std::runtime_error(error.message());
  auto connection = made->connection;
  auto inbox = made->inbox;
  auto opened = std::make_shared<zoo::Inbox>();
  for (auto &name : subprotocols) connection->add_subprotocol(name);
  connection->set_open_handler([opened](auto) { opened->put("", ""); });
  connection->set_fail_handler([opened, raw = connection.get()](auto) { opened->finish(1006, raw->get_ec().message()); });
  connection->set_message_handler([inbox](auto, Endpoint::message_ptr message) {
    inbox->put(message->get_opcode() == opcode::text ? "text" : "binary", message->get_payload());
  });
  connection->set_pong_handler([inbox](auto, std::string payload) {
    if (payload == "zoo") inbox->pong();
  });
  connection->set_close_handler([inbox, raw = connection.get()](auto) {
    inbox->finish(raw->get_remote_close_code(), raw->get_remote_close_reason());
  });
  endpoint.connect(connection);
  opened->receive();
  return made;
}

int main(int, char **arguments) {
  if (std::string(arguments[1]) == "version") {
    std::cout << "websocketpp " << websocketpp::user_agent << std::endl;
    return 0;
  }
  endpoint.clear_access_channels(websocketpp::log::alevel::all);
  endpoint.clear_error_channels(websocketpp::log::elevel::all);
  endpoint.init_asio();
  endpoint.start_perpetual();
  std::thread loop([] { endpoint.run(); });
  zoo::client(openAdapter);
  std::quick_exit(0);
}
