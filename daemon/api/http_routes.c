// SPDX-License-Identifier: MIT
#include "daemon/api/http_routes.h"

#include "daemon/api/deepgram.h"
#include "daemon/api/http_transcription.h"
#include "daemon/api/metrics_page.h"
#include "daemon/api/page_files.h"
#include "daemon/api/realtime.h"
#include "daemon/api/transcription_fields.h"
#include "daemon/api/vosk.h"
#include "daemon/common/json_text.h"
#include "daemon/common/spaced_list.h"
#include "daemon/http/websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Models ---- */

/* `root` is the model itself, whose aliases have other ids. */
static json_t *describe_model(const char *name, const struct model_entry *entry)
{
    return json_pack("{s:o, s:o, s:s, s:I, s:s, s:O, s:s}", "id", json_from_text(name), "root",
                     json_from_text(model_entry_name(entry)), "object", "model", "created",
                     (json_int_t)entry->file_status.st_mtime, "owned_by", "hearken", "language",
                     entry->facts.languages, "task", "automatic-speech-recognition");
}

static void list_models(struct http_exchange *exchange)
{
    const struct catalogue *models = &exchange->service->models;
    json_t *list = json_array();
    int result = 0;
    for (size_t i = 0; i < models->list.count; i++) {
        const struct model_entry *entry = &models->list.entries[i];
        result |= json_array_append_new(list, describe_model(model_entry_name(entry), entry));
    }
    const char *aliases = exchange->service->settings.http_model_aliases, *alias;
    size_t length;
    while ((alias = spaced_list_next(&aliases, &length))) {
        char name[REQUEST_MODEL_MAX];
        snprintf(name, sizeof(name), "%.*s", (int)length, alias);
        result |= json_array_append_new(list, describe_model(name, &models->list.entries[0]));
    }
    if (result < 0) {
        json_decref(list);
        list = NULL;
    }
    http_exchange_answer_json(exchange, 200,
                              json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static void show_model(struct http_exchange *exchange)
{
    const char *name = exchange->path + strlen(exchange->route->path);
    const struct model_entry *entry = http_model_find(exchange->service, name);
    if (entry) {
        http_exchange_answer_json(exchange, 200, describe_model(name, entry));
        return;
    }
    char known[400];
    catalogue_list_names(&exchange->service->models, known, sizeof(known));
    http_exchange_fail(exchange, 404, "model_not_found", "model",
                       "model: got %.100s, expected one of: %s", name, known);
}

/* ---- Health ---- */

static void answer_text(struct http_exchange *exchange, unsigned status, const char *text)
{
    http_exchange_answer_bytes(exchange, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* The loop runs. */
static void show_live(struct http_exchange *exchange)
{
    answer_text(exchange, 200, "ok\n");
}

/* A new request would be served, and not refused or kept waiting for a model to be loaded. */
static void show_ready(struct http_exchange *exchange)
{
    const struct service *service = exchange->service;
    const struct model_entry *entry = catalogue_find(&service->models, "");
    if (service->leaving || service->draining)
        answer_text(exchange, 503, "stopping\n");
    else if (entry->model && entry->model->state != SERVED_READY)
        answer_text(exchange, 503, "loading the model\n");
    else if (entry->model && entry->model->lost)
        answer_text(exchange, 503, "the device has failed\n");
    else if (http_transcription_is_full(service) ||
             service->connections > service->settings.connections)
        answer_text(exchange, 503, "busy\n");
    else
        answer_text(exchange, 200, "ready\n");
}

/* As whisper.cpp's server and others have it. */
static void show_health(struct http_exchange *exchange)
{
    http_exchange_answer_json(
        exchange, exchange->service->draining ? 503 : 200,
        json_pack("{s:s}", "status", exchange->service->draining ? "stopping" : "ok"));
}

/* ---- The table ---- */

static const struct http_route routes[] = {
    {
        .method = "POST",
        .path = "audio/transcriptions",
        .shown = "/v1/audio/transcriptions",
        .start = http_transcription_start,
        .body = http_transcription_body,
        .end = http_transcription_end,
        .finish = http_transcription_finish,
    },
    {
        .method = "POST",
        .path = "audio/translations",
        .shown = "/v1/audio/translations",
        .start = http_transcription_start,
        .body = http_transcription_body,
        .end = http_transcription_end,
        .finish = http_transcription_finish,
    },
    {
        .method = "POST",
        .path = "inference",
        .shown = "/inference",
        .start = http_transcription_start,
        .body = http_transcription_body,
        .end = http_transcription_end,
        .finish = http_transcription_finish,
    },
    {
        .method = "POST",
        .path = "listen",
        .shown = "/v1/listen",
        .start = http_transcription_start_bare,
        .body = http_transcription_body,
        .end = http_transcription_end,
        .finish = http_transcription_finish,
    },
    {.method = "GET", .path = "", .shown = "/", .open = true, .start = page_files_show_index},
    {.method = "GET",
     .path = "page/",
     .shown = "/page/{file}",
     .open = true,
     .start = page_files_show},
    {.method = "GET", .path = "listen", .shown = "/v1/listen (WebSocket)", .start = deepgram_start},
    {.method = "GET", .path = "vosk", .shown = "/vosk (WebSocket)", .start = vosk_start},
    {.method = "GET",
     .path = "realtime",
     .shown = "/v1/realtime (WebSocket)",
     .start = realtime_start},
    {.method = "GET", .path = "models", .shown = "/v1/models", .start = list_models},
    {.method = "GET", .path = "models/", .shown = "/v1/models/{id}", .start = show_model},
    {.method = "GET", .path = "audio/models", .shown = "/v1/audio/models", .start = list_models},
    {.method = "GET",
     .path = "health",
     .shown = "/health",
     .open = true,
     .probe = true,
     .start = show_health},
    {.method = "GET",
     .path = "health/live",
     .shown = "/health/live",
     .open = true,
     .probe = true,
     .start = show_live},
    {.method = "GET",
     .path = "health/ready",
     .shown = "/health/ready",
     .open = true,
     .probe = true,
     .start = show_ready},
    {.method = "GET",
     .path = "metrics",
     .shown = "/metrics",
     .probe = true,
     .start = metrics_page_show},
};

/* The Vosk server has no paths. */
static const struct http_route vosk_route = {
    .method = "GET", .path = "", .shown = "/", .start = vosk_start};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

/* ---- Finding ---- */

/* The rest of `path` behind `prefix`, which ends there or at a slash; `otherwise` if it does not
 * begin so. */
static const char *behind(const char *path, const char *prefix, const char *otherwise)
{
    size_t length = strlen(prefix);
    if (strncmp(path, prefix, length) != 0 || (path[length] != '\0' && path[length] != '/'))
        return otherwise;
    return path + length + strspn(path + length, "/");
}

/* Clients that believe in a proxy ask for "http://host/path". */
static const char *behind_host(const char *url)
{
    static const char scheme[] = "http://";
    if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0)
        return url;
    url += sizeof(scheme) - 1;
    return url + strcspn(url, "/");
}

static void normalise(const char *url, char *path, size_t size)
{
    static const char *const prefixes[] = {"openai", "api", "v1"};
    const char *rest = behind_host(url), *before;
    rest += strspn(rest, "/");
    do {
        before = rest;
        for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
            rest = behind(rest, prefixes[i], rest);
        for (size_t i = 0; i < ROUTE_COUNT; i++) {
            const char *next = behind(rest, routes[i].path, "");
            if (*next && strcmp(routes[i].method, "POST") == 0)
                rest = next;
        }
    } while (rest != before);
    snprintf(path, size, "%s", rest);
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        path[--length] = '\0';
}

static bool matches(const struct http_route *route, const char *path)
{
    size_t length = strlen(route->path);
    if (length > 0 && route->path[length - 1] == '/')
        return strncmp(path, route->path, length) == 0 && path[length];
    return strcmp(path, route->path) == 0;
}

static bool is_allowed(const struct http_route *route, const char *method)
{
    return strcmp(method, route->method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* Methods that a path has, as the header Allow lists them. */
static void list_methods(const char *path, char *list, size_t size)
{
    size_t length = 0;
    *list = '\0';
    for (size_t i = 0; i < ROUTE_COUNT && length < size; i++)
        if (matches(&routes[i], path))
            length += (size_t)snprintf(list + length, size - length, "%s%s", *list ? ", " : "",
                                       routes[i].method);
}

static void refuse(struct http_exchange *exchange)
{
    char methods[40], list[1000] = "";
    size_t length = 0;
    list_methods(exchange->path, methods, sizeof(methods));
    if (*methods) {
        http_exchange_fail(exchange, 405, NULL, NULL, "got %s, expected %s", exchange->method,
                           methods);
        if (exchange->response)
            MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_ALLOW, methods);
        return;
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s %s",
                                   i > 0 ? ", " : "", routes[i].method, routes[i].shown);
    http_exchange_fail(exchange, 404, "not_found", NULL, "got /%.100s, expected one of: %s",
                       exchange->path, list);
}

static const struct http_route *find(struct http_exchange *exchange)
{
    if (*exchange->path == '\0' && websocket_is_wanted(exchange))
        return &vosk_route;
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        if (matches(&routes[i], exchange->path) && is_allowed(&routes[i], exchange->method))
            return &routes[i];
    refuse(exchange);
    return NULL;
}

const struct http_router http_routes = {.normalise = normalise, .find = find};
