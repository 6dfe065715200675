// SPDX-License-Identifier: MIT
#include "daemon/common/socket_drop.h"
#include "daemon/http/websocket_private.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

/* Read at a time, so that the loop's other work gets its turn. */
#define TURN_BYTES ((size_t)256 * 1024)

/* Of the socket. What a client sends faster than it is recognised is to wait on its side: a ping
 * waits behind what is in the kernel's buffers, which otherwise grow to minutes of sound. */
#define RECEIVE_BUFFER (128 * 1024)

/* A client with more than this unread is slow. */
#define SLOW_BYTES ((size_t)64 * 1024)

/* A buffer for messages that has grown beyond this is given back after the message. */
#define KEPT_BYTES ((size_t)64 * 1024)

/* A client of which nothing has come for so long, or timeouts.stall_seconds if that is less, is
 * asked whether it is still there. */
#define PING_SECONDS 20.0

/* Time for the client to say goodbye, or to read why it has to go. */
#define CLOSE_MILLISECONDS 3000

/* Bytes of a reason in a frame that closes. */
#define REASON_MAX 123u

enum websocket_state {
    WEBSOCKET_NEW,
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING, /* a side has said goodbye: messages are dropped */
    WEBSOCKET_CLOSED,
};

/* A message that has come although the protocol is not ready: libwslay reads up to 4 KiB ahead. */
struct held_message {
    struct held_message *next;
    size_t size;
    bool is_text;
    char bytes[]; /* [size + 1] */
};

struct websocket {
    struct websocket_list *list;
    const struct websocket_protocol *protocol;
    void *state_of_protocol;
    char id[72]; /* of the request, for the log */
    enum websocket_state state;
    uv_poll_t poll;
    int events; /* that it tells of */
    int descriptor;
    wslay_event_context_ptr frames;
    uint8_t *early; /* [early_size]: came with the request */
    size_t early_size, early_read;
    char *message; /* [room]: the one that is being received */
    size_t length, room;
    bool in_control; /* within a control frame, which may come within a message */
    struct held_message *first_held, *last_held;
    uint16_t close_code; /* to be sent behind what waits; 0: none */
    char close_reason[REASON_MAX + 1];
    size_t turn;            /* bytes that may still be read in this one */
    bool failed;            /* the socket, or the client reads nothing: close without goodbye */
    bool half_closed;       /* our side is shut down */
    bool pinged;            /* since anything came */
    uint64_t last_received; /* loop time, ms, of any byte, or since it is not read */
    uint64_t last_message;  /* of the last message */
    uint64_t last_progress; /* of the last byte sent, or when output was first queued */
    uint64_t deadline;      /* CLOSING: when it ends in any case */
    struct websocket *previous, *next;
};

static void update(struct websocket *ws);

static uint64_t now_of(const struct websocket *ws)
{
    return uv_now(ws->list->loop);
}

static size_t unsent(const struct websocket *ws)
{
    return wslay_event_get_queued_msg_length(ws->frames);
}

uv_loop_t *websocket_loop(const struct websocket *ws)
{
    return ws->list->loop;
}

/* ---- The end ---- */

static void free_websocket(struct websocket *ws)
{
    while (ws->first_held) {
        struct held_message *next = ws->first_held->next;
        free(ws->first_held);
        ws->first_held = next;
    }
    if (ws->frames)
        wslay_event_context_free(ws->frames);
    free(ws->message);
    free(ws->early);
    free(ws);
}

static void on_closed(uv_handle_t *handle)
{
    struct websocket *ws = handle->data;
    struct websocket_list *list = ws->list;
    close(ws->descriptor);
    free_websocket(ws);
    list->closed(list->context);
}

/* Not within a callback of libwslay or a call of the protocol. */
static void finish(struct websocket *ws)
{
    if (ws->state == WEBSOCKET_CLOSED)
        return;
    ws->state = WEBSOCKET_CLOSED;
    if (ws->next)
        ws->next->previous = ws->previous;
    if (ws->previous)
        ws->previous->next = ws->next;
    else
        ws->list->first = ws->next;
    log_info(ws->list->service->log, "request %s: %s: closed, status %u", ws->id,
             ws->protocol->name,
             wslay_event_get_close_sent(ws->frames) ? wslay_event_get_status_code_sent(ws->frames)
                                                    : (unsigned)WSLAY_CODE_ABNORMAL_CLOSURE);
    ws->protocol->closed(ws->state_of_protocol);
    shutdown(ws->descriptor, SHUT_RDWR); /* libmicrohttpd may still have its own */
    uv_close((uv_handle_t *)&ws->poll, on_closed);
}

