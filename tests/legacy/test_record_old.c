/* SPDX-License-Identifier: ISC */
/* The records of SSL 3.0 to TLS 1.2 with a MAC: every cipher with every size and way of lying in
 * memory, known answers, the chain of IVs, limits, the life of keys. */
#include "record_old.h"

static void round_trip(void **state)
{
    static const size_t large[] = { 255, 256, 257, 1399, 16381, 16382, 16383, 16384 };

    (void)state;
    for (size_t i = 0; i < nall; i++) {
        const struct rec_keys *k = &all[i];
        struct rec_half tx, rx;
        unsigned turn = 0;

        pair_make(k, &tx, &rx);
        for (size_t s = 0; s < 70 + sizeof large / sizeof *large; s++) {
            const size_t n = s < 70 ? s : large[s - 70];
            /* Where it is to open: in place, nowhere, one byte, all but one, all, more. */
            const size_t rooms[] = { SIZE_MAX, 0, 1, n ? n - 1 : 0, n, n + 40 };

            for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++, turn++) {
                const uint8_t type = (uint8_t)(20 + turn % 4);
                const struct mspan out = { rooms[r] == SIZE_MAX ? NULL : apart,
                                           rooms[r] == SIZE_MAX ? 0 : rooms[r] };
                const size_t made = seal(&tx, type, n, (enum way)(turn % WAYS));
                struct rec_opened o;
                size_t first, last;

                memset(apart, 0x5b, sizeof apart);
                assert_int_equal(rec_open(&rx, type, fragment_of(&rx, k, made, type), out, &o), 0);
                opened_check(&o, n, out, type);
                assert_int_equal(apart[out.p && n > out.n ? out.n : out.p ? n : 0], 0x5b);
                /* What went to the caller, the IV, padding and MAC are not left behind. */
                first = o.rest.n ? (size_t)(o.rest.p - wire) : out.p ? made : rec_headroom(&rx);
                last = o.rest.n ? first + o.rest.n : out.p ? made : first + n;
                assert_true(all_zero(wire + REC_HEADER, first - REC_HEADER));
                assert_true(all_zero(wire + last, made - last));
                if (turn % 50 == 7) { /* nothing of the chain is in the cipher alone */
                    rec_half_park(&tx);
                    rec_half_park(&rx);
                }
            }
        }
        assert_int_equal(tx.seq, turn);
        assert_int_equal(rx.seq, turn);
        pair_end(&tx, &rx);
    }
}

static void sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < nall; i++) {
        struct rec_half tx, rx;
        size_t last = 0;

        pair_make(&all[i], &tx, &rx);
        for (size_t n = 0; n <= REC_PLAIN_MAX; n++) {
            assert_true(rec_size(&tx, n) >= last && rec_size(&tx, n) <= n + REC_OVERHEAD_MAX);
            last = rec_size(&tx, n);
        }
        for (size_t room = 0; room < ROOM + 100; room++) {
            const size_t n = rec_fit(&tx, room);

            if (n == SIZE_MAX) {
                assert_true(rec_size(&tx, 0) > room);
                continue;
            }
            assert_true(n <= REC_PLAIN_MAX && rec_size(&tx, n) <= room);
            assert_true(n == REC_PLAIN_MAX || rec_size(&tx, n + 1) > room);
        }
        assert_int_equal(tx.splits, all[i].cbc && all[i].version < 0x0302); /* threat 14 */
        pair_end(&tx, &rx);
    }
}

/* Three records each, of 0, 1 and 20 bytes, made with Python's hashlib and hmac and `openssl enc`.
 */
