/* code.c - gRPC's status codes: their names, and the classes they become. */
#include <sluice/rpc.h>

static const struct {
    const char *name;
    enum sl_code code;
} CODES[] = {
    [SL_RPC_OK] = {"OK", SL_OK},
    [SL_RPC_CANCELLED] = {"CANCELLED", SL_UNAVAILABLE},
    [SL_RPC_UNKNOWN] = {"UNKNOWN", SL_UNAVAILABLE},
    [SL_RPC_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", SL_INVALID},
    [SL_RPC_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", SL_UNAVAILABLE},
    [SL_RPC_NOT_FOUND] = {"NOT_FOUND", SL_NOT_FOUND},
    [SL_RPC_ALREADY_EXISTS] = {"ALREADY_EXISTS", SL_CONFLICT},
    [SL_RPC_PERMISSION_DENIED] = {"PERMISSION_DENIED", SL_DENIED},
    [SL_RPC_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", SL_UNAVAILABLE},
    [SL_RPC_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", SL_INVALID},
    [SL_RPC_ABORTED] = {"ABORTED", SL_UNAVAILABLE},
    [SL_RPC_OUT_OF_RANGE] = {"OUT_OF_RANGE", SL_INVALID},
    [SL_RPC_UNIMPLEMENTED] = {"UNIMPLEMENTED", SL_INVALID},
    [SL_RPC_INTERNAL] = {"INTERNAL", SL_UNAVAILABLE},
    [SL_RPC_UNAVAILABLE] = {"UNAVAILABLE", SL_UNAVAILABLE},
    [SL_RPC_DATA_LOSS] = {"DATA_LOSS", SL_CORRUPT},
    [SL_RPC_UNAUTHENTICATED] = {"UNAUTHENTICATED", SL_DENIED},
};

/* A peer may send any number; what gRPC does not know counts as UNKNOWN. */
static enum sl_rpc_code known(enum sl_rpc_code code)
{
    return (size_t)code < sizeof CODES / sizeof *CODES ? code : SL_RPC_UNKNOWN;
}

const char *sl_rpc_code_name(enum sl_rpc_code code)
{
    return CODES[known(code)].name;
}

enum sl_code sl_rpc_to_code(enum sl_rpc_code code)
{
    return CODES[known(code)].code;
}
