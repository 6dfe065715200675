// SPDX-License-Identifier: MIT
#include "daemon/client/models/model_download.h"

#include "include/internal/monotonic_clock.h"
#include "include/internal/write_all.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CONNECT_SECONDS 30L
#define SILENT_SECONDS  60L
#define REDIRECTS_MAX   10L
#define BLOCK_BYTES     65536
#define TAG_BYTES       256
#define DRAW_SECONDS    0.2

/* Left free on the disk. */
#define SPARE_BYTES (UINT64_C(16) << 20)

/* One request for the rest of a file. */
struct transfer {
    struct download *download;
    CURL *curl;
    const char *address;
    int file;                       /* TARGET.partial */
    uint64_t size;                  /* bytes in it */
    uint64_t total;                 /* as the server states; 0: unknown */
    bool begun;                     /* the answer's status is known, and its body has begun */
    char tag[TAG_BYTES];            /* the ETag of the answer, or "" */
    crypto_hash_sha256_state state; /* of the bytes in the file */
    unsigned char head[4];
    double started, drawn;
    uint64_t resumed; /* bytes that were there before */
    int result;       /* of writing, with `problem` */
    struct hearken_error problem;
};

/* ---- Progress ---- */

static void draw(struct transfer *transfer, bool last)
{
    double now = clock_seconds(), seconds = now - transfer->started;
    if (transfer->download->quiet || (!last && now - transfer->drawn < DRAW_SECONDS) ||
        !isatty(STDERR_FILENO))
        return;
    transfer->drawn = now;
    double rate = seconds > 0 ? (double)(transfer->size - transfer->resumed) / seconds : 0;
    fprintf(stderr, "\r%.1f", (double)transfer->size / 1e6);
    if (transfer->total > 0)
        fprintf(stderr, " of %.1f MB, %.0f %%", (double)transfer->total / 1e6,
                100.0 * (double)transfer->size / (double)transfer->total);
    else
        fprintf(stderr, " MB");
    fprintf(stderr, ", %.1f MB/s", rate / 1e6);
    if (transfer->total > transfer->size && rate > 0)
        fprintf(stderr, ", %.0f s left", (double)(transfer->total - transfer->size) / rate);
    fprintf(stderr, "\033[K%s", last ? "\r\033[K" : "");
}

/* ---- What was left by an earlier call ---- */

static char *beside(const char *target, const char *ending, char *path, size_t size)
{
    int length = snprintf(path, size, "%s%s", target, ending);
    return length >= 0 && (size_t)length < size ? path : NULL;
}

/* The ETag that came with the partial file, by which a server knows whether it is still the same.
 */
static void read_tag(const char *target, char tag[TAG_BYTES])
{
    char path[PATH_MAX];
    FILE *file = beside(target, ".etag", path, sizeof(path)) ? fopen(path, "re") : NULL;
    tag[0] = '\0';
    if (!file)
        return;
    if (!fgets(tag, TAG_BYTES, file))
        tag[0] = '\0';
    tag[strcspn(tag, "\r\n")] = '\0';
    fclose(file);
}

static void write_tag(const char *target, const char *tag)
{
    char path[PATH_MAX];
    if (!beside(target, ".etag", path, sizeof(path)))
        return;
    unlink(path);
    FILE *file = *tag ? fopen(path, "wex") : NULL;
    if (file) { /* without it the file is got anew */
        fputs(tag, file);
        fclose(file);
    }
}

static int start_anew(struct transfer *transfer)
{
    crypto_hash_sha256_init(&transfer->state);
    transfer->size = transfer->resumed = 0;
    if (ftruncate(transfer->file, 0) < 0 || lseek(transfer->file, 0, SEEK_SET) < 0)
        return hearken_fail(&transfer->problem, -errno, "%s.partial: %s",
                            transfer->download->target, strerror(errno));
    return 0;
}

