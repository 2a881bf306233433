/* The best of rows of scores.

   M rows, V columns. */

#pragma once

#include "vectors.h"

/* Puts a score behind all that are as good; the last falls out once all places are taken. */
INLINE int insert(float score, int64_t id, int found, int width, float *scores, int64_t *ids) {
    int at = found < width ? found : width - 1;
    for (; at && scores[at - 1] < score; at--) {
        scores[at] = scores[at - 1];
        ids[at] = ids[at - 1];
    }
    scores[at] = score;
    ids[at] = id;
    return found < width ? found + 1 : width;
}

INLINE int is_any(ints lanes) {
    int any = 0;
    for (int n = 0; n < LANES; n++) any |= lanes[n];
    return any;
}

/* Finds the `width` best of a row, better ones first and equal ones by their place. */
static void best_of_row(const float *row, int size, int width, float *scores, int64_t *ids) {
    int found = 0, n = 0;
    for (; n < size && found < width; n++)
        found = insert(row[n], n, found, width, scores, ids);
    while (n < size) {
        vec least = filled(scores[width - 1]);
        for (; n + 4 * LANES <= size; n += 4 * LANES) {
            ints better = (load(row + n) > least) | (load(row + n + LANES) > least) |
                          (load(row + n + 2 * LANES) > least) | (load(row + n + 3 * LANES) > least);
            if (is_any(better)) break;
        }
        int last = n + 4 * LANES < size ? n + 4 * LANES : size;
        for (; n < last; n++)
            if (row[n] > scores[width - 1]) insert(row[n], n, width, width, scores, ids);
    }
}

INLINE float highest(const float *row, int size) {
    vec most = filled(row[0]);
    int n = 0;
    for (; n + LANES <= size; n += LANES) most = larger(load(row + n), most);
    float best = largest(most);
    for (; n < size; n++) best = row[n] > best ? row[n] : best;
    return best;
}

/* Gives the logarithm of the sum of e to the power of a row, whose largest is taken off first. */
static float log_of_sum(const float *row, int size, float most) {
    vec sums = {0};
    int n = 0;
    for (; n + LANES <= size; n += LANES) sums += exponential(load(row + n) - most);
    if (n < size) sums += exponential(load_rest(row + n, size - n, -INFINITY) - most);
    return logf(total(sums));
}

/* Makes rows of scores (M, V) log-probabilities. */
void normalise_scores(const float *scores, int rows, int size, float *log_probs) {
    for (int row = 0; row < rows; row++, scores += size, log_probs += size) {
        float most = highest(scores, size), sum = log_of_sum(scores, size, most);
        for (int n = 0; n < size; n++) log_probs[n] = scores[n] - most - sum;
    }
}

/* Finds the best of each row (M, V): their log-probabilities and places, both (M, width). */
void find_best(const float *scores, int rows, int size, int width, float *log_probs, int64_t *ids) {
    for (int row = 0; row < rows; row++, scores += size, log_probs += width, ids += width) {
        best_of_row(scores, size, width, log_probs, ids);
        float most = log_probs[0], sum = log_of_sum(scores, size, most);
        for (int n = 0; n < width; n++) log_probs[n] = log_probs[n] - most - sum;
    }
}
