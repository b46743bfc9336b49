/* SPDX-License-Identifier: ISC */
/* One end of the self-test of a build: connections over a descriptor with data both ways, or a look
 * at what the build refuses. Only the guide's API, so that any build has all that is used here.
 *
 *     trial DIRECTORY server|client SUITE DESCRIPTOR NAME
 *     trial DIRECTORY refuses SUITE...
 *
 * SUITE is a number in hex, 0 any. DIRECTORY has ca.pem and, of a server, NAME.pem and NAME.key;
 * further ec.p12 and locked.key. Three connections, the later ones resume; prints what the last one
 * has allocated while it idles. */
#include <core/coreApi.h>
#include <matrixssl/matrixsslApi.h>

#include <malloc.h>
#include <unistd.h>

#define CONNECTIONS 3
#define ECHOED      40000 /* bytes of the longest message: several records */

static int fd;
static ssl_t *ssl;
static sslSessionId_t sid;
static unsigned char heard[ECHOED], text[ECHOED];
static uint32 nheard;
static int complete; /* the handshake is */

static void die(const char *what, long how)
{
    sslInfo_t info;

    memset(&info, 0, sizeof(info));
    if (ssl) {
        (void)matrixSslGetInfo(ssl, &info);
    }
    printf("%s: %ld%s%s\n", what, how, info.error ? ", " : "", info.error ? info.error : "");
    exit(1);
}

/* ---- keys ---- */
static int32 slurp(const char *dir, const char *name, unsigned char *out, int32 room)
{
    char path[512];
    FILE *f;
    int32 n;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "rb");
    if (!f) {
        return 0;
    }
    n = (int32)fread(out, 1, (size_t)room, f);
    fclose(f);
    return n;
}

static int32 loadKeys(sslKeys_t **keys, const char *dir, const char *own)
{
    static unsigned char cert[8192], key[8192], ca[8192];
    char name[64];
    int32 ncert = 0, nkey = 0, nca, rc;

    rc = matrixSslNewKeys(keys);
    if (rc < 0) {
        return rc;
    }
    if (own) {
        snprintf(name, sizeof(name), "%s.pem", own);
        ncert = slurp(dir, name, cert, sizeof(cert));
        snprintf(name, sizeof(name), "%s.key", own);
        nkey = slurp(dir, name, key, sizeof(key));
    }
    nca = own ? 0 : slurp(dir, "ca.pem", ca, sizeof(ca));
    return matrixSslLoadRsaKeysMem(*keys, ncert ? cert : NULL, ncert, nkey ? key : NULL, nkey,
                                   nca ? ca : NULL, nca);
}

/* ---- bytes ---- */
static void flush(void)
{
    unsigned char *out;
    int32 n;

    while ((n = matrixSslGetOutdata(ssl, &out)) > 0) {
        ssize_t sent = write(fd, out, (size_t)n);

        if (sent <= 0) {
            die("write", (long)sent);
        }
        n = matrixSslSentData(ssl, (uint32)sent);
        if (n < 0) {
            die("matrixSslSentData", n);
        }
        complete |= n == MATRIXSSL_HANDSHAKE_COMPLETE;
    }
}

/* What is in the buffer, n bytes of it new. 1: the peer has closed. */
static int take(uint32 n)
{
    unsigned char *pt = NULL;
    uint32 len = 0;
    int closed = 0;
    int32 rc = matrixSslReceivedData(ssl, n, &pt, &len);

    while (rc == MATRIXSSL_APP_DATA || rc == MATRIXSSL_HANDSHAKE_COMPLETE ||
           rc == MATRIXSSL_RECEIVED_ALERT) {
        if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
            complete = 1;
            rc = matrixSslReceivedData(ssl, 0, &pt, &len);
            continue;
        }
        if (rc == MATRIXSSL_RECEIVED_ALERT) {
            if (pt[1] != SSL_ALERT_CLOSE_NOTIFY) {
                die("alert", pt[1]);
            }
            closed = 1;
        } else if (len > sizeof(heard) - nheard) {
            die("too much data", (long)len);
        } else {
            memcpy(heard + nheard, pt, len);
            nheard += len;
        }
        rc = matrixSslProcessedData(ssl, &pt, &len);
    }
    if (rc < 0) {
        die("matrixSslReceivedData", rc);
    }
    flush();
    return closed;
}

