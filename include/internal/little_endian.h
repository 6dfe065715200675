// SPDX-License-Identifier: MIT
/* Little-endian numbers in bytes of any alignment. */
#ifndef HEARKEN_INTERNAL_LITTLE_ENDIAN_H
#define HEARKEN_INTERNAL_LITTLE_ENDIAN_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t load_u32(const uint8_t *bytes)
{
    return load_u16(bytes) | (uint32_t)load_u16(bytes + 2) << 16;
}

static inline uint64_t load_u64(const uint8_t *bytes)
{
    return load_u32(bytes) | (uint64_t)load_u32(bytes + 4) << 32;
}

static inline float load_float(const uint8_t *bytes)
{
    uint32_t bits = load_u32(bytes);
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline void store_u16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static inline void store_u32(uint8_t *bytes, uint32_t value)
{
    store_u16(bytes, (uint16_t)value);
    store_u16(bytes + 2, (uint16_t)(value >> 16));
}

#endif
