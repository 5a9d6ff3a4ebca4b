/* yaml.h - a YAML (or JSON) text as a tree that remembers its lines.
 * Built on libyaml's events. Refused, each with file and line: aliases and anchors, duplicate keys, more than one document, non-scalar or empty keys, more than
 * SL_YAML_MAX_BYTES, deeper than SL_YAML_MAX_DEPTH, tags, invalid UTF-8, NUL. Pure but for the file read. */
#ifndef SLUICE_YAML_H
#define SLUICE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/error.h>
#include <sluice/mem.h>

#define SL_YAML_MAX_BYTES (1024 * 1024)
#define SL_YAML_MAX_DEPTH 32

enum sl_yaml_kind { SL_YAML_NULL, SL_YAML_SCALAR, SL_YAML_LIST, SL_YAML_MAP };

struct sl_yaml { /* open, arena-held, read-only */
    enum sl_yaml_kind kind;
    int line;               /* 1-based; of the key for a map's value; 0 when it came from --set */
    const char *key;        /* in a map: its key; else NULL */
    const char *text;       /* scalar */
    bool quoted;            /* scalar was quoted: never null, bool or number */
    struct sl_yaml **items; /* list and map, in the order of the file */
    size_t n;
};

/* Parse `len` bytes; `name` is used in errors ("sluice.yaml:12: ..."). The tree lives in `arena`. An empty text gives a NULL node. SL_INVALID. */
enum sl_code sl_yaml_parse(struct sl_yaml **out, const char *text, size_t len, const char *name, struct sl_arena *arena,
                           struct sl_err *err);
const struct sl_yaml *sl_yaml_get(const struct sl_yaml *map, const char *key); /* borrowed; NULL when absent or not a map */

#endif
