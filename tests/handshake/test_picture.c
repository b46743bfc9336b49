/* SPDX-License-Identifier: ISC */
/* The two tables as pictures (Graphviz): tests/handshake/table12.dot and table13.dot. They are
 * golden files, so that a change of a table is seen in review. `test_picture --write`, run in the
 * root of the repository, makes them anew; `dot -Tsvg` draws them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "handshake/local.h"

static const char *program;

static const char *const states[HS_STATES] = {
    [C_WAIT_SH] = "C_WAIT_SH",
    [C_WAIT_SH2] = "C_WAIT_SH2",
    [C_WAIT_EE] = "C_WAIT_EE",
    [C_WAIT_CERT_CR] = "C_WAIT_CERT_CR",
    [C_WAIT_CERT] = "C_WAIT_CERT",
    [C_WAIT_CV] = "C_WAIT_CV",
    [C_WAIT_FINISHED] = "C_WAIT_FINISHED",
    [C_CONNECTED] = "C_CONNECTED",
    [C12_WAIT_CERT] = "C12_WAIT_CERT",
    [C12_WAIT_STATUS] = "C12_WAIT_STATUS",
    [C12_WAIT_SKE] = "C12_WAIT_SKE",
    [C12_WAIT_CR] = "C12_WAIT_CR",
    [C12_WAIT_DONE] = "C12_WAIT_DONE",
    [C12_WAIT_NST] = "C12_WAIT_NST",
    [C12_WAIT_CCS] = "C12_WAIT_CCS",
    [C12_WAIT_FINISHED] = "C12_WAIT_FINISHED",
    [C12_CONNECTED] = "C12_CONNECTED",
    [S_WAIT_CH] = "S_WAIT_CH",
    [S_WAIT_CH2] = "S_WAIT_CH2",
    [S_WAIT_EOED] = "S_WAIT_EOED",
    [S_WAIT_CERT] = "S_WAIT_CERT",
    [S_WAIT_CV] = "S_WAIT_CV",
    [S_WAIT_FINISHED] = "S_WAIT_FINISHED",
    [S_CONNECTED] = "S_CONNECTED",
    [S_POST_CERT] = "S_POST_CERT",
    [S_POST_CV] = "S_POST_CV",
    [S_POST_FINISHED] = "S_POST_FINISHED",
    [S12_WAIT_CERT] = "S12_WAIT_CERT",
    [S12_WAIT_CKE] = "S12_WAIT_CKE",
    [S12_WAIT_CV] = "S12_WAIT_CV",
    [S12_WAIT_CCS] = "S12_WAIT_CCS",
    [S12_WAIT_FINISHED] = "S12_WAIT_FINISHED",
    [S12_CONNECTED] = "S12_CONNECTED",
};

struct name {
    unsigned bit;
    const char *text;
};
static const struct name messages[] = {
    { HS_HELLO_REQUEST, "HelloRequest" },
    { HS_CLIENT_HELLO, "ClientHello" },
    { HS_SERVER_HELLO, "ServerHello" },
    { HS_NEW_SESSION_TICKET, "NewSessionTicket" },
    { HS_END_OF_EARLY_DATA, "EndOfEarlyData" },
    { HS_ENCRYPTED_EXTENSIONS, "EncryptedExtensions" },
    { HS_CERTIFICATE, "Certificate" },
    { HS_SERVER_KEY_EXCHANGE, "ServerKeyExchange" },
    { HS_CERTIFICATE_REQUEST, "CertificateRequest" },
    { HS_SERVER_HELLO_DONE, "ServerHelloDone" },
    { HS_CERTIFICATE_VERIFY, "CertificateVerify" },
    { HS_CLIENT_KEY_EXCHANGE, "ClientKeyExchange" },
    { HS_FINISHED, "Finished" },
    { HS_CERTIFICATE_STATUS, "CertificateStatus" },
    { HS_KEY_UPDATE, "KeyUpdate" },
    { HS_COMPRESSED_CERTIFICATE, "CompressedCertificate" },
    { 25, "CompressedCertificate" }, /* RFC 8879 */
    { HS_HELLO_RETRY_REQUEST, "HelloRetryRequest" },
    { HS_SERVER_HELLO_13, "ServerHello 1.3" },
    { HS_CLIENT_HELLO_13, "ClientHello 1.3" },
    { HS_CHANGE_CIPHER_SPEC, "change_cipher_spec" },
    { HS_RENEGOTIATION_REFUSED, "renegotiation refused" },
};
static const struct name facts[] = {
    { FACT_RETRY, "retry" },
    { FACT_CLIENT_AUTH, "client auth" },
    { FACT_PEER_CERT, "not empty" },
    { FACT_RESUMED, "resumed" },
    { FACT_TICKET, "ticket" },
    { FACT_STATUS, "status" },
    { FACT_NO_SKE, "no exchange" },
    { FACT_PSK, "external key" },
    { FACT_EARLY, "early data" },
    { FACT_SKE_OPTIONAL, "exchange optional" },
    { FACT_NO_CERT, "no certificate" },
    { FACT_ENCIPHERS, "enciphered" },
    { FACT_SIGNED, "signed" },
    { FACT_ANONYMOUS, "anonymous" },
    { 0, NULL },
};
static const struct name proofs[] = {
    { PROVES_CHAIN, "chain" },
    { PROVES_POSSESSION, "possession" },
    { PROVES_FINISHED, "finished" },
    { PROVES_SESSION, "session" },
    { PROVES_PSK, "external key" },
    { PROVES_ANONYMOUS, "nothing is needed" },
    { 0, NULL },
};
static const struct name flags[] = {
    { LAST_IN_RECORD, "last in record" },
    { NO_TRANSCRIPT, "not hashed" },
    { STARTS, "starts" },
    { 0, NULL },
};

