/* SPDX-License-Identifier: ISC */
/* The engine without sockets: the buffer-flow interface of the MatrixSSL Developer's Guide
 * (3.2/3.3). Names, numbers and calling conventions are the guide's; matrixssl(3) describes every
 * call.
 *
 * The application moves the bytes. Received ones go into the room of matrixSslGetReadbuf() and are
 * handed over by matrixSslReceivedData(); those to send come from matrixSslGetOutdata() and are
 * acknowledged by matrixSslSentData(). Lengths are bytes. Negative results are errors (PS_..., or
 * MATRIXSSL_ERROR). Keys may be shared by threads once they are loaded; one session is used by one
 * thread at a time. */
#ifndef MATRIXSSL_MATRIXSSLAPI_H
#define MATRIXSSL_MATRIXSSLAPI_H

#include "../core/coreApi.h"

#define MATRIXSSL_VERSION       "3.3.0-Sleeve"
#define MATRIXSSL_VERSION_MAJOR 3
#define MATRIXSSL_VERSION_MINOR 3
#define MATRIXSSL_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* ---- results of the calls below; the PS_ ones are in core/coreApi.h ---- */
#define MATRIXSSL_ERROR              (-12)
#define MATRIXSSL_SUCCESS            0
#define MATRIXSSL_REQUEST_SEND       1 /* there is something to send: matrixSslGetOutdata() */
#define MATRIXSSL_REQUEST_RECV       2 /* more must be received */
#define MATRIXSSL_REQUEST_CLOSE      3 /* the last alert is on its way: close the transport */
#define MATRIXSSL_APP_DATA           4 /* plaintext for the application */
#define MATRIXSSL_HANDSHAKE_COMPLETE 5 /* once per handshake, before any application data */
#define MATRIXSSL_RECEIVED_ALERT     6 /* two bytes: level and description */

#define SSL_MAX_PLAINTEXT_LEN     0x4000
#define SSL_MAX_DISABLED_CIPHERS  32
#define SSL_ALLOW_ANON_CONNECTION 254 /* from a certificate callback: go on, unauthenticated */

