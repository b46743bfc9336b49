/* SPDX-License-Identifier: ISC */
/* What the rows of the extension table are made of.
 *
 * write: the body; returns 1 when it wrote one, 0 when there is nothing to say, or an error.
 * read: takes the body; what it leaves over is a decode_error. NULL: legal there and ignored. */
#ifndef HANDSHAKE_EXTENSIONS_H
#define HANDSHAKE_EXTENSIONS_H
#include "handshake/local.h"

int ext_bad(struct hs *h, const char *what); /* decode_error: "malformed `what` extension" */
int ext_flag_read(struct hs *h, struct rd *body, const char *name); /* an empty body */

/* ext_hello.c */
int ext_sni_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_sni_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_fragment_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_fragment_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_limit_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_limit_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_status_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_status_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_groups_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_groups_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_schemes_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_schemes_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_alpn_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_alpn_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_versions_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_versions_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_schemes_cert_read(struct hs *h, struct rd *body, enum ext_where where);
/* ext_cert.c */
int ext_authorities_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_authorities_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_scts_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_scts_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_compress_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_compress_read(struct hs *h, struct rd *body, enum ext_where where);
/* ext12.c */
int ext_ems_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_ems_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_etm_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_etm_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_secure_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_secure_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_ticket_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_ticket_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_points_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_points_read(struct hs *h, struct rd *body, enum ext_where where);
/* ext13.c */
int ext_cookie_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_cookie_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_share_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_share_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_post_auth_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_post_auth_read(struct hs *h, struct rd *body, enum ext_where where);
/* psk13.c */
int ext_modes_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_modes_read(struct hs *h, struct rd *body, enum ext_where where);
int ext_psk_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_psk_read(struct hs *h, struct rd *body, enum ext_where where);
/* early13.c */
int ext_early_write(struct hs *h, struct wr *w, enum ext_where where);
int ext_early_read(struct hs *h, struct rd *body, enum ext_where where);
#endif
