// SPDX-License-Identifier: Apache-2.0
/* A credential file, after a byte that says whether a weak secret is taken. What is read is in order, is written and
 * read again as the same key, and is marked as used once; what is not leaves nothing behind. A file that cannot be marked
 * keeps its bytes, and no error shows a secret.
 *
 * covers: src/host/cred.c src/host/conf.c src/host/conf_yaml.c */
#include "files.h"

#include <ctype.h>

#include "crypto/provider.h"
#include "host/cred.h"

#define TEXT_MAX 8192U
#define SHOWN    8U /* digits of a secret that do not stand in an error by chance */

static struct {
    char dir[64];
    char path[96];
    char copy[96];
} at;

static uint8_t seen[2 * TEXT_MAX];

static void remove_all(void)
{
    (void)unlink(at.path);
    (void)unlink(at.copy);
    (void)rmdir(at.dir);
}

static void make_folder(void)
{
    fuzz_folder(at.dir, "cred");
    snprintf(at.path, sizeof at.path, "%s/a.cred", at.dir);
    snprintf(at.copy, sizeof at.copy, "%s/b.cred", at.dir);
    demand(atexit(remove_all) == 0);
}

/* ---- errors ---- */

/* The longest run of digits in the first line, where that holds the secret and nothing else of the file repeats the run. */
static cps_bytes_t secret_of(cps_bytes_t text)
{
    static const char key[] = "master_secret: ";
    cps_bytes_t none = cps_bytes(NULL, 0);
    cps_bytes_t rest = text;
    if (text.len < sizeof key || memcmp(text.ptr, key, sizeof key - 1) != 0)
        return none;
    cps_bytes_t line = fuzz_cut(&rest, '\n');
    cps_bytes_t best = none;
    cps_bytes_t run = none;
    for (size_t i = sizeof key - 1; i < line.len; i++) {
        bool is_digit = isxdigit(line.ptr[i]) != 0;
        run = is_digit ? cps_bytes(line.ptr + i - run.len, run.len + 1) : none;
        best = run.len > best.len ? run : best;
    }
    bool repeats = rest.len > 0 && best.len > 0 && memmem(rest.ptr, rest.len, best.ptr, best.len) != NULL;
    return best.len < SHOWN || repeats ? none : best;
}

static void check_errors(const cps_conf_t *c, cps_err_t err, cps_bytes_t text)
{
    const char *said;
    cps_bytes_t secret = secret_of(text);
    size_t count = 0;
    for (; (said = cps_conf_error_text(c, count)) != NULL; count++) {
        demand(strncmp(said, c->file, strlen(c->file)) == 0);
        demand(secret.len == 0 || memmem(said, strlen(said), secret.ptr, secret.len) == NULL);
        for (; *said != '\0'; said++)
            demand((unsigned char)*said >= ' ' && *said != 0x7f);
    }
    demand((err == CPS_OK) == (count == 0));
}

/* ---- one file ---- */

static cps_err_t read_cred(const char *path, bool weak, cps_cred_t *out)
{
    cps_conf_t c;
    cps_conf_init(&c, path);
    cps_err_t err = cps_cred_read(&c, &(cps_cred_options_t){.weak = weak}, out);
    check_errors(&c, err, fuzz_read_file(path, seen, sizeof seen));
    cps_conf_fini(&c);
    return err;
}

static void in_order(const cps_store_key_t *k, bool weak)
{
    const cps_aead_t *aead = cps_aead_find(k->aead);
    cps_bytes_t sender = cps_bytes(k->sender_id.data, k->sender_id.len);
    cps_bytes_t recipient = cps_bytes(k->recipient_id.data, k->recipient_id.len);
    demand(aead != NULL && cps_cred_name_valid(k->name) && (k->peer[0] == '\0' || cps_cred_name_valid(k->peer)));
    demand(k->secret_len >= (weak ? 1 : 16) && k->secret_len <= sizeof k->secret && k->window <= 64);
    demand(sender.len + 6U <= aead->nonce_len && recipient.len + 6U <= aead->nonce_len); /* RFC 8613 §3.3 */
    demand(!cps_bytes_equal(sender, recipient));
    demand(k->has_id_context || k->id_context.len == 0);
}

static bool same_key(const cps_store_key_t *a, const cps_store_key_t *b)
{
    // NOLINTNEXTLINE: both were zeroed whole before they were filled
    return memcmp(a, b, sizeof *a) == 0;
}

static void goes_round(const cps_store_key_t *key)
{
    cps_conf_t c;
    cps_cred_t again;
    (void)unlink(at.copy);
    cps_conf_init(&c, at.copy);
    demand(cps_cred_write(&c, key) == CPS_OK);
    cps_conf_fini(&c);
    demand(read_cred(at.copy, true, &again) == CPS_OK);
    demand(same_key(&again.key, key) && again.fresh && !again.used);
}

static cps_err_t mark(cps_bytes_t text)
{
    cps_conf_t c;
    cps_conf_init(&c, at.path);
    cps_err_t err = cps_cred_mark_used(&c);
    check_errors(&c, err, text);
    cps_conf_fini(&c);
    return err;
}

/* Marked once, or not at all and then unchanged. */
static void is_marked(cps_bytes_t text, const cps_cred_t *before)
{
    cps_cred_t after;
    cps_err_t err = mark(text);
    demand(err == CPS_OK || cps_bytes_equal(fuzz_read_file(at.path, seen, sizeof seen), text));
    demand(before != NULL || err != CPS_OK);
    if (before == NULL)
        return;
    demand((err == CPS_ERR_EXISTS) == before->used);
    if (err != CPS_OK)
        return;
    demand(read_cred(at.path, true, &after) == CPS_OK);
    demand(after.used && same_key(&after.key, &before->key) && after.fresh == before->fresh);
    demand(mark(text) == CPS_ERR_EXISTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const cps_cred_t nothing;
    cps_cred_t cred;
    cps_cred_t by_leave;
    if (at.dir[0] == '\0')
        make_folder();
    if (size < 1 || size > TEXT_MAX)
        return 0;
    bool weak = (data[0] & 1U) != 0;
    cps_bytes_t text = cps_bytes(data + 1, size - 1);
    fuzz_write_file(at.path, text);
    bool reads = read_cred(at.path, weak, &cred) == CPS_OK;
    bool reads_by_leave = read_cred(at.path, true, &by_leave) == CPS_OK;
    demand(reads || memcmp(&cred, &nothing, sizeof cred) == 0); // NOLINT: wiped whole
    demand(reads_by_leave || !reads);
    if (reads) {
        in_order(&cred.key, weak);
        goes_round(&cred.key);
    }
    is_marked(text, reads_by_leave ? &by_leave : NULL);
    return 0;
}
