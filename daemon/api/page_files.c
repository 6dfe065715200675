// SPDX-License-Identifier: MIT
#include "daemon/api/page_files.h"

#include "daemon/http/header_list.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The Makefile makes these of the files. */
extern const char page_capture_js[], page_dom_js[], page_icon_svg[], page_index_html[];
extern const char page_main_js[], page_microphone_js[], page_page_css[], page_picture_js[];
extern const char page_save_js[], page_session_js[], page_spectrogram_js[], page_take_js[];
extern const char page_transcript_js[], page_upload_js[];

#define STYLE  "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"

struct page_file {
    const char *name, *type, *text;
};

static const struct page_file index_file = {"index.html", "text/html; charset=utf-8",
                                            page_index_html};

static const struct page_file files[] = {
    {"capture.js", SCRIPT, page_capture_js},
    {"dom.js", SCRIPT, page_dom_js},
    {"icon.svg", "image/svg+xml", page_icon_svg},
    {"main.js", SCRIPT, page_main_js},
    {"microphone.js", SCRIPT, page_microphone_js},
    {"page.css", STYLE, page_page_css},
    {"picture.js", SCRIPT, page_picture_js},
    {"save.js", SCRIPT, page_save_js},
    {"session.js", SCRIPT, page_session_js},
    {"spectrogram.js", SCRIPT, page_spectrogram_js},
    {"take.js", SCRIPT, page_take_js},
    {"transcript.js", SCRIPT, page_transcript_js},
    {"upload.js", SCRIPT, page_upload_js},
};

/* Nothing comes from elsewhere or goes there, and nobody else's page shows this one. Sound is
 * played from memory, which is what blob: is. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* Weak: it is of the file, not of its encoding. */
#define TAG_SIZE 38

static void make_tag(const struct page_file *file, char tag[TAG_SIZE])
{
    unsigned char hash[16];
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)file->text, strlen(file->text),
                       NULL, 0);
    char hex[2 * sizeof(hash) + 1];
    snprintf(tag, TAG_SIZE, "W/\"%s\"", sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
}

/* In a third of its size, or NULL without memory. */
static struct MHD_Response *make_compressed(const struct page_file *file)
{
    uLong length = (uLong)strlen(file->text);
    uLongf size = compressBound(length);
    Bytef *bytes = malloc(size);
    if (!bytes || compress(bytes, &size, (const Bytef *)file->text, length) != Z_OK) {
        free(bytes);
        return NULL;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(bytes);
    else
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "deflate");
    return response;
}

/* Browsers keep the file and ask each time whether it is still this one. */
static void show(struct http_exchange *exchange, const struct page_file *file)
{
    char tag[TAG_SIZE];
    const char *known = http_exchange_header(exchange, MHD_HTTP_HEADER_IF_NONE_MATCH);
    make_tag(file, tag);
    bool is_known = known && strstr(known, tag);
    struct MHD_Response *response;
    if (!is_known && header_list_has(http_exchange_header(exchange, "Accept-Encoding"), "deflate"))
        response = make_compressed(file);
    else
        response = MHD_create_response_from_buffer(is_known ? 0 : strlen(file->text),
                                                   (void *)file->text, MHD_RESPMEM_PERSISTENT);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, tag);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
        MHD_add_response_header(response, "Content-Security-Policy", policy);
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    }
    http_exchange_answer(exchange, is_known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

void page_files_show_index(struct http_exchange *exchange)
{
    show(exchange, &index_file);
}

void page_files_show(struct http_exchange *exchange)
{
    const char *name = exchange->path + strlen(exchange->route->path);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (strcmp(name, files[i].name) == 0) {
            show(exchange, &files[i]);
            return;
        }
    http_exchange_fail(exchange, 404, "not_found", NULL, "/page/%.100s: the page has no such file",
                       name);
}
