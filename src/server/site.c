// SPDX-License-Identifier: Apache-2.0
#include "server/site.h"

#include "base/map.h"
#include "wire/link.h"
#include "wire/uri.h"

#include <stdlib.h>

#define PATH_MAX_LEN 1024U
#define SEGMENT_MAX  255U

void cps_site_init(cps_site_t *site, cps_rng_t *rng)
{
    memset(site, 0, sizeof *site);
    cps_rng_fill(rng, site->seed, sizeof site->seed);
}

void cps_site_init_like(cps_site_t *next, const cps_site_t *site)
{
    memset(next, 0, sizeof *next);
    memcpy(next->seed, site->seed, sizeof next->seed);
}

static void node_free(cps_node_t *node)
{
    if (node == NULL)
        return;
    cps_rule_fini(&node->rule);
    free(node->host);
    free(node->path);
    free(node->link);
    free(node->formats);
    free(node->patch_formats);
    free(node->offers);
    free(node->watches);
    free(node);
}

void cps_site_fini(cps_site_t *site)
{
    for (size_t i = 0; i < site->count; i++)
        node_free(site->nodes[i]);
    free(site->nodes);
    free(site->buckets);
    memset(site, 0, sizeof *site);
}

bool cps_site_canonical_host(cps_bytes_t host, cps_writer_t *out)
{
    cps_addr_t addr = {.port = 0};
    cps_bytes_t bare = host;
    if (bare.len > 2 && bare.ptr[0] == '[' && bare.ptr[bare.len - 1] == ']')
        bare = cps_bytes(bare.ptr + 1, bare.len - 2);
    if (cps_ip_parse(bare, addr.ip, &addr.family)) {
        cps_uri_write_addr(out, &addr);
        return !out->failed;
    }
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.ptr[i];
        cps_write_u8(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c); /* RFC 7252 §6.4 step 5 */
    }
    return !out->failed;
}

/* ---- finding ---- */

/* Host, a zero byte, path: no host has a zero byte in it. */
static uint64_t hash_of(const cps_site_t *site, cps_bytes_t host, cps_bytes_t path, bool *fits)
{
    uint8_t key[CPS_SITE_KEY_MAX];
    cps_writer_t w = cps_writer(key, sizeof key);
    cps_write_bytes(&w, host);
    cps_write_u8(&w, 0);
    cps_write_bytes(&w, path);
    *fits = !w.failed;
    cps_bytes_t written = cps_written(&w);
    return cps_hash(site->seed, written.ptr, written.len);
}

static cps_node_t *find(const cps_site_t *site, cps_bytes_t host, cps_bytes_t path)
{
    bool fits;
    if (site->bucket_count == 0)
        return NULL;
    uint64_t hash = hash_of(site, host, path, &fits);
    for (uint32_t at = site->buckets[hash & (site->bucket_count - 1)]; fits && at != 0;) {
        cps_node_t *node = site->nodes[at - 1];
        if (node->hash == hash && cps_bytes_equal(cps_bytes(node->path, node->path_len), path) &&
            cps_bytes_equal(cps_bytes_str(node->host), host))
            return node;
        at = node->next;
    }
    return NULL;
}

const cps_node_t *cps_site_find(const cps_site_t *site, const cps_target_t *target)
{
    const cps_node_t *node = NULL;
    if (site->hosted != 0 && target->host.len != 0)
        node = find(site, target->host, target->path);
    return node != NULL ? node : find(site, cps_bytes(NULL, 0), target->path);
}

/* ---- replacing ---- */

void cps_site_replace(cps_site_t *site, cps_site_t *next)
{
    for (size_t i = 0; i < site->count; i++) {
        cps_node_t *old = site->nodes[i];
        cps_node_t *node = find(next, cps_bytes_str(old->host), cps_bytes(old->path, old->path_len));
        if (node == NULL)
            continue;
        cps_node_t content = *old; /* the address stays, what it says is the new one's */
        *old = *node;
        *node = content;
        node->watches = old->watches; /* who observes it stays with the address */
        old->watches = content.watches;
        for (size_t j = 0; j < next->count; j++)
            if (next->nodes[j] == node)
                next->nodes[j] = old;
        site->nodes[i] = node;
    }
    cps_site_fini(site);
    *site = *next;
    memset(next, 0, sizeof *next);
}

/* ---- adding ---- */