static const struct {
    uint16_t version;
    enum cbc_id cbc;
    enum stream_id stream;
    enum hash_id mac;
    bool etm;
    const char *hex;
} answers[] = {
    { 0x0300, CBC_3DES, STREAM_NONE, HASH_SHA1, false,
      "17030000189e498ebddc8c8f1ff315cf8c2ead398c7b36b8ac41ffced21703000018a517f73ef93b"
      "8f4972c4d9a9de8eb3ad081d3751f35a059b1703000030c09c34b9b355c4ab821ba680f74fc4920f"
      "f29592934dee17981a49c6b7bd6e696c114943fb3684490dd4cbdc661f6790" },
    { 0x0300, CBC_AES_128, STREAM_NONE, HASH_SHA1, false,
      "17030000205bd548ccd7e59b84038c890e51ab7c152bab8b85f4eab0db3e4419f9d62f653e170300"
      "0020397028ebeed4eff889b7d0fdea1e3cc3c096d2517aabfb4ba37ea1b1ec542b8b170300003052"
      "09ca9d1063b0a6414afd58fc6723bd1d1350606397a4150e97e5b1b1f80691b5fc61c1bafbecb073"
      "9a735c4301c631" },
    { 0x0300, CBC_3DES, STREAM_NONE, HASH_MD5, false,
      "17030000184ce969e75b01e49bc0387890a8baa72a1d4a1d9fef4604c9170300001837c7231c7fe7"
      "8a65b89147a22d86abd3a18628ed1ffe68241703000028a094142ca56a0ad0146e4f4fc12b73166d"
      "4595ef1fc91c966b73e944f4f4f023f9f7c346d862ba2d" },
    { 0x0300, CBC_NONE, STREAM_RC4, HASH_MD5, false,
      "170300001026a025caf8f8661e6053fad92ed5bc8e1703000011510f7772b078831810962a9f5fc5"
      "88e51f17030000249ee9f54d3e86926fa12232a6639290d967c6b53468405983a58293e8d023e894"
      "7cd11ff5" },
    { 0x0300, CBC_NONE, STREAM_RC4, HASH_SHA1, false,
      "170300001404434baf9dc9d8ba27f8177ccc9c7506f13733ae1703000015931fe158ffc9452b04e1"
      "e49cf5048f0230df41e9f01703000028996a6aee2bead8812ffe7dec7552ebe340cb0b5d3cff343c"
      "7ff266141617884a86f2025d0d9e8c31" },
    { 0x0300, CBC_NONE, STREAM_NULL, HASH_MD5, false,
      "1703000010bc67e950986578e9d2c0d240e331a71917030000110347b3e7206c91727e1cae6e42df"
      "16f9141703000024030a11181f262d343b424950575e656c737a81884a4cd70c9633193da71e9692"
      "f63d659a" },
    { 0x0301, CBC_AES_128, STREAM_NONE, HASH_SHA1, false,
      "1703010020239e3c8c9a57554ea670d198f8c929ebf87d60ac994766fc0ca5ca36b33424a3170301"
      "00203c45ab840e5e687d36994e0ba1bc6c0adf98b3f4c043f1746c2905dab955fba817030100303d"
      "417595650dea94bafb5aaed5888bf82c8b10d794a7398c11445c09af21376fda4f231e8f8f3e8071"
      "f26fef780eedd5" },
    { 0x0301, CBC_AES_256, STREAM_NONE, HASH_SHA1, true,
      "170301002470cb9be4cbd37a1993e430fa082c44fa5c7df7aa109e8b2ef019844b2af5a2f01b90b4"
      "4f170301002420a448be435bc9bad24ab3ca8c1f52d3fecb0f7de6d5aa986e1e7f2067f77e1f726c"
      "a8791703010034e6f1221c7468e24b7f85b374d6813d7f8afad7b7dd110cf10fe72c3fcf7e8832f9"
      "bc132b35a786ef73ea4c5becb40e92f7868821" },
    { 0x0301, CBC_3DES, STREAM_NONE, HASH_SHA1, false,
      "1703010018795b0416c86c3781066dac4dafd7a40d6b71eb052b37e0c6170301001844ad680ffe9b"
      "b2acd648bdb0eb87b5d6ea450724b8e48b401703010030e2e7b8bb7c02f8eeb81b7d9a6ff4282da7"
      "0c6ed91e4639d040c51513babfdef6dcada1d174a83be98b0616069d09cb66" },
    { 0x0301, CBC_3DES, STREAM_NONE, HASH_SHA1, true,
      "170301001cb4b65911336f2557e5a3bcac8434cf3955ea751bd5cfc8199b688192170301001cb299"
      "80bfc5d9beddab2ef60ee1a17c19dfc002e8f85fdf65c306f510170301002ccd0f19ee71e542d73c"
      "97b55c1f904bdb47c034f331dc776773dbd967a6898d89fea2e593a857e400d72ceaeb" },
    { 0x0301, CBC_NONE, STREAM_RC4, HASH_MD5, false,
      "1703010010836976e55822ab6989e7366aa7b7bace1703010011514433f75926b2e67f502d29f34a"
      "0ad52d17030100249ee9f54d3e86926fa12232a6639290d967c6b534c4505e18107c7b7bf706242d"
      "ff22ab05" },
    { 0x0302, CBC_AES_256, STREAM_NONE, HASH_SHA1, false,
      "1703020030777777777777777777777777777777772304828c6c5cb8fe9b75ce118f530c193fd1e5"
      "6d085225faf7173606a4142628170302003077777777777777777777777777777777a60de65db355"
      "5fd3f48e32a4a0b29e3c2358d3d825cfb14d9ebc1dbb57ea5d471703020040777777777777777777"
      "777777777777774e9b3ae11a907ec8c2be9d8b93103bb73dbb77e76d65c60cf2733de29157615bfc"
      "97b60dfc3554cc7b919e757d97b6d8" },
    { 0x0302, CBC_3DES, STREAM_NONE, HASH_SHA1, true,
      "17030200247777777777777777ec3c6969285b0c797455c129c4dc783d09fe1fa56b96cc3f9ee8ca"
      "1e170302002477777777777777770cdbd9fab805e46bc39238629c4adfe392fbcc6a2af5539a44b8"
      "9577170302003477777777777777779a23daef61b21ea56df9d5d0636f3ea9510ad0b2206face1e9"
      "25f4bd05c2599166a1b14ce48bb381bcc31a76" },
    { 0x0302, CBC_NONE, STREAM_RC4, HASH_SHA1, false,
      "1703020014366487e1c6fb10fd6d7bf741bf757d93c376694e17030200159316b0020615bb5f340c"
      "70db22a45202adb1f8a8901703020028996a6aee2bead8812ffe7dec7552ebe340cb0b5dda8da943"
      "70cde4f7d963f4310e933d16ea4d524a" },
    { 0x0303, CBC_3DES, STREAM_NONE, HASH_SHA1, false,
      "17030300207777777777777777e7a1796e99fe8dcebc4af6664797d057161dd5acdfb7f800170303"
      "00207777777777777777ea0133705fc3924bd947b21038e89069743786439d0b7cf3170303003877"
      "777777777777779a23daef61b21ea56df9d5d0636f3ea93fb8416098354f814cccde3f32f1574563"
      "d088ef1302ee4880cb004d46fd91b9" },
    { 0x0303, CBC_3DES, STREAM_NONE, HASH_SHA1, true,
      "17030300247777777777777777ec3c6969285b0c79652c9323e86b9cbaf404ea33b0855b1af41791"
      "15170303002477777777777777770cdbd9fab805e46bbbd2d022ef8377977901be877f1db09e8816"
      "90b9170303003477777777777777779a23daef61b21ea56df9d5d0636f3ea9510ad0b2206face14a"
      "b0c17af79397f052992e80299b5b5786a3a428" },
    { 0x0303, CBC_NONE, STREAM_NULL, HASH_SHA256, false,
      "1703030020d02b2027562d456334c75fc184ef36e0e1f2f5ca26990bc14b990d8e0547e9b0170303"
      "002103b271d92d355f53a01ca6ec06b7254648678919e8cd020af44603898b94cb3c311703030034"
      "030a11181f262d343b424950575e656c737a8188bd726cff18943c4ea0f9972bddcff3e8ff7c7639"
      "41e3f63633ae568a77a1be60" },
    { 0x0303, CBC_NONE, STREAM_RC4, HASH_SHA1, false,
      "17030300140c688ca0937339b77bc6d1c3c8645b06af5997b2170303001593355ba1c7d0c0908bc8"
      "c06c026fdf20e5e5a852d61703030028996a6aee2bead8812ffe7dec7552ebe340cb0b5d0569675c"
      "b7ada2c3a1180ad346de1bd7cd95845d" },
};

