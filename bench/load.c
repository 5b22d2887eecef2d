/* load.c - opening the libraries that bench/layer.c and bench/accuracy.c compare with, and what
 * these call back. The program has to be linked with -rdynamic.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#endif
#include "peers.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUILD "build/bench/" /* from the top of the tree */

/* Shared objects that are opened one apart from the other: PyTorch has a oneDNN of its own, and
   both of them in one name space would be mixed up. */
static const struct {
    const char *id, *file, *symbol, *missing;
} known[PEERS] = {
    {"onednn", BUILD "peer_onednn.so", "peer_onednn",
     "oneDNN: no oneapi/dnnl/dnnl.h (make deps-peers)"},
    {"ort", BUILD "peer_ort.so", "peer_ort",
     "onnxruntime: no onnxruntime_c_api.h (ORT_DIR: a release, with include/ and lib/)"},
    {"torch", BUILD "peer_torch.so", "peer_torch",
     "PyTorch: no torch/version.h (make deps-peers)"},
    {"ggml", BUILD "peer_ggml.so", "peer_ggml",
     "ggml: no ggml-cpu.h (GGML_DIR: an installed one, with include/ and lib/)"},
};

void peers_die(const char *what, const char *why)
{
    fflush(stdout);
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

void *peers_get(size_t count, size_t size)
{
    /* What is added keeps tensors of 2^n bytes from lying at the same place of their pages: there
       a load may wait for a store to another tensor, 12% of backward of 1x64x112x112. */
    void *p;
    if (posix_memalign(&p, 64, count * size + 1088)) peers_die("memory", "none left");
    memset(p, 0, count * size);
    return p;
}

static const struct peer *load_one(int i)
{
    void *object;
    const struct peer *peer;
    if (access(known[i].file, R_OK)) {
        printf("SKIP %s\n", known[i].missing);
        return NULL;
    }
    object = dlopen(known[i].file, RTLD_NOW | RTLD_LOCAL);
    peer = object ? (const struct peer *)dlsym(object, known[i].symbol) : NULL;
    if (!peer) printf("SKIP %s\n", dlerror());
    return peer;
}

/* All of the names, with commas between them, are ids. */
static void check_names(const char *names)
{
    const char *at = names;
    while (*at) {
        const size_t length = strcspn(at, ",");
        int i;
        for (i = 0; i < PEERS; ++i)
            if (strlen(known[i].id) == length && !strncmp(known[i].id, at, length)) break;
        if (i == PEERS) peers_die(names, "peers are " PEERS_ALL);
        at += length + (at[length] == ',');
    }
}

int peers_load(const char *names, const struct peer *peer[PEERS], int *skipped)
{
    int i, count = 0;
    check_names(names);
    for (i = 0; i < PEERS; ++i) {
        if (!strstr(names, known[i].id)) continue;
        peer[count] = load_one(i);
        if (peer[count]) ++count;
        else ++*skipped;
    }
    return count;
}