/* ---- cipher suites, IANA numbers ---- */
#define SSL_NULL_WITH_NULL_NULL                       0x0000
#define SSL_RSA_WITH_NULL_MD5                         0x0001
#define SSL_RSA_WITH_NULL_SHA                         0x0002
#define SSL_RSA_WITH_RC4_128_MD5                      0x0004
#define SSL_RSA_WITH_RC4_128_SHA                      0x0005
#define SSL_RSA_WITH_3DES_EDE_CBC_SHA                 0x000A
#define SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA             0x0016
#define SSL_DH_anon_WITH_RC4_128_MD5                  0x0018
#define SSL_DH_anon_WITH_3DES_EDE_CBC_SHA             0x001B
#define TLS_RSA_WITH_AES_128_CBC_SHA                  0x002F
#define TLS_DHE_RSA_WITH_AES_128_CBC_SHA              0x0033
#define TLS_DH_anon_WITH_AES_128_CBC_SHA              0x0034
#define TLS_RSA_WITH_AES_256_CBC_SHA                  0x0035
#define TLS_DHE_RSA_WITH_AES_256_CBC_SHA              0x0039
#define TLS_DH_anon_WITH_AES_256_CBC_SHA              0x003A
#define TLS_RSA_WITH_NULL_SHA256                      0x003B
#define TLS_RSA_WITH_AES_128_CBC_SHA256               0x003C
#define TLS_RSA_WITH_AES_256_CBC_SHA256               0x003D
#define TLS_DHE_RSA_WITH_AES_128_CBC_SHA256           0x0067
#define TLS_DHE_RSA_WITH_AES_256_CBC_SHA256           0x006B
#define TLS_DH_anon_WITH_AES_128_CBC_SHA256           0x006C
#define TLS_DH_anon_WITH_AES_256_CBC_SHA256           0x006D
#define TLS_PSK_WITH_AES_128_CBC_SHA                  0x008C
#define TLS_PSK_WITH_AES_256_CBC_SHA                  0x008D
#define TLS_DHE_PSK_WITH_AES_128_CBC_SHA              0x0090
#define TLS_DHE_PSK_WITH_AES_256_CBC_SHA              0x0091
#define TLS_RSA_PSK_WITH_AES_128_CBC_SHA              0x0094
#define TLS_RSA_PSK_WITH_AES_256_CBC_SHA              0x0095
#define TLS_RSA_WITH_AES_128_GCM_SHA256               0x009C
#define TLS_RSA_WITH_AES_256_GCM_SHA384               0x009D
#define TLS_DHE_RSA_WITH_AES_128_GCM_SHA256           0x009E
#define TLS_DHE_RSA_WITH_AES_256_GCM_SHA384           0x009F
#define TLS_DH_anon_WITH_AES_128_GCM_SHA256           0x00A6
#define TLS_DH_anon_WITH_AES_256_GCM_SHA384           0x00A7
#define TLS_PSK_WITH_AES_128_GCM_SHA256               0x00A8
#define TLS_PSK_WITH_AES_256_GCM_SHA384               0x00A9
#define TLS_DHE_PSK_WITH_AES_128_GCM_SHA256           0x00AA
#define TLS_DHE_PSK_WITH_AES_256_GCM_SHA384           0x00AB
#define TLS_RSA_PSK_WITH_AES_128_GCM_SHA256           0x00AC
#define TLS_RSA_PSK_WITH_AES_256_GCM_SHA384           0x00AD
#define TLS_PSK_WITH_AES_128_CBC_SHA256               0x00AE
#define TLS_PSK_WITH_AES_256_CBC_SHA384               0x00AF
#define TLS_DHE_PSK_WITH_AES_128_CBC_SHA256           0x00B2
#define TLS_DHE_PSK_WITH_AES_256_CBC_SHA384           0x00B3
#define TLS_RSA_PSK_WITH_AES_128_CBC_SHA256           0x00B6
#define TLS_RSA_PSK_WITH_AES_256_CBC_SHA384           0x00B7
#define TLS_EMPTY_RENEGOTIATION_INFO_SCSV             0x00FF
#define TLS_AES_128_GCM_SHA256                        0x1301
#define TLS_AES_256_GCM_SHA384                        0x1302
#define TLS_CHACHA20_POLY1305_SHA256                  0x1303
#define TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA           0xC004
#define TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA           0xC005
#define SSL_ECDHE_ECDSA_WITH_RC4_128_SHA              0xC007
#define SSL_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA         0xC008
#define TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA          0xC009
#define TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA          0xC00A
#define TLS_ECDH_RSA_WITH_AES_128_CBC_SHA             0xC00E
#define TLS_ECDH_RSA_WITH_AES_256_CBC_SHA             0xC00F
#define SSL_ECDHE_RSA_WITH_RC4_128_SHA                0xC011
#define SSL_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA           0xC012
#define TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA            0xC013
#define TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA            0xC014
#define TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256       0xC023
#define TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384       0xC024
#define TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256         0xC027
#define TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384         0xC028
#define TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256       0xC02B
#define TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384       0xC02C
#define TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256         0xC02F
#define TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384         0xC030
#define TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA            0xC035
#define TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA            0xC036
#define TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256         0xC037
#define TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384         0xC038
#define TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256   0xCCA8
#define TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 0xCCA9
#define TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256     0xCCAA
#define TLS_PSK_WITH_CHACHA20_POLY1305_SHA256         0xCCAB
#define TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256   0xCCAC
#define TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256     0xCCAD
#define TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256     0xCCAE
#define TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256         0xD001
#define TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384         0xD002

/* ---- alerts (RFC 8446 section 6, RFC 5246 section 7.2) ---- */
#define SSL_ALERT_LEVEL_WARNING 1
#define SSL_ALERT_LEVEL_FATAL   2

