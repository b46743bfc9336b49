/* SPDX-License-Identifier: ISC */
/* What any preloaded library costs at least: one that has nothing in it. */
extern int wrap_empty;
int wrap_empty;
