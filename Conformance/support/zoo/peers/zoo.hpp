// SPDX-License-Identifier: Apache-2.0
// What the clients written in C++ share: the commands. An adapter derives from Connection.

#pragma once

#include <condition_variable>
#include <chrono>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace zoo {

/// The library has no way to do it.
struct Cannot : std::runtime_error { using std::runtime_error::runtime_error; };

/// The connection has ended; a code of -1 stands for what a library does not tell.
struct Closed : std::runtime_error {
  int code;
  std::string reason;
  Closed(int code, std::string reason)
      : std::runtime_error("closed with " + std::to_string(code) + " " + reason), code(code), reason(std::move(reason)) {}
};

inline std::vector<std::string> told(const Closed &end) {
  if (end.code < 0) return {"?", "?"};
  return {std::to_string(end.code), end.reason};
}

struct Message { std::string kind, data; };

struct Connection {
  virtual ~Connection() = default;
  virtual void send(const std::string &kind, const std::string &data) = 0;
  /// A message in frames, with a ping behind the first where that is wished.
  virtual void sendParts(const std::string &kind, const std::vector<std::string> &parts, bool ping) = 0;
  /// Keeps a library that reads by itself from it, until all that was sent is written.
  virtual void pause() {}
  virtual void resume() {}
  virtual Message receive() = 0;
  virtual void awaitPong() = 0;
  virtual Closed close(int code, const std::string &reason) = 0;
  virtual void reset() = 0;
  virtual std::string subprotocol() { return ""; }
  virtual std::string extensions() { return "?"; }
};

using Opener = std::function<std::unique_ptr<Connection>(
    const std::string &url, const std::string &offer, const std::vector<std::string> &subprotocols)>;

inline std::vector<std::string> split(const std::string &text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) parts.emplace_back();
    else parts.back() += c;
  }
  return parts;
}

/// The parameters of an offer; an empty value for one that has none.
inline std::map<std::string, std::string> offered(const std::string &offer) {
  std::map<std::string, std::string> given;
  if (offer == "bare") return given;
  for (auto part : split(offer, ';')) {
    part.erase(0, part.find_first_not_of(' '));
    auto equals = part.find('=');
    given[part.substr(0, equals)] = equals == std::string::npos ? "" : part.substr(equals + 1);
  }
  return given;
}

inline std::string read(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream data;
  data << file.rdbuf();
  return data.str();
}

inline std::vector<std::string> cut(const std::string &kind, const std::string &data, size_t count) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t number = 1; number <= count; number++) {
    size_t end = data.size() * number / count;
    while (kind == "text" && end < data.size() && (data[end] & 0xC0) == 0x80) end++;
    parts.push_back(data.substr(start, end - start));
    start = end;
  }
  return parts;
}

/// Messages and the end, for libraries that call back from a loop of their own.
class Inbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Message> messages;
  std::optional<Closed> end;
  bool ponged = false;

public:
  void put(std::string kind, std::string data) {
    std::lock_guard<std::mutex> guard(mutex);
    messages.push_back({std::move(kind), std::move(data)});
    changed.notify_all();
  }
  void pong() {
    std::lock_guard<std::mutex> guard(mutex);
    ponged = true;
    changed.notify_all();
  }
  void finish(int code, std::string reason) {
    std::lock_guard<std::mutex> guard(mutex);
    if (!end) end.emplace(code, std::move(reason));
    changed.notify_all();
  }
  template <typename Done> void wait(std::unique_lock<std::mutex> &lock, Done done) {
    if (!changed.wait_for(lock, std::chrono::seconds(18), done)) throw std::runtime_error("nothing came");
  }
  Message receive() {
    std::unique_lock<std::mutex> lock(mutex);
    wait(lock, [&] { return !messages.empty() || end; });
    if (messages.empty()) throw *end;
    Message message = std::move(messages.front());
    messages.pop_front();
    return message;
  }
  void awaitPong() {
    std::unique_lock<std::mutex> lock(mutex);
    wait(lock, [&] { return ponged || end; });
    if (!ponged) throw *end;
  }
  Closed awaitEnd() {
    std::unique_lock<std::mutex> lock(mutex);
    wait(lock, [&] { return !!end; });
    return *end;
  }
};

inline void expect(Connection &connection, const std::string &kind, const std::string &data) {
  Message got = connection.receive();
  if (got.kind != kind || got.data != data)
    throw std::runtime_error("got " + got.kind + " of " + std::to_string(got.data.size()) + " bytes, sent " +
                             std::to_string(data.size()));
}

inline std::vector<std::string> carryOut(const Opener &open, std::vector<std::string> fields) {
  fields.resize(std::max<size_t>(fields.size(), 5));
  const std::string verb = fields[0];
  std::vector<std::string> subprotocols;
  if (verb == "subprotocols" && !fields[2].empty()) subprotocols = split(fields[2], ',');
  auto connection = open(fields[1], verb == "echo" ? fields[2] : "default", subprotocols);
  std::vector<std::string> answer;
  if (verb == "echo") {
    for (size_t index = 3; index + 1 < fields.size(); index += 2) {
      std::string data = read(fields[index + 1]);
      connection->send(fields[index], data);
      expect(*connection, fields[index], data);
    }
    answer = {connection->extensions()};
  } else if (verb == "flood") {
    std::string data = read(fields[3]);
    int count = std::stoi(fields[4]);
    connection->pause();
    for (int index = 0; index < count; index++) connection->send(fields[2], data);
    connection->resume();
    for (int index = 0; index < count; index++) expect(*connection, fields[2], data);
  } else if (verb == "fragments" || verb == "ping") {
    std::string data = read(fields[3]);
    connection->sendParts(fields[2], cut(fields[2], data, std::stoul(fields[4])), verb == "ping");
    if (verb == "ping") connection->awaitPong();
    expect(*connection, fields[2], data);
  } else if (verb == "close") {
    return told(connection->close(std::stoi(fields[2]), fields[3]));
  } else if (verb == "closed" || verb == "lost") {
    connection->send("text", verb == "lost" ? "zoo" : fields[2] + " " + fields[3]);
    try {
      connection->receive();
    } catch (const Closed &end) {
      return told(end);
    }
    throw std::runtime_error("a message came in place of a close");
  } else if (verb == "reset" || verb == "subprotocols") {
    connection->send("text", "zoo");
    expect(*connection, "text", "zoo");
    if (verb == "reset") {
      connection->reset();
      return {};
    }
    answer = {connection->subprotocol()};
  } else {
    throw Cannot("the peer knows no such command");
  }
  connection->close(1000, "");
  return answer;
}

inline int client(const Opener &open) {
  for (std::string line; std::getline(std::cin, line);) {
    std::string answer;
    try {
      answer = "ok";
      for (auto &field : carryOut(open, split(line, '\t'))) answer += "\t" + field;
    } catch (const Cannot &error) {
      answer = std::string("cannot\t") + error.what();
    } catch (const std::exception &error) {
      answer = std::string("failed\t") + error.what();
    }
    std::cout << answer << std::endl;
  }
  return 0;
}

} // namespace zoo
