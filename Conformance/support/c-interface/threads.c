// SPDX-License-Identifier: Apache-2.0
// Different endpoints in parallel, and one endpoint under a lock.

#include <pthread.h>

#include "check.h"

enum { THREADS = 4, ROUNDS = 300 };

typedef struct {
  wsproto_extension *supported;
  wsproto_endpoint *one;
  pthread_mutex_t *lock;
  wsproto_bytes wire;
} Work;

// Connections of its own, with an extension that all threads share.
static void *connect_often(void *argument) {
  Work *work = argument;
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  for (int round = 0; round < ROUNDS; round++) {
    wsproto_extension *offered = wsproto_deflate_new(&parameters, NULL);
    wsproto_endpoint *client = wsproto_connection_new(WSPROTO_CLIENT, NULL);
    wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
    open_pair(&client, offered, &server, work->supported);
    check(wsproto_extension_enabled(work->supported), "negotiated");
    wsproto_event message = {.kind = WSPROTO_TEXT_MESSAGE, .data = text("shared"), .message_finished = true};
    transfer(client, &message, server);
    expect(server, WSPROTO_TEXT_MESSAGE, "a message");
    wsproto_endpoint_free(client);
    wsproto_endpoint_free(server);
    wsproto_extension_free(offered);
  }
  return NULL;
}

// One endpoint for all threads, under a lock; the parts of a connection are one endpoint.
static void *send_under_a_lock(void *argument) {
  Work *work = argument;
  for (int round = 0; round < 10 * ROUNDS; round++) {
    wsproto_event message = {.kind = WSPROTO_BYTES_MESSAGE, .data = text("locked"), .message_finished = true};
    wsproto_bytes output;
    pthread_mutex_lock(work->lock);
    check(wsproto_endpoint_send(work->one, &message, &output, NULL) && output.count == 2 + 4 + 6, "send");
    check(wsproto_endpoint_receive(work->one, (const uint8_t *)"\x8A\x00", 2, NULL), "receive");
    const wsproto_event *event = wsproto_endpoint_next_event(work->one);
    check(event && event->kind == WSPROTO_PONG, "a pong");
    pthread_mutex_unlock(work->lock);
  }
  return NULL;
}

static void in_threads(void *(*body)(void *), Work *work) {
  pthread_t threads[THREADS];
  for (int index = 0; index < THREADS; index++) pthread_create(&threads[index], NULL, body, work);
  for (int index = 0; index < THREADS; index++) pthread_join(threads[index], NULL);
}

// fault: B1
static void threads(void) {
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  Work work = {.supported = wsproto_deflate_new(&parameters, NULL), .lock = &lock};
  in_threads(connect_often, &work);
  wsproto_extension_free(work.supported);
  work.one = wsproto_open_connection_new(WSPROTO_CLIENT, NULL, 0, (wsproto_bytes){NULL, 0}, NULL);
  in_threads(send_under_a_lock, &work);
  wsproto_endpoint_free(work.one);
}

int main(void) {
  threads();
  printf("ok, %d checks\n", checks);
  return 0;
}
