/* Sums of the weights of events, for a block of channels whose sums stay in registers (AVX-512). */

/* Lists the bytes that are not `zero`, 64 at a time: most of them are, or it would not pay. */
static int32_t find_few(const uint8_t *bytes, i64 width, uint8_t zero, int32_t *place) {
  const __m512i silence = _mm512_set1_epi8((char)zero);
  int32_t count = 0;
  for (i64 at = 0; at < width; at += 64) {
    const __mmask64 inside = width - at < 64 ? ((__mmask64)1 << (width - at)) - 1 : ~(__mmask64)0;
    const __m512i payloads = _mm512_maskz_loadu_epi8(inside, bytes + at);
    uint64_t events = _mm512_mask_cmpneq_epu8_mask(inside, payloads, silence);
    if (!events) continue;
    __m512i places = _mm512_add_epi32(
        _mm512_set1_epi32((int32_t)at),
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (int part = 0; part < 4; part++, events >>= 16) {
      const __mmask16 here = (__mmask16)events;
      _mm512_storeu_si512(place + count, _mm512_maskz_compress_epi32(here, places));
      count += __builtin_popcount(here);
      places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
    }
  }
  return count;
}

enum { MOST_UNITS = 255 }; /* so many times a weight of 8 bits fits into 16 bits */

/* Adds sums of 16 bits, as `unpack` interleaves 64 bytes, to 64 currents. */
static void deliver(__m512i low, __m512i high, int32_t scale, int32_t *out) {
  const __m512i times = _mm512_set1_epi32(scale);
  const __m512i even = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i odd = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const __m512i half[2] = {_mm512_permutex2var_epi64(low, even, high),
                           _mm512_permutex2var_epi64(low, odd, high)};
  _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) {
    const __m256i sixteen = i % 2 ? _mm512_extracti64x4_epi64(half[i / 2], 1)
                                  : _mm512_castsi512_si256(half[i / 2]);
    const __m512i sum = _mm512_mullo_epi32(_mm512_cvtepi16_epi32(sixteen), times);
    _mm512_storeu_si512(out + 16 * i, _mm512_add_epi32(_mm512_loadu_si512(out + 16 * i), sum));
  }
}

/* Adds `scale` times the weights of events times their units (NULL: 1) to 64 currents. */
static void gather(const int8_t *weight, int width, const int32_t *place, const uint8_t *units,
                   i64 count, int32_t scale, int32_t *out) {
  const __m512i none = _mm512_setzero_si512(), one = _mm512_set1_epi8(1);
#define WEIGHTS(EVENT) _mm512_loadu_si512(weight + (i64)place[EVENT] * width)
#define ADD_TWO(FIRST, SECOND, UNITS) /* bytes of `UNITS`: of the first, of the second, ... */    \
  do {                                                                                           \
    const __m512i a = (FIRST), b = (SECOND);                                                     \
    low = _mm512_add_epi16(low, _mm512_maddubs_epi16(UNITS, _mm512_unpacklo_epi8(a, b)));        \
    high = _mm512_add_epi16(high, _mm512_maddubs_epi16(UNITS, _mm512_unpackhi_epi8(a, b)));      \
  } while (0)
  for (i64 e = 0; e < count;) {
    __m512i low = none, high = none;
    if (!units) {
      const i64 end = count - e < MOST_UNITS ? count : e + MOST_UNITS;
      for (; e + 2 <= end; e += 2) ADD_TWO(WEIGHTS(e), WEIGHTS(e + 1), one);
      if (e < end) ADD_TWO(WEIGHTS(e), none, one);
      e = end;
    } else {
      for (int left = MOST_UNITS; e < count && units[e] <= left;) {
        const int two = e + 1 < count && units[e] + units[e + 1] <= left;
        const int second = two ? units[e + 1] : 0;
        const __m512i times = _mm512_set1_epi16((short)(units[e] | second << 8));
        ADD_TWO(WEIGHTS(e), two ? WEIGHTS(e + 1) : none, times);
        left -= units[e] + second;
        e += 1 + two;
      }
    }
    deliver(low, high, scale, out);
  }
#undef ADD_TWO
#undef WEIGHTS
}

/* Likewise with real weights, for 16 currents. */
static void gather_real(const double *weight, int width, const int32_t *place,
                        const uint8_t *units, i64 count, double scale, double *out) {
  __m512d low = _mm512_setzero_pd(), high = low;
  (void)width;
  for (i64 e = 0; e < count; e++) {
    const double *of = weight + (i64)place[e] * 16;
    if (units) {
      const __m512d times = _mm512_set1_pd(units[e]);
      low = _mm512_fmadd_pd(times, _mm512_loadu_pd(of), low);
      high = _mm512_fmadd_pd(times, _mm512_loadu_pd(of + 8), high);
    } else {
      low = _mm512_add_pd(low, _mm512_loadu_pd(of));
      high = _mm512_add_pd(high, _mm512_loadu_pd(of + 8));
    }
  }
  const __m512d times = _mm512_set1_pd(scale);
  _mm512_storeu_pd(out, _mm512_fmadd_pd(times, low, _mm512_loadu_pd(out)));
  _mm512_storeu_pd(out + 8, _mm512_fmadd_pd(times, high, _mm512_loadu_pd(out + 8)));
}
