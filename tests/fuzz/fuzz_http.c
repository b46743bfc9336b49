/* SPDX-License-Identifier: ISC */
/* Requests to examples/httpd: the first byte says in pieces of which size they come. What is read
 * out of them does not depend on that. */
#include "examples/httpd/request.c" /* NOLINT(bugprone-suspicious-include): the same as there */

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS 64

struct story {
    size_t n;
    struct {
        int status, method, keep;
        long long size;
        char target[sizeof(((struct client *)0)->target)];
    } request[REQUESTS];
};

static struct client client;
static struct story stories[2], *story;

void enter(struct client *c, enum phase phase)
{
    c->phase = phase;
}

void moved(struct client *c, size_t n)
{
    (void)c;
    (void)n;
}

void say(struct client *c, const char *fmt, ...)
{
    (void)c;
    (void)fmt;
}

static void note(const struct client *c, int status)
{
    story->request[story->n].status = status;
    story->request[story->n].method = (int)c->method;
    story->request[story->n].keep = c->keep;
    story->request[story->n].size = c->size;
    strcpy(story->request[story->n].target, status == 200 ? c->target : "");
    story->n++;
}

void refuse(struct client *c, int status)
{
    note(c, status);
    c->phase = OVER;
}

void answer(struct client *c)
{
    if (c->method == POST && c->size > 0 && lseek(c->file, 0, SEEK_END) != c->size) {
        abort();
    }
    note(c, 200);
    if (c->file >= 0) {
        close(c->file);
        c->file = -1;
    }
    c->phase = c->keep && story->n < REQUESTS ? HEAD : OVER;
}

/* Until it wants more than there is. */
static void read_on(struct client *c)
{
    enum next next = GO;

    while (next == GO && c->phase != OVER) {
        next = c->phase == HEAD ? read_head(c) : read_body(c);
        if (c->at > c->have || c->have > sizeof c->in ||
            (next == MORE && c->have - c->at == sizeof c->in)) {
            abort(); /* it would wait for what there is no room for */
        }
    }
}

static void tell(struct story *s, const uint8_t *data, size_t size, size_t piece)
{
    story = s;
    memset(s, 0, sizeof *s);
    memset(&client, 0, sizeof client);
    client.file = -1;
    while (size > 0 && client.phase != OVER) {
        size_t n = sizeof client.in - (client.have - client.at);

        memmove(client.in, client.in + client.at, client.have - client.at);
        client.have -= client.at;
        client.at = 0;
        n = n < size ? n : size;
        n = n < piece ? n : piece;
        memcpy(client.in + client.have, data, n);
        client.have += n;
        data += n;
        size -= n;
        read_on(&client);
    }
    if (client.file >= 0) {
        close(client.file);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        tell(&stories[0], data + 1, size - 1, sizeof client.in);
        tell(&stories[1], data + 1, size - 1, (size_t)data[0] % 64 + 1);
        if (memcmp(&stories[0], &stories[1], sizeof stories[0]) != 0) {
            abort();
        }
    }
    return 0;
}
