// SPDX-License-Identifier: Apache-2.0
// What the programs of this folder share: checks that end the program, and two ends in memory.
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsproto.h"

static int checks;

static void check(bool fine, const char *what) {
  __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED);
  if (!fine) {
    printf("FAILED %s\n", what);
    exit(1);
  }
}

static wsproto_bytes text(const char *string) {
  return (wsproto_bytes){(const uint8_t *)string, strlen(string)};
}

// What `from` sends for `event` goes to `to`.
static void transfer(wsproto_endpoint *from, const wsproto_event *event, wsproto_endpoint *to) {
  wsproto_bytes output;
  check(wsproto_endpoint_send(from, event, &output, NULL), "send");
  check(wsproto_endpoint_receive(to, output.data, output.count, NULL), "receive");
}

static void expect(wsproto_endpoint *endpoint, int32_t kind, const char *what) {
  const wsproto_event *event = wsproto_endpoint_next_event(endpoint);
  check(event && event->kind == kind, what);
}

static void open_pair(wsproto_endpoint **client, wsproto_extension *offered, wsproto_endpoint **server,
                      wsproto_extension *supported) {
  wsproto_event request = {.kind = WSPROTO_REQUEST, .host = text("example.com"), .target = text("/"),
                           .extensions = &offered, .extension_count = offered != NULL};
  transfer(*client, &request, *server);
  expect(*server, WSPROTO_REQUEST, "request");
  wsproto_event accept = {.kind = WSPROTO_ACCEPT_CONNECTION, .extensions = &supported,
                          .extension_count = supported != NULL};
  transfer(*server, &accept, *client);
  expect(*client, WSPROTO_ACCEPT_CONNECTION, "acceptance");
}

#endif
