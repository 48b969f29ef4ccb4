// SPDX-License-Identifier: Apache-2.0
/* The engine: places and errors, the walk from a document through a table, files. */
#include "host/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

/* A key that the file sets. */
struct cps_conf_place {
    struct cps_conf_place *next;
    const char *path;
    uint32_t line;
    bool bad;
};

struct cps_conf_error {
    struct cps_conf_error *next;
    uint32_t line;
    const char *text;
};

void cps_conf_init(cps_conf_t *c, const char *file) { *c = (cps_conf_t){.file = file}; }

void cps_conf_fini(cps_conf_t *c)
{
    cps_conf_mem_fini(&c->mem);
    *c = (cps_conf_t){.file = c->file};
}

/* ---- places ---- */

const char *cps_conf_join(char out[CPS_CONF_PATH_MAX], const char *path, const char *key)
{
    int len = snprintf(out, CPS_CONF_PATH_MAX, "%s%s%s", path, path[0] == '\0' ? "" : ".", key);
    if (len >= (int)CPS_CONF_PATH_MAX) /* only a key that nobody knows is so long */
        memcpy(out + CPS_CONF_PATH_MAX - 4, "...", 4);
    return out;
}

static struct cps_conf_place *find_place(const cps_conf_t *c, const char *path)
{
    for (struct cps_conf_place *p = c->places; p != NULL; p = p->next)
        if (strcmp(p->path, path) == 0)
            return p;
    return NULL;
}

void cps_conf_mark(cps_conf_t *c, const char *path, uint32_t line)
{
    if (c->at_defaults)
        return;
    struct cps_conf_place *place = cps_conf_take(&c->mem, sizeof *place);
    if (place != NULL)
        place->path = cps_conf_copy(&c->mem, cps_bytes_str(path));
    if (place == NULL || place->path == NULL) {
        c->err = CPS_ERR_MEMORY;
        return;
    }
    place->line = line;
    place->next = c->places;
    c->places = place;
}

bool cps_conf_is_set(const cps_conf_t *c, const char *path) { return find_place(c, path) != NULL; }

bool cps_conf_is_bad(const cps_conf_t *c, const char *path)
{
    const struct cps_conf_place *place = find_place(c, path);
    return place != NULL && place->bad;
}

/* Cut a path back to the place above: "a[0].b" to "a[0]", that to "a", that to "". */
static void cut_path(char *path)
{
    char *dot = strrchr(path, '.');
    char *bracket = strrchr(path, '[');
    char *end = bracket > dot ? bracket : dot;
    *(end != NULL ? end : path) = '\0';
}

uint32_t cps_conf_line(const cps_conf_t *c, const char *path)
{
    char above[CPS_CONF_PATH_MAX];
    snprintf(above, sizeof above, "%s", path);
    for (;;) {
        const struct cps_conf_place *place = find_place(c, above);
        if (place != NULL)
            return place->line;
        if (above[0] == '\0')
            return 1;
        cut_path(above);
    }
}

/* ---- errors ---- */

/* Keys and values are shown; what a terminal would obey is not. */
static char *plain_copy(cps_conf_t *c, const char *text)
{
    char *copy = cps_conf_copy(&c->mem, cps_bytes_str(text));
    for (char *p = copy; p != NULL && *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return copy;
}

static void add_error(cps_conf_t *c, cps_err_t err, uint32_t line, const char *text)
{
    struct cps_conf_error **at = &c->errors;
    if (c->err == CPS_OK)
        c->err = err;
    if (c->error_count >= CPS_CONF_ERRORS_MAX)
        return;
    struct cps_conf_error *error = cps_conf_take(&c->mem, sizeof *error);
    if (error != NULL)
        error->text = plain_copy(c, text);
    if (error == NULL || error->text == NULL) {
        c->err = CPS_ERR_MEMORY;
        return;
    }
    while (*at != NULL && (*at)->line <= line)
        at = &(*at)->next;
    error->line = line;
    error->next = *at;
    *at = error;
    c->error_count++;
}

static void fail_at_line(cps_conf_t *c, uint32_t line, const char *path, const char *what)
{
    char text[CPS_CONF_PATH_MAX + 512];
    snprintf(text, sizeof text, "%s:%u: %s%s%s", c->file, line, path, path[0] == '\0' ? "" : ": ", what);
    add_error(c, CPS_ERR_CONFIG, line, text);
}

void cps_conf_fail(cps_conf_t *c, cps_err_t err, const char *path, const char *format, ...)
{
    char what[384];
    char text[CPS_CONF_PATH_MAX + 512];
    uint32_t line = cps_conf_line(c, path);
    if (cps_conf_is_bad(c, path))
        return;
    if (!cps_conf_is_set(c, path))
        cps_conf_mark(c, path, line);
    struct cps_conf_place *place = find_place(c, path);
    if (place != NULL)
        place->bad = true;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s:%u: %s%s%s", c->file, line, path, path[0] == '\0' ? "" : ": ", what);
    add_error(c, err, line, text);
}

const char *cps_conf_error_text(const cps_conf_t *c, size_t index)
{
    const struct cps_conf_error *e = c->errors;
    while (e != NULL && index-- > 0)
        e = e->next;
    return e != NULL ? e->text : NULL;
}

void cps_conf_wrong(cps_conf_t *c, const cps_conf_at_t *at, const char *what)
{
    const char *text = at->node->text;
    if (at->row->secret)
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "its value %s", what);
    else
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "\"%.48s%s\" %s", text, strlen(text) > 48 ? "..." : "", what);
}

