/* Dense products of integers for tiles of positions and channels: four payloads times four weights
   an instruction (AVX-512 VNNI), sums in registers.

   A word of payloads is broadcast and multiplied with the weights of 16 channels. With a load for
   each product a quarter of the speed is lost (Zen 5: 380 of 512 multiplications a nanosecond), with
   one for two nothing. So each broadcast serves 2 or 3 times 16 channels, or, where there are 16
   only, the three windows of a row that read it.

   Included where the compiler may use these instructions. */

/* Adds the products of P windows to 16 * Q sums of each. `at`: where each begins. */
#define TILE(P, Q)                                                                               \
  static void tile_##P##_##Q(const uint8_t *in, const int32_t *at, const Window *window,         \
                             const int8_t *weight, int32_t *sums) {                              \
    const uint8_t *from[P];                                                                      \
    __m512i sum[P][Q];                                                                           \
    _Pragma("GCC unroll 8") for (int p = 0; p < P; p++) {                                        \
      from[p] = in + at[p];                                                                      \
      _Pragma("GCC unroll 3") for (int q = 0; q < Q; q++)                                        \
          sum[p][q] = _mm512_loadu_si512(sums + (p * Q + q) * 16);                               \
    }                                                                                            \
    for (int run = 0; run < window->count; run++) {                                              \
      const i64 begin = window->offset[run], end = begin + 4 * window->words;                    \
      for (i64 byte = begin; byte < end; byte += 4, weight += 64) {                              \
        __m512i weights[Q];                                                                      \
        _Pragma("GCC unroll 3") for (int q = 0; q < Q; q++)                                      \
            weights[q] = _mm512_loadu_si512(weight + q * window->next);                          \
        _Pragma("GCC unroll 8") for (int p = 0; p < P; p++) {                                    \
          const __m512i payloads = broadcast(from[p] + byte);                                    \
          _Pragma("GCC unroll 3") for (int q = 0; q < Q; q++)                                    \
              sum[p][q] = _mm512_dpbusd_epi32(sum[p][q], payloads, weights[q]);                  \
        }                                                                                        \
      }                                                                                          \
    }                                                                                            \
    _Pragma("GCC unroll 8") for (int p = 0; p < P; p++)                                          \
        _Pragma("GCC unroll 3") for (int q = 0; q < Q; q++)                                      \
            _mm512_storeu_si512(sums + (p * Q + q) * 16, sum[p][q]);                             \
  }

static inline __m512i broadcast(const uint8_t *four) {
  int32_t word;
  memcpy(&word, four, 4);
  return _mm512_set1_epi32(word);
}

TILE(8, 1)
TILE(4, 1)
TILE(1, 1)
TILE(8, 2)
TILE(4, 2)
TILE(1, 2)
TILE(8, 3)
TILE(4, 3)
TILE(1, 3)
#undef TILE

/* Likewise 16 sums for each of 16 windows side by side, of three columns and `step` bytes apart:
   each payload is loaded once for the windows that read it. */
static void tile_of_neighbours(const uint8_t *in, i64 step, const Window *window,
                               const int8_t *weight, int32_t *sums) {
  const i64 column = window->words / 3 * 64; /* weights of one column of the kernel */
  __m512i sum[16];
  _Pragma("GCC unroll 16") for (int p = 0; p < 16; p++)
      sum[p] = _mm512_loadu_si512(sums + 16 * p);
  for (int run = 0; run < window->count; run++, weight += 2 * column) {
    const uint8_t *words = in + window->offset[run];
    const int8_t *end = weight + column;
    for (; weight < end; weight += 64, words += 4) {
      const uint8_t *from = words;
      __m512i weights[3];
      _Pragma("GCC unroll 3") for (int k = 0; k < 3; k++)
          weights[k] = _mm512_loadu_si512(weight + k * column);
      _Pragma("GCC unroll 18") for (int x = 0; x < 18; x++, from += step) {
        const __m512i payloads = broadcast(from);
        _Pragma("GCC unroll 3") for (int k = 0; k < 3; k++)
            if (x >= k && x - k < 16)
              sum[x - k] = _mm512_dpbusd_epi32(sum[x - k], payloads, weights[k]);
      }
    }
  }
  _Pragma("GCC unroll 16") for (int p = 0; p < 16; p++)
      _mm512_storeu_si512(sums + 16 * p, sum[p]);
}

/* Adds the products of `count` windows to 16 * `blocks` sums of each. */
static void tiles(const Synapse *synapse, const uint8_t *in, const int32_t *at, i64 count,
                  const Window *window, const int8_t *weight, int blocks, int32_t *sums) {
  const int step = synapse->source.position;
  const int neighbours = blocks == 1 && synapse->window.kernel_x == 3 &&
                         synapse->window.dilation_x == 1 && synapse->window.stride_x == 1;
  i64 n = 0;
#define ROW_OF_TILES(P)                                               \
  for (; n + P <= count; n += P) {                                    \
    int32_t *first = sums + n * blocks * 16;                          \
    if (blocks == 1)                                                  \
      tile_##P##_1(in, at + n, window, weight, first);                \
    else if (blocks == 2)                                             \
      tile_##P##_2(in, at + n, window, weight, first);                \
    else                                                              \
      tile_##P##_3(in, at + n, window, weight, first);                \
  }
  if (neighbours)
    for (; n + 16 <= count && at[n + 15] - at[n] == 15 * step; n += 16)
      tile_of_neighbours(in + at[n], step, window, weight, sums + n * 16);
  ROW_OF_TILES(8)
  ROW_OF_TILES(4)
  ROW_OF_TILES(1)
#undef ROW_OF_TILES
}

/* Adds what a synapse contributes to the sums of a strip. `at`: where the windows begin. */
static void dense_strip(const Synapse *synapse, const uint8_t *frame, const int32_t *at,
                        Strip *strip) {
  i64 offset[MOST_RUNS];
  const Window window = window_of(synapse, offset);
  const int8_t *weight = synapse->dense + strip->channel / LANES * window.next;
  for (int copy = 0; copy < synapse->copies; copy++)
    tiles(synapse, frame, at, strip->count, &window, weight, strip->blocks, strip->sum);
}