#define SSL_ALERT_CLOSE_NOTIFY                    0
#define SSL_ALERT_UNEXPECTED_MESSAGE              10
#define SSL_ALERT_BAD_RECORD_MAC                  20
#define SSL_ALERT_DECRYPTION_FAILED               21
#define SSL_ALERT_RECORD_OVERFLOW                 22
#define SSL_ALERT_DECOMPRESSION_FAILURE           30
#define SSL_ALERT_HANDSHAKE_FAILURE               40
#define SSL_ALERT_NO_CERTIFICATE                  41
#define SSL_ALERT_BAD_CERTIFICATE                 42
#define SSL_ALERT_UNSUPPORTED_CERTIFICATE         43
#define SSL_ALERT_CERTIFICATE_REVOKED             44
#define SSL_ALERT_CERTIFICATE_EXPIRED             45
#define SSL_ALERT_CERTIFICATE_UNKNOWN             46
#define SSL_ALERT_ILLEGAL_PARAMETER               47
#define SSL_ALERT_UNKNOWN_CA                      48
#define SSL_ALERT_ACCESS_DENIED                   49
#define SSL_ALERT_DECODE_ERROR                    50
#define SSL_ALERT_DECRYPT_ERROR                   51
#define SSL_ALERT_PROTOCOL_VERSION                70
#define SSL_ALERT_INSUFFICIENT_SECURITY           71
#define SSL_ALERT_INTERNAL_ERROR                  80
#define SSL_ALERT_INAPPROPRIATE_FALLBACK          86
#define SSL_ALERT_USER_CANCELED                   90
#define SSL_ALERT_NO_RENEGOTIATION                100
#define SSL_ALERT_MISSING_EXTENSION               109
#define SSL_ALERT_UNSUPPORTED_EXTENSION           110
#define SSL_ALERT_UNRECOGNIZED_NAME               112
#define SSL_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE 113
#define SSL_ALERT_UNKNOWN_PSK_IDENTITY            115
#define SSL_ALERT_CERTIFICATE_REQUIRED            116
#define SSL_ALERT_NO_APPLICATION_PROTOCOL         120
#define SSL_ALERT_NONE                            255

/* ---- certificates, as callbacks see them: valid during the call ---- */
#define ASN_UTCTIME         23
#define ASN_GENERALIZEDTIME 24

typedef struct { /* NULL: not there; text ends with NUL, a NUL inside shows as '?' */
    char *country;
    char *state;
    char *locality;
    char *organization;
    char *orgUnit;
    char *commonName;
} x509DNattributes_t;

typedef struct x509GeneralName {
    int32 id;            /* 1 email, 2 DNS, 6 URI, 7 IP, else the tag of RFC 5280 4.2.1.6 */
    char name[16];       /* "email", "DNS", "URI", "IP", "other" */
    unsigned char *data; /* as encoded; a NUL stands behind dataLen */
    int32 dataLen;
    struct x509GeneralName *next;
} x509GeneralName_t;

typedef struct {
    x509GeneralName_t *san; /* NULL: no subjectAltName */
    struct {
        int32 cA;                /* PS_TRUE, PS_FALSE */
        int32 pathLenConstraint; /* -1: none */
    } bc;
} x509v3extensions_t;

typedef struct psX509Cert {
    x509DNattributes_t subject;
    x509DNattributes_t issuer;
    int32 version; /* 1 to 3 */
    unsigned char *serialNumber;
    int32 serialNumberLen;
    int32 timeType; /* ASN_UTCTIME: YYMMDDHHMMSSZ, ASN_GENERALIZEDTIME: YYYYMMDDHHMMSSZ */
    char *notBefore;
    char *notAfter;
    int32 authStatus; /* PS_CERT_AUTH_PASS, or PS_CERT_AUTH_FAIL...: the verdict on the chain */
    x509v3extensions_t extensions;
    unsigned char *unparsedBin; /* the DER */
    int32 binLen;
    struct psX509Cert *next; /* the next one that the peer presented; NULL ends */
} psX509Cert_t;

