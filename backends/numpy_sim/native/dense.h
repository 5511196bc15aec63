/* Integer synapses as matrix products: four payloads times four weights an instruction
   (AVX-512 VNNI), for some positions and some times 16 output channels at once.

   Included where the compiler may use these instructions. */

#include <immintrin.h>

typedef struct {
  int count;            /* runs of adjacent payloads that a window reads */
  int words;            /* length of each, in groups of four bytes */
  const i64 *offset;    /* where they begin, from the first byte of the window */
  const int8_t *weight; /* [count][words][16][4] */
  i64 next;             /* to the weights of the next 16 channels */
} Window;

/* Adds the products of P windows, `step` bytes apart, to 16 * Q currents of each. */
#define BLOCK(P, Q)                                                                              \
  static void block_##P##_##Q(const uint8_t *in, i64 step, const Window *window,            \
                                   const int8_t *weight, int32_t *out, i64 lanes) {              \
    __m512i sum[P][Q];                                                                           \
    _Pragma("GCC unroll 16") for (int p = 0; p < P; p++)                                         \
        _Pragma("GCC unroll 4") for (int q = 0; q < Q; q++)                                      \
            sum[p][q] = _mm512_loadu_si512(out + p * lanes + 16 * q);                            \
    for (int run = 0; run < window->count; run++) {                                              \
      const uint8_t *from = in + window->offset[run];                                            \
      for (int word = 0; word < window->words; word++, from += 4, weight += 64) {                \
        __m512i weights[Q];                                                                      \
        _Pragma("GCC unroll 4") for (int q = 0; q < Q; q++)                                      \
            weights[q] = _mm512_loadu_si512(weight + q * window->next);                          \
        _Pragma("GCC unroll 16") for (int p = 0; p < P; p++) {                                   \
          int32_t four;                                                                          \
          memcpy(&four, from + p * step, 4);                                                     \
          __m512i payloads = _mm512_set1_epi32(four);                                            \
          _Pragma("GCC unroll 4") for (int q = 0; q < Q; q++)                                    \
              sum[p][q] = _mm512_dpbusd_epi32(sum[p][q], payloads, weights[q]);                  \
        }                                                                                        \
      }                                                                                          \
    }                                                                                            \
    _Pragma("GCC unroll 16") for (int p = 0; p < P; p++)                                         \
        _Pragma("GCC unroll 4") for (int q = 0; q < Q; q++)                                      \
            _mm512_storeu_si512(out + p * lanes + 16 * q, sum[p][q]);                            \
  }

BLOCK(16, 1)
BLOCK(4, 1)
BLOCK(1, 1)
BLOCK(8, 2)
BLOCK(4, 2)
BLOCK(1, 2)

/* Adds the products of `count` windows, `step` bytes apart, to all their currents. */
static void dense_windows(const uint8_t *in, i64 step, i64 count, const Window *window,
                               int32_t *out, i64 lanes) {
  i64 channel = 0;
  const int8_t *weight = window->weight;
  for (; channel + 32 <= lanes; channel += 32, weight += 2 * window->next) {
    i64 at = 0;
    for (; at + 8 <= count; at += 8)
      block_8_2(in + at * step, step, window, weight, out + at * lanes + channel, lanes);
    for (; at + 4 <= count; at += 4)
      block_4_2(in + at * step, step, window, weight, out + at * lanes + channel, lanes);
    for (; at < count; at++)
      block_1_2(in + at * step, step, window, weight, out + at * lanes + channel, lanes);
  }
  for (; channel < lanes; channel += 16, weight += window->next) {
    i64 at = 0;
    for (; at + 16 <= count; at += 16)
      block_16_1(in + at * step, step, window, weight, out + at * lanes + channel, lanes);
    for (; at + 4 <= count; at += 4)
      block_4_1(in + at * step, step, window, weight, out + at * lanes + channel, lanes);
    for (; at < count; at++)
      block_1_1(in + at * step, step, window, weight, out + at * lanes + channel, lanes);
  }
}

/* As in `level.inc`, 16 bytes at a time. */
static int32_t find_avx512(const uint8_t *bytes, i64 width, uint8_t zero, int32_t *place) {
  const __m128i silence = _mm_set1_epi8((char)zero);
  __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int32_t count = 0;
  for (i64 at = 0; at < width; at += 16) {
    const __mmask16 inside = width - at < 16 ? (__mmask16)((1u << (width - at)) - 1) : 0xffff;
    const __m128i sixteen = _mm_maskz_loadu_epi8(inside, bytes + at);
    const __mmask16 events = _mm_mask_cmpneq_epu8_mask(inside, sixteen, silence);
    if (events) {
      _mm512_storeu_si512(place + count, _mm512_maskz_compress_epi32(events, places));
      count += __builtin_popcount(events);
    }
    places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
  }
  return count;
}

enum { MOST_RUNS = 1024 };

/* Describes the windows of a synapse; `offset` has room for MOST_RUNS. */
static Window window_of(const Synapse *synapse, i64 *offset) {
  const Edge *source = &synapse->source;
  int joined = synapse->window.dilation_x == 1; /* neighbours in a row lie side by side */
  int across = joined ? 1 : synapse->window.kernel_x;
  Window window = {synapse->window.kernel_y * across,
                   source->position / 4 * (joined ? synapse->window.kernel_x : 1), offset,
                   synapse->dense, 0};
  for (int y = 0; y < synapse->window.kernel_y; y++)
    for (int x = 0; x < across; x++)
      *offset++ = y * synapse->window.dilation_y * source->row + x * synapse->window.dilation_x * source->position;
  window.next = (i64)window.count * window.words * 64;
  return window;
}


/* Takes away what the byte of payload 0 contributes, where it is not 0. */
static void correct(const Synapse *synapse, i64 count, int32_t *out, i64 lanes) {
  if (synapse->correction)
    for (i64 at = 0; at < count; at++)
      for (i64 c = 0; c < lanes; c++) out[at * lanes + c] += synapse->correction[c];
}

/* Adds what a synapse contributes to row `y` of the currents. */
static void dense_row(const Synapse *synapse, const Population *population, const uint8_t *frame,
                      int y, int32_t *row) {
  i64 offset[MOST_RUNS];
  const Window window = window_of(synapse, offset);
  const Edge *source = &synapse->source;
  const uint8_t *first = frame + (y * synapse->window.stride_y - synapse->window.top) * source->row -
                         synapse->window.left * (i64)source->position;
  for (int copy = 0; copy < synapse->copies; copy++)
    dense_windows(first, synapse->window.stride_x * (i64)source->position, population->width, &window, row,
                  population->lanes);
  correct(synapse, population->width, row, population->lanes);
}
