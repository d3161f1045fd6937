/* Counts what an AArch64 program executes between two markers: a plugin for QEMU 7.2 (plugin API version 1).

   The guest opens a section by getpriority(PRIO_PROCESS, 0x5EED0001) and closes it by getpriority(PRIO_PROCESS,
   0x5EED0002). Each section appends one line of JSON to the file that TESTPRESS_ARM_COUNTS names: instructions by class
   and, where the arguments l1d=BYTES:WAYS and l2=BYTES:WAYS say how large the caches are, what the section's own thread
   read and wrote and how often it missed. `counts.py` reads these lines and says what the counts mean.

   It is compiled by whatever compiler the user has, and loaded into a QEMU that brings its own C library. So it has
   no header but the compiler's own, is linked with no library, and calls few functions, which every version has. */

#include "cache_model.h"
#include "instruction_classes.h"

#ifdef TESTPRESS_PARTS_ONLY /* what the tests call without a QEMU */

int testpress_classify(uint32_t word) { return classify(word); }

int testpress_simulate(const char *l1d_text, const char *l2_text, const uint64_t *addresses, const uint32_t *bytes,
                       uint64_t count, uint64_t found[3])
{
    if (!lay_out(&l1d, l1d_text) || !lay_out(&l2, l2_text))
        return 0;
    empty_caches();
    for (uint64_t at = 0; at < count; at++)
        touch_memory(addresses[at], bytes[at]);
    found[0] = l1d_accesses;
    found[1] = l1d_misses;
    found[2] = l2_misses;
    return 1;
}

#else /* what QEMU calls; its own header, qemu-plugin.h, comes with no package of Debian 12 */

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0, READ_AND_WRITE = 3, ADD_UINT64 = 0, GUEST_GETPRIORITY = 141, OPENS = 0x5EED0001, CLOSES };

extern unsigned long qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, unsigned long);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern unsigned qemu_plugin_mem_size_shift(uint32_t);
extern _Bool qemu_plugin_mem_is_store(uint32_t);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, void (*)(unsigned, uint32_t, uint64_t, void *),
                                             int, int, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t,
    uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

extern char *getenv(const char *);
extern int open(const char *, int, ...);
extern long write(int, const void *, unsigned long);
extern int close(int);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static const char *const names[CLASSES] = {
    "scalar", "branch", "load", "store", "vector_load", "vector_store", "fma_float32", "fma_float16", "float_scalar",
    "dot_product", "matrix", "integer_mac", "vector_other"
};

static const char *path;
static int with_caches, is_open;
static unsigned owner, threads;
static unsigned char seen[4096];
static uint64_t counts[CLASSES], at_opening[CLASSES], bytes_loaded, bytes_stored;

static void complain(const char *text)
{
    unsigned long length = 0;
    while (text[length])
        length++;
    if (write(2, text, length) < 0)
        abort();
}

static void note_thread(unsigned vcpu)
{
    threads += !seen[vcpu % sizeof seen];
    seen[vcpu % sizeof seen] = 1;
}

static void open_section(unsigned vcpu)
{
    if (with_caches)
        empty_caches();
    for (unsigned at = 0; at < sizeof seen; at++)
        seen[at] = 0;
    for (int at = 0; at < CLASSES; at++)
        at_opening[at] = counts[at];
    bytes_loaded = bytes_stored = threads = 0;
    note_thread(vcpu);
    owner = vcpu;
    is_open = 1;
}

static char *add_count(char *end, const char *name, uint64_t count)
{
    char digits[20];
    int length = 0;
    *end++ = '"';
    while (*name)
        *end++ = *name++;
    *end++ = '"';
    *end++ = ':';
    do
        digits[length++] = (char)('0' + count % 10);
    while (count /= 10);
    while (length)
        *end++ = digits[--length];
    *end++ = ',';
    return end;
}

