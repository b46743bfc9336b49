/* SPDX-License-Identifier: ISC */
#include "handshake/describe.h"

#include "base/trace.h"
#include "handshake/describe_local.h"

static bool is_13(const struct line *o)
{
    return o->version == TLS_1_3;
}

/* RFC 5246 section 7.4.4, RFC 8422 section 5.5 */
static const char *cert_type_name(unsigned type)
{
    return type == 1 ? "rsa_sign" : type == 64 ? "ecdsa_sign" : NULL;
}

/* ---- messages; false: not well-formed ---- */

static bool say_client_hello(struct line *o, struct rd *body)
{
    struct rd session, suites, compression;
    struct span random;
    uint16_t version;

    if (!rd_u16(body, &version) || !rd_bytes(body, RANDOM_SIZE, &random) ||
        !rd_vec(body, 1, &session)) {
        return false;
    }
    line_add(o, ", version");
    line_add_id(o, name_of_version, version);
    line_add(o, ", session id of %zu bytes", session.n);
    return rd_vec(body, 2, &suites) && line_add_ids(o, "suites", name_of_suite, suites, 2) &&
           rd_vec(body, 1, &compression) && line_add_extensions(o, IN_CLIENT, body);
}

static bool say_server_hello(struct line *o, struct rd *body)
{
    struct rd session;
    struct span random;
    uint16_t version, suite;
    uint8_t compression;

    if (!rd_u16(body, &version) || !rd_bytes(body, RANDOM_SIZE, &random) ||
        !rd_vec(body, 1, &session) || !rd_u16(body, &suite) || !rd_u8(body, &compression)) {
        return false;
    }
    line_add(o, ", version");
    line_add_id(o, name_of_version, version);
    line_add(o, ", session id of %zu bytes, suite", session.n);
    line_add_id(o, name_of_suite, suite);
    return line_add_extensions(o, IN_SERVER, body);
}

static bool say_encrypted_extensions(struct line *o, struct rd *body)
{
    return line_add_extensions(o, IN_OTHER, body);
}

/* TLS 1.3 has a context in front of the list, and extensions behind each certificate. */
static bool certificate_list(struct rd *body, bool new_form, struct rd *list)
{
    struct rd context;

    return (!new_form || rd_vec(body, 1, &context)) && rd_vec(body, 3, list) && rd_done(body);
}

static void say_subject(struct line *o, struct rd der)
{
    struct cert c;
    char text[TEXT_MAX + 1];

    if (cert_parse(&c, span_of(der.p, der.n), NULL) < 0) {
        line_add(o, ", the first cannot be read");
        return;
    }
    (void)cert_name_text(c.subject, text, sizeof text);
    line_add_text(o, ", ", span_of(text, strlen(text)));
    (void)cert_name_text(c.issuer, text, sizeof text);
    line_add_text(o, " by ", span_of(text, strlen(text)));
}

static bool say_certificate(struct line *o, struct rd *body)
{
    struct rd list, first = { 0 }, der, extra, probe = *body;
    unsigned n = 0;
    bool new_form = is_13(o) || (!o->version && certificate_list(&probe, true, &list));

    if (!certificate_list(body, new_form, &list)) {
        return false;
    }
    for (; !rd_done(&list); n++) {
        if (!rd_vec(&list, 3, &der) || (new_form && !rd_vec(&list, 2, &extra))) {
            return false;
        }
        first = n == 0 ? der : first;
    }
    line_add(o, ", %u certificate%s", n, n == 1 ? "" : "s");
    if (n) {
        say_subject(o, first);
    }
    return true;
}

/* Before TLS 1.2 nobody says by which scheme. */
static bool names_schemes(const struct line *o)
{
    const struct protocol *p = protocol_of(o->version);

    return !p || p->names_schemes;
}

static bool request_12(const struct line *o, struct rd *body, struct rd *types, struct rd *schemes,
                       struct rd *names)
{
    return rd_vec(body, 1, types) && (!names_schemes(o) || rd_vec(body, 2, schemes)) &&
           rd_vec(body, 2, names) && rd_done(body);
}

static bool say_certificate_request(struct line *o, struct rd *body)
{
    struct rd context, types, schemes = rd_of(NULL, 0), names, name, probe = *body;
    unsigned n = 0;

    if (is_13(o) || (!o->version && !request_12(o, &probe, &types, &schemes, &names))) {
        return rd_vec(body, 1, &context) && line_add_extensions(o, IN_OTHER, body) && rd_done(body);
    }
    if (!request_12(o, body, &types, &schemes, &names) ||
        !line_add_ids(o, "types", cert_type_name, types, 1) ||
        (names_schemes(o) && !line_add_ids(o, "schemes", name_of_scheme, schemes, 2))) {
        return false;
    }
    for (; !rd_done(&names); n++) {
        if (!rd_vec(&names, 2, &name)) {
            return false;
        }
    }
    line_add(o, ", %u authorities", n);
    return true;
}

static bool say_signature(struct line *o, struct rd *body)
{
    struct rd signature;
    uint16_t scheme;

    if (names_schemes(o)) {
        if (!rd_u16(body, &scheme)) {
            return false;
        }
        line_add(o, ", signed with");
        line_add_id(o, name_of_scheme, scheme);
    }
    if (!rd_vec(body, 2, &signature)) {
        return false;
    }
    line_add(o, names_schemes(o) ? ", %zu bytes" : ", signature of %zu bytes", signature.n);
    return true;
}

