/* Firing rules of integer neurons as in `fire_integer.inc`, 16 neurons at a time in registers.

   Included where the compiler may use AVX-512. */

/* What the rules need to know of a population. */
typedef struct {
  __m512i clamp, least_clamp;
  __m512i most, least;       /* payloads */
  __m512i low, high;         /* bounds of the units sent */
  __m512 about_most, about_least; /* beyond all payloads */
  __m128i silence;           /* bytes of payload 0 */
  int towards_zero;
} Rule;

static Rule rule_of(const Population *p) {
  const int32_t clamp = (int32_t)p->clamp;
  const int32_t largest = p->max_positive > p->max_negative ? p->max_positive : p->max_negative;
  return (Rule){
      .clamp = _mm512_set1_epi32(clamp),
      .least_clamp = _mm512_set1_epi32(-clamp),
      .most = _mm512_set1_epi32(p->max_positive),
      .least = _mm512_set1_epi32(-p->max_negative),
      .low = _mm512_set1_epi32(p->bounded_below ? p->acc_min : INT32_MIN / 2),
      .high = _mm512_set1_epi32(p->bounded_above ? p->acc_max : INT32_MAX / 2),
      .about_most = _mm512_set1_ps((float)(largest + 1)),
      .about_least = _mm512_set1_ps((float)-(largest + 1)),
      .silence = _mm_set1_epi8((char)p->target.zero),
      .towards_zero = p->deadband != 0,
  };
}

/* At most one unit, never taken back: returns the payloads, leaves the membranes in `v`. */
static inline __m128i one_unit(const Rule *rule, __m512i *v, __m512i threshold, int to_zero) {
  const __mmask16 fires = _mm512_cmpge_epi32_mask(*v, threshold);
  *v = to_zero ? _mm512_mask_mov_epi32(*v, fires, _mm512_setzero_si512())
               : _mm512_mask_sub_epi32(*v, fires, *v, threshold);
  return _mm_mask_add_epi8(rule->silence, fires, rule->silence, _mm_set1_epi8(1));
}

/* One unit up or down. A bound is never passed by one unit, it forbids the next. */
static inline __m128i one_signed_unit(const Rule *rule, __m512i *v, __m512i threshold,
                                      __m512i *acc) {
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i most_down = _mm512_maskz_sub_epi32((__mmask16)-rule->towards_zero, one, threshold);
  const __mmask16 up = _mm512_mask_cmpgt_epi32_mask(_mm512_cmpge_epi32_mask(*v, threshold),
                                                    rule->high, *acc);
  const __mmask16 may = _mm512_mask_cmplt_epi32_mask(_mm512_cmplt_epi32_mask(*v, most_down),
                                                     rule->low, *acc);
  const __mmask16 down = _mm512_mask_cmplt_epi32_mask(may, rule->least, _mm512_setzero_si512());
  *v = _mm512_mask_sub_epi32(*v, up, *v, threshold);
  *v = _mm512_mask_add_epi32(*v, down, *v, threshold);
  *acc = _mm512_mask_add_epi32(*acc, up, *acc, one);
  *acc = _mm512_mask_sub_epi32(*acc, down, *acc, one);
  const __m128i raised = _mm_mask_add_epi8(rule->silence, up, rule->silence, _mm_set1_epi8(1));
  return _mm_mask_sub_epi8(raised, down, raised, _mm_set1_epi8(1));
}

