/* Real-valued synapses as matrix products, in double precision: for some positions and 16 output
   channels at once.

   Included where the compiler may use AVX-512. Payloads are widened once a frame. */

static void widen(const Synapse *synapse, const uint8_t *frame, const Widened *widened) {
  const Edge *source = &synapse->source;
  const i64 width = widened->columns * widened->position;
  const uint8_t *first = frame - synapse->window.top * source->row -
                         synapse->window.left * (i64)source->position;
  for (i64 y = 0; y < widened->rows; y++) {
    double *restrict to = widened->data + y * width;
    const uint8_t *restrict from = first + y * source->row;
    for (i64 i = 0; i < width; i++) to[i] = from[i] - source->zero;
  }
}

/* Adds the products of P windows to 16 currents of each; in the order of `spread.inc`, so that sums
   do not depend on which of the two computes them. */
#define REAL_BLOCK(P)                                                                            \
  static void real_block_##P(const Synapse *synapse, const Widened *widened, const double *in,   \
                             const double *weight, double *out, i64 lanes) {                     \
    const Window2D *window = &synapse->window;                                                   \
    const i64 step = window->stride_x * widened->position;                                       \
    __m512d sum[P][2];                                                                           \
    _Pragma("GCC unroll 8") for (int p = 0; p < P; p++) {                                        \
      sum[p][0] = _mm512_loadu_pd(out + p * lanes);                                              \
      sum[p][1] = _mm512_loadu_pd(out + p * lanes + 8);                                          \
    }                                                                                            \
    const i64 channels = widened->position;                                                      \
    const int outer = synapse->stacked ? window->kernel_x : window->kernel_y;                    \
    const int inner = synapse->stacked ? window->kernel_y : window->kernel_x;                    \
    for (i64 first = 0; first < channels; first += 64) {                                         \
      const i64 end = channels - first < 64 ? channels : first + 64;                             \
      for (int i = 0; i < outer; i++)                                                            \
        for (int j = 0; j < inner; j++) {                                                        \
          const int ky = synapse->stacked ? j : i, kx = synapse->stacked ? i : j;                \
          const double *from = in + (ky * window->dilation_y * widened->columns +                \
                                     kx * window->dilation_x) * channels;                        \
          const double *of = weight + (ky * window->kernel_x + kx) * channels * 16;              \
          for (i64 c = first; c < end; c++) {                                                    \
            const __m512d low = _mm512_loadu_pd(of + 16 * c);                                    \
            const __m512d high = _mm512_loadu_pd(of + 16 * c + 8);                               \
            _Pragma("GCC unroll 8") for (int p = 0; p < P; p++) {                                \
              const __m512d payload = _mm512_set1_pd(from[p * step + c]);                        \
              sum[p][0] = _mm512_fmadd_pd(payload, low, sum[p][0]);                              \
              sum[p][1] = _mm512_fmadd_pd(payload, high, sum[p][1]);                             \
            }                                                                                    \
          }                                                                                      \
        }                                                                                        \
    }                                                                                            \
    _Pragma("GCC unroll 8") for (int p = 0; p < P; p++) {                                        \
      _mm512_storeu_pd(out + p * lanes, sum[p][0]);                                              \
      _mm512_storeu_pd(out + p * lanes + 8, sum[p][1]);                                          \
    }                                                                                            \
  }

REAL_BLOCK(8)
REAL_BLOCK(4)
REAL_BLOCK(1)

/* Adds what a synapse contributes to row `y` of the currents. */
static void real_dense_row(const Synapse *synapse, const Population *population,
                           const Widened *widened, int y, double *row) {
  const i64 lanes = population->lanes, width = population->width;
  const i64 step = synapse->window.stride_x * widened->position;
  const i64 block = (i64)synapse->window.kernel_y * synapse->window.kernel_x * widened->position;
  const double *in =
      widened->data + y * synapse->window.stride_y * widened->columns * widened->position;
  const double *weight = (const double *)synapse->dense;
  for (i64 c = 0; c < lanes; c += 16, weight += 16 * block) {
    i64 x = 0;
    for (; x + 8 <= width; x += 8)
      real_block_8(synapse, widened, in + x * step, weight, row + x * lanes + c, lanes);
    for (; x + 4 <= width; x += 4)
      real_block_4(synapse, widened, in + x * step, weight, row + x * lanes + c, lanes);
    for (; x < width; x++)
      real_block_1(synapse, widened, in + x * step, weight, row + x * lanes + c, lanes);
  }
}

/* One step of neurons that send one spike or none; as `fire_binary`, 16 neurons at a time. */
static void real_fire_binary(i64 count, const double *current, double *v, const double *threshold,
                             int8_t *event) {
  for (i64 i = 0; i < count; i += 16) {
    uint32_t fires = 0;
    for (int half = 0; half < 16; half += 8) {
      const i64 at = i + half;
      const __m512d least = _mm512_loadu_pd(threshold + at);
      const __m512d sum = _mm512_add_pd(_mm512_loadu_pd(v + at), _mm512_loadu_pd(current + at));
      const __mmask8 above = _mm512_cmp_pd_mask(sum, least, _CMP_GE_OQ);
      _mm512_storeu_pd(v + at, _mm512_mask_sub_pd(sum, above, sum, least));
      fires |= (uint32_t)above << half;
    }
    _mm_storeu_si128((__m128i *)(event + i), _mm_maskz_set1_epi8((__mmask16)fires, 1));
  }
}
