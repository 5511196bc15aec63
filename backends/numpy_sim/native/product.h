/* Products of rows of payloads with the weights of populations of one position, for some rows and
   some times 16 output channels at once (AVX-512 VNNI).

   Rows are packed first, eight of them word by word, so that the product reads one stream; it
   then runs at the rate of the registers, wherever weights and payloads come from. */

/* Writes the next `count` words (of four bytes, at most 16) of eight rows: [word][8]. */
static void pack_words(const uint8_t *const *row, i64 at, int count, uint8_t *to) {
  const __mmask16 inside = (__mmask16)((1u << count) - 1);
  __m512i r[8], pair[8], four[8];
  for (int i = 0; i < 8; i++) r[i] = _mm512_maskz_loadu_epi32(inside, row[i] + at);
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) /* four[i + j]: in lane L, word 4 L + j of four rows */
    for (int j = 0; j < 2; j++) {
      four[i + 2 * j] = _mm512_unpacklo_epi64(pair[i + j], pair[i + 2 + j]);
      four[i + 2 * j + 1] = _mm512_unpackhi_epi64(pair[i + j], pair[i + 2 + j]);
    }
  uint8_t all[16][32];
  for (int i = 0; i < 8; i++) {
    const int word = i % 4, half = i / 4 * 16;
    _mm_storeu_si128((void *)(all[word] + half), _mm512_extracti32x4_epi32(four[i], 0));
    _mm_storeu_si128((void *)(all[4 + word] + half), _mm512_extracti32x4_epi32(four[i], 1));
    _mm_storeu_si128((void *)(all[8 + word] + half), _mm512_extracti32x4_epi32(four[i], 2));
    _mm_storeu_si128((void *)(all[12 + word] + half), _mm512_extracti32x4_epi32(four[i], 3));
  }
  memcpy(to, all, 32 * (i64)count);
}

/* Packs a run of bytes of eight rows. */
static void pack_run(const uint8_t *const *row, i64 length, uint8_t *to) {
  for (i64 at = 0; at < length; at += 64)
    pack_words(row, at, (int)(length - at < 64 ? (length - at) / 4 : 16), to + 8 * at);
}

/* Adds the products of eight rows to 16 * Q currents of each. */
#define PRODUCT(Q)                                                                               \
  static void product_##Q(const uint8_t *in, i64 words, const int8_t *weight, i64 next,          \
                          int32_t *out, i64 width) {                                             \
    __m512i sum[8][Q];                                                                           \
    _Pragma("GCC unroll 8") for (int r = 0; r < 8; r++)                                          \
        _Pragma("GCC unroll 2") for (int q = 0; q < Q; q++)                                      \
            sum[r][q] = _mm512_loadu_si512(out + r * width + 16 * q);                            \
    for (i64 word = 0; word < words; word++, in += 32, weight += 64) {                           \
      __m512i weights[Q];                                                                        \
      _Pragma("GCC unroll 2") for (int q = 0; q < Q; q++)                                        \
          weights[q] = _mm512_loadu_si512(weight + q * next);                                    \
      _Pragma("GCC unroll 8") for (int r = 0; r < 8; r++) {                                      \
        int32_t four;                                                                            \
        memcpy(&four, in + 4 * r, 4);                                                            \
        const __m512i payloads = _mm512_set1_epi32(four);                                        \
        _Pragma("GCC unroll 2") for (int q = 0; q < Q; q++)                                      \
            sum[r][q] = _mm512_dpbusd_epi32(sum[r][q], payloads, weights[q]);                    \
      }                                                                                          \
    }                                                                                            \
    _Pragma("GCC unroll 8") for (int r = 0; r < 8; r++)                                          \
        _Pragma("GCC unroll 2") for (int q = 0; q < Q; q++)                                      \
            _mm512_storeu_si512(out + r * width + 16 * q, sum[r][q]);                            \
  }

PRODUCT(1)
PRODUCT(2)
#undef PRODUCT

/* Adds the products of packed rows, a multiple of eight, to `lanes` currents of each.

   `weight`: [lanes / 16][inputs / 4][16][4]; `out`: [rows][width]. */
static void product(const uint8_t *in, i64 rows, i64 inputs, const int8_t *weight, i64 lanes,
                    int32_t *out, i64 width) {
  const i64 next = 16 * inputs; /* to the weights of the next 16 channels */
  i64 c = 0;
  for (; c + 32 <= lanes; c += 32)
    for (i64 r = 0; r < rows; r += 8)
      product_2(in + r * inputs, inputs / 4, weight + c * inputs, next, out + r * width + c, width);
  for (; c < lanes; c += 16)
    for (i64 r = 0; r < rows; r += 8)
      product_1(in + r * inputs, inputs / 4, weight + c * inputs, next, out + r * width + c, width);
}

/* Likewise with real weights: rows are packed as float32, [input][8]. */
static void pack_real_run(const uint8_t *const *row, i64 length, int zero, float *to) {
  for (i64 at = 0; at < length; at++)
    for (int r = 0; r < 8; r++) to[8 * at + r] = (float)(row[r][at] - zero);
}

/* Adds the products of eight rows and some inputs to 16 currents of each. */
static void real_product_of_eight(const float *in, i64 inputs, const double *weight, double *out,
                                  i64 width) {
  __m512d sum[8][2];
  _Pragma("GCC unroll 8") for (int r = 0; r < 8; r++) {
    sum[r][0] = _mm512_loadu_pd(out + r * width);
    sum[r][1] = _mm512_loadu_pd(out + r * width + 8);
  }
  for (i64 i = 0; i < inputs; i++, in += 8, weight += 16) {
    const __m512d low = _mm512_loadu_pd(weight), high = _mm512_loadu_pd(weight + 8);
    _Pragma("GCC unroll 8") for (int r = 0; r < 8; r++) {
      const __m512d payload = _mm512_cvtps_pd(_mm256_set1_ps(in[r]));
      sum[r][0] = _mm512_fmadd_pd(payload, low, sum[r][0]);
      sum[r][1] = _mm512_fmadd_pd(payload, high, sum[r][1]);
    }
  }
  _Pragma("GCC unroll 8") for (int r = 0; r < 8; r++) {
    _mm512_storeu_pd(out + r * width, sum[r][0]);
    _mm512_storeu_pd(out + r * width + 8, sum[r][1]);
  }
}

enum { REAL_INPUTS = 192 }; /* whose weights for 16 channels stay in the nearest cache */

/* `weight`: [lanes / 16][inputs][16]. */
static void real_product(const float *in, i64 rows, i64 inputs, const double *weight, i64 lanes,
                         double *out, i64 width) {
  for (i64 c = 0; c < lanes; c += 16)
    for (i64 i = 0; i < inputs; i += REAL_INPUTS) {
      const i64 some = inputs - i < REAL_INPUTS ? inputs - i : REAL_INPUTS;
      for (i64 r = 0; r < rows; r += 8)
        real_product_of_eight(in + r * inputs + 8 * i, some, weight + c * inputs + 16 * i,
                              out + r * width + c, width);
    }
}
