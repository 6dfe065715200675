// SPDX-License-Identifier: MIT
/* Does the recordings of one shard, several at a time, in this process. */
#ifndef HEARKEN_DAEMON_CLIENT_BATCH_SHARD_RUN_H
#define HEARKEN_DAEMON_CLIENT_BATCH_SHARD_RUN_H

#include "daemon/client/batch/item_work.h"
#include "daemon/client/batch/shard.h"
#include "daemon/client/batch/shard_progress.h"

/* "Start me again": EX_TEMPFAIL of sysexits.h. */
#define EXIT_AGAIN 75

struct shard_run {
    struct item_setup *setup;          /* without its interrupt, which the run opens */
    const struct manifest_item *items; /* longest first */
    size_t count, all_count;           /* of the shard, of the manifest */
    struct shard shard;
    unsigned workers; /* threads, at least 1 */
    unsigned tries;   /* of an item with a passing fault, at least 1 */
    bool quiet;       /* no progress on the terminal, nothing at the end */
};

/*
 * Returns an exit code: EXIT_GOOD when every item is published or given up, EXIT_AGAIN when some
 * are left, 128 and the number of a signal other than SIGTERM. SIGTERM, SIGINT and SIGHUP, which
 * `signals` gives (signals_open), have it stop at the end of a segment.
 */
int shard_run(const struct shard_run *run, int signals);

#endif
