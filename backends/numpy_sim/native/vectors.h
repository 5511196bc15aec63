/* Populations of one position: samples and steps are the rows of one matrix, and channels come in
   blocks whose weights stay in the cache of a core. */

enum {
  TILE = 8,   /* rows of a dense product are a multiple of this */
  ROWS = 128, /* of a tile of currents, where a sample has not more steps */
  INTEGER_BLOCK = 64, /* channels of a block: weights of an event are a line of the cache */
  REAL_BLOCK = 16     /* likewise with real weights: two lines */
};

static int one_position(const Population *p) { return p->height == 1 && p->width == 1; }

/* The events of some rows. */
typedef struct {
  i64 rows;
  i64 *begin;     /* [2 * rows + 1]: of each row, where those above 0 begin and those below */
  int32_t *place; /* byte in its row */
  uint8_t *units; /* how far the payload is from 0; not filled in where all are 1 */
  uint8_t *single; /* [2 * rows]: whether all those of a row and sign are 1 or -1 */
} EventList;

/* Bytes that a synapse of a population of one position reads of a frame. */
static i64 inputs_of(const Synapse *synapse) {
  return (i64)synapse->window.kernel_y * synapse->window.kernel_x * synapse->source.position;
}

/* These bytes are runs of adjacent ones: the rows of the window or, where it is dilated, its
   positions. */
typedef struct {
  i64 count, length, across; /* `across`: runs in a row of the window */
} Runs;

static Runs runs_of(const Synapse *synapse) {
  const Window2D *window = &synapse->window;
  const i64 across = window->dilation_x == 1 ? 1 : window->kernel_x;
  return (Runs){window->kernel_y * across,
                window->kernel_x / across * synapse->source.position, across};
}

static const uint8_t *run_of(const Synapse *synapse, Runs runs, int sample, int step, i64 run) {
  const Window2D *window = &synapse->window;
  const Edge *source = &synapse->source;
  const i64 y = run / runs.across * window->dilation_y - window->top;
  const i64 x = run % runs.across * window->dilation_x - window->left;
  return source->data + sample * source->sample + step * source->frame + y * source->row +
         x * source->position;
}