/* ---- keys and sessions ---- */
typedef struct sslKeys sslKeys_t; /* a certificate list, its key, trusted CAs */
typedef struct tlsExtension tlsExtension_t;

/* Filled when a session is complete, and again when a ticket arrives later; an address that is
 * given to the next session resumes it, in TLS 1.3 once for each ticket. Plain data: it may be
 * copied and kept, but holds secrets. Must live as long as the session. */
#define SSL_SESSION_STATE_MAX 4096
typedef struct {
    unsigned char id[32]; /* TLS 1.2 session id; zero when there is none */
    unsigned char masterSecret[48];
    uint32 cipherId; /* suite of the session; 0: none yet */
    uint32 accepted; /* 0, or how a certificate was accepted against the library's verdict */
    uint32 stateLen; /* bytes of state; 0: nothing that could be resumed */
    unsigned char state[SSL_SESSION_STATE_MAX];
} sslSessionId_t;

typedef struct ssl { /* the rest is the library's */
    sslKeys_t *keys;
    sslSessionId_t *sid; /* client: as given, or NULL */
} ssl_t;

/* `alert` is the engine's own verdict on the chain, its dates and, when one is expected, its name:
 * 0, or an SSL_ALERT_. Returns 0 or SSL_ALLOW_ANON_CONNECTION to go on, > 0 the alert to send, < 0
 * for internal_error. */
typedef int32 (*sslCertCb_t)(ssl_t *ssl, psX509Cert_t *cert, int32 alert);
/* An extension of the server's hello: extLen bytes at e, valid during the call. Results as above.
 */
typedef int32 (*sslExtCb_t)(ssl_t *ssl, unsigned short extType, unsigned short extLen, void *e);

/* Calls may be nested; the last matrixSslClose() forgets the cached sessions and what
 * matrixSslSetCipherSuiteEnabledStatus(NULL, ...) said. */
int32 matrixSslOpen(void);
void matrixSslClose(void);
/* matrixSslOpen() with all memory of the engine and of its cryptography out of the `size` bytes at
 * `memory`, which must stay for the life of the process. PS_MEM_FAIL: too small; PS_FAILURE: there
 * is another arena, or libcrypto has been in use before. The same memory again is fine. */
int32 matrixSslOpenWithArena(void *memory, uint32 size);

/* ---- keys: to be loaded before the first session uses them ---- */
int32 matrixSslNewKeys(sslKeys_t **keys);
void matrixSslDeleteKeys(sslKeys_t *keys); /* NULL is fine; sessions in use keep what they need */
void matrixSslFreeKeys(sslKeys_t *keys);   /* the same */
/* PEM or DER; several files are separated by ';'. Any of certFile with privFile, or trustedCAFile,
 * may be NULL. */
#ifdef PS_USE_FILE_SYSTEM
int32 matrixSslLoadRsaKeys(sslKeys_t *keys, const char *certFile, const char *privFile,
                           const char *privPass, const char *trustedCAFile);
/* Key and certificates of one PKCS#12 file. Passwords need no NUL; macPass NULL: importPass. Two
 * different ones are PS_UNSUPPORTED_FAIL; flags mean nothing. */
#ifdef USE_PKCS12
int32 matrixSslLoadPkcs12(sslKeys_t *keys, unsigned char *p12File, unsigned char *importPass,
                          int32 importPassLen, unsigned char *macPass, int32 macPassLen,
                          int32 flags);
#endif
int32 matrixSslLoadDhParams(sslKeys_t *keys, const char *paramFile);
#endif
int32 matrixSslLoadRsaKeysMem(sslKeys_t *keys, unsigned char *cert, int32 certLen,
                              unsigned char *priv, int32 privLen, unsigned char *trustedCA,
                              int32 trustedCALen);
