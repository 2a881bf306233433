/* Products of rows with a matrix, in float32 or in 8-bit integers.

   M rows of D, N columns. A matrix lies in panels of so many columns as two registers hold, inner
   index by inner index, so that a few rows times a panel stay in registers and read the matrix
   once, in order. */

#pragma once

#include "vectors.h"

#include <stdlib.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

enum { PANEL = 2 * LANES };         /* columns of a panel in float32 */
enum { BYTE_PANEL = 16, QUAD = 4 }; /* the same in bytes, which are multiplied four at a time */
enum { TILE = 6, BYTE_TILE = 5 };   /* rows whose sums fill the registers */
enum { CACHED = 1 << 18 };          /* bytes of rows that stay near while panels pass */
enum { MIDDLE = 64, STEPS = 127 };  /* the byte that stands for 0 in rows of either sign; the largest */

enum kind { FLOATS, SIGNED_BYTES, UNSIGNED_BYTES }; /* what rows hold, but for the first */
enum after { NOTHING, RECTIFY, ADD };               /* what happens to a result before it is kept */

typedef struct {
    const void *packed;
    const float *scale;    /* (N,) of each column, in bytes */
    const int32_t *middle; /* (N,) what the middle of signed bytes adds to sums */
    const float *bias;     /* (N,), or null */
    int32_t inner, columns, kind;
} Matrix;

INLINE int rounded_up(int size, int multiple) { return (size + multiple - 1) / multiple * multiple; }

/* Keeps some columns of one row: sums, scaled where they are of bytes, and what comes after. */
INLINE void keep(float *out, const float *sums, int count, const float *bias, enum after after) {
    for (int n = 0; n < count; n++) {
        float value = bias ? sums[n] + bias[n] : sums[n];
        if (after == ADD) value += out[n];
        out[n] = after == RECTIFY && value < 0 ? 0 : value;
    }
}

INLINE void multiply_tile(const float *rows, int count, const Matrix *by, int panel, float *out,
                          enum after after) {
    const float *columns = (const float *)by->packed + (size_t)panel * by->inner * PANEL;
    vec sums[TILE][2];
    for (int row = 0; row < count; row++) sums[row][0] = sums[row][1] = (vec){0};
    for (int k = 0; k < by->inner; k++, columns += PANEL) {
        vec left = load(columns), right = load(columns + LANES);
        for (int row = 0; row < count; row++) {
            vec value = filled(rows[(size_t)row * by->inner + k]);
            sums[row][0] += value * left;
            sums[row][1] += value * right;
        }
    }
    int first = panel * PANEL, width = by->columns - first < PANEL ? by->columns - first : PANEL;
    for (int row = 0; row < count; row++) {
        float values[PANEL];
        store(values, sums[row][0]);
        store(values + LANES, sums[row][1]);
        keep(out + (size_t)row * by->columns + first, values, width,
             by->bias ? by->bias + first : NULL, after);
    }
}

static __attribute__((noipa)) void multiply_floats(const float *rows, int count, const Matrix *by, float *out,
                            enum after after) {
    int panels = (by->columns + PANEL - 1) / PANEL;
    int block = CACHED / 4 / (by->inner ? by->inner : 1) / TILE * TILE;
    if (block < TILE) block = TILE;
    for (int first = 0; first < count; first += block) {
        int last = first + block < count ? first + block : count;
        for (int panel = 0; panel < panels; panel++)
            for (int row = first; row < last; row += TILE) {
                const float *from = rows + (size_t)row * by->inner;
                float *to = out + (size_t)row * by->columns;
                switch (last - row) { /* a number that the compiler knows */
                case 1: multiply_tile(from, 1, by, panel, to, after); break;
                case 2: multiply_tile(from, 2, by, panel, to, after); break;
                case 3: multiply_tile(from, 3, by, panel, to, after); break;
                case 4: multiply_tile(from, 4, by, panel, to, after); break;
                case 5: multiply_tile(from, 5, by, panel, to, after); break;
                default: multiply_tile(from, TILE, by, panel, to, after);
                }
            }
    }
}