/* Until the handshake is complete, or `want` bytes are there, or the peer has closed. */
static void until(int32 event, uint32 want)
{
    int closed = 0;

    flush();
    while (!(event == MATRIXSSL_HANDSHAKE_COMPLETE ? complete
             : event == MATRIXSSL_APP_DATA         ? nheard >= want
                                                   : closed)) {
        unsigned char *in;
        int32 room = matrixSslGetReadbuf(ssl, &in);
        ssize_t got = room > 0 ? read(fd, in, (size_t)room) : -1;

        if (got <= 0) {
            die("read", (long)got);
        }
        closed = take((uint32)got);
    }
}

static void say(const unsigned char *p, uint32 n)
{
    while (n > 0) {
        uint32 part = n > SSL_MAX_PLAINTEXT_LEN ? SSL_MAX_PLAINTEXT_LEN : n;
        unsigned char *room;
        int32 rc = matrixSslGetWritebuf(ssl, &room, part);

        if (rc <= 0) {
            die("matrixSslGetWritebuf", rc);
        }
        part = part > (uint32)rc ? (uint32)rc : part;
        memcpy(room, p, part);
        rc = matrixSslEncodeWritebuf(ssl, part);
        if (rc <= 0) {
            die("matrixSslEncodeWritebuf", rc);
        }
        flush();
        p += part;
        n -= part;
    }
}

/* ---- a connection ---- */
static void talk(int client)
{
    static const uint32 sizes[] = { 1, 1000, ECHOED };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        if (client) {
            for (uint32 j = 0; j < sizes[i]; j++) {
                text[j] = (unsigned char)(j * 7 + i);
            }
            say(text, sizes[i]);
        }
        until(MATRIXSSL_APP_DATA, sizes[i]);
        if (client && memcmp(text, heard, sizes[i]) != 0) {
            die("the echo is another text", (long)sizes[i]);
        }
        if (!client) {
            say(heard, sizes[i]);
        }
        nheard = 0;
    }
}

static int32 begin(sslKeys_t *keys, int client, uint32 suite)
{
    (void)keys;
    (void)suite;
#ifdef USE_CLIENT_SIDE_SSL
    if (client) {
        return matrixSslNewClientSession(&ssl, keys, &sid, suite, NULL, NULL, NULL);
    }
#endif
#ifdef USE_SERVER_SIDE_SSL
    if (!client) {
        return matrixSslNewServerSession(&ssl, keys, NULL);
    }
#endif
    return PS_DISABLED_FEATURE_FAIL;
}

static int allocated(void)
{
#ifdef USE_PEERSEC_MEMORY_MANAGEMENT
    return 0;
#else
    return (int)mallinfo2().uordblks;
#endif
}

static int connections(const char *dir, int client, uint32 suite, const char *own)
{
    sslKeys_t *keys;
    sslInfo_t info;
    int before, heap = 0;
    int32 rc = loadKeys(&keys, dir, client ? NULL : own);

    if (rc < 0) {
        die("keys", rc);
    }
    if (suite && !client) {
        rc = matrixSslSetCipherSuiteEnabledStatus(NULL, (uint16)suite, PS_TRUE);
        if (rc < 0) {
            die("matrixSslSetCipherSuiteEnabledStatus", rc);
        }
    }
    matrixSslInitSessionId(sid);
    memset(&info, 0, sizeof(info));
    for (int i = 0; i < CONNECTIONS; i++) {
        before = allocated();
        complete = 0;
        rc = begin(keys, client, suite);
        if (rc < 0) {
            die("session", rc);
        }
        until(MATRIXSSL_HANDSHAKE_COMPLETE, 0);
        talk(client);
        heap = allocated() - before;
        (void)matrixSslGetInfo(ssl, &info);
        if (suite && info.cipherId != suite) {
            die("another suite", (long)info.cipherId);
        }
#ifndef SSL_REHANDSHAKES_ENABLED
        if (info.versionId <= SSL_VERSION_TLS_1_2 &&
            matrixSslEncodeRehandshake(ssl, NULL, NULL, 0, 0) != PS_DISABLED_FEATURE_FAIL) {
            die("a re-handshake", 0);
        }
#endif
        if (client) {
            matrixSslEncodeClosureAlert(ssl);
            flush();
        }
        until(MATRIXSSL_RECEIVED_ALERT, 0);
        if (!client) {
            matrixSslEncodeClosureAlert(ssl);
            flush();
        }
        if (i < CONNECTIONS - 1) {
            matrixSslDeleteSession(ssl);
        }
    }
    printf("heap %d %s %s%s\n", heap, info.version, info.suite, info.resumed ? " resumed" : "");
    matrixSslDeleteSession(ssl);
    matrixSslDeleteKeys(keys);
    matrixSslClose();
    return 0;
}

