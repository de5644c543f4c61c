// SPDX-License-Identifier: Apache-2.0
// zoo-name: Boost.Beast
// zoo-roles: client
// zoo-apt: g++ libboost-dev
// zoo-build: g++ -std=c++17 -O0 -w -o {build}/beast {file} -pthread
// zoo-run: {build}/beast
// Connects again and again, and echoes, until nobody listens any more.

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <boost/version.hpp>
#include <iostream>
#include <string>

namespace beast = boost::beast;
using tcp = boost::asio::ip::tcp;

int main(int count, char **arguments) {
  if (count < 3) {
    std::cout << BOOST_LIB_VERSION << "\n";
    return 0;
  }
  std::string url = arguments[2];
  auto port = url.substr(url.rfind(':') + 1);
  port = port.substr(0, port.find('/'));
  boost::asio::io_context io;
  while (true) {
    boost::system::error_code error;
    beast::websocket::stream<tcp::socket> stream(io);
    beast::websocket::permessage_deflate deflate;
    deflate.client_enable = true;
    stream.set_option(deflate);
    stream.read_message_max(16 << 20);
    stream.next_layer().connect({boost::asio::ip::make_address("127.0.0.1"),
                                 static_cast<unsigned short>(std::stoi(port))}, error);
    if (error) return 0;
    stream.handshake("127.0.0.1:" + port, "/", error);
    while (!error) {
      beast::flat_buffer buffer;
      stream.read(buffer, error);
      if (error) break;
      stream.text(stream.got_text());
      stream.write(buffer.data(), error);
    }
  }
}
