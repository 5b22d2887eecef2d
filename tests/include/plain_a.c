/* The usual way: one file holds the implementation ... */
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"