/* Diffie-Hellman parameters, PEM or DER, are checked (at least 2048 bits, a safe prime) and kept:
 * no suite that is compiled uses them yet. */
int32 matrixSslLoadDhParamsMem(sslKeys_t *keys, unsigned char *params, int32 len);
/* A pre-shared key of 1 to SSL_PSK_MAX_KEY_SIZE bytes under an identity of 1 to
 * SSL_PSK_MAX_ID_SIZE, copied; several may be loaded, one of the same identity is replaced.
 *
 * TLS 1.3 uses those of at least 16 bytes whose identity is a text (without NUL), with suites of
 * SHA-256 and a key exchange. The key is to be random, 128 bits at least: whoever sees a handshake
 * can try out passwords (RFC 9257). It is for one client and one server, never for both ways. Who
 * has the key is authenticated by it, both ends, without certificate or certCb; sslInfo_t has its
 * identity. A client offers the four loaded last; when the server knows none of them it needs a
 * certificate, which is verified as ever.
 *
 * TLS 1.2 uses those of any length where suites with PSK in their name are enabled or nominated,
 * which says that the key will do; only TLS_RSA_PSK suites have a certificate of the server beside
 * it. A client takes the key whose identity is the server's hint, else the one loaded last; a
 * server goes on with a key of nobody's when it does not know an identity. One key then serves both
 * versions, which nobody has shown to be safe (RFC 8446 appendix E.7): leave TLS 1.3 out where that
 * matters.
 *
 * A server with keys needs no certificate, and then speaks the versions that it has suites for its
 * keys of; one with a certCb asks for certificates and takes no pre-shared key. */
#define SSL_PSK_MAX_KEY_SIZE 64
#define SSL_PSK_MAX_ID_SIZE  128
int32 matrixSslLoadPsk(sslKeys_t *keys, unsigned char *key, uint32 keyLen, unsigned char *id,
                       uint32 idLen);
/* A server's OCSP response, DER, for the certificate that was loaded last; replaces the one before.
 * The caller has fetched it and fetches it anew in time. */
int32 matrixSslLoadOCSPResponse(sslKeys_t *keys, const unsigned char *response, uint32 len);
/* The key of a server's session tickets in place of one drawn at random, so that several servers
 * resume each other's sessions: a name of 16 bytes that travels in clear, 16 or 32 bytes of symKey
 * and 32 of hashKey (both make the one key that is used). The one before serves on for old tickets.
 */
int32 matrixSslLoadSessionTicketKeys(sslKeys_t *keys, const unsigned char name[16],
                                     const unsigned char *symKey, short symKeyLen,
                                     const unsigned char *hashKey, short hashKeyLen);

/* ---- sessions ---- */
#define matrixSslInitSessionId(SID) memset(&(SID), 0, sizeof(sslSessionId_t))

/* cipherSpec nominates one suite (PS_UNSUPPORTED_FAIL: not compiled, PS_DISABLED_FEATURE_FAIL:
 * switched off); 0 offers all that are enabled. Without expected name the chain's verdict decides,
 * in certCb when there is one. */
#ifdef USE_CLIENT_SIDE_SSL
int32 matrixSslNewClientSession(ssl_t **ssl, sslKeys_t *keys, sslSessionId_t *sid,
                                uint32 cipherSpec, sslCertCb_t certCb, tlsExtension_t *extensions,
                                sslExtCb_t extCb);
#endif
/* With certCb the client must authenticate. */
#ifdef USE_SERVER_SIDE_SSL
int32 matrixSslNewServerSession(ssl_t **ssl, sslKeys_t *keys, sslCertCb_t certCb);
#endif
void matrixSslDeleteSession(ssl_t *ssl); /* NULL is fine */

/* May this suite be used? ssl NULL: by every session made from now on; else by this one, before its
 * first bytes move. A client's nominated suite needs no PS_TRUE. */
