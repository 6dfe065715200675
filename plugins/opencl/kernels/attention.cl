// SPDX-License-Identifier: MIT
/* Scaled dot-product attention (Vaswani et al. 2017, equation 1). */

/* Keys of a block. */
#define KEYS 32

/* Appends the new keys and values of every sequence to its caches, after `past` positions. */
kernel void append(global float *keys, const ulong keys_offset, const ulong keys_stride,
                   global float *values, const ulong values_offset, const ulong values_stride,
                   global const float *qkv, const ulong qkv_offset, const ulong qkv_stride,
                   const uint width, const uint positions, const uint past)
{
    const size_t column = get_global_id(0), row = get_global_id(1);
    const size_t sequence = row / positions, position = past + row % positions;

    if (column >= width)
        return;
    qkv += qkv_offset + row * qkv_stride + column;
    keys[keys_offset + sequence * keys_stride + position * width + column] = qkv[width];
    values[values_offset + sequence * values_stride + position * width + column] = qkv[2 * width];
}

/* Keys that a position sees: all, or those up to the end of its chunk. */
inline uint visible(uint position, uint total, uint chunk)
{
    if (chunk == 0)
        return total;
    const ulong end = ((ulong)position / chunk + 1) * chunk;
    return end < total ? (uint)end : total;
}

/* Elements at <= i < at + WIDE of a row [width], padded with zeros. */
inline FLOATS load_part(global const float *row, uint at, uint width)
{
    float numbers[WIDE];

    if (at + WIDE <= width)
        return LOAD_FLOATS(row + at);
    for (uint i = 0; i < WIDE; i++)
        numbers[i] = at + i < width ? row[at + i] : 0;
    return LOAD_FLOATS(numbers);
}

/*
 * Self-attention with online softmax (Milakov and Gimelshein 2018): a work-group processes `tile`
 * queries of one head of one sequence. It loops over the keys in blocks of KEYS and keeps, for each
 * query, the largest score so far and sums relative to it. Blocks start at multiples of KEYS, and a
 * key that a query does not see adds zero, so the result has the same bits whatever other queries
 * are in the tile and the call. Keys from index `plain` on are stand-ins.
 *
 * Local memory, with `padded` the width rounded up to a multiple of WIDE: queries [tile, width];
 * numbers, first keys [width, KEYS + WIDE], then values [KEYS, padded]; sums [tile, padded];
 * scores [tile, KEYS]; state [tile, 3]: largest score, sum of exponentials, factor of this block.
 */
