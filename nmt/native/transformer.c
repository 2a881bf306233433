/* A Transformer that searches: it encodes sources, and takes steps with hypotheses.

   B sentences, k beam, R rows that are computed, T source tokens of all sentences together, D model
   size, G key/value heads, K head size. */

#include "best.h"
#include "layers.h"

enum outcome { DONE, UNKNOWN, NO_MEMORY };

typedef struct {
    Norm own_norm, cross_norm, feed_norm;
    Attention own, cross;
    Matrix remember; /* a source to what cross-attention looks at, (2 G K) */
    FeedForward feed;
} Layer;

typedef struct {
    const float *words, *positions; /* (V, D) and (most, D) */
    const float *angles;            /* (most, K): cosines, then sines; null without rotary */
    const Layer *layers;
    Norm last;
    float scale; /* of words */
    int32_t count, size, widest, head_size, before; /* layers; whether norms stand before blocks */
    int32_t vocabulary, most;                       /* V; positions */
} Stack;

typedef struct {
    const int64_t *ids, *parents; /* (B, k) */
    const int64_t *chosen;        /* (R,) rows, counted through all sentences */
    const int64_t *places;        /* (B,) of each sentence in what is remembered */
    const int64_t *starts;        /* by place: its first source token, and behind all the last's end */
    const int32_t *past;          /* (B, k, limit) the row that wrote each position */
    int32_t *ancestry;            /* the same, of hypotheses as they are now */
    float *const *own;            /* by layer: (places, limit, k, 2 G K) keys and values written */
    const float *const *cross;    /* by layer: (T, 2 G K) */
    int32_t sentences, beam, limit, position, rows, longest;
} Step;

/* Room for the rows that a stack works on. */
typedef struct {
    float *entered, *wide, *context, *scores;
    const float **past;
} Room;

static Room make_room(const Stack *stack, int rows, int longest) {
    size_t widest = stack->widest;
    return (Room){
        .entered = malloc(sizeof(float) * rows * stack->size),
        .wide = malloc(sizeof(float) * rows * widest),
        .context = malloc(sizeof(float) * rows * widest),
        .scores = malloc(sizeof(float) * rounded_up(longest, LANES)),
        .past = malloc(sizeof(float *) * longest),
    };
}

static int is_there(Room room) {
    return room.entered && room.wide && room.context && room.scores && room.past;
}

static void leave_room(Room room) {
    free(room.entered);
    free(room.wide);
    free(room.context);
    free(room.scores);
    free(room.past);
}

/* Gives states for an id, or tells that there is none. */
static int embed(const Stack *stack, int64_t id, int position, float *out) {
    if (id < 0 || id >= stack->vocabulary || position >= stack->most) return 0;
    const float *word = stack->words + id * stack->size;
    const float *place = stack->positions + (int64_t)position * stack->size;
    for (int n = 0; n < stack->size; n++) out[n] = word[n] * stack->scale + place[n];
    return 1;
}

INLINE const float *angles_at(const Stack *stack, int position) {
    return stack->angles ? stack->angles + (int64_t)position * stack->head_size : NULL;
}

/* Gives a block its input: normalised before it, or as it is. */
static const float *enter(const Stack *stack, const Norm *norm, const float *states, int rows,
                          float *entered) {
    if (!stack->before) return states;
    normalise(norm, states, rows, stack->size, entered);
    return entered;
}

static void leave(const Stack *stack, const Norm *norm, float *states, int rows) {
    if (!stack->before) normalise(norm, states, rows, stack->size, states);
}

static void run_feed_forward(const Stack *stack, const Layer *layer, float *states, int rows,
                             Room room) {
    const float *entered = enter(stack, &layer->feed_norm, states, rows, room.entered);
    feed_forward(&layer->feed, entered, rows, room.wide, states, ADD);
    leave(stack, &layer->feed_norm, states, rows);
}

static void encode_layer(const Stack *stack, const Layer *layer, const int64_t *starts,
                         int sentences, float *states, Room room) {
    int rows = (int)starts[sentences], width = layer->own.project.columns;
    int heads = layer->own.heads * layer->own.size;
    const float *entered = enter(stack, &layer->own_norm, states, rows, room.entered);
    multiply(entered, rows, &layer->own.project, room.wide, NOTHING);
    for (int sentence = 0; sentence < sentences; sentence++) {
        int first = (int)starts[sentence], length = (int)starts[sentence + 1] - first;
        float *projected = room.wide + (size_t)first * width;
        for (int n = 0; n < length; n++) {
            float *row = projected + (size_t)n * width;
            place(&layer->own, row, angles_at(stack, n));
            room.past[n] = row + heads;
        }
        for (int n = 0; n < length; n++)
            attend(&layer->own, projected + (size_t)n * width, room.past, length, room.scores,
                   room.context + (size_t)(first + n) * heads);
    }
    multiply(room.context, rows, &layer->own.output, states, ADD);
    leave(stack, &layer->own_norm, states, rows);
    run_feed_forward(stack, layer, states, rows, room);
}

/* Encodes sources (B, S), and remembers them for each layer of a decoder as (T, 2 G K).

   Gives DONE, or UNKNOWN where an id is no word or stands at no position, or NO_MEMORY. */
