// SPDX-License-Identifier: MIT
#include "daemon/server/admission.h"

#include "daemon/common/socket_drop.h"
#include "daemon/common/wyoming.h"
#include "daemon/session/conversation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* This many connections beyond the limit linger after their rejection (connection.h), so that the
 * client reads it; any more are closed at once. */
#define REJECTED_MAX 32

/* Descriptors for model files, the configuration, the microphone, and the one that libuv opens with
 * the first connection. */
#define SPARE 16

/* An episode ends after this time without a rejection. */
#define EPISODE_MILLISECONDS 10000

/* ---- Descriptors ---- */

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Open descriptors of this process, or an estimate. */
static unsigned count_open(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return 2 * SPARE;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count - 1; /* without the directory's own */
}

void admission_init(struct admission *admission, struct log *log)
{
    *admission = (struct admission){.log = log, .reserve = open_reserve()};
    admission->other_descriptors = count_open() + SPARE;
}

void admission_finish(struct admission *admission)
{
    if (admission->reserve >= 0)
        close(admission->reserve);
    admission->reserve = -1;
}

/* Only as far as wanted: some libraries fail on large descriptors. */
static rlim_t raise_limit(rlim_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    struct rlimit raised = limit;
    raised.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

void admission_reserve_descriptors(struct admission *admission, unsigned connections)
{
    rlim_t other_descriptors = admission->other_descriptors;
    rlim_t limit = raise_limit(other_descriptors + connections + REJECTED_MAX);
    rlim_t room = limit > other_descriptors ? limit - other_descriptors : 1;
    admission->connection_descriptors = room < UINT32_MAX ? (unsigned)room : UINT32_MAX;
    if (admission->connection_descriptors < connections)
        log_warning(admission->log,
                    "%llu open files are allowed, which is enough for %u of %u connections: raise "
                    "the limit (ulimit -n, LimitNOFILE=)",
                    (unsigned long long)limit, admission->connection_descriptors, connections);
}

/* ---- The limit of connections ---- */

static unsigned within_descriptors(const struct admission *admission, unsigned connections)
{
    return connections < admission->connection_descriptors ? connections
                                                           : admission->connection_descriptors;
}

enum admission_verdict admission_decide(const struct admission *admission, unsigned open,
                                        unsigned connections)
{
    if (open < within_descriptors(admission, connections))
        return ADMISSION_SERVE;
    return open < within_descriptors(admission, connections + REJECTED_MAX)
               ? ADMISSION_REJECT
               : ADMISSION_REJECT_AT_ONCE;
}

/* ---- Episodes ---- */

void admission_log_rejection(struct admission *admission, uint64_t now, const char *why)
{
    if (admission->rejected++ == 0)
        log_warning(admission->log, "%s: rejecting further clients", why);
    admission->last = now;
}

bool admission_tick(struct admission *admission, uint64_t now)
{
    if (admission->rejected == 0)
        return false;
    if (now - admission->last < EPISODE_MILLISECONDS)
        return true;
    log_info(admission->log, "rejected %llu clients; accepting clients again",
             (unsigned long long)admission->rejected);
    admission->rejected = 0;
    return false;
}

/* ---- Rejecting ---- */

/* The send buffer of a new socket has room for this. */
static void send_now(void *context, const char *type, json_t *data, const void *payload,
                     size_t payload_length)
{
    const int *descriptor = context;
    struct wyoming_buffer buffer = {0};
    ssize_t sent = -1;
    if (wyoming_serialise(type, data, payload, payload_length, &buffer) == 0)
        sent = send(*descriptor, buffer.bytes, buffer.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* the caller closes the socket in any case */
    wyoming_buffer_finish(&buffer);
    json_decref(data);
}

void admission_reject(int descriptor)
{
    static const struct conversation_peer peer = {.send = send_now};
    conversation_send_error(&peer, &descriptor, "busy", "too many connections");
    shutdown(descriptor, SHUT_WR);
    socket_drop(descriptor);
    close(descriptor);
}

bool admission_reject_next(struct admission *admission, int listening)
{
    if (admission->reserve < 0)
        admission->reserve = open_reserve();
    if (admission->reserve < 0)
        return false;
    close(admission->reserve);
    int descriptor = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    bool done = descriptor >= 0 || errno == EAGAIN || errno == ECONNABORTED;
    if (descriptor >= 0)
        admission_reject(descriptor);
    admission->reserve = open_reserve();
    return done;
}