static bool has_no_value(const cps_yaml_node_t *node)
{
    return !node->quoted && (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

const char *cps_conf_scalar(cps_conf_t *c, const cps_conf_at_t *at)
{
    if (at->node->kind == CPS_YAML_SCALAR && !has_no_value(at->node))
        return at->node->text;
    if (at->node->kind == CPS_YAML_SCALAR)
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "has no value");
    else
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "is a %s; write one %s",
                      at->node->kind == CPS_YAML_LIST ? "list" : "group of keys", at->row->kind->name);
    return NULL;
}

/* ---- unknown keys ---- */

#define KEY_MAX 64U

/* Edits between two words (Damerau and Levenshtein, neighbours swapped counting one). */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][KEY_MAX + 1];
    size_t la = strnlen(a, KEY_MAX);
    size_t lb = strnlen(b, KEY_MAX);
    for (unsigned j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *before = rows[(i + 2) % 3];
        const unsigned *earlier = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = before[j - 1] + (a[i - 1] != b[j - 1]);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < best)
                best = earlier[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[la % 3][lb];
}

/* Where a row stands: its group ("" or "limits") and its last word. */
static const char *last_word(const char *key)
{
    const char *dot = strchr(key, '.');
    return dot != NULL ? dot + 1 : key;
}

static bool in_group(const char *key, const char *group)
{
    size_t len = strlen(group);
    if (len == 0)
        return true;
    return strncmp(key, group, len) == 0 && key[len] == '.';
}

/* The word that a key of this group would be written with: a group's name or a last word. */
static void word_at(char out[KEY_MAX + 1], const char *key, const char *group)
{
    const char *word = group[0] == '\0' ? key : last_word(key);
    size_t len = strcspn(word, ".");
    snprintf(out, KEY_MAX + 1, "%.*s", (int)len, word);
}

/* The best known key so far for one that is not known. */
typedef struct nearest {
    unsigned distance;
    char word[KEY_MAX + 1];
} nearest_t;

static void consider(nearest_t *nearest, unsigned d, const char *word)
{
    if (d >= nearest->distance)
        return;
    nearest->distance = d;
    snprintf(nearest->word, sizeof nearest->word, "%s", word);
}

static void fail_unknown(cps_conf_t *c, const cps_conf_table_t *table, const char *group, const cps_yaml_node_t *node,
                         const char *path)
{
    nearest_t nearest = {UINT32_MAX, ""};
    char word[KEY_MAX + 1];
    char what[160];
    for (size_t i = 0; i < table->count; i++) {
        const char *key = table->rows[i].key;
        if (in_group(key, group)) {
            word_at(word, key, group);
            consider(&nearest, distance(node->key, word), word);
        }
        consider(&nearest, distance(node->key, last_word(key)) + 1, key); /* the right word in the wrong group */
    }
    snprintf(what, sizeof what, "unknown key; the nearest known one is \"%s\"", nearest.word);
    fail_at_line(c, node->key_line, path, what);
}

/* ---- from document to struct ---- */

typedef struct walk {
    cps_conf_t *c;
    const cps_conf_table_t *table;
    const char *path; /* of the struct */
    void *out;
} walk_t;

static void read_row(const walk_t *w, const cps_conf_row_t *row, const cps_yaml_node_t *node, const char *path)
{
    cps_conf_at_t at = {path, row, node};
    row->kind->read(w->c, &at, (uint8_t *)w->out + row->offset);
}

static const cps_conf_row_t *find_row(const cps_conf_table_t *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].key, key) == 0)
            return &table->rows[i];
    return NULL;
}

static bool is_group(const cps_conf_table_t *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++)
        if (in_group(table->rows[i].key, key))
            return true;
    return false;
}

static void read_map(const walk_t *w, const cps_yaml_node_t *map, const char *group);

