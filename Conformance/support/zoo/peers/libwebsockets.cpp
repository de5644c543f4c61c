// SPDX-License-Identifier: Apache-2.0
// zoo-roles: client server
// zoo-apt: g++ libwebsockets-dev
// zoo-build: g++ -std=c++17 -O0 -w -I{peers} -o {build}/libwebsockets {file} -lwebsockets
// zoo-run: {build}/libwebsockets

// libwebsockets: its client and server, in one thread.

#include "zoo.hpp"

#include <cstring>
#include <libwebsockets.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

struct Frame { std::string data; int flags; };

/// What both roles keep of a connection.
struct Session {
  lws *wsi = nullptr;
  std::string target, path;
  std::deque<Frame> out;
  std::deque<zoo::Message> in;
  std::string partial, padded, failure, subprotocol, extensions;
  bool connected = false, ended = false, ponged = false, first = true, resumes = false;
  std::optional<std::pair<int, std::string>> closing, closed;

  void queue(const std::string &kind, const std::vector<std::string> &parts, bool ping) {
    for (size_t index = 0; index < parts.size(); index++) {
      if (ping && index == 1) out.push_back({"zoo", LWS_WRITE_PING});
      out.push_back({parts[index], lws_write_ws_flags(kind == "text" ? LWS_WRITE_TEXT : LWS_WRITE_BINARY, index == 0, index + 1 == parts.size())});
    }
    lws_callback_on_writable(wsi);
  }

  int write() {
    if (out.empty()) {
      if (resumes) lws_rx_flow_control(wsi, 1);
      resumes = false;
      if (!closing) return 0;
      lws_close_reason(wsi, static_cast<lws_close_status>(closing->first),
                       reinterpret_cast<unsigned char *>(closing->second.data()), closing->second.size());
      return -1;
    }
    // What compresses goes on to read it after the call.
    padded.assign(LWS_PRE, '\0');
    padded += out.front().data;
    lws_write(wsi, reinterpret_cast<unsigned char *>(padded.data()) + LWS_PRE, out.front().data.size(),
              static_cast<lws_write_protocol>(out.front().flags));
    out.pop_front();
    if (!out.empty() || closing || resumes) lws_callback_on_writable(wsi);
    return 0;
  }

  void take(const void *data, size_t length) {
    partial.append(static_cast<const char *>(data), length);
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi)) return;
    in.push_back({lws_frame_is_binary(wsi) ? "binary" : "text", std::move(partial)});
    partial.clear();
  }

  void takeClose(const void *data, size_t length) {
    auto bytes = static_cast<const unsigned char *>(data);
    if (length < 2) closed.emplace(1005, "");
    else closed.emplace(bytes[0] << 8 | bytes[1], std::string(reinterpret_cast<const char *>(bytes) + 2, length - 2));
  }

  void reset() {
    // Linux drops a connection with a reset when its socket is connected to nothing.
    sockaddr nothing{};
    nothing.sa_family = AF_UNSPEC;
    connect(lws_get_socket_fd(wsi), &nothing, sizeof nothing);
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  }

  zoo::Closed end() const {
    if (closed) return {closed->first, closed->second};
    // The answer to a close of ours is not told.
    return closing ? zoo::Closed(-1, "") : zoo::Closed(1006, "");
  }
};

std::string header(lws *wsi, lws_token_indexes token) {
  int length = lws_hdr_total_length(wsi, token);
  if (length <= 0) return "";
  std::string value(length + 1, '\0');
  lws_hdr_copy(wsi, value.data(), length + 1, token);
  value.resize(length);
  return value;
}

// MARK: Client

int clientCallback(lws *wsi, lws_callback_reasons reason, void *, void *data, size_t length) {
  auto *session = static_cast<Session *>(lws_context_user(lws_get_context(wsi)));
  if (!session) return 0;
  switch (reason) {
  case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
    session->extensions = header(wsi, WSI_TOKEN_EXTENSIONS);
    session->subprotocol = header(wsi, WSI_TOKEN_PROTOCOL);
    break;
  case LWS_CALLBACK_CLIENT_ESTABLISHED:
    session->wsi = wsi;
    session->connected = true;
    break;
  case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    session->failure = data ? static_cast<const char *>(data) : "no connection";
    session->ended = true;
    break;
  case LWS_CALLBACK_CLIENT_RECEIVE: session->take(data, length); break;
  case LWS_CALLBACK_CLIENT_RECEIVE_PONG: session->ponged = std::string(static_cast<char *>(data), length) == "zoo"; break;
  case LWS_CALLBACK_CLIENT_WRITEABLE: return session->write();
  case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: session->takeClose(data, length); break;
  case LWS_CALLBACK_CLIENT_CLOSED:
  case LWS_CALLBACK_WSI_DESTROY:
    if (wsi == session->wsi) session->ended = true;
    break;
  default: break;
  }
  return 0;
}

const lws_protocols CLIENT_PROTOCOLS[] = {
    {"default", clientCallback, 0, 65536}, {"zoo.v1", clientCallback, 0, 65536}, {"other", clientCallback, 0, 65536}, {}};

struct Client : zoo::Connection {
  Session session;
  std::string offer;
  lws_extension extensionList[2] = {};
  lws_context *context = nullptr;

  ~Client() override { if (context) lws_context_destroy(context); }

  template <typename Done> void turn(Done done) {
    auto until = time(nullptr) + 18;
    // Returns of itself within a bounded time.
    while (!done()) {
      if (session.ended) throw session.failure.empty() ? session.end() : std::runtime_error(session.failure);
      if (time(nullptr) > until) throw std::runtime_error("nothing came");
      lws_service(context, 0);
    }
  }

