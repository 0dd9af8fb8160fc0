// SPDX-License-Identifier: MIT
// Fuzz target: what is typed (first byte even) or sent as a line, with and without a prompt.
#include <shell/shell.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sum;

static void collect(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        sum += (unsigned char)text[i]; /* reads all of it */
    }
}

static void cmd(struct shell *sh, unsigned argc, char *const *argv)
{
    if (argc < 1 || argc > SHELL_ARGS) {
        abort();
    }
    for (unsigned i = 0; i < argc; i++) {
        shell_printf(sh, "%s\n", argv[i]);
    }
}

static const struct shell_command commands[] = {
    {"s", "[A]", "1", 0, 1, cmd}, {"st", "A B", "2", 2, 2, cmd}, {"other", "", "3", 0, 7, cmd}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shell sh;
    char line[512];

    if (size == 0) {
        return 0;
    }
    shell_init(&sh, commands, 3, data[0] & 2 ? "" : "> ", collect, NULL);
    data++;
    size--;
    if (data[-1] & 1) {
        size = size < sizeof(line) ? size : sizeof(line) - 1;
        memcpy(line, data, size);
        line[size] = '\0';
        (void)shell_run(&sh, line);
    } else {
        shell_input(&sh, (const char *)data, size);
        shell_prompt(&sh);
        if (sh.len >= SHELL_LINE) {
            abort();
        }
    }
    return 0;
}
