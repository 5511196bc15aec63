/* Which full scale rounds magnitudes with the least squared error. */

#ifndef SNNC_LEAST_ERROR_H
#define SNNC_LEAST_ERROR_H

#include "layout.h"

enum { POINTS_TOGETHER = 16 }; /* of a grid: sums that do not wait for each other */

/* For each row of `bins` counts, `next` apart, the share of `largest` among `points` of `grid`, as
   `backends.numpy_sim.least_error` says. All bins are `width` wide but the last, of which `last`
   is the middle. `memory` holds 2 * (1 + bins) numbers. Sums over bins are of integers, magnitudes
   in halves of a bin, so that one addition does not wait long for the one before. */
static void least_error(const uint32_t *counts, i64 rows, i64 next, i64 bins, double width,
                        double last, const double *largest, i64 levels, const double *grid,
                        i64 points, double *best, double *memory) {
  double *beyond = memory; /* of each bin: how many magnitudes from it on, and their sum */
  beyond[2 * bins] = beyond[2 * bins + 1] = 0;
  for (i64 row = 0; row < rows; row++, counts += next) {
    const double missing = counts[bins - 1] * (last - ((double)bins - 0.5) * width);
    i64 number = 0, total = 0;
    for (i64 bin = bins; bin-- > 0;) {
      number += counts[bin];
      total += counts[bin] * (2 * bin + 1);
      beyond[2 * bin] = (double)number;
      beyond[2 * bin + 1] = (double)total * (0.5 * width) + missing;
    }
    double least = 0;
    for (i64 first = 0; first < points; first += POINTS_TOGETHER) {
      const int part = points - first < POINTS_TOGETHER ? (int)(points - first) : POINTS_TOGETHER;
      double step[POINTS_TOGETHER], sums[POINTS_TOGETHER], squares[POINTS_TOGETHER];
      for (int i = 0; i < POINTS_TOGETHER; i++) {
        step[i] = grid[first + (i < part ? i : 0)] * largest[row] / (double)levels;
        sums[i] = squares[i] = 0;
      }
      for (i64 level = 1; level <= levels; level++) {
        const double middle = ((double)level - 0.5) / width, odd = 2.0 * (double)level - 1;
        for (int i = 0; i < POINTS_TOGETHER; i++) {
          const double edge = step[i] * middle + 0.5;
          const double *here = beyond + 2 * (edge < (double)bins ? (i64)edge : bins);
          squares[i] += odd * here[0];
          sums[i] += here[1];
        }
      }
      for (int i = 0; i < part; i++) {
        const double error = step[i] * (step[i] * squares[i] - 2 * sums[i]);
        if (first + i == 0 || error < least) {
          least = error;
          best[row] = grid[first + i] * largest[row];
        }
      }
    }
  }
}

#endif
