// SPDX-License-Identifier: Apache-2.0
// Compression contexts that connections share, and those that an idle connection gives back.

#include "check.h"

static wsproto_deflate_parameters parameters(bool takeover) {
  return (wsproto_deflate_parameters){.client_no_context_takeover = !takeover, .server_no_context_takeover = !takeover};
}

// A message of each, so that all four contexts were needed.
static void talk(wsproto_endpoint *client, wsproto_endpoint *server) {
  wsproto_event message = {.kind = WSPROTO_TEXT_MESSAGE, .data = text("hello hello hello hello"), .message_finished = true};
  for (int turn = 0; turn < 2; turn++) {
    wsproto_endpoint *from = turn ? server : client, *to = turn ? client : server;
    transfer(from, &message, to);
    const wsproto_event *event = wsproto_endpoint_next_event(to);
    check(event && event->kind == WSPROTO_TEXT_MESSAGE, "a message");
    check(event->data.count == message.data.count && !memcmp(event->data.data, message.data.data, event->data.count),
          "the same text");
    check(!wsproto_endpoint_next_event(to), "one message");
  }
}

static void idle_are(wsproto_deflate_pool *pool, size_t count, const char *what) {
  size_t outbound = 99, inbound = 99;
  wsproto_deflate_pool_idle(pool, &outbound, NULL);
  wsproto_deflate_pool_idle(pool, NULL, &inbound);
  check(outbound == count && inbound == count, what);
}

// By each way to a connection: whole, by its handshake, opened.
static void connections_share(int way) {
  wsproto_deflate_pool *pool = wsproto_deflate_pool_new(4);
  wsproto_configuration configuration;
  wsproto_configuration_init(&configuration);
  check(!configuration.deflate_pool, "no pool by default");
  configuration.deflate_pool = pool;
  wsproto_deflate_parameters given = parameters(false);
  wsproto_extension *extensions[2] = {wsproto_deflate_new(&given, NULL), wsproto_deflate_new(&given, NULL)};
  wsproto_endpoint *ends[2];
  for (int role = 0; role < 2; role++) {
    int32_t type = role ? WSPROTO_SERVER : WSPROTO_CLIENT;
    ends[role] = way == 0 ? wsproto_connection_new(type, &configuration) : wsproto_handshake_new(type, &configuration);
  }
  open_pair(&ends[0], extensions[0], &ends[1], extensions[1]);
  for (int role = 0; role < 2 && way > 0; role++) {
    wsproto_endpoint *made =
        way == 1 ? wsproto_endpoint_connection(ends[role])
                 : wsproto_open_connection_new(role ? WSPROTO_SERVER : WSPROTO_CLIENT, &extensions[role], 1,
                                               (wsproto_bytes){NULL, 0}, &configuration);
    wsproto_endpoint_free(ends[role]);
    ends[role] = made;
  }
  // The connections keep it alive; this reference is for the counts.
  for (int round = 0; round < 3; round++) {
    talk(ends[0], ends[1]);
    idle_are(pool, 1, "both ends took and gave back the same two contexts");
    check(wsproto_endpoint_release_contexts(ends[0]), "nothing to release");
  }
  wsproto_deflate_pool_free(pool);
  talk(ends[0], ends[1]);
  for (int role = 0; role < 2; role++) {
    wsproto_endpoint_free(ends[role]);
    wsproto_extension_free(extensions[role]);
  }
}

static void windows_stay(bool takeover) {
  wsproto_deflate_parameters given = parameters(takeover);
  wsproto_extension *extensions[2] = {wsproto_deflate_new(&given, NULL), wsproto_deflate_new(&given, NULL)};
  wsproto_endpoint *client = wsproto_connection_new(WSPROTO_CLIENT, NULL);
  wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
  check(wsproto_endpoint_release_contexts(client), "nothing before the handshake");
  open_pair(&client, extensions[0], &server, extensions[1]);
  for (int round = 0; round < 3; round++) {
    talk(client, server);
    check(wsproto_endpoint_release_contexts(server) == !takeover, "the window that the peer refers to stays");
    check(wsproto_endpoint_release_contexts(client) == !takeover, "the window that the peer refers to stays");
  }
  talk(client, server);
  wsproto_endpoint_free(client);
  wsproto_endpoint_free(server);
  wsproto_extension_free(extensions[0]);
  wsproto_extension_free(extensions[1]);
}

int main(void) {
  for (int way = 0; way < 3; way++) connections_share(way);
  windows_stay(true);
  windows_stay(false);
  wsproto_deflate_pool *pool = wsproto_deflate_pool_new(SIZE_MAX);
  wsproto_deflate_pool_idle(pool, NULL, NULL);
  wsproto_deflate_pool_free(pool);
  wsproto_deflate_pool_free(NULL);
  printf("ok, %d checks\n", checks);
}