static void start_closing(struct websocket *ws)
{
    if (ws->state != WEBSOCKET_OPEN)
        return;
    ws->state = WEBSOCKET_CLOSING;
    ws->deadline = now_of(ws) + CLOSE_MILLISECONDS;
}

void websocket_close(struct websocket *ws, enum websocket_close_code code, const char *reason)
{
    if (ws->state != WEBSOCKET_OPEN)
        return;
    size_t length = strnlen(reason, REASON_MAX);
    while (length > 0 && ((unsigned char)reason[length] & 0xc0) == 0x80) /* not into a character */
        length--;
    memcpy(ws->close_reason, reason, length);
    ws->close_code = (uint16_t)code;
    start_closing(ws);
    update(ws);
}

/* libwslay would send the frame that closes before all others, and these no more. */
static void queue_close(struct websocket *ws)
{
    if (ws->close_code == 0 || wslay_event_want_write(ws->frames))
        return;
    if (wslay_event_get_write_enabled(ws->frames) &&
        wslay_event_queue_close(ws->frames, ws->close_code, (const uint8_t *)ws->close_reason,
                                strlen(ws->close_reason)) != 0)
        ws->failed = true;
    ws->close_code = 0;
    ws->deadline = now_of(ws) + CLOSE_MILLISECONDS;
}

/* ---- Messages ---- */

static void hold(struct websocket *ws, bool is_text)
{
    struct held_message *held = malloc(sizeof(*held) + ws->length + 1);
    if (!held) {
        websocket_close(ws, WEBSOCKET_INTERNAL, "out of memory");
        return;
    }
    *held = (struct held_message){.size = ws->length, .is_text = is_text};
    memcpy(held->bytes, ws->message, ws->length + 1);
    if (ws->last_held)
        ws->last_held->next = held;
    else
        ws->first_held = held;
    ws->last_held = held;
}

static bool is_ready(struct websocket *ws)
{
    return ws->state == WEBSOCKET_OPEN && ws->protocol->is_ready(ws->state_of_protocol);
}

static void give_held(struct websocket *ws)
{
    while (ws->first_held && is_ready(ws)) {
        struct held_message *held = ws->first_held;
        ws->first_held = held->next;
        if (!ws->first_held)
            ws->last_held = NULL;
        ws->protocol->message(ws->state_of_protocol, held->bytes, held->size, held->is_text);
        free(held);
    }
}

static bool append(struct websocket *ws, const uint8_t *bytes, size_t size)
{
    if (ws->length + size + 1 > ws->room) {
        size_t room = 2 * (ws->length + size + 1);
        if (room > WEBSOCKET_MESSAGE_MAX + 1)
            room = WEBSOCKET_MESSAGE_MAX + 1;
        char *grown = realloc(ws->message, room);
        if (!grown)
            return false;
        ws->message = grown;
        ws->room = room;
    }
    if (size > 0)
        memcpy(ws->message + ws->length, bytes, size);
    ws->length += size;
    ws->message[ws->length] = '\0';
    return true;
}

static bool is_control(uint8_t opcode)
{
    return opcode & 8;
}

static void refuse_message(struct websocket *ws, enum websocket_close_code code, const char *reason)
{
    websocket_close(ws, code, reason);
    wslay_event_shutdown_read(ws->frames);
}

static void on_frame_start(wslay_event_context_ptr context,
                           const struct wslay_event_on_frame_recv_start_arg *frame, void *user)
{
    struct websocket *ws = user;
    (void)context;
    ws->in_control = is_control(frame->opcode);
    if (ws->in_control || ws->state != WEBSOCKET_OPEN)
        return;
    if (frame->opcode != WSLAY_CONTINUATION_FRAME)
        ws->length = 0;
    if (frame->payload_length > WEBSOCKET_MESSAGE_MAX - ws->length)
        refuse_message(ws, WEBSOCKET_TOO_BIG, "a message has more than 16 MiB");
    else if (!append(ws, NULL, 0))
        refuse_message(ws, WEBSOCKET_INTERNAL, "out of memory");
}

