// SPDX-License-Identifier: MIT
#include "daemon/recognition/g711.h"

/* All bits are inverted. Sign, three bits of exponent, four of mantissa; magnitudes of 14 bits,
 * moved by a bias of 33. */
int16_t g711_from_mulaw(uint8_t code)
{
    unsigned bits = (uint8_t)~code;
    int magnitude = ((int)(bits & 15) * 2 + 33) << (bits >> 4 & 7);
    int value = (magnitude - 33) * 4;
    return (int16_t)(bits & 0x80 ? -value : value);
}

/* Every other bit is inverted. As above, with 13 bits, no bias, and linear at the smallest
 * exponent; the sign's bit is set for positive values. */
int16_t g711_from_alaw(uint8_t code)
{
    unsigned bits = code ^ 0x55u, exponent = bits >> 4 & 7;
    int magnitude = (int)(bits & 15) * 2 + 1;
    if (exponent > 0)
        magnitude = (magnitude + 32) << (exponent - 1);
    int value = magnitude * 8;
    return (int16_t)(bits & 0x80 ? value : -value);
}
