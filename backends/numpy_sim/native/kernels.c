/* The simulator's inner loops. Everything here is plain C over arrays that Python owns; what it
   computes is `ir.reference`, and tests compare the two payload by payload.

   Each level of instructions has its own copy of the code; the best one is chosen at run time. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

#include "layout.h"
#include "least_error.h"
#include "strip.h"
#include "vectors.h"
#include "widened.h"

#define JOIN_(A, B) A##_##B
#define JOIN(A, B) JOIN_(A, B)

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SNNC_LEVELS 1
#endif

/* Makes one bin of each pair; zeros, in front, stay. */
static void halve(uint32_t *row, int bins) {
  for (int i = 1; i <= bins / 2; i++) row[i] = row[2 * i - 1] + row[2 * i];
  memset(row + bins / 2 + 1, 0, sizeof(uint32_t) * (size_t)(bins / 2));
}

/* Counts the bins that wait. Rows are read in order first: a processor fetches that ahead. */
static void settle(uint32_t *row, int bins, const uint16_t *waiting, i64 *held) {
  for (int bin = 0; bin <= bins && *held; bin += 16) __builtin_prefetch(row + bin, 1);
  for (i64 i = 0; i < *held; i++) row[waiting[i]]++;
  *held = 0;
}

/* level 0: what every machine of this kind has */
#define LEVEL portable
#include "level.inc"
#undef LEVEL

#ifdef SNNC_LEVELS
#pragma GCC push_options
#pragma GCC target("avx2")
#define LEVEL avx2
#include "level.inc"
#undef LEVEL
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prefer-vector-width=512")
#include "dense.h"
#include "tile.h"
#include "channelwise_avx512.h"
#include "fire_avx512.h"
#include "dense_real.h"
#include "fire_block.h"
#include "gather.h"
#include "product.h"
#include "track_avx512.h"
#include "weigh.h"
#define LEVEL vnni
#define HAS_DENSE 1
#include "level.inc"
#undef HAS_DENSE
#undef LEVEL
#pragma GCC pop_options
#endif

#define EXPORT __attribute__((visibility("default")))

/* The best level of this machine: 0 portable, 1 AVX2, 2 AVX-512 with VNNI. */
EXPORT int snnc_level(void) {
#ifdef SNNC_LEVELS
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 2;
  if (__builtin_cpu_supports("avx2")) return 1;
#endif
  return 0;
}

#ifdef SNNC_LEVELS
#define AT_LEVEL(LEVEL, FUNCTION, ...)        \
  switch (LEVEL) {                            \
    case 2: FUNCTION##_vnni(__VA_ARGS__); break;     \
    case 1: FUNCTION##_avx2(__VA_ARGS__); break;     \
    default: FUNCTION##_portable(__VA_ARGS__);       \
  }
#else
#define AT_LEVEL(LEVEL, FUNCTION, ...) FUNCTION##_portable(__VA_ARGS__)
#endif

/* Sizes of the structures, by which Python knows kernels that were built from other sources. */
EXPORT i64 snnc_size_of_population(void) { return sizeof(Population); }
EXPORT i64 snnc_size_of_synapse(void) { return sizeof(Synapse); }
EXPORT i64 snnc_size_of_tracking(void) { return sizeof(Tracking); }
EXPORT i64 snnc_size_of_branch(void) { return sizeof(Branch); }
EXPORT i64 snnc_size_of_fan_out(void) { return sizeof(FanOut); }
EXPORT i64 snnc_size_of_histogram(void) { return sizeof(Histogram); }

/* Bytes that the functions below work in. */
EXPORT i64 snnc_scratch(const Population *population, int samples, int steps) {
  Scratch_real_portable scratch;
  Vectors_integer_portable integers;
  Vectors_real_portable reals;
  if (!one_position(population)) {
    const i64 whole = lay_out_real_portable(population, steps, NULL, &scratch);
    const i64 rows = lay_out_rows_real_portable(population, NULL, NULL, NULL);
    return whole > rows ? whole : rows;
  }
  const i64 integer = lay_out_vectors_integer_portable(
      population, at_once_integer_portable(population, samples, steps), steps, NULL, &integers);
  const i64 real = lay_out_vectors_real_portable(
      population, at_once_real_portable(population, samples, steps), steps, NULL, &reals);
  return integer > real ? integer : real;
}

EXPORT void snnc_advance_integer(int level, const Population *population, int samples, int steps,
                                 uint8_t *memory) {
  AT_LEVEL(level, advance_integer, population, samples, steps, memory)
}

EXPORT void snnc_advance_real(int level, const Population *population, int samples, int steps,
                              uint8_t *memory) {
  AT_LEVEL(level, advance_real, population, samples, steps, memory)
}

EXPORT void snnc_currents(int level, const Population *population, int samples, int steps,
                          int32_t *out, uint8_t *memory) {
  AT_LEVEL(level, sum_currents_integer, population, samples, steps, out, memory)
}

EXPORT i64 snnc_track_scratch(const Tracking *tracking) {
  Scratch_real_portable scratch;
  return lay_out_real_portable(&tracking->population, 1, NULL, &scratch);
}

EXPORT void snnc_track(int level, const Tracking *tracking, int samples, int steps,
                       uint8_t *memory) {
  AT_LEVEL(level, track_integer, tracking, samples, steps, memory)
}

EXPORT void snnc_count(int level, const Edge *edge, int samples, int steps, int readers,
                       const FanOut *reader, int graded, i64 *out) {
  AT_LEVEL(level, count, edge, samples, steps, readers, reader, graded, out)
}

EXPORT void snnc_max_pool(int level, const Window2D *window, const Edge *source, const Edge *target,
                          int samples, int steps, int32_t *memory) {
  AT_LEVEL(level, max_pool, window, source, target, samples, steps, memory)
}

/* Several threads call this with the same `next`, which is 0 at the beginning. */
EXPORT void snnc_histograms(int level, const Histogram *each, int count, i64 samples, int bins,
                            i64 *next) {
  AT_LEVEL(level, histograms, each, count, samples, bins, next)
}

/* Counts all that waits, and brings histograms to one range, not below any of theirs. */
EXPORT void snnc_widen(const Histogram *h, int bins, float wanted) {
  for (i64 channel = 0; channel < h->channels; channel++) {
    float *range = h->range + channel;
    uint32_t *row = h->counts + channel * (1 + bins);
    settle(row, bins, h->waiting + channel * h->room, h->held + channel);
    if (*range == 0) *range = wanted;
    for (; *range < wanted; *range *= 2) halve(row, bins);
  }
}

EXPORT void snnc_least_error(const uint32_t *counts, i64 rows, i64 next, i64 bins, double width,
                             double last, const double *largest, i64 levels, const double *grid,
                             i64 points, double *best, double *memory) {
  least_error(counts, rows, next, bins, width, last, largest, levels, grid, points, best, memory);
}

/* Python only has to find the library; the functions are called through ctypes. */
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, NULL,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModule_Create(&definition); }
