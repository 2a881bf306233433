/* Layers of the Transformer on rows of states, each by itself.

   D model size, H heads, G key/value heads, K head size. */

#pragma once

#include "products.h"

typedef struct {
    const float *gain, *shift; /* (D,); shift is null where the norm has none, gain where it is none */
    float epsilon;
    int32_t centred; /* whether the mean is taken off */
} Norm;

typedef struct {
    Matrix project, output; /* queries, keys and values, or queries alone; from heads to the model */
    int32_t heads, groups, size, rotary;
    float scale;
} Attention;

typedef struct {
    Matrix inner, outer;
    int32_t width, gated;
} FeedForward;

static void normalise(const Norm *norm, const float *rows, int count, int size, float *out) {
    for (int row = 0; row < count; row++, rows += size, out += size) {
        if (!norm->gain) {
            memmove(out, rows, sizeof(float) * size);
            continue;
        }
        vec sums = {0}, squares = {0};
        float sum = 0, square = 0;
        int n = 0;
        if (norm->centred) {
            for (; n + LANES <= size; n += LANES) sums += load(rows + n);
            sum = total(sums);
            for (; n < size; n++) sum += rows[n];
        }
        float mean = sum / size;
        for (n = 0; n + LANES <= size; n += LANES) {
            vec away = load(rows + n) - mean;
            squares += away * away;
        }
        square = total(squares);
        for (; n < size; n++) square += (rows[n] - mean) * (rows[n] - mean);
        float factor = 1 / sqrtf(square / size + norm->epsilon);
        for (n = 0; n < size; n++) {
            float value = (rows[n] - mean) * factor * norm->gain[n];
            out[n] = norm->shift ? value + norm->shift[n] : value;
        }
    }
}

/* Turns a head at a position, whose cosines and sines (K / 2 each) are given.

   Source: Su et al. (2021), https://arxiv.org/abs/2104.09864, equation 34. */
INLINE void turn(float *head, int size, const float *angles) {
    int half = size / 2;
    for (int n = 0; n < half; n++) {
        float cosine = angles[n], sine = angles[half + n], one = head[n], other = head[half + n];
        head[n] = one * cosine - other * sine;
        head[half + n] = other * cosine + one * sine;
    }
}

/* Turns the queries and keys of a projected row. */
INLINE void place(const Attention *attention, float *projected, const float *angles) {
    if (!attention->rotary) return;
    for (int head = 0; head < attention->heads + attention->groups; head++)
        turn(projected + head * attention->size, attention->size, angles);
}

/* Makes scores (n,) weights that sum to 1; there is room for a whole vector behind them. */
INLINE void softmax(float *scores, int count) {
    int padded = rounded_up(count, LANES);
    if (!count) return;
    for (int n = count; n < padded; n++) scores[n] = -INFINITY;
    vec most = load(scores), sums = {0};
    for (int n = LANES; n < padded; n += LANES) most = larger(load(scores + n), most);
    float highest = largest(most);
    for (int n = 0; n < padded; n += LANES) {
        vec power = exponential(load(scores + n) - highest);
        store(scores + n, power);
        sums += power;
    }
    float factor = 1 / total(sums);
    for (int n = 0; n < count; n++) scores[n] *= factor;
}

/* Attends with one row's queries (H, K) to keys and values, one after the other in `past`.

   Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, equation 1. */
static void attend(const Attention *attention, const float *query, const float *const *past,
                   int count, float *scores, float *out) {
    int size = attention->size, shared = attention->heads / attention->groups;
    for (int head = 0; head < attention->heads; head++, query += size, out += size) {
        int own = head / shared * size; /* where the head's keys stand; values stand behind all keys */
        const int values = attention->groups * size + own;
        for (int n = 0; n < count; n++)
            scores[n] = dot(query, past[n] + own, size) * attention->scale;
        softmax(scores, count);
        memset(out, 0, sizeof(float) * size);
        for (int n = 0; n < count; n++) {
            const float *value = past[n] + values;
            for (int k = 0; k < size; k++) out[k] += scores[n] * value[k];
        }
    }
}

/* Source: Shazeer (2020), https://arxiv.org/abs/2002.05202, equation 6 (SwiGLU). */
static void close_gates(float *gates_and_values, int count, int width, float *out) {
    for (int row = 0; row < count; row++, gates_and_values += 2 * width, out += width)
        for (int n = 0; n < width; n += LANES) {
            int left = width - n < LANES ? width - n : LANES;
            vec gate = load_rest(gates_and_values + n, left, 0);
            vec value = load_rest(gates_and_values + width + n, left, 0);
            /* Of both signs: e to the power of what is not above 0 neither overflows nor cancels. */
            ints is_negative = gate < 0.0f;
            vec power = exponential(pick(is_negative, gate, -gate));
            vec open = pick(is_negative, power, filled(1.0f)) / (power + 1.0f);
            float lanes[LANES];
            store(lanes, gate * open * value);
            memcpy(out + n, lanes, sizeof(float) * left);
        }
}

static void feed_forward(const FeedForward *block, const float *rows, int count, float *scratch,
                         float *out, enum after after) {
    multiply(rows, count, &block->inner, scratch, block->gated ? NOTHING : RECTIFY);
    if (block->gated) close_gates(scratch, count, block->width, scratch);
    multiply(scratch, count, &block->outer, out, after);
}