static void link_in(cps_site_t *site, size_t place)
{
    uint32_t *bucket = &site->buckets[site->nodes[place]->hash & (site->bucket_count - 1)];
    site->nodes[place]->next = *bucket;
    *bucket = (uint32_t)place + 1;
}

/* Room for one more, with buckets at least as many as nodes. */
static bool grow(cps_site_t *site)
{
    if (site->count < site->room)
        return true;
    size_t room = site->room == 0 ? 16 : 2 * site->room;
    cps_node_t **nodes = realloc(site->nodes, room * sizeof(cps_node_t *));
    if (nodes == NULL)
        return false;
    site->nodes = nodes;
    uint32_t *buckets = calloc(room, sizeof *buckets);
    if (buckets == NULL)
        return false;
    free(site->buckets);
    site->buckets = buckets;
    site->bucket_count = room;
    site->room = room;
    for (size_t i = 0; i < site->count; i++)
        link_in(site, i);
    return true;
}

static cps_err_t say(const char **reason, cps_err_t err, const char *what)
{
    *reason = what;
    return err;
}

static cps_err_t no_memory(const char **reason) { return say(reason, CPS_ERR_MEMORY, cps_err_text(CPS_ERR_MEMORY)); }

static bool segment_ok(cps_bytes_t segment)
{
    return segment.len <= SEGMENT_MAX && !cps_bytes_equal(segment, CPS_BYTES_LIT(".")) &&
           !cps_bytes_equal(segment, CPS_BYTES_LIT("..")); /* RFC 7252 §5.10.1 */
}

/* Write the path percent-encoded, as a link's target. */
static bool write_target(const char *path, cps_writer_t *out)
{
    uint8_t options[2 * PATH_MAX_LEN];
    cps_writer_t w = cps_writer(options, sizeof options);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        if (!segment_ok(cps_bytes(path, len)))
            return false;
        cps_opt_put(&ow, CPS_OPT_URI_PATH, cps_bytes(path, len));
        path += len;
        if (*path == '/' && *++path == '\0')
            cps_opt_put(&ow, CPS_OPT_URI_PATH, cps_bytes(NULL, 0)); /* a final slash is an empty last segment */
    }
    return !w.failed && cps_uri_join_path(cps_written(&w), out) == CPS_OK;
}

static void write_offers(cps_link_writer_t *lw, const cps_resource_t *r)
{
    char text[CPS_SITE_LINK_MAX];
    cps_writer_t w = cps_writer(text, sizeof text);
    for (size_t i = 0; i < r->offer_count; i++) {
        char digits[6];
        size_t at = sizeof digits;
        unsigned value = r->offers[i];
        do
            digits[--at] = (char)('0' + value % 10);
        while ((value /= 10) != 0);
        if (i != 0)
            cps_write_u8(&w, ' ');
        cps_write_bytes(&w, cps_bytes(digits + at, sizeof digits - at));
    }
    lw->failed = lw->failed || w.failed;
    if (r->offer_count != 0)
        cps_link_attr(lw, "ct", cps_written(&w));
}

static cps_err_t make_link(cps_node_t *node, const cps_resource_t *r, const char **reason)
{
    uint8_t target[3 * PATH_MAX_LEN];
    uint8_t text[CPS_SITE_LINK_MAX];
    cps_writer_t tw = cps_writer(target, sizeof target);
    cps_writer_t w = cps_writer(text, sizeof text);
    cps_link_writer_t lw = cps_link_writer(&w);
    if (!write_target(node->path, &tw))
        return say(reason, CPS_ERR_CONFIG, "the path has a segment \".\" or \"..\", or one that is too long");
    if (r->hidden)
        return CPS_OK;
    cps_link_begin(&lw, cps_written(&tw));
    const struct {
        const char *name;
        const char *value;
    } texts[] = {{"rt", r->rt}, {"if", r->iface}, {"title", r->title}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].value != NULL)
            cps_link_attr(&lw, texts[i].name, cps_bytes_str(texts[i].value));
    write_offers(&lw, r);
    if (r->observable)
        cps_link_flag(&lw, "obs"); /* RFC 7641 §6 */
    if (r->policy.sealed)
        cps_link_flag(&lw, "osc"); /* RFC 8613 §9 */
    if (cps_link_writer_err(&lw) != CPS_OK)
        return say(reason, CPS_ERR_CONFIG, "rt, if and title are UTF-8 without control characters, 1,000 bytes in all");
    node->link_len = cps_written(&w).len;
    node->link = malloc(node->link_len);
    if (node->link == NULL)
        return no_memory(reason);
    memcpy(node->link, text, node->link_len);
    return CPS_OK;
}

