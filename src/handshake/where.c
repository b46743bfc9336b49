/* SPDX-License-Identifier: ISC */
/* The state of a handshake in words: the message that is waited for, by its name in the RFCs. */
#include "handshake/local.h"

static const char *const waits_for[HS_STATES] = {
    [C_WAIT_SH] = "ServerHello",
    [C_WAIT_SH2] = "ServerHello after HelloRetryRequest",
    [C_WAIT_EE] = "EncryptedExtensions",
    [C_WAIT_CERT_CR] = "CertificateRequest or Certificate",
    [C_WAIT_CERT] = "Certificate",
    [C_WAIT_CV] = "CertificateVerify",
    [C_WAIT_FINISHED] = "Finished",
    [C_CONNECTED] = "data",
    [C12_WAIT_CERT] = "Certificate",
    [C12_WAIT_STATUS] = "CertificateStatus",
    [C12_WAIT_SKE] = "ServerKeyExchange",
    [C12_WAIT_CR] = "CertificateRequest",
    [C12_WAIT_DONE] = "ServerHelloDone",
    [C12_WAIT_NST] = "NewSessionTicket",
    [C12_WAIT_CCS] = "change_cipher_spec",
    [C12_WAIT_FINISHED] = "Finished",
    [C12_CONNECTED] = "data",
    [S_WAIT_CH] = "ClientHello",
    [S_WAIT_CH2] = "ClientHello after HelloRetryRequest",
    [S_WAIT_EOED] = "EndOfEarlyData",
    [S_WAIT_CERT] = "Certificate",
    [S_WAIT_CV] = "CertificateVerify",
    [S_WAIT_FINISHED] = "Finished",
    [S_CONNECTED] = "data",
    [S_POST_CERT] = "Certificate after the handshake",
    [S_POST_CV] = "CertificateVerify after the handshake",
    [S_POST_FINISHED] = "Finished after the handshake",
    [S12_WAIT_CERT] = "Certificate",
    [S12_WAIT_CKE] = "ClientKeyExchange",
    [S12_WAIT_CV] = "CertificateVerify",
    [S12_WAIT_CCS] = "change_cipher_spec",
    [S12_WAIT_FINISHED] = "Finished",
    [S12_CONNECTED] = "data",
};

const char *hs_where(const struct hs *h)
{
    return waits_for[h->state];
}