static void print_text(struct buf *b, const char *text)
{
    assert_int_equal(buf_append(b, text, strlen(text)), 0);
}

/* The names of all bits; no bit may be without one. */
static void print_bits(struct buf *b, const struct name *n, unsigned bits, const char *before)
{
    for (; n->text; n++) {
        if (bits & n->bit) {
            print_text(b, before);
            print_text(b, n->text);
            bits &= ~n->bit;
            before = ", ";
        }
    }
    assert_int_equal(bits & ~(unsigned)NEEDS_PRIOR, 0);
}

static const char *message_name(unsigned message)
{
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        if (messages[i].bit == message) {
            return messages[i].text;
        }
    }
    fail_msg("message %u has no name", message);
    return "";
}

static struct buf picture(const char *name, const struct edge *edges, size_t n)
{
    struct buf b = { 0 };

    print_text(&b, "// made by tests/handshake/test_picture.c --write\ndigraph ");
    print_text(&b, name);
    print_text(&b, " {\n    node [shape=box, fontname=\"sans-serif\", fontsize=10];\n"
                   "    edge [fontname=\"sans-serif\", fontsize=9];\n");
    for (size_t i = 0; i < n; i++) {
        assert_non_null(states[edges[i].from]);
        assert_non_null(states[edges[i].to]);
        print_text(&b, "    ");
        print_text(&b, states[edges[i].from]);
        print_text(&b, " -> ");
        print_text(&b, states[edges[i].to]);
        print_text(&b, " [label=\"");
        print_text(&b, message_name(edges[i].message));
        print_bits(&b, facts, edges[i].guard, "\\nif ");
        print_bits(&b, proofs, edges[i].proves, "\\nproves ");
        print_bits(&b, flags, edges[i].flags, "\\n");
        print_text(&b, "\"];\n");
    }
    print_text(&b, "}\n");
    return b;
}

static void compare(const char *path, struct buf now)
{
    struct buf golden = { 0 };

    assert_int_equal(file_read(path, &golden, NULL), 0);
    if (!span_eq(buf_span(&golden), buf_span(&now))) {
        fail_msg("%s is not the table as it is: see that the change is meant, then run\n"
                 "    %s --write\nin the root of the repository",
                 path, program);
    }
    buf_free(&golden);
    buf_free(&now);
}

#define GOLDEN12 "tests/handshake/table12.dot"
#define GOLDEN13 "tests/handshake/table13.dot"

static void test_picture12(void **state)
{
    (void)state;
    compare(GOLDEN12, picture("tls12", tls12_edges, tls12_nedges));
}

static void test_picture13(void **state)
{
    (void)state;
    compare(GOLDEN13, picture("tls13", tls13_edges, tls13_nedges));
}

static void save(const char *path, struct buf now)
{
    FILE *f = fopen(path, "w");

    if (!f || fwrite(buf_data(&now), 1, buf_len(&now), f) != buf_len(&now) || fclose(f)) {
        perror(path);
        exit(1);
    }
    buf_free(&now);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture12),
        cmocka_unit_test(test_picture13),
    };

    program = argv[0];
    if (argc == 2 && strcmp(argv[1], "--write") == 0) {
        save(GOLDEN12, picture("tls12", tls12_edges, tls12_nedges));
        save(GOLDEN13, picture("tls13", tls13_edges, tls13_nedges));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
