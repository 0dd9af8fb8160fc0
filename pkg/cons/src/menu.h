// SPDX-License-Identifier: MIT
/* The terminal's menu: a line editor and the commands.
 *
 *   closed --key--> open --key, nothing typed yet--> closed, and the key goes to the connected console
 *                   open --Enter on an empty line, Ctrl-C, Ctrl-D, connect--> closed
 * In a line: backspace, Ctrl-U (begin anew); escape sequences [ECMA-48 5.4] of cursor keys are ignored. */
#pragma once

#include <stdbool.h>

void menu_reset(void);
bool menu_is_open(void);
/* Draws prompt and line. */
void menu_draw(void);
/* One byte typed at the terminal: true if it was the menu's, false if it is for the connected console. */
bool menu_input(char c);
