// SPDX-License-Identifier: MIT
#include "daemon/client/program/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

/* Without those that the parent process had ignored. */
static void fill_signal_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction action;
        if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(set, signals[i]);
    }
}

static int block_and_open(const sigset_t *set)
{
    pthread_sigmask(SIG_BLOCK, set, NULL);
    int descriptor = signalfd(-1, set, SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int signals_open(void)
{
    sigset_t set;
    fill_signal_set(&set);
    return block_and_open(&set);
}

int signals_open_resize(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    return block_and_open(&set);
}

bool signals_are_due(int descriptor)
{
    struct pollfd poller = {.fd = descriptor, .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}

int signals_read(int descriptor)
{
    struct signalfd_siginfo information;
    if (read(descriptor, &information, sizeof(information)) != sizeof(information))
        return SIGTERM;
    return (int)information.ssi_signo;
}

bool signals_consume(int descriptor)
{
    bool due = signals_are_due(descriptor);
    if (due)
        signals_read(descriptor);
    return due;
}

void signals_release(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaddset(&set, signals[i]);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *unblock_and_wait(void *nothing)
{
    signals_release();
    while (pause() < 0)
        ;
    return nothing;
}

void signals_default_begin(struct signals_default *span)
{
    sigset_t set;
    fill_signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    span->running = pthread_create(&span->thread, NULL, unblock_and_wait, NULL) == 0;
}

void signals_default_end(struct signals_default *span)
{
    if (!span->running)
        return;
    pthread_cancel(span->thread);
    pthread_join(span->thread, NULL);
    span->running = false;
}