static void on_frame_chunk(wslay_event_context_ptr context,
                           const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *user)
{
    struct websocket *ws = user;
    (void)context;
    if (ws->state == WEBSOCKET_OPEN && !ws->in_control &&
        !append(ws, chunk->data, chunk->data_length))
        refuse_message(ws, WEBSOCKET_INTERNAL, "out of memory");
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *message, void *user)
{
    struct websocket *ws = user;
    (void)context;
    if (ws->state != WEBSOCKET_OPEN || is_control(message->opcode))
        return;
    bool is_text = message->opcode == WSLAY_TEXT_FRAME;
    ws->last_message = now_of(ws);
    if (ws->first_held || !is_ready(ws))
        hold(ws, is_text);
    else
        ws->protocol->message(ws->state_of_protocol, ws->message, ws->length, is_text);
    ws->length = 0;
    if (ws->room > KEPT_BYTES) {
        free(ws->message);
        ws->message = NULL;
        ws->room = 0;
    }
}

bool websocket_text_is_simple(const char *text, size_t length)
{
    enum { MEMBERS_MAX = 8192 };
    size_t members = 0;
    if (length <= KEPT_BYTES)
        return true;
    for (size_t i = 0; i < length && members <= MEMBERS_MAX; i++)
        members += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return members <= MEMBERS_MAX;
}

/* ---- The socket ---- */

static ssize_t read_early(struct websocket *ws, uint8_t *bytes, size_t size)
{
    size_t rest = ws->early_size - ws->early_read, count = rest < size ? rest : size;
    memcpy(bytes, ws->early + ws->early_read, count);
    ws->early_read += count;
    return (ssize_t)count;
}