static int sevens(void *p, size_t n)
{
    memset(p, 0x77, n);
    return 0;
}

static void known_answers(void **state)
{
    static const size_t lengths[] = { 0, 1, 20 };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct bytes want = unhex(answers[i].hex);
        const struct rec_keys k = { .version = answers[i].version,
                                    .cbc = answers[i].cbc,
                                    .stream = answers[i].stream,
                                    .mac = answers[i].mac,
                                    .etm = answers[i].etm,
                                    .key = key,
                                    .iv = iv,
                                    .mac_key = mac_key };
        struct rec_half tx, rx;
        size_t at = 0;

        pair_make(&k, &tx, &rx);
        for (unsigned j = 0; j < 3; j++) {
            struct rec_opened o;
            size_t made;

            rand_set_test_source(sevens);
            made = seal(&tx, 23, lengths[j], ONE_PART);
            rand_set_test_source(NULL);
            assert_true(at + made <= want.n);
            assert_memory_equal(wire, want.p + at, made);
            at += made;
            assert_int_equal(
                rec_open(&rx, 23, fragment_of(&rx, &k, made, 23), (struct mspan){ NULL, 0 }, &o),
                0);
            opened_check(&o, lengths[j], (struct mspan){ NULL, 0 }, 23);
        }
        assert_int_equal(at, want.n);
        pair_end(&tx, &rx);
    }
}

