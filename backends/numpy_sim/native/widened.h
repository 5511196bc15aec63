/* Payloads as real numbers, for dense products in double precision. */

/* The part of a frame that windows read, as real numbers, [rows][columns][position]. */
typedef struct {
  double *data;
  i64 rows, columns, position;
} Widened;

static void measure_widened(const Synapse *synapse, const Population *population,
                            Widened *widened) {
  const Window2D *window = &synapse->window;
  widened->rows = (population->height - 1) * window->stride_y +
                  (window->kernel_y - 1) * window->dilation_y + 1;
  widened->columns = (population->width - 1) * window->stride_x +
                     (window->kernel_x - 1) * window->dilation_x + 1;
  widened->position = synapse->source.position;
}