/* floor(v / threshold), right where it is between `about_least` and `about_most`. */
static inline __m512i whole_units(const Rule *rule, __m512i v, __m512i threshold, __m512 inverse) {
  const __m512i one = _mm512_set1_epi32(1);
  __m512 about = _mm512_mul_ps(_mm512_cvtepi32_ps(v), inverse);
  about = _mm512_max_ps(_mm512_min_ps(about, rule->about_most), rule->about_least);
  __m512i units = _mm512_cvt_roundps_epi32(about, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  const __m512i rest = _mm512_sub_epi32(v, _mm512_mullo_epi32(units, threshold));
  units = _mm512_mask_add_epi32(units, _mm512_cmpge_epi32_mask(rest, threshold), units, one);
  return _mm512_mask_sub_epi32(units, _mm512_movepi32_mask(rest), units, one);
}

static inline __m128i graded_units(const Rule *rule, __m512i *v, __m512i threshold, __m512 inverse,
                                   __m512i *acc) {
  __m512i units;
  if (rule->towards_zero) {
    const __m512i magnitude = whole_units(rule, _mm512_abs_epi32(*v), threshold, inverse);
    units = _mm512_mask_sub_epi32(magnitude, _mm512_movepi32_mask(*v), _mm512_setzero_si512(),
                                  magnitude);
  } else {
    units = whole_units(rule, *v, threshold, inverse);
  }
  units = _mm512_max_epi32(_mm512_min_epi32(units, rule->most), rule->least);
  units = _mm512_max_epi32(units, _mm512_sub_epi32(rule->low, *acc));
  units = _mm512_min_epi32(units, _mm512_sub_epi32(rule->high, *acc));
  *acc = _mm512_add_epi32(*acc, units);
  *v = _mm512_sub_epi32(*v, _mm512_mullo_epi32(units, threshold));
  return _mm_add_epi8(_mm512_cvtepi32_epi8(units), rule->silence);
}

/* Writes the first 4, 8 or 12 payloads. A masked store would cost as much as all the rest. */
static inline void write_some(uint8_t *to, __m128i payloads, i64 count) {
  if (count == 4) {
    _mm_storeu_si32(to, payloads);
    return;
  }
  _mm_storel_epi64((__m128i *)to, payloads);
  if (count == 12) _mm_storeu_si32(to + 8, _mm_srli_si128(payloads, 8));
}

/* One step of a strip, written to a frame; a loop for each rule. */
#define FIRE(NAME, PAYLOADS, COUNTED)                                                           \
  static void fire_##NAME##_avx512(const Rule *rule, Strip *strip, uint8_t *frame) {            \
    const i64 blocks = strip->blocks, sixteens = strip->count * blocks;                         \
    const i64 some = strip->bytes % LANES;                                                      \
    i64 partial = some ? blocks - 1 : sixteens; /* the next that is not written whole */        \
    for (i64 n = 0; n < sixteens; n++) {                                                        \
      const i64 i = LANES * n;                                                                  \
      const __m512i threshold = _mm512_load_si512(strip->threshold + i);                        \
      __m512i v = _mm512_load_si512(strip->sum + i), acc = _mm512_setzero_si512();              \
      if (COUNTED) acc = _mm512_load_si512(strip->acc + i);                                     \
      v = _mm512_max_epi32(_mm512_min_epi32(v, rule->clamp), rule->least_clamp);                \
      const __m128i payloads = PAYLOADS;                                                        \
      v = _mm512_add_epi32(v, _mm512_load_si512(strip->base + i));                              \
      _mm512_store_si512(strip->sum + i, v);                                                    \
      if (COUNTED) _mm512_store_si512(strip->acc + i, acc);                                     \
      if (n == partial) {                                                                       \
        write_some(frame + strip->to[n], payloads, some);                                       \
        partial += blocks;                                                                      \
      } else {                                                                                  \
        _mm_storeu_si128((__m128i *)(frame + strip->to[n]), payloads);                          \
      }                                                                                         \
    }                                                                                           \
  }

FIRE(binary, one_unit(rule, &v, threshold, 0), 0)
FIRE(to_zero, one_unit(rule, &v, threshold, 1), 0)
FIRE(ternary, one_signed_unit(rule, &v, threshold, &acc), 1)
FIRE(graded, graded_units(rule, &v, threshold, _mm512_load_ps(strip->inverse + i), &acc), 1)
#undef FIRE

static void fire_strip_avx512(const Population *p, Strip *strip, uint8_t *frame) {
  const Rule rule = rule_of(p);
  if (p->to_zero)
    fire_to_zero_avx512(&rule, strip, frame);
  else if (p->max_positive == 1 && !p->max_negative && !p->bounded_above)
    fire_binary_avx512(&rule, strip, frame);
  else if (p->max_positive == 1 && p->max_negative <= 1)
    fire_ternary_avx512(&rule, strip, frame);
  else
    fire_graded_avx512(&rule, strip, frame);
}