/* RFC 8422 section 5.4: named_curve(3), the curve, the point, and a signature over them. */
static bool say_server_key_exchange(struct line *o, struct rd *body)
{
    struct rd point;
    uint16_t curve;
    uint8_t type;

    if (!rd_u8(body, &type) || type != 3 || !rd_u16(body, &curve) || !rd_vec(body, 1, &point)) {
        return false;
    }
    line_add(o, ", share");
    line_add_id(o, name_of_group, curve);
    return say_signature(o, body) && rd_done(body);
}

static bool ticket_12(struct rd *body, uint32_t *life, struct rd *ticket)
{
    return rd_u32(body, life) && rd_vec(body, 2, ticket) && rd_done(body);
}

static bool say_ticket(struct line *o, struct rd *body)
{
    struct rd nonce, ticket, probe = *body;
    uint32_t life, age_add;
    bool old_form = o->version ? !is_13(o) : ticket_12(&probe, &life, &ticket);

    if (old_form ? !ticket_12(body, &life, &ticket)
                 : !rd_u32(body, &life) || !rd_u32(body, &age_add) || !rd_vec(body, 1, &nonce) ||
                       !rd_vec(body, 2, &ticket)) {
        return false;
    }
    line_add(o, ", for %u seconds, ticket of %zu bytes", life, ticket.n);
    return old_form || line_add_extensions(o, IN_OTHER, body);
}

static bool say_status(struct line *o, struct rd *body)
{
    struct rd response;
    uint8_t type;

    if (!rd_u8(body, &type) || !rd_vec(body, 3, &response)) {
        return false;
    }
    line_add(o, ", OCSP response of %zu bytes", response.n);
    return rd_done(body);
}

static bool say_key_update(struct line *o, struct rd *body)
{
    uint8_t asked;

    if (!rd_u8(body, &asked) || asked > 1) {
        return false;
    }
    line_add(o, asked ? ", asks for the other side's" : ", asks for nothing");
    return rd_done(body);
}

/* No handler: the length says it all, or all that may be said. */
static const struct {
    uint8_t type;
    const char *name;
    bool (*say)(struct line *o, struct rd *body);
} messages[] = {
    { HS_HELLO_REQUEST, "HelloRequest", NULL },
    { HS_CLIENT_HELLO, "ClientHello", say_client_hello },
    { HS_SERVER_HELLO, "ServerHello", say_server_hello },
    { HS_NEW_SESSION_TICKET, "NewSessionTicket", say_ticket },
    { HS_END_OF_EARLY_DATA, "EndOfEarlyData", NULL },
    { HS_ENCRYPTED_EXTENSIONS, "EncryptedExtensions", say_encrypted_extensions },
    { HS_CERTIFICATE, "Certificate", say_certificate },
    { HS_SERVER_KEY_EXCHANGE, "ServerKeyExchange", say_server_key_exchange },
    { HS_CERTIFICATE_REQUEST, "CertificateRequest", say_certificate_request },
    { HS_SERVER_HELLO_DONE, "ServerHelloDone", NULL },
    { HS_CERTIFICATE_VERIFY, "CertificateVerify", say_signature },
    { HS_CLIENT_KEY_EXCHANGE, "ClientKeyExchange", NULL },
    { HS_FINISHED, "Finished", NULL },
    { HS_CERTIFICATE_STATUS, "CertificateStatus", say_status },
    { HS_KEY_UPDATE, "KeyUpdate", say_key_update },
    { HS_COMPRESSED_CERTIFICATE, "CompressedCertificate", NULL },
};
#define NMESSAGES (sizeof messages / sizeof *messages)

static bool is_retry(struct span message)
{
    return message.n >= HS_HEADER + 2 + RANDOM_SIZE &&
           memcmp(message.p + HS_HEADER + 2, hello_retry_random, RANDOM_SIZE) == 0;
}

static void describe(struct line *o, struct span message)
{
    struct rd r = rd_span(message), body;
    const char *name;
    uint8_t type;
    size_t i = 0;

    if (!rd_u8(&r, &type) || !rd_vec(&r, 3, &body) || !rd_done(&r)) {
        line_add(o, "%zu bytes that are no handshake message", message.n);
        return;
    }
    while (i < NMESSAGES && messages[i].type != type) {
        i++;
    }
    name = i < NMESSAGES ? messages[i].name : "message of unknown type";
    if (type == HS_SERVER_HELLO && is_retry(message)) {
        name = "HelloRetryRequest";
    }
    line_add(o, "%s", name);
    if (i == NMESSAGES) {
        line_add(o, " %u", type);
    }
    line_add(o, ", %zu bytes", message.n);
    if (i < NMESSAGES && messages[i].say && !(messages[i].say(o, &body) && rd_done(&body))) {
        line_add(o, " (malformed)");
    }
}

void hs_describe(bool sending, uint16_t version, struct span message, char *line, size_t room)
{
    struct line o = { .text = line, .room = room, .version = version };

    if (room == 0) {
        return;
    }
    line[0] = '\0';
    line_add(&o, sending ? "sending " : "received ");
    describe(&o, message);
    if (o.cut && room > 4) {
        memcpy(line + room - 4, "...", 4);
    }
}

void hs_trace_say(bool sending, uint16_t version, struct span message)
{
    char line[TRACE_LINE];

    hs_describe(sending, version, message, line, sizeof line);
    trace(TRACE_HANDSHAKE, "%s", line);
}