static void close_section(void)
{
    char line[2048] = "{", *end = line + 1;
    uint64_t all = 0;
    is_open = 0;
    for (int at = 0; at < CLASSES; at++) {
        all += counts[at] - at_opening[at];
        end = add_count(end, names[at], counts[at] - at_opening[at]);
    }
    end = add_count(end, "instructions", all);
    if (with_caches) {
        end = add_count(end, "bytes_loaded", bytes_loaded);
        end = add_count(end, "bytes_stored", bytes_stored);
        end = add_count(end, "l1d_accesses", l1d_accesses);
        end = add_count(end, "l1d_misses", l1d_misses);
        end = add_count(end, "l2_misses", l2_misses);
    }
    end = add_count(end, "threads", threads);
    end[-1] = '}';
    *end++ = '\n';
    int file = open(path, 01 | 0100 | 02000 | 02000000, 0644); /* to write, made, at its end, not for children */
    if (file < 0 || write(file, line, (unsigned long)(end - line)) != end - line)
        complain("count_instructions: cannot write to the file that TESTPRESS_ARM_COUNTS names\n");
    if (file >= 0)
        close(file);
}

static void on_syscall(plugin_id id, unsigned vcpu, int64_t number, uint64_t which, uint64_t who, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != GUEST_GETPRIORITY || which != 0)
        return;
    if ((uint32_t)who == OPENS)
        open_section(vcpu);
    else if ((uint32_t)who == CLOSES && is_open)
        close_section();
}

static void on_memory(unsigned vcpu, uint32_t info, uint64_t address, void *data)
{
    (void)data;
    if (!is_open)
        return;
    if (vcpu != owner) { /* its counts would depend on who came first */
        note_thread(vcpu);
        return;
    }
    uint64_t bytes = 1ul << qemu_plugin_mem_size_shift(info);
    *(qemu_plugin_mem_is_store(info) ? &bytes_stored : &bytes_loaded) += bytes;
    touch_memory(address, bytes);
}

static void on_block(unsigned vcpu, void *data)
{
    (void)data;
    if (is_open && vcpu != owner)
        note_thread(vcpu);
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *block)
{
    uint64_t found[CLASSES] = {0};
    (void)id;
    for (unsigned long at = 0; at < qemu_plugin_tb_n_insns(block); at++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, at);
        const unsigned char *data = qemu_plugin_insn_data(instruction);
        enum class class = classify(data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24);
        found[class]++;
        /* Of these alone: where an instruction calls a helper of QEMU's, each registered one costs time. */
        if (with_caches && class >= LOAD && class <= VECTOR_STORE)
            qemu_plugin_register_vcpu_mem_cb(instruction, on_memory, NO_REGISTERS, READ_AND_WRITE, 0);
    }
    for (int at = 0; at < CLASSES; at++)
        if (found[at])
            qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_UINT64, &counts[at], found[at]);
    if (!with_caches)
        qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, NO_REGISTERS, 0);
}

static const char *value_of(const char *argument, const char *name)
{
    while (*name && *argument == *name)
        argument++, name++;
    return *name || *argument != '=' ? 0 : argument + 1;
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int count,
                                                               char **arguments)
{
    (void)info;
    for (int at = 0; at < count; at++) {
        const char *first = value_of(arguments[at], "l1d"), *second = value_of(arguments[at], "l2");
        if (!(first && lay_out(&l1d, first)) && !(second && lay_out(&l2, second))) {
            complain("count_instructions: takes l1d=BYTES:WAYS and l2=BYTES:WAYS; a way is a power of two\n");
            return 1;
        }
    }
    if (!l1d.lines != !l2.lines) {
        complain("count_instructions: takes both l1d and l2, or neither\n");
        return 1;
    }
    path = getenv("TESTPRESS_ARM_COUNTS");
    if (!path || !*path) {
        complain("count_instructions: TESTPRESS_ARM_COUNTS names no file\n");
        return 1;
    }
    with_caches = l1d.lines != 0;
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}

#endif
