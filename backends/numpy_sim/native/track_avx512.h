/* Tracking neurons as in `tracking.inc`, 16 at a time in registers: those whose threshold is a
   power of two, the same for all.

   Included where the compiler may use AVX-512. */

/* What the rule needs to know of a population. */
typedef struct {
  __m512i half, mask, low, high; /* of drives and quantised values, 64 bits each */
  __m128i bits;
  __mmask8 ties;          /* whether they go to the even value */
  __m512i most, least, zero;
} TrackRule;

static TrackRule track_rule_of(const Tracking *t) {
  const i64 theta = t->bits >= 0 ? (i64)1 << t->bits : 1;
  return (TrackRule){
      .half = _mm512_set1_epi64(t->rounding == FLOOR ? 0 : theta >> 1),
      .mask = _mm512_set1_epi64(theta - 1),
      .low = _mm512_set1_epi64(t->low),
      .high = _mm512_set1_epi64(t->high),
      .bits = _mm_cvtsi32_si128(t->bits),
      .ties = t->rounding == HALF_EVEN && t->bits > 0 ? 0xff : 0,
      .most = _mm512_set1_epi32(t->population.max_positive),
      .least = _mm512_set1_epi32(-t->population.max_negative),
      .zero = _mm512_set1_epi32(t->population.target.zero),
  };
}

/* The quantised values of eight neurons. */
static inline __m256i quantised_avx512(const Tracking *t, const TrackRule *rule, i64 at, i64 own) {
  const __m512i one = _mm512_set1_epi64(1);
  __m512i drive = _mm512_add_epi64(_mm512_loadu_si512(t->bias + own), rule->half);
  for (int b = 0; b < t->branches; b++) {
    const __m256i sum = _mm256_loadu_si256((const __m256i *)(t->branch[b].sum + at));
    const __m512i multiplier = _mm512_loadu_si512(t->branch[b].multiplier + own);
    drive = _mm512_add_epi64(drive, _mm512_mullo_epi64(multiplier, _mm512_cvtepi32_epi64(sum)));
  }
  __m512i whole = _mm512_sra_epi64(drive, rule->bits);
  const __mmask8 odd = _mm512_mask_test_epi64_mask(rule->ties, whole, one);
  const __mmask8 back = _mm512_mask_testn_epi64_mask(odd, drive, rule->mask);
  whole = _mm512_mask_sub_epi64(whole, back, whole, one);
  whole = _mm512_min_epi64(_mm512_max_epi64(whole, rule->low), rule->high);
  return _mm512_cvtepi64_epi32(whole);
}

static inline int track_lanes_avx512(const Tracking *t, const TrackRule *rule, i64 sample, i64 at,
                                     i64 own, int channel, uint8_t *byte, int32_t *events) {
  at += sample * t->neurons;
  const __m512i value = _mm512_inserti64x4(
      _mm512_castsi256_si512(quantised_avx512(t, rule, at, own)),
      quantised_avx512(t, rule, at + 8, own + 8), 1);
  const __m512i acc = _mm512_loadu_si512(t->acc + at);
  const __m512i missing = _mm512_and_si512(_mm512_sub_epi32(value, acc),
                                           _mm512_loadu_si512(t->inside + channel));
  const __m512i sent = _mm512_min_epi32(_mm512_max_epi32(missing, rule->least), rule->most);
  _mm512_storeu_si512(t->acc + at, _mm512_add_epi32(acc, sent));
  _mm_storeu_si128((__m128i *)byte, _mm512_cvtepi32_epi8(_mm512_add_epi32(sent, rule->zero)));
  *events += __builtin_popcount(_mm512_test_epi32_mask(sent, sent));
  return _mm512_cmpneq_epi32_mask(missing, sent) != 0;
}

static void receive_avx512(int32_t *sum, const int32_t *current, i64 count, int8_t *touched) {
  for (i64 i = 0; i < count; i += LANES) {
    const __m512i some = _mm512_loadu_si512(current + i);
    const __mmask16 any = _mm512_test_epi32_mask(some, some);
    if (!any) continue;
    _mm512_storeu_si512(sum + i, _mm512_add_epi32(_mm512_loadu_si512(sum + i), some));
    touched[i / LANES] = 1;
  }
}
