// SPDX-License-Identifier: MIT
#include "daemon/client/batch/attempts.h"

#include "include/internal/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOURNAL_LINE (STORE_HOST + 64)

static void take_line(const struct result_store *store, const char *id, const char *line,
                      struct attempts *attempts)
{
    char host[STORE_HOST], word[32], name[STORE_NAME];
    long pid;
    if (sscanf(line, "start %64s %ld", host, &pid) == 2) {
        if (result_store_is_running(store, host, pid))
            return;
        attempts->unended++;
        result_store_name(id, name);
        if (strcmp(host, store->host) == 0)
            result_store_remove_aside(store, STORE_RESULTS, name, (pid_t)pid);
    } else if (sscanf(line, "end %31s", word) == 1) {
        attempts->unended = 0;
        attempts->faults += strcmp(word, "stopped") != 0;
    }
}

struct attempts attempts_read(const struct result_store *store, const char *id)
{
    struct attempts attempts = {0};
    int file = openat(store->folders[STORE_ATTEMPTS], id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *journal = file < 0 ? NULL : fdopen(file, "r");
    char *line = NULL;
    size_t room = 0;
    while (journal && getline(&line, &room, journal) >= 0)
        take_line(store, id, line, &attempts);
    free(line);
    if (journal)
        fclose(journal);
    else if (file >= 0)
        close(file);
    return attempts;
}

static int append(const struct result_store *store, const char *id, const char *line, bool sync)
{
    int file = openat(store->folders[STORE_ATTEMPTS], id,
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    int result = file < 0 ? -errno : write_all(file, line, strlen(line));
    if (result == 0 && sync && fsync(file) < 0)
        result = -errno;
    if (file >= 0)
        close(file);
    return result;
}

int attempts_begin(const struct result_store *store, const char *id, struct hearken_error *error)
{
    char line[JOURNAL_LINE];
    snprintf(line, sizeof(line), "start %s %ld\n", store->host, (long)getpid());
    int result = append(store, id, line, true);
    if (result < 0)
        return hearken_fail(error, result, "%s/attempts/%s: %s", store->path, id,
                            strerror(-result));
    return 0;
}

void attempts_end(const struct result_store *store, const char *id, const char *fault)
{
    char line[JOURNAL_LINE];
    snprintf(line, sizeof(line), "end %s\n", fault ? fault : "stopped");
    if (append(store, id, line, false) < 0) /* a full disk must not count as a death */
        attempts_forget(store, id);
}

void attempts_forget(const struct result_store *store, const char *id)
{
    attempts_read(store, id); /* for what it removes */
    result_store_remove(store, STORE_ATTEMPTS, id);
}
