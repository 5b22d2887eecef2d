/* hostile_names.h - words that headers define as macros, or that a library might take for itself.
 * Each becomes text that compiles nowhere. */
#ifndef HOSTILE_NAMES_H
#define HOSTILE_NAMES_H

/* clang-format off */

/* windows.h and old compilers */
#define min ?!hostile!?
#define max ?!hostile!?
#define small ?!hostile!?
#define near ?!hostile!?
#define far ?!hostile!?
#define interface ?!hostile!?
#define hyper ?!hostile!?
#define pascal ?!hostile!?

/* complex.h, termios.h, ctype.h, Arduino.h */
#define I ?!hostile!?
#define B0 ?!hostile!?
#define B1 ?!hostile!?
#define DEFAULT ?!hostile!?

/* single letters, as template parameters and matrix sizes */
#define A ?!hostile!?
#define B ?!hostile!?
#define C ?!hostile!?
#define D ?!hostile!?
#define E ?!hostile!?
#define F ?!hostile!?
#define G ?!hostile!?
#define H ?!hostile!?
#define J ?!hostile!?
#define K ?!hostile!?
#define L ?!hostile!?
#define M ?!hostile!?
#define N ?!hostile!?
#define O ?!hostile!?
#define P ?!hostile!?
#define Q ?!hostile!?
#define R ?!hostile!?
#define S ?!hostile!?
#define T ?!hostile!?
#define U ?!hostile!?
#define V ?!hostile!?
#define W ?!hostile!?
#define X ?!hostile!?
#define Y ?!hostile!?
#define Z ?!hostile!?

/* the vector vocabulary of kernels */
#define v_add ?!hostile!?
#define v_sub ?!hostile!?
#define v_mul ?!hostile!?
#define v_div ?!hostile!?
#define v_sqrt ?!hostile!?
#define v_set1 ?!hostile!?
#define v_load ?!hostile!?
#define v_store ?!hostile!?
#define v_load_part ?!hostile!?
#define v_store_part ?!hostile!?
#define v_zero ?!hostile!?
#define v_widen ?!hostile!?
#define v_narrow ?!hostile!?
#define VEC ?!hostile!?
#define LANES ?!hostile!?
#define BLOCK ?!hostile!?
#define TILE ?!hostile!?

/* what a library might call its helpers */
#define MIN ?!hostile!?
#define MAX ?!hostile!?
#define CLAMP ?!hostile!?
#define ABS ?!hostile!?
#define SQRT ?!hostile!?
#define SWAP ?!hostile!?
#define UNUSED ?!hostile!?
#define ALIGN ?!hostile!?
#define INLINE ?!hostile!?
#define FORCE_INLINE ?!hostile!?
#define NOINLINE ?!hostile!?
#define RESTRICT ?!hostile!?
#define LIKELY ?!hostile!?
#define UNLIKELY ?!hostile!?
#define TARGET ?!hostile!?
#define CONCAT ?!hostile!?
#define CAT ?!hostile!?
#define PASTE ?!hostile!?
#define STR ?!hostile!?
#define API ?!hostile!?
#define ASSERT ?!hostile!?
#define EPS ?!hostile!?
#define COUNT ?!hostile!?
#define OFFSET ?!hostile!?
#define SIZE ?!hostile!?
#define TYPE ?!hostile!?
#define NAME ?!hostile!?
#define PASS ?!hostile!?
#define ISA ?!hostile!?
#define LOAD ?!hostile!?
#define STORE ?!hostile!?
#define ADD ?!hostile!?
#define MUL ?!hostile!?

/* other macros a C program may hold */
#define OK ?!hostile!?
#define ERROR ?!hostile!?
#define TRUE ?!hostile!?
#define FALSE ?!hostile!?
#define BYTE ?!hostile!?
#define WORD ?!hostile!?
#define KEEP ?!hostile!?
#define SIGN ?!hostile!?
#define ROUND ?!hostile!?

#endif /* HOSTILE_NAMES_H */