/* Sums up what is there; its size is then that of the file. */
static int read_partial(struct transfer *transfer)
{
    unsigned char block[BLOCK_BYTES];
    ssize_t count;
    crypto_hash_sha256_init(&transfer->state);
    transfer->size = 0;
    if (lseek(transfer->file, 0, SEEK_SET) < 0)
        return -errno;
    while ((count = read(transfer->file, block, sizeof(block))) > 0) {
        if (transfer->size == 0 && count >= 4)
            memcpy(transfer->head, block, 4);
        crypto_hash_sha256_update(&transfer->state, block, (unsigned long long)count);
        transfer->size += (uint64_t)count;
    }
    transfer->resumed = transfer->size;
    return count < 0 ? -errno : 0;
}

/* ---- One request ---- */

static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    static const char name[] = "etag:";
    (void)one;
    if (size > 5 && strncmp(line, "HTTP/", 5) == 0)
        transfer->tag[0] = '\0'; /* of a redirect */
    if (size <= sizeof(name) || strncasecmp(line, name, sizeof(name) - 1) != 0)
        return size;
    const char *from = line + sizeof(name) - 1, *end = line + size;
    while (from < end && *from == ' ')
        from++;
    while (end > from && (end[-1] == '\r' || end[-1] == '\n'))
        end--;
    if ((size_t)(end - from) < TAG_BYTES && *from == '"') { /* a weak one does for no range */
        memcpy(transfer->tag, from, (size_t)(end - from));
        transfer->tag[end - from] = '\0';
    }
    return size;
}

static int check_space(struct transfer *transfer, uint64_t more)
{
    struct statvfs disk;
    if (fstatvfs(transfer->file, &disk) < 0)
        return 0; /* writing will tell */
    uint64_t there = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (more <= UINT64_MAX - SPARE_BYTES && more + SPARE_BYTES <= there)
        return 0;
    return hearken_fail(&transfer->problem, -ENOSPC,
                        "%s: needs %.1f MB more, and the disk has %.1f MB left",
                        transfer->download->target, (double)more / 1e6, (double)there / 1e6);
}

/* The first bytes of the answer: does it go on where the file ends, and can it be the model? */
static int begin(struct transfer *transfer)
{
    const struct download *download = transfer->download;
    long status = 0;
    curl_off_t length = -1;
    const char *type = NULL;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type);
    transfer->begun = true;
    if (type && strncasecmp(type, "text/html", 9) == 0)
        return hearken_fail(&transfer->problem, -EBADMSG,
                            "%s: is a web page, expected a model (does a proxy or a portal ask for "
                            "a login?)",
                            transfer->address);
    if (status != 206 && transfer->size > 0 && start_anew(transfer) < 0)
        return -EIO;
    uint64_t rest = length >= 0 ? (uint64_t)length : 0;
    transfer->total = length >= 0 ? transfer->size + rest : 0;
    if (transfer->total > 0 && download->size > 0 && transfer->total != download->size)
        return hearken_fail(&transfer->problem, -EBADMSG, "%s: has %llu bytes, expected %llu",
                            transfer->address, (unsigned long long)transfer->total,
                            (unsigned long long)download->size);
    write_tag(download->target, transfer->tag);
    return check_space(transfer, rest > 0 ? rest : download->size);
}

static int take(struct transfer *transfer, const char *bytes, size_t size)
{
    uint64_t limit = transfer->download->size > 0 ? transfer->download->size : UINT64_MAX;
    if (!transfer->begun) {
        int result = begin(transfer);
        if (result < 0)
            return result;
    }
    if (size > limit - transfer->size)
        return hearken_fail(&transfer->problem, -EBADMSG, "%s: has more than %llu bytes",
                            transfer->address, (unsigned long long)limit);
    for (size_t i = 0; i < size && transfer->size + i < 4; i++)
        transfer->head[transfer->size + i] = (unsigned char)bytes[i];
    if (transfer->size < 4 && transfer->size + size >= 4 && !transfer->download->part &&
        !model_folder_is_model(transfer->head, 4))
        return hearken_fail(&transfer->problem, -EBADMSG,
                            "%s: is no model: expected GGUF or whisper.cpp's ggml",
                            transfer->address);
    int result = write_all(transfer->file, bytes, size);
    if (result < 0)
        return hearken_fail(&transfer->problem, result, "%s.partial: %s",
                            transfer->download->target, strerror(-result));
    crypto_hash_sha256_update(&transfer->state, (const unsigned char *)bytes, size);
    transfer->size += size;
    draw(transfer, false);
    return 0;
}

