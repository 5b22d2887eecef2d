/* measure.c - runs a command; prints the seconds of processor time that it and its children took,
 * without the system's, and the most memory that one of them held, in KiB. For bench/size.pl.
 *
 *   measure gcc -O2 -c normalize.h
 */
#define _DEFAULT_SOURCE /* rusage has ru_maxrss; Linux counts it in KiB */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage used;
    pid_t child;
    int status;
    if (argc < 2) {
        fputs("usage: measure COMMAND...\n", stderr);
        return EXIT_FAILURE;
    }
    child = fork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || getrusage(RUSAGE_CHILDREN, &used)) {
        perror("measure");
        return EXIT_FAILURE;
    }
    printf("%.2f %ld\n", (double)used.ru_utime.tv_sec + 1e-6 * (double)used.ru_utime.tv_usec,
           used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
