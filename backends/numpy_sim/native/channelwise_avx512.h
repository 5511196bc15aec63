/* Depthwise synapses of strips as in `channelwise.inc`, 16 channels at a time.

   Included where the compiler may use AVX-512. */

/* Adds what a depthwise synapse contributes: every channel by itself. */
static void channelwise_strip_avx512(const Synapse *synapse, const uint8_t *frame,
                                     const int32_t *at, i64 lanes, Strip *strip) {
  const Window2D *window = &synapse->window;
  const i64 position = synapse->source.position;
  const __m512i copies = _mm512_set1_epi32(synapse->copies);
  const int8_t *weight = (const int8_t *)synapse->channel + strip->channel;
  for (int ky = 0; ky < window->kernel_y; ky++)
    for (int kx = 0; kx < window->kernel_x; kx++, weight += lanes)
      for (int q = 0; q < strip->blocks; q++) {
        const i64 channel = strip->channel + q * LANES, left = position - channel;
        const __mmask16 inside = (__mmask16)(left < LANES ? (1 << left) - 1 : -1);
        const __m128i sixteen = _mm_loadu_si128((const __m128i *)(weight + q * LANES));
        const __m512i weights = _mm512_mullo_epi32(_mm512_cvtepi8_epi32(sixteen), copies);
        const uint8_t *from = frame + ky * window->dilation_y * synapse->source.row +
                              kx * window->dilation_x * position + channel;
        int32_t *sums = strip->sum + q * LANES;
        for (i64 n = 0; n < strip->count; n++, sums += LANES * strip->blocks) {
          const __m512i payloads =
              _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(inside, from + at[n]));
          const __m512i products = _mm512_mullo_epi32(payloads, weights);
          _mm512_storeu_si512(sums, _mm512_add_epi32(_mm512_loadu_si512(sums), products));
        }
      }
}
