/* Integer neurons of a block of channels at one position, whose membranes stay in registers over
   all steps; the rules are those of `fire_avx512.h`.

   Included where the compiler may use AVX-512. */

enum { PARTS = INTEGER_BLOCK / LANES };

/* `current`: [steps][INTEGER_BLOCK], of which `lanes` count; writes as many bytes of each frame, or
   as many as the target has left. */
#define FIRE(NAME, PAYLOADS)                                                                     \
  static void fire_block_##NAME(const Population *p, i64 channel, i64 lanes, int steps,          \
                                const int32_t *current, uint8_t *to) {                           \
    const Rule kept = rule_of(p), *rule = &kept;                                                 \
    const i64 left = p->target.position - channel, sent = left < lanes ? left : lanes;           \
    __m512i membrane[PARTS], limit[PARTS], units[PARTS];                                         \
    __m512 inverse[PARTS];                                                                       \
    __mmask16 written[PARTS];                                                                    \
    for (int i = 0; i < PARTS; i++) {                                                            \
      const i64 first = LANES * i, some = sent - first;                                          \
      const __mmask16 inside = first < lanes ? 0xffff : 0;                                       \
      membrane[i] = _mm512_maskz_loadu_epi32(inside, (const int32_t *)p->initial + channel + first); \
      limit[i] = _mm512_mask_loadu_epi32(_mm512_set1_epi32(1), inside,                           \
                                         (const int32_t *)p->threshold + channel + first);       \
      inverse[i] = _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_cvtepi32_ps(limit[i]));            \
      units[i] = _mm512_setzero_si512();                                                         \
      written[i] = (__mmask16)(some <= 0 ? 0 : some < LANES ? (1 << some) - 1 : 0xffff);         \
    }                                                                                            \
    (void)inverse, (void)units;                                                                  \
    for (int step = 0; step < steps; step++, current += INTEGER_BLOCK, to += p->target.frame)    \
      _Pragma("GCC unroll 4") for (int i = 0; i < PARTS; i++) {                                  \
        const __m512i threshold = limit[i];                                                      \
        __m512i v = _mm512_add_epi32(membrane[i], _mm512_loadu_si512(current + LANES * i));      \
        v = _mm512_max_epi32(_mm512_min_epi32(v, rule->clamp), rule->least_clamp);               \
        _mm_mask_storeu_epi8(to + LANES * i, written[i], PAYLOADS);                              \
        membrane[i] = v;                                                                         \
      }                                                                                          \
  }

FIRE(binary, one_unit(rule, &v, threshold, 0))
FIRE(to_zero, one_unit(rule, &v, threshold, 1))
FIRE(ternary, one_signed_unit(rule, &v, threshold, units + i))
FIRE(graded, graded_units(rule, &v, threshold, inverse[i], units + i))
#undef FIRE

static void fire_block(const Population *p, i64 channel, i64 lanes, int steps,
                       const int32_t *current, uint8_t *to) {
  if (p->to_zero)
    fire_block_to_zero(p, channel, lanes, steps, current, to);
  else if (p->max_positive == 1 && !p->max_negative && !p->bounded_above)
    fire_block_binary(p, channel, lanes, steps, current, to);
  else if (p->max_positive == 1 && p->max_negative <= 1)
    fire_block_ternary(p, channel, lanes, steps, current, to);
  else
    fire_block_graded(p, channel, lanes, steps, current, to);
}
