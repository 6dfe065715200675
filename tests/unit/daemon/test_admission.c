// SPDX-License-Identifier: MIT
#include "daemon/server/admission.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void add_admission_tests(void);

#define BUSY                                                                                       \
    "{\"type\":\"error\",\"data_length\":45}\n{\"text\":\"too many "                               \
    "connections\",\"code\":\"busy\"}"

static struct log quiet;

static void begin(struct admission *admission)
{
    log_init(&quiet, (enum hearken_log_level) - 1);
    admission_init(admission, &quiet);
    CU_ASSERT_FATAL(admission->reserve >= 0);
}

static void expect_limits(const struct admission *admission, unsigned connections, unsigned limit,
                          unsigned total)
{
    EXPECT_EQUAL(admission_decide(admission, limit - 1, connections), ADMISSION_SERVE);
    if (total > limit) {
        EXPECT_EQUAL(admission_decide(admission, limit, connections), ADMISSION_REJECT);
        EXPECT_EQUAL(admission_decide(admission, total - 1, connections), ADMISSION_REJECT);
    }
    EXPECT_EQUAL(admission_decide(admission, total, connections), ADMISSION_REJECT_AT_ONCE);
}

/* Rejected connections that linger come on top, as far as there are descriptors. */
static void test_limits(void)
{
    static const struct {
        unsigned connection_descriptors, connections, limit, total;
    } cases[] = {
        {1000, 100, 100, 132}, {132, 100, 100, 132}, {110, 100, 100, 110},
        {100, 100, 100, 100},  {9, 100, 9, 9},       {1, 100000, 1, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct admission admission = {.connection_descriptors =
                                                cases[i].connection_descriptors};
        expect_limits(&admission, cases[i].connections, cases[i].limit, cases[i].total);
    }
}

/* The limit of open files is raised to what is needed, not beyond, and never lowered. */
static void test_room(void)
{
    struct admission admission;
    struct rlimit before, after;
    begin(&admission);
    EXPECT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = admission.other_descriptors + 5, .rlim_max = before.rlim_max};
    EXPECT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &low), 0);
    admission_reserve_descriptors(&admission, 10);
    EXPECT_EQUAL(getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_EQUAL(after.rlim_cur, admission.other_descriptors + 42);
    expect_limits(&admission, 10, 10, 42);
    admission_reserve_descriptors(&admission, 3);
    EXPECT_EQUAL(getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_EQUAL(after.rlim_cur, admission.other_descriptors + 42);
    setrlimit(RLIMIT_NOFILE, &before);
    admission_finish(&admission);
}

/* It goes on while a client is rejected at least every ten seconds. */
static void test_episodes(void)
{
    struct admission admission;
    begin(&admission);
    CU_ASSERT_FALSE(admission_tick(&admission, 5000));
    admission_log_rejection(&admission, 5000, "test");
    CU_ASSERT_TRUE(admission_tick(&admission, 5000));
    CU_ASSERT_TRUE(admission_tick(&admission, 14999));
    admission_log_rejection(&admission, 14999, "test");
    CU_ASSERT_TRUE(admission_tick(&admission, 24998));
    EXPECT_EQUAL(admission.rejected, 2);
    CU_ASSERT_FALSE(admission_tick(&admission, 24999));
    EXPECT_EQUAL(admission.rejected, 0);
    CU_ASSERT_FALSE(admission_tick(&admission, 25000));
    admission_finish(&admission);
}

static void expect_busy(int client)
{
    char text[200] = "";
    size_t length = 0;
    for (ssize_t got; (got = read(client, text + length, sizeof(text) - 1 - length)) > 0;)
        length += (size_t)got;
    EXPECT_EQUAL_STRING(text, BUSY);
    close(client);
}

/* Also a client that has sent something, which is dropped; and one that is gone. */
static void test_rejected(void)
{
    int pair[2];
    for (int sends = 0; sends < 2; sends++) {
        EXPECT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        if (sends)
            EXPECT_EQUAL(write(pair[0], "x", 1), 1);
        admission_reject(pair[1]);
        EXPECT_EQUAL(fcntl(pair[1], F_GETFD), -1);
        expect_busy(pair[0]);
    }
    EXPECT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[0]);
    admission_reject(pair[1]);
    EXPECT_EQUAL(fcntl(pair[1], F_GETFD), -1);
}

/* A listening socket of no name, and clients that wait at it. */
static int listen_for(int *clients, int count)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address.sun_family);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQUAL_FATAL(bind(listening, (struct sockaddr *)&address, size), 0);
    EXPECT_EQUAL_FATAL(listen(listening, count), 0);
    size = sizeof(address);
    EXPECT_EQUAL_FATAL(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    for (int i = 0; i < count; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        EXPECT_EQUAL_FATAL(connect(clients[i], (struct sockaddr *)&address, size), 0);
    }
    return listening;
}

/* No descriptor but the reserve: each client is told, and the reserve is there for the next. */
static void test_reserve(void)
{
    struct rlimit before;
    struct admission admission;
    int clients[3];
    begin(&admission);
    int listening = listen_for(clients, 3);
    int lowest = dup(listening); /* the first that is free */
    close(lowest);
    CU_ASSERT_FATAL(admission.reserve < lowest);
    EXPECT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
    EXPECT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_EQUAL(accept(listening, NULL, NULL), -1);
    EXPECT_EQUAL(errno, EMFILE);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_TRUE(admission_reject_next(&admission, listening));
    CU_ASSERT_FATAL(admission.reserve >= 0);
    /* Somebody else was faster: the third one waits until there are descriptors again. */
    int reserve = admission.reserve;
    admission.reserve = -1;
    CU_ASSERT_FALSE(admission_reject_next(&admission, listening));
    close(reserve);
    CU_ASSERT_TRUE(admission_reject_next(&admission, listening));
    EXPECT_EQUAL(admission.reserve, reserve);
    CU_ASSERT_TRUE(admission_reject_next(&admission, listening)); /* nobody waits */
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < 3; i++)
        expect_busy(clients[i]);
    close(listening);
    admission_finish(&admission);
    EXPECT_EQUAL(admission.reserve, -1);
}

void add_admission_tests(void)
{
    CU_pSuite suite = CU_add_suite("admission", NULL, NULL);
    CU_add_test(suite, "limits", test_limits);
    CU_add_test(suite, "room", test_room);
    CU_add_test(suite, "episodes", test_episodes);
    CU_add_test(suite, "rejected", test_rejected);
    CU_add_test(suite, "reserve", test_reserve);
}
