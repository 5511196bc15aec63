/* Events times their fan-outs: 64 payloads an instruction.

   Included where the compiler may use AVX-512 with VNNI. */

/* Sums over payloads, 64 at a time: FACTOR of each `bytes`, where `inside`, times a weight. */
#define WEIGH(SUFFIX, FACTOR)                                                                      \
  static i64 weigh_##SUFFIX(const uint8_t *bytes, i64 length, int zero, const int8_t *weight) {    \
    const __m512i silence = _mm512_set1_epi8((char)zero), one = _mm512_set1_epi8(1);               \
    __m512i sum[4];                                                                                \
    _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) sum[i] = _mm512_setzero_si512();           \
    i64 at = 0;                                                                                    \
    for (; at + 256 <= length; at += 256)                                                          \
      _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) {                                        \
        const __m512i payload = _mm512_loadu_si512(bytes + at + 64 * i);                           \
        const __m512i times = weight ? _mm512_loadu_si512(weight + at + 64 * i) : one;             \
        sum[i] = _mm512_dpbusd_epi32(sum[i], FACTOR, times);                                       \
      }                                                                                            \
    for (; at < length; at += 64) {                                                                \
      const __mmask64 inside = length - at < 64 ? (1ull << (length - at)) - 1 : ~0ull;             \
      const __m512i payload = _mm512_maskz_loadu_epi8(inside, bytes + at);                         \
      const __m512i times = weight ? _mm512_maskz_loadu_epi8(inside, weight + at)                  \
                                   : _mm512_maskz_mov_epi8(inside, one);                           \
      sum[0] = _mm512_dpbusd_epi32(sum[0], FACTOR, times);                                         \
    }                                                                                              \
    (void)silence;                                                                                 \
    return all_of(sum);                                                                            \
  }

/* Adds numbers that are not negative. */
static i64 all_of(const __m512i *four) {
  const __m512i low = _mm512_set1_epi64(UINT32_MAX);
  __m512i sum = _mm512_setzero_si512();
  for (int i = 0; i < 4; i++)
    sum = _mm512_add_epi64(sum, _mm512_add_epi64(_mm512_and_si512(four[i], low),
                                                 _mm512_srli_epi64(four[i], 32)));
  return _mm512_reduce_add_epi64(sum);
}

WEIGH(bytes, payload)
WEIGH(magnitudes, _mm512_abs_epi8(_mm512_xor_si512(payload, silence)))
WEIGH(events, _mm512_maskz_mov_epi8(_mm512_cmpneq_epi8_mask(payload, silence), one))

/* As in `traffic.inc`. */
static i64 weigh_avx512(const uint8_t *bytes, i64 length, int zero, int units,
                        const int8_t *weight) {
  if (!units) return weigh_events(bytes, length, zero, weight);
  return zero ? weigh_magnitudes(bytes, length, zero, weight)
              : weigh_bytes(bytes, length, zero, weight);
}
