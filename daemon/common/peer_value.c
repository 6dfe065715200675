// SPDX-License-Identifier: MIT
#include "daemon/common/peer_value.h"

#include <math.h>

double number_within(double value, double low, double high)
{
    return isnan(value) ? low : fmin(fmax(value, low), high);
}

uint64_t count_within(double value, uint64_t maximum)
{
    if (!(value >= 1))
        return 0;
    /* Doubles from 2^64 on do not fit; `maximum` itself may not be a double. */
    return value >= 0x1p64 || (uint64_t)value > maximum ? maximum : (uint64_t)value;
}

double peer_number(const json_t *object, const char *name, double low, double high)
{
    return number_within(json_number_value(json_object_get(object, name)), low, high);
}

double peer_seconds(const json_t *object, const char *name)
{
    return peer_number(object, name, -PEER_SECONDS_MAX, PEER_SECONDS_MAX);
}

uint64_t peer_count(const json_t *object, const char *name, uint64_t maximum)
{
    return count_within(json_number_value(json_object_get(object, name)), maximum);
}

const char *peer_string(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}
