/* Some neurons of an integer population: what `strip.inc` says about them at all levels. */

#ifndef SNNC_STRIP_H
#define SNNC_STRIP_H

#include "layout.h"

/* Some adjacent positions, counted along the rows of the image, and 16 * `blocks` channels. */
typedef struct {
  i64 first, count, channel;
  int blocks;
  int32_t sum[STRIP]; /* membranes; between the steps with the base of the next one */
  int32_t base[STRIP], threshold[STRIP];
  int32_t acc[STRIP];          /* units sent */
  float inverse[STRIP];        /* of the thresholds */
  int32_t to[STRIP_POSITIONS]; /* where each position lies in a frame of the target */
  i64 bytes;                   /* that the channels of one position take there */
} Strip;

#endif
