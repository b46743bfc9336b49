/* SPDX-License-Identifier: ISC */
/* An RSA key of 2048 bits for tests: to make one takes longer than most tests, and half a minute in
 * valgrind. */
#ifndef TESTS_HANDSHAKE_RSA_KEY_H
#define TESTS_HANDSHAKE_RSA_KEY_H

static const char rsa_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCtnWgbvI2dknod\n"
    "jKsAUR9RIqL1fvjLb140XN9MzGgVeRonQbRew0UWgMtMUQEvTnNW/X1NZhlyRL8P\n"
    "LAvxebxfTK5/YFPVcvJzIm0PJvGPu5CYwjcJujp2fiAC6LyQS967LRoYxQRqPWxY\n"
    "qIsvS2Lo2SL8V83wothvR2NVsfBm8jPZ9wH433pppohf3OMJH7DjTGOQolOCc1x3\n"
    "vIowQ/OY1hEksxaParvMf6qziuQ2iTRrnW9vVpQMtWelJsqUCfEndtZy39ZQA54+\n"
    "H7oScrQT4NxLXXw4zKkwlfULcdn4t6hi7p5jxvihCsRTR+iS2yEG8BTo5gY3eygU\n"
    "6j8cIU0DAgMBAAECggEAGBtCReZSnuhO9sRonV97jYyq0OijoL0NeRAo3KUzPJa3\n"
    "TW/KR4WDQHfQrVTqvl1SbD1ABUZhznks3ZfxmULHJ6UM7lh7O349m5lSSFImz3It\n"
    "RoYNFgIwNPIX/XTAc069lgLSBqdwkKndCJsafGN8z9+6g7b+EZAi+kyQxpOG/Fwh\n"
    "LwwRN1iwIKnqDSr3xFzO0ekNexazFyyMNWQoAfhX2HOx3NLcZwpwPDPw0hBCE01L\n"
    "B4hi2c6NKBjhOtUJEU8pLKpT78g9V1bvf5kRARqcwzXItj3FY4WxiCFSnJz2Gdc0\n"
    "aXZVWdijQxnOz0uakf5qUefuaKGuMJOSIkpHFc2BKQKBgQDpH7AKueyooiPmrRD+\n"
    "vWVXkKMQbMXZySqvhkRF3PUYuuDZubwOXQMabH4jKWPXRZdUjBoKryqZrgZ7D+hU\n"
    "DUWZnDvDVDjCLrl+5+yvI/vbFcHPi/1E9E+QiB0vYstsV9bqodW1FnAvwJVVplU6\n"
    "V9ASMbj+P+WC0U37peFOIlrLKQKBgQC+pssMn85quHQeX8gs6jp1apPZR9sx8pJU\n"
    "Vls35sNvoKDOSCsVqmrWzcc9Derv5vYmkx4RlMteJFEj7W+twTI5CzuobLENgxMZ\n"
    "myxo8yeF0wMEoD9yh48CrEOsv9ao7XzjOgNEyv4bvRvA5O3dRk0eNlXODt8dpEpF\n"
    "RhrT4AqISwKBgEjjonxIE6nKQGVgmV68wxH05Dc/e0ET9+e3mGMrqeqYi7Mnspff\n"
    "FxhM8cd2qoPle2JxB7dte2lfkyEpISAeojNcOQdirvhv+YmnZEaCfr3KeLW29HJ5\n"
    "3OK43D8zqZzvfgAQp6weHuefVFHaVu2OBT2bFFdSjSUw4iwbem2eqjq5AoGBALP/\n"
    "n8c8fdNOcPtYbRLS1fyTciF7cRzYK4WKvrapna0fl5MKmfrrmdFSGSCwqjZz9cR3\n"
    "s7TfqZ4pZZ4pBv6iX7txupKKhCMAtKDBW41+vLrhfYD5ls2X5NKeN4q62H1HM1kJ\n"
    "JZrmmEEyKyjUOytlu1uh6yMP8WD4AtMinCOb6/W/AoGBAIlT4E8ANdqLk7rIS04r\n"
    "D8Frzguv/zmnO2YQ2ED5OfQq7xL22lhH5tGzgfxVYNYyg3zkxHVDrTpDIo4cpqVu\n"
    "FOy7fBZbK4WqpnTkCVXiM2Y+oYAXw+g81aEEVcgGAKqk84jyZjeqgh/PALoBaFPg\n"
    "sTuRHDXSwMQbD58hap5oAKj+\n"
    "-----END PRIVATE KEY-----\n";
#endif
