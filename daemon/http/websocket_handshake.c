// SPDX-License-Identifier: MIT
#include "daemon/http/header_list.h"
#include "daemon/http/sha1.h"
#include "daemon/http/websocket_private.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Bytes of a key in base64, of 16 bytes. */
#define KEY_LENGTH 24u

bool websocket_is_wanted(const struct http_exchange *exchange)
{
    return header_list_has(http_exchange_header(exchange, MHD_HTTP_HEADER_UPGRADE), "websocket");
}

bool websocket_offers(const struct http_exchange *exchange, const char *subprotocol)
{
    return header_list_has(http_exchange_header(exchange, MHD_HTTP_HEADER_SEC_WEBSOCKET_PROTOCOL),
                           subprotocol);
}

/* Any page that somebody looks at can open a WebSocket to this machine; its browser says whose page
 * it is. One that was fetched from here has the host that it is opened at. */
static bool is_origin_allowed(const struct http_exchange *exchange)
{
    const char *origin = http_exchange_header(exchange, MHD_HTTP_HEADER_ORIGIN);
    const char *host = http_exchange_header(exchange, MHD_HTTP_HEADER_HOST);
    if (!origin || *exchange->origin)
        return true;
    const char *own = strstr(origin, "://");
    return own && host && strcasecmp(own + strlen("://"), host) == 0;
}

/* False: the request was answered. */
static bool check(struct http_exchange *exchange)
{
    const char *key = http_exchange_header(exchange, MHD_HTTP_HEADER_SEC_WEBSOCKET_KEY);
    const char *version = http_exchange_header(exchange, MHD_HTTP_HEADER_SEC_WEBSOCKET_VERSION);
    uint8_t decoded[16];
    size_t count = 0;
    if (!websocket_is_wanted(exchange) || strcmp(exchange->method, MHD_HTTP_METHOD_GET) != 0) {
        http_exchange_fail(exchange, 426, NULL, NULL, "/%s: got a request, expected a WebSocket",
                           exchange->path);
        if (exchange->response)
            MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_UPGRADE, "websocket");
    } else if (!header_list_has(http_exchange_header(exchange, MHD_HTTP_HEADER_CONNECTION),
                                "upgrade")) {
        http_exchange_fail(exchange, 400, NULL, NULL, "headers: expected Connection: Upgrade");
    } else if (exchange->body_length > 0) {
        http_exchange_fail(exchange, 400, NULL, NULL, "headers: expected no body");
    } else if (!version || strcmp(version, "13") != 0) {
        http_exchange_fail(exchange, 426, NULL, NULL,
                           "Sec-WebSocket-Version: got %.20s, expected 13",
                           version ? version : "nothing");
        if (exchange->response)
            MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_SEC_WEBSOCKET_VERSION,
                                    "13");
    } else if (!key || strlen(key) != KEY_LENGTH ||
               sodium_base642bin(decoded, sizeof(decoded), key, KEY_LENGTH, NULL, &count, NULL,
                                 sodium_base64_VARIANT_ORIGINAL) != 0 ||
               count != sizeof(decoded)) {
        http_exchange_fail(exchange, 400, NULL, NULL,
                           "Sec-WebSocket-Key: expected 16 bytes in base64");
    } else if (!is_origin_allowed(exchange)) {
        http_exchange_fail(exchange, 403, "origin_not_allowed", NULL,
                           "Origin: got %.100s, expected that of this server or one of "
                           "http.allow_origins",
                           http_exchange_header(exchange, MHD_HTTP_HEADER_ORIGIN));
    } else {
        return true;
    }
    return false;
}

/* libmicrohttpd has sent the answer. The WebSocket gets a descriptor of its own, so that the two do
 * not depend on each other any more. */
static void on_upgrade(void *context, struct MHD_Connection *connection, void *request_context,
                       const char *early, size_t early_size, MHD_socket descriptor,
                       struct MHD_UpgradeResponseHandle *handle)
{
    struct http_exchange *exchange = context;
    struct websocket *websocket = exchange->websocket;
    (void)connection, (void)request_context;
    int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    exchange->wake(exchange);
    if (own < 0)
        return; /* it is discarded with the exchange */
    exchange->websocket = NULL;
    exchange->upgraded = true;
    websocket_open(websocket, own, early, early_size);
}

static struct MHD_Response *make_answer(struct http_exchange *exchange, const char *subprotocol)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_LENGTH + sizeof(magic)];
    uint8_t hash[SHA1_BYTES];
    char accepted[sodium_base64_ENCODED_LEN(SHA1_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    snprintf(text, sizeof(text), "%s%s",
             http_exchange_header(exchange, MHD_HTTP_HEADER_SEC_WEBSOCKET_KEY), magic);
    sha1(text, strlen(text), hash);
    sodium_bin2base64(accepted, sizeof(accepted), hash, sizeof(hash),
                      sodium_base64_VARIANT_ORIGINAL);
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, exchange);
    if (!response)
        return NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "websocket");
    MHD_add_response_header(response, MHD_HTTP_HEADER_SEC_WEBSOCKET_ACCEPT, accepted);
    if (subprotocol)
        MHD_add_response_header(response, MHD_HTTP_HEADER_SEC_WEBSOCKET_PROTOCOL, subprotocol);
    return response;
}

void websocket_accept(struct http_exchange *exchange, const struct websocket_protocol *protocol,
                      void *state, const char *subprotocol)
{
    if (!check(exchange)) {
        protocol->closed(state);
        return;
    }
    exchange->websocket = websocket_create(exchange->websockets, exchange->id, protocol, state);
    if (!exchange->websocket) {
        protocol->closed(state);
        http_exchange_answer(exchange, 503, NULL);
        return;
    }
    http_exchange_answer(exchange, MHD_HTTP_SWITCHING_PROTOCOLS,
                         make_answer(exchange, subprotocol));
}
