/* simd_count.c - a plugin for qemu-user that counts the instructions of the emulated machine: at
 * each call of getppid it prints how many were executed since the last one. See bench/simd.sh.
 *
 *   cc -shared -fPIC bench/simd_count.c -o count.so && qemu-aarch64 -plugin ./count.so program
 *
 * What is used of the interface of plugins is declared here, since Debian has no header of it. A
 * block of instructions counts as a whole when it is entered; only a fault leaves one early.
 */
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>

#define GETPPID 173 /* of AArch64; nothing else in the program asks for it */

struct qemu_plugin_tb;

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                          void (*cb)(unsigned cpu, void *user), int flags,
                                          void *user);
void qemu_plugin_register_vcpu_syscall_cb(
    uint64_t id, void (*cb)(uint64_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b,
                            uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g,
                            uint64_t h));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

int qemu_plugin_version = 1;

static unsigned long long executed;

static void on_block(unsigned cpu, void *instructions)
{
    (void)cpu;
    executed += (uintptr_t)instructions;
}

static void on_translation(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, 0,
                                         (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

static void on_syscall(uint64_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b,
                       uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != GETPPID) return;
    printf("%llu\n", executed);
    fflush(stdout);
    executed = 0;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