TILE_KERNEL void self_attend(global float *out, const ulong out_offset, const ulong out_stride,
                             global const float *qkv, const ulong qkv_offset,
                             const ulong qkv_stride, global const float *keys,
                             const ulong keys_offset, const ulong keys_stride,
                             global const float *values, const ulong values_offset,
                             const ulong values_stride, const ulong step, const uint width,
                             const uint positions, const uint past, const uint chunk,
                             const uint plain, const float bias, const uint tile,
                             const float scale, local float *queries,
                             local FLOATS *numbers, local FLOATS *sums, local FLOATS *scores,
                             local float *state)
{
    const uint x = get_local_id(0), y = get_local_id(1), lane = y * LANES_X + x;
    const uint head = get_group_id(1) * width, sequence = get_group_id(2);
    const uint first = get_group_id(0) * tile, count = min(positions - first, tile);
    const uint total = past + positions, limit = visible(past + first + count - 1, total, chunk);
    const uint vectors = (width + WIDE - 1) / WIDE, key_vectors = KEYS / WIDE;
    local float *keys_at = (local float *)numbers, *score_at = (local float *)scores;

    qkv += qkv_offset + (sequence * (ulong)positions + first) * qkv_stride + head;
    out += out_offset + (sequence * (ulong)positions + first) * out_stride + head;
    keys += keys_offset + sequence * keys_stride + head;
    values += values_offset + sequence * values_stride + head;
    for (uint query = y; query < count; query += LANES_Y) {
        for (uint i = x; i < width; i += LANES_X)
            queries[query * width + i] = qkv[query * qkv_stride + i];
        for (uint i = x; i < vectors; i += LANES_X)
            sums[query * vectors + i] = 0;
    }
    for (uint query = lane; query < count; query += LANES_X * LANES_Y) {
        state[query * 3] = -INFINITY;
        state[query * 3 + 1] = 0;
    }

    for (uint start = 0; start < limit; start += KEYS) {
        const uint there = min(limit - start, (uint)KEYS);
        for (uint key = y; key < KEYS; key += LANES_Y)
            for (uint i = x; i < width; i += LANES_X)
                keys_at[i * (KEYS + WIDE) + key] = key < there ? keys[(start + key) * step + i] : 0;
        barrier(CLK_LOCAL_MEM_FENCE);

        for (uint at = lane; at < count * key_vectors; at += LANES_X * LANES_Y) {
            const uint query = at / key_vectors, vector = at % key_vectors;
            const uint seen = visible(past + first + query, total, chunk);
            FLOATS product = 0;
            for (uint i = 0; i < width; i++)
                product = MULTIPLY_ADD((FLOATS)(queries[query * width + i]),
                                       numbers[i * (key_vectors + 1) + vector], product);
            product *= scale;
            for (uint i = 0; i < WIDE; i++) {
                const uint key = start + vector * WIDE + i;
                const float score = ELEMENT(product, i) + (key < plain ? 0 : bias);
                score_at[at * WIDE + i] = key < seen ? score : -INFINITY;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);

        for (uint query = lane; query < count; query += LANES_X * LANES_Y) {
            const float before = state[query * 3];
            float largest = before;
            for (uint key = 0; key < KEYS; key++)
                largest = fmax(largest, score_at[query * KEYS + key]);
            state[query * 3] = largest;
            state[query * 3 + 2] = before == largest ? 1 : exp(before - largest);
        }
        for (uint key = y; key < KEYS; key += LANES_Y)
            for (uint i = x; i < vectors; i += LANES_X)
                numbers[key * vectors + i] =
                    key < there ? load_part(values + (start + key) * step, i * WIDE, width) : 0;
        barrier(CLK_LOCAL_MEM_FENCE);

        for (uint at = lane; at < count * key_vectors; at += LANES_X * LANES_Y)
            scores[at] = exp(scores[at] - state[at / key_vectors * 3]);
        barrier(CLK_LOCAL_MEM_FENCE);

        for (uint at = lane; at < count * vectors; at += LANES_X * LANES_Y) {
            const uint query = at / vectors, vector = at % vectors;
            local const float *weights = score_at + query * KEYS;
            FLOATS sum = sums[at] * state[query * 3 + 2];
            for (uint key = 0; key < KEYS; key++)
                sum = MULTIPLY_ADD((FLOATS)(weights[key]), numbers[key * vectors + vector], sum);
            sums[at] = sum;
        }
        for (uint query = lane; query < count; query += LANES_X * LANES_Y) {
            float sum = 0;
            for (uint key = 0; key < KEYS; key++)
                sum += score_at[query * KEYS + key];
            state[query * 3 + 1] = MULTIPLY_ADD(state[query * 3 + 1], state[query * 3 + 2], sum);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    for (uint query = y; query < count; query += LANES_Y)
        for (uint i = x; i < width; i += LANES_X)
            out[query * out_stride + i] =
                ((local const float *)sums)[query * vectors * WIDE + i] / state[query * 3 + 1];
}

/*
 * The speller's attention, one work-group for each row and head; `alignment` [rows, heads * steps]
 * is the caller's, or scratch memory of the queue. For the context, the steps are split into parts,
 * with one work-item for each part and each vector of the context; where a head is wider than the
 * group, there is one part, and a work-item computes several vectors.
 */
ROW_KERNEL void attend(global float *context, const ulong context_offset, const ulong context_stride,
                       global float *alignment, const ulong alignment_offset,
                       const ulong alignment_stride, global const float *query,
                       const ulong query_offset, const ulong query_stride,
                       global const float *keys, const ulong keys_offset, const ulong keys_stride,
                       global const float *values, const ulong values_offset,
                       const ulong values_stride, const uint width, const uint steps,
                       const uint plain, const float bias, const float scale,
                       local FLOATS *numbers)
{
    local float folded[GROUP];
    local FLOATS mixed[GROUP];
    const uint lane = get_local_id(0), head = get_group_id(0), row = get_group_id(1);
    const uint vectors = (width + WIDE - 1) / WIDE;
    float largest = -INFINITY, sum = 0;

    alignment += alignment_offset + row * alignment_stride + (ulong)head * steps;
    query += query_offset + row * query_stride + head * width;
    context += context_offset + row * context_stride + head * width;
    keys += keys_offset + head * width;
    values += values_offset + head * width;
    for (uint i = lane; i < vectors; i += GROUP)
        numbers[i] = load_part(query, i * WIDE, width);
    barrier(CLK_LOCAL_MEM_FENCE);

    for (uint step = lane; step < steps; step += GROUP) {
        FLOATS products = 0;
        float product = 0;
        for (uint i = 0; i < vectors; i++)
            products = MULTIPLY_ADD(numbers[i],
                                    load_part(keys + step * keys_stride, i * WIDE, width), products);
        for (uint i = 0; i < WIDE; i++)
            product += ELEMENT(products, i);
        product = product * scale + (step < plain ? 0 : bias);
        alignment[step] = product;
        largest = fmax(largest, product);
    }
    largest = group_maximum(largest, folded);
    for (uint step = lane; step < steps; step += GROUP) {
        const float weight = exp(alignment[step] - largest);
        alignment[step] = weight;
        sum += weight;
    }
    sum = group_sum(sum, folded);
    for (uint step = lane; step < steps; step += GROUP)
        alignment[step] /= sum;
    barrier(CLK_GLOBAL_MEM_FENCE);

    const uint parts = max((uint)GROUP / vectors, 1u), part = lane / vectors;
    const uint part_steps = (steps + parts - 1) / parts;
    for (uint vector = parts > 1 ? lane % vectors : lane; vector < vectors && part < parts;
         vector += GROUP) {
        const uint first = parts > 1 ? part * part_steps : 0;
        const uint end = min(first + part_steps, steps);
        FLOATS mix = 0;
        for (uint step = first; step < end; step++)
            mix = MULTIPLY_ADD((FLOATS)(alignment[step]),
                               load_part(values + step * values_stride, vector * WIDE, width), mix);
        if (parts > 1)
            mixed[lane] = mix;
        else
            for (uint i = 0; i < WIDE && vector * WIDE + i < width; i++)
                context[vector * WIDE + i] = ELEMENT(mix, i);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (parts > 1 && lane < vectors) {
        FLOATS mix = mixed[lane];
        for (uint i = 1; i < parts; i++)
            mix += mixed[i * vectors + lane];
        for (uint i = 0; i < WIDE && lane * WIDE + i < width; i++)
            context[lane * WIDE + i] = ELEMENT(mix, i);
    }
}