/* Rounds one row to bytes, and gives its scale. What is no number makes a scale that is none. */
static float rounded_row(const float *row, int size, enum kind kind, uint8_t *bytes) {
    int middle = kind == SIGNED_BYTES ? MIDDLE : 0;
    int32_t most = 0; /* the bits of floats above 0 are ordered as they are, with no number last */
    for (int k = 0; k < size; k++) {
        int32_t bits;
        memcpy(&bits, row + k, 4);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float widest;
    memcpy(&widest, &most, 4);
    float scale = widest / (STEPS - middle) + 1e-12f, factor = 1 / scale, half = middle + 0.5f;
    for (int k = 0; k < size; k++) bytes[k] = (uint8_t)(int32_t)(row[k] * factor + half);
    return scale;
}

#ifdef __AVX2__
/* Adds products of four bytes each. Of 7 bits by 8, two fit 16 bits. */
INLINE __m256i add_products(__m256i sums, __m256i rows, __m256i columns) {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpbusd_epi32(sums, rows, columns);
#else
    __m256i pairs = _mm256_maddubs_epi16(rows, columns);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}

INLINE void multiply_byte_tile(const uint8_t *rows, const float *scales, int count,
                               const Matrix *by, int panel, float *out, enum after after) {
    int inner = rounded_up(by->inner, QUAD);
    const int8_t *columns = (const int8_t *)by->packed + (size_t)panel * inner * BYTE_PANEL;
    __m256i sums[BYTE_TILE][2];
    for (int row = 0; row < count; row++) sums[row][0] = sums[row][1] = _mm256_setzero_si256();
    for (int k = 0; k < inner; k += QUAD, columns += QUAD * BYTE_PANEL) {
        __m256i left = _mm256_loadu_si256((const __m256i *)columns);
        __m256i right = _mm256_loadu_si256((const __m256i *)(columns + 32));
        for (int row = 0; row < count; row++) {
            int32_t quad;
            memcpy(&quad, rows + (size_t)row * inner + k, QUAD);
            __m256i value = _mm256_set1_epi32(quad);
            sums[row][0] = add_products(sums[row][0], value, left);
            sums[row][1] = add_products(sums[row][1], value, right);
        }
    }
    int first = panel * BYTE_PANEL, width = by->columns - first;
    if (width > BYTE_PANEL) width = BYTE_PANEL;
    for (int row = 0; row < count; row++) {
        const int32_t *middle = by->middle + first;
        int32_t whole[BYTE_PANEL];
        float values[BYTE_PANEL];
        _mm256_storeu_si256((__m256i *)whole, sums[row][0]);
        _mm256_storeu_si256((__m256i *)(whole + BYTE_PANEL / 2), sums[row][1]);
        for (int n = 0; n < width; n++)
            values[n] = (float)(whole[n] - middle[n]) * by->scale[first + n] * scales[row];
        keep(out + (size_t)row * by->columns + first, values, width,
             by->bias ? by->bias + first : NULL, after);
    }
}

static __attribute__((noipa)) void multiply_bytes(const float *rows, int count, const Matrix *by, float *out,
                           enum after after) {
    int inner = rounded_up(by->inner, QUAD), panels = (by->columns + BYTE_PANEL - 1) / BYTE_PANEL;
    int block = CACHED / (inner ? inner : 1) / BYTE_TILE * BYTE_TILE;
    if (block < BYTE_TILE) block = BYTE_TILE;
    if (block > count) block = count;
    uint8_t *bytes = calloc((size_t)block, inner);
    float *scales = malloc(sizeof(float) * block);
    for (int first = 0; first < count; first += block) {
        int last = first + block < count ? first + block : count;
        for (int row = first; row < last; row++)
            scales[row - first] = rounded_row(rows + (size_t)row * by->inner, by->inner, by->kind,
                                              bytes + (size_t)(row - first) * inner);
        for (int panel = 0; panel < panels; panel++)
            for (int row = first; row < last; row += BYTE_TILE) {
                const uint8_t *from = bytes + (size_t)(row - first) * inner;
                const float *scale = scales + row - first;
                float *to = out + (size_t)row * by->columns;
                switch (last - row) {
                case 1: multiply_byte_tile(from, scale, 1, by, panel, to, after); break;
                case 2: multiply_byte_tile(from, scale, 2, by, panel, to, after); break;
                case 3: multiply_byte_tile(from, scale, 3, by, panel, to, after); break;
                case 4: multiply_byte_tile(from, scale, 4, by, panel, to, after); break;
                default: multiply_byte_tile(from, scale, BYTE_TILE, by, panel, to, after);
                }
            }
    }
    free(scales);
    free(bytes);
}
#endif

/* Multiplies rows (M, D) by a matrix, as (M, N). */
static void multiply(const float *rows, int count, const Matrix *by, float *out, enum after after) {
#ifdef __AVX2__
    if (by->kind != FLOATS) {
        multiply_bytes(rows, count, by, out, after);
        return;
    }
#endif
    multiply_floats(rows, count, by, out, after);
}
