/* move.h - the least that can be done, which the benchmark calls the limit: each tensor is moved
 * once.
 */
#ifndef BENCH_MOVE_H
#define BENCH_MOVE_H

#include <stddef.h>
#include <stdint.h>

typedef enum move {
    MOVE_READ,         /* t[0] is read                     */
    MOVE_FORWARD,      /* t[0] = t[1] + 1                  */
    MOVE_FORWARD_ADD,  /* t[1] = t[2] + t[3], t[0] = t[1] + 1 */
    MOVE_BACKWARD,     /* t[0] = t[1] + t[2]               */
    MOVE_BACKWARD_ADD, /* t[0] = t[1] + t[2] + t[3]        */
    MOVES
} move;

enum { MOVE_LINE = 64 }; /* bytes */

/* How many tensors a move reads and writes. */
extern const int move_tensors[MOVES];
/* 1 if there are stores past the caches. */
extern const int move_can_stream;
/* Lines first to last - 1 of each tensor, as 32-bit integers: the storage type does not matter, and
   there are no denormals to meet. stream: stores past the caches. Tensors are aligned. */
void move_lines(move what, int stream, void *const *t, size_t first, size_t last);

#endif /* BENCH_MOVE_H */
