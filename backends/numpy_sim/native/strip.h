/* Some neurons of an integer population: what `strip.inc` says about them at all levels. */

#ifndef SNNC_STRIP_H
#define SNNC_STRIP_H

#include "layout.h"

/* Some adjacent positions, counted along the rows of the image, and 16 * `blocks` channels. */
typedef struct {
  /* membranes; between the steps with the base of the next one */
  _Alignas(64) int32_t sum[STRIP];
  _Alignas(64) int32_t base[STRIP];
  _Alignas(64) int32_t threshold[STRIP];
  _Alignas(64) int32_t acc[STRIP];   /* units sent */
  _Alignas(64) float inverse[STRIP]; /* of the thresholds */
  i64 first, count, channel;
  int blocks;
  int32_t to[STRIP / LANES]; /* where 16 neurons lie in a frame of the target */
  i64 bytes;                 /* that the channels of one position take there */
} Strip;

#endif
