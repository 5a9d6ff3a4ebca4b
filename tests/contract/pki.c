/* pki.c - see the header. */
#include "pki.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

static char *text_of(BIO *bio)
{
    char *bytes;
    const long len = BIO_get_mem_data(bio, &bytes);
    char *text = sl_strndup(bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    cr_assert(extension && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void describe(X509 *certificate, const char *name, const char *host)
{
    char names[256];
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    if (!host) {
        add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
        return;
    }
    snprintf(names, sizeof names, "DNS:%s", host);
    add_extension(certificate, NID_subject_alt_name, names);
}

void pki_make(struct pki *out, const struct pki *issuer, const char *name, const char *host, long from_s, long to_s)
{
    static long serial;
    X509 *certificate = X509_new();
    out->key = EVP_RSA_gen(2048);
    out->certificate = certificate;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, out->key);
    describe(certificate, name, host);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer->certificate : certificate));
    cr_assert_gt(X509_sign(certificate, issuer ? issuer->key : out->key, EVP_sha256()), 0);
    BIO *pem = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    cr_assert_eq(PEM_write_bio_X509(pem, certificate), 1);
    cr_assert_eq(PEM_write_bio_PrivateKey(key, out->key, NULL, NULL, 0, NULL, NULL), 1);
    out->certificate_pem = text_of(pem);
    out->key_pem = text_of(key);
}

void pki_fini(struct pki *pki)
{
    EVP_PKEY_free(pki->key);
    X509_free(pki->certificate);
    free(pki->certificate_pem);
    free(pki->key_pem);
    *pki = (struct pki){0};
}
