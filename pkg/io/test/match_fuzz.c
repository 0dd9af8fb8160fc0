// SPDX-License-Identifier: MIT
// Fuzzes the match expressions.
#include "../src/match.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pci_dev dev = {.vendor = 0x1b36, .class_code = 0x010802};
    char *text = malloc(size + 1), err[384];
    struct pci_match m;

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = 0;
    if (pci_match_parse(text, &m, err, sizeof err)) {
        (void)pci_match_test(&m, &dev);
    } else if (strlen(err) == 0) {
        abort();
    }
    free(text);
    return 0;
}