static size_t on_bytes(char *bytes, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    (void)one;
    transfer->result = take(transfer, bytes, size);
    return transfer->result < 0 ? CURL_WRITEFUNC_ERROR : size;
}

/* Sets an option of `curl`, unless an earlier one has failed: `code`. */
#define SET(option, value) code = code ? code : curl_easy_setopt(curl, option, value)

/* What all requests have. */
static CURLcode set_common(CURL *curl, const char *address, char *reason)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, address);
    SET(CURLOPT_ERRORBUFFER, reason);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    /* What began encrypted stays so. */
    SET(CURLOPT_REDIR_PROTOCOLS_STR, strncmp(address, "https:", 6) == 0 ? "https" : "http,https");
    SET(CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, SILENT_SECONDS);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "hearken");
    return code;
}

/* A message that says what to do where the machine has no connection. */
static int fail_network(const char *address, CURLcode code, const char *reason,
                        struct hearken_error *error)
{
    const char *why = *reason ? reason : curl_easy_strerror(code);
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
        code == CURLE_COULDNT_CONNECT)
        return hearken_fail(error, -EIO,
                            "%s: %s; without a connection, fetch it on another machine and give "
                            "--from FILE",
                            address, why);
    return hearken_fail(error, -EIO, "%s: %s", address, why);
}

static int perform(struct transfer *transfer)
{
    char reason[CURL_ERROR_SIZE] = "", range[32], condition[TAG_BYTES + 16];
    char tag[TAG_BYTES];
    struct curl_slist *headers = NULL;
    CURL *curl = transfer->curl = curl_easy_init();
    CURLcode code = curl ? set_common(curl, transfer->address, reason) : CURLE_OUT_OF_MEMORY;
    read_tag(transfer->download->target, tag);
    if (transfer->size > 0) {
        snprintf(range, sizeof(range), "%llu-", (unsigned long long)transfer->size);
        snprintf(condition, sizeof(condition), "If-Range: %s", tag);
        headers = *tag ? curl_slist_append(NULL, condition) : NULL;
        SET(CURLOPT_RANGE, range);
        SET(CURLOPT_HTTPHEADER, headers);
    }
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, transfer);
    code = code ? code : curl_easy_perform(curl);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    draw(transfer, true);
    if (transfer->result < 0)
        return transfer->result;
    return code ? fail_network(transfer->address, code, reason, &transfer->problem) : 0;
}

/* ---- The whole file ---- */

/* Whether what came is what was asked for. Otherwise nothing of it is kept. */
static int check_sum(struct transfer *transfer)
{
    struct download *download = transfer->download;
    unsigned char sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state = transfer->state;
    crypto_hash_sha256_final(&state, sum);
    sodium_bin2hex(download->found, sizeof(download->found), sum, sizeof(sum));
    bool fits = download->size == 0 || download->size == transfer->size;
    if (fits && transfer->size >= 4 &&
        (!*download->sha256 || strcmp(download->sha256, download->found) == 0))
        return 0;
    int result =
        fits ? hearken_fail(&transfer->problem, -EBADMSG, "%s: has the SHA-256 %s, expected %s",
                            transfer->address, download->found, download->sha256)
             : hearken_fail(&transfer->problem, -EIO,
                            "%s: the connection ended after %llu of %llu bytes; once more "
                            "goes on from there",
                            transfer->address, (unsigned long long)transfer->size,
                            (unsigned long long)download->size);
    if (fits)
        start_anew(transfer);
    return result;
}

/* From one address; a file of which a part was there and whose sum is wrong is got once more. */
static int fetch(struct transfer *transfer)
{
    for (;;) {
        bool resumes = transfer->size > 0;
        bool complete = transfer->download->size > 0 && transfer->size == transfer->download->size;
        transfer->begun = false;
        transfer->result = 0;
        transfer->total = 0;
        int result = complete ? 0 : perform(transfer);
        if (result == 0)
            result = check_sum(transfer);
        if (result != -EBADMSG || !resumes)
            return result;
        if ((result = start_anew(transfer)) < 0)
            return result;
    }
}

