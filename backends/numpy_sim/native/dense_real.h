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

/* Adds the products of P windows to 16 currents of each. */
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
    for (int ky = 0; ky < window->kernel_y; ky++)                                                \
      for (int kx = 0; kx < window->kernel_x; kx++) {                                            \
        const double *from = in + (ky * window->dilation_y * widened->columns +                  \
                                   kx * window->dilation_x) * widened->position;                 \
        for (i64 c = 0; c < widened->position; c++, weight += 16) {                              \
          const __m512d low = _mm512_loadu_pd(weight), high = _mm512_loadu_pd(weight + 8);       \
          _Pragma("GCC unroll 8") for (int p = 0; p < P; p++) {                                  \
            const __m512d payload = _mm512_set1_pd(from[p * step + c]);                          \
            sum[p][0] = _mm512_fmadd_pd(payload, low, sum[p][0]);                                \
            sum[p][1] = _mm512_fmadd_pd(payload, high, sum[p][1]);                               \
          }                                                                                      \
        }                                                                                        \
      }                                                                                          \
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