int32_t begin(const Stack *encoder, const Stack *decoder, const int64_t *ids, int size,
           const int64_t *starts, int sentences, float *const *cross) {
    int rows = (int)starts[sentences], width = encoder->size;
    float *states = malloc(sizeof(float) * rows * width);
    Room room = make_room(encoder, rows, size);
    int there = states && is_there(room), known = there;
    for (int sentence = 0; there && sentence < sentences; sentence++)
        for (int64_t row = starts[sentence]; row < starts[sentence + 1]; row++) {
            int position = (int)(row - starts[sentence]);
            int64_t id = ids[(int64_t)sentence * size + position];
            known &= embed(encoder, id, position, states + row * width);
        }
    for (int n = 0; known && n < encoder->count; n++)
        encode_layer(encoder, encoder->layers + n, starts, sentences, states, room);
    if (known) normalise(&encoder->last, states, rows, width, states);
    for (int n = 0; known && n < decoder->count; n++)
        multiply(states, rows, &decoder->layers[n].remember, cross[n], NOTHING);
    leave_room(room);
    free(states);
    return !there ? NO_MEMORY : known ? DONE : UNKNOWN;
}

/* Lets every hypothesis continue its parent, and write in its own row. */
static void follow(const Step *step) {
    for (int sentence = 0; sentence < step->sentences; sentence++)
        for (int row = 0; row < step->beam; row++) {
            int64_t own = (int64_t)sentence * step->beam + row;
            int64_t parent = (int64_t)sentence * step->beam + step->parents[own];
            int32_t *to = step->ancestry + own * step->limit;
            memcpy(to, step->past + parent * step->limit, sizeof(int32_t) * step->position);
            to[step->position] = row;
        }
}

/* Finds what a sentence's rows have written, (limit, k, 2 G K). */
INLINE float *written_by(const Step *step, int number, int64_t sentence, int kept) {
    return step->own[number] + step->places[sentence] * step->limit * step->beam * kept;
}

/* Where not all rows are computed, has every one write zeros first: numbers to whoever follows it. */
static void forget_others(const Step *step, int number, int kept) {
    if (step->rows >= step->sentences * step->beam) return;
    size_t size = (size_t)step->beam * kept;
    for (int sentence = 0; sentence < step->sentences; sentence++)
        memset(written_by(step, number, sentence, kept) + step->position * size, 0,
               sizeof(float) * size);
}

static void attend_to_past(const Stack *stack, const Step *step, int number, float *states,
                           Room room) {
    const Layer *layer = stack->layers + number;
    int width = layer->own.project.columns, heads = layer->own.heads * layer->own.size;
    int kept = width - heads; /* keys and values */
    const float *entered = enter(stack, &layer->own_norm, states, step->rows, room.entered);
    multiply(entered, step->rows, &layer->own.project, room.wide, NOTHING);
    forget_others(step, number, kept);
    for (int n = 0; n < step->rows; n++) {
        int64_t row = step->chosen[n], sentence = row / step->beam;
        float *projected = room.wide + (size_t)n * width;
        float *written = written_by(step, number, sentence, kept);
        place(&layer->own, projected, angles_at(stack, step->position));
        memcpy(written + (step->position * (int64_t)step->beam + row % step->beam) * kept,
               projected + heads, sizeof(float) * kept);
        const int32_t *writers = step->ancestry + row * step->limit;
        for (int t = 0; t <= step->position; t++)
            room.past[t] = written + (t * (int64_t)step->beam + writers[t]) * kept;
        attend(&layer->own, projected, room.past, step->position + 1, room.scores,
               room.context + (size_t)n * heads);
    }
    multiply(room.context, step->rows, &layer->own.output, states, ADD);
    leave(stack, &layer->own_norm, states, step->rows);
}

static void attend_to_source(const Stack *stack, const Step *step, int number, float *states,
                             Room room) {
    const Layer *layer = stack->layers + number;
    int heads = layer->cross.heads * layer->cross.size, kept = layer->remember.columns;
    const float *entered = enter(stack, &layer->cross_norm, states, step->rows, room.entered);
    multiply(entered, step->rows, &layer->cross.project, room.wide, NOTHING);
    for (int n = 0; n < step->rows; n++) {
        int64_t place = step->places[step->chosen[n] / step->beam];
        int64_t first = step->starts[place];
        int length = (int)(step->starts[place + 1] - first);
        for (int s = 0; s < length; s++) room.past[s] = step->cross[number] + (first + s) * kept;
        attend(&layer->cross, room.wide + (size_t)n * heads, room.past, length, room.scores,
               room.context + (size_t)n * heads);
    }
    multiply(room.context, step->rows, &layer->cross.output, states, ADD);
    leave(stack, &layer->cross_norm, states, step->rows);
}

/* Runs a decoder on one position of the chosen rows, and gives the states (R, D) that predict.

   Gives DONE, or UNKNOWN where an id is no word, or NO_MEMORY. */
int32_t take_step(const Stack *stack, const Step *step, float *states) {
    int longest = step->longest > step->position ? step->longest : step->position + 1;
    Room room = make_room(stack, step->rows, longest);
    int there = is_there(room), known = there;
    follow(step);
    for (int n = 0; there && n < step->rows; n++) {
        int64_t id = step->ids[step->chosen[n]];
        known &= embed(stack, id, step->position, states + (size_t)n * stack->size);
    }
    for (int n = 0; known && n < stack->count; n++) {
        attend_to_past(stack, step, n, states, room);
        attend_to_source(stack, step, n, states, room);
        run_feed_forward(stack, stack->layers + n, states, step->rows, room);
    }
    if (known) normalise(&stack->last, states, step->rows, stack->size, states);
    leave_room(room);
    return !there ? NO_MEMORY : known ? DONE : UNKNOWN;
}

/* Multiplies rows (M, D) by a matrix, as (M, N). */
void times(const Matrix *by, const float *rows, int count, float *out) {
    multiply(rows, count, by, out, NOTHING);
}

/* Says how many columns a panel of floats has. */
int32_t panel_size(void) { return PANEL; }

/* Says whether there are products of bytes. */
int32_t has_bytes(void) {
#ifdef __AVX2__
    return 1;
#else
    return 0;
#endif
}
