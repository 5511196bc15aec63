/* Which full scale rounds magnitudes with the least squared error. */

#ifndef SNNC_LEAST_ERROR_H
#define SNNC_LEAST_ERROR_H

#include "layout.h"

/* For each row of `bins` counts, `next` apart, the share of `largest` among `points` of `grid`, as
   `backends.numpy_sim.least_error` says. All bins are `width` wide but the last, of which `last`
   is the middle. `memory` holds 2 * (1 + bins) numbers. Sums over bins are of integers, magnitudes
   in halves of a bin, so that one addition does not wait long for the one before. */
static void least_error(const uint32_t *counts, i64 rows, i64 next, i64 bins, double width,
                        double last, const double *largest, i64 levels, const double *grid,
                        i64 points, double *best, i64 *memory) {
  i64 *number = memory, *total = memory + 1 + bins; /* from each bin on */
  number[bins] = total[bins] = 0;
  for (i64 row = 0; row < rows; row++, counts += next) {
    for (i64 bin = bins; bin-- > 0;) {
      number[bin] = number[bin + 1] + counts[bin];
      total[bin] = total[bin + 1] + counts[bin] * (2 * bin + 1);
    }
    const double missing = counts[bins - 1] * (last - ((double)bins - 0.5) * width);
    double least = 0;
    for (i64 point = 0; point < points; point++) {
      const double step = grid[point] * largest[row] / (double)levels;
      double sums = 0, squares = 0;
      for (i64 level = 1; level <= levels; level++) {
        const double beyond = step * (((double)level - 0.5) / width) + 0.5;
        const i64 place = beyond < (double)bins ? (i64)beyond : bins;
        sums += (double)total[place] * (0.5 * width) + (place < bins ? missing : 0);
        squares += (2.0 * (double)level - 1) * (double)number[place];
      }
      const double error = step * (step * squares - 2 * sums);
      if (point == 0 || error < least) {
        least = error;
        best[row] = grid[point] * largest[row];
      }
    }
  }
}

#endif