int32 matrixSslSetCipherSuiteEnabledStatus(ssl_t *ssl, uint16 cipherId, uint32 status);
/* PS_TRUE: the certificate callback let the peer in with SSL_ALLOW_ANON_CONNECTION. */
void matrixSslGetAnonStatus(ssl_t *ssl, int32 *anon);

/* ---- another handshake on the connection ---- */
#define SSL_OPTION_FULL_HANDSHAKE 1
/* TLS 1.2: from now on with other keys, another certCb, another suite, where they are given (then a
 * full handshake), else resuming the present session unless sessionOption says
 * SSL_OPTION_FULL_HANDSHAKE. Keys must live as long as those of the session.
 * TLS 1.3: new traffic keys (KeyUpdate); a server's certCb asks for the client's certificate, with
 * keys to judge it by. What it cannot do is PS_UNSUPPORTED_FAIL.
 * Data flows on both sides meanwhile; PS_FAILURE from an encoding call means: not until the
 * handshake is complete. */
int32 matrixSslEncodeRehandshake(ssl_t *ssl, sslKeys_t *keys, sslCertCb_t certCb,
                                 uint32 sessionOption, uint32 cipherSpec);
/* The peer may begin as many handshakes as there are credits: 1, one more for each 20 MB of data,
 * and those that are added here (taken away, when negative). Others get a no_renegotiation warning.
 */
void matrixSslAddRehandshakeCredits(ssl_t *ssl, int32 credits);

/* ---- more extensions for a client's hello ---- */
#define EXT_SERVER_NAME      0
#define EXT_SNI              EXT_SERVER_NAME
#define EXT_MAX_FRAGMENT_LEN 1
#define EXT_STATUS_REQUEST   5
#define EXT_ALPN             16

int32 matrixSslNewHelloExtension(tlsExtension_t **extension);
/* Copies the body of one extension; one of the same type is PS_ARG_FAIL, more than 4096 bytes in
 * all PS_LIMIT_FAIL. Those named above become settings of the session; any other that the library
 * sends by itself makes matrixSslNewClientSession() return PS_ARG_FAIL. */
int32 matrixSslLoadHelloExtension(tlsExtension_t *extension, unsigned char *data, uint32 len,
                                  uint32 type);
void matrixSslDeleteHelloExtension(tlsExtension_t *extension); /* once the session is made */

/* ---- the flow of bytes ---- */
int32 matrixSslGetReadbuf(ssl_t *ssl, unsigned char **buf);
int32 matrixSslReceivedData(ssl_t *ssl, uint32 bytes, unsigned char **ptbuf, uint32 *ptlen);
int32 matrixSslProcessedData(ssl_t *ssl, unsigned char **ptbuf, uint32 *ptlen);
int32 matrixSslGetWritebuf(ssl_t *ssl, unsigned char **buf, uint32 reqLen);
int32 matrixSslEncodeWritebuf(ssl_t *ssl, uint32 len);
int32 matrixSslEncodeToOutdata(ssl_t *ssl, unsigned char *buf, uint32 len);
int32 matrixSslGetOutdata(ssl_t *ssl, unsigned char **buf);
int32 matrixSslSentData(ssl_t *ssl, uint32 bytes);
int32 matrixSslEncodeClosureAlert(ssl_t *ssl);

/* ---- beyond the guide: before any byte of the session has moved (a client's hello is made anew)
 * --
 */
/* The name or IP address that the server's certificate must carry; a DNS name is sent as SNI too. A
 * client's. PS_ARG_FAIL: no such name. */
int32 matrixSslSetExpectedName(ssl_t *ssl, const char *name);
/* Protocol names in order of preference (RFC 7301). */
int32 matrixSslSetAlpn(ssl_t *ssl, const char *const *names, uint32 count);
#define SSL_VERSION_SSL_3_0 0x0300
#define SSL_VERSION_TLS_1_0 0x0301
#define SSL_VERSION_TLS_1_1 0x0302
#define SSL_VERSION_TLS_1_2 0x0303
#define SSL_VERSION_TLS_1_3 0x0304
/* PS_DISABLED_FEATURE_FAIL: one of the two is not compiled; PS_UNSUPPORTED_FAIL: a suite was
 * nominated that belongs to neither. */
