// SPDX-License-Identifier: MIT
/* How much room the daemon has, and what its agent says of it. */
#include "daemon/recognition/load_meter.h"
#include "daemon/server/agent.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <math.h>

void add_load_tests(void);

#define SECOND UINT64_C(1000000000)

/* Works for `seconds` as busy and as fast as is said, and looks once in each of them. */
static void work(struct load_meter *meter, unsigned seconds, double busy_workers, double speed)
{
    struct work_totals totals = meter->then;
    for (unsigned i = 0; i < seconds; i++) {
        totals.busy += busy_workers;
        totals.spent += busy_workers;
        totals.sound += busy_workers * speed;
        load_meter_look(meter, &totals, meter->at + SECOND);
    }
}

static void expect_room(const struct load_meter *meter, double room)
{
    double found = load_meter_room(meter);
    if (fabs(found - room) > 0.02 * fabs(room))
        printf("room: got %g, expected %g\n", found, room);
    CU_ASSERT_TRUE(fabs(found - room) <= 0.02 * fabs(room));
}

/* Free workers times their speed. */
static void test_room(void)
{
    struct load_meter meter;
    load_meter_init(&meter, 4, 7 * SECOND);
    CU_ASSERT_TRUE(load_meter_room(&meter) < 0);
    work(&meter, 60, 1, 20);
    expect_room(&meter, 60);
    work(&meter, 60, 3, 20);
    expect_room(&meter, 20);
    work(&meter, 60, 4, 20);
    expect_room(&meter, 8); /* a tenth of 80 */
    work(&meter, 60, 0, 20);
    expect_room(&meter, 80);
    work(&meter, 60, 1, 5); /* it has been slowed down */
    expect_room(&meter, 15);
}

/* Workers of both kinds are busy: no time is left, but it is no debt. */
static void test_both_kinds(void)
{
    struct load_meter one, both;
    load_meter_init(&one, 4, 0);
    load_meter_init(&both, 4, 0);
    work(&one, 60, 4, 20);
    work(&both, 60, 8, 20);
    work(&one, 3, 0, 0);
    work(&both, 3, 0, 0);
    expect_room(&both, load_meter_room(&one));
}

/* Without work it is free, and as fast as before. */
static void test_idle(void)
{
    struct load_meter meter;
    load_meter_init(&meter, 2, 0);
    work(&meter, 20, 2, 10);
    expect_room(&meter, 2);
    work(&meter, 3600, 0, 0);
    expect_room(&meter, 20);
}

/* How often it is looked at makes no difference, nor does another look at the same time. */
static void test_looks(void)
{
    struct load_meter often, seldom;
    load_meter_init(&often, 2, 0);
    load_meter_init(&seldom, 2, 0);
    work(&often, 100, 1, 10);
    load_meter_look(&seldom, &(struct work_totals){.busy = 100, .spent = 100, .sound = 1000},
                    100 * SECOND);
    expect_room(&often, 10);
    expect_room(&seldom, 10);
    load_meter_look(&seldom, &seldom.then, seldom.at);
    expect_room(&seldom, 10);
}

static void expect_line(const struct service *service, double room, const char *line)
{
    char found[AGENT_LINE_SIZE];
    agent_write_line(service, room, found);
    EXPECT_EQUAL_STRING(found, line);
}

static void test_line(void)
{
    struct service service = {.settings = {.http_requests = 64, .connections = 100}};
    expect_line(&service, -1, "up ready 100% maxconn:63\n");
    expect_line(&service, 75.9, "up ready 75% maxconn:63\n");
    expect_line(&service, 0.3, "up ready 1% maxconn:63\n");
    expect_line(&service, 1e9, "up ready 25600% maxconn:63\n");
    service.connections = 12;
    service.http_connections = 10;
    expect_line(&service, 3, "up ready 3% maxconn:61\n");
    service.settings.connections = 5;
    expect_line(&service, 3, "up ready 3% maxconn:2\n");
    service.settings.http_requests = 1;
    expect_line(&service, 3, "up ready 3% maxconn:1\n");
    service.leaving = true;
    expect_line(&service, 3, "drain\n");
    service = (struct service){.draining = true};
    expect_line(&service, -1, "drain\n");
}

void add_load_tests(void)
{
    CU_pSuite suite = CU_add_suite("load", NULL, NULL);
    CU_add_test(suite, "room", test_room);
    CU_add_test(suite, "both kinds", test_both_kinds);
    CU_add_test(suite, "idle", test_idle);
    CU_add_test(suite, "looks", test_looks);
    CU_add_test(suite, "line", test_line);
}