static void read_entry(const walk_t *w, const cps_yaml_node_t *node, const char *group)
{
    char key[CPS_CONF_PATH_MAX];
    char path[CPS_CONF_PATH_MAX];
    cps_conf_join(key, group, node->key);
    cps_conf_join(path, w->path, key);
    const cps_conf_row_t *row = strchr(node->key, '.') == NULL ? find_row(w->table, key) : NULL;
    bool nested = row == NULL && group[0] == '\0' && node->key[0] != '\0' && is_group(w->table, node->key);
    if (row == NULL && !nested) {
        fail_unknown(w->c, w->table, group, node, path);
        return;
    }
    if (cps_conf_is_set(w->c, path)) {
        char what[80];
        snprintf(what, sizeof what, "stands here a second time; the first is in line %u", cps_conf_line(w->c, path));
        fail_at_line(w->c, node->key_line, path, what);
        return;
    }
    cps_conf_mark(w->c, path, node->line);
    if (row != NULL)
        read_row(w, row, node, path);
    else if (node->kind == CPS_YAML_MAP)
        read_map(w, node, node->key);
    else
        cps_conf_fail(w->c, CPS_ERR_CONFIG, path, "is a group of keys; write %s: { key: value }", node->key);
}

static void read_map(const walk_t *w, const cps_yaml_node_t *map, const char *group)
{
    for (const cps_yaml_node_t *node = map->first; node != NULL; node = node->next)
        read_entry(w, node, group);
}

/* Defaults are read as a file would be, so that help and dump show what is really taken. */
static void set_defaults(const walk_t *w)
{
    bool before = w->c->at_defaults;
    memset(w->out, 0, w->table->size);
    w->c->at_defaults = true;
    for (size_t i = 0; i < w->table->count; i++) {
        const cps_conf_row_t *row = &w->table->rows[i];
        cps_yaml_node_t *node = NULL;
        cps_yaml_problem_t problem;
        char path[CPS_CONF_PATH_MAX];
        if (row->fallback == NULL)
            continue;
        if (cps_yaml_read(&w->c->mem, cps_bytes_str(row->fallback), &node, &problem) == CPS_OK)
            read_row(w, row, node, cps_conf_join(path, w->path, row->key));
    }
    w->c->at_defaults = before;
}

void cps_conf_read_struct(cps_conf_t *c, const cps_conf_table_t *table, const cps_conf_at_t *at, void *out)
{
    walk_t w = {c, table, at->path, out};
    char path[CPS_CONF_PATH_MAX];
    set_defaults(&w);
    if (at->node->kind != CPS_YAML_MAP) {
        if (at->path[0] == '\0')
            fail_at_line(c, at->node->line, "", "is not a file of keys; write key: value");
        else
            cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "is not a group of keys; write { key: value }");
        return;
    }
    read_map(&w, at->node, "");
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].required && !cps_conf_is_set(c, cps_conf_join(path, at->path, table->rows[i].key)))
            cps_conf_fail(c, CPS_ERR_CONFIG, path, "is missing");
    if (table->check != NULL)
        table->check(c, at->path, out);
}

cps_err_t cps_conf_parse(cps_conf_t *c, cps_bytes_t text, const cps_conf_table_t *table, void *out)
{
    cps_yaml_node_t *root;
    cps_yaml_problem_t problem;
    cps_err_t err = cps_yaml_read(&c->mem, text, &root, &problem);
    if (err == CPS_ERR_CONFIG)
        fail_at_line(c, problem.line, "", problem.text);
    else if (err != CPS_OK)
        c->err = err;
    if (err != CPS_OK)
        return c->err;
    cps_conf_at_t at = {"", NULL, root};
    cps_conf_read_struct(c, table, &at, out);
    return c->err;
}

/* ---- files ---- */

void cps_conf_fail_file(cps_conf_t *c, cps_err_t err, const char *what)
{
    char text[512];
    snprintf(text, sizeof text, "%s: %s", c->file, what);
    add_error(c, err, 0, text);
}

cps_err_t cps_conf_load_fd(cps_conf_t *c, int fd, const cps_conf_table_t *table, void *out)
{
    /* one byte more than is taken, so that a file that is too long shows as such */
    size_t room = CPS_YAML_BYTES_MAX + 1;
    uint8_t *bytes = cps_conf_take(&c->mem, room);
    size_t len = 0;
    ssize_t n = 1;
    if (bytes == NULL)
        return c->err = CPS_ERR_MEMORY;
    while (len < room && n != 0) {
        n = read(fd, bytes + len, room - len);
        if (n < 0 && errno != EINTR) {
            cps_conf_fail_file(c, CPS_ERR_IO, strerrordesc_np(errno));
            return c->err;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    return cps_conf_parse(c, cps_bytes(bytes, len), table, out);
}

cps_err_t cps_conf_load(cps_conf_t *c, const cps_conf_table_t *table, void *out)
{
    int fd = open(c->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        cps_conf_fail_file(c, CPS_ERR_IO, strerrordesc_np(errno));
        return c->err;
    }
    cps_err_t err = cps_conf_load_fd(c, fd, table, out);
    close(fd);
    return err;
}
