/* Vectors of floats, as wide as the processor's registers.

   Sums run in one fixed order for each result, whatever stands beside it: so no row of a batch
   depends on another, to the last bit. */

#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ints __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE vec load(const float *from) { return *(const loose *)from; }
INLINE void store(float *to, vec values) { *(loose *)to = values; }
INLINE vec filled(float value) { return value - (vec){0}; }
INLINE vec pick(ints where, vec yes, vec no) {
    return (vec)((where & (ints)yes) | (~where & (ints)no));
}
INLINE vec larger(vec one, vec other) { return pick(one > other, one, other); }

/* Loads what is left of a row, and fills the other lanes. */
INLINE vec load_rest(const float *from, int count, float fill) {
    float lanes[LANES];
    for (int n = 0; n < LANES; n++) lanes[n] = n < count ? from[n] : fill;
    return load(lanes);
}

INLINE float total(vec lanes) {
    float sum = 0;
    for (int half = LANES / 2; half; half /= 2)
        for (int n = 0; n < half; n++) lanes[n] += lanes[n + half];
    sum = lanes[0];
    return sum;
}

INLINE float largest(vec lanes) {
    float best = lanes[0];
    for (int n = 1; n < LANES; n++) best = lanes[n] > best ? lanes[n] : best;
    return best;
}

INLINE float dot(const float *one, const float *other, int size) {
    vec sums = {0};
    int n = 0;
    for (; n + LANES <= size; n += LANES) sums += load(one + n) * load(other + n);
    float sum = total(sums);
    for (; n < size; n++) sum += one[n] * other[n];
    return sum;
}

/* e to the power of x, at most 88; 0 below -87. After Moshier's Cephes library, expf. */
INLINE vec exponential(vec x) {
    const vec magic = filled(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number */
    vec is_tiny_to = filled(0.0f), floor = filled(-87.0f);
    ints is_tiny = x < floor;
    x = pick(is_tiny, floor, x);
    vec shifted = x * 1.44269504f + magic;
    vec whole = shifted - magic;
    vec rest = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    vec power = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    power = power * rest + 8.3334519073e-3f;
    power = power * rest + 4.1665795894e-2f;
    power = power * rest + 1.6666665459e-1f;
    power = power * rest + 5.0000001201e-1f;
    power = power * rest * rest + rest + 1.0f;
    ints scale = (((ints)shifted - (ints)magic) + 127) << 23;
    return pick(is_tiny, is_tiny_to, power * (vec)scale);
}
