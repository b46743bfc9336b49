/* SPDX-License-Identifier: ISC */
/* The program's signal handlers, and we before them (signals.c). */
#ifndef PRELOAD_SIGNALS_H
#define PRELOAD_SIGNALS_H
void signals_start(void);          /* a listed program */
void signals_raw(const void *act); /* a system call that may install a handler is to be made */
#endif
