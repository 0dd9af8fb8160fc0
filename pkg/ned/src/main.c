// SPDX-License-Identifier: MIT
/* ned, the init process: runs the Lua scripts of its command line, which start the scenario's programs, and then stays
 * for the scripts' exit handlers.
 *
 * Capabilities that scripts hold are dropped as soon as no handler can reach them, and all when the last handler has run
 * (the Lua state is closed), so that servers learn that a client is gone even if the script had kept its channel. */
#include "ned.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "usage: ned [-v] SCRIPT...";

static unsigned parse_options(int argc, char **argv)
{
    static const struct option options[] = {{"verbose", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
    unsigned verbose = 0;
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        if (c != 'v') {
            /* optopt is the letter of a short option, 0 for a long one */
            char letter[] = {'-', (char)optopt, 0};
            fprintf(stderr, "ned: unknown option '%s'; %s\n", optopt != 0 ? letter : argv[optind - 1], usage);
            exit(2);
        }
        verbose++;
    }
    if (optind == argc) {
        fprintf(stderr, "ned: no script given; %s\n", usage);
        exit(2);
    }
    return verbose;
}

static void run_script(lua_State *l, const char *path, unsigned verbose)
{
    struct luax_error err;

    if (luax_run_file(l, path, &err)) {
        return;
    }
    fprintf(stderr, "ned: %s\n", err.line);
    if (verbose > 0 && err.trace[0] != 0) {
        fprintf(stderr, "%s\n", err.trace);
    }
    exit(1);
}

int main(int argc, char **argv)
{
    unsigned verbose = parse_options(argc, argv);
    struct luax_error err;
    lua_State *l = ned_state_new(verbose, &err);

    if (l == NULL) {
        fprintf(stderr, "ned: %s\n", err.line);
        return 1;
    }
    for (int i = optind; i < argc; i++) {
        run_script(l, argv[i], verbose);
    }
    fflush(stdout);
    os_started();
    while (ned_watch_pending() > 0) {
        /* Capabilities that no handler can reach are given up now, not when Lua needs memory. */
        lua_gc(l, LUA_GCCOLLECT);
        os_event();
        fflush(stdout);
    }
    lua_close(l);
    for (;;) {
        os_event();
    }
}