static int commit(const struct download *download, int file, const char *partial,
                  struct hearken_error *error)
{
    char path[PATH_MAX];
    if (fsync(file) < 0 || fchmod(file, 0644) < 0 || rename(partial, download->target) < 0)
        return hearken_fail(error, -errno, "%s: %s", download->target, strerror(errno));
    if (beside(download->target, ".etag", path, sizeof(path)))
        unlink(path);
    snprintf(path, sizeof(path), "%s", download->target);
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    int folder = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        fsync(folder);
        close(folder);
    }
    return 0;
}

static bool is_same_file(int file, const char *path)
{
    struct stat ours, there;
    return fstat(file, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* Opens the partial file for this process alone. */
static int open_partial(const char *path, struct hearken_error *error)
{
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file < 0)
            return hearken_fail(error, -errno, "%s: %s", path, strerror(errno));
        bool locked = flock(file, LOCK_EX | LOCK_NB) == 0;
        /* Another process may have completed and renamed it before it was locked here. */
        if (locked && is_same_file(file, path))
            return file;
        close(file);
        if (!locked)
            return hearken_fail(error, -EBUSY, "%s: another hearken is getting it", path);
    }
}

int model_download(struct download *download, struct hearken_error *error)
{
    char partial[PATH_MAX];
    struct transfer transfer = {.download = download};
    if (!beside(download->target, ".partial", partial, sizeof(partial)))
        return hearken_fail(error, -ENAMETOOLONG, "%s: %s", download->target,
                            strerror(ENAMETOOLONG));
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT))
        return hearken_fail(error, -ENOMEM, "out of memory");
    transfer.file = open_partial(partial, error);
    if (transfer.file < 0)
        return transfer.file;
    int result = read_partial(&transfer);
    if (result < 0)
        result = hearken_fail(&transfer.problem, result, "%s: %s", partial, strerror(-result));
    transfer.started = clock_seconds();
    for (size_t i = 0; result == 0 && download->addresses[i]; i++) {
        transfer.address = download->addresses[i];
        result = fetch(&transfer);
        if (result == 0 || !download->addresses[i + 1] || result == -ENOSPC)
            break;
        result = 0; /* the next address has it, perhaps */
    }
    if (result == 0)
        result = commit(download, transfer.file, partial, &transfer.problem);
    if (result < 0)
        hearken_fail(error, result, "%s", transfer.problem.message);
    if (result == -EBADMSG || transfer.size == 0) {
        unlink(partial);
        write_tag(download->target, "");
    }
    close(transfer.file);
    return result;
}

/* ---- Text ---- */

struct text {
    char *bytes;
    size_t length, limit;
};

static size_t on_text(char *bytes, size_t one, size_t size, void *context)
{
    struct text *text = context;
    (void)one;
    if (size > text->limit - text->length)
        return CURL_WRITEFUNC_ERROR;
    char *grown = realloc(text->bytes, text->length + size + 1);
    if (!grown)
        return CURL_WRITEFUNC_ERROR;
    text->bytes = grown;
    memcpy(grown + text->length, bytes, size);
    text->length += size;
    grown[text->length] = '\0';
    return size;
}

int model_download_text(const char *address, size_t limit, char **text, struct hearken_error *error)
{
    char reason[CURL_ERROR_SIZE] = "";
    struct text all = {.limit = limit};
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) ? NULL : curl_easy_init();
    CURLcode code = curl ? set_common(curl, address, reason) : CURLE_OUT_OF_MEMORY;
    SET(CURLOPT_WRITEFUNCTION, on_text);
    SET(CURLOPT_WRITEDATA, &all);
    code = code ? code : curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    if (!code && all.bytes) {
        *text = all.bytes;
        return 0;
    }
    free(all.bytes);
    if (code == CURLE_WRITE_ERROR)
        return hearken_fail(error, -EFBIG, "%s: more than %zu bytes, expected a list of models",
                            address, limit);
    return code ? fail_network(address, code, reason, error)
                : hearken_fail(error, -EBADMSG, "%s: is empty", address);
}