/* What rec_half_keys() shows goes on where it is, in another half: IV and key stream too. */
static void goes_on_elsewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < nall; i++) {
        struct rec_half tx, rx, tx2, rx2;
        struct rec_keys shown;
        struct rec_sizes n;
        struct rec_opened o;
        size_t made;

        pair_make(&all[i], &tx, &rx);
        for (unsigned j = 0; j < 3; j++) {
            made = seal(&tx, 23, 33 * j, ONE_PART);
            assert_int_equal(rec_open(&rx, 23, fragment_of(&rx, &all[i], made, 23),
                                      (struct mspan){ NULL, 0 }, &o),
                             0);
        }
        rec_half_init(&tx2);
        rec_half_init(&rx2);
        assert_true(rec_half_keys(&tx, &shown));
        n = rec_key_sizes(&shown);
        assert_int_equal(n.iv, all[i].cbc && all[i].version < 0x0302 ? block_of(&all[i]) : 0);
        assert_true(n.iv == 0 || memcmp(shown.iv, iv, n.iv) != 0);
        assert_int_equal(rec_half_set(&tx2, &shown, true), 0);
        assert_true(rec_half_keys(&rx, &shown));
        assert_int_equal(rec_half_set(&rx2, &shown, false), 0);
        tx2.seq = tx.seq;
        rx2.seq = rx.seq;
        made = seal(&tx, 23, 300, ONE_PART);
        memcpy(copy, wire, made);
        if (!sends_iv(&all[i])) {
            assert_int_equal(seal(&tx2, 23, 300, ONE_PART), made);
            assert_memory_equal(wire, copy, made);
        }
        memcpy(wire, copy, made);
        assert_int_equal(
            rec_open(&rx2, 23, fragment_of(&rx2, &all[i], made, 23), (struct mspan){ NULL, 0 }, &o),
            0);
        opened_check(&o, 300, (struct mspan){ NULL, 0 }, 23);
        pair_end(&tx, &rx);
        pair_end(&tx2, &rx2);
    }
}

/* ---- limits ---- */

static void threat_07_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < nall; i++) {
        struct rec_half tx, rx;
        struct rec_header head;

        pair_make(&all[i], &tx, &rx);
        for (size_t len = 16384 + 2047; len <= 16384 + 2049; len++) {
            const uint8_t p[] = { 23, 3, (uint8_t)all[i].version, (uint8_t)(len >> 8),
                                  (uint8_t)len };

            assert_int_equal(rec_header_parse(&rx, p, &head),
                             len > 16384 + 2048 ? TLS_ALERT(ALERT_RECORD_OVERFLOW) : 0);
        }
        for (unsigned minor = 0; minor < 256; minor++) { /* the version is the connection's */
            const uint8_t p[] = { 23, 3, (uint8_t)minor, 0, 64 };

            assert_int_equal(rec_header_parse(&rx, p, &head),
                             0x0300 + minor == all[i].version ? 0
                                                              : TLS_ALERT(ALERT_PROTOCOL_VERSION));
        }
        pair_end(&tx, &rx);
    }
}