static bool copy_numbers(uint16_t **to, const uint16_t *from, size_t count)
{
    if (count == 0)
        return true;
    *to = calloc(count, sizeof **to);
    if (*to == NULL)
        return false;
    memcpy(*to, from, count * sizeof **to);
    return true;
}

static char *copy_host(const char *host)
{
    char text[CPS_URI_HOST_MAX + 3];
    cps_writer_t w = cps_writer(text, sizeof text - 1);
    if (!cps_site_canonical_host(cps_bytes_str(host), &w))
        return NULL;
    text[cps_written(&w).len] = '\0';
    return strdup(text);
}

static void set_handlers(cps_handler_t *by_method, const cps_resource_t *r)
{
    by_method[CPS_GET - 1] = r->get;
    by_method[CPS_POST - 1] = r->post;
    by_method[CPS_PUT - 1] = r->put;
    by_method[CPS_DELETE - 1] = r->del;
    by_method[CPS_FETCH - 1] = r->fetch;
    by_method[CPS_PATCH - 1] = r->patch;
    by_method[CPS_IPATCH - 1] = r->ipatch;
}

static cps_err_t fill(cps_node_t *node, const cps_resource_t *r, const char **reason)
{
    const char *path = r->path + (r->path[0] == '/');
    if (strlen(path) > PATH_MAX_LEN || (r->host != NULL && (r->host[0] == '\0' || strlen(r->host) > CPS_URI_HOST_MAX)))
        return say(reason, CPS_ERR_CONFIG, "the path or the host is too long, or the host is empty");
    set_handlers(node->handlers, r);
    node->user = r->user;
    node->stream = r->stream;
    node->abandoned = r->abandoned;
    node->body_max = r->body_max != 0 ? r->body_max : CPS_BODY_MAX;
    node->conditional = r->conditional;
    node->observable = r->observable;
    node->notify_non = r->notify_non;
    node->watches = calloc(1, sizeof *node->watches);
    node->format_count = r->format_count;
    node->patch_format_count = r->patch_format_count;
    node->offer_count = r->offer_count;
    node->path = strdup(path);
    if (r->host != NULL)
        node->host = copy_host(r->host);
    if (node->watches == NULL || node->path == NULL || (r->host != NULL && node->host == NULL) ||
        !copy_numbers(&node->formats, r->formats, r->format_count) ||
        !copy_numbers(&node->patch_formats, r->patch_formats, r->patch_format_count) ||
        !copy_numbers(&node->offers, r->offers, r->offer_count))
        return no_memory(reason);
    node->path_len = strlen(path);
    cps_err_t err = cps_rule_init(&node->rule, &r->policy, reason);
    return err == CPS_OK ? make_link(node, r, reason) : err;
}

/* Put a node in the place of a built-in one, which is freed. */
static void replace(cps_site_t *site, cps_node_t *old, cps_node_t *node)
{
    for (size_t i = 0; i < site->count; i++)
        if (site->nodes[i] == old)
            site->nodes[i] = node;
    node->next = old->next;
    node_free(old);
}

static cps_err_t place(cps_site_t *site, cps_node_t *node, const char **reason)
{
    bool fits;
    cps_bytes_t host = cps_bytes_str(node->host);
    cps_bytes_t path = cps_bytes(node->path, node->path_len);
    cps_node_t *old = find(site, host, path);
    node->hash = hash_of(site, host, path, &fits);
    if (old != NULL && !old->builtin)
        return say(reason, CPS_ERR_EXISTS, "there is a resource of that path and host already");
    if (old == NULL && !grow(site))
        return no_memory(reason);
    if (old != NULL) {
        replace(site, old, node);
        return CPS_OK;
    }
    site->nodes[site->count] = node;
    link_in(site, site->count++);
    site->hosted += node->host != NULL;
    return CPS_OK;
}

cps_err_t cps_site_add(cps_site_t *site, const cps_resource_t *resource, const char **reason)
{
    cps_node_t *node = calloc(1, sizeof *node);
    if (node == NULL)
        return no_memory(reason);
    cps_err_t err = fill(node, resource, reason);
    if (err == CPS_OK)
        err = place(site, node, reason);
    if (err != CPS_OK)
        node_free(node);
    return err;
}
