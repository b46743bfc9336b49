# SPDX-License-Identifier: ISC
"""The cipher suites of SSL 3.0 to TLS 1.2 that a legacy build has, a row each: number, key exchange, cipher, and what
others call them."""

VERSIONS = {"30": "SSLv3", "10": "TLSv1.0", "11": "TLSv1.1", "12": "TLSv1.2"}
# A cipher's name at IANA: at OpenSSL, GnuTLS's words for it, whether it is of TLS 1.2 alone.
CIPHERS = {
    "NULL_MD5": ("NULL-MD5", "+NULL:+MD5", False),
    "NULL_SHA": ("NULL-SHA", "+NULL:+SHA1", False),
    "NULL_SHA256": ("NULL-SHA256", "+NULL:+SHA256", True),
    "RC4_128_MD5": ("RC4-MD5", "+ARCFOUR-128:+MD5", False),
    "RC4_128_SHA": ("RC4-SHA", "+ARCFOUR-128:+SHA1", False),
    "3DES_EDE_CBC_SHA": ("DES-CBC3-SHA", "+3DES-CBC:+SHA1", False),
    "AES_128_CBC_SHA": ("AES128-SHA", "+AES-128-CBC:+SHA1", False),
    "AES_256_CBC_SHA": ("AES256-SHA", "+AES-256-CBC:+SHA1", False),
    "AES_128_CBC_SHA256": ("AES128-SHA256", "+AES-128-CBC:+SHA256", True),
    "AES_256_CBC_SHA256": ("AES256-SHA256", "+AES-256-CBC:+SHA256", True),
    "AES_256_CBC_SHA384": ("AES256-SHA384", "+AES-256-CBC:+SHA384", True),
    "AES_128_GCM_SHA256": ("AES128-GCM-SHA256", "+AES-128-GCM:+AEAD", True),
    "AES_256_GCM_SHA384": ("AES256-GCM-SHA384", "+AES-256-GCM:+AEAD", True),
    "CHACHA20_POLY1305_SHA256": ("CHACHA20-POLY1305", "+CHACHA20-POLY1305:+AEAD", True),
}
# A key exchange: at OpenSSL, at GnuTLS, whose certificate the server has, whether there is none before TLS 1.0, numbers.
SHARED = ("AES_128_CBC_SHA", "AES_256_CBC_SHA", "AES_128_CBC_SHA256")
GCM = ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384")
PSK = (*SHARED, "AES_256_CBC_SHA384", *GCM, "CHACHA20_POLY1305_SHA256")
EXCHANGES = {
    "RSA": ("", "+RSA", "rsa", False, {
        0x01: "NULL_MD5", 0x02: "NULL_SHA", 0x3B: "NULL_SHA256", 0x04: "RC4_128_MD5", 0x05: "RC4_128_SHA",
        0x0A: "3DES_EDE_CBC_SHA", 0x2F: "AES_128_CBC_SHA", 0x35: "AES_256_CBC_SHA", 0x3C: "AES_128_CBC_SHA256",
        0x3D: "AES_256_CBC_SHA256", 0x9C: "AES_128_GCM_SHA256", 0x9D: "AES_256_GCM_SHA384"}),
    "DHE_RSA": ("DHE-RSA-", "+DHE-RSA", "rsa", False, {
        0x16: "3DES_EDE_CBC_SHA", 0x33: "AES_128_CBC_SHA", 0x39: "AES_256_CBC_SHA", 0x67: "AES_128_CBC_SHA256",
        0x6B: "AES_256_CBC_SHA256", 0x9E: "AES_128_GCM_SHA256", 0x9F: "AES_256_GCM_SHA384",
        0xCCAA: "CHACHA20_POLY1305_SHA256"}),
    "ECDHE_RSA": ("ECDHE-RSA-", "+ECDHE-RSA", "rsa", True, {
        0xC011: "RC4_128_SHA", 0xC012: "3DES_EDE_CBC_SHA", 0xC013: "AES_128_CBC_SHA", 0xC014: "AES_256_CBC_SHA",
        0xC027: "AES_128_CBC_SHA256", 0xC028: "AES_256_CBC_SHA384", 0xC02F: "AES_128_GCM_SHA256",
        0xC030: "AES_256_GCM_SHA384", 0xCCA8: "CHACHA20_POLY1305_SHA256"}),
    "ECDHE_ECDSA": ("ECDHE-ECDSA-", "+ECDHE-ECDSA", "server", True, {
        0xC007: "RC4_128_SHA", 0xC008: "3DES_EDE_CBC_SHA", 0xC009: "AES_128_CBC_SHA", 0xC00A: "AES_256_CBC_SHA",
        0xC023: "AES_128_CBC_SHA256", 0xC024: "AES_256_CBC_SHA384", 0xC02B: "AES_128_GCM_SHA256",
        0xC02C: "AES_256_GCM_SHA384", 0xCCA9: "CHACHA20_POLY1305_SHA256"}),
    "DH_anon": ("ADH-", "+ANON-DH", None, False, {
        0x18: "RC4_128_MD5", 0x1B: "3DES_EDE_CBC_SHA", 0x34: "AES_128_CBC_SHA", 0x3A: "AES_256_CBC_SHA",
        0x6C: "AES_128_CBC_SHA256", 0x6D: "AES_256_CBC_SHA256", 0xA6: "AES_128_GCM_SHA256", 0xA7: "AES_256_GCM_SHA384"}),
    "PSK": ("PSK-", "+PSK", None, True, dict(zip((0x8C, 0x8D, 0xAE, 0xAF, 0xA8, 0xA9, 0xCCAB), PSK))),
    "DHE_PSK": ("DHE-PSK-", "+DHE-PSK", None, True,
                dict(zip((0x90, 0x91, 0xB2, 0xB3, 0xAA, 0xAB, 0xCCAD), PSK))),
    "RSA_PSK": ("RSA-PSK-", "+RSA-PSK", "rsa", True,
                dict(zip((0x94, 0x95, 0xB6, 0xB7, 0xAC, 0xAD, 0xCCAE), PSK))),
    "ECDHE_PSK": ("ECDHE-PSK-", "+ECDHE-PSK", None, True,
                  dict(zip((0xC035, 0xC036, 0xC037, 0xC038, 0xD001, 0xD002, 0xCCAC), PSK))),
}
# In a build that is not told to be a legacy one these are not even compiled.
GONE = ("NULL_MD5", "NULL_SHA", "NULL_SHA256", "RC4_128_MD5", "RC4_128_SHA", "3DES_EDE_CBC_SHA")


class Suite:
    def __init__(self, exchange, number, cipher):
        words = CIPHERS[cipher]
        openssl, gnutls, self.certificate, self.no_ssl3, _ = EXCHANGES[exchange]
        self.exchange, self.number, self.cipher = exchange, number, cipher
        self.only12 = words[2]
        self.psk, self.anonymous = "PSK" in exchange, exchange == "DH_anon"
        self.client_auth = not self.psk and not self.anonymous
        self.compiled = cipher not in GONE and not self.anonymous  # in a default build
        self.name = f"TLS_{exchange}_WITH_{cipher}"
        self.openssl = openssl + (words[0].replace("AES128-SHA", "AES128-CBC-SHA").replace("AES256-SHA", "AES256-CBC-SHA")
                                  if self.psk else words[0])
        self.gnutls = f"{gnutls}:{words[1]}"

    def of(self, version):
        """Whether that version has it at all."""
        return version == "12" or not self.only12 and not (version == "30" and self.no_ssl3)

    def __str__(self):
        return self.name


SUITES = [Suite(exchange, number, cipher) for exchange, row in EXCHANGES.items() for number, cipher in row[4].items()]