static void threat_07_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < nall; i++) {
        for (size_t n = REC_PLAIN_MAX - 1; n <= REC_PLAIN_MAX + 1; n++) {
            const struct span part = span_of(text, n);
            struct rec_half tx, rx;
            struct rec_opened o;
            size_t made;

            pair_make(&all[i], &tx, &rx);
            made = rec_size(&tx, n);
            assert_int_equal(tx.protection->seal(&tx, 23, &part, 1, n, wire), 0);
            if (n <= REC_PLAIN_MAX) {
                assert_int_equal(rec_open(&rx, 23, fragment_of(&rx, &all[i], made, 23),
                                          (struct mspan){ apart, 100 }, &o),
                                 0);
                opened_check(&o, n, (struct mspan){ apart, 100 }, 23);
            } else {
                assert_int_equal(rec_seal(&tx, 23, &part, 1, n, copy), ERR_LIMIT);
                assert_int_equal(rec_open(&rx, 23, fragment_of(&rx, &all[i], made, 23),
                                          (struct mspan){ apart, 100 }, &o),
                                 TLS_ALERT(ALERT_RECORD_OVERFLOW));
                assert_null(memmem(wire, made, text + 200, 16));
                assert_true(all_zero(apart, 100));
            }
            pair_end(&tx, &rx);
        }
    }
}

/* threat 16: Sweet32. Data ends with 2^20 records of 3DES under one key; an alert can still say so.
 */
static void threat_16_3des_wears(void **state)
{
    const struct span part = span_of(text, 2);

    (void)state;
    for (size_t i = 0; i < nall; i++) {
        const bool ends = all[i].cbc == CBC_3DES;
        struct rec_half tx, rx;

        pair_make(&all[i], &tx, &rx);
        tx.seq = (1 << 20) - 1;
        assert_true(rec_seal(&tx, 23, &part, 1, 2, wire) > 0);
        assert_int_equal(rec_seal(&tx, 23, &part, 1, 2, wire) < 0, ends);
        assert_true(!ends || rec_seal(&tx, 23, &part, 1, 2, wire) == ERR_LIMIT);
        assert_true(rec_seal(&tx, 21, &part, 1, 2, wire) > 0);
        pair_end(&tx, &rx);
    }
}

/* ---- keys ---- */

static void refused_keys(struct rec_keys k, int want)
{
    struct rec_half h;

    rec_half_init(&h);
    assert_int_equal(rec_half_set(&h, &k, true), want);
    assert_ptr_equal(h.protection, &protect_none);
    rec_half_wipe(&h);
}

static void key_life(void **state)
{
    (void)state;
    for (size_t i = 0; i < nall; i++) {
        const struct span part = span_of(text, 1);
        struct rec_keys k = all[i];
        struct rec_half tx, rx;
        struct rec_opened o;

        pair_make(&k, &tx, &rx); /* a key is for one direction */
        assert_true(rec_seal(&rx, 23, &part, 1, 1, wire) < 0);
        assert_true(rec_open(&tx, 23, (struct mspan){ wire, 200 }, (struct mspan){ NULL, 0 }, &o) <
                    0);
        pair_end(&tx, &rx);
        assert_true(all_zero((const uint8_t *)&tx, sizeof tx));
        for (unsigned v = 0x02ff; v <= 0x0305; v++) {
            k.version = (uint16_t)v;
            if (v < 0x0300 || v > 0x0303) {
                refused_keys(k, ERR_UNSUPPORTED); /* among them that of TLS 1.3 */
            }
        }
        k = all[i];
        k.mac = HASH_SHA512;
        refused_keys(k, ERR_CRYPTO);
        k.mac = HASH_NONE;
        refused_keys(k, ERR_CRYPTO);
    }
    /* What has no row. */
    for (uint16_t v = 0x0300; v < 0x0303; v++) {
        refused_keys((struct rec_keys){ .version = v, .key = key, .iv = iv }, ERR_UNSUPPORTED);
    }
    refused_keys((struct rec_keys){ .version = 0x0300,
                                    .cbc = CBC_AES_128,
                                    .mac = HASH_SHA1,
                                    .etm = true,
                                    .key = key,
                                    .iv = iv,
                                    .mac_key = mac_key },
                 ERR_CRYPTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),           cmocka_unit_test(sizes),
        cmocka_unit_test(known_answers),        cmocka_unit_test(goes_on_elsewhere),
        cmocka_unit_test(threat_07_header),     cmocka_unit_test(threat_07_content),
        cmocka_unit_test(threat_16_3des_wears), cmocka_unit_test(key_life),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
