/* SPDX-License-Identifier: ISC */
/* What is to be done with a private key, for somebody else to do it: a token, a server of keys,
 * another thread. One job is one signature or one decryption of one handshake.
 *
 * A key callback (config_set_key_callback()) gets the job in the thread that called tls_input(). It
 * completes it at once, or takes a reference, returns, and completes it later, from any thread; the
 * handshake waits (TLS_EV_WAIT). The job has copies of all it needs: connection and config may be
 * gone by the time it is done, and then nothing comes of it. Only the first completion counts. A
 * job to which nobody has a reference any more, has failed.
 *
 * A wrong signature is not noticed here but by the peer, which ends the handshake: only its length
 * is looked at. Who signs with RSA by the Chinese remainder theorem and can err, verifies before
 * completion, since an erroneous one gives the key away. */
#ifndef HANDSHAKE_KEY_JOB_H
#define HANDSHAKE_KEY_JOB_H
#include "base/task.h"
#include "x509/x509.h"

struct key_job;
typedef void key_fn(void *ctx, struct key_job *job);
/* The job has been completed: tls_input() goes on. Called from the thread that completes it, and
 * not at all once the connection is freed or has failed: whoever frees it waits for a call that has
 * begun. So it only passes the word on (writes to a pipe, posts a semaphore): it calls nothing of
 * the connection or of the job, and takes no lock that is held around such calls. */
typedef task_wake_fn key_wake_fn;

struct key_request {
    enum key_op {
        KEY_SIGN,
        KEY_DECRYPT, /* RSA key exchange of TLS 1.2 */
    } op;
    const struct scheme *scheme; /* KEY_SIGN: kind of signature, and its hash */
    /* KEY_SIGN: what is signed, before hashing. KEY_DECRYPT: an RSAES-PKCS1-v1_5 ciphertext. */
    struct span input;
    uint16_t client_version;         /* KEY_DECRYPT: what the first two bytes should be */
    const struct identity *identity; /* whose key; one reference is the job's */
};
const struct key_request *key_job_request(const struct key_job *job);
struct key_job *key_job_ref(struct key_job *job);
void key_job_unref(struct key_job *job); /* NULL is fine */

/* KEY_SIGN: the signature as TLS has it (ECDSA: DER); another length than the key's and scheme's
 * ends the handshake.
 * KEY_DECRYPT: the 48 bytes that were padded. Whoever decrypts does nothing by which somebody who
 * measures time could tell good padding from bad (RFC 5246 section 7.4.7.1, threat 12): bad padding
 * is completed as 48 bytes of whatever there is, or as a failure, just as soon. The handshake looks
 * at the version itself, and goes on with random bytes where anything is wrong, failure included:
 * the peer finds out at Finished. */
void key_job_done(struct key_job *job, const void *result, size_t n);
void key_job_failed(struct key_job *job);
/* Does it here and now with the identity's own key, and completes it. Without one it has failed. */
void key_job_run(struct key_job *job);
#endif