int32 matrixSslSetVersionRange(ssl_t *ssl, uint32 lowest, uint32 highest);
/* A client's: asks for records of at most 512, 1024, 2048 or 4096 bytes (RFC 6066); 0 for any. */
int32 matrixSslSetMaxFragment(ssl_t *ssl, uint32 bytes);
/* A client's: with PS_FALSE no tickets are asked for, and TLS 1.2 resumes by session id. */
int32 matrixSslSetSessionTickets(ssl_t *ssl, uint32 PS_TRUE_or_PS_FALSE);
/* A client's: asks for an OCSP response with the certificate; sslInfo_t has what came. */
int32 matrixSslRequestStatus(ssl_t *ssl, uint32 PS_TRUE_or_PS_FALSE);

/* ---- beyond the guide: at any time ---- */
/* New keys for what is sent, and with PS_TRUE for what is received too (TLS 1.3). */
int32 matrixSslEncodeKeyUpdate(ssl_t *ssl, uint32 askPeer);

/* Secrets of every session made from now on, one line each as in SSLKEYLOGFILE, without newline:
 * who has them can read the connections. fn NULL: no more. fn may be called by several threads. */
void matrixSslSetKeyLog(void (*fn)(void *ctx, const char *line), void *ctx);
/* The same into a file, appended, made for its owner alone; path NULL: the one that SSLKEYLOGFILE
 * names, or none. */
#ifdef PS_USE_FILE_SYSTEM
int32 matrixSslOpenKeyLog(const char *path);
#endif

typedef struct { /* strings are static or live as long as the session; "" is: none, or not yet */
    const char *version; /* "TLSv1.3" */
    const char *suite;
    const char *group;
    const char *alpn;
    const char *error; /* what went wrong, a sentence */
    uint32 cipherId;
    int32 alertSent, alertReceived; /* SSL_ALERT_NONE: none */
    uint32 versionId;               /* SSL_VERSION_..., 0: not yet */
    int32 resumed;                  /* the last handshake; PS_TRUE, PS_FALSE, as all below */
    int32 secureRenegotiation;      /* the peer knows RFC 5746 (always in TLS 1.3) */
    int32 extendedMasterSecret, encryptThenMac; /* TLS 1.2 */
    int32 clientAuth;                           /* server: the client proved its certificate */
    const char *serverName;                     /* as sent, or as received */
    const unsigned char *ocspResponse;          /* client: DER; NULL: none came */
    uint32 ocspResponseLen;
    const char *pskIdentity; /* of the pre-shared key of both ends; a server's: also resumed */
} sslInfo_t;
int32 matrixSslGetInfo(ssl_t *ssl, sslInfo_t *info);

/* ---- beyond the guide: helpers that belong to the application, whose psMalloc() they use ---- */
/* The body of EXT_SERVER_NAME for matrixSslLoadHelloExtension(); to be freed with psFree(). */
static inline int32 matrixSslCreateSNIext(psPool_t *pool, unsigned char *host, int32 hostLen,
                                          unsigned char **extOut, int32 *extLen)
{
    unsigned char *p;

    (void)pool;
    if (!host || !extOut || !extLen || hostLen < 1 || hostLen > 255) {
        return PS_ARG_FAIL;
    }
    p = (unsigned char *)psMalloc(pool, (size_t)hostLen + 5);
    if (!p) {
        return PS_MEM_FAIL;
    }
    p[0] = (unsigned char)((hostLen + 3) >> 8); /* ServerNameList, one host_name */
    p[1] = (unsigned char)(hostLen + 3);
    p[2] = p[3] = 0;
    p[4] = (unsigned char)hostLen;
    memcpy(p + 5, host, (size_t)hostLen);
    *extOut = p;
    *extLen = hostLen + 5;
    return PS_SUCCESS;
}

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
