/* What Python hands to the kernels; `library.py` declares the same structures to ctypes.

   Payloads are bytes, channels last: a frame is rows of positions of channels, with a halo of
   silent positions around it. Byte `zero` stands for payload 0, so that signed payloads are
   unsigned bytes. Strides count bytes. */

#ifndef SNNC_LAYOUT_H
#define SNNC_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MAX(A, B) ((A) > (B) ? (A) : (B))

typedef int64_t i64;

enum {
  LANES = 16, /* currents of a position are padded to a multiple of this */
  AHEAD = 4,  /* so many events before they are needed, weights are fetched */
  STRIP = 1024, /* neurons that advance together, at most, */
  STRIP_POSITIONS = STRIP / LANES, /* and their positions */
  ROWS_TOGETHER = 16,     /* steps that a row of neurons takes at a time */
  PLANE_NUMBERS = 1 << 16 /* currents of several steps that are summed before neurons advance */
};

typedef struct {
  uint8_t *data; /* position (0, 0) of the first frame of the first sample, inside the halo */
  i64 sample, frame, row;
  int32_t position; /* channels, padded to a multiple of 4 */
  int32_t height, width;
  int32_t zero;
  int32_t unary; /* whether payloads are 0 and 1 */
} Edge;

/* How many synapses each byte of an edge reaches, as digits to the base of 128. */
typedef struct {
  const int8_t *digit; /* the lowest of position (0, 0); places lie as they do in a frame */
  i64 next;            /* to the next higher digit */
  i64 every;           /* what all places reach, where they reach the same: there are no digits */
  int32_t digits;
} FanOut;

/* So many bytes times signed bytes have a sum that 32 bits hold. */
enum { PIECE = 1 << 16 };

typedef struct {
  int32_t kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x, top, left;
} Window2D;

typedef enum { DENSE, EVENTS, CHANNELWISE } Method;

typedef struct {
  Edge source;
  int32_t method;
  Window2D window;
  int32_t channels, groups; /* channels of the source, without padding */
  int32_t copies;
  const int8_t *dense;   /* [out / 16][kernel_y][kernel_x][position / 4][16][4] */
  const int32_t *correction; /* [lanes]: what `zero` adds to a dense product, or NULL */
  const void *scatter;   /* [kernel_y][in][kernel_x, last first][out / groups, padded] */
  const void *taps;      /* as `spread.py` says, in the type of currents; or NULL */
  int32_t block;         /* channels that `spread.inc` computes at once */
  int32_t stacked;       /* whether it stacks the rows that a window reads */
  const void *channel;   /* [kernel_y][kernel_x][out, padded]: weights of a depthwise kernel */
  int32_t even;          /* whether they are alike over the window, and a byte holds the sum of */
  int32_t least;         /* its payloads, if this is taken from each of their bytes */
} Synapse;

typedef struct {
  int32_t height, width, channels; /* of the population */
  int32_t lanes;                   /* channels, padded to a multiple of LANES */
  int32_t synapses;
  const Synapse *synapse;
  const void *base;      /* [sample][height][width][lanes]: bias and what never changes */
  i64 base_sample;       /* elements from one sample's base to the next; 0: all share one */
  const void *threshold; /* [height][width][lanes] */
  const void *initial;   /* likewise */
  int32_t max_positive, max_negative, deadband;
  int32_t bounded_below, bounded_above, acc_min, acc_max;
  int32_t clamped;
  double clamp;
  Edge target;
  int32_t to_zero; /* whether a spike of 1 sets the membrane to 0 */
} Population;

enum { MOST_BRANCHES = 64 }; /* of a population of tracking neurons */

typedef enum { FLOOR, HALF_UP, HALF_EVEN } Rounding;

/* What one synapse of tracking neurons has delivered. Either its currents are known, or its events
   are: then there are two synapses that compute them, one behind the other. */
typedef struct {
  const int32_t *current; /* [sample][step][height][width][lanes], or NULL */
  const i64 *events;      /* [sample][step]: how many its source sends, or NULL for none */
  i64 few;                /* with less than so many the second synapse is quicker */
  const i64 *multiplier;
  int32_t *sum;           /* [sample][height][width][lanes] */
  int32_t synapse;        /* the first of the two */
} Branch;

/* Tracking neurons. Parameters lie as [lanes], or as [height][width][lanes]; of `population` what
   they have in common with other neurons is filled in. */
typedef struct {
  Population population;
  const Branch *branch;
  i64 neurons, every; /* `neurons`: of a sample; `every`: parameters from position to position */
  const i64 *bias, *threshold;
  const i64 *edge;       /* ascending, or NULL */
  const int32_t *inside; /* [lanes]: -1, or 0 where a lane only pads */
  int32_t *acc;          /* [sample][height][width][lanes]: the units sent */
  uint8_t *due;          /* [sample][height][width][lanes / LANES]: who has not sent all */
  uint8_t *waits_before; /* [sample]: whether anybody has not */
  uint8_t *waits;        /* [sample][step]: likewise after each step */
  i64 *sent;             /* [sample][step]: events */
  int32_t branches, edges, bits, rounding, low, high; /* `bits`: of a power of two, or -1 */
} Tracking;

enum { CHANNELS_TOGETHER = 16 }; /* whose histograms one thread fills at a time */

/* Counts of the magnitudes of one value, channel by channel. Of a channel `counts` holds zeros,
   then `bins` bins up to `range`, a power of two, or 0 as long as there were zeros only; a
   magnitude on a border belongs to the bin below. `largest` becomes infinite where a value is
   infinite, no number, or has no power of two above it. The bins of some values wait until they
   are counted together: counts are far apart in memory, and more than a cache holds. */
typedef struct {
  const float *values; /* [samples][channels][places] */
  i64 channels, places, room; /* room for a block of 512, and 16 */
  float *range, *largest; /* [channels] */
  uint32_t *counts;       /* [channels][1 + bins] */
  uint16_t *waiting;      /* [channels][room]: bins above zero */
  i64 *held;              /* [channels]: how many wait */
} Histogram;

#endif
