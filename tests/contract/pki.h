/* pki.h - certificates for tests, made when they are needed. */
#ifndef TESTS_CONTRACT_PKI_H
#define TESTS_CONTRACT_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct pki { /* pki_fini() frees */
    EVP_PKEY *key;
    X509 *certificate;
    char *certificate_pem, *key_pem;
};
/* Signed by `issuer`, or by itself; `host` NULL: an authority. Valid from now + from_s to now + to_s. */
void pki_make(struct pki *out, const struct pki *issuer, const char *name, const char *host, long from_s, long to_s);
void pki_fini(struct pki *pki);

#endif
