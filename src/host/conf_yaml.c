// SPDX-License-Identifier: Apache-2.0
#include "host/conf_yaml.h"

#include <stdalign.h>
#include <stdlib.h>
#include <yaml.h>

/* ---- memory ---- */

#define BLOCK_BYTES 16384U

struct cps_conf_block {
    struct cps_conf_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t bytes[];
};

void *cps_conf_take(cps_conf_mem_t *mem, size_t len)
{
    size_t need = (len + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    struct cps_conf_block *b = mem->blocks;
    if (b == NULL || b->size - b->used < need) {
        size_t size = need > BLOCK_BYTES ? need : BLOCK_BYTES;
        b = calloc(1, sizeof *b + size);
        if (b == NULL)
            return NULL;
        b->size = size;
        b->next = mem->blocks;
        mem->blocks = b;
    }
    void *place = b->bytes + b->used;
    b->used += need;
    return place;
}

char *cps_conf_copy(cps_conf_mem_t *mem, cps_bytes_t text)
{
    char *copy = cps_conf_take(mem, text.len + 1);
    if (copy != NULL)
        cps_copy(copy, text.ptr, text.len);
    return copy;
}

void cps_conf_mem_fini(cps_conf_mem_t *mem)
{
    while (mem->blocks != NULL) {
        struct cps_conf_block *b = mem->blocks;
        mem->blocks = b->next;
        cps_wipe(b->bytes, b->used);
        free(b);
    }
}

/* ---- events to nodes ---- */

typedef struct builder {
    yaml_parser_t parser;
    cps_conf_mem_t *mem;
    cps_yaml_problem_t *problem;
    uint32_t nodes;
} builder_t;

static cps_err_t refuse(builder_t *b, size_t line, const char *text)
{
    *b->problem = (cps_yaml_problem_t){(uint32_t)line + 1, text};
    return CPS_ERR_CONFIG;
}

/* Scalars may be secrets: the event's copy is wiped. (Pieces that libyaml moved while it read them are out of reach.) */
static void drop(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        cps_wipe(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

static cps_err_t next_event(builder_t *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event) != 0)
        return CPS_OK;
    memset(event, 0, sizeof *event);
    if (b->parser.error == YAML_MEMORY_ERROR)
        return CPS_ERR_MEMORY;
    bool reading = b->parser.error == YAML_READER_ERROR;
    /* libyaml's problems are literals */
    return refuse(b, reading ? b->parser.mark.line : b->parser.problem_mark.line,
                  b->parser.problem != NULL ? b->parser.problem : "not YAML");
}

static cps_err_t new_node(builder_t *b, const yaml_event_t *event, cps_yaml_kind_t kind, cps_yaml_node_t **out)
{
    if (b->nodes++ >= CPS_YAML_NODES_MAX)
        return refuse(b, event->start_mark.line, "too many values");
    *out = cps_conf_take(b->mem, sizeof **out);
    if (*out == NULL)
        return CPS_ERR_MEMORY;
    (*out)->kind = kind;
    (*out)->line = (uint32_t)event->start_mark.line + 1;
    return CPS_OK;
}

static cps_err_t take_text(builder_t *b, const yaml_event_t *event, const char **out)
{
    cps_bytes_t text = cps_bytes(event->data.scalar.value, event->data.scalar.length);
    if (event->data.scalar.anchor != NULL)
        return refuse(b, event->start_mark.line, "anchors are not taken");
    if (event->data.scalar.tag != NULL)
        return refuse(b, event->start_mark.line, "tags are not taken");
    if (text.len != 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return refuse(b, event->start_mark.line, "a zero byte is not taken");
    *out = cps_conf_copy(b->mem, text);
    return *out == NULL ? CPS_ERR_MEMORY : CPS_OK;
}

static cps_err_t build(builder_t *b, const yaml_event_t *event, unsigned depth, cps_yaml_node_t **out);

/* The next event, and the node that it begins. */
static cps_err_t build_next(builder_t *b, unsigned depth, yaml_event_type_t end, cps_yaml_node_t **out)
{
    yaml_event_t event;
    *out = NULL;
    cps_err_t err = next_event(b, &event);
    if (err == CPS_OK && event.type != end)
        err = build(b, &event, depth, out);
    drop(&event);
    return err;
}

/* The key of the next entry of a map, or NULL at its end. */
static cps_err_t build_key(builder_t *b, const char **key, uint32_t *line)
{
    yaml_event_t event;
    *key = NULL;
    cps_err_t err = next_event(b, &event);
    if (err == CPS_OK && event.type == YAML_SCALAR_EVENT) {
        *line = (uint32_t)event.start_mark.line + 1;
        err = take_text(b, &event, key);
    } else if (err == CPS_OK && event.type != YAML_MAPPING_END_EVENT) {
        err = refuse(b, event.start_mark.line, "a key has to be one word");
    }
    drop(&event);
    return err;
}

static cps_err_t build_list(builder_t *b, unsigned depth, cps_yaml_node_t *list)
{
    cps_yaml_node_t **tail = &list->first;
    for (;;) {
        cps_err_t err = build_next(b, depth, YAML_SEQUENCE_END_EVENT, tail);
        if (err != CPS_OK || *tail == NULL)
            return err;
        tail = &(*tail)->next;
        list->count++;
    }
}

static cps_err_t build_map(builder_t *b, unsigned depth, cps_yaml_node_t *map)
{
    cps_yaml_node_t **tail = &map->first;
    for (;;) {
        const char *key;
        uint32_t line = 0;
        cps_err_t err = build_key(b, &key, &line);
        if (err != CPS_OK || key == NULL)
            return err;
        err = build_next(b, depth, YAML_NO_EVENT, tail);
        if (err != CPS_OK)
            return err;
        (*tail)->key = key;
        (*tail)->key_line = line;
        tail = &(*tail)->next;
        map->count++;
    }
}

static cps_err_t build_scalar(builder_t *b, const yaml_event_t *event, cps_yaml_node_t **out)
{
    cps_err_t err = new_node(b, event, CPS_YAML_SCALAR, out);
    if (err != CPS_OK)
        return err;
    (*out)->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return take_text(b, event, &(*out)->text);
}

/* The node that an event begins; reads on to its end. Recursion ends at CPS_YAML_DEPTH_MAX. */
static cps_err_t build(builder_t *b, const yaml_event_t *event, unsigned depth, cps_yaml_node_t **out)
{
    size_t line = event->start_mark.line;
    if (depth >= CPS_YAML_DEPTH_MAX)
        return refuse(b, line, "nested too deep");
    if (event->type == YAML_ALIAS_EVENT)
        return refuse(b, line, "aliases are not taken");
    if (event->type == YAML_SCALAR_EVENT)
        return build_scalar(b, event, out);
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    if (list ? event->data.sequence_start.anchor != NULL : event->data.mapping_start.anchor != NULL)
        return refuse(b, line, "anchors are not taken");
    if (list ? event->data.sequence_start.tag != NULL : event->data.mapping_start.tag != NULL)
        return refuse(b, line, "tags are not taken");
    cps_err_t err = new_node(b, event, list ? CPS_YAML_LIST : CPS_YAML_MAP, out);
    if (err != CPS_OK)
        return err;
    return list ? build_list(b, depth + 1, *out) : build_map(b, depth + 1, *out);
}

/* From the start of the stream to the end of its one document. */
static cps_err_t build_document(builder_t *b, cps_yaml_node_t **root)
{
    yaml_event_t event;
    cps_err_t err = next_event(b, &event); /* start of the stream */
    drop(&event);
    if (err == CPS_OK)
        err = next_event(b, &event); /* start of the document, or the end where there is none */
    if (err != CPS_OK)
        return err;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    drop(&event);
    if (empty) {
        yaml_event_t start = {.type = YAML_NO_EVENT};
        return new_node(b, &start, CPS_YAML_MAP, root);
    }
    err = build_next(b, 0, YAML_NO_EVENT, root);
    if (err == CPS_OK)
        err = next_event(b, &event); /* end of the document */
    if (err != CPS_OK)
        return err;
    drop(&event);
    err = next_event(b, &event);
    if (err == CPS_OK && event.type != YAML_STREAM_END_EVENT)
        err = refuse(b, event.start_mark.line, "a second document begins here; one file holds one");
    drop(&event);
    return err;
}

cps_err_t cps_yaml_read(cps_conf_mem_t *mem, cps_bytes_t text, cps_yaml_node_t **root, cps_yaml_problem_t *problem)
{
    builder_t b = {.mem = mem, .problem = problem};
    *root = NULL;
    *problem = (cps_yaml_problem_t){0, ""};
    if (text.len > CPS_YAML_BYTES_MAX)
        return refuse(&b, 0, "larger than 1 MiB");
    if (yaml_parser_initialize(&b.parser) == 0)
        return CPS_ERR_MEMORY;
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, text.ptr, text.len);
    cps_err_t err = build_document(&b, root);
    cps_wipe(b.parser.buffer.start, (size_t)(b.parser.buffer.end - b.parser.buffer.start));
    cps_wipe(b.parser.raw_buffer.start, (size_t)(b.parser.raw_buffer.end - b.parser.raw_buffer.start));
    yaml_parser_delete(&b.parser);
    return err;
}