/* ---- what is not compiled ---- */
static int wrong;

static void expect(const char *what, int32 got, int32 wanted)
{
    if (got != wanted) {
        printf("%s: %d, not %d\n", what, (int)got, (int)wanted);
        wrong = 1;
    }
}

#if !defined(USE_TLS_1_2) || !defined(USE_TLS_1_3)
/* A session of whichever side there is, that is to speak one version only. */
static void refusesVersion(const char *dir, uint32 version)
{
    sslKeys_t *keys;
    int32 rc = loadKeys(&keys, dir, "ec");

    expect("keys", rc, PS_SUCCESS);
#ifdef USE_CLIENT_SIDE_SSL
    expect("client", begin(keys, 1, 0), MATRIXSSL_REQUEST_SEND);
#else
    expect("server", begin(keys, 0, 0), PS_SUCCESS);
#endif
    expect("version", matrixSslSetVersionRange(ssl, version, version), PS_DISABLED_FEATURE_FAIL);
    matrixSslDeleteSession(ssl);
    ssl = NULL;
    matrixSslDeleteKeys(keys);
}
#endif

#ifndef USE_CLIENT_AUTH
static int32 anyone(ssl_t *s, psX509Cert_t *cert, int32 alert)
{
    (void)s, (void)cert;
    return alert;
}
#endif

static void refusesKeys(const char *dir)
{
    sslKeys_t *keys = NULL;
    char cert[512], locked[512], p12[512];

    snprintf(cert, sizeof(cert), "%s/ec.pem", dir);
    snprintf(locked, sizeof(locked), "%s/locked.key", dir);
    snprintf(p12, sizeof(p12), "%s/ec.p12", dir);
    expect("NewKeys", matrixSslNewKeys(&keys), PS_SUCCESS);
#ifdef PS_USE_FILE_SYSTEM
#ifdef USE_PKCS5
    expect("encrypted key", matrixSslLoadRsaKeys(keys, cert, locked, "pass", NULL), PS_SUCCESS);
#elif defined(USE_PRIVATE_KEY_PARSING)
    expect("encrypted key", matrixSslLoadRsaKeys(keys, cert, locked, "pass", NULL), PS_FAILURE);
#else
    expect("key", matrixSslLoadRsaKeys(keys, cert, locked, "pass", NULL), PS_UNSUPPORTED_FAIL);
#endif
#ifdef USE_PKCS12
    expect("PKCS#12",
           matrixSslLoadPkcs12(keys, (unsigned char *)p12, (unsigned char *)"pass", 4, NULL, 0, 0),
           PS_SUCCESS);
#endif
#endif
#if defined(USE_SERVER_SIDE_SSL) && !defined(USE_CLIENT_AUTH)
    expect("client authentication", matrixSslNewServerSession(&ssl, keys, anyone),
           PS_DISABLED_FEATURE_FAIL);
#endif
    matrixSslDeleteKeys(keys);
}

static int refuses(const char *dir, char **suites)
{
    for (; *suites; suites++) {
        expect(
            *suites,
            matrixSslSetCipherSuiteEnabledStatus(NULL, (uint16)strtoul(*suites, NULL, 16), PS_TRUE),
            PS_UNSUPPORTED_FAIL);
    }
#ifndef USE_TLS_1_2
    refusesVersion(dir, SSL_VERSION_TLS_1_2);
#endif
#ifndef USE_TLS_1_3
    refusesVersion(dir, SSL_VERSION_TLS_1_3);
#endif
    refusesKeys(dir);
    matrixSslClose();
    return wrong;
}

int main(int argc, char **argv)
{
    if (argc < 3 || matrixSslOpen() != PS_SUCCESS) {
        return 2;
    }
    if (strcmp(argv[2], "refuses") == 0) {
        return refuses(argv[1], argv + 3);
    }
    if (argc != 6) {
        return 2;
    }
    fd = atoi(argv[4]);
    return connections(argv[1], strcmp(argv[2], "client") == 0, (uint32)strtoul(argv[3], NULL, 16),
                       argv[5]);
}