  void send(const std::string &kind, const std::string &data) override {
    session.queue(kind, {data}, false);
    turn([&] { return session.out.empty(); });
  }
  void sendParts(const std::string &kind, const std::vector<std::string> &parts, bool ping) override {
    session.queue(kind, parts, ping);
  }
  void pause() override { lws_rx_flow_control(session.wsi, 0); }
  void resume() override { lws_rx_flow_control(session.wsi, 1); }
  zoo::Message receive() override {
    try {
      turn([&] { return !session.in.empty(); });
    } catch (const std::runtime_error &) {
      if (!session.failure.empty() || !session.ended) throw;
      throw session.end();
    }
    auto message = std::move(session.in.front());
    session.in.pop_front();
    return message;
  }
  void awaitPong() override { turn([&] { return session.ponged; }); }
  zoo::Closed close(int code, const std::string &reason) override {
    session.closing.emplace(code, reason);
    lws_callback_on_writable(session.wsi);
    turn([&] { return session.ended; });
    return session.end();
  }
  void reset() override { session.reset(); }
  std::string subprotocol() override { return session.subprotocol; }
  std::string extensions() override { return session.extensions; }
};

std::unique_ptr<zoo::Connection> openClient(
    const std::string &url, const std::string &offer, const std::vector<std::string> &subprotocols) {
  auto made = std::make_unique<Client>();
  made->offer = "permessage-deflate";
  if (offer == "default") made->offer += "; client_max_window_bits";
  else if (offer != "bare") made->offer += "; " + offer;
  made->extensionList[0] = {"permessage-deflate", lws_extension_callback_pm_deflate, made->offer.c_str()};
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = CLIENT_PROTOCOLS;
  info.extensions = offer == "none" ? nullptr : made->extensionList;
  info.user = &made->session;
  made->context = lws_create_context(&info);
  std::string offered;
  for (auto &name : subprotocols) offered += (offered.empty() ? "" : ",") + name;
  auto authority = url.substr(5, url.find('/', 5) - 5);
  auto path = url.substr(url.find('/', 5));
  lws_client_connect_info connect{};
  connect.context = made->context;
  connect.address = "127.0.0.1";
  connect.port = std::stoi(authority.substr(authority.find(':') + 1));
  connect.path = path.c_str();
  connect.host = authority.c_str();
  connect.protocol = offered.empty() ? nullptr : offered.c_str();
  connect.local_protocol_name = "default";
  lws_client_connect_via_info(&connect);
  made->turn([&] { return made->session.connected; });
  return made;
}

// MARK: Server

void report(const std::vector<std::string> &fields) {
  std::string line;
  for (auto &field : fields) line += (line.empty() ? "" : "\t") + field;
  line += "\n";
  (void)!::write(1, line.data(), line.size());
}

void answer(Session &session) {
  while (!session.in.empty()) {
    auto [kind, data] = std::move(session.in.front());
    session.in.pop_front();
    if (session.path == "/close") {
      auto space = data.find(' ');
      session.closing.emplace(std::stoi(data), data.substr(space + 1));
      lws_callback_on_writable(session.wsi);
    } else if (session.path == "/reset") {
      session.reset();
    } else if (session.path == "/fragments" || session.path == "/ping") {
      bool ping = session.path == "/ping";
      session.queue(kind, zoo::cut(kind, data, ping ? 2 : 3), ping);
    } else {
      bool flood = session.path == "/flood" && session.first;
      for (int count = flood ? 10 : 1; count > 0; count--) session.queue(kind, {data}, false);
      if (flood) {
        session.resumes = true;
        lws_rx_flow_control(session.wsi, 0);
      }
    }
    session.first = false;
  }
}

int serverCallback(lws *wsi, lws_callback_reasons reason, void *user, void *data, size_t length) {
  auto *session = user ? *static_cast<Session **>(user) : nullptr;
  switch (reason) {
  case LWS_CALLBACK_ESTABLISHED:
    session = *static_cast<Session **>(user) = new Session;
    session->wsi = wsi;
    session->path = header(wsi, WSI_TOKEN_GET_URI);
    session->target = session->path + "?" + header(wsi, WSI_TOKEN_HTTP_URI_ARGS);
    break;
  case LWS_CALLBACK_RECEIVE:
    session->take(data, length);
    answer(*session);
    break;
  case LWS_CALLBACK_RECEIVE_PONG: report({"pong", session->target, std::string(static_cast<char *>(data), length)}); break;
  case LWS_CALLBACK_SERVER_WRITEABLE: return session->write();
  case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: session->takeClose(data, length); break;
  case LWS_CALLBACK_CLOSED: {
    auto end = zoo::told(session->end());
    report({"closed", session->target, end[0], end[1]});
    delete session;
    *static_cast<Session **>(user) = nullptr;
    break;
  }
  default: break;
  }
  return 0;
}

int serve(int port) {
  static const lws_protocols protocols[] = {
      {"default", serverCallback, sizeof(Session *), 65536}, {"zoo.v1", serverCallback, sizeof(Session *), 65536}, {}};
  static const lws_extension extensions[] = {
      {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"}, {}};
  lws_context_creation_info info{};
  info.port = port;
  info.iface = "127.0.0.1";
  info.protocols = protocols;
  info.extensions = extensions;
  auto *context = lws_create_context(&info);
  if (!context) return 1;
  while (lws_service(context, 0) >= 0) {}
  return 0;
}

} // namespace

int main(int, char **arguments) {
  std::string role = arguments[1];
  if (role == "version") std::cout << "libwebsockets " << lws_get_library_version() << std::endl;
  lws_set_log_level(0, nullptr);
  if (role == "client") return zoo::client(openClient);
  if (role == "server") return serve(std::stoi(arguments[2]));
}
