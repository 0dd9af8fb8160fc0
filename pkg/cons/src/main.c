// SPDX-License-Identifier: MIT
/* cons: the consoles of all programs and guests on one serial line. The factory's gate is taken first: who makes a
 * console learns then from the end of the program that something is wrong with its options. */
#include "options.h"
#include "server.h"

#include <sk/env.h>
#include <sk/server.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct options options;
    char error[256];

    int64_t err = server_open();
    if (err < 0) {
        printf("cons: serving the capability 'cons': %s; pass a channel's :svr() by that name\n", sk_strerror(err));
        return 1;
    }
    if (!options_parse(&options, argc, argv, error, sizeof(error))) {
        printf("cons: %s\n", error);
        return 2;
    }
    mux_init(&server_ops, options.key, options.connect);
    err = server_bind_input();
    if (err < 0) {
        mux_say("taking the input of 'log': %s; consoles are output only. Start cons with log = L4.Env.log",
                sk_strerror(err));
    }
    server_loop();
}