static ssize_t on_read(wslay_event_context_ptr context, uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    struct websocket *ws = user;
    ssize_t count;
    (void)flags;
    if (ws->state == WEBSOCKET_OPEN && (ws->turn == 0 || ws->first_held || !is_ready(ws))) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (ws->early_read < ws->early_size)
        return read_early(ws, bytes, size);
    do
        count = recv(ws->descriptor, bytes, size, MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count > 0) {
        ws->turn -= (size_t)count < ws->turn ? (size_t)count : ws->turn;
        ws->last_received = now_of(ws);
        ws->pinged = false;
        return count;
    }
    bool would_block = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    ws->failed |= !would_block;
    wslay_event_set_error(context, would_block ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_write(wslay_event_context_ptr context, const uint8_t *bytes, size_t size,
                        int flags, void *user)
{
    struct websocket *ws = user;
    ssize_t count;
    do
        count = send(ws->descriptor, bytes, size,
                     MSG_DONTWAIT | MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    while (count < 0 && errno == EINTR);
    if (count >= 0) {
        ws->last_progress = now_of(ws);
        return count;
    }
    bool would_block = errno == EAGAIN || errno == EWOULDBLOCK;
    ws->failed |= !would_block;
    wslay_event_set_error(context, would_block ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void receive(struct websocket *ws)
{
    ws->turn = TURN_BYTES;
    if (!wslay_event_get_read_enabled(ws->frames)) /* after an error, of which the client is told */
        ws->failed |= !socket_drop(ws->descriptor);
    else if (wslay_event_recv(ws->frames) != 0 && !wslay_event_want_write(ws->frames))
        ws->failed = true; /* otherwise it is a wrong frame, and the answer is queued */
    if (wslay_event_get_close_received(ws->frames) || !wslay_event_get_read_enabled(ws->frames))
        start_closing(ws);
}

static void transmit(struct websocket *ws)
{
    if (ws->failed)
        return;
    if (wslay_event_send(ws->frames) != 0)
        ws->failed = true;
    queue_close(ws);
    if (wslay_event_want_write(ws->frames) && !ws->failed && wslay_event_send(ws->frames) != 0)
        ws->failed = true;
}

static bool has_ended(const struct websocket *ws)
{
    return ws->failed ||
           (wslay_event_get_close_sent(ws->frames) && wslay_event_get_close_received(ws->frames));
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct websocket *ws = poll->data;
    transmit(ws); /* before the client's end is noticed, who may read on */
    if (status < 0 || events & UV_READABLE)
        receive(ws);
    transmit(ws); /* at once, what the messages were answered with */
    if (status < 0 || (events & UV_DISCONNECT && !(events & UV_READABLE)))
        ws->failed = true;
    if (has_ended(ws))
        finish(ws);
    else
        update(ws);
}

/* Has the loop tell of what is awaited. A client that hangs up is noticed in any case. */
static void update(struct websocket *ws)
{
    int events = UV_DISCONNECT;
    if (ws->state == WEBSOCKET_CLOSED)
        return;
    if (ws->state == WEBSOCKET_CLOSING || (!ws->first_held && is_ready(ws)))
        events |= UV_READABLE;
    if (wslay_event_want_write(ws->frames) || ws->close_code != 0 || ws->failed)
        events |= UV_WRITABLE;
    else if (ws->state == WEBSOCKET_CLOSING && wslay_event_get_close_sent(ws->frames) &&
             !wslay_event_get_read_enabled(ws->frames) && !ws->half_closed) {
        ws->half_closed = true;
        shutdown(ws->descriptor, SHUT_WR);
    }
    if (events != ws->events)
        uv_poll_start(&ws->poll, events, on_event);
    ws->events = events;
}

void websocket_wake(struct websocket *ws)
{
    if (ws->state != WEBSOCKET_OPEN)
        return;
    give_held(ws);
    if (ws->early_read < ws->early_size && is_ready(ws))
        receive(ws); /* the loop tells only of what is still in the socket */
    update(ws);
}

/* ---- Sending ---- */

void websocket_send(struct websocket *ws, const char *text, size_t length)
{
    size_t limit = (size_t)ws->list->service->settings.result_queue_kib * 1024;
    if (ws->state != WEBSOCKET_OPEN || ws->failed)
        return;
    size_t waiting = unsent(ws);
    if (waiting == 0)
        ws->last_progress = now_of(ws);
    if (waiting + length > limit) {
        log_warning(ws->list->service->log, "request %s: the client does not read its results",
                    ws->id);
        ws->failed = true;
    } else if (wslay_event_queue_msg(ws->frames,
                                     &(struct wslay_event_msg){.opcode = WSLAY_TEXT_FRAME,
                                                               .msg = (const uint8_t *)text,
                                                               .msg_length = length}) != 0) {
        ws->failed = true; /* no memory */
    }
    update(ws);
}

void websocket_send_json(struct websocket *ws, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(object);
    if (text)
        websocket_send(ws, text, strlen(text));
    else
        websocket_close(ws, WEBSOCKET_INTERNAL, "out of memory");
    free(text);
}

bool websocket_is_slow(const struct websocket *ws)
{
    return unsent(ws) > SLOW_BYTES;
}

/* ---- Opening ---- */

struct websocket *websocket_create(struct websocket_list *list, const char *id,
                                   const struct websocket_protocol *protocol, void *state)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_read,
        .send_callback = on_write,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_frame_chunk,
        .on_msg_recv_callback = on_message,
    };
    struct websocket *ws = calloc(1, sizeof(*ws));
    if (!ws || wslay_event_context_server_init(&ws->frames, &callbacks, ws) != 0) {
        free(ws);
        return NULL;
    }
    wslay_event_config_set_no_buffering(ws->frames, 1);
    wslay_event_config_set_max_recv_msg_length(ws->frames, WEBSOCKET_MESSAGE_MAX);
    ws->list = list;
    ws->protocol = protocol;
    ws->state_of_protocol = state;
    ws->descriptor = -1;
    strncpy(ws->id, id, sizeof(ws->id) - 1);
    return ws;
}

void websocket_discard(struct websocket *ws)
{
    if (!ws)
        return;
    ws->protocol->closed(ws->state_of_protocol);
    free_websocket(ws);
}

void websocket_open(struct websocket *ws, int descriptor, const void *early, size_t early_size)
{
    struct websocket_list *list = ws->list;
    const int yes = 1, room = RECEIVE_BUFFER;
    list->opened(list->context);
    /* Several short messages in a row are not to wait for the client's acknowledgements. Fails on a
     * Unix socket, which does not do that. */
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    ws->early = early_size > 0 ? malloc(early_size) : NULL;
    if ((early_size > 0 && !ws->early) || uv_poll_init(list->loop, &ws->poll, descriptor) < 0) {
        close(descriptor);
        websocket_discard(ws);
        list->closed(list->context);
        return;
    }
    if (early_size > 0)
        memcpy(ws->early, early, early_size);
    ws->early_size = early_size;
    ws->poll.data = ws;
    ws->descriptor = descriptor;
    ws->state = WEBSOCKET_OPEN;
    ws->last_received = ws->last_message = ws->last_progress = now_of(ws);
    ws->next = list->first;
    if (ws->next)
        ws->next->previous = ws;
    list->first = ws;
    ws->protocol->opened(ws->state_of_protocol, ws);
    if (list->service->draining)
        ws->protocol->drain(ws->state_of_protocol);
    transmit(ws);
    websocket_wake(ws);
}

/* ---- Timeouts ---- */

static bool has_passed(const struct websocket *ws, uint64_t since, double seconds)
{
    uint64_t now = now_of(ws);
    return now > since && (double)(now - since) > seconds * 1000;
}

static void check_client(struct websocket *ws)
{
    const struct settings *settings = &ws->list->service->settings;
    double stall = (double)settings->stall_seconds;
    double ping = fmin(stall, PING_SECONDS);
    if (ws->first_held || !is_ready(ws)) {
        ws->last_received = ws->last_message = now_of(ws); /* it is we who do not read */
        return;
    }
    if (!ws->pinged && has_passed(ws, ws->last_received, ping)) {
        ws->pinged = true;
        wslay_event_queue_msg(ws->frames, &(struct wslay_event_msg){.opcode = WSLAY_PING});
    }
    if (has_passed(ws, ws->last_received, ping + stall)) {
        log_info(ws->list->service->log, "request %s: the client does not answer", ws->id);
        ws->failed = true;
    } else if (settings->idle_seconds > 0 &&
               has_passed(ws, ws->last_message, (double)settings->idle_seconds)) {
        websocket_close(ws, WEBSOCKET_GOING_AWAY, "nothing was asked for (timeouts.idle_seconds)");
    }
}

static void tick(struct websocket *ws)
{
    double stall = (double)ws->list->service->settings.stall_seconds;
    if (!wslay_event_want_write(ws->frames))
        ws->last_progress = now_of(ws); /* what is queued from now on waits since now */
    if (ws->state == WEBSOCKET_OPEN && ws->protocol->tick)
        ws->protocol->tick(ws->state_of_protocol);
    if (ws->state == WEBSOCKET_OPEN)
        check_client(ws);
    if (wslay_event_want_write(ws->frames) && has_passed(ws, ws->last_progress, stall)) {
        log_info(ws->list->service->log, "request %s: the client does not read its results",
                 ws->id);
        ws->failed = true;
    }
    if (ws->failed ||
        (ws->state == WEBSOCKET_CLOSING && ws->close_code == 0 && now_of(ws) > ws->deadline))
        finish(ws);
    else
        update(ws);
}

void websocket_list_tick(struct websocket_list *list)
{
    struct websocket *next;
    for (struct websocket *ws = list->first; ws; ws = next) {
        next = ws->next;
        tick(ws);
    }
}

void websocket_list_drain(struct websocket_list *list)
{
    for (struct websocket *ws = list->first; ws; ws = ws->next)
        if (ws->state == WEBSOCKET_OPEN)
            ws->protocol->drain(ws->state_of_protocol);
}

void websocket_list_cancel(struct websocket_list *list)
{
    while (list->first) {
        struct websocket *ws = list->first;
        websocket_close(ws, WEBSOCKET_GOING_AWAY, "hearkend stops");
        transmit(ws);
        finish(ws);
    }
}
