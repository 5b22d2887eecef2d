/* call_yours.c - the file that is fuzzed, and its function by a name that C and C++ both link:
 * compiled as the one or the other, by the suffix of the file.
 *
 *   cc -I. -DYOURS='"/path/to/mine.c"' -c fuzz/call_yours.c
 */
#include YOURS

#ifdef __cplusplus
extern "C"
#endif
int call_yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a);

int call_yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    return yours(verb, d, a);
}
