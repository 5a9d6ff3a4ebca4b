/* iam.c - google.iam.v1 as a server reads and writes it: policies and permissions. What a binding grants is the caller's business; here it is checked and kept as it came. Pure. */
#include <string.h>

#include "wire.h"

enum { RESOURCE = 1, POLICY = 2, PERMISSIONS = 2 };                                     /* of requests */
enum { VERSION = 1, ETAG = 3, BINDINGS = 4, AUDIT_CONFIGS = 6, ROLE = 1, MEMBERS = 2 }; /* of a Policy, of a Binding */
enum { MAX_BINDINGS = 1500, MAX_MEMBERS = 1500, MAX_PERMISSIONS = 1000 };               /* the service's own limit of members */

static bool is_member(const char *text)
{
    const char *colon = strchr(text, ':');
    return strcmp(text, "allUsers") == 0 || strcmp(text, "allAuthenticatedUsers") == 0 || (colon && colon > text && colon[1] != '\0');
}

/* *n_members is what the binding is for. */
static enum sl_code check_binding(struct sl_span bytes, size_t *n_members, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "Binding", err);
    struct sl_wire_field field;
    const char *role = "", *member = "";
    *n_members = 0;
    while (sl_wire_next(&wire, &field)) {
        if (field.key == SL_KEY(ROLE, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, &role);
        if (field.key != SL_KEY(MEMBERS, SL_WIRE_BYTES) || !sl_wire_string(&wire, &field, arena, &member))
            continue;
        if (!is_member(member))
            return sl_fail(err, SL_INVALID, "Binding: %.100s is no member; user:EMAIL is, and allUsers", member);
        if (++*n_members > MAX_MEMBERS)
            return sl_fail(err, SL_INVALID, "Binding: more than %d members", MAX_MEMBERS);
    }
    if (wire.code == SL_OK && *role == '\0')
        return sl_fail(err, SL_INVALID, "Binding: a role is missing");
    return wire.code;
}

static enum sl_code keep_policy(struct sl_buf *out, struct sl_span *etag, struct sl_span bytes, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "Policy", err);
    struct sl_wire_field field;
    size_t n = 0, n_members;
    while (sl_wire_next(&wire, &field)) {
        if (field.key == SL_KEY(VERSION, SL_WIRE_VARINT))
            sl_wire_put_int(out, VERSION, (int32_t)(uint32_t)field.value);
        else if (field.key == SL_KEY(ETAG, SL_WIRE_BYTES))
            *etag = field.bytes;
        else if (field.key == SL_KEY(AUDIT_CONFIGS, SL_WIRE_BYTES))
            sl_wire_put_bytes(out, AUDIT_CONFIGS, field.bytes.ptr, field.bytes.len);
        if (field.key != SL_KEY(BINDINGS, SL_WIRE_BYTES))
            continue;
        wire.code = check_binding(field.bytes, &n_members, arena, err);
        if (wire.code == SL_OK && n_members > 0)
            sl_wire_put_bytes(out, BINDINGS, field.bytes.ptr, field.bytes.len);
        if (++n > MAX_BINDINGS)
            sl_wire_fail(&wire, "too many bindings");
    }
    return wire.code;
}

enum sl_code sl_iam_read_set_policy(struct sl_policy_change *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "SetIamPolicyRequest", err);
    struct sl_wire_field field;
    struct sl_buf kept = {0};
    *out = (struct sl_policy_change){.resource = "", .etag = {"", 0}};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(RESOURCE, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, &out->resource);
        else if (field.key == SL_KEY(POLICY, SL_WIRE_BYTES))
            wire.code = keep_policy(&kept, &out->etag, field.bytes, arena, err);
    out->policy = (struct sl_span){sl_arena_strndup(arena, sl_buf_text(&kept), kept.len), kept.len};
    sl_buf_fini(&kept);
    return wire.code;
}

void sl_iam_put_policy(struct sl_buf *out, struct sl_span policy, struct sl_span etag)
{
    sl_buf_add(out, policy.ptr, policy.len);
    sl_wire_put_bytes(out, ETAG, etag.ptr, etag.len);
}

enum sl_code sl_iam_read_test_permissions(struct sl_permissions *out, const void *data, size_t len, struct sl_arena *arena,
                                          struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "TestIamPermissionsRequest", err);
    struct sl_wire_field field;
    *out = (struct sl_permissions){.resource = ""};
    while (sl_wire_next(&wire, &field)) {
        if (field.key == SL_KEY(RESOURCE, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, &out->resource);
        if (field.key != SL_KEY(PERMISSIONS, SL_WIRE_BYTES))
            continue;
        if (out->n == MAX_PERMISSIONS) {
            sl_wire_fail(&wire, "too many permissions");
            break;
        }
        out->names = sl_arena_push(arena, out->names, &out->n, sizeof *out->names);
        sl_wire_string(&wire, &field, arena, &out->names[out->n - 1]);
    }
    return wire.code;
}

void sl_iam_put_permissions(struct sl_buf *out, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sl_wire_put_bytes(out, 1, names[i], strlen(names[i]));
}
